//! Words for a shell to read.

use std::ffi::OsStr;

/// Quotes a word for sh(1) where it needs it. Bytes that are not UTF-8 show as U+FFFD.
pub fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_quotes_gets_them() {
        for (word, quoted) in
            [("a-b.md", "a-b.md"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$x", "'$x'")]
        {
            assert_eq!(quote(OsStr::new(word)), quoted);
        }
    }
}
