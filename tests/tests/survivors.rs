//! Nothing of a run survives it: calls with agents of the worst kind, ended at random moments in every way.
//!
//! `AR_TRIALS` sets how many, `AR_SEED` repeats a failure.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, Signal, kill, wait_until};
use rustix::process::{Pid, kill_process};
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// From the end of the call, or the signal, to when nothing may be left.
const LIMIT: Duration = Duration::from_secs(7);
const TRIALS: u64 = 24;
const THREADS: usize = 6;

/// Bodies of agents; each makes the file `started` when it is at its worst.
const AGENTS: [(&str, &str); 9] = [
    ("sleeps", "touch started; exec sleep 600"),
    ("ignores signals", "trap '' TERM INT HUP QUIT; touch started; while :; do sleep 1; done"),
    (
        "leaves the session",
        "setsid sh -c 'trap \"\" TERM HUP; sleep 600; sleep 600' & touch started; sleep 600",
    ),
    (
        "forks twice",
        "(setsid sh -c 'sleep 600' &); (trap '' TERM HUP; sleep 600 &); touch started; sleep 600",
    ),
    ("stops itself", "(sleep 600; :) & touch started; kill -STOP $$; sleep 600"),
    ("has many children", "i=0; while [ $i -lt 200 ]; do sleep 600 & i=$((i+1)); done; touch started; wait"),
    ("goes on forking", "touch started; while :; do sleep 600 & sleep 0.01; done"),
    (
        "is gone, its daemon is not",
        "setsid sh -c 'trap \"\" TERM; touch started; sleep 600' & sleep 0.1; echo ok",
    ),
    (
        "cleans its environment",
        "env -i HOME=\"$HOME\" setsid sh -c 'trap \"\" TERM; touch started; sleep 600' & wait",
    ),
];

/// Whom the signal goes to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    Run,
    Group,
    Exec,
}

const TARGETS: [Target; 3] = [Target::Run, Target::Group, Target::Exec];
const SIGNALS: [Signal; 5] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::KILL];

#[test]
fn nothing_survives_the_end_of_a_call() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed =
        number("AR_SEED").unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    let trials = number("AR_TRIALS").unwrap_or(TRIALS);
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let trial = next.fetch_add(1, Ordering::Relaxed);
                    if trial >= trials {
                        return;
                    }
                    Trial::new(seed, trial).perform();
                }
            });
        }
    });
}

struct Trial {
    name: String,
    agent: &'static str,
    target: Target,
    signal: Signal,
    delay: Duration,
}

impl Trial {
    fn new(seed: u64, trial: u64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(1000).wrapping_add(trial) | 1);
        let (kind, agent) = AGENTS[chance.below(AGENTS.len())];
        let mut target = TARGETS[chance.below(TARGETS.len())];
        let signal = SIGNALS[chance.below(SIGNALS.len())];
        // A call that was killed as a whole is cleaned up by the next one, which is another test.
        if signal == Signal::KILL {
            target = Target::Exec;
        }
        let delay = Duration::from_millis(chance.below(300) as u64);
        let name =
            format!("seed {seed}, trial {trial}: {signal:?} to {target:?} after {delay:?}, the agent {kind}");
        Self { name, agent, target, signal, delay }
    }

    fn perform(&self) {
        let home = Home::new();
        home.command("agent", &format!("cd \"$HOME\"; {}", self.agent));
        home.model("pool", "command = \"agent\"\n");
        let mut call = home.ar(&["run", "-m", "pool", "hi"]).spawn(|command| {
            command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        });
        wait_until(&self.name, || home.path("started").exists());
        thread::sleep(self.delay);
        let since = Instant::now();
        self.send(&home, &mut call);
        call.wait().unwrap();
        while !home.processes().is_empty() {
            assert!(since.elapsed() < LIMIT, "{}\n{}", self.name, home.processes().join("\n"));
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whoever is to get the signal may have ended by itself.
    fn send(&self, home: &Home, call: &mut Child) {
        if call.try_wait().unwrap().is_some() {
            return;
        }
        let pid = i32::try_from(call.id()).unwrap();
        match self.target {
            Target::Run => kill(pid, self.signal),
            Target::Group => kill(-pid, self.signal),
            Target::Exec => {
                let exec = home.processes().into_iter().find(|line| line.contains("/ar-exec "));
                let pid = exec.and_then(|line| line.split(' ').next()?.parse().ok());
                if let Some(pid) = pid.and_then(Pid::from_raw) {
                    // It may have ended since it was looked for.
                    let _ = kill_process(pid, self.signal);
                }
            }
        }
    }
}

/// A source of numbers that can be repeated.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

#[test]
fn the_next_call_ends_what_a_killed_one_left_behind() {
    let home = Home::new();
    home.command(
        "agent",
        "cd \"$HOME\"; test -e started && exec echo ok\n\
         setsid sleep 600 & env -i HOME=\"$HOME\" setsid sleep 600 & touch started; sleep 600",
    );
    home.model("pool", "command = \"agent\"\n");
    let mut call = home.ar(&["run", "-m", "pool", "hi"]).spawn(|command| {
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    });
    wait_until("the agent starts", || home.path("started").exists());
    kill(-i32::try_from(call.id()).unwrap(), Signal::KILL);
    call.wait().unwrap();
    let dir = fs::read_dir(home.path(".local/state/agent-runner/runs")).unwrap().next().unwrap().unwrap();
    let lock = dir.path().join("lock");
    wait_until("ar-exec is gone", || fs::File::open(&lock).unwrap().try_lock_shared().is_ok());
    // A run whose directory was touched lately may be about to be stored, so it must look older.
    let long_ago = SystemTime::now() - Duration::from_mins(1);
    fs::File::open(dir.path()).unwrap().set_modified(long_ago).unwrap();
    home.ar(&["run", "-m", "pool", "hi"]).stdout("ok\n").check();
    assert_eq!(home.processes(), [""; 0]);
}

fn keepers(home: &Home) -> Vec<i32> {
    let lines = home.processes();
    let pids =
        lines.iter().filter_map(|line| line.split_once(' ').filter(|(_, words)| *words == "ar-keeper"));
    pids.map(|(pid, _)| pid.parse().unwrap()).collect()
}

fn kill_keeper(home: &Home) {
    for pid in keepers(home) {
        kill(pid, Signal::KILL);
    }
}

#[test]
fn the_next_call_ends_what_a_keeper_was_killed_over() {
    let home = Home::new();
    home.command(
        "agent",
        "cd \"$HOME\"; test -e started && exec echo ok\n\
         setsid sh -c 'touch started; sleep 600' & until test -e started; do sleep 0.02; done; echo ok",
    );
    home.model("pool", "command = \"agent\"\nlinger = \"600s\"\n");
    home.ar(&["run", "-m", "pool", "hi"]).stdout("ok\n").check();
    kill_keeper(&home);
    wait_until("the keeper is gone", || keepers(&home).is_empty());
    assert!(!home.processes().is_empty());
    home.ar(&["run", "-m", "pool", "hi"]).stdout("ok\n").check();
    assert_eq!(home.processes(), [""; 0]);
}

#[test]
fn the_next_call_ends_what_is_left_of_a_command_by_hand() {
    let home = Home::new();
    home.command(
        "agent",
        "cd \"$HOME\"; test -e started && exec echo ok\n\
         env -i HOME=\"$HOME\" setsid sleep 600 & sleep 0.1; touch started; sleep 600",
    );
    home.model("pool", "command = \"agent\"\n");
    for next in [&["run", "-m", "pool", "hi"][..], &["exec", "--", "true"]] {
        let mut call = home.ar(&["exec", "--", "agent"]).spawn(|command| {
            command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        });
        wait_until("the agent starts", || home.path("started").exists());
        kill_keeper(&home);
        kill(i32::try_from(call.id()).unwrap(), Signal::KILL);
        call.wait().unwrap();
        wait_until("the keeper is gone", || keepers(&home).is_empty());
        assert!(!home.processes().is_empty());
        home.ar(next).any_stdout().check();
        wait_until("all processes end", || home.processes().is_empty());
        fs::remove_file(home.path("started")).unwrap();
    }
    assert_eq!(fs::read_dir(home.path(".local/state/agent-runner/loose")).unwrap().count(), 0);
}

#[test]
fn what_lingers_after_its_run_is_nothing_to_warn_of() {
    let home = Home::new();
    home.command(
        "agent",
        "cd \"$HOME\"; setsid sh -c 'touch started; until test -e over; do sleep 0.02; done' &\n\
         until test -e started; do sleep 0.02; done; echo ok",
    );
    home.model("pool", "command = \"agent\"\nlinger = \"20s\"\n");
    home.ar(&["run", "-m", "pool", "hi"]).stdout("ok\n").check();
    assert!(!home.processes().is_empty());
    let output = home.ar(&["setup", "doctor", "--json"]).any_status().any_stdout().any_stderr().check();
    home.write("over", "");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("\"findings\"") && !said.contains("orphans"), "{said}");
    wait_until("all processes end", || home.processes().is_empty());
}
