//! Records in, records with a diagnosis out, one line at a time.

use crate::ask;
use crate::cli::Cli;
use crate::{listing, redact};
use anyhow::{Context, Result};
use ar_core::record::{self, Exec};
use ar_core::{Failure, Record, Stamp, pipe, signals};
use ar_diagnose::evidence::Evidence;
use ar_diagnose::explain;
use ar_diagnose::judge::judge;
use ar_diagnose::rule::Rule;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

/// Diagnoses every record of standard input.
///
/// A record that carries an error passes untouched. What goes wrong here rides on in the record as well.
pub fn run(cli: &Cli) -> Result<ExitCode> {
    signals::outlive()?;
    let mut rules = None;
    // Standard input has a buffer of its own, which nobody can look into.
    let input = io::stdin().as_fd().try_clone_to_owned().context("cannot open standard input")?;
    let mut input = BufReader::new(File::from(input));
    let mut output = io::stdout().lock();
    let mut any = false;
    loop {
        if input.buffer().is_empty() && !wait_for_input()? {
            return Ok(ExitCode::SUCCESS);
        }
        match record::read(&mut input) {
            Ok(Some(mut record)) => {
                any = true;
                let mut trouble = diagnose(cli, &mut rules, &mut record).err();
                if trouble.is_none()
                    && let Err(error) = record.write(&mut output)
                {
                    if record.to_line().is_ok() {
                        return Err(error);
                    }
                    // Nothing was written: the line is too long.
                    trouble = Some(error);
                }
                if let Some(error) = trouble {
                    record.write_error("ar-diagnose", &Failure::of(&error), &mut output)?;
                    return Err(error);
                }
            }
            Ok(None) if any => return Ok(ExitCode::SUCCESS),
            Ok(None) => return fail(&mut output, record::no_record().into()),
            Err(error) => return fail(&mut output, error),
        }
    }
}

/// Diagnoses one record. The rules are read for the first that needs them, so that their trouble has a record to ride on.
fn diagnose(cli: &Cli, rules: &mut Option<Cow<'static, [Rule]>>, record: &mut Record) -> Result<()> {
    if record.at("error").is_some_and(|error| !error.is_null()) {
        return Ok(());
    }
    let exec: Exec = record
        .get("exec")?
        .ok_or_else(|| Failure::trouble("the record has no 'exec'").hint("run ar-exec before ar-diagnose"))?;
    let rules = match rules {
        Some(rules) => rules,
        None => rules.insert(listing::load(cli.config.as_deref())?),
    };
    let evidence = Evidence::of_run(&exec, record.dir().as_deref())?;
    let mut judgement = judge(&evidence, rules, Stamp::now()?);
    let failed = record.at("pick.provider").and_then(|provider| provider.as_str()).map(str::to_owned);
    judgement.diagnosis.evidence = judgement.diagnosis.evidence.map(|line| redact::masked(&line));
    ask::settle(cli, &mut judgement, &evidence, failed.as_deref())?;
    if cli.explain {
        write!(io::stderr(), "{}", explain::in_words(&judgement, redact::masked))
            .context("cannot write to standard error")?;
    }
    record.set("diagnosis", judgement.diagnosis)
}

/// Waits until there is something to read; false where nobody is left to read what would be written.
///
/// A stage whose reader is gone must end, so that the stage before it learns that in turn and ends its child.
fn wait_for_input() -> Result<bool> {
    let (input, output) = (io::stdin(), io::stdout());
    let mut ends = vec![PollFd::new(&input, PollFlags::IN)];
    ends.extend(pipe::reader(&output));
    loop {
        match rustix::event::poll(&mut ends, None) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => break,
            Err(error) => return Err(error).context("cannot wait for standard input"),
        }
    }
    Ok(ends.first().is_some_and(|input| !input.revents().is_empty()))
}

/// Lets the failure ride the pipe in a record of its own.
fn fail(output: &mut impl Write, error: anyhow::Error) -> Result<ExitCode> {
    let id = record::new_id(Stamp::now()?)?;
    let mut record = Record::new(&id, &id, 1);
    record.write_error("ar-diagnose", &Failure::of(&error), output)?;
    Err(error)
}
