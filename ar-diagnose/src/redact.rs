//! No key leaves in what is told of a text: neither in the record nor in a question.

/// Masks the values of secret variables of the environment, and words that look like keys.
pub fn masked(text: &str) -> String {
    redacted(text, std::env::vars_os())
}

/// Prefixes of what looks like a key wherever it stands.
const KEYS: [&str; 12] =
    ["sk-", "ghp_", "gho_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA", "AIza", "eyJ", "hf_", "xai-"];
/// A shorter value is a word like any other.
const SECRET_BYTES: usize = 8;

fn redacted(text: &str, variables: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>) -> String {
    let mut text = text.to_owned();
    for (name, value) in variables {
        let name = name.to_string_lossy().to_ascii_uppercase();
        let is_secret = name
            .split('_')
            .any(|word| matches!(word, "KEY" | "APIKEY" | "TOKEN" | "SECRET" | "PASSWORD" | "PASSWD"));
        if let Some(value) = value.to_str().filter(|value| is_secret && value.len() >= SECRET_BYTES) {
            text = text.replace(value, "***");
        }
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or("");
        let is_key = length >= 16 && KEYS.iter().any(|prefix| word.starts_with(prefix));
        out.push_str(if is_key { "***" } else { word });
        let after = rest.get(length..).unwrap_or("");
        let gap = after.find(is_word).unwrap_or(after.len());
        out.push_str(after.get(..gap).unwrap_or(""));
        rest = after.get(gap..).unwrap_or("");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked() {
        let variables = [("MY_API_KEY".into(), "hunter2hunter2".into()), ("HOME".into(), "/home/ann".into())];
        let text = "key hunter2hunter2 in /home/ann, sk-proj-0123456789abcdef é";
        assert_eq!(redacted(text, variables.into_iter()), "key *** in /home/ann, *** é");
    }
}
