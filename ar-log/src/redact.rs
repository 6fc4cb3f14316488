//! Taking secrets out of texts, by the shapes that keys are known to have.
//!
//! One pass without regular expressions: this runs in every call, and compiling patterns costs more than the whole store.

use anyhow::Result;
use ar_core::Failure;
use regex::{Captures, Regex};

/// What stands in place of a secret.
pub const MASK: &str = "***";

/// How a key of this kind begins, and how many characters of keys follow at least.
const KEYS: &[(&str, usize)] = &[
    ("sk-", 16),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("AIza", 30),
    ("ya29.", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxa-", 10),
    ("xoxs-", 10),
    ("hf_", 20),
    ("npm_", 30),
    ("pypi-", 30),
    ("xai-", 20),
    ("gsk_", 20),
];

const PEM_START: &str = "-----BEGIN ";
const PEM_END: &str = "-----END ";

/// A secret in a text: its bytes from and to.
type Span = (usize, usize);

/// What counts as a secret: keys of known shapes, and what the configuration adds.
#[derive(Debug, Default)]
pub struct Secrets(Vec<Regex>);

impl Secrets {
    /// Compiles the patterns of the configuration.
    pub fn new(patterns: &[String]) -> Result<Self> {
        Ok(Self(patterns.iter().map(|pattern| compile(pattern)).collect::<Result<_>>()?))
    }

    /// The text with [`MASK`] in place of each secret.
    pub fn redact(&self, text: &str) -> String {
        let mut clean = redact(text);
        for pattern in &self.0 {
            // Between any two letters there is a match of 'x*', and no secret.
            let mask = |found: &Captures| if found[0].is_empty() { "" } else { MASK };
            clean = pattern.replace_all(&clean, mask).into_owned();
        }
        clean
    }

    /// The bytes at which secrets begin.
    pub fn find(&self, text: &str) -> Vec<usize> {
        let known = find(text).into_iter().map(|(from, _)| from);
        let added = self.0.iter().flat_map(|pattern| pattern.find_iter(text));
        let added = added.filter(|found| !found.is_empty()).map(|found| found.start());
        let mut places: Vec<usize> = known.chain(added).collect();
        places.sort_unstable();
        places
    }
}

fn compile(pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|_| {
        let message = format!(
            "'log_secrets' in config.toml has the pattern '{pattern}', which is no regular expression"
        );
        Failure::trouble(message)
            .hint("single quotes keep backslashes; 'ar setup check' finds what else is wrong")
            .into()
    })
}

/// The text without keys of known shapes.
fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = 0;
    for (from, to) in find(text) {
        clean.push_str(text.get(rest..from).unwrap_or(""));
        clean.push_str(MASK);
        rest = to;
    }
    clean.push_str(text.get(rest..).unwrap_or(""));
    clean
}

/// Where the secrets of a text are, in order.
fn find(text: &str) -> Vec<Span> {
    let bytes = text.as_bytes();
    let mut spans = Vec::new();
    let mut at = 0;
    let mut before = b' ';
    while let Some(byte) = bytes.get(at).copied() {
        // Inside a word nothing begins: 'task-force' holds no key.
        let found = if before.is_ascii_alphanumeric() { None } else { secret(text, at, byte) };
        if let Some(span) = found {
            spans.push(span);
            at = span.1.max(at + 1);
            before = b' ';
        } else {
            before = byte;
            at += 1;
        }
    }
    spans
}

/// The secret that begins at a byte of the text.
fn secret(text: &str, at: usize, byte: u8) -> Option<Span> {
    // Most bytes begin no secret, and this tells so at once.
    if !matches!(
        byte,
        b's' | b'r' | b'g' | b'A' | b'y' | b'x' | b'h' | b'n' | b'p' | b'e' | b'B' | b'b' | b'-'
    ) {
        return None;
    }
    let rest = text.get(at..)?;
    match byte {
        b'-' => rest.starts_with(PEM_START).then(|| (at, at + pem(rest))),
        b'e' => jwt(rest).map(|length| (at, at + length)),
        b'B' | b'b' => {
            let token =
                rest.get(..7).filter(|word| word.eq_ignore_ascii_case("bearer ")).and(rest.get(7..))?;
            let length = run(token, |c| is_key(c) || matches!(c, '.' | '~' | '+' | '/' | '='));
            (length >= 12).then_some((at + 7, at + 7 + length))
        }
        _ => KEYS.iter().find_map(|(start, least)| {
            let length = run(rest.strip_prefix(start)?, |c| is_key(c) || c == '.');
            (length >= *least).then_some((at, at + start.len() + length))
        }),
    }
}

/// The length of a PEM block, up to the end of the text where it is cut.
fn pem(text: &str) -> usize {
    let Some(end) = text.find(PEM_END) else { return text.len() };
    let after = end + PEM_END.len();
    let close = text.get(after..).and_then(|rest| rest.find("-----"));
    close.map_or(text.len(), |close| after + close + 5)
}

/// The length of a JSON web token: three parts of base64, the first of which is an object.
fn jwt(text: &str) -> Option<usize> {
    let mut length = 0;
    for part in 0..3 {
        let rest = text.get(length..)?;
        let here = run(rest, is_key);
        if here < 4 || (part == 0 && !rest.starts_with("eyJ")) {
            return None;
        }
        length += here;
        if part < 2 {
            text.get(length..)?.strip_prefix('.')?;
            length += 1;
        }
    }
    Some(length)
}

fn is_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// How many bytes at the start of the text are such characters.
fn run(text: &str, is_one: impl Fn(char) -> bool) -> usize {
    text.find(|c: char| !is_one(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_known_shapes_are_masked() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mBabc";
        for (text, clean) in [
            ("key sk-proj-abcdefghijklmnop0123 end".to_owned(), "key *** end"),
            ("OPENAI_API_KEY=sk-abcdefghijklmnop0123".to_owned(), "OPENAI_API_KEY=***"),
            ("'ghp_abcdefghijklmnopqrstuvwxyz0123456789'".to_owned(), "'***'"),
            ("x:AIzaSyA-0123456789abcdefghijklmnopqrstu".to_owned(), "x:***"),
            ("AKIAIOSFODNN7EXAMPLE, and".to_owned(), "***, and"),
            ("Authorization: Bearer abc.DEF-123456789==".to_owned(), "Authorization: Bearer ***"),
            (format!("token {jwt}\nnext"), "token ***\nnext"),
            (
                "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nb".to_owned(),
                "a\n***\nb",
            ),
            ("-----BEGIN PRIVATE KEY-----\nMIIE".to_owned(), "***"),
            ("sk-ant-api03-AAAAAAAAAAAAAAAAAAAA sk-ant-api03-BBBBBBBBBBBBBBBBBBBB".to_owned(), "*** ***"),
        ] {
            assert_eq!(redact(&text), clean, "{text}");
        }
    }

    #[test]
    fn patterns_mask_what_they_match_and_nothing_is_no_secret() {
        let secrets = Secrets::new(&["x*".to_owned(), r"\bpin \d+".to_owned()]).unwrap();
        assert_eq!(secrets.redact("axxb, pin 1234"), "a***b, ***");
        assert_eq!(secrets.find("axxb, pin 1234"), [1, 6]);
        assert!(Secrets::new(&["(".to_owned()]).is_err());
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in [
            "",
            "a task-force of risk-averse people",
            "sk-short",
            "bearer of bad news",
            "eyJust a word.",
            "----- BEGIN -----",
            "ünïcödé — sk-…",
            "AKIA",
        ] {
            assert_eq!(redact(text), text);
        }
    }
}
