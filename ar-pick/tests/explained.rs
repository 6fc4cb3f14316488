//! `--explain` foretells the next pick, whatever the state.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, Run};
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::Value;
use std::fmt::Write;
use std::fs::File;
use std::path::Path;

const NOW: &str = "2026-11-20T10:00:00Z";
/// The milliseconds of [`NOW`].
const NOW_MS: i64 = 1_795_168_800_000;
const STRATEGIES: [&str; 5] = ["round-robin", "least-busy", "ordered", "soonest-reset", "random"];
const CLASSES: [&str; 4] = ["rate_limit", "quota_exhausted", "auth_expired", "cli_version_mismatch"];

/// A provider, what is written down of it, and what it does now. Times are seconds from now.
#[derive(Debug, Clone)]
struct Provider {
    tier: u32,
    weight: u32,
    most: Option<u32>,
    disabled: bool,
    shares_account: bool,
    counters: Option<Counters>,
    /// When each of its runs that are not over was picked.
    live: Vec<i64>,
    cooldown: Option<Cooldown>,
    /// Percent, and when they are refilled.
    quota: Option<(u32, Option<i64>)>,
}

#[derive(Debug, Clone)]
struct Counters {
    tier: u32,
    pass: i64,
    third_blame: Option<i64>,
    switched_off: bool,
}

#[derive(Debug, Clone)]
struct Cooldown {
    class: usize,
    scope: usize,
    opened: i64,
    retry: i64,
    /// Whether a run of another host tries it out, and until when; else one that is over, if any.
    trial: Option<(bool, i64)>,
}

#[derive(Debug, Clone)]
struct World {
    providers: Vec<Provider>,
    account_most: Option<u32>,
    strategy: usize,
    level: Option<i64>,
    lock: Option<(usize, Option<i64>)>,
    /// Whether the fallback is there, and whether it is full.
    fallback: Option<bool>,
    /// Whether those who wait in line are alive.
    waiting: Vec<bool>,
    asked: Asked,
}

#[derive(Debug, Clone)]
enum Asked {
    Nothing,
    Strategy(usize),
    Sticky(u8),
    Exclude(usize),
    Provider(usize),
}

/// Mostly seconds around the limits that matter, on both sides of now.
fn around() -> impl Strategy<Value = i64> {
    prop_oneof![
        -100..100_i64,
        Just(-31),
        Just(-1801),
        Just(-6 * 3600 - 1),
        Just(3600),
        Just(86_400),
        Just(-86_400)
    ]
}

fn provider() -> impl Strategy<Value = Provider> {
    let counters = (1..3_u32, 0..5_i64, prop::option::of(around()), prop::bool::weighted(0.1)).prop_map(
        |(tier, pass, third_blame, switched_off)| Counters { tier, pass, third_blame, switched_off },
    );
    let trial = prop::option::of((any::<bool>(), around()));
    let cooldown = (0..4_usize, 0..3_usize, around(), around(), trial)
        .prop_map(|(class, scope, opened, retry, trial)| Cooldown { class, scope, opened, retry, trial });
    let quota = (prop_oneof![Just(40_u32), Just(100)], prop::option::of(around()));
    let config = (1..3_u32, 1..4_u32, prop::option::of(1..3_u32), prop::bool::weighted(0.1), any::<bool>());
    let live = prop::collection::vec(prop_oneof![3 => -29..0_i64, 1 => around()], 0..3);
    (
        config,
        prop::option::weighted(0.8, counters),
        live,
        prop::option::weighted(0.3, cooldown),
        prop::option::weighted(0.3, quota),
    )
        .prop_map(|((tier, weight, most, disabled, shares_account), counters, live, cooldown, quota)| {
            Provider { tier, weight, most, disabled, shares_account, counters, live, cooldown, quota }
        })
}

fn world() -> impl Strategy<Value = World> {
    let asked = prop_oneof![
        3 => Just(Asked::Nothing),
        2 => (0..5_usize).prop_map(Asked::Strategy),
        1 => any::<u8>().prop_map(Asked::Sticky),
        1 => (0..6_usize).prop_map(Asked::Exclude),
        1 => (0..6_usize).prop_map(Asked::Provider),
    ];
    (
        prop::collection::vec(provider(), 1..6),
        prop::option::of(1..3_u32),
        0..5_usize,
        prop::option::of(0..4_i64),
        prop::option::weighted(0.2, (0..6_usize, prop::option::of(around()))),
        prop::option::of(any::<bool>()),
        prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(any::<bool>(), 1..3)],
        asked,
    )
        .prop_map(|(providers, account_most, strategy, level, lock, fallback, waiting, asked)| World {
            providers,
            account_most,
            strategy,
            level,
            lock,
            fallback,
            waiting,
            asked,
        })
}

fn at(seconds: i64) -> i64 {
    NOW_MS + seconds * 1000
}

fn sql(value: Option<i64>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}

/// A run that is not over, of this host or of another.
fn run(id: &str, model: &str, provider: &str, account: &str, is_here: bool, picked: i64) -> String {
    let (host, picked) = (if is_here { ar_core::state::host() } else { "elsewhere".to_owned() }, at(picked));
    format!(
        "INSERT INTO run (id, call_id, attempt, model, provider, account, status, host, picked_at, lease_until) VALUES \
         ('{id}', '{id}', 1, '{model}', '{provider}', '{account}', 'picked', '{host}', {picked}, {picked} + 3600000)"
    )
}

impl Provider {
    /// Adds the statements that write down what is known of it.
    fn write(&self, index: usize, all: &mut Vec<String>) {
        let (name, account) = (format!("p{index}"), self.account(index));
        if let Some(Counters { tier, pass, third_blame, switched_off }) = &self.counters {
            let (third, off) = (sql(third_blame.map(at)), sql(switched_off.then_some(0)));
            all.push(format!(
                "INSERT INTO provider (model, name, tier, runs, pass, blamed_3, switched_off) \
                 VALUES ('m', '{name}', {tier}, {pass}, {pass} * 5354228880 / {}, {third}, {off})",
                self.weight
            ));
        }
        for (n, picked) in self.live.iter().enumerate() {
            all.push(run(&format!("R{index}{n}"), "m", &name, &account, true, *picked));
        }
        if let Some((percent, resets)) = self.quota {
            let windows = serde_json::json!([{"name": "5h", "used_percent": percent,
                "resets_at": resets.map(|seconds| ar_core::Stamp(at(seconds)).to_string())}]);
            all.push(format!(
                "INSERT OR IGNORE INTO quota (account, asked_at, told_at, windows) VALUES ('{account}', {0}, {0}, '{windows}')",
                at(-60)
            ));
        }
        if let Some(cooldown) = &self.cooldown {
            cooldown.write(&name, &account, all);
        }
    }

    fn account(&self, index: usize) -> String {
        if self.shares_account { "shared".to_owned() } else { format!("p{index}") }
    }
}

impl Cooldown {
    fn write(&self, name: &str, account: &str, all: &mut Vec<String>) {
        let trial = self.trial.map(|(alive, _)| format!("{}{name}", if alive { "T" } else { "D" }));
        if let (Some((alive, _)), Some(trial)) = (self.trial, &trial) {
            // One of another host lives by its lease; one of this host that nobody has started for so long is over.
            all.push(run(trial, "other", name, account, !alive, if alive { -9 } else { -99 }));
        }
        let scopes = ["account".to_owned(), "model:m".to_owned(), format!("provider:m/{name}")];
        all.push(format!(
            "INSERT OR IGNORE INTO health (account, scope, class, run, opened_at, retry_at, strikes, probe_run, probe_until) \
             VALUES ('{account}', '{}', '{}', 'x', {}, {}, 0, {}, {})",
            scopes[self.scope],
            CLASSES[self.class],
            at(self.opened),
            at(self.retry),
            trial.map_or("NULL".to_owned(), |trial| format!("'{trial}'")),
            sql(self.trial.map(|(_, until)| at(until)))
        ));
    }
}

impl World {
    /// Writes the configuration and the state. The locks that come back are those of the living that wait.
    fn make(&self, home: &Home) -> Vec<File> {
        home.write(
            ".config/agent-runner/config.toml",
            self.account_most
                .map_or(String::new(), |most| format!("[accounts.shared]\nmax_parallel = {most}\n")),
        );
        let mut model = format!("strategy = '{}'\n", STRATEGIES[self.strategy]);
        if self.fallback.is_some() {
            model.push_str("fallback = ['n']\n");
        }
        for (index, p) in self.providers.iter().enumerate() {
            let (account, Provider { tier, weight, disabled, .. }) = (p.account(index), p);
            writeln!(model, "[[providers]]\nname = 'p{index}'\naccount = '{account}'\ncommand = 'x'")
                .unwrap();
            writeln!(model, "tier = {tier}\nweight = {weight}\ndisabled = {disabled}").unwrap();
            if let Some(most) = p.most {
                writeln!(model, "max_parallel = {most}").unwrap();
            }
        }
        home.model("m", &model);
        home.model("n", "command = 'y'\nmax_parallel = 1\n");
        let all = format!("BEGIN; {}; COMMIT", self.statements().join("; "));
        Connection::open(home.state()).unwrap().execute_batch(&all).unwrap();
        let alive = self.waiting.iter().enumerate().filter(|(_, alive)| **alive);
        let lock = |(place, _)| {
            let file = home.write(&format!(".local/state/agent-runner/waiting/W{place}"), "");
            let file = File::open(file).unwrap();
            file.lock().unwrap();
            file
        };
        alive.map(lock).collect()
    }

    fn statements(&self) -> Vec<String> {
        let mut all: Vec<String> = ["run", "provider", "pool", "health", "quota", "route", "waiter"]
            .map(|table| format!("DELETE FROM {table}"))
            .into();
        for (index, provider) in self.providers.iter().enumerate() {
            provider.write(index, &mut all);
        }
        if let Some(level) = self.level {
            all.push(format!("INSERT INTO pool VALUES ('m', 1, {level} * 5354228880)"));
        }
        if let Some((provider, until)) = self.lock {
            let until = sql(until.map(at));
            all.push(format!("INSERT INTO route VALUES ('m', 'p{provider}', {}, {until})", at(-60)));
        }
        if self.fallback == Some(true) {
            all.push(run("F", "n", "y", "y", true, -1));
        }
        for place in 0..self.waiting.len() {
            // The line of those who leave nobody out.
            all.push(format!("INSERT INTO waiter VALUES ('W{place}', 'm -', {place})"));
        }
        all
    }

    fn args(&self) -> Vec<String> {
        let exists = |index: &usize| format!("p{}", index % self.providers.len());
        match &self.asked {
            Asked::Nothing => Vec::new(),
            Asked::Strategy(strategy) => vec!["--strategy".into(), STRATEGIES[*strategy].into()],
            Asked::Sticky(key) => vec!["--sticky".into(), key.to_string()],
            Asked::Exclude(index) => vec!["--exclude".into(), exists(index)],
            Asked::Provider(index) => vec!["--provider".into(), exists(index)],
        }
    }
}

fn pick(home: &Home, args: &[String]) -> Run {
    let program = Path::new(env!("CARGO_BIN_EXE_ar-pick"));
    home.program(program, args).env("AGENT_RUNNER_NOW", NOW).arg("-mm").any_stdout().any_stderr()
}

/// Whom an outlook foretells: model, provider and why.
fn foretold(outlook: &Value) -> Option<(Value, Value, Value)> {
    let mut models = [outlook].into_iter().chain(outlook["fallbacks"].as_array().into_iter().flatten());
    let serves = |model: &Value| {
        let taken = model["candidates"].as_array().unwrap().iter().find(|line| line["taken"] == true)?;
        (model["waiting"] == 0)
            .then(|| (model["model"].clone(), taken["provider"].clone(), taken["why"].clone()))
    };
    models.find_map(serves)
}

/// A few states in every run of the suite; as many as `PROPTEST_CASES` says where somebody wants to know.
fn config() -> ProptestConfig {
    let config =
        ProptestConfig { max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        config
    } else {
        ProptestConfig { cases: 100, ..config }
    }
}

#[test]
fn what_is_explained_is_what_the_next_pick_does() {
    let home = Home::new();
    home.pool("m", &["a"]);
    pick(&home, &[]).check();
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let outcome = runner.run(&world(), |world| {
        let _locks = world.make(&home);
        let explain = [&world.args()[..], &["--explain".into(), "--json".into()]].concat();
        let outlook: Value = serde_json::from_slice(&pick(&home, &explain).check().stdout).unwrap();
        let output = pick(&home, &world.args()).any_status().check();
        let record: Value = serde_json::from_slice(&output.stdout).unwrap();
        let done = record
            .get("pick")
            .map(|pick| (record["model"].clone(), pick["provider"].clone(), pick["reason"].clone()));
        prop_assert_eq!(&done, &foretold(&outlook), "{}\n{}", outlook, record);
        // The same is kept with the run.
        if done.is_some() {
            let why = home.query("SELECT why FROM run WHERE why IS NOT NULL").concat();
            let why: Value = serde_json::from_str(&why).unwrap();
            let models = outlook["fallbacks"].as_array().and_then(|models| models.last()).unwrap_or(&outlook);
            prop_assert_eq!(&why, &models["candidates"]);
        }
        Ok(())
    });
    outcome.unwrap();
}
