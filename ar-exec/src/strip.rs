//! Makes a text of what was written to a terminal: without what only a terminal understands, and each line as it looked in
//! the end, for a progress bar or a spinner is one that was written over.

use crate::line::Line;

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
}

/// Strips escape sequences from a text that comes in pieces, and makes its lines end as in any file.
#[derive(Debug, Default)]
pub struct Strip {
    state: State,
    /// The number in a control sequence; None before there is one, or where there are several.
    number: Option<usize>,
    line: Line,
}

impl Strip {
    /// Appends the text in `bytes` to `out`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            self.state = self.step(*byte, out);
        }
    }

    /// Appends the line that is not over.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.line.finish(out);
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) -> State {
        match (self.state, byte) {
            // A string that never ends must not swallow the rest of the answer.
            (State::Text | State::String | State::Control | State::StringEscape, b'\n') => {
                self.line.finish(out);
                out.push(byte);
                State::Text
            }
            (State::Text | State::Escape | State::Intermediate | State::Control, 0x1b) => State::Escape,
            (State::Text, _) => {
                self.text(byte, out);
                State::Text
            }
            (State::Escape, b'[') => {
                self.number = None;
                State::Control
            }
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => State::String,
            (State::Escape | State::Intermediate, 0x20..=0x2f) => State::Intermediate,
            (State::Control, 0x40..=0x7e) => {
                self.control(byte);
                State::Text
            }
            (State::Control, b'0'..=b'9') => {
                let digit = usize::from(byte - b'0');
                self.number = Some(self.number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
                State::Control
            }
            (State::Control, _) => State::Control,
            (State::Escape | State::Intermediate | State::StringEscape, _) | (State::String, 0x07) => {
                State::Text
            }
            (State::String, 0x1b) => State::StringEscape,
            (State::String, _) => State::String,
        }
    }

    fn text(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'\r' => self.line.go_to(0),
            0x08 => self.line.back(1),
            // The bell says nothing.
            0x07 => {}
            _ => self.line.write(byte, out),
        }
    }

    /// Obeys what concerns the line alone. What moves between lines is left out: an agent that paints whole screens has no
    /// answer to be read from them.
    fn control(&mut self, command: u8) {
        let number = self.number;
        let count = number.unwrap_or(1).max(1);
        match (command, number) {
            (b'K', None | Some(0)) => self.line.erase_rest(),
            (b'K', Some(2)) => self.line.erase(),
            (b'G', _) => self.line.go_to(count - 1),
            (b'C', _) => self.line.forward(count),
            (b'D', _) => self.line.back(count),
            _ => {}
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
            ("10%\r20%", "20%"),
            ("⠋ thinking\r⠙ thinking\r\x1b[Kdöne\n", "döne\n"),
            ("wörk\rö", "öörk"),
            ("abc\x08\x08x", "axc"),
            ("ü\x08a\x08\x08b", "b"),
            ("50 %\x1b[1G\x1b[2K100 %", "100 %"),
            ("abcd\x1b[2D\x1b[K", "ab"),
            ("\x1b[3Ca\rb\x1b[9Cc", "bc"),
            ("\x1b[1;31mred\x1b[0m \x1b[?25lx\x1b[K", "red x"),
            ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "alink"),
            ("\x1b(Bb\x1b=c\x1b7d\x07", "bcd"),
            ("end\r", "end"),
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

    #[test]
    fn a_long_line_is_no_progress_bar_and_stays() {
        let (mut out, mut strip) = (Vec::new(), Strip::default());
        strip.feed(&vec![b'x'; 100_000], &mut out);
        assert!(out.len() > 80_000);
        strip.feed(b"\r\n", &mut out);
        assert_eq!(out.len(), 100_001);
    }
}
