//! Reads what the child wrote: the answer, and what its format tells of the run.

use crate::format::{Format, Outcome, Reader};
use crate::plan::Plan;
use crate::price;
use crate::run_dir::RunDir;
use crate::strip::Strip;
use anyhow::Context;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

/// How much of the output is read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// What is known of a run in the end, and its answer's file: `told` by a follower, or read now.
pub fn complete(told: Option<Outcome>, plan: &Plan, dir: &RunDir) -> anyhow::Result<Outcome> {
    let mut outcome = match told {
        Some(outcome) if outcome.is_known => outcome,
        Some(outcome) => unknown(outcome, plan, dir)?,
        None => read(plan, dir)?,
    };
    let secrets = &plan.environment.secrets;
    if let Some(error) = &mut outcome.error {
        error.kind = secrets.mask(&error.kind);
        error.message = secrets.mask(&error.message);
    }
    let apart = dir.take_usage()?;
    outcome.usage = plan.format.and_then(|format| format.usage_in(&apart)).or(outcome.usage);
    outcome.settle(plan.used_before.as_ref());
    // Masked it would name another session, or none.
    outcome.session = outcome.session.filter(|id| secrets.mask(id) == *id);
    if let Some(usage) = &mut outcome.usage {
        price::estimate(usage, plan.price.as_ref());
    }
    Ok(outcome)
}

/// Writes the answer's file and tells what else the output says.
///
/// An output in which no object of its format even begins is taken for text: the agent, or what stands in for it, was started
/// without the flag, or failed before it knew of it.
fn read(plan: &Plan, dir: &RunDir) -> anyhow::Result<Outcome> {
    if let Some(format) = plan.format {
        let outcome = read_format(format, dir, &dir.stdout())?;
        if outcome.is_known {
            return Ok(outcome);
        }
    }
    unknown(Outcome::default(), plan, dir)
}

/// Writes the answer's file where the output holds nothing of its format, and tells what the other stream says in it.
fn unknown(outcome: Outcome, plan: &Plan, dir: &RunDir) -> anyhow::Result<Outcome> {
    let apart = plan.format.filter(|format| format.reports_errors_apart());
    let told = apart.map(|format| read_format(format, dir, &dir.stderr())).transpose()?;
    keep_text(plan, dir)?;
    Ok(told.filter(|told| told.error.is_some()).unwrap_or(outcome))
}

/// Makes the output the answer, without what was meant for a terminal if there was one.
fn keep_text(plan: &Plan, dir: &RunDir) -> anyhow::Result<()> {
    if !plan.resources.has_terminal {
        return dir.answer_is_stdout();
    }
    let mut answer = dir.create_answer()?;
    let mut strip = Strip::default();
    let mut text = Vec::new();
    each_piece(&dir.stdout(), |piece| {
        text.clear();
        strip.feed(piece, &mut text);
        answer.write_all(&text)
    })?;
    text.clear();
    strip.finish(&mut text);
    answer.write_all(&text).context("cannot write the answer")
}

fn read_format(format: Format, dir: &RunDir, stream: &Path) -> anyhow::Result<Outcome> {
    let mut reader = Reader::new(format, dir.create_answer()?);
    each_piece(stream, |piece| reader.feed(piece, &mut io::sink()))?;
    reader.finish(&mut io::sink()).context("cannot write the answer")
}

fn each_piece(path: &Path, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> anyhow::Result<()> {
    let mut file = File::open(path).with_context(|| format!("cannot open '{}'", path.display()))?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => take(piece.get(..read).unwrap_or_default()).context("cannot write the answer")?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read '{}'", path.display())),
        }
    }
}
