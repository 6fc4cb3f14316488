//! Searching prompts and answers. The index is SQLite's own (FTS5), and so is everything in this module.

use crate::cli::Format;
use crate::list::{FIELDS, ink, outcome, to_json};
use crate::paper::{CANNOT, Ink, Paper};
use crate::row::{COLUMNS, Run};
use crate::select::Selection;
use anyhow::{Context, Result};
use ar_core::exit::one_line;
use ar_core::state::State;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::io::{Write, stdout};
use std::path::Path;

/// How many runs are shown where nobody says.
const DEFAULT_NUMBER: u32 = 10;
/// The best are sought among so many of the newest that have the words: ranking a million takes seconds.
const NEWEST: u32 = 5_000;
/// What stands around a word that was searched, between the index and the paper.
const OPEN: char = '\u{2}';
const CLOSE: char = '\u{3}';

/// A run that has the words, and where.
struct Hit {
    run: Run,
    snippet: String,
}

/// `ar log search`: runs whose prompt or answer has all the words, the best first.
pub fn search(state_file: &Path, words: &[String], selection: &Selection, paper: &Paper) -> Result<()> {
    let state = State::open_to_read(state_file)?;
    let hits = hits(state.db(), words, selection)?;
    if paper.format != Format::Table {
        let names = [FIELDS, &["snippet"]].concat();
        let objects = hits.iter().map(|hit| {
            let mut object = to_json(&hit.run, state_file)?;
            object["snippet"] = hit.snippet.replace([OPEN, CLOSE], "").into();
            Ok(object)
        });
        return paper.objects(&names, objects);
    }
    let mut out = stdout().lock();
    for hit in &hits {
        let run = &hit.run;
        let name = |name: &Option<String>| name.as_deref().map_or_else(|| "-".to_owned(), one_line);
        writeln!(
            out,
            "{}  {}  {}  {}  {}",
            paper.time(run.picked_at),
            paper.paint(&run.id, Ink::Faint),
            name(&run.model),
            name(&run.provider),
            paper.paint(&one_line(&outcome(run)), ink(run))
        )
        .and_then(|()| writeln!(out, "    {}", highlighted(&hit.snippet, paper)))
        .context(CANNOT)?;
    }
    Ok(())
}

/// The best among the newest. Where conditions leave too few of these, the rest is looked through as well, so that what
/// nothing is found of is not there.
fn hits(db: &Connection, words: &[String], selection: &Selection) -> Result<Vec<Hit>> {
    let found = best(db, words, selection, Some(NEWEST))?;
    let wanted = usize::try_from(selection.number.unwrap_or(DEFAULT_NUMBER)).unwrap_or(usize::MAX);
    let all_were_asked = selection.condition().0.is_empty() || !has_more(db, words)?;
    if found.len() >= wanted || all_were_asked { Ok(found) } else { best(db, words, selection, None) }
}

/// Whether more runs have the words than are ranked.
fn has_more(db: &Connection, words: &[String]) -> Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM content_words WHERE content_words MATCH $1 LIMIT 1 OFFSET {NEWEST})"
    );
    db.query_row(&sql, [query(words)], |row| row.get(0)).context("cannot search")
}

fn best(db: &Connection, words: &[String], selection: &Selection, newest: Option<u32>) -> Result<Vec<Hit>> {
    let (condition, mut values) = selection.condition();
    let and = if condition.is_empty() { "WHERE" } else { "AND" };
    let columns: Vec<String> = COLUMNS.split(", ").map(|column| format!("run.{}", column.trim())).collect();
    values.push(Value::Text(query(words)));
    let query_at = values.len();
    let number = selection.number.unwrap_or(DEFAULT_NUMBER);
    let among = newest.map_or_else(String::new, |newest| {
        format!(
            "AND words.rowid >= coalesce((SELECT rowid FROM content_words WHERE content_words MATCH ${query_at} \
               ORDER BY rowid DESC LIMIT 1 OFFSET {newest}), 0)"
        )
    });
    // The text is cut out of the few that are shown, not out of all that are ranked. The sign keeps the index from ranking
    // those that the conditions leave out.
    let sql = format!(
        "WITH best AS MATERIALIZED (SELECT run.id AS id, content.doc AS doc, words.rank AS rank \
             FROM content_words AS words JOIN content ON content.doc = words.rowid JOIN run ON run.id = content.run \
             {condition} {and} words.content_words MATCH ${query_at} {among} ORDER BY +words.rank LIMIT {number}) \
         SELECT {}, snippet(content_words, -1, char(2), char(3), '…', 16) \
         FROM best JOIN run ON run.id = best.id JOIN content_words ON content_words.rowid = best.doc \
         WHERE content_words MATCH ${query_at} ORDER BY best.rank",
        columns.join(", ")
    );
    let mut select = db.prepare(&sql).context("cannot search")?;
    let rows = select.query_map(params_from_iter(values), |row| {
        Ok(Hit { run: Run::from_row(row)?, snippet: row.get(columns.len())? })
    })?;
    rows.collect::<rusqlite::Result<_>>().context("cannot search")
}

/// The words in the index's own language: each argument is a phrase, a star at its end takes any ending.
fn query(words: &[String]) -> String {
    let phrases = words.iter().map(|word| {
        let (word, star) = word.strip_suffix('*').map_or((word.as_str(), ""), |start| (start, "*"));
        format!("\"{}\"{star}", word.replace('"', "\"\""))
    });
    phrases.collect::<Vec<_>>().join(" ")
}

/// The snippet on one line, what was searched in bold.
fn highlighted(snippet: &str, paper: &Paper) -> String {
    let mut line = String::new();
    for (index, part) in snippet.split(OPEN).enumerate() {
        let (word, rest) = part.split_once(CLOSE).unwrap_or(("", part));
        if index > 0 {
            line.push_str(&paper.paint(&clean(word), Ink::Head));
        }
        line.push_str(&clean(rest));
    }
    line.trim().to_owned()
}

/// Text on one line; unlike a whole message it keeps the space at its ends.
fn clean(text: &str) -> String {
    let inner = one_line(text);
    let start = if text.starts_with(char::is_whitespace) { " " } else { "" };
    let end = if text.ends_with(char::is_whitespace) && !inner.is_empty() { " " } else { "" };
    format!("{start}{inner}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_run_is_found_behind_many_newer_ones_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        let fill = format!(
            "WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n <= {NEWEST} + 9)
             INSERT INTO run (id, call_id, attempt, status, model, picked_at)
             SELECT printf('R%05d', n), 'C', 1, 'done', CASE WHEN n = 1 THEN 'rare' ELSE 'm' END, n FROM count;
             INSERT INTO content (doc, run, prompt, answer) SELECT rowid, id, 'common words', '' FROM run"
        );
        state.db().execute_batch(&fill).unwrap();
        let ask = |model: &str, word: &str| {
            let select = crate::cli::Select { model: Some(model.to_owned()), ..Default::default() };
            let selection = Selection::new(&select, ar_core::Stamp(0)).unwrap();
            let found = hits(state.db(), &[word.to_owned()], &selection).unwrap();
            found.into_iter().map(|hit| hit.run.id).collect::<Vec<_>>()
        };
        assert_eq!(ask("rare", "common"), ["R00001"]);
        assert_eq!(ask("m", "common").len(), 10);
        assert_eq!(ask("rare", "none"), [""; 0]);
    }

    #[test]
    fn words_are_never_taken_for_operators() {
        for (words, fts) in [
            (&["out", "of memory"][..], "\"out\" \"of memory\""),
            (&["a\"b", "NOT", "x*"], "\"a\"\"b\" \"NOT\" \"x\"*"),
            (&["*"], "\"\"*"),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(query(&words), fts);
        }
    }
}
