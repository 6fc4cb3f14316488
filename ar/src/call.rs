//! A call: attempts with one prompt, and what follows each.

use crate::NAME;
use crate::attempt::Attempt;
use crate::cli::Run;
use crate::output::Output;
use crate::plan::{self, Attempted};
use crate::prompt::Prompt;
use crate::signals::Signals;
use crate::wait::{Deadline, Patience, pause};
use anyhow::{Context, Result};
use ar_core::record::{Class, Diagnosis, End, Exec, Pick, ToolError, Verdict};
use ar_core::{Failure, Record, Stamp, exit};
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
    /// Providers that failed this call.
    tried: Vec<String>,
    /// Those of them that the network failed.
    unreached: Vec<String>,
    rounds: u32,
    last: Option<Failed>,
    waiting: bool,
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
            unreached: Vec::new(),
            rounds: 0,
            last: None,
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
            tried: &self.tried,
            live: self.output.live(),
        };
        let arguments = plan::arguments(self.cli, self.model.as_deref(), &self.prompt, &attempted);
        let mut attempt = Attempt::start(&arguments, self.output.for_log()?)?;
        let picked = attempt.picked()?;
        if let Some(error) = picked.get::<ToolError>("error")? {
            return self.nobody(attempt, &error, signals);
        }
        self.attempts += 1;
        self.announce(&picked)?;
        let record = attempt.diagnosed(signals, &self.deadline)?;
        let code = attempt.store(&record)?;
        self.judge(record, code)
    }

    /// One line for each hop.
    fn announce(&mut self, picked: &Record) -> Result<()> {
        self.waiting = false;
        let pick: Pick = picked.get("pick")?.context("ar-pick chose nobody")?;
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
        if cancelled || !matches!(diagnosis.verdict, Verdict::Provider | Verdict::Network) {
            return Ok(Next::End(code));
        }
        let provider = record.at("pick.provider").and_then(|name| name.as_str()).unwrap_or("run").to_owned();
        self.tried.push(provider.clone());
        if diagnosis.verdict == Verdict::Network {
            self.unreached.push(provider.clone());
        }
        let failed = Failed { provider, what: what(&diagnosis), evidence: diagnosis.evidence, code, record };
        if self.cli.verbose {
            self.say(&failed.sentence());
        }
        self.last = Some(failed);
        if self.cli.max_attempts.is_some_and(|most| self.attempts >= most) {
            return self.give_up(None);
        }
        Ok(Next::Again)
    }

    /// Nobody could be picked: waits, tries those again that the network failed, or ends the call.
    fn nobody(&mut self, mut attempt: Attempt, error: &ToolError, signals: &mut Signals) -> Result<Next> {
        let record = attempt.diagnosed(signals, &self.deadline)?;
        if error.code == exit::LATER && self.patience.lasts() {
            attempt.discard()?;
            self.await_somebody(error, signals)?;
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
        if self.unreached.is_empty() || self.rounds == NETWORK_ROUNDS {
            return self.give_up(Some(error));
        }
        self.tried.retain(|provider| !self.unreached.contains(provider));
        self.unreached.clear();
        pause(Duration::from_secs(1 << self.rounds), &self.deadline, signals)?;
        self.rounds += 1;
        Ok(Next::Again)
    }

    /// Sleeps until the next provider may be free; others may be free earlier, so not for long at a time.
    fn await_somebody(&mut self, error: &ToolError, signals: &mut Signals) -> Result<()> {
        if !self.waiting {
            self.say(&format!("{}; waiting", error.message));
        }
        self.waiting = true;
        self.tried.clear();
        self.unreached.clear();
        self.last = None;
        let now = Stamp::now()?;
        let wait = error.retry_at.map_or(Duration::ZERO, |at| at.since(now));
        pause(self.patience.bound(wait), &self.deadline, signals)
    }

    /// Ends the call after its last attempt failed.
    fn give_up(&self, error: Option<&ToolError>) -> Result<Next> {
        let Some(last) = &self.last else { return Ok(Next::End(exit::WRAPPER)) };
        let message = match error {
            Some(_) => format!("{}; nobody else is left to try", last.sentence()),
            None => format!("{}; that was the last attempt", last.sentence()),
        };
        let hint = error.filter(|error| error.retry_at.is_some()).and_then(|error| error.hint.clone());
        exit::warn(NAME, &Failure { code: last.code, message, hint });
        if self.cli.json {
            last.record.write(stdout().lock())?;
        }
        Ok(Next::End(error.filter(|error| !error.excluded).map_or(last.code, |error| error.code)))
    }

    fn say(&self, message: &str) {
        if !self.cli.quiet {
            exit::warn(NAME, &Failure::trouble(message));
        }
    }
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
