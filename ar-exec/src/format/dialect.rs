//! The formats, how a run's is found, and what each has to tell the reader.

use super::outcome::Outcome;
use super::scanner::Framing;
use super::{aider, claude, codex, copilot, gemini, llm, opencode};
use ar_core::Failure;
use ar_core::config::with_nearest;
use ar_core::record::Usage;
use std::ffi::OsStr;
use std::path::Path;

/// How an agent reports its run on standard output, where that is not the answer alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `aider`, which prints text in a form of its own
    Aider,
    /// `claude -p --output-format json`
    Claude,
    /// `claude -p --output-format stream-json --verbose`
    ClaudeStream,
    /// `codex exec --json`
    Codex,
    /// `copilot --output-format json`
    Copilot,
    /// `gemini -o json`
    Gemini,
    /// `gemini -o stream-json`
    GeminiStream,
    /// `llm --json`
    Llm,
    /// `opencode run --format json`
    Opencode,
    /// `qwen -o json`
    Qwen,
    /// `qwen -o stream-json`
    QwenStream,
}

/// The formats by the names that the configuration gives them: the agent, and the value of its flag.
const NAMES: [(&str, Format); 11] = [
    ("aider", Format::Aider),
    ("claude-json", Format::Claude),
    ("claude-stream-json", Format::ClaudeStream),
    ("codex-json", Format::Codex),
    ("copilot-json", Format::Copilot),
    ("gemini-json", Format::Gemini),
    ("gemini-stream-json", Format::GeminiStream),
    ("llm-json", Format::Llm),
    ("opencode-json", Format::Opencode),
    ("qwen-json", Format::Qwen),
    ("qwen-stream-json", Format::QwenStream),
];

/// What the text in an object is to the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// It is none.
    Nothing,
    /// A piece of a message, of which the whole follows: to be shown, and no more.
    Piece,
    /// A whole message: the answer, unless another one follows.
    Message,
    /// It goes on where the last message stopped.
    More,
    /// The answer by the agent's own word; messages have shown it.
    Final,
}

/// One format's reading of the objects that the scanner finds.
pub trait Dialect: Send {
    /// Whether the string at `path` is text for the answer, of which [`Self::end`] tells more.
    fn is_text(&self, path: &str) -> bool;
    /// Takes a value of the object at hand.
    fn field(&mut self, path: &str, value: &str, outcome: &mut Outcome);
    /// The object is complete. What a broken one held is forgotten by starting the next one afresh.
    fn end(&mut self, outcome: &mut Outcome) -> Text;
    /// The object is broken.
    fn forget(&mut self);
    /// Whether what came so far is of this format.
    fn is_known(&self) -> bool {
        true
    }
}

impl Format {
    /// The format of a command: the one that the configuration names, else the one that the command line asks for.
    /// None is plain text.
    pub fn choose<S: AsRef<OsStr>>(
        name: Option<&str>,
        command: &OsStr,
        args: &[S],
    ) -> Result<Option<Self>, Failure> {
        match name {
            None | Some("auto") => Ok(Self::asked_for(command, args)),
            Some("text") => Ok(None),
            Some(name) => {
                let format = Self::named(name);
                format.map(Some).ok_or_else(|| {
                    let known = ["auto", "text"].into_iter().chain(NAMES.map(|(known, _)| known));
                    with_nearest(Failure::trouble(format!("there is no output format '{name}'")), name, known)
                })
            }
        }
    }

    /// Whether the agent writes while it works, so that silence means something.
    pub fn is_stream(self) -> bool {
        !matches!(self, Self::Aider | Self::Claude | Self::Gemini | Self::Llm | Self::Qwen)
    }

    /// Whether the command line of an agent that counts tokens since the session began goes on with an older session.
    pub fn resumes<S: AsRef<OsStr>>(self, args: &[S]) -> bool {
        let words: &[&str] = match self {
            // There `-c` sets an option.
            Self::Codex => &["resume", "fork"],
            Self::Copilot => &["--resume", "--continue", "--session-id"],
            Self::Qwen | Self::QwenStream => &["-r", "--resume", "-c", "--continue"],
            _ => return false,
        };
        let word =
            |arg: &S| arg.as_ref().to_str().and_then(|arg| arg.split('=').next()).unwrap_or("").to_owned();
        args.iter().any(|arg| words.contains(&word(arg).as_str()))
    }

    /// The tokens in a file that the agent was asked to write beside its output.
    pub fn usage_in(self, file: &[u8]) -> Option<Usage> {
        if self == Self::Copilot { copilot::usage(file) } else { None }
    }

    /// Whether the agent reports a run that failed on standard error, in the same form.
    pub fn reports_errors_apart(self) -> bool {
        self == Self::Gemini
    }

    pub(super) fn framing(self) -> Framing {
        match self {
            Self::Aider => Framing::Text,
            _ if self.is_stream() => Framing::Lines,
            _ => Framing::Document,
        }
    }

    pub(super) fn dialect(self) -> Box<dyn Dialect> {
        match self {
            Self::Aider => Box::<aider::Aider>::default(),
            Self::Claude | Self::ClaudeStream => Box::new(claude::Claude::new()),
            Self::Qwen | Self::QwenStream => Box::new(claude::Claude::of_qwen()),
            Self::Codex => Box::<codex::Codex>::default(),
            Self::Copilot => Box::<copilot::Copilot>::default(),
            Self::Gemini => Box::<gemini::Whole>::default(),
            Self::GeminiStream => Box::<gemini::Stream>::default(),
            Self::Llm => Box::<llm::Llm>::default(),
            Self::Opencode => Box::<opencode::Opencode>::default(),
        }
    }

    fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// An agent is known by the base name of its command (`codex`, `codex2`, `claude-work`), its format by its flags.
    fn asked_for<S: AsRef<OsStr>>(command: &OsStr, args: &[S]) -> Option<Self> {
        let base = Path::new(command).file_name().and_then(OsStr::to_str)?;
        let agent = base.split(|c: char| !c.is_ascii_alphabetic()).next()?;
        if agent == "aider" {
            return Some(Self::Aider);
        }
        let value = match agent {
            "codex" | "llm" => args.iter().any(|arg| arg.as_ref() == "--json").then_some("json"),
            "claude" | "copilot" => flag(args, &["--output-format"]),
            "gemini" | "qwen" => flag(args, &["--output-format", "-o"]),
            "opencode" => flag(args, &["--format"]),
            _ => None,
        };
        Self::named(&format!("{agent}-{}", value?))
    }
}

/// The value of a flag, behind it or joined to it by `=`. The last one counts.
fn flag<'a, S: AsRef<OsStr>>(args: &'a [S], names: &[&str]) -> Option<&'a str> {
    let args: Vec<&str> = args.iter().map(|arg| arg.as_ref().to_str().unwrap_or("")).collect();
    let mut found = None;
    for (at, arg) in args.iter().enumerate() {
        for name in names {
            match arg.strip_prefix(name) {
                Some("") => found = args.get(at + 1).copied(),
                Some(value) => found = value.strip_prefix('=').or(found),
                None => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(line: &str) -> Option<Format> {
        let words: Vec<&str> = line.split(' ').collect();
        Format::choose(None, OsStr::new(words[0]), &words[1..]).unwrap()
    }

    #[test]
    fn the_configuration_knows_the_same_names() {
        let names: Vec<&str> = ["auto", "text"].into_iter().chain(NAMES.map(|(name, _)| name)).collect();
        assert_eq!(names, ar_core::config::Provider::OUTPUTS);
    }

    #[test]
    fn a_format_is_known_by_command_and_flags() {
        for (line, expected) in [
            ("claude -p --output-format stream-json --verbose", Some(Format::ClaudeStream)),
            ("/opt/claude-work -p --output-format=json", Some(Format::Claude)),
            ("claude -p --output-format text", None),
            ("claude -p", None),
            ("claude --output-format", None),
            ("codex exec --json -", Some(Format::Codex)),
            ("codex2 exec --json", Some(Format::Codex)),
            ("codex exec -", None),
            ("codexical exec --json", None),
            ("copilot --output-format json", Some(Format::Copilot)),
            ("gemini -o json", Some(Format::Gemini)),
            ("gemini --output-format json -o stream-json", Some(Format::GeminiStream)),
            ("gemini -o=text", None),
            ("llm --json", Some(Format::Llm)),
            ("opencode run --format json", Some(Format::Opencode)),
            ("opencode run", None),
            ("qwen -o json", Some(Format::Qwen)),
            ("qwen -o stream-json", Some(Format::QwenStream)),
            ("aider --message x", Some(Format::Aider)),
            ("cat --json", None),
            ("/", None),
        ] {
            assert_eq!(auto(line), expected, "{line}");
        }
    }

    #[test]
    fn a_session_that_goes_on_is_known_by_the_arguments() {
        for (format, line, expected) in [
            (Format::Codex, "exec --json -c x=1 -", false),
            (Format::Codex, "exec resume --last --json", true),
            (Format::Qwen, "-o json", false),
            (Format::QwenStream, "-o stream-json --resume=x", true),
            (Format::Claude, "-p --resume x", false),
        ] {
            let args: Vec<&str> = line.split(' ').collect();
            assert_eq!(format.resumes(&args), expected, "{line}");
        }
    }

    #[test]
    fn a_name_in_the_configuration_goes_before_the_command_line() {
        let choose = |name| Format::choose(Some(name), OsStr::new("codex"), &["exec", "--json"]);
        assert_eq!(choose("text").unwrap(), None);
        assert_eq!(choose("auto").unwrap(), Some(Format::Codex));
        assert_eq!(choose("claude-json").unwrap(), Some(Format::Claude));
        let failure = choose("claude-jsn").unwrap_err();
        assert_eq!(failure.message, "there is no output format 'claude-jsn'");
        assert_eq!(failure.hint.as_deref(), Some("did you mean 'claude-json'?"));
    }
}
