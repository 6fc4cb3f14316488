//! Running the model: `ar-pick | ar-exec | ar-diagnose --via rules | ar-log`, spawned literally.

use super::ASKING;
use crate::cli::Cli;
use anyhow::{Context, Result, bail};
use ar_core::Record;
use ar_core::record::{Diagnosis, ToolError, Verdict};
use rustix::io::{FdFlags, fcntl_setfd};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// The limit on the wall time of an answer.
const TIMEOUT: &str = "60s";
/// So much is read of an answer.
const ANSWER_BYTES: u64 = 65_536;

/// What to ask whom.
pub struct Call<'a> {
    pub cli: &'a Cli,
    pub model: &'a str,
    pub question: &'a str,
    /// The provider that just failed; it is asked only when there is no other.
    pub failed: Option<&'a str>,
}

/// Runs the model once and gives its answer.
pub fn run(call: &Call) -> Result<String> {
    let mut record = attempt(call, call.failed)?;
    if record.get::<ToolError>("error")?.is_some_and(|error| error.excluded) {
        record = attempt(call, None)?;
    }
    if let Some(error) = record.get::<ToolError>("error")? {
        bail!("{}", error.message);
    }
    let diagnosis: Diagnosis = record.get("diagnosis")?.context("it was not diagnosed")?;
    if diagnosis.verdict != Verdict::Ok {
        let class = diagnosis.class.map_or("unknown", ar_core::record::Class::name);
        bail!("it failed itself: {class}");
    }
    let file = record.dir().context("the record names no directory")?.join("answer");
    let mut text = Vec::new();
    File::open(&file)
        .and_then(|file| file.take(ANSWER_BYTES).read_to_end(&mut text))
        .with_context(|| format!("cannot read '{}'", file.display()))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Runs the pipeline once and gives the record at its end.
fn attempt(call: &Call, exclude: Option<&str>) -> Result<Record> {
    let question = spoken(call.question).context("cannot hand the question on")?;
    let mut children = Vec::new();
    let mut input = Stdio::null();
    let mut end = None;
    for (name, args) in stages(call, exclude, question.as_raw_fd()) {
        let mut command = Command::new(tool(name));
        command.args(args).env(ASKING, "1").stdin(input).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("cannot run '{name}'"))?;
        let output = child.stdout.take();
        children.push(child);
        (input, end) = match output {
            Some(output) if name != "ar-log" => (output.into(), None),
            output => (Stdio::null(), output),
        };
    }
    let mut line = String::new();
    let end = end.context("the pipeline has no end")?;
    end.take(ANSWER_BYTES)
        .read_to_string(&mut line)
        .context("cannot read the record at the pipeline's end")?;
    for child in &mut children {
        child.wait().context("cannot wait for a tool")?;
    }
    match line.lines().next() {
        Some(line) => Record::parse(line).context("cannot read the record at the pipeline's end"),
        None => bail!("the pipeline printed no record"),
    }
}

/// A text as a pipe that the tools inherit: nobody else can open it, and nothing is left of it.
fn spoken(text: &str) -> io::Result<PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    fcntl_setfd(&reader, FdFlags::empty())?;
    let text = text.to_owned();
    // Whoever does not read it ends early, and says why.
    thread::Builder::new().spawn(move || writer.write_all(text.as_bytes()))?;
    Ok(reader)
}

/// The tools and their arguments.
fn stages(call: &Call, exclude: Option<&str>, question: RawFd) -> [(&'static str, Vec<OsString>); 4] {
    let option = |name: &str, value: &Path| {
        let mut option = OsString::from(name);
        option.push(value);
        option
    };
    let config: Vec<OsString> = call.cli.config.iter().map(|dir| option("--config=", dir)).collect();
    let state: Vec<OsString> = call.cli.state.iter().map(|file| option("--state=", file)).collect();
    let mut pick: Vec<OsString> =
        vec!["--quiet".into(), "-m".into(), call.model.into(), format!("--timeout={TIMEOUT}").into()];
    pick.extend(exclude.map(|provider| format!("--exclude={provider}").into()));
    let mut exec: Vec<OsString> =
        vec!["-f".into(), format!("/dev/fd/{question}").into(), format!("--timeout={TIMEOUT}").into()];
    for args in [&mut pick, &mut exec] {
        args.extend(config.iter().chain(&state).cloned());
    }
    let mut diagnose: Vec<OsString> = vec!["--via=rules".into()];
    diagnose.extend(config.iter().cloned());
    let mut log: Vec<OsString> = vec!["--tag=purpose=diagnosis".into()];
    log.extend(state.iter().cloned());
    [("ar-pick", pick), ("ar-exec", exec), ("ar-diagnose", diagnose), ("ar-log", log)]
}

/// A tool: beside our own executable, else on PATH.
fn tool(name: &str) -> PathBuf {
    let own = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(name)));
    own.filter(|own| own.is_file()).unwrap_or_else(|| name.into())
}
