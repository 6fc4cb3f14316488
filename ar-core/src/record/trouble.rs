//! What stands in a record where a tool could not do its work.

use super::{Diagnosis, Exec, Pick, Record, is_id};
use crate::clock::Stamp;
use crate::exit::Failure;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::Write;

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
}
