//! The agents' own sessions, and the names that callers gave them.

use crate::cli::Format;
use crate::paper::Paper;
use crate::select::Selection;
use anyhow::{Context, Result};
use ar_core::Stamp;
use ar_core::state::State;
use rusqlite::params_from_iter;
use rusqlite::types::Value;
use serde_json::json;
use std::path::Path;

/// `ar log sessions`: the agents' own sessions, with the names that callers gave them, the one used last at the end.
pub fn list(state_file: &Path, selection: &Selection, paper: &Paper) -> Result<()> {
    let state = State::open_to_read(state_file)?;
    let (sql, values) = query(selection);
    let mut select = state.db().prepare(&sql)?;
    let mut found = select.query(params_from_iter(values)).context("cannot read the sessions")?;
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    while let Some(row) = found.next()? {
        let (session, runs, last): (String, i64, i64) = (row.get(0)?, row.get(3)?, row.get(4)?);
        let (model, provider): (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
        let (prompt, name): (Option<String>, Option<String>) = (row.get(5)?, row.get(6)?);
        let prompt = prompt.unwrap_or_default();
        objects.push(Ok(json!({
            "v": 1, "session": session, "model": model, "provider": provider, "runs": runs,
            "last_at": Stamp(last), "prompt": prompt, "name": name,
        })));
        let last = paper.time(Stamp(last));
        rows.push(vec![
            last.into(),
            name.into(),
            session.into(),
            model.into(),
            provider.into(),
            runs.to_string().into(),
            prompt.into(),
        ]);
    }
    rows.reverse();
    objects.reverse();
    if paper.format == Format::Table {
        let columns = [
            ("LAST", false),
            ("NAME", false),
            ("SESSION", false),
            ("(MODEL)", false),
            ("(PROVIDER)", false),
            ("(RUNS)", true),
            ("[PROMPT]", false),
        ];
        return paper.table(&columns, &rows);
    }
    paper.objects(&["v", "session", "model", "provider", "runs", "last_at", "prompt", "name"], objects)
}

/// The query for sessions. Where no runs are asked for in particular, it finds those as well whose runs are no longer
/// kept: their names still lead to them.
fn query(selection: &Selection) -> (String, Vec<Value>) {
    let (condition, values) = selection.condition();
    let and = if condition.is_empty() { "WHERE" } else { "AND" };
    let limit = selection.number.map_or_else(String::new, |number| format!("LIMIT {number}"));
    let without_runs = "UNION ALL SELECT id, model, provider, 0, used_at, name FROM session \
         WHERE NOT EXISTS (SELECT 1 FROM run WHERE run.session = session.id)";
    let without_runs = if condition.is_empty() { without_runs } else { "" };
    // Prompts are read of those alone that are shown; the index on sessions has all the rest.
    let sql = format!(
        "WITH found (session, model, provider, runs, last, name) AS MATERIALIZED ( \
           SELECT session, model, provider, count(*), max(picked_at), \
             (SELECT max(name) FROM session WHERE session.id = run.session AND session.model = run.model \
               AND session.provider = run.provider) \
           FROM run {condition} {and} session IS NOT NULL \
           GROUP BY session, model, provider {without_runs} ORDER BY 5 DESC {limit}) \
         SELECT session, model, provider, runs, last, \
           (SELECT prompt FROM run WHERE run.session = found.session \
             AND coalesce(run.provider, '') = coalesce(found.provider, '') \
             AND coalesce(run.model, '') = coalesce(found.model, '') ORDER BY picked_at LIMIT 1), name \
         FROM found ORDER BY last DESC"
    );
    (sql, values)
}
