//! How long the runs of each sum took.

use super::{Sums, columns, key, start};
use crate::cli::By;
use crate::select::Selection;
use anyhow::{Context, Result, anyhow};
use rusqlite::types::Value;
use rusqlite::{Connection, MAIN_DB, OpenFlags, Row, params_from_iter};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// Fewer runs than these are read before a second thread has begun.
const MANY_RUNS: i64 = 50_000;
const MOST_THREADS: usize = 4;

/// A key, and the runs that belong to it.
type Job = (Vec<String>, String, Vec<Value>);

/// Adds the lengths, sorted.
pub fn add(db: &Connection, sums: &mut Sums, selection: &Selection, by: &[By]) -> Result<()> {
    // A database that cannot be written may not be opened a second time by its path alone.
    let many = sums.values().map(|sum| sum.runs).sum::<i64>() >= MANY_RUNS && !db.is_readonly(MAIN_DB)?;
    match by {
        [by] if many && *by != By::Hour => by_key(db, sums, selection, *by)?,
        _ => one_by_one(db, sums, selection, by)?,
    }
    for sum in sums.values_mut() {
        sum.elapsed_ms.sort_unstable();
    }
    Ok(())
}

/// Key by key, each of which is a range of an index that holds the length, too; on several threads.
fn by_key(db: &Connection, sums: &mut Sums, selection: &Selection, by: By) -> Result<()> {
    let path = db.path().context("the state database has no path")?;
    let jobs: Vec<Job> = sums.keys().filter_map(|key| job(selection, by, key)).collect();
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let jobs = Mutex::new(jobs.into_iter());
    let found = thread::scope(|scope| {
        let workers = (0..threads).map(|_| thread::Builder::new().spawn_scoped(scope, || work(path, &jobs)));
        let workers: Vec<_> = workers.collect();
        let results = workers.into_iter().map(|worker| {
            let worker = worker.context("cannot start a thread")?;
            worker.join().map_err(|_| anyhow!("a thread failed"))?
        });
        results.collect::<Result<Vec<_>>>()
    })?;
    found.into_iter().flatten().for_each(|found| put(sums, found));
    Ok(())
}

fn job(selection: &Selection, by: By, key: &[String]) -> Option<Job> {
    let only = key.first()?;
    let (mut condition, mut values) = match by {
        By::Day => {
            let day: i64 = only.parse().ok()?;
            let since = selection.since.into_iter().chain([start(day)]).max();
            let until = selection.until.into_iter().chain([start(day + 1)]).min();
            selection.between(since, until).condition()
        }
        _ => selection.condition(),
    };
    let and = if condition.is_empty() { "WHERE" } else { "AND" };
    let column = match by {
        By::Model => "model",
        By::Provider => "provider",
        By::Account => "account",
        By::Class => "coalesce(class, verdict, status)",
        By::Day | By::Hour => return Some((key.to_vec(), condition, values)),
    };
    if only.is_empty() {
        condition = format!("{condition} {and} {column} IS NULL");
    } else {
        values.push(only.clone().into());
        condition = format!("{condition} {and} {column} = ${}", values.len());
    }
    Some((key.to_vec(), condition, values))
}

/// Takes jobs until there is none.
fn work(path: &str, jobs: &Mutex<impl Iterator<Item = Job>>) -> Result<Vec<(Vec<String>, Vec<i64>)>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(Duration::from_secs(30))?;
    let mut found = Vec::new();
    loop {
        let job = jobs.lock().map_err(|_| anyhow!("a thread failed"))?.next();
        let Some((key, condition, values)) = job else { return Ok(found) };
        let sql = format!("SELECT elapsed_ms FROM run {condition} AND elapsed_ms IS NOT NULL");
        let mut select = db.prepare(&sql)?;
        let rows = select.query_map(params_from_iter(values), |row| row.get(0))?;
        found.push((
            key,
            rows.collect::<rusqlite::Result<Vec<i64>>>().context("cannot read how long the runs took")?,
        ));
    }
}

fn one_by_one(db: &Connection, sums: &mut Sums, selection: &Selection, by: &[By]) -> Result<()> {
    let (condition, values) = selection.condition();
    let and = if condition.is_empty() { "WHERE" } else { "AND" };
    // No word of the status: a run that is not over has no length, and the index on the time is enough.
    let sql =
        format!("SELECT {} FROM run {condition} {and} elapsed_ms IS NOT NULL", columns(by, "elapsed_ms"));
    let mut select = db.prepare(&sql)?;
    let mut rows = select.query(params_from_iter(values)).context("cannot read how long the runs took")?;
    // Most runs belong where the one before them does, and looking that up costs more than reading the row.
    let mut here: (Vec<String>, Vec<i64>) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        if !is_key(row, &here.0)? || here.0.len() != by.len() {
            let before = std::mem::replace(&mut here, (key(row, by.len())?, Vec::new()));
            put(sums, before);
        }
        here.1.push(row.get(by.len())?);
    }
    put(sums, here);
    Ok(())
}

fn put(sums: &mut Sums, (key, lengths): (Vec<String>, Vec<i64>)) {
    // A run that was stored between the two questions is left out of the answer.
    if let Some(sum) = sums.get_mut(&key) {
        sum.elapsed_ms.extend(lengths);
    }
}

fn is_key(row: &Row, key: &[String]) -> rusqlite::Result<bool> {
    for (index, known) in key.iter().enumerate() {
        let same = match row.get_ref(index)? {
            rusqlite::types::ValueRef::Integer(number) => known.parse() == Ok(number),
            other => other.as_str()? == known,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sums::{sums, tests::history};
    use ar_core::Stamp;

    #[test]
    fn both_ways_find_the_same() {
        let (_dir, state) = history();
        let hour = |hour: i64| Some(Stamp(hour * 3_600_000));
        for by in [By::Model, By::Provider, By::Account, By::Class, By::Day] {
            for (since, until) in [(None, None), (hour(7), hour(71))] {
                let selection = Selection::default().between(since, until);
                let expected = sums(state.db(), &selection, &[by], true).unwrap();
                let mut found = sums(state.db(), &selection, &[by], false).unwrap();
                by_key(state.db(), &mut found, &selection, by).unwrap();
                for sum in found.values_mut() {
                    sum.elapsed_ms.sort_unstable();
                }
                assert_eq!(found, expected, "{by:?} {since:?}");
            }
        }
    }
}
