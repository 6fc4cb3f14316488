//! Takes out what only a terminal understands.

/// What a byte is part of.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and bytes that a final one follows: a character set.
    Intermediate,
    /// A control sequence: ESC [, then parameters until a final byte.
    Control,
    /// A string for the terminal: a title, a link; until BEL or ESC \.
    String,
    /// After ESC inside a string.
    StringEscape,
    /// After a carriage return.
    Return,
}

/// Strips escape sequences from a text that comes in pieces, and makes its lines end as in any file.
#[derive(Debug, Default)]
pub struct Strip(State);

impl Strip {
    /// Appends the text in `bytes` to `out`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            self.0 = self.step(*byte, out);
        }
    }

    /// Appends what was held back.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.0 == State::Return {
            out.push(b'\r');
        }
    }

    fn step(&self, byte: u8, out: &mut Vec<u8>) -> State {
        match (self.0, byte) {
            (State::Text | State::Return, b'\r') => State::Return,
            (State::Return, b'\n') => {
                out.push(b'\n');
                State::Text
            }
            (State::Return, _) => {
                out.push(b'\r');
                Self(State::Text).step(byte, out)
            }
            (State::Text | State::Escape | State::Intermediate | State::Control, 0x1b) => State::Escape,
            (State::Text, _) => {
                // The bell says nothing.
                out.extend(Some(byte).filter(|byte| *byte != 0x07));
                State::Text
            }
            (State::Escape, b'[') => State::Control,
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => State::String,
            (State::Escape | State::Intermediate, 0x20..=0x2f) => State::Intermediate,
            // One that never ends must not swallow the rest of the answer.
            (State::String | State::Control | State::StringEscape, b'\n') => {
                out.push(byte);
                State::Text
            }
            (State::Escape | State::Intermediate | State::StringEscape, _)
            | (State::Control, 0x40..=0x7e)
            | (State::String, 0x07) => State::Text,
            (State::Control, _) => State::Control,
            (State::String, 0x1b) => State::StringEscape,
            (State::String, _) => State::String,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_remains_and_what_steers_the_terminal_goes() {
        for (text, expected) in [
            ("plain ünï\n", "plain ünï\n"),
            ("a\r\nb\r\r\n", "a\nb\n"),
            ("10%\r20%", "10%\r20%"),
            ("\x1b[1;31mred\x1b[0m \x1b[?25lx\x1b[2K", "red x"),
            ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "alink"),
            ("\x1b(Bb\x1b=c\x1b7d\x07", "bcd"),
            ("end\r", "end\r"),
            ("a\x1b]never ends\nb\x1b[1\nc\x1b]x\x1b\nd", "a\nb\nc\nd"),
        ] {
            for size in [1, 2, 100] {
                let mut out = Vec::new();
                let mut strip = Strip::default();
                for piece in text.as_bytes().chunks(size) {
                    strip.feed(piece, &mut out);
                }
                strip.finish(&mut out);
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{text:?} in pieces of {size}");
            }
        }
    }
}
