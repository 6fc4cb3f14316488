//! What one call of ar-exec asks for: the same prompt and limits for each record.

use crate::child;
use crate::cli::Cli;
use crate::family::Family;
use crate::follow;
use crate::git::Moment;
use crate::outcome;
use crate::plan::Plan;
use crate::prompt::Prompt;
use crate::report;
use crate::run_dir::RunDir;
use crate::signals::Signals;
use crate::tee::Tee;
use crate::terminal::Terminal;
use crate::watch::{self, Ender, Fate, Watch};
use ar_core::agent::Agent;
use ar_core::clock::parse_duration;
use ar_core::config::Model;
use ar_core::record::{End, Exec, Pick, Session, Usage};
use ar_core::{Failure, Record, Stamp, loose, paths};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The command line, checked.
#[derive(Debug)]
pub struct Request {
    config: Option<PathBuf>,
    state: Option<PathBuf>,
    command: Vec<OsString>,
    agent: Option<String>,
    prompt: Prompt,
    tee: Option<Tee>,
    overrides: Overrides,
}

/// What the command line says in place of the provider's template.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The child's working directory.
    pub cwd: Option<PathBuf>,
    /// Whether to tell what the run changes in a git repository.
    pub git: bool,
    /// The agent's session that goes on.
    pub session: Option<String>,
    /// What that session has used so far, where its record tells.
    pub used_before: Option<Usage>,
    /// Wall time; zero for no limit.
    pub timeout: Option<Duration>,
    /// Silence of both streams; zero for no limit.
    pub idle_timeout: Option<Duration>,
}

impl Request {
    /// Checks the command line.
    pub fn new(cli: Cli) -> anyhow::Result<Self> {
        let prompt = match cli.file {
            Some(file) => Prompt::file(file)?,
            None if !cli.words.is_empty() => Prompt::words(&cli.words),
            None if cli.record.is_some() || !cli.command.is_empty() => Prompt::Stdin,
            None => Prompt::None,
        };
        let duration =
            |text: Option<String>| text.map(|text| parse_duration(&text).map_err(usage)).transpose();
        let overrides = Overrides {
            cwd: cli.dir,
            git: cli.git,
            session: cli.session,
            used_before: None,
            timeout: duration(cli.timeout)?,
            idle_timeout: duration(cli.idle_timeout)?,
        };
        Ok(Self {
            config: cli.config,
            state: cli.state,
            command: cli.command,
            agent: cli.agent,
            prompt,
            tee: cli.tee.as_deref().map(Tee::open).transpose()?,
            overrides,
        })
    }

    /// Runs one record's provider and adds `exec` to the record.
    pub fn run(&mut self, record: &mut Record, signals: &Signals) -> anyhow::Result<Rest> {
        record.check_room()?;
        let path = match record.dir() {
            Some(dir) => dir,
            None => paths::run_dir(&paths::state_file(self.state.as_deref())?, record.run()),
        };
        let mut dir = RunDir::create(&path)?;
        if !self.command.is_empty() {
            path.parent().into_iter().for_each(loose::end);
            dir.note_loose()?;
        }
        record.set("dir", dir.path())?;
        let mut plan = self.plan(record, signals)?;
        plan.environment.enter(record)?;
        self.write_prompt(&dir, signals)?;
        let (exec, family) = self.execute(&plan, record, &dir, signals)?;
        record.set("exec", exec)?;
        Ok(Rest { dir, family, linger: plan.limits.linger })
    }

    fn plan(&self, record: &Record, signals: &Signals) -> anyhow::Result<Plan> {
        let Some((command, args)) = self.command.split_first() else {
            let model = record.text("model").ok_or_else(|| incomplete("model"))?;
            let pick: Pick = record.get("pick")?.ok_or_else(|| incomplete("pick"))?;
            let model = Model::load(&paths::config_dir(self.config.as_deref())?, model)?;
            let (session, used_before) = self.session(record)?;
            let overrides = Overrides { session, used_before, ..self.overrides.clone() };
            return Plan::of_provider(&model, model.provider(&pick.provider)?, &overrides, signals);
        };
        Plan::of_command(command, args, &self.overrides)
    }

    /// The session that goes on: the command line's, else the record's, which may tell what it has used so far.
    fn session(&self, record: &Record) -> anyhow::Result<(Option<String>, Option<Usage>)> {
        let picked: Option<Session> = record.get("session")?;
        let (id, usage) = picked.map(|session| (session.id, session.usage)).unwrap_or_default();
        match &self.overrides.session {
            Some(asked) if id.as_ref() != Some(asked) => Ok((Some(asked.clone()), None)),
            _ => Ok((id, usage)),
        }
    }

    fn write_prompt(&mut self, dir: &RunDir, signals: &Signals) -> anyhow::Result<()> {
        let preface = match &self.agent {
            None => String::new(),
            Some(agent) => Agent::load(&paths::config_dir(self.config.as_deref())?, agent)?.preface(),
        };
        self.prompt.write(&preface, dir, signals)?;
        // The file of the first run, which the next ones take, begins with the preface already.
        self.agent = None;
        Ok(())
    }

    fn execute(
        &self,
        plan: &Plan,
        record: &Record,
        dir: &RunDir,
        signals: &Signals,
    ) -> anyhow::Result<(Exec, Option<Family>)> {
        let mut streams = child::Streams::create(dir)?;
        let started = Stamp::now()?;
        if signals.was_told_to_end() {
            return Ok((outcome::cancelled(plan, started, signals.cancelled_by()), None));
        }
        let before = plan.watches_git.then(|| Moment::of(&plan.cwd)).flatten();
        let terminal = plan.resources.has_terminal.then(Terminal::open).transpose()?;
        let mut family = match child::start(plan, record, dir, &streams, terminal.as_ref()) {
            Err(error) => return Ok((outcome::not_started(plan, started, error), None)),
            Ok(family) => family,
        };
        if terminal.is_some() || follow::is_wanted(plan, self.tee.as_ref()) {
            // There are more threads soon, which is too late.
            family.keep();
        }
        let pump = terminal.map(|terminal| terminal.pump(streams.copy_stdout()?)).transpose()?;
        let following = follow::start(plan, dir, self.tee.as_ref())?;
        let watch = Watch::new(family, &plan.limits, &streams, following.as_ref(), signals);
        let (fate, family) = watch.wait()?;
        if let Some(pump) = pump {
            pump.finish()?;
        }
        if let (End::MaxOutput, Some(limit)) = (fate.end, plan.limits.max_output) {
            streams.cut(limit)?;
        }
        let told = match following {
            Some(following) => following.finish(signals)?,
            None => None,
        };
        if fate.leftover > 0 {
            streams.part(dir)?;
        }
        let told = report::complete(told, plan, dir)?;
        redact(plan, dir, &fate)?;
        let git = before.map(|before| before.compare(Moment::of(&plan.cwd)));
        let exec = Exec { git, ..outcome::ended(plan, started, &fate, &streams)? };
        Ok((told.into_exec(exec), Some(family)))
    }
}

/// Keeps secrets out of the files. What may be a good answer stays as it is in the answer's own file, and there alone: who
/// looks for what went wrong quotes the others.
fn redact(plan: &Plan, dir: &RunDir, fate: &Fate) -> anyhow::Result<()> {
    let secrets = &plan.environment.secrets;
    secrets.redact_file(&dir.stderr())?;
    secrets.redact_file(&dir.stdout())?;
    let may_be_good = fate.child.is_some_and(|child| child.status.success());
    if !may_be_good {
        secrets.redact_file(&dir.answer())?;
    }
    secrets.mask_beside(&dir.prompt())?;
    secrets.mask_beside(&dir.answer())
}

/// What is to be done about a run once its record is out: until then its directory stays locked, and nobody waits for
/// what the child left behind.
#[derive(Debug)]
pub struct Rest {
    dir: RunDir,
    family: Option<Family>,
    linger: Duration,
}

impl Rest {
    /// Ends what the child left behind.
    pub fn end(mut self, signals: &Signals) -> anyhow::Result<()> {
        let Some(family) = self.family.filter(|family| !family.is_gone()) else { return Ok(()) };
        // Where the disk is full, the keeper is there all the same.
        let _ = self.dir.note_loose();
        if watch::end_leftover(family, self.linger, signals)? == Ender::Keeper {
            self.dir.leave();
        }
        Ok(())
    }
}

fn incomplete(field: &str) -> Failure {
    Failure::trouble(format!("the record has no '{field}'"))
        .hint("records come from 'ar-pick -m MODEL'; 'ar-exec -- COMMAND' needs none")
}

fn usage(error: anyhow::Error) -> anyhow::Error {
    error.context("the command line is wrong")
}
