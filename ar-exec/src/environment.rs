//! The variables that a provider's template adds to the child's environment.

use crate::plan::below_home;
use anyhow::Context;
use ar_core::Failure;
use ar_core::config::Provider;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The variables of `env_file`, then those of `env`, which win.
pub fn of_provider(provider: &Provider) -> anyhow::Result<Vec<(OsString, OsString)>> {
    let mut variables = match &provider.env_file {
        Some(file) => read(&below_home(file))?,
        None => Vec::new(),
    };
    variables.extend(provider.env.iter().map(|(name, value)| (name.into(), value.into())));
    Ok(variables)
}

/// Reads a file of `NAME=value` lines. Empty lines and lines that start with `#` are passed over, as is a leading
/// `export`; one pair of quotes around a value goes away, and nothing in it is expanded.
fn read(file: &Path) -> anyhow::Result<Vec<(OsString, OsString)>> {
    let bytes = fs::read(file).with_context(|| format!("cannot read the env_file '{}'", file.display()))?;
    let mut variables = Vec::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        // The line may hold a secret, so the message has its number alone.
        variables.push(variable(line).ok_or_else(|| {
            Failure::trouble(format!("{}:{}: this is not NAME=value", file.display(), number + 1))
        })?);
    }
    Ok(variables)
}

fn variable(line: &[u8]) -> Option<(OsString, OsString)> {
    let line = line.strip_prefix(b"export ").unwrap_or(line).trim_ascii_start();
    let equals = line.iter().position(|byte| *byte == b'=')?;
    let (name, value) = line.split_at(equals);
    let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let value = unquoted(value.get(1..)?);
    (is_name && !name.is_empty() && !value.contains(&0))
        .then(|| (OsStr::from_bytes(name).to_owned(), OsString::from_vec(value.to_vec())))
}

fn unquoted(value: &[u8]) -> &[u8] {
    [b"\"", b"'"]
        .iter()
        .find_map(|quote| value.strip_prefix(quote.as_slice())?.strip_suffix(quote.as_slice()))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_and_values() {
        let cases = [
            (b"A=b".as_slice(), Some(("A", "b"))),
            (b"export A=b=c", Some(("A", "b=c"))),
            (b"A=", Some(("A", ""))),
            (b"A=\"b c\"", Some(("A", "b c"))),
            (b"A='\"'", Some(("A", "\""))),
            (b"A=\"", Some(("A", "\""))),
            (b"A", None),
            (b"A B=c", None),
        ];
        for (line, expected) in cases {
            let expected = expected.map(|(name, value)| (OsString::from(name), OsString::from(value)));
            assert_eq!(variable(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_bad_line_is_named_by_its_number_and_not_by_its_text() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        fs::write(&file, "# keys\n\nA=1\nhunter2\n").unwrap();
        let error = read(&file).unwrap_err().to_string();
        assert_eq!(error, format!("{}:4: this is not NAME=value", file.display()));
    }
}
