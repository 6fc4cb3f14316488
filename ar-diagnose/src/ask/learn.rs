//! Noting what a model said as a suggestion for a rule.

use super::answer::Answer;
use anyhow::{Context, Result};
use ar_core::record::Diagnosis;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Appends a rule, commented out, to the user's `learned.toml`.
pub fn note(config_dir: &Path, judged: &Diagnosis, answer: &Answer) -> Result<()> {
    let Some(line) = judged.evidence.as_deref() else { return Ok(()) };
    let file = config_dir.join("rules.d/learned.toml");
    let context = || format!("cannot write '{}'", file.display());
    ar_core::paths::create_private_dir(&config_dir.join("rules.d"))?;
    let rule = suggestion(line, answer);
    // The same trouble comes again until somebody has looked: one suggestion is enough.
    if std::fs::read_to_string(&file).is_ok_and(|noted| noted.contains(rule.trim_end())) {
        return Ok(());
    }
    let mut output =
        OpenOptions::new().append(true).create(true).mode(0o600).open(&file).with_context(context)?;
    output.write_all(rule.as_bytes()).with_context(context)
}

/// The rule: every line of it a comment, whatever the evidence is.
fn suggestion(line: &str, answer: &Answer) -> String {
    let pattern = regex_syntax::escape(&line.to_lowercase()).replace("'''", "'.'");
    let id: String = line
        .to_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(4)
        .collect::<Vec<_>>()
        .join("-");
    let rule = format!(
        "[[rule]]\nid = \"{id}\"\nclass = \"{}\"\ndetail = \"{}\"\npatterns = ['''{pattern}''']\nanswers = \"suggested by a model\"\nexamples = ['''{}''']\n",
        answer.class.name(),
        answer.detail.as_deref().unwrap_or("agent_error"),
        line.replace("'''", "'"),
    );
    let commented: String = rule.lines().flat_map(|line| ["# ", line, "\n"]).collect();
    format!("{commented}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ar_core::record::{Class, Verdict};

    #[test]
    fn a_suggestion_is_a_sound_rule_behind_comment_signs() {
        let answer =
            Answer { class: Class::RateLimit, detail: None, verdict: Verdict::Provider, scope: None };
        let text = suggestion("Oh no (42)! '''", &answer);
        assert!(text.lines().all(|line| line.is_empty() || line.starts_with("# ")), "{text}");
        let rule = text.replace("# ", "");
        let parsed: toml::Value = toml::from_str(&rule).unwrap();
        assert_eq!(parsed["rule"][0]["id"].as_str(), Some("oh-no-42"));
        assert_eq!(parsed["rule"][0]["patterns"][0].as_str(), Some(r"oh no \(42\)! '.'"));
    }
}
