//! What a change of a file looks like.

use similar::TextDiff;
use std::path::Path;

/// The change of a file as a unified diff; `before` is None for a new one. Empty where nothing changes.
pub fn unified(file: &Path, before: Option<&str>, after: &str) -> String {
    let name = file.display().to_string();
    let old_name = if before.is_some() { &name } else { "/dev/null" };
    let diff = TextDiff::from_lines(before.unwrap_or(""), after);
    if before == Some(after) {
        String::new()
    } else {
        diff.unified_diff().header(old_name, &name).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_what_changes_and_nothing_else() {
        let file = Path::new("m.toml");
        assert_eq!(unified(file, Some("a\n"), "a\n"), "");
        assert_eq!(
            unified(file, Some("a\nb\n"), "a\nc\n"),
            "--- m.toml\n+++ m.toml\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
        );
        assert_eq!(unified(file, None, "a\n"), "--- /dev/null\n+++ m.toml\n@@ -0,0 +1 @@\n+a\n");
    }
}
