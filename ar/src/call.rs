//! A call: attempts with one prompt, and what follows each.

use crate::NAME;
use crate::attempt::Attempt;
use crate::cli::Run;
use crate::hop::{self, Step};
use crate::output::Output;
use crate::plan::{self, Attempted};
use crate::prompt::Prompt;
use crate::signals::Signals;
use crate::wait::{Deadline, Patience, pause};
use anyhow::{Context, Result};
use ar_core::record::{Class, Diagnosis, End, Exec, Pick, ToolError, Verdict};
use ar_core::{Failure, Record, exit, paths};
use std::io::stdout;
use std::time::Duration;

/// How often the providers that the network failed are tried again.
const NETWORK_ROUNDS: u32 = 2;

/// A call that is under way.
pub struct Call<'a> {
    pub cli: &'a Run,
    pub model: Option<String>,
    pub prompt: Prompt,
    pub output: Output,
    pub id: String,
    pub patience: Patience,
    deadline: Deadline,
    attempts: u32,
    tried: Vec<Tried>,
    rounds: u32,
    last: Option<Failed>,
    afresh: bool,
    waiting: bool,
}

/// A provider that failed this call.
struct Tried {
    /// `MODEL/PROVIDER`, because another model may have a provider of that name.
    name: String,
    /// Whether it was the network that failed.
    unreached: bool,
    /// Whether it cools, so that a pick leaves it out by itself until it has recovered.
    cools: bool,
}

/// An attempt that failed by its provider's or the network's fault.
struct Failed {
    provider: String,
    what: String,
    evidence: Option<String>,
    code: u8,
    record: Record,
}

/// What follows an attempt.
enum Next {
    End(u8),
    Again,
}

impl<'a> Call<'a> {
    /// Prepares a call.
    pub fn new(
        cli: &'a Run,
        model: Option<String>,
        prompt: Prompt,
        output: Output,
        id: String,
    ) -> Result<Self> {
        Ok(Self {
            cli,
            model,
            prompt,
            output,
            id,
            patience: Patience::new(cli.wait.as_deref())?,
            deadline: Deadline::new(cli.deadline.as_deref())?,
            attempts: 0,
            tried: Vec::new(),
            rounds: 0,
            last: None,
            afresh: false,
            waiting: false,
        })
    }

    /// Attempts until one ends the call; gives the call's exit status.
    pub fn serve(&mut self, signals: &mut Signals) -> Result<u8> {
        loop {
            if let Next::End(code) = self.attempt(signals)? {
                return Ok(code);
            }
            if self.deadline.is_over() {
                exit::warn(NAME, &Failure::new(exit::TIMEOUT, "the deadline of the call has passed"));
                return Ok(exit::TIMEOUT);
            }
            if let Some(signal) = signals.arrived() {
                return Ok(u8::try_from(128 + signal.as_raw()).unwrap_or(exit::WRAPPER));
            }
        }
    }

    fn attempt(&mut self, signals: &mut Signals) -> Result<Next> {
        let attempted = Attempted {
            call: &self.id,
            number: self.attempts + 1,
            afresh: self.afresh,
            tried: self.tried.iter().map(|tried| tried.name.as_str()).collect(),
            wait: self.waiting.then_some(&self.patience),
            live: self.output.live(),
        };
        let arguments = plan::arguments(self.cli, self.model.as_deref(), &self.prompt, &attempted);
        let mut attempt = Attempt::start(&arguments, self.output.for_log()?)?;
        let Some(picked) = attempt.picked(signals, &self.deadline)? else { return Ok(Next::Again) };
        if let Some(error) = picked.get::<ToolError>("error")? {
            return self.nobody(attempt, &error, signals);
        }
        self.attempts += 1;
        self.announce(&picked)?;
        let record = same_run(picked, attempt.diagnosed(signals, &self.deadline)?)?;
        let code = attempt.store(&record)?;
        self.judge(record, code)
    }

    /// One line for each hop.
    fn announce(&mut self, picked: &Record) -> Result<()> {
        self.waiting = false;
        let pick: Pick = picked.get("pick")?.context("ar-pick chose nobody")?;
        if let (Some(asked), Some(serves)) = (picked.text("model_asked"), picked.text("model")) {
            self.say(&format!("model '{asked}' has nobody left, falling back to '{serves}'"));
        }
        if self.cli.verbose {
            self.say(&format!("attempt {}: {} ({})", self.attempts, pick.provider, pick.reason));
        } else if let Some(last) = &self.last {
            self.say(&format!("{}: {}, trying {}", last.provider, last.what, pick.provider));
        }
        Ok(())
    }

    /// What an attempt's outcome means for the call.
    fn judge(&mut self, record: Record, code: u8) -> Result<Next> {
        let exec: Option<Exec> = record.get("exec")?;
        // ar-log's own trouble is 2, and so may be the child's own status.
        let own_trouble = code == exit::TROUBLE && exec.as_ref().is_none_or(|exec| exec.exit_code != Some(2));
        if own_trouble {
            return Ok(Next::End(exit::WRAPPER));
        }
        let Some(diagnosis) = record.get::<Diagnosis>("diagnosis")? else { return Ok(Next::End(code)) };
        let cancelled = exec.is_some_and(|exec| exec.end == End::Cancelled);
        if cancelled && self.deadline.is_over() {
            return Ok(Next::Again);
        }
        if diagnosis.detail.as_deref() == Some("session_not_found")
            && self.cli.session.is_some()
            && !self.afresh
        {
            self.afresh = true;
            let provider = provider_of(&record);
            self.say(&format!("{provider}: session_not_found, beginning the session afresh"));
            return Ok(Next::Again);
        }
        if cancelled || !matches!(diagnosis.verdict, Verdict::Provider | Verdict::Network) {
            return Ok(Next::End(code));
        }
        let provider = provider_of(&record);
        self.tried.push(Tried {
            name: format!("{}/{provider}", record.text("model").unwrap_or_default()),
            unreached: diagnosis.verdict == Verdict::Network,
            cools: !matches!(diagnosis.class, None | Some(Class::Unknown | Class::NetworkError)),
        });
        let failed = Failed { provider, what: what(&diagnosis), evidence: diagnosis.evidence, code, record };
        if self.cli.verbose {
            self.say(&failed.sentence());
        }
        let step = hop::after(self.cli, &failed.record, &failed.provider, &failed.what)?;
        self.last = Some(failed);
        match step {
            Step::Stop(why) => return self.stop(why),
            Step::Handoff(note) => {
                self.prompt = self.prompt.after(&note, &paths::state_file(self.cli.state.as_deref())?)?;
            }
            Step::Another => {}
        }
        if self.cli.max_attempts.is_some_and(|most| self.attempts >= most) {
            return self.give_up(None);
        }
        Ok(Next::Again)
    }

    /// Ends the call although others could serve.
    fn stop(&self, why: &str) -> Result<Next> {
        let Some(last) = &self.last else { return Ok(Next::End(exit::WRAPPER)) };
        let hint = "--handoff lets the next provider go on from there, --hop=always lets it start over";
        exit::warn(NAME, &Failure::new(exit::LATER, format!("{}; {why}", last.sentence())).hint(hint));
        self.print_last(last)?;
        Ok(Next::End(exit::LATER))
    }

    /// Tells a program of a call that failed. A file that was asked for stays as it was.
    fn print_last(&self, last: &Failed) -> Result<()> {
        if self.cli.json && self.cli.output.is_none() { last.record.write(stdout().lock()) } else { Ok(()) }
    }

    /// Nobody could be picked: waits, tries those again that the network failed, or ends the call.
    fn nobody(&mut self, mut attempt: Attempt, error: &ToolError, signals: &mut Signals) -> Result<Next> {
        let record = attempt.diagnosed(signals, &self.deadline)?;
        let again = self.rounds < NETWORK_ROUNDS && self.tried.iter().any(|tried| tried.unreached);
        if !again && error.code == exit::LATER && self.patience.lasts() {
            attempt.discard()?;
            self.stand_in_line(error);
            return Ok(Next::Again);
        }
        if self.last.is_none() {
            let code = attempt.store(&record)?;
            if code == exit::TROUBLE {
                return Ok(Next::End(exit::WRAPPER));
            }
            exit::warn(NAME, &Failure { code, message: error.message.clone(), hint: error.hint.clone() });
            return Ok(Next::End(code));
        }
        attempt.discard()?;
        if !again {
            return self.give_up(Some(error));
        }
        self.tried.retain(|tried| !tried.unreached);
        pause(Duration::from_secs(1 << self.rounds), &self.deadline, signals)?;
        self.rounds += 1;
        Ok(Next::Again)
    }

    /// Lets the next pick wait for its turn. It leaves out by itself who cools; who failed this call in another way would
    /// be taken at once, and fail again.
    fn stand_in_line(&mut self, error: &ToolError) {
        if !self.waiting {
            self.say(&format!("{}; waiting", error.message));
        }
        self.waiting = true;
        self.tried.retain(|tried| !tried.cools);
        self.last = None;
    }

    /// Ends the call after its last attempt failed.
    fn give_up(&self, error: Option<&ToolError>) -> Result<Next> {
        let Some(last) = &self.last else { return Ok(Next::End(exit::WRAPPER)) };
        let why = if error.is_some() { "nobody else is left to try" } else { "that was the last attempt" };
        let has_changed = last.record.at("exec.git.changed").is_some_and(|changed| changed == true);
        let kept = if has_changed { ", and what it has changed is kept" } else { "" };
        let message = format!("{}; {why}{kept}", last.sentence());
        let hint = error.filter(|error| error.retry_at.is_some()).and_then(|error| error.hint.clone());
        exit::warn(NAME, &Failure { code: last.code, message, hint });
        self.print_last(last)?;
        // Where waiting helps, that is what the caller needs to know; else the last attempt has its own status.
        Ok(Next::End(error.map(|error| error.code).filter(|code| *code == exit::LATER).unwrap_or(last.code)))
    }

    fn say(&self, message: &str) {
        if !self.cli.quiet {
            exit::warn(NAME, &Failure::trouble(message));
        }
    }
}

/// The diagnosed record. Where a tool on the way was killed, those behind it had none to pass on, and tell of their trouble
/// in one of their own making; then it is the picked run that ends by that trouble.
fn same_run(mut picked: Record, diagnosed: Record) -> Result<Record> {
    if diagnosed.run() == picked.run() {
        return Ok(diagnosed);
    }
    picked.set("error", diagnosed.get::<ToolError>("error")?)?;
    Ok(picked)
}

fn provider_of(record: &Record) -> String {
    record.at("pick.provider").and_then(|name| name.as_str()).unwrap_or("run").to_owned()
}

impl Failed {
    fn sentence(&self) -> String {
        match &self.evidence {
            Some(evidence) => format!("{}: {}: {evidence}", self.provider, self.what),
            None => format!("{}: {}", self.provider, self.what),
        }
    }
}

/// The class, or what is known of an unknown one.
fn what(diagnosis: &Diagnosis) -> String {
    match (diagnosis.class, &diagnosis.detail) {
        (Some(Class::Unknown) | None, Some(detail)) => detail.clone(),
        (Some(class), _) => class.name().to_owned(),
        (None, None) => Class::Unknown.name().to_owned(),
    }
}
