//! Keeps the values of secret variables out of whatever is stored of a run but its answer.

use anyhow::Context;
use ar_core::paths;
use memchr::memmem::Finder;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// A shorter value is a word like any other, and replacing it would spoil texts that have nothing to do with it.
const MIN_BYTES: usize = 8;
/// A line of a secret of several is one of its own from this length on.
const MIN_LINE_BYTES: usize = 16;
/// How many lines of a secret are looked for: those of a long key.
const MAX_LINES: usize = 100;
/// What stands in place of a secret.
const MASK: &[u8] = b"***";
/// How much of a file is looked at at once.
const PIECE_BYTES: usize = 256 * 1024;
/// How much of a text is masked for whoever makes it searchable.
const SEARCHED_BYTES: u64 = 1024 * 1024;
/// Words in the name of a variable whose value is a secret.
const SECRET_WORDS: [&str; 4] = ["KEY", "PASS", "PAT", "PW"];
/// Ends of such words: `PGPASSWORD` has no other word for its secret.
const SECRET_ENDS: [&str; 6] = ["APIKEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE"];

/// Values that must not be seen.
#[derive(Default)]
pub struct Secrets(Vec<Vec<u8>>);

/// Nobody who prints a plan for debugging shall print a secret.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

/// Whether a variable of this name holds a secret.
pub fn is_secret(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    name.split('_')
        .any(|word| SECRET_WORDS.contains(&word) || SECRET_ENDS.iter().any(|end| word.ends_with(end)))
        || name.ends_with("_PWD")
}

impl Secrets {
    /// Adds a value, and what else it may be seen as: the text of a JSON string, and of several lines each one.
    pub fn add(&mut self, value: &[u8]) {
        self.insert(value);
        for line in value.split(|byte| *byte == b'\n').take(MAX_LINES) {
            let line = line.trim_ascii();
            // The first and the last line of a key in a file are the same in all of them.
            if line.len() < value.len() && line.len() >= MIN_LINE_BYTES && !line.starts_with(b"-----") {
                self.insert(line);
            }
        }
        self.insert(&in_json(value));
    }

    /// Adds bytes, longer ones before those that they contain.
    fn insert(&mut self, value: &[u8]) {
        if value.len() >= MIN_BYTES && !self.0.iter().any(|known| known == value) {
            let at = self.0.partition_point(|known| known.len() >= value.len());
            self.0.insert(at, value.to_vec());
        }
    }

    /// Adds the value of a variable that may be a mere setting: an address, a path, a number.
    pub fn add_unless_setting(&mut self, name: &OsStr, value: &[u8]) {
        let is_setting = value.starts_with(b"/")
            || value.starts_with(b"http://")
            || value.starts_with(b"https://")
            || value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
        if is_secret(name) || !is_setting {
            self.add(value);
        }
    }

    /// A text with every secret replaced, one that was cut with the text's end included.
    pub fn mask(&self, text: &str) -> String {
        let secrets = || self.0.iter().filter_map(|secret| str::from_utf8(secret).ok());
        let masked = secrets().fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
        let Some(cut) = masked.strip_suffix('…') else { return masked };
        let part = |secret: &str| {
            let lengths = secret.char_indices().map(|(at, _)| at).filter(|at| *at >= MIN_BYTES);
            lengths.rev().find(|length| secret.get(..*length).is_some_and(|part| cut.ends_with(part)))
        };
        match secrets().filter_map(part).max() {
            Some(length) => format!("{}***…", cut.get(..cut.len() - length).unwrap_or_default()),
            None => masked,
        }
    }

    /// Writes the beginning of a file without its secrets beside it, as `NAME.masked`, where it has any.
    ///
    /// The file itself is what the agent was told or what it said, and stays. Whoever keeps a text of it to be searched
    /// knows no secrets, and takes this one.
    pub fn mask_beside(&self, path: &Path) -> anyhow::Result<()> {
        let finders: Vec<Finder> = self.0.iter().map(Finder::new).collect();
        if finders.is_empty() {
            return Ok(());
        }
        let context = || format!("cannot keep secrets out of what is stored of '{}'", path.display());
        let beginning = || File::open(path).map(|file| file.take(SEARCHED_BYTES)).with_context(context);
        if copy(&mut beginning()?, &mut io::sink(), &finders).with_context(context)? {
            let mut masked = paths::create_private_file(&path.with_extension("masked"))?;
            copy(&mut beginning()?, &mut masked, &finders).with_context(context)?;
        }
        Ok(())
    }

    /// Replaces every secret in a file, which keeps its place where there is none.
    pub fn redact_file(&self, path: &Path) -> anyhow::Result<()> {
        let finders: Vec<Finder> = self.0.iter().map(Finder::new).collect();
        if finders.is_empty() {
            return Ok(());
        }
        let context = || format!("cannot keep secrets out of '{}'", path.display());
        let mut file = File::open(path).with_context(context)?;
        if !copy(&mut file, &mut io::sink(), &finders).with_context(context)? {
            return Ok(());
        }
        let clean = path.with_extension("clean");
        file.rewind().with_context(context)?;
        copy(&mut file, &mut paths::create_private_file(&clean)?, &finders).with_context(context)?;
        fs::rename(&clean, path).with_context(context)
    }
}

/// A value as the inside of a JSON string, as nearly every writer of JSON has it.
fn in_json(value: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len());
    for byte in value {
        let escaped = match byte {
            b'"' | b'\\' => Some(*byte),
            b'\n' => Some(b'n'),
            b'\r' => Some(b'r'),
            b'\t' => Some(b't'),
            _ => None,
        };
        text.extend(escaped.map(|_| b'\\'));
        text.push(escaped.unwrap_or(*byte));
    }
    text
}

/// Copies with every secret replaced, and tells whether there was one.
fn copy(from: &mut impl Read, to: &mut impl Write, secrets: &[Finder]) -> io::Result<bool> {
    let longest = secrets.iter().map(|secret| secret.needle().len()).max().unwrap_or(1);
    let mut window = Vec::with_capacity(PIECE_BYTES + longest);
    let mut found = false;
    loop {
        let ends = from.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut window)? == 0;
        let mut done = 0;
        while let Some((at, length)) = first(window.get(done..).unwrap_or_default(), secrets) {
            to.write_all(window.get(done..done + at).unwrap_or_default())?;
            to.write_all(MASK)?;
            done += at + length;
            found = true;
        }
        // The last bytes may be the start of a secret.
        let keep = if ends { 0 } else { longest - 1 };
        let upto = window.len().saturating_sub(keep).max(done);
        to.write_all(window.get(done..upto).unwrap_or_default())?;
        window.drain(..upto);
        if ends {
            return Ok(found);
        }
    }
}

/// Place and length of the first secret, of several at one place the longest.
fn first(text: &[u8], secrets: &[Finder]) -> Option<(usize, usize)> {
    let places = secrets.iter().filter_map(|secret| Some((secret.find(text)?, secret.needle().len())));
    places.min_by_key(|(at, length)| (*at, usize::MAX - length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_secrets() {
        for name in
            ["OPENAI_API_KEY", "gh_token", "X_APIKEY", "PGPASSWORD", "SECRET", "GH_PAT", "MYSQL_PWD", "DB_PW"]
        {
            assert!(is_secret(name.as_ref()), "{name}");
        }
        for name in
            ["HOME", "KEYBOARD", "SSH_AUTH_SOCK", "TOKENIZERS_PARALLELISM", "MONKEY", "PWD", "OLDPWD", "PATH"]
        {
            assert!(!is_secret(name.as_ref()), "{name}");
        }
    }

    fn redacted(text: &[u8], values: &[&str]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("stderr");
        fs::write(&file, text).unwrap();
        let mut secrets = Secrets::default();
        for value in values {
            secrets.add(value.as_bytes());
        }
        secrets.redact_file(&file).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::read(&file).unwrap()
    }

    #[test]
    fn secrets_are_replaced_wherever_they_stand() {
        let text = b"a sk-123456789 b sk-12345678 c\xff sk-1234567";
        assert_eq!(
            redacted(text, &["sk-12345678", "sk-123456789", "short"]),
            b"a *** b *** c\xff sk-1234567"
        );
        assert_eq!(redacted(b"", &["sk-12345678"]), b"");
    }

    #[test]
    fn what_may_be_searched_has_no_secrets_and_the_text_keeps_them() {
        let dir = tempfile::tempdir().unwrap();
        let mut secrets = Secrets::default();
        secrets.add(b"sk-12345678");
        for (text, masked) in [("a sk-12345678 b", Some("a *** b".to_owned())), ("nothing", None), ("", None)]
        {
            let file = dir.path().join("answer");
            fs::write(&file, text).unwrap();
            secrets.mask_beside(&file).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
            let beside = dir.path().join("answer.masked");
            assert_eq!(fs::read_to_string(&beside).ok(), masked, "{text}");
            fs::remove_file(beside).ok();
        }
    }

    #[test]
    fn a_secret_is_known_in_json_by_one_of_its_lines_and_by_its_beginning() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nshort\n-----END KEY-----";
        let quote = "pass\"word\\9";
        let text = br#"{"a":"pass\"word\\9"} pass"word\9 MIIEvQIBADANBgkqhkiG short -----BEGIN KEY-----"#;
        assert_eq!(redacted(text, &[key, quote]), br#"{"a":"***"} *** *** short -----BEGIN KEY-----"#);
        let mut secrets = Secrets::default();
        secrets.add(b"sk-123456789");
        for (text, masked) in [
            ("invalid: sk-12345678…", "invalid: ***…"),
            ("invalid: sk-1234…", "invalid: sk-1234…"),
            ("invalid: sk-123456789…", "invalid: ***…"),
            ("invalid: sk-12345678", "invalid: sk-12345678"),
        ] {
            assert_eq!(secrets.mask(text), masked, "{text}");
        }
    }

    #[test]
    fn a_secret_across_two_pieces_is_found() {
        let secret = "s".repeat(100) + "x";
        for offset in [1, 50, 100] {
            let mut text = vec![b'.'; PIECE_BYTES - offset];
            text.extend_from_slice(secret.as_bytes());
            text.extend_from_slice(&vec![b'.'; PIECE_BYTES]);
            let clean = redacted(&text, &[&secret]);
            assert_eq!(clean.len(), text.len() - secret.len() + MASK.len(), "{offset}");
        }
    }

    #[test]
    fn settings_in_a_file_of_secrets_stay_readable() {
        let mut secrets = Secrets::default();
        for (name, value) in [("BASE", "https://x.example"), ("DIR", "/some/dir/x"), ("PORT", "123456789")] {
            secrets.add_unless_setting(name.as_ref(), value.as_bytes());
        }
        assert!(secrets.0.is_empty());
        secrets.add_unless_setting("PAT".as_ref(), b"abcdefgh");
        secrets.add_unless_setting("A_KEY".as_ref(), b"123456789");
        assert_eq!(secrets.0.len(), 2);
    }
}
