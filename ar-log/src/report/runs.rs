//! What the report says of single runs: cooldowns, hops, the slowest and the failed ones.

use super::chart::{Figure, Span, escape, flows, key, timeline};
use crate::list::{outcome, precise, show_cost, took};
use crate::row::{COLUMNS, Run};
use crate::select::Selection;
use crate::when;
use anyhow::Result;
use ar_core::Stamp;
use rusqlite::{Connection, params_from_iter};
use std::collections::BTreeMap;
use std::path::Path;

/// How many cooldowns, flows and runs are shown at most.
const MOST_COOLDOWNS: u32 = 300;
const MOST_FLOWS: u32 = 24;
const MOST_RUNS: u32 = 15;

/// When each account rested.
pub fn cooldowns(db: &Connection, selection: &Selection, now: Stamp) -> Result<String> {
    let runs = ordered(db, selection, "cooled_until IS NOT NULL", "picked_at DESC", MOST_COOLDOWNS)?;
    let rests = runs.into_iter().filter_map(|run| {
        let (from, until) = (run.ended_at?, run.cooled_until?);
        Some((run.account?, run.class?, from, until.max(from)))
    });
    let rests: Vec<(String, String, Stamp, Stamp)> = rests.collect();
    let first = rests.iter().map(|(_, _, from, _)| *from).min().unwrap_or(now);
    let last =
        rests.iter().map(|(_, _, _, until)| *until).max().unwrap_or(now).min(now).max(Stamp(first.0 + 1));
    let part = |at: Stamp| precise(at.0 - first.0) / precise(last.0 - first.0);
    let mut lines: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    let mut rows = Vec::new();
    for (account, class, from, until) in rests.into_iter().rev() {
        let says = format!("{class} from {} to {}", when::show(from), when::show(until));
        rows.push(vec![account.clone(), class.clone(), when::show(from), when::show(until)]);
        lines.entry(account).or_default().push(Span { from: part(from), to: part(until), class, says });
    }
    let figure = Figure {
        title: "Cooldowns by account",
        units: if rows.len() < usize::try_from(MOST_COOLDOWNS)? {
            "time from a failure to the end of the cooldown"
        } else {
            "time from a failure to the end of the cooldown; the last ones"
        },
        says: format!("{} cooldowns of {} accounts.", rows.len(), lines.len()),
        heads: &["account", "class", "from", "to"],
        rows,
    };
    let lines: Vec<(String, Vec<Span>)> = lines.into_iter().collect();
    let mut classes: Vec<&str> =
        lines.iter().flat_map(|(_, spans)| spans).map(|span| span.class.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    let (height, drawing) = timeline(&lines, &when::show(first), &when::show(last));
    Ok(figure.html("rest", height, &drawing, &key(classes)))
}

/// From which provider calls went on to which.
pub fn hops(db: &Connection, selection: &Selection) -> Result<String> {
    let (condition, values) = selection.condition();
    let sql = format!(
        "SELECT coalesce(before.provider, '-'), coalesce(later.provider, '-'), count(*) \
         FROM (SELECT * FROM run {condition}) AS later \
         JOIN run AS before ON before.call_id = later.call_id AND before.attempt = later.attempt - 1 \
         WHERE later.attempt > 1 GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT {MOST_FLOWS}"
    );
    let mut select = db.prepare(&sql)?;
    let rows =
        select.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let found: Vec<(String, String, i64)> = rows.collect::<rusqlite::Result<_>>()?;
    let rows: Vec<Vec<String>> =
        found.iter().map(|(from, to, count)| vec![from.clone(), to.clone(), count.to_string()]).collect();
    let said: Vec<String> = found.iter().map(|(from, to, count)| format!("{from} to {to} {count}")).collect();
    let figure = Figure {
        title: "Hops between providers",
        units: "calls that went on, from the left to the right",
        says: format!("{}.", said.join("; ")),
        heads: &["from", "to", "calls"],
        rows,
    };
    let (height, drawing) = flows(&found);
    Ok(figure.html("hops", height, &drawing, ""))
}

/// The runs that took longest.
pub fn slowest(db: &Connection, selection: &Selection) -> Result<Vec<Run>> {
    ordered(db, selection, "elapsed_ms IS NOT NULL", "elapsed_ms DESC, id", MOST_RUNS)
}

/// The last runs without a good answer.
pub fn failed(db: &Connection, selection: &Selection) -> Result<Vec<Run>> {
    let failed = "status <> 'picked' AND coalesce(verdict, '') <> 'ok'";
    ordered(db, selection, failed, "picked_at DESC, id", MOST_RUNS)
}

fn ordered(db: &Connection, selection: &Selection, term: &str, order: &str, most: u32) -> Result<Vec<Run>> {
    let (condition, values) = selection.condition();
    let and = if condition.is_empty() { "WHERE" } else { "AND" };
    let sql = format!("SELECT {COLUMNS} FROM run {condition} {and} {term} ORDER BY {order} LIMIT {most}");
    let mut select = db.prepare(&sql)?;
    let runs = select.query_map(params_from_iter(values), Run::from_row)?;
    Ok(runs.collect::<rusqlite::Result<_>>()?)
}

/// Both lists, and below them the details that they lead to.
pub fn lists(slowest: &[Run], failed: &[Run], state_file: &Path) -> Result<String> {
    let mut details: BTreeMap<&str, &Run> = slowest.iter().map(|run| (run.id.as_str(), run)).collect();
    details.extend(failed.iter().map(|run| (run.id.as_str(), run)));
    let mut html = format!(
        "<h2>Slowest runs</h2>\n{}<h2>Last failed runs</h2>\n{}<h2>Details</h2>\n",
        list(slowest),
        list(failed)
    );
    for run in details.values() {
        html.push_str(&detail(run, state_file)?);
    }
    Ok(html)
}

fn list(runs: &[Run]) -> String {
    if runs.is_empty() {
        return "<p>None.</p>\n".to_owned();
    }
    let row = |run: &Run| {
        format!(
            "<tr><td><a href=\"#{id}\">{}</a></td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
            escape(&when::show(run.picked_at)),
            escape(run.provider.as_deref().unwrap_or("–")),
            escape(&outcome(run)),
            run.elapsed_ms.map_or_else(|| "–".to_owned(), took),
            escape(run.prompt.as_deref().unwrap_or("")),
            id = escape(&run.id),
        )
    };
    format!(
        "<div class=\"wide\"><table class=\"runs\"><thead><tr><th>picked</th><th>provider</th><th>result</th><th class=\"n\">took</th>\
         <th>prompt</th></tr></thead><tbody>{}</tbody></table></div>\n",
        runs.iter().map(row).collect::<String>()
    )
}

fn detail(run: &Run, state_file: &Path) -> Result<String> {
    let record = run.record(state_file)?;
    let at = |pointer: &str| {
        let text = record.as_ref()?.pointer(pointer)?.as_str()?;
        Some(text.to_owned())
    };
    let facts = [
        ("picked", Some(when::show(run.picked_at))),
        ("model", run.model.clone()),
        ("provider", run.provider.clone()),
        ("account", run.account.clone()),
        ("because", at("/pick/reason")),
        ("result", Some(outcome(run))),
        ("status", run.code.map(|code| code.to_string())),
        ("evidence", at("/diagnosis/evidence")),
        ("error", at("/error/message")),
        ("took", run.elapsed_ms.map(took)),
        ("cost", run.cost_micros.map(show_cost)),
        ("prompt", run.prompt.clone()),
    ];
    let facts = facts
        .into_iter()
        .filter_map(|(name, text)| Some(format!("<dt>{name}</dt><dd>{}</dd>", escape(&text?))));
    let id = escape(&run.id);
    Ok(format!(
        "<section class=\"run\" id=\"{id}\"><h3>{id}</h3><dl>{}</dl></section>\n",
        facts.collect::<String>()
    ))
}
