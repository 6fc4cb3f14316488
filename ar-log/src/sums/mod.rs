//! Sums over runs, from the runs themselves or from the sums by day that the database keeps.

use crate::cli::By;
use crate::select::Selection;
use anyhow::{Context, Result};
use ar_core::Stamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use std::collections::BTreeMap;

mod lengths;

const DAY_MS: i64 = 86_400_000;

/// What several runs come to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sum {
    pub runs: i64,
    pub good: i64,
    /// Runs that were not the first attempt of their call.
    pub hops: i64,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub cache_read_tokens: i64,
    pub cache_write_tokens: i64,
    pub cost_micros: i64,
    /// How long each took, in milliseconds, sorted.
    pub elapsed_ms: Vec<i64>,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.good += other.good;
        self.hops += other.hops;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cache_read_tokens += other.cache_read_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
        self.cost_micros += other.cost_micros;
    }

    /// The least length that so many percent of the runs did not exceed.
    pub fn percentile(&self, percent: usize) -> Option<i64> {
        let rank = (self.elapsed_ms.len() * percent).div_ceil(100);
        self.elapsed_ms.get(rank.saturating_sub(1)).copied()
    }

    /// Tokens read and written, those of the cache included.
    pub fn tokens(&self) -> i64 {
        self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens
    }
}

/// Sums by the values of `by`, in the order of these.
pub type Sums = BTreeMap<Vec<String>, Sum>;

/// Sums up the runs that are over. With `lengths`, percentiles can be asked for.
pub fn sums(db: &Connection, selection: &Selection, by: &[By], lengths: bool) -> Result<Sums> {
    let mut sums = Sums::new();
    let whole = whole_days(selection).filter(|_| selection.is_plain() && !by.contains(&By::Hour));
    if let Some((from, to)) = whole {
        let (condition, values) = selection.condition_of_days(from, to);
        add(db, &mut sums, &from_tally(by, &condition), values, by.len())?;
        for (since, until) in [(selection.since, Some(start(from))), (Some(start(to)), selection.until)] {
            if since < until || until.is_none() {
                add_runs(db, &mut sums, &selection.between(since, until), by)?;
            }
        }
    } else {
        add_runs(db, &mut sums, selection, by)?;
    }
    sums.retain(|_, sum| sum.runs > 0);
    if lengths {
        lengths::add(db, &mut sums, selection, by)?;
    }
    Ok(sums)
}

/// The days in UTC that lie wholly inside the selection, from the first up to one that is left out.
fn whole_days(selection: &Selection) -> Option<(i64, i64)> {
    let from =
        selection.since.map_or(0, |at| at.0.div_euclid(DAY_MS) + i64::from(at.0.rem_euclid(DAY_MS) > 0));
    let to = selection.until.map_or(i64::MAX / DAY_MS, |at| at.0.div_euclid(DAY_MS));
    (from < to).then_some((from, to))
}

pub(super) fn start(day: i64) -> Stamp {
    Stamp(day.saturating_mul(DAY_MS))
}

fn add_runs(db: &Connection, sums: &mut Sums, selection: &Selection, by: &[By]) -> Result<()> {
    let (condition, values) = over(selection);
    add(db, sums, &from_runs(by, &condition), values, by.len())
}

/// The condition of runs that are over.
fn over(selection: &Selection) -> (String, Vec<Value>) {
    let (condition, values) = selection.condition();
    let and = if condition.is_empty() { "WHERE" } else { "AND" };
    (format!("{condition} {and} status <> 'picked'"), values)
}

fn add(db: &Connection, sums: &mut Sums, sql: &str, values: Vec<Value>, keys: usize) -> Result<()> {
    let mut select = db.prepare(sql)?;
    let mut rows = select.query(params_from_iter(values)).context("cannot sum up the runs")?;
    while let Some(row) = rows.next()? {
        let number = |index: usize| row.get(keys + index);
        let sum = Sum {
            runs: number(0)?,
            good: number(1)?,
            hops: number(2)?,
            input_tokens: number(3)?,
            output_tokens: number(4)?,
            cache_read_tokens: number(5)?,
            cache_write_tokens: number(6)?,
            cost_micros: number(7)?,
            elapsed_ms: Vec::new(),
        };
        sums.entry(key(row, keys)?).or_default().add(&sum);
    }
    Ok(())
}

pub(super) fn key(row: &Row, keys: usize) -> rusqlite::Result<Vec<String>> {
    (0..keys).map(|index| text(row, index)).collect()
}

fn text(row: &Row, index: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(index)? {
        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
        other => other.as_str()?.to_owned(),
    })
}

fn from_runs(by: &[By], condition: &str) -> String {
    let columns = columns(
        by,
        "count(*), count(CASE WHEN verdict = 'ok' THEN 1 END), count(CASE WHEN attempt > 1 THEN 1 END), \
         coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(cache_read_tokens), 0), \
         coalesce(sum(cache_write_tokens), 0), coalesce(sum(cost_micros), 0)",
    );
    format!("SELECT {columns} FROM run {condition} {}", grouped(by))
}

fn from_tally(by: &[By], condition: &str) -> String {
    let names = by.iter().map(|by| match by {
        By::Model => "model, ",
        By::Provider => "provider, ",
        By::Account => "account, ",
        By::Class => "CASE WHEN class = '' THEN outcome ELSE class END, ",
        By::Day | By::Hour => "day, ",
    });
    let names: String = names.collect();
    format!(
        "SELECT {names} coalesce(sum(runs), 0), coalesce(sum(CASE WHEN outcome = 'ok' THEN runs ELSE 0 END), 0), \
           coalesce(sum(hops), 0), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), \
           coalesce(sum(cache_read_tokens), 0), coalesce(sum(cache_write_tokens), 0), coalesce(sum(cost_micros), 0) \
         FROM tally {condition} {}",
        grouped(by)
    )
}

/// The keys as columns of a run, and what follows them.
pub(super) fn columns(by: &[By], others: &str) -> String {
    let names = by.iter().map(|by| match by {
        By::Model => "coalesce(model, ''), ",
        By::Provider => "coalesce(provider, ''), ",
        By::Account => "coalesce(account, ''), ",
        By::Class => "coalesce(class, verdict, status), ",
        By::Day => "picked_at / 86400000, ",
        By::Hour => "picked_at / 3600000 % 24, ",
    });
    names.collect::<String>() + others
}

fn grouped(by: &[By]) -> String {
    let numbers: Vec<String> = (1..=by.len()).map(|number| number.to_string()).collect();
    if numbers.is_empty() { String::new() } else { format!("GROUP BY {}", numbers.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ar_core::state::State;

    const HOUR: i64 = 3_600_000;

    pub(super) fn history() -> (tempfile::TempDir, State) {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        for n in 0..100_i64 {
            let verdict = if n % 5 == 0 { "provider" } else { "ok" };
            let class = (n % 5 == 0).then_some("rate_limit");
            state
                .db()
                .execute(
                    "INSERT INTO run (id, call_id, attempt, model, provider, account, status, picked_at, elapsed_ms, \
                       verdict, class, input_tokens, cost_micros) \
                     VALUES ($1, $1, $2, $3, $4, 'a', 'done', $5, $6, $7, $8, $9, $10)",
                    rusqlite::params![
                        format!("R{n:03}"),
                        n % 3 + 1,
                        format!("m{}", n % 2),
                        format!("p{}", n % 4),
                        n * HOUR,
                        n * 10,
                        verdict,
                        class,
                        n,
                        n * 1000
                    ],
                )
                .unwrap();
        }
        (dir, state)
    }

    #[test]
    fn the_kept_sums_and_the_runs_agree() {
        let (_dir, state) = history();
        for by in [&[][..], &[By::Day], &[By::Provider, By::Model], &[By::Class, By::Day], &[By::Account]] {
            for (since, until) in
                [(None, None), (Some(5), None), (Some(24), Some(72)), (Some(7), Some(71)), (Some(3), Some(9))]
            {
                let at = |hour: Option<i64>| hour.map(|hour| Stamp(hour * HOUR));
                let plain = Selection::default().between(at(since), at(until));
                let mut raw = Sums::new();
                add_runs(state.db(), &mut raw, &plain, by).unwrap();
                assert_eq!(sums(state.db(), &plain, by, false).unwrap(), raw, "{by:?} {since:?} {until:?}");
            }
        }
    }

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let (_dir, state) = history();
        let all = sums(state.db(), &Selection::default(), &[], true).unwrap();
        let sum = &all[&Vec::new()];
        assert_eq!((sum.percentile(50), sum.percentile(95)), (Some(490), Some(940)));
        let by = sums(state.db(), &Selection::default(), &[By::Provider], true).unwrap();
        assert_eq!(by[&vec!["p0".to_owned()]].elapsed_ms.len(), 25);
        assert_eq!(Sum::default().percentile(50), None);
    }

    #[test]
    fn an_empty_history_has_no_sums() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        assert_eq!(sums(state.db(), &Selection::default(), &[By::Day], true).unwrap(), Sums::new());
        assert_eq!(sums(state.db(), &Selection::default(), &[], true).unwrap(), Sums::new());
    }
}
