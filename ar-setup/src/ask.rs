//! Asking a person on a terminal. Ctrl-C and Escape end everything, before anything was written.

use crate::interrupt;
use anyhow::Context;
use ar_core::Failure;
use inquire::error::InquireError;
use inquire::validator::{StringValidator, Validation};
use inquire::{Confirm, MultiSelect, Password, PasswordDisplayMode, Select, Text};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::env;
use std::fmt::Display;
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::time::Duration;

/// What a person who stops is told, as long as nothing is written before the last question.
const STOPPED: &str = "stopped; nothing was written";

/// Whether an error is that a person stopped.
pub fn was_stopped(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.message == STOPPED)
}

/// Whether there is a person at a terminal that can draw.
pub fn is_possible() -> bool {
    let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    !dumb && stdin().is_terminal() && stdout().is_terminal() && stderr().is_terminal()
}

/// Asks yes or no.
pub fn confirm(question: &str, default: bool) -> anyhow::Result<bool> {
    answered(|| Confirm::new(question).with_default(default).prompt())
}

/// Asks for one line. `check` words what is wrong with an answer.
pub fn text(
    question: &str,
    default: &str,
    check: impl Fn(&str) -> Result<(), String> + Clone + 'static,
) -> anyhow::Result<String> {
    let text = Text::new(question).with_validator(validator(check));
    answered(|| if default.is_empty() { text.prompt() } else { text.with_default(default).prompt() })
}

/// Asks for a secret, which is not shown.
pub fn secret(question: &str) -> anyhow::Result<String> {
    let password = Password::new(question).with_display_mode(PasswordDisplayMode::Hidden);
    answered(|| password.without_confirmation().prompt())
}

/// Asks for one of several; `at` is the index of the one proposed.
pub fn choice<T: Display>(question: &str, options: Vec<T>, at: usize) -> anyhow::Result<T> {
    let select = Select::new(question, options)
        .with_starting_cursor(at)
        .without_filtering()
        .with_help_message("enter goes on");
    answered(|| select.prompt())
}

/// Asks for any of several; `chosen` are the indices chosen at first.
pub fn choices<T: Display>(question: &str, options: Vec<T>, chosen: &[usize]) -> anyhow::Result<Vec<T>> {
    let select = MultiSelect::new(question, options).with_default(chosen).without_filtering();
    answered(|| select.with_help_message("space chooses, enter goes on").prompt())
}

/// Waits for so long at most whether a person presses Enter.
pub fn is_entered(patience: Duration) -> anyhow::Result<bool> {
    let patience = Timespec::try_from(patience).context("a pause is too long")?;
    let stdin = rustix::stdio::stdin();
    match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&patience)) {
        Ok(0) | Err(Errno::INTR) => Ok(false),
        Ok(_) => {
            // The line itself says nothing, and its end neither: who hung up waits for nothing.
            rustix::io::read(stdin, &mut [0; 4096]).context("cannot read from this terminal")?;
            Ok(true)
        }
        Err(error) => Err(anyhow::Error::new(error).context("cannot wait for this terminal")),
    }
}

fn validator(check: impl Fn(&str) -> Result<(), String> + Clone + 'static) -> impl StringValidator {
    move |text: &str| {
        Ok(match check(text) {
            Ok(()) => Validation::Valid,
            Err(wrong) => Validation::Invalid(wrong.into()),
        })
    }
}

fn answered<T>(prompt: impl FnOnce() -> Result<T, InquireError>) -> anyhow::Result<T> {
    let _prompting = interrupt::prompting()?;
    prompt().map_err(|error| match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            Failure::trouble(STOPPED).into()
        }
        error => anyhow::Error::new(error).context("cannot ask on this terminal"),
    })
}
