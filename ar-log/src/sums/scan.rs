//! Sums from the runs themselves, of which an index holds all that sums are made of.

use super::{Sum, Sums, start};
use crate::cli::By;
use crate::select::Selection;
use anyhow::{Context, Result, anyhow};
use ar_core::Stamp;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, MAIN_DB, OpenFlags, Row, params_from_iter};
use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// Fewer runs than these are read before a second thread has begun.
const MANY_RUNS: i64 = 50_000;
const MOST_THREADS: usize = 4;
/// Into so many spans of time with about as many runs each the work is divided.
const SPANS: i64 = 16;
/// What ends a part of a key; no text has it.
const END: u8 = 0xff;

/// What is read of each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    Lengths,
    Sums,
    Both,
}

/// A span of time, its end left out.
type Span = (Option<Stamp>, Option<Stamp>);

/// Adds what the runs come to.
pub fn add(db: &Connection, sums: &mut Sums, selection: &Selection, by: &[By], want: Want) -> Result<()> {
    let spans = spans(db, selection)?;
    let found = match (spans.len(), db.path()) {
        // A database that cannot be written may not be opened a second time by its path alone.
        (2.., Some(path)) if !db.is_readonly(MAIN_DB)? => at_once(path, &spans, selection, by, want)?,
        _ => vec![read(db, selection, by, want)?],
    };
    for (key, sum) in found.into_iter().flatten() {
        let key: Vec<String> = key
            .split(|byte| *byte == END)
            .take(by.len())
            .map(|part| String::from_utf8_lossy(part).into())
            .collect();
        match want {
            Want::Sums | Want::Both => sums.entry(key).or_default().add(sum),
            // A run that was stored between the two questions is left out of the answer.
            Want::Lengths => {
                if let Some(known) = sums.get_mut(&key) {
                    known.add(sum);
                }
            }
        }
    }
    Ok(())
}

/// The time of the selection in spans, told by the sums by day; one where that is not worth it.
fn spans(db: &Connection, selection: &Selection) -> Result<Vec<Span>> {
    let (since, until) =
        (selection.since.map_or(i64::MIN, |at| at.0), selection.until.map_or(i64::MAX, |at| at.0));
    let days = db
        .prepare("SELECT day, sum(runs) FROM tally WHERE day BETWEEN $1 AND $2 GROUP BY day ORDER BY day")?
        .query_map([since.div_euclid(super::DAY_MS), until.div_euclid(super::DAY_MS)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
    let total: i64 = days.iter().map(|(_, runs)| *runs).sum();
    if total < MANY_RUNS {
        return Ok(vec![(selection.since, selection.until)]);
    }
    let ends = "SELECT (SELECT min(picked_at) FROM run), (SELECT max(picked_at) FROM run)";
    let (first, last): (i64, i64) = db.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let cuts = cuts(&days, total / SPANS, (first.max(since), last.min(until)));
    let cuts: Vec<Stamp> = cuts.into_iter().filter(|at| (since + 1..until).contains(at)).map(Stamp).collect();
    let from = std::iter::once(selection.since).chain(cuts.iter().copied().map(Some));
    let to = cuts.iter().copied().map(Some).chain([selection.until]);
    Ok(from.zip(to).collect())
}

/// Where to cut so that about `each` runs lie between. Within a day that has more than these, evenly.
fn cuts(days: &[(i64, i64)], each: i64, (first, last): (i64, i64)) -> Vec<i64> {
    let mut cuts = Vec::new();
    let mut gathered = 0;
    for (day, runs) in days {
        let (from, to) = (start(*day).0.max(first), start(*day + 1).0.min(last));
        let pieces = runs / each.max(1) + 1;
        gathered += runs;
        if gathered > each && from < to {
            cuts.extend((0..pieces).map(|piece| from + (to - from) / pieces * piece));
            gathered = runs / pieces;
        }
    }
    cuts
}

type Found = HashMap<Box<[u8]>, Sum>;

fn at_once(path: &str, spans: &[Span], selection: &Selection, by: &[By], want: Want) -> Result<Vec<Found>> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let spans = Mutex::new(spans.iter());
    thread::scope(|scope| {
        let work = || work(path, &spans, selection, by, want);
        let workers = (0..threads).map(|_| thread::Builder::new().spawn_scoped(scope, work));
        let workers: Vec<_> = workers.collect();
        let found = workers.into_iter().map(|worker| {
            let worker = worker.context("cannot start a thread")?;
            worker.join().map_err(|_| anyhow!("a thread failed"))?
        });
        Ok(found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    })
}

/// Takes spans until there is none.
fn work<'a>(
    path: &str,
    spans: &Mutex<impl Iterator<Item = &'a Span>>,
    selection: &Selection,
    by: &[By],
    want: Want,
) -> Result<Vec<Found>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(Duration::from_secs(30))?;
    let mut found = Vec::new();
    loop {
        let span = spans.lock().map_err(|_| anyhow!("a thread failed"))?.next();
        let Some((since, until)) = span else { return Ok(found) };
        found.push(read(&db, &selection.between(*since, *until), by, want)?);
    }
}

fn read(db: &Connection, selection: &Selection, by: &[By], want: Want) -> Result<Found> {
    let (sql, values) = query(selection, by, want);
    let mut select = db.prepare(&sql)?;
    let mut rows = select.query(params_from_iter(values)).context("cannot sum up the runs")?;
    let mut found = Found::new();
    let mut key = Vec::new();
    while let Some(row) = rows.next()? {
        key.clear();
        put_key(&mut key, row, by)?;
        if !found.contains_key(key.as_slice()) {
            found.insert(key.as_slice().into(), Sum::default());
        }
        if let Some(sum) = found.get_mut(key.as_slice()) {
            put(sum, row, by.len(), want)?;
        }
    }
    Ok(found)
}

/// The columns in the order of [`put`], those of the key first.
fn query(selection: &Selection, by: &[By], want: Want) -> (String, Vec<Value>) {
    let (mut condition, values) = selection.condition_of_sums();
    let names = by.iter().map(|by| match by {
        By::Model => "model, ",
        By::Provider => "provider, ",
        By::Account => "account, ",
        By::Class => "coalesce(class, verdict, status), ",
        By::Day | By::Hour => "picked_at, ",
    });
    let names: String = names.collect();
    let others = match want {
        Want::Lengths => "",
        Want::Sums | Want::Both => {
            ", verdict = 'ok', attempt, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_micros"
        }
    };
    if want == Want::Lengths {
        condition.push_str(" AND elapsed_ms IS NOT NULL");
    }
    (format!("SELECT {names}elapsed_ms{others} FROM run {condition}"), values)
}

fn put_key(key: &mut Vec<u8>, row: &Row, by: &[By]) -> Result<()> {
    for (index, by) in by.iter().enumerate() {
        let value = row.get_ref(index)?;
        match (by, value) {
            (By::Day, _) => write!(key, "{}", value.as_i64()?.div_euclid(super::DAY_MS))?,
            // With two digits, so that ten comes after nine.
            (By::Hour, _) => write!(key, "{:02}", value.as_i64()?.div_euclid(super::HOUR_MS).rem_euclid(24))?,
            (_, ValueRef::Null) => {}
            _ => key.extend_from_slice(value.as_bytes()?),
        }
        key.push(END);
    }
    Ok(())
}

fn put(sum: &mut Sum, row: &Row, keys: usize, want: Want) -> Result<()> {
    let number = |index: usize| Ok::<_, rusqlite::Error>(row.get_ref(keys + index)?.as_i64_or_null()?);
    if want != Want::Sums {
        sum.elapsed_ms.extend(number(0)?);
    }
    if want != Want::Lengths {
        sum.runs += 1;
        sum.good += number(1)?.unwrap_or(0);
        sum.hops += i64::from(number(2)? > Some(1));
        let counts = [
            &mut sum.input_tokens,
            &mut sum.output_tokens,
            &mut sum.cache_read_tokens,
            &mut sum.cache_write_tokens,
        ];
        for (count, index) in counts.into_iter().zip(3..) {
            *count += number(index)?.unwrap_or(0);
        }
        let cost = number(7)?;
        sum.priced += i64::from(cost.is_some());
        sum.cost_micros += cost.unwrap_or(0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sums::{sums, tests::history};

    #[test]
    fn several_threads_find_what_one_finds() {
        let (_dir, state) = history();
        let path = state.db().path().unwrap();
        let hour = |hour: i64| Some(Stamp(hour * 3_600_000));
        for by in [&[][..], &[By::Class], &[By::Day, By::Hour], &[By::Provider, By::Model, By::Account]] {
            for (since, until) in [(None, None), (hour(7), hour(71)), (hour(30), None)] {
                let selection = Selection::default().between(since, until);
                let expected = sums(state.db(), &selection, by, true).unwrap();
                let spans = [(since, hour(31)), (hour(31), hour(50)), (hour(50), until)];
                let mut found = Sums::new();
                for (key, sum) in
                    at_once(path, &spans, &selection, by, Want::Both).unwrap().into_iter().flatten()
                {
                    let key = key.split(|byte| *byte == END).take(by.len());
                    let key = key.map(|part| String::from_utf8(part.to_vec()).unwrap()).collect();
                    found.entry(key).or_default().add(sum);
                }
                found.values_mut().for_each(Sum::rank);
                assert_eq!(found, expected, "{by:?} {since:?}");
            }
        }
    }

    #[test]
    fn cuts_lie_where_the_runs_are() {
        for (days, each, cut) in [
            (&[(0, 10)][..], 100, &[][..]),
            (&[(0, 10), (1, 10), (2, 10)], 15, &[1]),
            (&[(0, 5), (9, 40)], 15, &[9]),
        ] {
            let found = cuts(days, each, (0, 10 * super::super::DAY_MS));
            let found: Vec<i64> = found.into_iter().map(|at| at / super::super::DAY_MS).collect();
            assert!(found.is_sorted() && cut.iter().all(|day| found.contains(day)), "{days:?}: {found:?}");
        }
        // All runs of a year within its last minute are shared out nevertheless.
        let last = super::super::DAY_MS * 365;
        assert_eq!(
            cuts(&[(364, 1000)], 250, (last - 1000, last - 200)),
            [last - 1000, last - 840, last - 680, last - 520, last - 360]
        );
    }
}
