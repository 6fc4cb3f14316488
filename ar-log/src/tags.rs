//! Tags: marks that a caller gives its runs.

use anyhow::Result;
use ar_core::Failure;
use std::collections::BTreeMap;

/// All tags of a run take at most this many bytes, because its record must stay small.
const MAX_BYTES: usize = 1024;

/// Reads `KEY=VALUE` arguments; the last of equal keys counts.
pub fn parse(arguments: &[String]) -> Result<BTreeMap<&str, &str>> {
    let mut tags = BTreeMap::new();
    for argument in arguments {
        let parts = argument.split_once('=').filter(|(key, _)| !key.is_empty());
        let (key, value) =
            parts.ok_or_else(|| Failure::trouble(format!("the tag '{argument}' is not KEY=VALUE")))?;
        tags.insert(key, value);
    }
    if arguments.iter().map(String::len).sum::<usize>() > MAX_BYTES {
        return Err(Failure::trouble(format!("the tags have more than {MAX_BYTES} bytes")).into());
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_pairs() {
        let arguments = ["a=1".to_owned(), "b=x=y".to_owned(), "a=2".to_owned(), "c=".to_owned()];
        assert_eq!(parse(&arguments).unwrap(), BTreeMap::from([("a", "2"), ("b", "x=y"), ("c", "")]));
        for wrong in ["a", "=b", ""] {
            assert!(parse(&[wrong.to_owned()]).is_err(), "{wrong:?}");
        }
        assert!(parse(&[format!("a={}", "x".repeat(MAX_BYTES))]).is_err());
    }
}
