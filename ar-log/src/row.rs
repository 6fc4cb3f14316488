//! A run as its row keeps it: what is asked for by columns, the rest of its record packed.

use crate::hide::{self, OF_TOOLS};
use crate::redact::Secrets;
use anyhow::{Context, Result};
use ar_core::record::{Diagnosis, Exec, Pick, ToolError, VERSION};
use ar_core::state::host;
use ar_core::{Record, Stamp, paths};
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::path::Path;

/// A row of the table `run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    #[serde(rename = "run")]
    pub id: String,
    pub call: String,
    pub attempt: u32,
    pub model: Option<String>,
    pub provider: Option<String>,
    pub account: Option<String>,
    pub status: String,
    pub host: Option<String>,
    pub picked_at: Stamp,
    pub lease_until: Option<Stamp>,
    pub ended_at: Option<Stamp>,
    pub elapsed_ms: Option<i64>,
    pub code: Option<u8>,
    pub verdict: Option<String>,
    pub class: Option<String>,
    pub detail: Option<String>,
    pub tags: Option<String>,
    pub input_tokens: Option<i64>,
    pub output_tokens: Option<i64>,
    pub cache_read_tokens: Option<i64>,
    pub cache_write_tokens: Option<i64>,
    pub cost_micros: Option<i64>,
    pub payload_bytes: Option<i64>,
    pub session: Option<String>,
    pub prompt: Option<String>,
    /// The candidates among which ar-pick chose, as JSON.
    pub why: Option<String>,
    /// Until when the account rested because of this run.
    pub cooled_until: Option<Stamp>,
    /// How its files are: as ar-exec left them, `zstd`, or `elsewhere` where it was imported.
    #[serde(skip)]
    pub files: Option<String>,
    /// The record without what the columns say. [`Run::record`] puts it together again.
    #[serde(skip)]
    pub packed: Option<String>,
}

/// The columns in the order of [`Run::from_row`].
pub const COLUMNS: &str = "id, call_id, attempt, model, provider, account, status, host, picked_at, lease_until, \
    ended_at, elapsed_ms, code, verdict, class, detail, tags, input_tokens, output_tokens, cache_read_tokens, \
    cache_write_tokens, cost_micros, payload_bytes, session, prompt, why, files, record, cooled_until";

impl Run {
    /// The row of a record that is stored at `now`. `code` is the status at the end of the pipe.
    pub fn of(record: &Record, code: u8, now: Stamp) -> Result<Self> {
        let pick: Option<Pick> = record.get("pick")?;
        let exec: Option<Exec> = record.get("exec")?;
        let diagnosis: Option<Diagnosis> = record.get("diagnosis")?;
        let error: Option<ToolError> = record.get("error")?;
        let usage = exec.as_ref().and_then(|exec| exec.usage.clone());
        let tokens =
            |count: fn(&ar_core::record::Usage) -> u64| usage.as_ref().map(|usage| signed(count(usage)));
        let picked_at =
            pick.as_ref().map(|pick| pick.at).or(exec.as_ref().map(|exec| exec.started)).unwrap_or(now);
        Ok(Self {
            id: record.run().to_owned(),
            call: record.call().to_owned(),
            attempt: record.attempt(),
            model: record.text("model").map(str::to_owned),
            provider: pick.as_ref().map(|pick| pick.provider.clone()),
            account: pick.as_ref().map(|pick| pick.account.clone()),
            status: if error.is_some() { "failed" } else { "done" }.to_owned(),
            host: Some(host()),
            picked_at,
            lease_until: pick.as_ref().map(|pick| pick.lease_until),
            ended_at: Some(now),
            elapsed_ms: exec.as_ref().map(|exec| signed(exec.elapsed_ms)),
            code: Some(code),
            verdict: diagnosis.as_ref().map(|diagnosis| diagnosis.verdict.name().to_owned()),
            class: diagnosis
                .as_ref()
                .and_then(|diagnosis| diagnosis.class)
                .map(|class| class.name().to_owned()),
            detail: diagnosis.and_then(|diagnosis| diagnosis.detail),
            tags: record.at("tags").map(ToString::to_string),
            input_tokens: tokens(|usage| usage.input_tokens),
            output_tokens: tokens(|usage| usage.output_tokens),
            cache_read_tokens: tokens(|usage| usage.cache_read_tokens),
            cache_write_tokens: tokens(|usage| usage.cache_write_tokens),
            cost_micros: usage.as_ref().and_then(|usage| usage.cost_usd).map(micros),
            payload_bytes: None,
            // An agent said so; what would steer a terminal names no session.
            session: exec.and_then(|exec| exec.session).filter(|id| !id.chars().any(char::is_control)),
            prompt: None,
            why: None,
            cooled_until: None,
            files: None,
            packed: None,
        })
    }

    /// Masks secrets in the columns that hold what somebody else wrote.
    pub fn hide(&mut self, secrets: &Secrets) {
        for column in [&mut self.tags, &mut self.why].into_iter().flatten() {
            hide::json(column, secrets);
        }
        for column in [&mut self.session, &mut self.prompt].into_iter().flatten() {
            *column = secrets.redact(column);
        }
    }

    /// Packs the record into the row, without secrets: an error may quote the key that was refused.
    ///
    /// The columns must be without them already, see [`Run::hide`].
    pub fn pack(&mut self, record: &Record, state_file: &Path, secrets: &Secrets) {
        let mut value = record.as_value();
        hide::record(&mut value, secrets);
        for (pointer, known) in self.known(state_file) {
            let (parent, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
            if let Some(Value::Object(parent)) = value.pointer_mut(parent)
                && parent.get(name) == Some(&known)
            {
                // The order of the others stays.
                parent.shift_remove(name);
            }
        }
        for section in OF_TOOLS {
            if let Some(section) = value.get_mut(section) {
                drop_nulls(section);
            }
        }
        self.packed = Some(value.to_string());
    }

    /// The record, where the row holds one. A field that was null may be absent instead, which means the same.
    pub fn record(&self, state_file: &Path) -> Result<Option<Value>> {
        let Some(packed) = &self.packed else { return Ok(None) };
        let packed: Value = serde_json::from_str(packed)
            .with_context(|| format!("the record of run '{}' is damaged", self.id))?;
        // What every record begins with comes first again.
        let mut record = Value::Object(Map::new());
        let known = self.known(state_file);
        let (own, nested): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|(pointer, _)| pointer.matches('/').count() == 1);
        for (pointer, value) in own.into_iter().filter(|(_, value)| !value.is_null()) {
            record[pointer.trim_start_matches('/')] = value;
        }
        if let (Value::Object(record), Value::Object(packed)) = (&mut record, packed) {
            record.extend(packed);
        }
        for (pointer, value) in nested {
            let (parent, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
            if let Some(Value::Object(parent)) = record.pointer_mut(parent)
                && !parent.contains_key(name)
            {
                parent.insert(name.to_owned(), value);
            }
        }
        Ok(Some(record))
    }

    /// The fields of a record that the columns hold.
    fn known(&self, state_file: &Path) -> Vec<(&'static str, Value)> {
        let ran = self.elapsed_ms.is_some();
        let dir = ran.then(|| paths::run_dir(state_file, &self.id).display().to_string());
        vec![
            ("/v", VERSION.into()),
            ("/run", json!(self.id)),
            ("/call", json!(self.call)),
            ("/attempt", json!(self.attempt)),
            ("/model", json!(self.model)),
            ("/dir", json!(dir)),
            ("/pick/provider", json!(self.provider)),
            ("/pick/account", json!(self.account)),
            ("/pick/at", json!(self.picked_at)),
            ("/pick/lease_until", json!(self.lease_until)),
            ("/exec/elapsed_ms", json!(self.elapsed_ms)),
            ("/exec/session", json!(self.session)),
            ("/exec/usage/input_tokens", json!(self.input_tokens)),
            ("/exec/usage/output_tokens", json!(self.output_tokens)),
            ("/exec/usage/cache_read_tokens", json!(self.cache_read_tokens)),
            ("/exec/usage/cache_write_tokens", json!(self.cache_write_tokens)),
            ("/diagnosis/verdict", json!(self.verdict)),
            ("/diagnosis/class", json!(self.class)),
            ("/diagnosis/detail", json!(self.detail)),
        ]
    }

    /// Reads a row of [`COLUMNS`].
    pub fn from_row(row: &Row) -> rusqlite::Result<Self> {
        let stamp = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(Stamp));
        Ok(Self {
            id: row.get(0)?,
            call: row.get(1)?,
            attempt: row.get(2)?,
            model: row.get(3)?,
            provider: row.get(4)?,
            account: row.get(5)?,
            status: row.get(6)?,
            host: row.get(7)?,
            picked_at: Stamp(row.get(8)?),
            lease_until: stamp(9)?,
            ended_at: stamp(10)?,
            elapsed_ms: row.get(11)?,
            code: row.get(12)?,
            verdict: row.get(13)?,
            class: row.get(14)?,
            detail: row.get(15)?,
            tags: row.get(16)?,
            input_tokens: row.get(17)?,
            output_tokens: row.get(18)?,
            cache_read_tokens: row.get(19)?,
            cache_write_tokens: row.get(20)?,
            cost_micros: row.get(21)?,
            payload_bytes: row.get(22)?,
            session: row.get(23)?,
            prompt: row.get(24)?,
            why: row.get(25)?,
            files: row.get(26)?,
            packed: row.get(27)?,
            cooled_until: stamp(28)?,
        })
    }

    /// Writes the row; over one that ar-pick reserved or marked as lost, never over one that is stored. False where
    /// there is such a one.
    pub fn insert(&self, db: &Connection) -> Result<bool> {
        let stamp = |at: Option<Stamp>| at.map(|at| at.0);
        let written = db.prepare(&format!(
            "INSERT INTO run ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
               $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29) \
             ON CONFLICT (id) DO UPDATE SET status = excluded.status, ended_at = excluded.ended_at, \
               elapsed_ms = excluded.elapsed_ms, code = excluded.code, verdict = excluded.verdict, \
               class = excluded.class, detail = excluded.detail, tags = excluded.tags, \
               input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens, \
               cache_read_tokens = excluded.cache_read_tokens, cache_write_tokens = excluded.cache_write_tokens, \
               cost_micros = excluded.cost_micros, payload_bytes = excluded.payload_bytes, \
               session = excluded.session, prompt = excluded.prompt, record = excluded.record \
             WHERE run.status NOT IN ('done', 'failed') AND run.status <> excluded.status"
        ))?
        .execute(params![
            self.id,
            self.call,
            self.attempt,
            self.model,
            self.provider,
            self.account,
            self.status,
            self.host,
            self.picked_at.0,
            stamp(self.lease_until),
            stamp(self.ended_at),
            self.elapsed_ms,
            self.code,
            self.verdict,
            self.class,
            self.detail,
            self.tags,
            self.input_tokens,
            self.output_tokens,
            self.cache_read_tokens,
            self.cache_write_tokens,
            self.cost_micros,
            self.payload_bytes,
            self.session,
            self.prompt,
            self.why,
            self.files,
            self.packed,
            stamp(self.cooled_until),
        ])
        .with_context(|| format!("cannot store run '{}'", self.id))?;
        Ok(written > 0)
    }
}

/// Drops what is null, which means the same as what is absent.
fn drop_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
}

/// The highest number that a column takes. More is no count, and sums of such numbers would not fit.
pub const MOST: i64 = 1_000_000_000_000;

/// A count as the database keeps it.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(MOST).min(MOST)
}

/// US dollars as whole millionths: sums of them are exact in any order.
#[allow(clippy::cast_possible_truncation, reason = "the cast of a float to an integer saturates")]
fn micros(usd: f64) -> i64 {
    ((usd * 1e6).round() as i64).clamp(-MOST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "01K9ZXW6N7Q8R9S0T1V2W3X4Y5";

    fn record() -> Record {
        let line = json!({"v": 1, "run": RUN, "call": "01K9ZXW6N7Q8R9S0T1V2W3X4Y4", "attempt": 2, "model": "m",
            "dir": format!("/s/runs/{RUN}"), "theirs": {"kept": null},
            "pick": {"provider": "p", "account": "a", "at": "2026-11-20T10:00:00.123Z",
                "lease_until": "2026-11-20T11:00:00.000Z", "probe": false, "reason": "fewest runs"},
            "exec": {"argv0": "p", "started": "2026-11-20T10:00:01.000Z", "elapsed_ms": 8123, "end": "exit",
                "exit_code": 1, "stdout_bytes": 5, "stderr_bytes": 3, "session": "s",
                "usage": {"input_tokens": 12, "output_tokens": 3, "reasoning_tokens": 0, "cache_read_tokens": 0,
                    "cache_write_tokens": 0, "cost_usd": 0.012_345_6, "estimated": false}},
            "diagnosis": {"verdict": "task", "class": null, "detail": null, "by": "exit"},
            "tags": {"k": "v"}});
        Record::parse(&line.to_string()).unwrap()
    }

    #[test]
    fn a_record_survives_being_packed_and_takes_less_room() {
        let (record, state) = (record(), Path::new("/s/state.db"));
        let mut run = Run::of(&record, 1, Stamp(1_800_000_000_000)).unwrap();
        run.pack(&record, state, &Secrets::default());
        assert_eq!(run.record(state).unwrap().unwrap(), record.as_value());
        let (packed, whole) = (run.packed.unwrap().len(), record.to_line().unwrap().len());
        assert!(packed * 2 < whole, "{packed} of {whole}");
    }

    #[test]
    fn a_directory_elsewhere_is_kept() {
        let record = record();
        let mut run = Run::of(&record, 1, Stamp(0)).unwrap();
        run.pack(&record, Path::new("/other/state.db"), &Secrets::default());
        let unpacked = run.record(Path::new("/third/state.db")).unwrap().unwrap();
        assert_eq!(unpacked["dir"], format!("/s/runs/{RUN}"));
    }

    #[test]
    fn money_is_whole_millionths() {
        for (usd, whole) in [(0.0, 0), (0.012_345_6, 12_346), (1e300, MOST), (f64::NAN, 0)] {
            assert_eq!(micros(usd), whole, "{usd}");
        }
    }
}
