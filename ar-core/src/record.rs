//! The record: one line of JSON that names a run and rides the pipe from tool to tool (ar-record(5)).

use crate::clock::Stamp;
use crate::exit::{Failure, one_line};
use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::ffi::OsStr;
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;

/// The version of the record that these tools write, and the highest that they read.
pub const VERSION: u64 = 1;
/// A line with its newline stays below this many bytes (`PIPE_BUF` of Linux), so lines of concurrent writers never mix.
pub const MAX_BYTES: usize = 4096;
/// A longer line on standard input is not a record, and is not read into memory.
const MAX_INPUT_BYTES: u64 = 65_536;
/// What the stages may add to a record after ar-pick: `exec`, `diagnosis` and `error` with their texts cut.
const ROOM_BYTES: usize = 1536;
/// Texts for people; where a line would be too long, they are what is cut. Names are not: who a cut name means, nobody
/// knows.
const FREE_TEXTS: [&str; 6] = [
    "/pick/reason",
    "/exec/error/message",
    "/diagnosis/evidence",
    "/diagnosis/detail",
    "/error/message",
    "/error/hint",
];
/// The shortest that a text is cut to, in bytes.
const MIN_TEXT_BYTES: usize = 32;

/// A record: the tools' own objects, and every field that they do not know, in the order in which they came.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    run: String,
    fields: Map<String, Value>,
}

/// What ar-pick chose and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pick {
    /// The provider's name.
    pub provider: String,
    /// The account that the provider draws on.
    pub account: String,
    /// When the provider was chosen.
    pub at: Stamp,
    /// When the reservation ends by itself.
    pub lease_until: Stamp,
    /// Whether this run tries out a provider whose cooldown may have ended.
    pub probe: bool,
    /// Why this one, in words.
    pub reason: String,
}

/// The agent's own session with which a run goes on, or that it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What the caller calls it, null where it is just the last one.
    pub name: Option<String>,
    /// The agent's id of it, null where the run begins it.
    pub id: Option<String>,
}

/// How the child was run and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exec {
    /// The command, as the template names it.
    pub argv0: String,
    /// When the child was started.
    pub started: Stamp,
    /// Wall time of the child in milliseconds.
    pub elapsed_ms: u64,
    /// What ended the run.
    pub end: End,
    /// The child's exit status, null where it has none.
    pub exit_code: Option<i32>,
    /// The signal that ended the child, null where none did.
    pub signal: Option<i32>,
    /// Size of the child's standard output in bytes.
    pub stdout_bytes: u64,
    /// Size of the child's standard error in bytes.
    pub stderr_bytes: u64,
    /// The command line agent's own session id.
    #[serde(default)]
    pub session: Option<String>,
    /// Tokens and cost.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// Rounds of question and answer with the model, null where the format tells none.
    #[serde(default)]
    pub turns: Option<u64>,
    /// Tools that the agent used, null where the format tells none.
    #[serde(default)]
    pub tool_calls: Option<u64>,
    /// What the child's own result format said of an error, or why it could not be started.
    #[serde(default)]
    pub error: Option<ExecError>,
    /// Whether the template says that an empty answer is a good one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty: bool,
    /// Processor time of the child and of those that it waited for, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// The most memory that one of these processes ever held, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// How many processes the child left behind; they were ended.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub leftover: u64,
    /// What became of the git repository in which the child worked, where it worked in one and that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitChange>,
}

/// A git repository before and after a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitChange {
    /// The commit that HEAD named before, null in a repository without one.
    pub before: Option<String>,
    /// The commit that HEAD named after.
    pub after: Option<String>,
    /// Whether HEAD, the index or the work tree is another than before.
    pub changed: bool,
}

/// What ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The child exited by itself.
    Exit,
    /// A signal that ar-exec did not send ended the child.
    Signal,
    /// The wall time limit.
    Timeout,
    /// The limit on silence.
    Idle,
    /// The child could not be started.
    Spawn,
    /// A signal to ar-exec, or nobody left to read its record.
    Cancelled,
    /// The limit on bytes of output.
    MaxOutput,
    /// The limit on turns.
    MaxTurns,
    /// The limit on cost.
    MaxCost,
}

/// Tokens and cost of a run. Tokens that a provider served from its cache are not part of `input_tokens`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens read, net of cache.
    pub input_tokens: u64,
    /// Tokens written, reasoning included.
    pub output_tokens: u64,
    /// How many of the tokens written were reasoning.
    pub reasoning_tokens: u64,
    /// Tokens served from the provider's cache.
    pub cache_read_tokens: u64,
    /// Tokens written into the provider's cache.
    pub cache_write_tokens: u64,
    /// Cost in US dollars, null where nobody tells.
    pub cost_usd: Option<f64>,
    /// Whether the cost comes from a price table and not from the provider.
    pub estimated: bool,
    /// Whether this is the sum since the session began and not this run's alone, as some agents count it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub since_session: bool,
}

/// An error as the child's own result format, or the attempt to start it, tells it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecError {
    /// A short identifier: the format's own, or `not_found`, `not_executable`, `bad_cwd`, `too_long` of a spawn.
    pub kind: String,
    /// The text.
    pub message: String,
    /// HTTP status, where the format tells one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// When the limit ends, where the format tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Stamp>,
}

/// Why a run ended as it did, and whom that concerns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Whom the failure concerns.
    pub verdict: Verdict,
    /// The class, null when the verdict is ok.
    pub class: Option<Class>,
    /// A word of a closed vocabulary that says it more closely.
    pub detail: Option<String>,
    /// What decided: `rule:FILE/ID`, `exec`, `exit`, …
    pub by: String,
    /// The line that decided.
    pub evidence: Option<String>,
    /// When to try again.
    pub retry_at: Option<Stamp>,
    /// Where `retry_at` comes from: `server` or `estimated`.
    pub retry_from: Option<String>,
    /// What a failure of the provider speaks for.
    pub scope: Option<Scope>,
}

/// Whom a failure concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nobody: the answer is good.
    Ok,
    /// The provider: cool it, try another.
    Provider,
    /// The network: blame nobody, retry.
    Network,
    /// The work itself: stop, pass the child's status on.
    Task,
    /// Whoever asked: the prompt is too long, the model is unknown. Stop.
    Caller,
}

/// What the runner should do next about a failed provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Cool it for seconds to minutes.
    RateLimit,
    /// Park it until its reset, or until somebody pays.
    QuotaExhausted,
    /// Leave it until somebody logs in.
    AuthExpired,
    /// Leave it until the installation or the template is mended.
    CliVersionMismatch,
    /// No answer came over the network: blame nobody.
    NetworkError,
    /// Show it.
    Unknown,
}

impl Class {
    /// The class as the record, the database and messages spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::QuotaExhausted => "quota_exhausted",
            Self::AuthExpired => "auth_expired",
            Self::CliVersionMismatch => "cli_version_mismatch",
            Self::NetworkError => "network_error",
            Self::Unknown => "unknown",
        }
    }

    /// Reads a class as [`Class::name`] spells it.
    pub fn parse(name: &str) -> anyhow::Result<Self> {
        serde_json::from_value(name.into()).with_context(|| format!("'{name}' is not a class"))
    }
}

impl Verdict {
    /// The verdict as the record, the database and messages spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Provider => "provider",
            Self::Network => "network",
            Self::Task => "task",
            Self::Caller => "caller",
        }
    }
}

/// What a failure of a provider speaks for, and so what is cooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The whole account.
    Account,
    /// The account, for this model alone.
    Model,
    /// This provider alone: its command or its template.
    Provider,
}

/// The trouble of a tool, riding the pipe in place of its object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolError {
    /// The tool that failed.
    pub tool: String,
    /// What failed.
    pub message: String,
    /// The exit status that the end of the pipe passes on.
    pub code: u8,
    /// The way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// When somebody can serve again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Stamp>,
    /// Whether only `--exclude` and `--provider` stood in the way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub excluded: bool,
}

impl Record {
    /// Starts the record of a run.
    pub fn new(run: &str, call: &str, attempt: u32) -> Self {
        let mut map = Map::new();
        map.insert("v".into(), VERSION.into());
        map.insert("run".into(), run.into());
        map.insert("call".into(), call.into());
        map.insert("attempt".into(), attempt.into());
        Self { run: run.to_owned(), fields: map }
    }

    /// Reads one line.
    ///
    /// A line that is no JSON object, has no `v` or a higher one than [`VERSION`], names no run, or a `dir` that does not
    /// end in the run's id, is an error.
    pub fn parse(line: &str) -> anyhow::Result<Self> {
        let Value::Object(map) = serde_json::from_str(line)? else { bail!("it is not a JSON object") };
        match map.get("v").and_then(Value::as_u64) {
            None => bail!("it has no version 'v'"),
            Some(v) if v > VERSION => {
                return Err(Failure::trouble(format!(
                    "it has version {v}, and {VERSION} is the highest known here"
                ))
                .hint("all tools of a pipeline must come from the same release of the agent runner")
                .into());
            }
            Some(_) => {}
        }
        let Some(run) = map.get("run").and_then(Value::as_str).filter(|run| is_id(run)) else {
            bail!("its 'run' is not a ULID");
        };
        let record = Self { run: run.to_owned(), fields: map };
        // Whatever else a directory holds, a record must not get it overwritten, printed or removed.
        if record.dir().is_some_and(|dir| dir.file_name() != Some(OsStr::new(record.run()))) {
            bail!("its 'dir' is not the directory of run '{}'", record.run());
        }
        Ok(record)
    }

    /// The text in the top-level field `name`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The call's id; a run that no call made is its own.
    pub fn call(&self) -> &str {
        self.text("call").unwrap_or_else(|| self.run())
    }

    /// Which attempt of its call this run is, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.fields.get("attempt").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(1)
    }

    /// The run's directory.
    pub fn dir(&self) -> Option<PathBuf> {
        self.text("dir").map(PathBuf::from)
    }

    /// The object that a tool added, null and absent alike being none.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<Option<T>> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let section =
                    T::deserialize(value).with_context(|| format!("the record's '{name}' is damaged"))?;
                Ok(Some(section))
            }
        }
    }

    /// The field at a dotted path, `pick.provider`.
    pub fn at(&self, path: &str) -> Option<&Value> {
        let mut parts = path.split('.');
        let first = self.fields.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    /// Adds or replaces a tool's object or a top-level field.
    pub fn set(&mut self, name: &str, value: impl Serialize) -> anyhow::Result<()> {
        let value =
            serde_json::to_value(value).with_context(|| format!("cannot write the record's '{name}'"))?;
        self.fields.insert(name.to_owned(), value);
        Ok(())
    }

    /// Removes a field.
    pub fn remove(&mut self, name: &str) {
        self.fields.remove(name);
    }

    /// Removes what an agent said and is quoted here: evidence and messages of errors.
    pub fn forget_texts(&mut self) {
        for (section, text) in [("diagnosis", "evidence"), ("error", "message")] {
            if let Some(Value::Object(section)) = self.fields.get_mut(section) {
                section.remove(text);
            }
        }
        if let Some(Value::Object(exec)) = self.fields.get_mut("exec") {
            exec.remove("error");
        }
    }

    /// Puts a tool's trouble into the record.
    pub fn set_error(&mut self, tool: &str, failure: &Failure) -> anyhow::Result<()> {
        self.set(
            "error",
            ToolError {
                tool: tool.to_owned(),
                message: failure.message.clone(),
                code: failure.code,
                hint: failure.hint.clone(),
                retry_at: None,
                excluded: false,
            },
        )
    }

    /// Puts a tool's trouble into the record and writes it. Where that makes too long a line, the fields that are not ours
    /// are left out, and then all but the ids: who reads the pipe must learn of the trouble in any case.
    pub fn write_error(&mut self, tool: &str, failure: &Failure, output: impl Write) -> anyhow::Result<()> {
        self.set_error(tool, failure)?;
        if self.to_line().is_err() {
            self.leave_out_foreign();
        }
        if self.to_line().is_err() {
            let mut bare = Self::new(
                self.run(),
                if is_id(self.call()) { self.call() } else { self.run() },
                self.attempt(),
            );
            bare.set_error(tool, failure)?;
            *self = bare;
        }
        self.write(output)
    }

    /// Whether the stages to come can add their objects without making the line too long.
    pub fn check_room(&self) -> anyhow::Result<()> {
        let mut value = self.as_value();
        cut_texts(&mut value, MIN_TEXT_BYTES);
        let bytes = value.to_string().len() + 1;
        if bytes + ROOM_BYTES < MAX_BYTES {
            return Ok(());
        }
        let message = format!(
            "the record of run '{}' has {bytes} bytes, which leaves no room below {MAX_BYTES} for what a run adds",
            self.run()
        );
        Err(Failure::trouble(message)
            .hint("put less of your own into the record, such as the path of a file")
            .into())
    }

    /// Keeps our own fields alone.
    fn leave_out_foreign(&mut self) {
        self.fields.retain(|name, _| {
            [
                "v",
                "run",
                "call",
                "attempt",
                "model",
                "model_asked",
                "dir",
                "pick",
                "exec",
                "diagnosis",
                "error",
            ]
            .contains(&name.as_str())
        });
        self.leave_out_foreign_in::<Pick>("pick");
        self.leave_out_foreign_in::<Exec>("exec");
        self.leave_out_foreign_in::<Diagnosis>("diagnosis");
    }

    fn leave_out_foreign_in<T: DeserializeOwned + Serialize>(&mut self, name: &str) {
        let Some(value) = self.fields.remove(name) else { return };
        // An object that is damaged is of no use to anybody.
        if let Ok(Ok(own)) = T::deserialize(value).map(serde_json::to_value) {
            self.fields.insert(name.to_owned(), own);
        }
    }

    /// The record as one line without its newline, below [`MAX_BYTES`] with it.
    ///
    /// Where it would be longer, texts for people are cut, the longest first; names, and fields that are not ours, never
    /// are. What is still too long then is an error.
    pub fn to_line(&self) -> anyhow::Result<String> {
        let mut value = self.as_value();
        loop {
            let line = value.to_string();
            if line.len() + 1 < MAX_BYTES {
                return Ok(line);
            }
            let texts = FREE_TEXTS.iter().filter_map(|path| value.pointer(path)?.as_str());
            let longest = texts.map(str::len).max().unwrap_or(0);
            if longest <= MIN_TEXT_BYTES {
                bail!(
                    "the record of run '{}' has {} bytes, and {} is the limit",
                    self.run(),
                    line.len() + 1,
                    MAX_BYTES
                );
            }
            cut_texts(&mut value, (longest / 2).max(MIN_TEXT_BYTES));
        }
    }

    /// Writes the line in one piece and flushes it.
    pub fn write(&self, mut output: impl Write) -> anyhow::Result<()> {
        let mut line = self.to_line()?;
        line.push('\n');
        output
            .write_all(line.as_bytes())
            .and_then(|()| output.flush())
            .context("cannot write the record to standard output")
    }

    /// The whole record as a JSON value.
    pub fn as_value(&self) -> Value {
        Value::Object(self.fields.clone())
    }
}

/// Reads the next record of a stream; none at its end. Empty lines are passed over.
pub fn read(input: &mut impl BufRead) -> anyhow::Result<Option<Record>> {
    loop {
        let mut line = Vec::new();
        input
            .by_ref()
            .take(MAX_INPUT_BYTES)
            .read_until(b'\n', &mut line)
            .context("cannot read standard input")?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        if line.len() as u64 == MAX_INPUT_BYTES {
            bail!("standard input holds no record: its line is longer than {MAX_INPUT_BYTES} bytes");
        }
        let text = str::from_utf8(&line).context("standard input holds no record")?;
        return Record::parse(text).context("standard input holds no record").map(Some);
    }
}

/// The error of a tool whose standard input ended before the first record.
pub fn no_record() -> Failure {
    Failure::trouble("no record on standard input")
        .hint("start the pipeline with 'ar-pick -m MODEL', see ar(7)")
}

/// Makes a new id: a ULID of the given time.
pub fn new_id(now: Stamp) -> anyhow::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("cannot get random bytes: {error}"))?;
    let ms = u64::try_from(now.0).unwrap_or(0);
    Ok(ulid::Ulid::from_parts(ms, u128::from_le_bytes(random)).to_string())
}

/// Whether a text is an id as [`new_id`] makes them, and so safe as the name of a directory.
pub fn is_id(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

/// Prepares a text from outside for the record: one line without control characters, at most `max_bytes` of UTF-8.
pub fn bounded(text: &str, max_bytes: usize) -> String {
    let mut text = one_line(text);
    cut(&mut text, max_bytes);
    text
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn cut(text: &mut String, max_bytes: usize) {
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
}

fn cut_texts(record: &mut Value, max_bytes: usize) {
    for path in FREE_TEXTS {
        if let Some(Value::String(text)) = record.pointer_mut(path) {
            cut(text, max_bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const RUN: &str = "01K9ZXW6N7Q8R9S0T1V2W3X4Y5";

    #[test]
    fn unknown_fields_and_big_numbers_pass_through() {
        let line = format!(
            r#"{{"v":1,"run":"{RUN}","call":"{RUN}","attempt":1,"z":{{"deep":[1,2.50,123456789012345678901234567890]}},"a":null}}"#
        );
        assert_eq!(Record::parse(&line).unwrap().to_line().unwrap(), line);
    }

    #[test]
    fn damaged_records_are_refused() {
        for line in
            ["", "x", "[]", "{}", r#"{"v":1}"#, r#"{"v":1,"run":"../../etc"}"#, r#"{"v":"1","run":"x"}"#]
        {
            assert!(Record::parse(line).is_err(), "{line}");
        }
        let error = Record::parse(&format!(r#"{{"v":2,"run":"{RUN}"}}"#)).unwrap_err();
        assert!(error.to_string().contains("version 2"), "{error}");
    }

    #[test]
    fn a_directory_that_is_not_the_runs_own_is_refused() {
        for (dir, good) in [
            (format!("/var/runs/{RUN}"), true),
            (format!("/var/runs/{RUN}/"), true),
            ("/home/me".to_owned(), false),
            ("/".to_owned(), false),
            (format!("/var/{RUN}/.."), false),
            (format!("/var/x{RUN}"), false),
            (String::new(), false),
        ] {
            let line = format!(r#"{{"v":1,"run":"{RUN}","dir":"{dir}"}}"#);
            assert_eq!(Record::parse(&line).is_ok(), good, "{dir}");
        }
    }

    #[test]
    fn a_line_stays_below_the_limit_whatever_is_in_it() {
        let mut record = Record::new(RUN, RUN, 1);
        let failure = Failure::new(2, "\u{1}\"é".repeat(9000)).hint("x".repeat(9000));
        record.set_error("ar-exec", &failure).unwrap();
        let line = record.to_line().unwrap();
        assert!(line.len() + 1 < MAX_BYTES, "{}", line.len());
        assert_eq!(Record::parse(&line).unwrap().get::<ToolError>("error").unwrap().unwrap().code, 2);
        record.set("theirs", "x".repeat(5000)).unwrap();
        assert!(record.to_line().is_err());
    }

    #[test]
    fn texts_are_cut_and_names_never() {
        let mut record = Record::new(RUN, RUN, 1);
        let name = "n".repeat(64);
        let pick = json!({"provider": name, "account": name, "at": Stamp(0), "lease_until": Stamp(0),
            "probe": false, "reason": "r".repeat(65), "theirs": "t".repeat(65)});
        record.set("pick", pick).unwrap();
        record.set("theirs", "").unwrap();
        let pad = MAX_BYTES + 10 - record.to_line().unwrap().len();
        record.set("theirs", "x".repeat(pad)).unwrap();
        let cut = Record::parse(&record.to_line().unwrap()).unwrap();
        assert!(cut.at("pick.reason").and_then(Value::as_str).unwrap().len() <= 32);
        for field in ["pick.provider", "pick.account", "pick.theirs", "theirs"] {
            assert_eq!(cut.at(field), record.at(field), "{field}");
        }
    }

    #[test]
    fn trouble_is_told_however_long_the_record_is() {
        let failure = Failure::trouble("no room");
        for (field, kept) in [("theirs", true), ("dir", false)] {
            let mut record = Record::new(RUN, RUN, 2);
            record.set("model", "m").unwrap();
            record.set(field, "x".repeat(5000)).unwrap();
            assert!(record.check_room().is_err());
            let mut line = Vec::new();
            record.write_error("ar-exec", &failure, &mut line).unwrap();
            let told = Record::parse(str::from_utf8(&line).unwrap()).unwrap();
            assert_eq!((told.run(), told.attempt()), (RUN, 2));
            assert_eq!(told.get::<ToolError>("error").unwrap().unwrap().message, "no room");
            assert_eq!(told.text("model").is_some(), kept, "{field}");
        }
        assert!(Record::new(RUN, RUN, 1).check_room().is_ok());
    }

    #[test]
    fn an_endless_line_is_refused_without_reading_it_all() {
        let mut input = std::io::BufReader::new(std::io::repeat(b'x'));
        assert!(read(&mut input).unwrap_err().to_string().contains("longer than"));
    }

    #[test]
    fn dotted_paths_reach_into_objects() {
        let record = Record::parse(&format!(r#"{{"v":1,"run":"{RUN}","pick":{{"provider":"a"}}}}"#)).unwrap();
        assert_eq!(record.at("pick.provider").and_then(Value::as_str), Some("a"));
        assert_eq!(record.at("pick.nothing.there"), None);
    }
}
