//! An agent: instructions in Markdown with YAML front matter, put before the prompt.

use crate::config::{agent_names, is_name, unknown_field, with_nearest};
use crate::exit::Failure;
use anyhow::Context;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// An agent's file, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// What it is for.
    pub description: Option<String>,
    /// The model that it wants.
    pub model: Option<String>,
    /// The form that its answer is to have, in the user's words.
    pub output_format: Option<String>,
    /// The instructions.
    pub body: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct FrontMatter {
    #[serde(rename = "name")]
    _name: Option<String>,
    description: Option<String>,
    model: Option<String>,
    output_format: Option<String>,
}

impl Agent {
    /// Reads an agent: a name below `agents/`, or the path of a file where there is a `/` or it ends in `.md`.
    pub fn load(dir: &Path, which: &str) -> anyhow::Result<Self> {
        let file = file(dir, which)?;
        let text = fs::read_to_string(&file)
            .with_context(|| format!("cannot read the agent '{}'", file.display()))?;
        Self::parse(&file, &text)
    }

    /// Reads the text of an agent's file.
    pub fn parse(file: &Path, text: &str) -> anyhow::Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
        let (front, body) = split(&text).ok_or_else(|| {
            Failure::trouble(format!("{}:1: the front matter has no closing '---'", file.display()))
        })?;
        let front: FrontMatter = match front {
            "" => FrontMatter::default(),
            front => serde_saphyr::from_str(front).map_err(|error| damaged(file, &error))?,
        };
        Ok(Self {
            description: front.description,
            model: front.model,
            output_format: front.output_format,
            body: body.trim().to_owned(),
        })
    }

    /// What stands before the prompt, with the empty line that parts them.
    pub fn preface(&self) -> String {
        let format = self.output_format.iter().map(|format| format!("Output format: {format}"));
        let parts: Vec<String> =
            Some(self.body.clone()).into_iter().filter(|body| !body.is_empty()).chain(format).collect();
        parts.into_iter().map(|part| part + "\n\n").collect()
    }
}

fn file(dir: &Path, which: &str) -> anyhow::Result<PathBuf> {
    let path = Path::new(which);
    if which.contains('/') || path.extension().is_some_and(|extension| extension == "md") {
        return Ok(path.to_path_buf());
    }
    let agents = dir.join("agents");
    let file = agents.join(format!("{which}.md"));
    if is_name(which) && file.exists() {
        return Ok(file);
    }
    let failure = Failure::trouble(format!("there is no agent '{which}' in '{}'", agents.display()));
    Err(with_nearest(failure, which, agent_names(dir)?.iter().map(String::as_str)).into())
}

/// Parts front matter and body; a text that does not begin with a line `---` is all body. None where the front matter is
/// open. Blanks at the end of such a line, which nobody sees, do not count.
fn split(text: &str) -> Option<(&str, &str)> {
    let is_fence = |line: &str| line.trim_end() == "---";
    let first = text.split_inclusive('\n').next().unwrap_or("");
    let Some(rest) = text.strip_prefix(first).filter(|_| is_fence(first)) else { return Some(("", text)) };
    let mut length = 0;
    for line in rest.split_inclusive('\n') {
        if is_fence(line) {
            return Some((rest.get(..length)?, rest.get(length + line.len()..)?));
        }
        length += line.len();
    }
    None
}

fn damaged(file: &Path, error: &serde_saphyr::Error) -> Failure {
    // The front matter starts on the file's second line.
    let line = 1 + error.location().map_or(1, |place| place.line());
    let message = error.without_snippet().to_string();
    let message = message.lines().next().unwrap_or("it cannot be read");
    let message = message.split(" at line ").next().unwrap_or(message);
    let place = format!("{}:{line}", file.display());
    let failure = match unknown_field(message) {
        Some((key, _)) => Failure::trouble(format!("{place}: unknown key '{key}'")),
        None => Failure::trouble(format!("{place}: {}", message.replace('`', "'"))),
    };
    failure.hint("the keys are name, description, model and output_format")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<Agent> {
        Agent::parse(Path::new("a.md"), text)
    }

    #[test]
    fn front_matter_is_optional_and_may_be_empty_or_have_carriage_returns() {
        for text in [
            "Do it.\n",
            "---\n---\nDo it.\n",
            "---\r\n---\r\nDo it.\r\n",
            "---\n# none\n---\nDo it.",
            "--- \n---\t\nDo it.",
        ] {
            let agent = parse(text).unwrap();
            assert_eq!((agent.body.as_str(), agent.model), ("Do it.", None), "{text:?}");
        }
        let agent = parse(
            "---\r\ndescription: a\r\nmodel: m\r\noutput_format: json\r\n---\r\n\r\nDo it.\r\nNow.\r\n",
        );
        let agent = agent.unwrap();
        assert_eq!(agent.model.as_deref(), Some("m"));
        assert_eq!(agent.preface(), "Do it.\nNow.\n\nOutput format: json\n\n");
    }

    #[test]
    fn dashes_in_the_body_and_in_front_matter_are_text() {
        let agent = parse("---\ndescription: |\n  a\n  ---\n---\nb\n---\nc\n");
        assert_eq!(agent.unwrap().body, "b\n---\nc");
    }

    #[test]
    fn mistakes_name_the_line() {
        let error = parse("---\ndescription: x\n").unwrap_err().to_string();
        assert_eq!(error, "a.md:1: the front matter has no closing '---'");
        let error = parse("---\ndescription: x\nmodle: y\n---\n").unwrap_err().to_string();
        assert_eq!(error, "a.md:3: unknown key 'modle'");
    }
}
