//! Taking the history elsewhere: export, import, backup.

use crate::NAME;
use crate::content::Content;
use crate::paper::CANNOT;
use crate::redact::Secrets;
use crate::row::{MOST, Run};
use crate::select::{Selection, find};
use anyhow::{Context, Result, bail};
use ar_core::record::is_id;
use ar_core::state::State;
use ar_core::{Failure, Record, exit};
use rusqlite::{Connection, ErrorCode};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;

/// How many runs are imported in one transaction, so that others get in between.
const BATCH: usize = 500;
/// A longer line is no run.
const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// A line of an export: the row, the whole record, and the text that can be searched.
#[derive(Serialize, Deserialize)]
struct Line {
    v: u64,
    row: Run,
    record: Option<Value>,
    content: Option<Said>,
}

#[derive(Serialize, Deserialize)]
struct Said {
    prompt: String,
    answer: String,
}

/// `ar log export`: the runs that are over, a line each, oldest first, with the text that can be searched.
///
/// A run that cannot be read is told and passed over: this is how a damaged database is saved.
pub fn export(state_file: &Path, selection: &Selection) -> Result<ExitCode> {
    let state = State::open_to_read(state_file)?;
    let mut out = std::io::BufWriter::new(stdout().lock());
    let mut lost = 0_usize;
    for id in selection.ids(state.db())? {
        let line = find(&state, &id).and_then(|run| match run.status.as_str() {
            "picked" => Ok(None),
            _ => exported(state.db(), &run, state_file).map(Some),
        });
        match line {
            Ok(Some(line)) => writeln!(out, "{line}").context(CANNOT)?,
            Ok(None) => {}
            Err(error) => {
                lost += 1;
                exit::warn(NAME, &Failure::of(&error.context(format!("cannot export run '{id}'"))));
            }
        }
    }
    out.flush().context(CANNOT)?;
    if lost == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::trouble(format!("runs that could not be read: {lost}")).into())
}

fn exported(db: &Connection, run: &Run, state_file: &Path) -> Result<String> {
    let mut record = run.record(state_file)?;
    // Where the files are is another matter on another machine.
    if let Some(Value::Object(record)) = &mut record {
        record.shift_remove("dir");
    }
    let content = Content::load(db, &run.id)?;
    let content = content.map(|Content { prompt, answer, .. }| Said { prompt, answer });
    Ok(serde_json::to_string(&Line { v: 1, row: run.clone(), record, content })?)
}

/// `ar log import`: adds the runs of an export that are not known yet.
pub fn import(state_file: &Path, secrets: &Secrets) -> Result<()> {
    let mut state = State::open(state_file)?;
    let mut input = stdin().lock();
    let (mut number, mut added, mut known) = (0_usize, 0_usize, 0_usize);
    loop {
        let mut batch = Vec::new();
        let mut wrong = None;
        while batch.len() < BATCH {
            let mut line = Vec::new();
            let read = std::io::Read::take(&mut input, MAX_LINE_BYTES).read_until(b'\n', &mut line);
            if read.context("cannot read standard input")? == 0 {
                break;
            }
            number += 1;
            match parse(&line, state_file, secrets) {
                Ok(run) => batch.push(run),
                Err(error) => {
                    wrong = Some(error);
                    break;
                }
            }
        }
        let fresh = state.write(|db| insert(db, &batch))?;
        added += fresh;
        known += batch.len() - fresh;
        if let Some(error) = wrong {
            let failure = format!("line {number} of standard input is no run of an export: {error:#}");
            let hint = format!(
                "the {} runs before it are imported; importing again adds none of them twice",
                number - 1
            );
            return Err(Failure::trouble(failure).hint(hint).into());
        }
        if batch.len() < BATCH {
            break;
        }
    }
    writeln!(stdout().lock(), "imported {added} runs, {known} were known")?;
    state.close()
}

fn insert(db: &Connection, batch: &[(Run, Content)]) -> Result<usize> {
    let mut added = 0;
    for (run, content) in batch {
        if run.insert(db)? {
            content.insert(db, &run.id)?;
            added += 1;
        }
    }
    Ok(added)
}

fn parse(line: &[u8], state_file: &Path, secrets: &Secrets) -> Result<(Run, Content)> {
    if !line.ends_with(b"\n") {
        bail!("it is cut");
    }
    let Line { v, row: mut run, record, content } = serde_json::from_slice(line)?;
    if v > 1 {
        bail!("it has version {v}, and 1 is the highest known here");
    }
    // The ids name directories.
    if !is_id(&run.id) || !is_id(&run.call) {
        bail!("its id is no ULID");
    }
    if !["done", "failed", "lost"].contains(&run.status.as_str()) {
        bail!("its status is '{}'", run.status);
    }
    plausible(&run)?;
    run.files = Some("elsewhere".to_owned());
    run.hide(secrets);
    if let Some(record) = record {
        let record = Record::parse(&record.to_string())?;
        if record.run() != run.id {
            bail!("its record is that of another run");
        }
        run.pack(&record, state_file, secrets);
    }
    let content = content.map_or_else(Content::default, |said| Content {
        words: String::new(),
        prompt: secrets.redact(&said.prompt),
        answer: secrets.redact(&said.answer),
    });
    Ok((run, content))
}

/// Refuses what no row of ours has, and what would break tables and sums for all other runs.
fn plausible(run: &Run) -> Result<()> {
    for (name, count) in [
        ("elapsed_ms", run.elapsed_ms),
        ("input_tokens", run.input_tokens),
        ("output_tokens", run.output_tokens),
        ("cache_read_tokens", run.cache_read_tokens),
        ("cache_write_tokens", run.cache_write_tokens),
        ("cost_micros", run.cost_micros),
        ("payload_bytes", run.payload_bytes),
    ] {
        match count {
            Some(count) if count > MOST => bail!("its '{name}' are {count}, and {MOST} is the most"),
            Some(count) if count < 0 => bail!("its '{name}' are {count}, and 0 is the least"),
            _ => {}
        }
    }
    for (name, text) in [
        ("model", &run.model),
        ("provider", &run.provider),
        ("account", &run.account),
        ("host", &run.host),
        ("verdict", &run.verdict),
        ("class", &run.class),
        ("detail", &run.detail),
        ("session", &run.session),
        ("prompt", &run.prompt),
    ] {
        if text.as_ref().is_some_and(|text| text.chars().any(char::is_control)) {
            bail!("its '{name}' has control characters");
        }
    }
    let json = |text: &Option<String>| text.as_deref().map(serde_json::from_str::<Value>);
    if json(&run.tags).is_some_and(|tags| !tags.is_ok_and(|tags| tags.is_object())) {
        bail!("its 'tags' are no JSON object");
    }
    if json(&run.why).is_some_and(|why| !why.is_ok_and(|why| why.is_array())) {
        bail!("its 'why' is no JSON array");
    }
    Ok(())
}

/// `ar log backup`: a copy of the database as it is at one moment, while others write.
pub fn backup(state_file: &Path, to: &Path) -> Result<()> {
    let state = State::open_to_read(state_file)?;
    let cannot = || format!("cannot create '{}'", to.display());
    if to.symlink_metadata().is_ok() {
        return Err(std::io::Error::from(Errno::EXIST)).with_context(cannot);
    }
    // Beside and renamed, so that nobody takes half a backup for one.
    let to = std::path::absolute(to)?;
    let mut beside = to.clone().into_os_string();
    beside.push(format!(".{}", std::process::id()));
    state.copy_to(Path::new(&beside)).map_err(|error| no_room(&to, error))?;
    fs::rename(&beside, &to).with_context(cannot)
}

/// It is not the state database whose disk is full, or cannot be written, when a copy of it is made.
fn no_room(to: &Path, error: anyhow::Error) -> anyhow::Error {
    let code = error.chain().find_map(|cause| cause.downcast_ref::<rusqlite::Error>()?.sqlite_error_code());
    let cause = match code {
        Some(ErrorCode::DiskFull) => "the disk is full",
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => "its disk cannot be written",
        _ => return error,
    };
    Failure::trouble(format!("cannot write '{}': {cause}", to.display())).into()
}
