//! Sums over runs, from the runs themselves or from the sums by day that the database keeps.

use crate::cli::By;
use crate::select::Selection;
use anyhow::{Context, Result};
use ar_core::Stamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params_from_iter};
use scan::Want;
use std::collections::BTreeMap;

mod scan;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

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
    /// Runs whose cost is known.
    pub priced: i64,
    /// The median and the 95th percentile of the lengths, where they were asked for.
    pub p50_ms: Option<i64>,
    pub p95_ms: Option<i64>,
    /// How long each took, while that is gathered.
    elapsed_ms: Vec<i64>,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.good += other.good;
        self.hops += other.hops;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cache_read_tokens += other.cache_read_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
        self.cost_micros += other.cost_micros;
        self.priced += other.priced;
        if self.elapsed_ms.is_empty() {
            self.elapsed_ms = other.elapsed_ms;
        } else {
            self.elapsed_ms.extend(other.elapsed_ms);
        }
    }

    /// What the runs cost in millionths of a US dollar, where that is known of any.
    pub fn cost(&self) -> Option<i64> {
        (self.priced > 0).then_some(self.cost_micros)
    }

    fn rank(&mut self) {
        let mut lengths = std::mem::take(&mut self.elapsed_ms);
        self.p50_ms = percentile(&mut lengths, 50);
        self.p95_ms = percentile(&mut lengths, 95);
    }

    /// Tokens read and written, those of the cache included.
    pub fn tokens(&self) -> i64 {
        self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens
    }
}

/// The least length that so many percent of the others did not exceed.
fn percentile(lengths: &mut [i64], percent: usize) -> Option<i64> {
    let rank = (lengths.len() * percent).div_ceil(100).checked_sub(1)?;
    // Sorting a million takes four times as long.
    Some(*lengths.select_nth_unstable(rank).1)
}

/// Sums by the values of `by`, in the order of these.
pub type Sums = BTreeMap<Vec<String>, Sum>;

/// Sums up the runs that are over. With `lengths`, their percentiles are among what is found.
pub fn sums(db: &Connection, selection: &Selection, by: &[By], lengths: bool) -> Result<Sums> {
    let selection = &selection.last(db)?;
    let mut sums = Sums::new();
    let whole = whole_days(selection).filter(|_| selection.is_plain() && !by.contains(&By::Hour));
    if let Some((from, to)) = whole {
        add_days(db, &mut sums, selection, (from, to), by)?;
        for (since, until) in [(selection.since, Some(start(from))), (Some(start(to)), selection.until)] {
            if since < until || until.is_none() {
                scan::add(db, &mut sums, &selection.between(since, until), by, Want::Sums)?;
            }
        }
        sums.retain(|_, sum| sum.runs > 0);
        if lengths {
            scan::add(db, &mut sums, selection, by, Want::Lengths)?;
        }
    } else {
        scan::add(db, &mut sums, selection, by, if lengths { Want::Both } else { Want::Sums })?;
    }
    sums.values_mut().for_each(Sum::rank);
    Ok(sums)
}

/// The days in UTC that lie wholly inside the selection, from the first up to one that is left out.
fn whole_days(selection: &Selection) -> Option<(i64, i64)> {
    let from =
        selection.since.map_or(0, |at| at.0.div_euclid(DAY_MS) + i64::from(at.0.rem_euclid(DAY_MS) > 0));
    let to = selection.until.map_or(i64::MAX / DAY_MS, |at| at.0.div_euclid(DAY_MS));
    (from < to).then_some((from, to))
}

fn start(day: i64) -> Stamp {
    Stamp(day.saturating_mul(DAY_MS))
}

/// Adds the sums that are kept of whole days.
fn add_days(
    db: &Connection,
    sums: &mut Sums,
    selection: &Selection,
    (from, to): (i64, i64),
    by: &[By],
) -> Result<()> {
    let (condition, values) = selection.condition_of_days(from, to);
    let mut select = db.prepare(&from_tally(by, &condition))?;
    let mut rows = select.query(params_from_iter(values)).context("cannot sum up the runs")?;
    while let Some(row) = rows.next()? {
        let number = |index: usize| row.get(by.len() + index);
        let sum = Sum {
            runs: number(0)?,
            good: number(1)?,
            hops: number(2)?,
            input_tokens: number(3)?,
            output_tokens: number(4)?,
            cache_read_tokens: number(5)?,
            cache_write_tokens: number(6)?,
            cost_micros: number(7)?,
            priced: number(8)?,
            ..Sum::default()
        };
        let key = (0..by.len()).map(|index| text(row, index)).collect::<rusqlite::Result<_>>()?;
        sums.entry(key).or_default().add(sum);
    }
    Ok(())
}

fn text(row: &Row, index: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(index)? {
        ValueRef::Integer(number) => number.to_string(),
        other => other.as_str()?.to_owned(),
    })
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
    let numbers: Vec<String> = (1..=by.len()).map(|number| number.to_string()).collect();
    let grouped = if numbers.is_empty() { String::new() } else { format!("GROUP BY {}", numbers.join(", ")) };
    format!(
        "SELECT {names} coalesce(sum(runs), 0), coalesce(sum(CASE WHEN outcome = 'ok' THEN runs ELSE 0 END), 0), \
           coalesce(sum(hops), 0), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), \
           coalesce(sum(cache_read_tokens), 0), coalesce(sum(cache_write_tokens), 0), coalesce(sum(cost_micros), 0), \
           coalesce(sum(priced), 0) FROM tally {condition} {grouped}"
    )
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
                scan::add(state.db(), &mut raw, &plain, by, Want::Both).unwrap();
                raw.values_mut().for_each(Sum::rank);
                assert_eq!(sums(state.db(), &plain, by, true).unwrap(), raw, "{by:?} {since:?} {until:?}");
            }
        }
    }

    #[test]
    fn hours_are_in_their_order() {
        let (_dir, state) = history();
        let hours = sums(state.db(), &Selection::default(), &[By::Hour], false).unwrap();
        let hours: Vec<i64> = hours.keys().map(|key| key[0].parse().unwrap()).collect();
        assert_eq!(hours, (0..24).collect::<Vec<_>>());
    }

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let (_dir, state) = history();
        let all = sums(state.db(), &Selection::default(), &[], true).unwrap();
        let sum = &all[&Vec::new()];
        assert_eq!((sum.p50_ms, sum.p95_ms), (Some(490), Some(940)));
        for (lengths, percent, found) in
            [(&[][..], 50, None), (&[7], 50, Some(7)), (&[7], 95, Some(7)), (&[3, 1, 2], 50, Some(2))]
        {
            assert_eq!(percentile(&mut lengths.to_vec(), percent), found, "{lengths:?} {percent}");
        }
    }

    #[test]
    fn an_empty_history_has_no_sums() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        assert_eq!(sums(state.db(), &Selection::default(), &[By::Day], true).unwrap(), Sums::new());
        assert_eq!(sums(state.db(), &Selection::default(), &[], true).unwrap(), Sums::new());
    }
}
