//! The record: one line of JSON that names a run and rides the pipe from tool to tool (ar-record(5)).

mod diagnosis;
mod line;
mod sections;
mod trouble;

pub use diagnosis::{Class, Diagnosis, Scope, Verdict};
pub use line::{MAX_BYTES, bounded, no_record, read};
pub use sections::{End, Exec, ExecError, GitChange, Pick, Session, Usage};
pub use trouble::ToolError;

use crate::clock::Stamp;
use crate::exit::Failure;
use anyhow::{Context, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::ffi::OsStr;
use std::path::PathBuf;

/// The version of the record that these tools write, and the highest that they read.
pub const VERSION: u64 = 1;

/// A record: the tools' own objects, and every field that they do not know, in the order in which they came.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    run: String,
    fields: Map<String, Value>,
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

    /// The whole record as a JSON value.
    pub fn as_value(&self) -> Value {
        Value::Object(self.fields.clone())
    }
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
