//! What is kept of a value of any length: its beginning and its end.

use std::borrow::Cow;

/// Of the beginning, and of the end, no more than this is kept.
const MAX_BYTES: usize = 4096;

/// The text of one key or value. The end is kept, too, because some agents tell an error behind what the model said.
#[derive(Debug, Default)]
pub struct Kept {
    head: Vec<u8>,
    /// What follows the head; its last bytes count.
    tail: Vec<u8>,
    is_cut: bool,
}

impl Kept {
    /// Forgets the text.
    pub fn clear(&mut self) {
        self.head.clear();
        self.tail.clear();
        self.is_cut = false;
    }

    /// Adds to the text.
    pub fn add(&mut self, bytes: &[u8]) {
        let room = MAX_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.head.extend_from_slice(head);
        let end = rest.len().saturating_sub(MAX_BYTES);
        self.tail.extend_from_slice(rest.get(end..).unwrap_or(rest));
        self.is_cut |= end > 0;
        // Now and then, not with every byte.
        if self.tail.len() > 2 * MAX_BYTES {
            self.cut();
        }
    }

    /// The text, `…` in place of what was left out of its middle.
    pub fn text(&mut self) -> Cow<'_, str> {
        self.cut();
        if self.tail.is_empty() {
            return String::from_utf8_lossy(&self.head);
        }
        let gap = if self.is_cut { "…" } else { "" };
        Cow::Owned(String::from_utf8_lossy(&[&self.head, gap.as_bytes(), &self.tail].concat()).into_owned())
    }

    fn cut(&mut self) {
        let surplus = self.tail.len().saturating_sub(MAX_BYTES);
        self.tail.drain(..surplus);
        self.is_cut |= surplus > 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_and_the_end_are_kept_however_the_text_comes() {
        for size in [0, 1, MAX_BYTES, MAX_BYTES + 1, 2 * MAX_BYTES, 2 * MAX_BYTES + 1, 9 * MAX_BYTES] {
            let text: String = ('a'..='z').cycle().take(size).collect();
            let middle = size.saturating_sub(2 * MAX_BYTES);
            let expected = match middle {
                0 => text.clone(),
                _ => format!("{}…{}", &text[..MAX_BYTES], &text[size - MAX_BYTES..]),
            };
            for piece in [1, 7, MAX_BYTES, 10 * MAX_BYTES] {
                let mut kept = Kept::default();
                text.as_bytes().chunks(piece).for_each(|bytes| kept.add(bytes));
                assert!(kept.text() == expected, "{size} bytes in pieces of {piece}");
                kept.clear();
                assert_eq!(kept.text(), "");
            }
        }
    }
}
