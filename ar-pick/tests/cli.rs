//! ar-pick through its binary: what it prints, chooses and refuses.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, Run};
use std::path::Path;
use std::process::{Child, Stdio};

const NOW: &str = "2026-11-20T10:00:00Z";

/// A run of ar-pick at [`NOW`].
fn pick(home: &Home, args: &[&str]) -> Run {
    home.program(Path::new(env!("CARGO_BIN_EXE_ar-pick")), args).env("AGENT_RUNNER_NOW", NOW)
}

/// Picks and gives the provider's name.
fn picked(home: &Home, args: &[&str]) -> String {
    let output = pick(home, &[args, &["-F", "provider"]].concat()).any_stdout().check();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Picks `n` times at once, and gives how often each provider was taken; those that found nobody count as "".
fn picked_at_once(home: &Home, n: usize, args: &[&str]) -> Vec<(String, usize)> {
    let spawn = || {
        pick(home, args).spawn(|command| {
            _ = command.args(["-q", "-F", "provider"]).stdout(Stdio::piped()).stderr(Stdio::null());
        })
    };
    let children: Vec<Child> = (0..n).map(|_| spawn()).collect();
    let mut counts = std::collections::BTreeMap::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        *counts.entry(String::from_utf8(output.stdout).unwrap().trim().to_owned()).or_default() += 1;
    }
    counts.into_iter().collect()
}

fn db(home: &Home, sql: &str) {
    home.query(sql);
}

/// The milliseconds of [`NOW`], moved by minutes.
fn at(minutes: i64) -> i64 {
    1_795_168_800_000 + minutes * 60_000
}

/// Writes a cooldown of the account `a` that was opened and ends so many minutes from now.
fn cool(home: &Home, class: &str, opened: i64, ends: i64) {
    picked(home, &["-m", "m", "--provider", "a"]);
    db(home, "UPDATE run SET status = 'done'");
    db(
        home,
        &format!(
            "INSERT INTO health (account, scope, class, run, opened_at, retry_at, strikes) \
             VALUES ('a', 'account', '{class}', 'x', {}, {}, 0)",
            at(opened),
            at(ends)
        ),
    );
}

#[test]
fn the_record_tells_who_was_picked_and_why() {
    let home = Home::new();
    home.pool("m", &["a", "b"]);
    pick(&home, &["--timeout", "10m"])
        .stdout(
            "{\"v\":1,\"run\":\"[..]\",\"call\":\"[..]\",\"attempt\":1,\"model\":\"m\",\
             \"dir\":\"[HOME]/.local/state/agent-runner/runs/[..]\",\
             \"pick\":{\"provider\":\"a\",\"account\":\"a\",\"at\":\"2026-11-20T10:00:00.000Z\",\
             \"lease_until\":\"2026-11-20T10:15:00.000Z\",\"probe\":false,\"reason\":\"fewest runs in tier 1\"}}\n",
        )
        .check();
    pick(&home, &["-F", "pick.reason", "--provider", "a"]).stdout("asked for by name\n").check();
    pick(&home, &["-F", "pick.at"]).stdout("2026-11-20T10:00:00.000Z\n").check();
    assert_eq!(
        home.query("SELECT provider, status, attempt FROM run ORDER BY rowid"),
        ["a|picked|1", "a|picked|1", "b|picked|1"]
    );
}

#[test]
fn what_is_wrong_is_told_in_one_line_and_rides_the_pipe() {
    let home = Home::new();
    home.pool("m", &["codex"]);
    let error = "{\"v\":1,\"run\":\"[..]\",\"call\":\"[..]\",\"attempt\":1,[..]\"error\":{\"tool\":\"ar-pick\",\
                 \"message\":\"[..]\",\"code\":2,\"hint\":\"[..]\"}}\n";
    pick(&home, &["-m", "n"])
        .status(2)
        .stdout(error)
        .stderr("ar-pick: there is no model 'n' in '[HOME]/.config/agent-runner/models'\nhint: there are m\n")
        .check();
    pick(&home, &["--provider", "codx"])
        .status(2)
        .stdout(error)
        .stderr("ar-pick: model 'm' has no provider 'codx'\nhint: did you mean 'codex'?\n")
        .check();
    pick(&home, &["-F", "run", "--call", "x"]).status(2).stderr("ar-pick: --call takes a ULID\n").check();
    pick(&home, &["-F", "nothing"]).status(2).stderr("ar-pick: the record has no field 'nothing'\n").check();
    let home = Home::new();
    home.pool("m", &["codex"]);
    home.write(".local/state/agent-runner/state.db", "garbage ".repeat(1000));
    pick(&home, &["-F", "run"])
        .status(2)
        .stderr(
            "ar-pick: cannot use the state database '[HOME]/.local/state/agent-runner/state.db': \
             it is damaged or not a database\n\
             hint: move it away and a new one is made; nothing was changed\n",
        )
        .check();
}

#[test]
fn nobody_left_is_69_or_75_and_says_when_somebody_is_back() {
    let home = Home::new();
    home.model("m", "[[providers]]\ncommand = 'a'\n[[providers]]\ncommand = 'b'\ndisabled = true\n");
    pick(&home, &["--exclude", "a"])
        .status(69)
        .any_stdout()
        .stderr(
            "ar-pick: no provider of model 'm' can serve: a is excluded, b is disabled\n\
             hint: leave out --exclude or --provider\n",
        )
        .check();
    cool(&home, "quota_exhausted", -1, 30);
    pick(&home, &[])
        .status(75)
        .stdout(
            "{\"v\":1,\"run\":\"[..]\",\"call\":\"[..]\",\"attempt\":1,\"model\":\"m\",\"error\":{\"tool\":\"ar-pick\",\
             \"message\":\"no provider of model 'm' can serve: \
             a cools until 2026-11-20T10:30:00.000Z (quota_exhausted), b is disabled\",\"code\":75,\
             \"hint\":\"the next is free at 2026-11-20T10:30:00.000Z; 'ar run --wait' waits for it\",\
             \"retry_at\":\"2026-11-20T10:30:00.000Z\"}}\n",
        )
        .stderr(
            "ar-pick: no provider of model 'm' can serve: \
             a cools until 2026-11-20T10:30:00.000Z (quota_exhausted), b is disabled\n\
             hint: the next is free at 2026-11-20T10:30:00.000Z; 'ar run --wait' waits for it\n",
        )
        .check();
    pick(&home, &["-q"]).status(75).any_stdout().check();
    db(&home, "UPDATE health SET class = 'auth_expired'");
    pick(&home, &[])
        .status(69)
        .any_stdout()
        .stderr(
            "ar-pick: no provider of model 'm' can serve: \
             a cools until 2026-11-20T10:30:00.000Z (auth_expired), b is disabled\n\
             hint: 'ar pick -m m --explain' tells more; --reset, --enable and --unlock help\n",
        )
        .check();
}

#[test]
fn simultaneous_picks_are_level() {
    let home = Home::new();
    home.pool("m", &["a", "b", "c", "d"]);
    let even: Vec<(String, usize)> = ["a", "b", "c", "d"].map(|name| (name.to_owned(), 16)).into();
    assert_eq!(picked_at_once(&home, 64, &[]), even);
    assert_eq!(
        home.query(
            "SELECT provider, runs FROM provider p JOIN (SELECT provider, count(*) n FROM run \
        GROUP BY provider) r ON r.provider = p.name WHERE r.n <> p.runs"
        ),
        [""; 0]
    );
}

#[test]
fn weights_are_shares() {
    let home = Home::new();
    home.model("m", "[[providers]]\ncommand = 'a'\nweight = 3\n[[providers]]\ncommand = 'b'\n");
    assert_eq!(picked_at_once(&home, 32, &[]), [("a".to_owned(), 24), ("b".to_owned(), 8)]);
}

#[test]
fn a_newcomer_gets_its_share_and_a_change_of_the_file_keeps_the_history() {
    let home = Home::new();
    home.pool("m", &["a", "b"]);
    picked_at_once(&home, 10, &[]);
    db(&home, "UPDATE provider SET runs = 5000, pass = 5000 * 5354228880");
    db(&home, "UPDATE pool SET level = 5000 * 5354228880");
    home.pool("m", &["c", "b", "a"]);
    let drawn: Vec<String> = (0..9).map(|_| picked(&home, &[])).collect();
    assert_eq!(drawn.concat(), "cbacbacba");
    home.pool("m", &["a"]);
    assert_eq!(picked(&home, &[]), "a");
    assert_eq!(home.query("SELECT name, runs FROM provider ORDER BY name"), ["a|5004", "b|5003", "c|3"]);
}

#[test]
fn one_run_tries_out_what_may_have_recovered() {
    let home = Home::new();
    home.pool("m", &["a"]);
    cool(&home, "rate_limit", -10, -5);
    assert_eq!(picked_at_once(&home, 16, &[]), [(String::new(), 15), ("a".to_owned(), 1)]);
    pick(&home, &["--explain"])
        .stdout(
            "  PROVIDER  TIER  WEIGHT  RUNS  LIVE  SCORE  WHY\n  \
               a            1       1     2     1   1.00  left: it is being tried out after rate_limit\n",
        )
        .check();
    // The trial died with its process, whose directory is gone; on its own host nobody waits for the lease's end.
    let later = "2026-11-20T10:00:31Z";
    pick(&home, &["--explain"])
        .env("AGENT_RUNNER_NOW", later)
        .stdout(
            "  PROVIDER  TIER  WEIGHT  RUNS  LIVE  SCORE  WHY\n\
             * a            1       1     2     0   0.00  taken: trying it out after rate_limit\n",
        )
        .check();
    pick(&home, &["-F", "pick.probe"]).env("AGENT_RUNNER_NOW", later).stdout("true\n").check();
    assert_eq!(home.query("SELECT status, count(*) FROM run GROUP BY 1"), ["done|1", "lost|1", "picked|1"]);
}

#[test]
fn a_cooldown_outlasts_neither_its_longest_nor_a_clock_that_was_set() {
    for (opened, ends, answer) in [
        (-60, 18 * 24 * 60, 75),
        // Six hours have passed since it began.
        (-361, 18 * 24 * 60, 0),
        // The clock was a week ahead when it began.
        (7 * 24 * 60, 7 * 24 * 60 + 30, 0),
        // The clock was set back a day since.
        (24 * 60, 24 * 60 + 30, 0),
        // It has been set forward a week.
        (-7 * 24 * 60, -7 * 24 * 60 + 30, 0),
    ] {
        let home = Home::new();
        home.pool("m", &["a"]);
        cool(&home, "quota_exhausted", opened, ends);
        pick(&home, &["-q"]).status(answer).any_stdout().check();
    }
}

#[test]
fn the_numbers_of_the_cooldowns_are_read_and_printed() {
    let home = Home::new();
    home.write(".config/agent-runner/config.toml", "[cooldown]\nmax_cooldown = '30m'\nrate_limit = 45\n");
    pick(&home, &["--policy"])
        .stdout(
            "[cooldown]\nrate_limit = \"45s\"\nrate_limit_max = \"30m\"\nquota_exhausted = \"1h\"\n\
             auth_expired = \"30m\"\ncli_version_mismatch = \"6h\"\nmax_cooldown = \"30m\"\njitter = \"10s\"\n\
             failed_of_late = \"30m\"\n",
        )
        .check();
    home.pool("m", &["a"]);
    cool(&home, "quota_exhausted", -31, 60);
    pick(&home, &["-F", "pick.probe"]).stdout("true\n").check();
}

#[test]
fn what_cannot_be_shown_is_an_error() {
    let home = Home::new();
    home.pool("m", &["a"]);
    for flags in ["--policy", "--list", "--list --json", "--explain", "--explain --json"] {
        home.sh(&format!("ar-pick {flags} >/dev/full"))
            .status(2)
            .stderr("ar-pick: cannot write to standard output: No space left on device (os error 28)\n")
            .check();
    }
}

#[test]
fn no_more_runs_are_alive_than_may_be() {
    let home = Home::new();
    home.model("m", "[[providers]]\ncommand = 'a'\nmax_parallel = 3\n");
    assert_eq!(picked_at_once(&home, 64, &[]), [(String::new(), 61), ("a".to_owned(), 3)]);
    pick(&home, &["-q", "-F", "error.retry_at"]).status(75).check();

    // An account's limit holds across models and names.
    let home = Home::new();
    home.write(".config/agent-runner/config.toml", "[accounts.work]\nmax_parallel = 2\n");
    home.model("m", "account = 'work'\n[[providers]]\ncommand = 'a'\n[[providers]]\ncommand = 'b'\n");
    home.model("n", "account = 'work'\ncommand = 'c'\n");
    assert_eq!(picked(&home, &["-m", "n"]), "c");
    assert_eq!(picked_at_once(&home, 16, &["-m", "m"]), [(String::new(), 15), ("a".to_owned(), 1)]);
    pick(&home, &["-m", "n", "--explain"])
        .stdout(
            "  PROVIDER  TIER  WEIGHT  RUNS  LIVE  SCORE  WHY\n  \
               c            1       1     1     1   1.00  left: it has a full account\n",
        )
        .check();
}

#[test]
fn a_model_is_locked_to_a_provider_until_it_is_unlocked() {
    let home = Home::new();
    home.pool("m", &["a", "b"]);
    pick(&home, &["--lock", "b", "--for", "2h"]).check();
    assert_eq!([picked(&home, &[]), picked(&home, &[])], ["b", "b"]);
    pick(&home, &["--explain"])
        .stdout(
            "  PROVIDER  TIER  WEIGHT  RUNS  LIVE  SCORE  WHY\n  \
               a            1       1     0     0   0.00  left: it makes way for b, to which the model is locked \
             until 2026-11-20T12:00:00.000Z\n\
             * b            1       1     2     2   0.00  taken: the only one free in tier 1\n",
        )
        .check();
    // The lock ends by itself, so that waiting helps.
    pick(&home, &["--disable", "b"]).check();
    pick(&home, &["-F", "run"])
        .status(75)
        .stderr(
            "ar-pick: no provider of model 'm' can serve: a makes way for b, to which the model is locked \
             until 2026-11-20T12:00:00.000Z, b is switched off\n\
             hint: the next is free at 2026-11-20T12:00:00.000Z; 'ar run --wait' waits for it\n",
        )
        .check();
    pick(&home, &["--enable", "b"]).check();
    let after = "2026-11-20T12:00:01Z";
    pick(&home, &["-F", "provider"]).env("AGENT_RUNNER_NOW", after).stdout("a\n").check();
    pick(&home, &["--lock", "b"]).check();
    assert_eq!(picked(&home, &[]), "b");
    pick(&home, &["--unlock"]).check();
    assert_eq!(picked(&home, &[]), "a");
    // A lock to a provider that is no longer there locks nobody out.
    pick(&home, &["--lock", "b"]).check();
    home.pool("m", &["a", "c"]);
    assert_eq!(picked(&home, &[]), "c");
}

#[test]
fn a_provider_is_switched_off_and_on_by_hand() {
    let home = Home::new();
    home.model("m", "[[providers]]\ncommand = 'a'\n[[providers]]\ncommand = 'b'\ndisabled = true\n");
    pick(&home, &["--disable", "a"]).check();
    pick(&home, &[])
        .status(69)
        .any_stdout()
        .stderr(
            "ar-pick: no provider of model 'm' can serve: a is switched off, b is disabled\n\
             hint: 'ar pick -m m --explain' tells more; --reset, --enable and --unlock help\n",
        )
        .check();
    pick(&home, &["--enable", "a"]).check();
    assert_eq!(picked(&home, &[]), "a");
    pick(&home, &["--enable", "b"])
        .status(2)
        .stderr(
            "ar-pick: cannot enable 'b': the configuration disables it\n\
             hint: take 'disabled' out of '[HOME]/.config/agent-runner/models/m.toml'\n",
        )
        .check();
}

#[test]
fn cooldowns_are_ended_by_hand_for_one_provider_or_all() {
    let home = Home::new();
    home.pool("m", &["a", "b"]);
    for reset in [&["--reset", "a"][..], &["--reset"]] {
        cool(&home, "auth_expired", -1, 30);
        pick(&home, reset).check();
        assert_eq!(home.query("SELECT count(*) FROM health"), ["0"]);
    }
    // The history tells when it ended.
    home.query(
        "INSERT INTO run (id, call_id, attempt, status, picked_at, cooled_until) \
         VALUES ('R', 'R', 1, 'done', 0, 9000000000000)",
    );
    cool(&home, "auth_expired", -1, 30);
    home.query("UPDATE health SET run = 'R'");
    pick(&home, &["--reset"]).check();
    assert_eq!(home.query("SELECT cooled_until FROM run WHERE id = 'R'"), ["1795168800000"]);
}

#[test]
fn strategies_choose_inside_a_tier() {
    let home = Home::new();
    home.model(
        "m",
        "strategy = 'ordered'\n[[providers]]\ncommand = 'a'\nmax_parallel = 2\n[[providers]]\ncommand = 'b'\n",
    );
    let ordered: Vec<String> = (0..3).map(|_| picked(&home, &[])).collect();
    assert_eq!(ordered, ["a", "a", "b"]);
    db(&home, "UPDATE run SET status = 'done' WHERE provider = 'a'");
    assert_eq!(picked(&home, &["--strategy", "least-busy"]), "a");
    assert_eq!(picked(&home, &["--strategy", "round-robin"]), "b");

    let draws = |seed: &str| -> Vec<String> {
        let home = Home::new();
        home.pool("m", &["a", "b", "c"]);
        let draw = || {
            let output = pick(&home, &["--strategy", "random", "-F", "provider"])
                .env("AGENT_RUNNER_SEED", seed)
                .any_stdout()
                .check();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        (0..12).map(|_| draw()).collect()
    };
    assert_eq!(draws("1"), draws("1"));
    assert_ne!(draws("1"), draws("2"));
}

#[test]
fn a_key_sticks_to_a_provider_and_falls_back_while_that_one_rests() {
    let home = Home::new();
    home.pool("m", &["a", "b", "c"]);
    let keys: Vec<String> = (0..12).map(|n| format!("key{n}")).collect();
    let owners: Vec<String> = keys.iter().map(|key| picked(&home, &["--sticky", key])).collect();
    assert!(["a", "b", "c"].iter().all(|name| owners.iter().any(|owner| owner == name)), "{owners:?}");
    pick(&home, &["--disable", "a"]).check();
    for (key, owner) in keys.iter().zip(&owners) {
        let now = picked(&home, &["--sticky", key]);
        assert!(if owner == "a" { now != "a" } else { now == *owner }, "{key}: {owner}, {now}");
    }
    pick(&home, &["--enable", "a"]).check();
    for (key, owner) in keys.iter().zip(&owners) {
        assert_eq!(picked(&home, &["--sticky", key]), *owner);
    }
}

#[test]
fn explain_is_for_programs_too_and_is_kept_with_the_run() {
    let home = Home::new();
    home.pool("m", &["a", "b"]);
    let json = "{\"model\":\"m\",\"waiting\":0,\"candidates\":[\
                {\"provider\":\"a\",\"tier\":1,\"weight\":1,\"runs\":0,\"live\":0,\"health\":\"ready\",\
                \"score\":0.0,\"taken\":true,\"why\":\"fewest runs in tier 1\"},\
                {\"provider\":\"b\",\"tier\":1,\"weight\":1,\"runs\":0,\"live\":0,\"health\":\"ready\",\
                \"score\":0.0,\"taken\":false,\"why\":\"another comes first in the file\"}]}\n";
    pick(&home, &["--explain", "--json"]).stdout(json).check();
    assert_eq!(picked(&home, &[]), "a");
    let kept = home.query("SELECT why FROM run");
    assert!(json.contains(&kept[0]), "{kept:?}");
}

#[test]
fn all_pools_are_listed_and_a_broken_one_is_told_of() {
    let home = Home::new();
    home.pool("m", &["a", "codex-work"]);
    home.pool("n", &["c"]);
    cool(&home, "rate_limit", -1, 5);
    home.model("x", "comand = 'y'\n");
    pick(&home, &["--list"])
        .status(2)
        .stdout(
            "MODEL  PROVIDER    TIER  WEIGHT  RUNS  LIVE  HEALTH\n\
             m      a              1       1     1     0  cooling (rate_limit) until 2026-11-20T10:05:00.000Z\n\
             m      codex-work     1       1     0     0  ready\n\
             n      c              1       1     0     0  ready\n",
        )
        .stderr(
            "ar-pick: [HOME]/.config/agent-runner/models/x.toml:1: unknown key 'comand'\n\
             hint: did you mean 'command'?\n",
        )
        .check();
}

#[test]
fn another_model_serves_when_nobody_is_left_and_says_so() {
    let home = Home::new();
    home.model("m", "fallback = ['n']\ncommand = 'a'\nmax_parallel = 1\n");
    home.model("n", "fallback = ['o']\ncommand = 'b'\nmax_parallel = 1\n");
    home.model("o", "command = 'a'\nmax_parallel = 1\n");
    assert_eq!(picked(&home, &["-m", "m"]), "a");
    pick(&home, &["-m", "m"])
        .stdout(
            "{\"v\":1,\"run\":\"[..]\",\"call\":\"[..]\",\"attempt\":1,\"model\":\"n\",\"model_asked\":\"m\",[..]\
             \"pick\":{\"provider\":\"b\",[..]}}\n",
        )
        .stderr("ar-pick: no provider of model 'm' can serve: a is full; falling back to model 'n'\n")
        .check();
    // What is foretold is what was done: 'n' is full by now.
    pick(&home, &["-m", "m", "--explain"])
        .stdout(
            "  PROVIDER  TIER  WEIGHT  RUNS  LIVE  SCORE  WHY\n  \
               a            1       1     1     1   1.00  left: it is full\n\
             nobody is left; falling back to model 'n':\n  \
               PROVIDER  TIER  WEIGHT  RUNS  LIVE  SCORE  WHY\n  \
               b            1       1     1     1   1.00  left: it is full\n\
             nobody is left; falling back to model 'o':\n  \
               PROVIDER  TIER  WEIGHT  RUNS  LIVE  SCORE  WHY\n\
             * a            1       1     0     0   0.00  taken: the only one free in tier 1\n",
        )
        .check();
    // A provider of that name failed in one model, which says nothing of the other.
    assert_eq!(picked(&home, &["-q", "-m", "m", "--exclude", "m/a"]), "a");
    pick(&home, &["-m", "m", "-q"]).status(75).any_stdout().check();
    // Who names a provider wants no other.
    pick(&home, &["-m", "m", "-q", "--provider", "a"]).status(75).any_stdout().check();

    home.model("o", "fallback = ['m']\ncommand = 'c'\nmax_parallel = 1\n");
    pick(&home, &["-m", "m", "-F", "run"])
        .status(2)
        .stderr(
            "ar-pick: [HOME]/.config/agent-runner/models/m.toml: 'fallback' goes in a circle, \
             from 'm' to 'n' to 'o' to 'm'\n\
             hint: take one of them out\n",
        )
        .check();
}

#[test]
fn a_wait_ends_after_its_time_and_leaves_the_line() {
    let home = Home::new();
    home.model("m", "command = 'a'\nmax_parallel = 1\n");
    picked(&home, &[]);
    pick(&home, &["--wait=20ms"])
        .status(75)
        .any_stdout()
        .stderr(
            "ar-pick: no provider of model 'm' can serve: a is full; waiting\n\
             ar-pick: no provider of model 'm' can serve: a is full\n\
             hint: the next is free at 2026-11-20T10:00:01.000Z; 'ar run --wait' waits for it\n",
        )
        .check();
    assert_eq!(home.query("SELECT count(*) FROM waiter"), ["0"]);
    pick(&home, &["--disable", "a"]).check();
    // What does not pass by itself is not waited for.
    pick(&home, &["--wait", "-q"]).status(69).any_stdout().check();
}

#[test]
fn quotas_are_asked_for_now_and_then_and_a_window_that_is_used_up_is_waited_for() {
    let home = Home::new();
    home.command("quota-a", "echo x >>\"$HOME/asked\"; cat \"$HOME/quota\"");
    home.command("quota-b", "exit 3");
    home.write(
        ".config/agent-runner/config.toml",
        "[accounts.a]\nquota_command = ['quota-a']\n[accounts.b]\nquota_command = ['quota-b']\n",
    );
    home.pool("m", &["b", "a"]);
    let quota = |percent: u32| {
        let text = format!(
            "{{\"windows\":[{{\"name\":\"5h\",\"used_percent\":{percent},\"resets_at\":\"2026-11-20T12:00:00Z\"}},\
             {{\"name\":\"week\",\"used_percent\":100}}]}}"
        );
        home.write("quota", text);
    };
    quota(40);
    // A window without an end stands in nobody's way.
    assert_eq!(picked(&home, &["--strategy", "soonest-reset"]), "a");
    quota(100);
    pick(&home, &["--explain"])
        .stdout(
            "  PROVIDER  TIER  WEIGHT  RUNS  LIVE  SCORE  WHY\n\
             * b            1       1     0     0   0.00  taken: fewest runs in tier 1\n  \
               a            1       1     1     1   1.00  left: another has fewer runs\n\
             quota of a: 5h 40% until 2026-11-20T12:00:00.000Z, week 100%\n\
             quota of b: unknown, 'quota-b' ended with exit status: 3\n",
        )
        .check();
    assert_eq!(std::fs::read_to_string(home.path("asked")).unwrap(), "x\n");
    let later = "2026-11-20T10:05:00Z";
    pick(&home, &["--exclude", "b"])
        .env("AGENT_RUNNER_NOW", later)
        .status(75)
        .any_stdout()
        .stderr(
            "ar-pick: no provider of model 'm' can serve: \
             b is excluded, a has used up its quota of 5h until 2026-11-20T12:00:00.000Z\n\
             hint: the next is free at 2026-11-20T12:00:00.000Z; 'ar run --wait' waits for it\n",
        )
        .check();
    // At its reset it is free, though the command has nothing new to tell.
    let reset = "2026-11-20T12:00:00Z";
    pick(&home, &["-F", "provider", "--exclude", "b"]).env("AGENT_RUNNER_NOW", reset).stdout("a\n").check();
}

#[test]
fn what_is_not_known_of_quotas_is_said() {
    let home = Home::new();
    home.write(".config/agent-runner/config.toml", "[accounts.a]\nquota_command = ['quota']\n");
    home.pool("m", &["b", "a"]);
    let window = "{\"name\":\"5h\",\"used_percent\":40,\"resets_at\":\"2026-11-20T12:00:00Z\"}";
    home.command("quota", &format!("echo '{{\"windows\":[{window}]}}'"));
    pick(&home, &["--explain"]).any_stdout().check();
    home.command("quota", "exit 4");
    for (now, taken, left, told) in [
        (
            "2026-11-20T11:30:00Z",
            "a            1       1     0     0   0.50  taken: refilled first in tier 1",
            "b            1       1     0     0      -  left: another is refilled first",
            "5h 40% until 2026-11-20T12:00:00.000Z, no news since",
        ),
        // What was told long ago is forgotten.
        (
            "2026-11-20T18:00:00Z",
            "b            1       1     0     0      -  taken: fewest runs in tier 1, of whose quota nothing is known",
            "a            1       1     0     0      -  left: another comes first in the file",
            "unknown",
        ),
    ] {
        let explain = pick(&home, &["--explain", "--strategy", "soonest-reset"]).env("AGENT_RUNNER_NOW", now);
        let told = format!("quota of a: {told}, 'quota' ended with exit status: 4\n");
        let mut lines = [format!("* {taken}\n"), format!("  {left}\n")];
        lines.sort_by_key(|line| line.contains(" a "));
        let head = "  PROVIDER  TIER  WEIGHT  RUNS  LIVE  SCORE  WHY\n";
        explain.stdout(format!("{head}{}{told}", lines.concat())).check();
    }
}
