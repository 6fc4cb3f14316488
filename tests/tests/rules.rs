//! The rules of choosing and cooling under random schedules of picks, outcomes, crashes, clocks and configurations.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_core::Stamp;
use ar_tests::Home;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What happens next. Numbers choose among what there is, whatever that is by then.
#[derive(Debug, Clone)]
enum Step {
    Pick,
    /// A run that is under way ends so.
    End(usize, Outcome),
    /// A run that is under way is never heard of again.
    Crash(usize),
    /// The clock is set, by seconds.
    Clock(i64),
    Configure(Pool),
    /// Somebody changes what all providers watch.
    Mend,
    Reset,
}

/// What the configuration says of the pool.
#[derive(Debug, Clone, Copy)]
struct Pool {
    /// The number of the first provider, so that some go away and others come.
    first: usize,
    providers: usize,
    /// How many runs of each may be alive.
    most: usize,
    /// How many runs of all may be alive, where they share an account.
    most_of_account: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Ok,
    Task,
    Network,
    Odd,
    Rate,
    Quota,
    Login,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Ok),
        1 => Just(Outcome::Task),
        1 => Just(Outcome::Network),
        1 => Just(Outcome::Odd),
        2 => Just(Outcome::Rate),
        1 => Just(Outcome::Quota),
        1 => Just(Outcome::Login),
    ];
    prop_oneof![
        8 => Just(Step::Pick),
        6 => (0..9_usize, outcome).prop_map(|(run, outcome)| Step::End(run, outcome)),
        1 => (0..9_usize).prop_map(Step::Crash),
        3 => (1..120_i64).prop_map(Step::Clock),
        1 => prop_oneof![Just(3600), Just(7 * 86_400), Just(-86_400), Just(-5)].prop_map(Step::Clock),
        1 => pool().prop_map(Step::Configure),
        1 => Just(Step::Mend),
        1 => Just(Step::Reset),
    ]
}

fn pool() -> impl Strategy<Value = Pool> {
    (0..3_usize, 1..5_usize, 1..4_usize, prop::option::of(1..5_usize)).prop_map(
        |(first, providers, most, most_of_account)| Pool { first, providers, most, most_of_account },
    )
}

/// A user, the clock, and the records of the runs that are under way.
struct World {
    home: Home,
    now: i64,
    pool: Pool,
    live: Vec<Value>,
}

impl World {
    fn new() -> Self {
        let now = Stamp::parse("2026-11-20T10:00:00Z").unwrap().0;
        let pool = Pool { first: 0, providers: 3, most: 2, most_of_account: None };
        let mut world = Self { home: Home::new(), now, pool, live: Vec::new() };
        world.configure(pool);
        world.expected();
        world
    }

    fn configure(&mut self, pool: Pool) {
        let Pool { first, providers, most, most_of_account } = pool;
        let watched = self.home.path("watched").display().to_string();
        let account = most_of_account.map_or("", |_| "account = 'shared'\n");
        let provider =
            |n| format!("[[providers]]\nname = 'p{n}'\ncommand = 'x'\n{account}watch = ['{watched}']\n");
        let providers: String = (first..first + providers).map(provider).collect();
        self.home.model("m", &format!("max_parallel = {most}\n{providers}"));
        let limit = most_of_account.map(|most| format!("[accounts.shared]\nmax_parallel = {most}\n"));
        self.home.write(".config/agent-runner/config.toml", limit.unwrap_or_default());
        self.pool = pool;
    }

    fn tool(&self, name: &str, args: &[&str]) -> ar_tests::Run {
        self.home.tool(name, args).env("AGENT_RUNNER_NOW", Stamp(self.now).to_string())
    }

    /// What `--explain` says of each provider.
    fn outlook(&self) -> Vec<Value> {
        let output = self.tool("ar-pick", &["--explain", "--json"]).any_stdout().check();
        let outlook: Value = serde_json::from_slice(&output.stdout).unwrap();
        outlook["candidates"].as_array().unwrap().clone()
    }

    /// Whom `--explain` would take.
    fn expected(&self) -> Option<String> {
        let lines = self.outlook();
        let taken = lines.iter().find(|line| line["taken"] == true)?;
        Some(taken["provider"].as_str().unwrap().to_owned())
    }

    /// Picks, as foretold, and gives the provider.
    fn pick(&mut self) -> Option<String> {
        let expected = self.expected();
        let run = self.tool("ar-pick", &["-q"]).any_stdout().any_stderr();
        let run = if expected.is_some() { run } else { run.status(if self.waits() { 75 } else { 69 }) };
        let record: Value = serde_json::from_slice(&run.check().stdout).unwrap();
        let picked = record["pick"]["provider"].as_str().map(str::to_owned);
        assert_eq!(picked, expected, "{record}");
        let provider = picked?;
        let live = self.alive(&format!("provider = '{provider}'"));
        assert!(live <= self.pool.most, "{live} of {provider} are alive");
        if let Some(most) = self.pool.most_of_account {
            let live = self.alive("account = 'shared'");
            assert!(live <= most, "{live} of the account are alive");
        }
        self.live.push(record);
        Some(provider)
    }

    fn alive(&self, which: &str) -> usize {
        let count = self.home.query(&format!("SELECT count(*) FROM run WHERE status = 'picked' AND {which}"));
        count[0].parse().unwrap()
    }

    /// Whether time alone brings somebody back: not where a login has expired for all.
    fn waits(&self) -> bool {
        self.outlook().iter().any(|line| line["health"] != "cooling" || line["class"] != "auth_expired")
    }

    fn end(&mut self, index: usize, outcome: Outcome) {
        if self.live.is_empty() {
            return;
        }
        let mut record = self.live.remove(index % self.live.len());
        let (verdict, class, code) = match outcome {
            Outcome::Ok => ("ok", None, 0),
            Outcome::Task => ("task", Some("unknown"), 1),
            Outcome::Network => ("network", Some("network_error"), 75),
            Outcome::Odd => ("provider", Some("unknown"), 1),
            Outcome::Rate => ("provider", Some("rate_limit"), 75),
            Outcome::Quota => ("provider", Some("quota_exhausted"), 75),
            Outcome::Login => ("provider", Some("auth_expired"), 69),
        };
        record["exec"] = json!({"argv0": "x", "started": Stamp(self.now), "elapsed_ms": 1, "end": "exit",
            "exit_code": i32::from(code != 0), "signal": null, "stdout_bytes": 0, "stderr_bytes": 0});
        record["diagnosis"] = json!({"verdict": verdict, "class": class, "detail": null, "by": "test",
            "evidence": null, "retry_at": null, "retry_from": null, "scope": "account"});
        let before = (self.health(), self.blames());
        self.tool("ar-log", &[]).stdin(format!("{record}\n")).status(code).any_stdout().check();
        if matches!(outcome, Outcome::Task | Outcome::Network) {
            assert_eq!((self.health(), self.blames()), before, "{outcome:?} blames nobody");
        } else if matches!(outcome, Outcome::Odd) {
            assert_eq!(self.health(), before.0, "{outcome:?} cools nobody");
        } else if !matches!(outcome, Outcome::Ok) && record["pick"]["probe"] == true {
            let provider = &record["pick"]["provider"];
            let tried = self.outlook().into_iter().find(|line| line["provider"] == *provider);
            assert!(
                tried.is_none_or(|line| line["health"] != "probe" && line["health"] != "ready"),
                "{provider} failed when it was tried out, and is tried out again at once"
            );
        }
    }

    fn blames(&self) -> Vec<String> {
        self.home.query("SELECT name, blamed_1, blamed_2, blamed_3 FROM provider ORDER BY name")
    }

    fn mend(&self) {
        // Another size, which counts as a change however fast it comes.
        let longer = std::fs::read_to_string(self.home.path("watched")).unwrap_or_default() + "x";
        self.home.write("watched", longer);
    }

    fn health(&self) -> Vec<String> {
        self.home.query("SELECT account, class, opened_at, retry_at, strikes FROM health ORDER BY account")
    }

    /// What is true at any time.
    fn check(&self) {
        let wrong = self.home.query(
            "SELECT name, runs, (SELECT count(*) FROM run WHERE provider = name) n FROM provider WHERE runs <> n",
        );
        assert!(wrong.is_empty(), "counters are not the history: {wrong:?}");
        let trials = self.home.query(
            "SELECT probe_run FROM health WHERE probe_run IS NOT NULL \
            AND probe_run NOT IN (SELECT id FROM run WHERE status = 'picked')",
        );
        assert!(trials.is_empty(), "trials of runs that are over: {trials:?}");
    }

    /// Every cooldown ends and nobody starves, whatever happened.
    fn recovers(&mut self) {
        self.live.clear();
        self.now += 6 * 3_600_000 + 31_000;
        let mut counts = BTreeMap::new();
        for _ in 0..3 * self.pool.providers {
            let provider = self.pick().expect("everybody has recovered");
            *counts.entry(provider).or_insert(0) += 1;
            self.end(0, Outcome::Ok);
            self.now += 1000;
        }
        assert_eq!(counts.len(), self.pool.providers, "{counts:?}");
    }
}

/// A few schedules in every run of the suite; as many as `PROPTEST_CASES` says where somebody wants to know.
fn config() -> ProptestConfig {
    let config =
        ProptestConfig { max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases: 12, ..config } }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_rules_hold_whatever_happens(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Pick => _ = world.pick(),
                Step::End(run, outcome) => world.end(run, outcome),
                Step::Crash(run) if world.live.is_empty() => _ = run,
                Step::Crash(run) => _ = world.live.swap_remove(run % world.live.len()),
                Step::Clock(seconds) => world.now += seconds * 1000,
                Step::Configure(pool) => world.configure(pool),
                Step::Mend => world.mend(),
                Step::Reset => _ = world.tool("ar-pick", &["--reset"]).check(),
            }
            world.check();
        }
        world.recovers();
    }
}
