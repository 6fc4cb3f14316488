//! Reads a model's pool out of the state: counters, cooldowns, live runs, and what people have switched.

use crate::choose::{Candidate, Pool, Standing};
use crate::quota;
use crate::request::Request;
use anyhow::Result;
use ar_core::config::{Cooldown, Model, Provider};
use ar_core::record::Class;
use ar_core::{Stamp, state, watch};
use rusqlite::{Connection, OptionalExtension};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// When to look again while another run tries a provider out.
const PROBE_PAUSE: Duration = Duration::from_secs(5);

/// The pool of a model as a pick at `request.now` would see it. `dead` are the runs that no longer count.
pub fn read(db: &Connection, request: &Request, model: &Model, dead: &[String]) -> Result<Pool> {
    let counters = counters(db, &model.name)?;
    let dead: HashSet<&str> = dead.iter().map(String::as_str).collect();
    let live = Live::read(db, &model.name, &dead)?;
    let view = View {
        request,
        model,
        health: health(db, &dead)?,
        windows: quota::windows(db, &request.place.config.cooldown, request.now)?,
        route: route(db, &model.name, request.now)?.filter(|(name, _)| model.provider(name).is_ok()),
    };
    let mut candidates = Vec::with_capacity(model.providers.len());
    for (index, provider) in model.providers.iter().enumerate() {
        let counter = counters.get(&provider.name).unwrap_or(&Counter::NONE);
        candidates.push(view.candidate(index, provider, counter, &live)?);
    }
    let runs = candidates.iter().map(|candidate| candidate.runs).sum();
    let order = request.order(db, model, runs)?;
    let mut pool = Pool::new(candidates, levels(db, &model.name)?, order, request.now);
    pool.by_name = request.only.is_some();
    Ok(pool)
}

/// What bears on every provider of the pool.
struct View<'a> {
    request: &'a Request<'a>,
    model: &'a Model,
    health: HashMap<String, Vec<Cooling>>,
    windows: HashMap<String, Vec<quota::Window>>,
    route: Option<(String, Option<Stamp>)>,
}

impl View<'_> {
    fn candidate(
        &self,
        index: usize,
        provider: &Provider,
        counter: &Counter,
        live: &Live,
    ) -> Result<Candidate> {
        let Request { now, place, .. } = *self.request;
        let in_flight = live.of_provider(&provider.name);
        let late = place.config.cooldown.failed_of_late;
        Ok(Candidate {
            index,
            name: provider.name.clone(),
            tier: provider.tier,
            weight: provider.weight,
            // One that was moved to another tier starts there as a newcomer does.
            pass: if counter.tier == provider.tier { counter.pass } else { 0 },
            runs: counter.runs,
            in_flight,
            shaky: counter.third_blame.is_some_and(|third| third <= now && now.since(third) < late),
            excluded: self.request.excludes(&self.model.name, &provider.name),
            refill: self.windows.get(&provider.account).and_then(|windows| quota::refill(windows, now)),
            standing: self.standing(provider, counter, live, in_flight)?,
        })
    }

    fn standing(
        &self,
        provider: &Provider,
        counter: &Counter,
        live: &Live,
        in_flight: i64,
    ) -> Result<Standing> {
        if provider.disabled {
            return Ok(Standing::Disabled);
        }
        if counter.switched_off {
            return Ok(Standing::SwitchedOff);
        }
        if let Some((route, until)) = self.route.as_ref().filter(|(route, _)| *route != provider.name) {
            return Ok(Standing::LockedOut(route.clone(), *until));
        }
        let rest = self.rest(provider)?;
        if let Some(resting @ (Standing::Cooling(..) | Standing::Probing(..))) = rest {
            return Ok(resting);
        }
        if let Some(windows) = self.windows.get(&provider.account)
            && let Some((name, at)) = quota::spent(windows, self.request.now)
        {
            return Ok(Standing::Spent(name, at));
        }
        let is_full = |most: Option<u32>, alive: i64| most.is_some_and(|most| alive >= i64::from(most));
        if is_full(provider.max_parallel, in_flight) {
            return Ok(Standing::Full);
        }
        let account = self.request.place.config.accounts.get(&provider.account);
        let most = account.and_then(|account| account.max_parallel).map(std::num::NonZero::get);
        if is_full(most, live.of_account(&provider.account)) {
            return Ok(Standing::AccountFull);
        }
        Ok(rest.unwrap_or(Standing::Ready))
    }

    /// The rest that lasts longest of those that bear on a provider: its account's, the model's in the account, its own.
    fn rest(&self, provider: &Provider) -> Result<Option<Standing>> {
        let Some(of_account) = self.health.get(&provider.account) else { return Ok(None) };
        let scopes = state::scopes(&self.model.name, &provider.name);
        let mut worst: Option<(u8, Stamp, Standing)> = None;
        for cooling in of_account.iter().filter(|cooling| scopes.contains(&cooling.scope)) {
            let standing = cooling.standing(&self.request.place.config.cooldown, self.request.now)?;
            let rank = match &standing {
                Standing::Cooling(_, at) => (2, *at),
                Standing::Probing(_, at) => (1, *at),
                _ => (0, self.request.now),
            };
            if worst.as_ref().is_none_or(|(kind, at, _)| (*kind, *at) < rank) {
                worst = Some((rank.0, rank.1, standing));
            }
        }
        Ok(worst.map(|(_, _, standing)| standing))
    }
}

/// A row of health.
struct Cooling {
    scope: String,
    class: Class,
    opened_at: Stamp,
    retry_at: Stamp,
    watched: Option<String>,
    probe_until: Option<Stamp>,
}

impl Cooling {
    fn standing(&self, rules: &Cooldown, now: Stamp) -> Result<Standing> {
        if let Some(until) = self.probe_until.filter(|until| now < *until) {
            return Ok(Standing::Probing(self.class, until.min(now.plus(PROBE_PAUSE))));
        }
        let due = rules.due(self.opened_at, self.retry_at, now);
        let mended = || self.watched.as_deref().map_or(Ok(false), watch::changed);
        if now < due && !mended()? {
            return Ok(Standing::Cooling(self.class, due));
        }
        Ok(Standing::Probe(self.class))
    }
}

/// All cooldowns by account: a short table, one row for each that lasts. A trial ends with its run.
fn health(db: &Connection, dead: &HashSet<&str>) -> Result<HashMap<String, Vec<Cooling>>> {
    let mut select = db.prepare(
        "SELECT account, scope, class, opened_at, retry_at, watched, probe_until, probe_run FROM health",
    )?;
    let mut rows = select.query([])?;
    let mut health: HashMap<String, Vec<Cooling>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let class: String = row.get(2)?;
        let trial_is_over = row.get_ref(7)?.as_str_or_null()?.is_some_and(|run| dead.contains(run));
        let cooling = Cooling {
            scope: row.get(1)?,
            class: Class::parse(&class)?,
            opened_at: Stamp(row.get(3)?),
            retry_at: Stamp(row.get(4)?),
            watched: row.get(5)?,
            probe_until: row.get::<_, Option<i64>>(6)?.map(Stamp).filter(|_| !trial_is_over),
        };
        health.entry(row.get(0)?).or_default().push(cooling);
    }
    Ok(health)
}

/// The counters of a provider.
#[derive(Debug, Clone, Copy)]
struct Counter {
    tier: u32,
    runs: i64,
    pass: i64,
    third_blame: Option<Stamp>,
    switched_off: bool,
}

impl Counter {
    /// Those of a newcomer.
    const NONE: Self = Self { tier: 0, runs: 0, pass: 0, third_blame: None, switched_off: false };
}

/// The counters of a model's providers that have any, by name. One that has left the pool keeps its own for the day when it
/// comes back.
fn counters(db: &Connection, model: &str) -> Result<HashMap<String, Counter>> {
    let mut select =
        db.prepare("SELECT name, tier, runs, pass, blamed_3, switched_off FROM provider WHERE model = $1")?;
    let rows = select.query_map([model], |row| {
        let counter = Counter {
            tier: row.get(1)?,
            runs: row.get(2)?,
            pass: row.get(3)?,
            third_blame: row.get::<_, Option<i64>>(4)?.map(Stamp),
            switched_off: row.get::<_, Option<i64>>(5)?.is_some(),
        };
        Ok((row.get(0)?, counter))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn levels(db: &Connection, model: &str) -> Result<BTreeMap<u32, i64>> {
    let mut select = db.prepare("SELECT tier, level FROM pool WHERE model = $1")?;
    let rows = select.query_map([model], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The provider that all runs of a model go to, and until when. One that was set in the future, before the clock was set back, counts
/// only if it has no end.
fn route(db: &Connection, model: &str, now: Stamp) -> Result<Option<(String, Option<Stamp>)>> {
    let route = db
        .query_row(
            "SELECT provider, until FROM route WHERE model = $1 AND (until IS NULL OR (until > $2 AND set_at <= $3))",
            rusqlite::params![model, now.0, now.plus(Cooldown::SKEW).0],
            |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.map(Stamp))),
        )
        .optional()?;
    Ok(route)
}

const LIVE: &str = "SELECT id, model, provider, account FROM run WHERE status = 'picked'";

/// How many runs are alive: those that are picked and not over.
#[derive(Default)]
struct Live {
    by_provider: HashMap<String, i64>,
    by_account: HashMap<String, i64>,
}

impl Live {
    fn read(db: &Connection, model: &str, dead: &HashSet<&str>) -> Result<Self> {
        let mut select = db.prepare(LIVE)?;
        let mut rows = select.query([])?;
        let mut live = Self::default();
        while let Some(row) = rows.next()? {
            if dead.contains(row.get_ref(0)?.as_str()?) {
                continue;
            }
            if row.get_ref(1)?.as_str()? == model {
                *live.by_provider.entry(row.get(2)?).or_default() += 1;
            }
            *live.by_account.entry(row.get(3)?).or_default() += 1;
        }
        Ok(live)
    }

    fn of_provider(&self, provider: &str) -> i64 {
        self.by_provider.get(provider).copied().unwrap_or(0)
    }

    fn of_account(&self, account: &str) -> i64 {
        self.by_account.get(account).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ar_core::state::State;

    #[test]
    fn live_runs_are_counted_without_reading_a_row_of_the_history() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        let plan = format!("EXPLAIN QUERY PLAN {LIVE}");
        let steps: String = state.db().query_row(&plan, [], |row| row.get(3)).unwrap();
        assert_eq!(steps, "SCAN run USING COVERING INDEX run_live");
    }
}
