//! Reads what the child wrote: the answer, and what its format tells of the run.

use crate::format::{Format, Outcome, Reader};
use crate::plan::Plan;
use crate::price;
use crate::run_dir::RunDir;
use anyhow::Context;
use std::fs::File;
use std::io::{self, ErrorKind, Read};

/// How much of the output is read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// What is known of a run in the end, and its answer's file: `told` by a follower, or read now.
pub fn complete(told: Option<Outcome>, plan: &Plan, dir: &RunDir) -> anyhow::Result<Outcome> {
    let mut outcome = match told {
        Some(outcome) if outcome.is_known => outcome,
        Some(outcome) => {
            dir.answer_is_stdout()?;
            outcome
        }
        None => read(plan.format, dir)?,
    };
    if let Some(error) = &mut outcome.error {
        error.message = plan.environment.secrets.mask(&error.message);
    }
    if let Some(usage) = &mut outcome.usage {
        price::estimate(usage, plan.price.as_ref());
    }
    Ok(outcome)
}

/// Writes the answer's file and tells what else the output says.
///
/// An output without a single object of its format is taken for text: the agent, or what stands in for it, was started
/// without the flag, or failed before it knew of it.
fn read(format: Option<Format>, dir: &RunDir) -> anyhow::Result<Outcome> {
    if let Some(format) = format {
        let outcome = read_format(format, dir)?;
        if outcome.is_known {
            return Ok(outcome);
        }
    }
    dir.answer_is_stdout()?;
    Ok(Outcome::default())
}

fn read_format(format: Format, dir: &RunDir) -> anyhow::Result<Outcome> {
    let mut reader = Reader::new(format, dir.create_answer()?);
    let stdout = dir.stdout();
    let mut file = File::open(&stdout).with_context(|| format!("cannot open '{}'", stdout.display()))?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot read '{}'", stdout.display())),
        };
        let piece = piece.get(..read).unwrap_or_default();
        reader.feed(piece, &mut io::sink()).context("cannot write the answer")?;
    }
    reader.finish(&mut io::sink()).context("cannot write the answer")
}
