//! A line of a terminal, which may be written over as long as it is not over.

/// More than this is no progress bar, and its beginning is not written over any more.
const MAX_BYTES: usize = 16 * 1024;

/// What stands in a line, and where in it the next character goes. Wide characters are taken for narrow ones, which matters
/// only where a line is written over in part.
#[derive(Debug, Default)]
pub struct Line {
    text: Vec<u8>,
    at: usize,
}

impl Line {
    /// Writes a byte of a character, in place of the one that stands there.
    pub fn write(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.at == self.text.len() {
            if self.at >= MAX_BYTES {
                self.finish(out);
            }
            self.text.push(byte);
        } else if is_inner(byte) {
            self.text.insert(self.at, byte);
        } else {
            self.text.splice(self.at..self.after(self.at), [byte]);
        }
        self.at += 1;
    }

    /// Goes to a column, counted from 0, or to the end.
    pub fn go_to(&mut self, column: usize) {
        self.at = 0;
        self.forward(column);
    }

    /// Goes back by so many columns, at most to the beginning.
    pub fn back(&mut self, columns: usize) {
        for _ in 0..columns.min(self.at) {
            let before = self.text.get(..self.at).unwrap_or_default();
            self.at = before.iter().rposition(|byte| !is_inner(*byte)).unwrap_or(0);
        }
    }

    /// Goes forward by so many columns, at most to the end.
    pub fn forward(&mut self, columns: usize) {
        for _ in 0..columns.min(self.text.len()) {
            self.at = self.after(self.at);
        }
    }

    /// Erases what stands behind.
    pub fn erase_rest(&mut self) {
        self.text.truncate(self.at);
    }

    /// Erases all, and goes to the beginning: blanks before the next text would say nothing.
    pub fn erase(&mut self) {
        self.text.clear();
        self.at = 0;
    }

    /// Appends the line as it stands, and begins the next one.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.text);
        self.at = 0;
    }

    /// Where the character ends that begins at a place.
    fn after(&self, at: usize) -> usize {
        let rest = self.text.get(at + 1..).unwrap_or_default();
        let inner = rest.iter().take_while(|byte| is_inner(**byte)).count();
        (at + 1 + inner).min(self.text.len())
    }
}

/// Whether a byte is one inside of a character of UTF-8.
fn is_inner(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}
