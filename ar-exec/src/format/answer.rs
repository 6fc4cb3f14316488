//! The file that holds the answer, while it is not yet known which text that is.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

/// Texts are collected up to this size before they go to the file, and copied in pieces of this size.
const BUFFER_BYTES: usize = 64 * 1024;

/// An answer in the making: first the text that counts so far, behind it the one at hand, of which the end of its JSON
/// object tells whether it takes the other's place, continues it or is nothing.
///
/// Both lie in the file because both may be of any size. Memory holds the last piece of the text at hand.
#[derive(Debug)]
pub struct Answer {
    file: File,
    /// Length of the text that counts.
    kept: u64,
    /// Length of what the file holds of the text at hand.
    written: u64,
    /// The end of the text at hand.
    buffer: Vec<u8>,
}

impl Answer {
    /// Starts with an empty answer in an empty file, open for reading and writing.
    pub fn new(file: File) -> Self {
        Self { file, kept: 0, written: 0, buffer: Vec::new() }
    }

    /// Adds to the text at hand.
    pub fn add(&mut self, text: &[u8]) -> io::Result<()> {
        if self.buffer.len() + text.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if text.len() > BUFFER_BYTES {
            self.file.write_all_at(text, self.kept + self.written)?;
            self.written += text.len() as u64;
        } else {
            self.buffer.extend_from_slice(text);
        }
        Ok(())
    }

    /// Whether there is no text at hand.
    pub fn is_empty(&self) -> bool {
        self.written == 0 && self.buffer.is_empty()
    }

    /// Copies the text at hand to `output`, and tells its last byte.
    pub fn show(&self, output: &mut dyn Write) -> io::Result<Option<u8>> {
        let mut last = None;
        self.each_piece(|_, piece| {
            last = piece.last().copied();
            output.write_all(piece)
        })?;
        output.write_all(&self.buffer)?;
        Ok(self.buffer.last().copied().or(last))
    }

    /// Forgets the text at hand.
    pub fn forget(&mut self) -> io::Result<()> {
        self.buffer.clear();
        if self.written > 0 {
            self.written = 0;
            self.file.set_len(self.kept)?;
        }
        Ok(())
    }

    /// Lets the text at hand continue the one that counts.
    pub fn append(&mut self) -> io::Result<()> {
        self.flush()?;
        self.kept += self.written;
        self.written = 0;
        Ok(())
    }

    /// Lets the text at hand take the place of the one that counts.
    pub fn replace(&mut self) -> io::Result<()> {
        self.each_piece(|at, piece| self.file.write_all_at(piece, at))?;
        self.file.write_all_at(&self.buffer, self.written)?;
        self.kept = self.written + self.buffer.len() as u64;
        self.written = 0;
        self.buffer.clear();
        self.file.set_len(self.kept)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.kept + self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Reads what the file holds of the text at hand, each piece with its distance from the text's start.
    fn each_piece(&self, mut take: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
        if self.written == 0 {
            return Ok(());
        }
        let mut piece = vec![0; BUFFER_BYTES];
        let mut at = 0;
        while at < self.written {
            let size = usize::try_from(self.written - at).unwrap_or(BUFFER_BYTES).min(BUFFER_BYTES);
            let piece = piece.get_mut(..size).unwrap_or_default();
            self.file.read_exact_at(piece, self.kept + at)?;
            take(at, piece)?;
            at += size as u64;
        }
        Ok(())
    }
}
