//! The escapes inside of JSON strings, one byte at a time.

/// Where in an escape the input stands.
#[derive(Debug, Default)]
pub struct Unescape {
    at: At,
    /// The first half of a surrogate pair, its second half still to come.
    high: Option<u16>,
}

#[derive(Debug, Default)]
enum At {
    #[default]
    Plain,
    Backslash,
    /// In `\uXXXX`: how many digits were read, and their value.
    Hex(u8, u16),
}

impl Unescape {
    /// Whether the next byte belongs to an escape.
    pub fn is_open(&self) -> bool {
        !matches!(self.at, At::Plain)
    }

    /// Takes a byte of an escape, its backslash first. Tells what has become certain by it; an error is no JSON.
    pub fn take(&mut self, byte: u8) -> Result<[Option<char>; 2], ()> {
        match self.at {
            At::Plain => self.at = At::Backslash,
            At::Backslash if byte == b'u' => self.at = At::Hex(0, 0),
            At::Backslash => {
                let plain = match byte {
                    b'"' | b'\\' | b'/' => char::from(byte),
                    b'b' => '\u{8}',
                    b'f' => '\u{c}',
                    b'n' => '\n',
                    b'r' => '\r',
                    b't' => '\t',
                    _ => return Err(()),
                };
                self.at = At::Plain;
                let [lone, _] = self.leave();
                return Ok([lone, Some(plain)]);
            }
            At::Hex(read, value) => {
                let digit = char::from(byte).to_digit(16).ok_or(())?;
                let value = value << 4 | u16::try_from(digit).map_err(|_| ())?;
                if read < 3 {
                    self.at = At::Hex(read + 1, value);
                } else {
                    self.at = At::Plain;
                    return Ok(self.unit(value));
                }
            }
        }
        Ok([None, None])
    }

    /// Tells what stands for half of a pair whose other half does not come: text other than an escape follows.
    pub fn leave(&mut self) -> [Option<char>; 2] {
        [self.high.take().map(|_| char::REPLACEMENT_CHARACTER), None]
    }

    fn unit(&mut self, unit: u16) -> [Option<char>; 2] {
        let high = self.high.take();
        if let (Some(high), 0xDC00..=0xDFFF) = (high, unit) {
            return [char::decode_utf16([high, unit]).next().and_then(Result::ok), None];
        }
        let lone = high.map(|_| char::REPLACEMENT_CHARACTER);
        if matches!(unit, 0xD800..=0xDBFF) {
            self.high = Some(unit);
            return [lone, None];
        }
        [lone, Some(char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER))]
    }
}
