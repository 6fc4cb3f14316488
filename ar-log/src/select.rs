//! Which runs: the conditions of a command line as SQL.

use crate::cli::Select;
use crate::row::{COLUMNS, Run};
use crate::when;
use anyhow::{Context, Result};
use ar_core::record::{Class, Verdict};
use ar_core::state::State;
use ar_core::{Failure, Stamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

/// The condition of runs without a good answer. The index `run_failed` has these very words.
const FAILED: &str = "status <> 'picked' AND coalesce(verdict, '') <> 'ok'";

/// Always true. Without it SQLite reads and sorts a million runs for the last three, rather than follow the index.
const AT_ANY_TIME: &str = "picked_at >= -9223372036854775808";
const LAST_FIRST: &str = "ORDER BY picked_at DESC, id DESC";

const MONTH_MS: i64 = 30 * 86_400_000;

/// A condition in which `$` stands for the value beside it.
#[derive(Debug, Clone)]
struct Term {
    /// As it is asked of runs that are listed, in the words of the index for it.
    runs: String,
    /// As it is asked of runs that are summed up. In words of no index, because the one by time has all that sums need, and
    /// any other would lead to row after row.
    sums: String,
    /// As it is asked of the sums by day, where these know.
    days: Option<String>,
    value: Option<Value>,
}

impl Term {
    /// A condition on what the sums by day do not know.
    fn of_runs(words: &str, value: Option<Value>) -> Self {
        Self { runs: words.to_owned(), sums: words.to_owned(), days: None, value }
    }
}

/// Conditions that all must hold.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    terms: Vec<Term>,
    pub since: Option<Stamp>,
    pub until: Option<Stamp>,
    pub number: Option<u32>,
}

impl Selection {
    /// Reads the options. Names of classes and verdicts are checked, because a mistyped one would look like no runs.
    pub fn new(select: &Select, now: Stamp) -> Result<Self> {
        let mut selection = Self { number: select.number, ..Self::default() };
        for (column, value) in
            [("model", &select.model), ("provider", &select.provider), ("account", &select.account)]
        {
            selection.terms.extend(value.clone().map(|value| Term {
                runs: format!("{column} = $"),
                sums: format!("coalesce({column}, '') = $"),
                days: Some(format!("{column} = $")),
                value: Some(value.into()),
            }));
        }
        if let Some(class) = &select.class {
            let class = Class::parse(class).map_err(|_| unknown("class", class, CLASSES))?;
            selection.terms.push(Term {
                runs: "coalesce(class, verdict, status) = $".to_owned(),
                sums: "class = $".to_owned(),
                days: Some("class = $".to_owned()),
                value: Some(class.name().to_owned().into()),
            });
        }
        if let Some(verdict) = &select.verdict {
            let verdict: Verdict = serde_json::from_value(verdict.as_str().into())
                .map_err(|_| unknown("verdict", verdict, VERDICTS))?;
            selection.terms.push(Term {
                days: Some("outcome = $".to_owned()),
                ..Term::of_runs("verdict = $", Some(verdict.name().to_owned().into()))
            });
        }
        for tag in &select.tag {
            let (key, value) = tag
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| Failure::trouble(format!("the tag '{tag}' is not KEY=VALUE")))?;
            let pair = serde_json::json!({ key: value }).to_string();
            let pair = pair.trim_matches(['{', '}']).to_owned();
            // Quotes inside a key or a value are escaped, so the pair as it is written stands for nothing else.
            selection.terms.push(Term::of_runs("replace(tags, $, '') <> tags", Some(pair.into())));
        }
        if select.failed {
            selection.terms.push(Term {
                runs: FAILED.to_owned(),
                sums: "coalesce(verdict, status) <> 'ok'".to_owned(),
                days: Some("outcome <> 'ok'".to_owned()),
                value: None,
            });
        }
        selection.since = select.since.as_deref().map(|text| when::parse(text, now)).transpose()?;
        selection.until = select.until.as_deref().map(|text| when::parse(text, now)).transpose()?;
        Ok(selection)
    }

    /// The same in another span of time.
    pub fn between(&self, since: Option<Stamp>, until: Option<Stamp>) -> Self {
        Self { since, until, ..self.clone() }
    }

    /// Where nothing bounds how many runs there are, those of the last 30 days alone: for a question to which only the runs
    /// themselves know the answer, and not the sums by day.
    pub fn bound(&mut self, now: Stamp) {
        if self.since.is_none() && self.until.is_none() && self.number.is_none() {
            self.since = Some(Stamp(now.0.saturating_sub(MONTH_MS)));
        }
    }

    /// Narrows it down to the runs that are reserved and not over.
    pub fn alive(&mut self) {
        self.terms.push(Term::of_runs("status = 'picked'", None));
    }

    /// The same without a number, but with a time from which on there are so many runs that are over.
    pub fn last(&self, db: &Connection) -> Result<Self> {
        let Some(number) = self.number else { return Ok(self.clone()) };
        let mut last = Self { number: None, ..self.clone() };
        let (condition, values) = last.condition_of_sums();
        let sql = format!("SELECT picked_at, id FROM run {condition} {LAST_FIRST} LIMIT 1 OFFSET ");
        let ask = |offset: u32| {
            let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?));
            db.query_row(&format!("{sql}{offset}"), params_from_iter(&values), row).optional()
        };
        match number.checked_sub(1).map(ask).transpose().context("cannot read the runs")? {
            None => last.terms.push(Term::of_runs("1 = 0", None)),
            Some(None) => {}
            Some(Some((at, id))) => {
                let (at, id): (i64, String) = (at, id);
                last.since = Some(Stamp(at));
                // Of those that were picked in the same millisecond, the later ids.
                last.terms.push(Term::of_runs(&format!("(picked_at > {at} OR id >= $)"), Some(id.into())));
            }
        }
        Ok(last)
    }

    /// Whether sums by day can answer, apart from the time.
    pub fn is_plain(&self) -> bool {
        self.terms.iter().all(|term| term.days.is_some()) && self.number.is_none()
    }

    /// `WHERE …` over runs, and its values.
    pub fn condition(&self) -> (String, Vec<Value>) {
        let terms = self.terms.iter().map(|term| (term.runs.clone(), term.value.clone()));
        conjunction(terms.chain(self.span()))
    }

    /// `WHERE …` over runs that are over, for sums of them.
    pub fn condition_of_sums(&self) -> (String, Vec<Value>) {
        let over = ("status <> 'picked'".to_owned(), None);
        let terms = self.terms.iter().map(|term| (term.sums.clone(), term.value.clone()));
        conjunction(std::iter::once(over).chain(terms).chain(self.any_time()).chain(self.span()))
    }

    /// `WHERE …` over sums by day, from one day up to another that is left out.
    pub fn condition_of_days(&self, from: i64, to: i64) -> (String, Vec<Value>) {
        let days = self.terms.iter().filter_map(|term| Some((term.days.clone()?, term.value.clone())));
        let span = [("day >= $".to_owned(), Some(from.into())), ("day < $".to_owned(), Some(to.into()))];
        conjunction(days.chain(span))
    }

    /// Only where there is no other bound from below: of two SQLite may follow the wrong one.
    fn any_time(&self) -> Option<(String, Option<Value>)> {
        self.since.is_none().then(|| (AT_ANY_TIME.to_owned(), None))
    }

    fn span(&self) -> impl Iterator<Item = (String, Option<Value>)> {
        let bound = |words: &str, at: Option<Stamp>| at.map(|at| (words.to_owned(), Some(at.0.into())));
        bound("picked_at >= $", self.since).into_iter().chain(bound("picked_at < $", self.until))
    }

    /// The ids of the runs, oldest first. Where all are wanted, the index on the ids tells, whatever became of the rows.
    pub fn ids(&self, db: &Connection) -> Result<Vec<String>> {
        let (condition, values) = self.condition();
        if !condition.is_empty() || self.number.is_some() {
            return Ok(self.runs(db)?.into_iter().map(|run| run.id).collect());
        }
        let mut select = db.prepare("SELECT id FROM run ORDER BY id")?;
        let ids = select.query_map(params_from_iter(values), |row| row.get(0))?;
        ids.collect::<rusqlite::Result<_>>().context("cannot read the runs")
    }

    /// The runs, oldest first; where a number is set, the last ones.
    pub fn runs(&self, db: &Connection) -> Result<Vec<Run>> {
        let terms = self.terms.iter().map(|term| (term.runs.clone(), term.value.clone()));
        let (condition, values) = conjunction(terms.chain(self.any_time()).chain(self.span()));
        let limit = self.number.map_or_else(String::new, |number| format!("LIMIT {number}"));
        let sql = format!("SELECT {COLUMNS} FROM run {condition} {LAST_FIRST} {limit}");
        let mut select = db.prepare(&sql)?;
        let rows = select.query_map(params_from_iter(values), Run::from_row)?;
        let mut runs = rows.collect::<rusqlite::Result<Vec<_>>>().context("cannot read the runs")?;
        runs.reverse();
        Ok(runs)
    }
}

/// Joins terms, in which `$` stands for the value beside it.
fn conjunction(terms: impl IntoIterator<Item = (String, Option<Value>)>) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let mut words = Vec::new();
    for (term, value) in terms {
        match value {
            None => words.push(term),
            Some(value) => {
                values.push(value);
                words.push(term.replace('$', &format!("${}", values.len())));
            }
        }
    }
    let condition = if words.is_empty() { String::new() } else { format!("WHERE {}", words.join(" AND ")) };
    (condition, values)
}

const CLASSES: &[&str] =
    &["rate_limit", "quota_exhausted", "auth_expired", "cli_version_mismatch", "network_error", "unknown"];
const VERDICTS: &[&str] = &["ok", "provider", "network", "task", "caller"];

fn unknown(what: &str, word: &str, known: &[&str]) -> Failure {
    Failure::trouble(format!("there is no {what} '{word}'")).hint(format!("there are {}", known.join(", ")))
}

/// The run that an id, the start of one, or `-N` (the Nth from the end) means.
pub fn find(state: &State, which: &str) -> Result<Run> {
    let none = || Failure::trouble(format!("there is no run '{which}'")).hint("'ar log' lists the last runs");
    let db = state.db();
    if let Some(back) = which.strip_prefix('-') {
        let back: u32 = back.parse().ok().filter(|back| *back > 0).ok_or_else(none)?;
        // The number stands in the statement: of a limit that it does not know SQLite thinks that it is none, and sorts.
        let sql =
            format!("SELECT {COLUMNS} FROM run WHERE {AT_ANY_TIME} {LAST_FIRST} LIMIT 1 OFFSET {}", back - 1);
        let mut select = db.prepare(&sql)?;
        let mut runs = select.query_map([], Run::from_row)?;
        return Ok(runs.next().ok_or_else(none)??);
    }
    let start = which.to_ascii_uppercase();
    if start.is_empty() || !start.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(none().into());
    }
    let sql = format!("SELECT {COLUMNS} FROM run WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 2");
    let mut select = db.prepare(&sql)?;
    // A brace sorts after every letter and digit of an id.
    let mut runs = select.query_map([&start, &format!("{start}{{")], Run::from_row)?;
    let first = runs.next().ok_or_else(none)??;
    if runs.next().is_some() {
        return Err(Failure::trouble(format!("several runs begin with '{which}'"))
            .hint("give more letters")
            .into());
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_numbered_in_order() {
        let select = Select {
            model: Some("m".into()),
            tag: vec!["k=v\"".into()],
            failed: true,
            since: Some("1970-01-01T00:00:01Z".into()),
            ..Select::default()
        };
        let selection = Selection::new(&select, Stamp(0)).unwrap();
        let (condition, values) = selection.condition();
        assert_eq!(
            condition,
            format!("WHERE model = $1 AND replace(tags, $2, '') <> tags AND {FAILED} AND picked_at >= $3")
        );
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(values, [text("m"), text("\"k\":\"v\\\"\""), Value::Integer(1000)]);
        assert_eq!(Selection::default().condition(), (String::new(), Vec::new()));
    }

    #[test]
    fn mistyped_words_are_no_empty_answers() {
        for select in [
            Select { class: Some("rate-limit".into()), ..Select::default() },
            Select { verdict: Some("fine".into()), ..Select::default() },
            Select { tag: vec!["=x".into()], ..Select::default() },
            Select { until: Some("soon".into()), ..Select::default() },
        ] {
            assert!(Selection::new(&select, Stamp(0)).is_err(), "{select:?}");
        }
    }
}
