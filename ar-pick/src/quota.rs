//! What accounts tell of their quotas, as it was told last.

use anyhow::{Context, Result};
use ar_core::Stamp;
use ar_core::config::Cooldown;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A window of a quota, as a quota command prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    pub name: String,
    pub used_percent: f64,
    #[serde(default)]
    pub resets_at: Option<Stamp>,
}

/// The windows of all accounts that told of theirs and were not silent for longer than the longest cooldown.
pub fn windows(db: &Connection, rules: &Cooldown, now: Stamp) -> Result<HashMap<String, Vec<Window>>> {
    let mut select = db.prepare(
        "SELECT account, told_at, windows FROM quota WHERE windows IS NOT NULL AND told_at IS NOT NULL",
    )?;
    let mut rows = select.query([])?;
    let mut all = HashMap::new();
    while let Some(row) = rows.next()? {
        let (account, told_at, windows): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if rules.due(Stamp(told_at), Stamp(i64::MAX), now) <= now {
            continue;
        }
        let windows = serde_json::from_str(&windows)
            .with_context(|| format!("the quota of '{account}' in the state database is damaged"))?;
        all.insert(account, windows);
    }
    Ok(all)
}

/// When the next window is refilled.
pub fn refill(windows: &[Window], now: Stamp) -> Option<Stamp> {
    windows.iter().filter_map(|window| window.resets_at).filter(|at| *at > now).min()
}

/// The window that is used up and refilled last, if any is. One that does not say when does not count: it would never
/// end.
pub fn spent(windows: &[Window], now: Stamp) -> Option<(String, Stamp)> {
    windows
        .iter()
        .filter(|window| window.used_percent >= 100.0)
        .filter_map(|window| Some((window.name.clone(), window.resets_at.filter(|at| *at > now)?)))
        .max_by_key(|(_, at)| *at)
}
