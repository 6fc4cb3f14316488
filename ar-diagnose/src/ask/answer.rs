//! What a model may answer: one of the six classes, and words of the vocabulary.

use anyhow::{Context, Result, bail};
use ar_core::record::{Class, Scope, Verdict};
use ar_diagnose::source;
use serde::Deserialize;

/// A model's answer.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub class: Class,
    pub detail: Option<String>,
    pub verdict: Verdict,
    pub scope: Option<Scope>,
}

#[derive(Deserialize)]
struct Raw {
    class: Class,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    verdict: Option<String>,
}

/// Reads the JSON object of an answer; anything else, and any other word in it, is no answer.
pub fn read(text: &str) -> Result<Answer> {
    let (Some(start), Some(end)) = (text.find('{'), text.rfind('}')) else {
        bail!("there is no JSON object in it")
    };
    let object = text.get(start..=end).unwrap_or("");
    let raw: Raw = serde_json::from_str(object).context("it is not the JSON object that was asked for")?;
    let name = raw.class.name();
    let verdict = match (raw.class, raw.verdict.as_deref()) {
        (Class::NetworkError, _) => Verdict::Network,
        (Class::Unknown, Some("caller")) => Verdict::Caller,
        (Class::Unknown, Some("provider")) => Verdict::Provider,
        (Class::Unknown, _) => Verdict::Task,
        _ => Verdict::Provider,
    };
    let scope = source::default_scope(name)
        .map(|scope| if scope == "account" { Scope::Account } else { Scope::Provider });
    let detail = raw.detail.filter(|detail| source::DETAILS.contains(&detail.as_str()));
    Ok(Answer { class: raw.class, detail, verdict, scope })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_of_six_classes_or_none() {
        let text = "Sure!\n```json\n{\"class\": \"auth_expired\", \"detail\": \"invalid_key\", \"retry_at\": \"2099\"}\n```";
        let answer = read(text).unwrap();
        assert_eq!(
            (answer.class, answer.verdict, answer.scope),
            (Class::AuthExpired, Verdict::Provider, Some(Scope::Account))
        );
        assert_eq!(answer.detail.as_deref(), Some("invalid_key"));
        for text in [
            "",
            "ok",
            "{}",
            r#"{"class":"ok"}"#,
            r#"{"class":["rate_limit"]}"#,
            "}{",
            r#"{"class":"RATE_LIMIT"}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn words_that_nobody_knows_are_left_out() {
        let answer = read(r#"{"class":"unknown","detail":"rm -rf","verdict":"ok"}"#).unwrap();
        assert_eq!((answer.detail, answer.verdict), (None, Verdict::Task));
    }
}
