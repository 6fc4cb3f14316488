//! Asking the person what the model wants to know.

use super::act::{Session, secrets};
use super::protocol::Field;
use crate::doctor::{is_secret, looks_like_key};
use crate::{ask, change, file};
use anyhow::{Context, Result};
use ar_core::record::bounded;
use serde_json::{Map, Value, json};
use std::io::{ErrorKind, Write};

/// The most questions in one form, and options in one question.
const MOST: usize = 20;
/// The most of a question that is shown, in bytes.
const SHOWN: usize = 400;

/// Asks a form and gives the answers, by name.
pub fn ask<W: Write>(session: &mut Session<W>, form: &[Field]) -> Result<Value> {
    if form.is_empty() || form.len() > MOST {
        return session.refuse("a form", &format!("a form has 1 to {MOST} questions"));
    }
    session.out.flush()?;
    if !ask::is_possible() {
        return Ok(json!({"declined": "nobody is at a terminal"}));
    }
    let mut answers = Map::new();
    for field in form {
        let (name, answer) = one(session, field)?;
        answers.insert(name, answer);
    }
    Ok(json!({"answers": answers}))
}

fn one<W: Write>(session: &mut Session<W>, field: &Field) -> Result<(String, Value)> {
    Ok(match field {
        Field::Text { name, question, default } => {
            let default = default.as_deref().map(super::act::plain).unwrap_or_default();
            let answer = ask::text(&shown(question), &default, |text| {
                if looks_like_key(text) {
                    return Err("this looks like a key, and what you type here goes to the model".to_owned());
                }
                Ok(())
            })?;
            (name.clone(), answer.into())
        }
        Field::Confirm { name, question, default } => {
            (name.clone(), ask::confirm(&shown(question), default.unwrap_or(false))?.into())
        }
        Field::Choice { name, question, options } => match listed(options) {
            Some(options) => (name.clone(), ask::choice(&shown(question), options, 0)?.into()),
            None => (name.clone(), session.refuse("a choice", "it has no options, or too many")?),
        },
        Field::MultiChoice { name, question, options } => match listed(options) {
            Some(options) => (name.clone(), ask::choices(&shown(question), options, &[])?.into()),
            None => (name.clone(), session.refuse("a choice", "it has no options, or too many")?),
        },
        Field::Secret { name, question, variable } => (name.clone(), secret(session, question, variable)?),
    })
}

fn shown(question: &str) -> String {
    super::act::plain(&ar_core::exit::one_line(&bounded(question, SHOWN)))
}

fn listed(options: &[String]) -> Option<Vec<String>> {
    let fits = !options.is_empty() && options.len() <= MOST;
    fits.then(|| options.iter().map(|option| shown(option)).collect())
}

/// Asks for a secret and puts it into the file of the secrets. The model learns where it lies, and nothing more.
fn secret<W: Write>(session: &mut Session<W>, question: &str, variable: &str) -> Result<Value> {
    let is_variable = variable.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if !is_variable || !is_secret(variable) || variable.len() > 64 {
        return session
            .refuse("a secret", &format!("'{variable}' is no variable for a key, token or password"));
    }
    let file = secrets(&session.ground.config);
    writeln!(session.out, "What you type goes into {}, and not to the model.", file.display())?;
    session.out.flush()?;
    let secret = ask::secret(&shown(question))?;
    session.transcript.hide(&secret);
    if secret.is_empty() || secret.contains(['\n', '\r', '\0']) {
        return Ok(json!({"declined": "nothing was typed"}));
    }
    let _lock = change::lock(&session.ground.config)?;
    let before = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("cannot read '{}'", file.display()))?,
    };
    let start = format!("{variable}=");
    let mut lines: Vec<&str> = before.lines().filter(|line| !line.starts_with(&start)).collect();
    // One pair of quotes goes away when the file is read, so what a secret may begin with is safe inside another.
    let line = format!("{start}\"{secret}\"");
    lines.push(&line);
    file::replace(&file, &(lines.join("\n") + "\n"))?;
    Ok(json!({"stored_as": variable, "env_file": file}))
}
