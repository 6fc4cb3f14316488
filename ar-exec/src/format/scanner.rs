//! Reads JSON of any size in constant memory, piece by piece.
//!
//! Agents print one object a line, one object over many lines, or one array of objects. A line may be as long as the
//! longest tool result, so nothing here holds a line: strings are unescaped as they come, and what the formats ask for
//! by path is kept up to a limit. Texts of any length come in pieces.

use super::kept::Kept;
use super::unescape::Unescape;
use std::io;

/// What some programs begin their output with.
const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
/// What is nested deeper is not the output of an agent.
const MAX_DEPTH: usize = 128;

/// How objects follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// One object a line. A newline ends it even where it is cut, so a broken line costs no other.
    Lines,
    /// Objects over any number of lines, alone or in one array.
    Document,
    /// No JSON: every line passes for an object with one string, whose path is [`LINE`].
    Text,
}

/// The path of a line's text, its newline included.
pub const LINE: &str = "line";

/// What the scanner finds, in the order of the input. A path is made of keys with dots between, `*` standing for each
/// element of an array; dots inside of keys become underscores.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// The next bytes of a string.
    Piece(&'a str, &'a [u8]),
    /// A string, number, boolean or null is complete: its text, without its middle where it is long.
    Value(&'a str, &'a str),
    /// An object is complete, or (false) broken or cut.
    End(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Outside of all objects, at the start of a line.
    Outside,
    /// In something that is not JSON, until the line ends.
    Noise,
    Value,
    FirstValue,
    Key,
    FirstKey,
    Colon,
    After,
    KeyText,
    ValueText,
    /// A number, a boolean or null.
    Bare,
}

#[derive(Debug)]
struct Level {
    is_array: bool,
    /// Length of the path that its keys or elements start from.
    path_len: usize,
}

/// The state between two pieces of input.
#[derive(Debug)]
pub struct Scanner {
    framing: Framing,
    state: State,
    levels: Vec<Level>,
    path: String,
    kept: Kept,
    unescape: Unescape,
}

impl Scanner {
    /// Starts at the beginning of an output.
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            state: State::Outside,
            levels: Vec::new(),
            path: String::new(),
            kept: Kept::default(),
            unescape: Unescape::default(),
        }
    }

    /// Takes the next bytes of the output and tells what they complete. Fails where `tell` fails.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        tell: &mut impl FnMut(Event) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.framing == Framing::Text {
            return bytes.split_inclusive(|byte| *byte == b'\n').try_for_each(|part| self.line(part, tell));
        }
        while let Some((&first, rest)) = bytes.split_first() {
            if matches!(self.state, State::KeyText | State::ValueText) {
                bytes = self.text(bytes, tell)?;
            } else {
                self.byte(first, tell)?;
                bytes = rest;
            }
        }
        Ok(())
    }

    /// Whether an object has begun, and has a key at least, but is not complete.
    pub fn is_inside_object(&self) -> bool {
        !self.levels.is_empty() && !self.path.is_empty()
    }

    /// Tells that the output ends here.
    pub fn finish(&mut self, tell: &mut impl FnMut(Event) -> io::Result<()>) -> io::Result<()> {
        if self.framing == Framing::Text && self.state == State::ValueText {
            return self.end_line(tell);
        }
        self.reset(State::Outside, tell)
    }

    /// Takes a line, or a part of one.
    fn line(&mut self, part: &[u8], tell: &mut impl FnMut(Event) -> io::Result<()>) -> io::Result<()> {
        if self.state != State::ValueText {
            self.state = self.start(State::ValueText);
        }
        self.kept.add(part);
        tell(Event::Piece(LINE, part))?;
        if part.ends_with(b"\n") { self.end_line(tell) } else { Ok(()) }
    }

    fn end_line(&mut self, tell: &mut impl FnMut(Event) -> io::Result<()>) -> io::Result<()> {
        self.state = State::Outside;
        tell(Event::Value(LINE, &self.kept.text()))?;
        tell(Event::End(true))
    }

    fn byte(&mut self, byte: u8, tell: &mut impl FnMut(Event) -> io::Result<()>) -> io::Result<()> {
        if self.state == State::Bare {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.') {
                self.kept.add(&[byte]);
                return Ok(());
            }
            self.value(tell)?;
        }
        if byte == b'\n' && (self.framing == Framing::Lines || self.state == State::Noise) {
            return self.reset(State::Outside, tell);
        }
        if byte.is_ascii_whitespace() || self.state == State::Noise {
            return Ok(());
        }
        // A byte order mark, or what a terminal is told, must not cost the object behind it.
        if self.state == State::Outside && (BYTE_ORDER_MARK.contains(&byte) || byte.is_ascii_control()) {
            return Ok(());
        }
        self.state = match (self.state, byte) {
            (State::Outside | State::Value | State::FirstValue, b'{') => self.open(false),
            (State::Outside | State::Value | State::FirstValue, b'[') => self.open(true),
            (State::Value | State::FirstValue, b'"') => self.start(State::ValueText),
            (State::Value | State::FirstValue, b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                let state = self.start(State::Bare);
                self.kept.add(&[byte]);
                state
            }
            (State::Key | State::FirstKey, b'"') => self.start(State::KeyText),
            (State::Colon, b':') => State::Value,
            (State::After, b',') => match self.levels.last() {
                Some(level) if level.is_array => {
                    self.path.truncate(level.path_len);
                    State::Value
                }
                _ => State::Key,
            },
            (State::FirstValue | State::After, b']') => self.close(true, tell)?,
            (State::FirstKey | State::After, b'}') => self.close(false, tell)?,
            _ => State::Noise,
        };
        if self.state == State::Noise { self.reset(State::Noise, tell) } else { Ok(()) }
    }

    /// Takes bytes of a string up to its end, an escape or the end of the input; the rest is for the next round.
    fn text<'a>(
        &mut self,
        bytes: &'a [u8],
        tell: &mut impl FnMut(Event) -> io::Result<()>,
    ) -> io::Result<&'a [u8]> {
        let plain = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | b'\n'));
        let plain = if self.unescape.is_open() { 0 } else { plain.unwrap_or(bytes.len()) };
        let (run, rest) = bytes.split_at_checked(plain).unwrap_or((bytes, &[]));
        if !run.is_empty() {
            let lone = self.unescape.leave();
            self.piece(lone, tell)?;
            self.kept.add(run);
            if self.state == State::ValueText {
                tell(Event::Piece(&self.path, run))?;
            }
            return Ok(rest);
        }
        let Some((&byte, rest)) = rest.split_first() else { return Ok(rest) };
        match byte {
            // No string goes over the end of a line, so this one was cut.
            b'\n' => self.reset(State::Outside, tell)?,
            b'"' if !self.unescape.is_open() => {
                let lone = self.unescape.leave();
                self.piece(lone, tell)?;
                match self.state {
                    State::KeyText => self.key(),
                    _ => self.value(tell)?,
                }
            }
            _ => match self.unescape.take(byte) {
                Ok(text) => self.piece(text, tell)?,
                Err(()) => self.reset(State::Noise, tell)?,
            },
        }
        Ok(rest)
    }

    /// Passes on what escapes stand for.
    fn piece(
        &mut self,
        text: [Option<char>; 2],
        tell: &mut impl FnMut(Event) -> io::Result<()>,
    ) -> io::Result<()> {
        for character in text.into_iter().flatten() {
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).as_bytes();
            self.kept.add(bytes);
            if self.state == State::ValueText {
                tell(Event::Piece(&self.path, bytes))?;
            }
        }
        Ok(())
    }

    fn open(&mut self, is_array: bool) -> State {
        if self.levels.len() == MAX_DEPTH {
            return State::Noise;
        }
        if self.levels.is_empty() {
            self.path.clear();
        } else if is_array {
            self.path.push_str(".*");
        }
        self.levels.push(Level { is_array, path_len: self.path.len() });
        if is_array { State::FirstValue } else { State::FirstKey }
    }

    fn close(&mut self, is_array: bool, tell: &mut impl FnMut(Event) -> io::Result<()>) -> io::Result<State> {
        if self.levels.last().is_none_or(|level| level.is_array != is_array) {
            return Ok(State::Noise);
        }
        self.levels.pop();
        let is_record = match &self.levels[..] {
            [] => true,
            // An array around everything holds the objects that another agent prints as lines.
            [only] => only.is_array,
            _ => false,
        };
        if is_record && !is_array {
            tell(Event::End(true))?;
        }
        Ok(if self.levels.is_empty() { State::Outside } else { State::After })
    }

    fn start(&mut self, state: State) -> State {
        self.kept.clear();
        self.unescape = Unescape::default();
        state
    }

    fn key(&mut self) {
        self.path.truncate(self.levels.last().map_or(0, |level| level.path_len));
        if !self.path.is_empty() {
            self.path.push('.');
        }
        let key = self.kept.text();
        self.path.extend(key.chars().map(|c| if matches!(c, '.' | '*') { '_' } else { c }));
        self.state = State::Colon;
    }

    fn value(&mut self, tell: &mut impl FnMut(Event) -> io::Result<()>) -> io::Result<()> {
        self.state = State::After;
        tell(Event::Value(&self.path, &self.kept.text()))
    }

    /// Gives up on the object at hand, if there is one.
    fn reset(&mut self, state: State, tell: &mut impl FnMut(Event) -> io::Result<()>) -> io::Result<()> {
        self.state = state;
        if self.levels.is_empty() {
            return Ok(());
        }
        self.levels.clear();
        tell(Event::End(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a text: paths and values, and how its objects ended.
    fn found(framing: Framing, text: &str) -> (Vec<String>, Vec<bool>) {
        let (mut values, mut ends) = (Vec::new(), Vec::new());
        let mut tell = |event: Event| {
            match event {
                Event::Value(path, value) => values.push(format!("{path}={value}")),
                Event::End(whole) => ends.push(whole),
                Event::Piece(..) => {}
            }
            Ok(())
        };
        let mut scanner = Scanner::new(framing);
        scanner.feed(text.as_bytes(), &mut tell).unwrap();
        scanner.finish(&mut tell).unwrap();
        (values, ends)
    }

    #[test]
    fn paths_name_every_value() {
        let text = r#"{"a":{"b":[1,{"c":"x"},[true,null]],"d.*":-2.5e3},"e":"","f":{},"g":[],"h":false}"#;
        let expected =
            ["a.b.*=1", "a.b.*.c=x", "a.b.*.*=true", "a.b.*.*=null", "a.d__=-2.5e3", "e=", "h=false"];
        for framing in [Framing::Lines, Framing::Document] {
            let (values, ends) = found(framing, text);
            assert_eq!(values, expected);
            assert_eq!(ends, [true]);
        }
    }

    #[test]
    fn objects_follow_each_other_as_the_framing_says() {
        for (framing, text, expected) in [
            (Framing::Lines, "{\"a\":1}\n{\"a\":2}", &[true, true][..]),
            (Framing::Lines, "{\"a\":1}{\"a\":2}", &[true, true]),
            (Framing::Lines, "{\"a\":\n1}", &[false]),
            (Framing::Lines, "{\"a\":{\n{\"a\":2}\n{", &[false, true, false]),
            (Framing::Document, "{\"a\":\n1}\n", &[true]),
            (Framing::Document, "[\n{\"a\":1},\n{\"a\":[{}]}\n]\n", &[true, true]),
            (Framing::Document, "noise {\"a\":1}\n{\"a\":1}", &[true]),
            (Framing::Document, "[INFO] x\n{\"a\":1}", &[false, true]),
            (Framing::Document, "{\"a\":\"cut\n{\"a\":1}", &[false, true]),
            (Framing::Document, "{\"a\":1", &[false]),
            (Framing::Document, "{\"a\":1]", &[false]),
            (Framing::Document, "{\"a\" 1}", &[false]),
            (Framing::Document, "{a:1}", &[false]),
            (Framing::Document, "{\"a\":\"\\x\"}", &[false]),
            (Framing::Document, "", &[]),
        ] {
            assert_eq!(found(framing, text).1, expected, "{text:?}");
        }
    }

    #[test]
    fn long_values_and_keys_are_cut() {
        let long = "é".repeat(10_000);
        let (values, ends) = found(Framing::Lines, &format!("{{\"a\":\"{long}\",\"{long}\":1}}"));
        assert!(values.iter().all(|value| value.len() < 8210), "{}", values[0].len());
        assert_eq!(ends, [true]);
    }
}
