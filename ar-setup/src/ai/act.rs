//! Carrying out what the model wants, or telling it why not.

use super::command::{self, Judgement};
use super::protocol::Action;
use super::transcript::Transcript;
use super::{form, write};
use crate::change;
use crate::cli::Trial;
use crate::doctor::is_secret;
use crate::known::by_name;
use crate::pipeline::Ground;
use crate::places::{self, Kind, Place};
use crate::snippet::shell;
use crate::{answers, ask, file, trial};
use anyhow::{Context, Result};
use ar_core::config::{Model, model_names};
use ar_core::exit::one_line;
use ar_core::record::bounded;
use serde_json::{Value, json};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The most of a text that is shown or noted, in bytes.
const SHOWN: usize = 4096;
/// The most that the notes may hold, in bytes.
const NOTED: usize = 16 * 1024;

/// What a session works on.
pub struct Session<'a, W: Write> {
    /// Configuration and state.
    pub ground: &'a Ground,
    /// What was said.
    pub transcript: Transcript,
    /// Where the person reads.
    pub out: &'a mut W,
}

impl<W: Write> Session<'_, W> {
    /// Carries out one action and gives what the model is told of it.
    pub fn act(&mut self, action: &Action) -> Result<Value> {
        match action {
            Action::Say { text } => self.say(text),
            Action::Ask { form } => form::ask(self, form),
            Action::Run { argv } => self.run(argv),
            Action::Write { path, content } => self.write(path, content),
            Action::Test { model, provider } => self.test(model, provider.as_deref()),
            Action::Login { agent, directory } => self.login(agent, directory.as_deref()),
            Action::Remember { text } => self.remember(text),
            Action::Done { text } => self.say(text.as_deref().unwrap_or("")),
        }
    }

    /// Shows a text of the model: every line marked as its own, so that it cannot pass for ours.
    pub fn say(&mut self, text: &str) -> Result<Value> {
        for line in start(text, SHOWN).lines() {
            writeln!(self.out, "model: {}", plain(line))?;
        }
        self.out.flush()?;
        Ok(json!({"said": true}))
    }

    /// Tells the person and the model that something is not done.
    pub fn refuse(&mut self, what: &str, why: &str) -> Result<Value> {
        writeln!(self.out, "refused: the model wants {}: {}", plain(what), plain(why))?;
        Ok(json!({"refused": why}))
    }

    /// Asks the person; where there is none, the answer is no.
    fn agrees(&mut self, question: &str, default: bool) -> Result<bool> {
        self.out.flush()?;
        if ask::is_possible() {
            return ask::confirm(question, default);
        }
        writeln!(self.out, "{question} no: nobody is at a terminal")?;
        Ok(false)
    }

    fn run(&mut self, argv: &[String]) -> Result<Value> {
        let line = argv.iter().map(|word| shell(word)).collect::<Vec<_>>().join(" ");
        match command::judge(argv, &secrets(&self.ground.config)) {
            Judgement::Refused(why) => return self.refuse(&format!("to run {line}"), &why),
            Judgement::Probe => writeln!(self.out, "runs: {}", plain(&line))?,
            Judgement::Ask => {
                writeln!(self.out, "The model wants to run, and to see what it prints:\n  {}", plain(&line))?;
                if !self.agrees("Run it?", false)? {
                    return Ok(json!({"declined": "the person does not want that"}));
                }
            }
        }
        command::run(argv)
    }

    fn write(&mut self, path: &str, content: &str) -> Result<Value> {
        let dir = &self.ground.config;
        let _lock = change::lock(dir)?;
        let change = match write::change(dir, path, content)? {
            Ok(change) => change,
            Err(why) => return self.refuse(&format!("to write {path}"), &why),
        };
        if !change.is_needed() {
            return Ok(json!({"written": path, "changed": false}));
        }
        for line in change.diff().lines() {
            writeln!(self.out, "{}", plain(line))?;
        }
        for risk in write::risks(&change) {
            writeln!(self.out, "mind: {}", plain(&risk))?;
        }
        if !self.agrees(&format!("Write {path}?"), false)? {
            return Ok(json!({"declined": "the person does not want that"}));
        }
        change.make(dir)?;
        writeln!(self.out, "wrote {}", change.file.display())?;
        Ok(json!({"written": path, "changed": true}))
    }

    fn test(&mut self, model: &str, provider: Option<&str>) -> Result<Value> {
        let known = Model::load(&self.ground.config, model)
            .and_then(|loaded| provider.map_or(Ok(()), |provider| loaded.provider(provider).map(drop)));
        if let Err(error) = known {
            return self.refuse("a test", &format!("{error:#}"));
        }
        let whom = provider.map(|provider| format!("/{provider}")).unwrap_or_default();
        if !self.agrees(&format!("Send a tiny prompt through {model}{whom}?"), true)? {
            return Ok(json!({"declined": "the person does not want that"}));
        }
        let mut found = Vec::new();
        trial::run(self.ground, &Trial::tiny(model, provider), &mut found)?;
        let text = String::from_utf8_lossy(&found);
        let findings: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        for finding in &findings {
            let word = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
            let state =
                if finding["ok"] == true { "ok".to_owned() } else { word("class") + " " + &word("evidence") };
            writeln!(self.out, "{}: {}", word("provider"), plain(&bounded(&state, 240)))?;
        }
        Ok(json!({"findings": findings}))
    }

    fn login(&mut self, agent: &str, directory: Option<&str>) -> Result<Value> {
        let Some(place) =
            places::all().into_iter().find(|place| place.name == agent && place.kind == Kind::Program)
        else {
            return self.refuse(&format!("a login to {agent}"), "there is no such agent on this machine");
        };
        let credential = by_name(place.known).and_then(|known| known.credential);
        let place = match (directory, credential) {
            (None, _) => place,
            (Some(directory), Some(credential)) if Path::new(directory).is_absolute() => {
                Place { env: vec![(credential.variable.to_owned(), directory.to_owned())], ..place }
            }
            _ => {
                return self
                    .refuse("a login", "the directory must be an absolute path of an agent that has one");
            }
        };
        self.out.flush()?;
        if !ask::is_possible() {
            return Ok(json!({"declined": "nobody is at a terminal"}));
        }
        let done = answers::await_login(&place, self.out)?;
        Ok(json!({"logged_in": done}))
    }

    fn remember(&mut self, text: &str) -> Result<Value> {
        let dir = &self.ground.config;
        let _lock = change::lock(dir)?;
        let notes = notes(dir)?;
        let line = format!("- {}\n", self.transcript.clean(&one_line(&bounded(text, SHOWN))));
        if notes.len() + line.len() > NOTED {
            return self.refuse("to note something", "the notes are full");
        }
        file::replace(&notes_file(dir), &(notes + &line))?;
        writeln!(self.out, "noted in {}: {}", notes_file(dir).display(), plain(line.trim()))?;
        Ok(json!({"noted": true}))
    }
}

/// The start of a text, whole letters of it.
pub fn start(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

/// A line without anything that a terminal obeys, and without marks that let it read other than it is: those of direction,
/// and those that take no room.
pub fn plain(text: &str) -> String {
    let misleads = |c: char| matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    text.chars().map(|c| if (c.is_control() && c != '\t') || misleads(c) { '\u{fffd}' } else { c }).collect()
}

/// The file of the secrets that people typed.
pub fn secrets(dir: &Path) -> PathBuf {
    dir.join("secrets.env")
}

/// The secrets that lie in the configuration already: whatever a program prints, the model does not see them.
pub fn stored_secrets(dir: &Path) -> Result<Vec<String>> {
    let text = read(&secrets(dir))?;
    let typed = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(_, value)| value.trim_matches('"').to_owned());
    let mut stored: Vec<String> = typed.collect();
    for name in model_names(dir)? {
        // A model that cannot be read is told of as such, without its text.
        let Ok(model) = Model::load(dir, &name) else { continue };
        let variables = model.providers.into_iter().flat_map(|provider| provider.env);
        stored.extend(variables.filter(|(name, _)| is_secret(name)).map(|(_, value)| value));
    }
    Ok(stored)
}

fn notes_file(dir: &Path) -> PathBuf {
    dir.join("setup-notes.md")
}

/// What earlier set-ups noted.
pub fn notes(dir: &Path) -> Result<String> {
    read(&notes_file(dir))
}

fn read(file: &Path) -> Result<String> {
    match std::fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        read => read.with_context(|| format!("cannot read '{}'", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_line_moves_the_cursor_or_turns_the_text_around() {
        assert_eq!(
            plain("a\tb \u{1b}[2J \u{9b}m \u{202e}x\u{200b}\r"),
            "a\tb \u{fffd}[2J \u{fffd}m \u{fffd}x\u{fffd}\u{fffd}"
        );
        assert_eq!(plain("ünï \"é\" 日本"), "ünï \"é\" 日本");
    }
}
