//! `ar setup ai`: a model drives the set-up, and everything it wants is judged, shown and asked here.
//!
//! The model holds no tool of ours. It answers with actions (ar-setup-protocol(5)); what is not allowed is refused whatever
//! the person says, what only reads is done, and the rest is done when the person agrees. Each turn tells it everything
//! anew, so any agent can drive, and none needs a session.

mod act;
mod command;
mod form;
mod prompt;
mod protocol;
mod transcript;
mod write;

use crate::answers::Answers;
use crate::cli::Talk;
use crate::pipeline::{self, Call, Ground};
use crate::{advice, ask, detect, init, places};
use act::Session;
use anyhow::{Context, Result};
use ar_core::config::{Config, Model};
use ar_core::record::{Diagnosis, ToolError, Verdict};
use ar_core::{Failure, Record, Stamp, exit};
use protocol::Action;
use serde_json::json;
use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use transcript::Transcript;

/// The most turns of a session.
const TURNS: u32 = 25;
/// The longest that a session may take.
const PATIENCE: Duration = Duration::from_hours(1);
/// The longest that a model may think about one turn, as the tools read it.
const THINKING: &str = "5m";
/// An answer above this is not looked at, in bytes.
const MOST: usize = 64 * 1024;
/// How many answers in a row may be nonsense, or the same.
const STRIKES: u32 = 3;

/// Lets a model drive until it is done, a limit is reached or the person stops it.
pub fn run(ground: &Ground, talk: &Talk, out: &mut impl Write) -> Result<ExitCode> {
    if talk.schema {
        write!(out, "{}", protocol::SCHEMA)?;
        return Ok(ExitCode::SUCCESS);
    }
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    let driver = driver(ground, talk, scratch.path())?;
    let agents = detect::agents(Stamp::now()?)?;
    let mut transcript = Transcript::start(&ground.state)?;
    for secret in act::stored_secrets(&ground.config)? {
        transcript.hide(&secret);
    }
    transcript.add("person", &json!({"wants": talk.words.join(" ")}))?;
    writeln!(out, "{} drives; you are asked before anything is run or written. Ctrl-C stops.", driver.model)?;
    let path = transcript.path().to_owned();
    let mut session = Session { ground, transcript, out };
    let ended = converse(&driver, &agents, &mut session);
    writeln!(session.out, "the transcript is {}", path.display())?;
    match ended {
        Err(error) if ask::was_stopped(&error) => {
            Err(Failure::trouble("stopped; what you agreed to before stays written").into())
        }
        ended => ended.map(|()| ExitCode::SUCCESS),
    }
}

/// Which model drives, and where its configuration lies.
struct Driver {
    ground: Ground,
    model: String,
    provider: Option<String>,
    /// An empty directory to work in: the person's files are none of its business.
    work: std::path::PathBuf,
}

/// The model asked for, the default one, or where none is configured yet a pool of all agents on this machine, made for
/// the occasion.
fn driver(ground: &Ground, talk: &Talk, scratch: &std::path::Path) -> Result<Driver> {
    let work = scratch.join("work");
    std::fs::create_dir(&work).context("cannot make a temporary directory")?;
    let provider = talk.provider.clone();
    let configured = Config::load(&ground.config)?.choose_model(&ground.config, talk.model.as_deref());
    if let Ok(model) = &configured
        && (talk.model.is_some() || Model::load(&ground.config, model).is_ok())
    {
        Model::load(&ground.config, model)?;
        return Ok(Driver { ground: ground.clone(), model: model.clone(), provider, work });
    }
    let mut found = places::all();
    let config = scratch.join("config");
    if found.is_empty() {
        return Err(init::nothing_found(&ground.config).into());
    }
    init::fit(&mut found)?;
    for change in init::plan(&config, &Answers::default(), &found)? {
        change.make(&config)?;
    }
    Ok(Driver { ground: Ground { config, ..ground.clone() }, model: init::POOL.to_owned(), provider, work })
}

fn converse<W: Write>(driver: &Driver, agents: &[detect::Agent], session: &mut Session<W>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    let (mut nonsense, mut repeated, mut last) = (0, 0, String::new());
    for turn in 1..=TURNS {
        if Instant::now() >= end {
            return Err(gave_up("its time is over"));
        }
        let answer = think(driver, &prompt::text(session, agents, turn)?)?;
        let answer = session.transcript.clean(&answer);
        repeated = if answer == last { repeated + 1 } else { 1 };
        if repeated == STRIKES {
            return Err(gave_up("it says the same again and again"));
        }
        last.clone_from(&answer);
        let parsed =
            if answer.len() > MOST { Err("it is too long".to_owned()) } else { protocol::parse(&answer) };
        let actions = match parsed {
            Ok(actions) => actions,
            Err(wrong) => {
                nonsense += 1;
                writeln!(
                    session.out,
                    "the model's answer is none of the protocol: {}",
                    exit::one_line(&wrong)
                )?;
                session.transcript.add("ar", &json!({"your_answer_is_refused": wrong}))?;
                if nonsense == STRIKES {
                    return Err(gave_up("it does not keep to the protocol"));
                }
                continue;
            }
        };
        nonsense = 0;
        for action in &actions {
            session.transcript.add("you", &serde_json::to_value(action)?)?;
            let came_of_it = session.act(action)?;
            session.transcript.add("ar", &came_of_it)?;
            if matches!(action, Action::Done { .. }) {
                return Ok(());
            }
        }
    }
    Err(gave_up("it came to no end"))
}

fn gave_up(why: &str) -> anyhow::Error {
    Failure::trouble(format!("gave up on the model: {why}"))
        .hint("'ar setup init' does without a model; --model chooses another")
        .into()
}

/// Has the model answer one prompt.
fn think(driver: &Driver, prompt: &str) -> Result<String> {
    progress("the model thinks...")?;
    let call = Call {
        model: &driver.model,
        provider: driver.provider.as_deref(),
        prompt,
        timeout: Some(THINKING),
        purpose: "setup",
        dir: Some(&driver.work),
    };
    let record = pipeline::run(&driver.ground, &call);
    progress("")?;
    let record = record?;
    match failure(driver, &record)? {
        Some(failure) => Err(failure.into()),
        None => pipeline::answer(&record),
    }
}

fn failure(driver: &Driver, record: &Record) -> Result<Option<Failure>> {
    let failed = |why: &str, hint: String| {
        Some(Failure::trouble(format!("the model '{}' gives no answer: {why}", driver.model)).hint(hint))
    };
    if let Some(error) = record.get::<ToolError>("error")? {
        return Ok(failed(&error.message, error.hint.unwrap_or_else(|| advice::look_at_log(record))));
    }
    let diagnosis: Diagnosis = record.get("diagnosis")?.context("the record holds no diagnosis")?;
    if diagnosis.verdict == Verdict::Ok {
        return Ok(None);
    }
    let name = record.at("pick.provider").and_then(|name| name.as_str()).unwrap_or_default();
    let model = Model::load(&driver.ground.config, &driver.model)?;
    let hint = advice::about(model.provider(name)?, &diagnosis, record);
    let why = diagnosis.evidence.or(diagnosis.detail).unwrap_or_else(|| "nobody knows why".to_owned());
    Ok(failed(&format!("{name}: {}", exit::one_line(&why)), hint))
}

/// Shows on a terminal what is waited for; an empty text wipes it away.
fn progress(text: &str) -> Result<()> {
    let mut terminal = stderr().lock();
    if terminal.is_terminal() {
        write!(terminal, "\r\x1b[K{text}")?;
        terminal.flush()?;
    }
    Ok(())
}
