//! Running a model: the pipeline `ar-pick | ar-exec | ar-diagnose | ar-log`, spawned literally. Nothing here starts an agent.

use crate::interrupt;
use anyhow::{Context, Result, bail};
use ar_core::{Failure, Record};
use rustix::process::{Pid, Signal, kill_process};
use std::env;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// The place of ar-exec in the pipeline.
const EXEC: usize = 1;
/// How long a run's end may go unnoticed.
const PAUSE: Duration = Duration::from_millis(10);
/// What is read of an answer, in bytes.
const MOST: u64 = 256 * 1024;

/// Where the tools find configuration and state.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The configuration directory.
    pub config: PathBuf,
    /// The state database.
    pub state: PathBuf,
}

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The model.
    pub model: &'a str,
    /// The only provider to use, None for whichever is picked.
    pub provider: Option<&'a str>,
    /// The prompt.
    pub prompt: &'a str,
    /// The limit on wall time, as the tools read it.
    pub timeout: Option<&'a str>,
    /// What the run is marked with in the log.
    pub purpose: &'a str,
    /// Where the agent works, None for here.
    pub dir: Option<&'a Path>,
}

/// Runs one attempt to its end and gives its record.
pub fn run(ground: &Ground, call: &Call) -> Result<Record> {
    let _held = interrupt::hold()?;
    interrupt::refuse()?;
    let mut prompt = tempfile::NamedTempFile::new().context("cannot write the prompt")?;
    prompt.write_all(call.prompt.as_bytes()).context("cannot write the prompt")?;
    let mut complaints = tempfile::tempfile().context("cannot make a temporary file")?;
    let stages = stages(ground, call, prompt.path());
    let mut end = tempfile::tempfile().context("cannot make a temporary file")?;
    let mut children: Vec<Child> = Vec::new();
    let mut input = Stdio::null();
    for (name, args) in &stages {
        let output = if *name == "log" { end.try_clone()?.into() } else { Stdio::piped() };
        let mut command = Command::new(tool(name)?);
        command.args(args).stdin(input).stdout(output).stderr(complaints.try_clone()?);
        let mut child = command.spawn().with_context(|| format!("cannot run 'ar-{name}'"))?;
        input = child.stdout.take().map_or_else(Stdio::null, Stdio::from);
        children.push(child);
    }
    wait(&mut children)?;
    interrupt::refuse()?;
    match text(&mut end)?.lines().next() {
        Some(line) => Record::parse(line).context("cannot read the record that ar-log printed"),
        None => bail!("the pipeline printed no record: {}", ar_core::exit::one_line(&text(&mut complaints)?)),
    }
}

/// Waits for all stages. A Ctrl-C reaches them too and ends the run; another signal is passed on to the one that runs it.
fn wait(children: &mut [Child]) -> Result<()> {
    let mut is_passed_on = false;
    loop {
        let mut are_over = true;
        for child in children.iter_mut() {
            are_over &= child.try_wait().context("cannot wait for a tool")?.is_some();
        }
        if are_over {
            return Ok(());
        }
        if let (Some(_), Some(exec), false) = (interrupt::told(), children.get(EXEC), is_passed_on) {
            is_passed_on = true;
            let pid = i32::try_from(exec.id()).ok().and_then(Pid::from_raw);
            // It may be over, which is what is wanted.
            pid.map(|pid| kill_process(pid, Signal::TERM));
        }
        sleep(PAUSE);
    }
}

type Stage = (&'static str, Vec<std::ffi::OsString>);

fn stages(ground: &Ground, call: &Call, prompt: &Path) -> [Stage; 4] {
    let config = || ["--config".into(), ground.config.clone().into()];
    let state = || ["--state".into(), ground.state.clone().into()];
    let option = |name: &str, value: Option<&str>| -> Vec<std::ffi::OsString> {
        value.iter().flat_map(|value| [name.into(), (*value).into()]).collect()
    };
    let mut pick = vec!["-q".into(), "-m".into(), call.model.into()];
    pick.extend(option("--provider", call.provider));
    pick.extend(option("--timeout", call.timeout));
    let mut exec = vec!["-f".into(), prompt.into()];
    exec.extend(option("--timeout", call.timeout));
    exec.extend(call.dir.iter().flat_map(|dir| ["-p".into(), (*dir).into()]));
    for args in [&mut pick, &mut exec] {
        args.extend(config().into_iter().chain(state()));
    }
    let mut log = vec!["--tag".into(), format!("purpose={}", call.purpose).into()];
    log.extend(state());
    [("pick", pick), ("exec", exec), ("diagnose", config().to_vec()), ("log", log)]
}

/// A tool: beside our own executable, else on PATH.
pub fn tool(name: &str) -> Result<PathBuf> {
    let name = format!("ar-{name}");
    let own = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(&name)));
    if let Some(own) = own.filter(|own| own.is_file()) {
        return Ok(own);
    }
    which::which(&name).map_err(|_| {
        let failure = Failure::trouble(format!("cannot find '{name}'"));
        failure.hint("it is installed beside ar-setup by 'make install'").into()
    })
}

fn text(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The start of a run's answer.
pub fn answer(record: &Record) -> Result<String> {
    let dir = record.dir().context("the record names no directory")?;
    let file = dir.join("answer");
    let mut file = File::open(&file).with_context(|| format!("cannot open '{}'", file.display()))?;
    text(&mut file)
}
