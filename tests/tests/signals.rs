//! Whatever is killed, no agent survives, no row is lost, and the next call works.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, Signal, kill, wait_until};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};

/// A pool of one that serves one run at a time: a reservation that stays behind would keep the next call out.
fn home() -> Home {
    let home = Home::new();
    home.command("agent", "test -e \"$HOME/quick\" && exec echo ok\ntouch \"$HOME/started\"\nexec sleep 600");
    home.model("pool", "command = \"agent\"\nmax_parallel = 1\n");
    home
}

/// Starts a call in a process group of its own, as a terminal does, and waits until its agent runs.
fn start(home: &Home) -> Child {
    let child = home.ar(&["run", "-m", "pool", "hi"]).spawn(|command| {
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    });
    wait_until("the agent starts", || home.path("started").exists());
    child
}

fn status(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|n| 128 + n)).unwrap()
}

fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

/// What must hold after anything.
fn all_is_well(home: &Home) {
    wait_until("all processes end", || home.processes().is_empty());
    assert_eq!(home.query("PRAGMA integrity_check"), ["ok"]);
    assert_eq!(home.query("SELECT provider FROM run WHERE provider <> ''"), ["agent"]);
    home.write("quick", "");
    // Where the row of the run could not be stored, ar-pick gives it two seconds before it takes the run for lost.
    home.ar(&["run", "-m", "pool", "--wait=20s", "hi"]).stdout("ok\n").any_stderr().check();
    assert_eq!(home.query("SELECT count(*) FROM run WHERE status = 'picked'"), ["0"]);
    assert_eq!(home.query("SELECT count(*) FROM run WHERE provider <> ''"), ["2"]);
}

#[test]
fn a_signal_to_the_whole_group_ends_the_call_and_its_row_is_stored() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let home = home();
        let mut child = start(&home);
        kill(-pid(&child), signal);
        assert_eq!(status(child.wait().unwrap()), code, "{signal:?}");
        assert_eq!(home.query("SELECT status, verdict, detail FROM run"), ["done|task|cancelled"]);
        all_is_well(&home);
    }
}

#[test]
fn a_signal_to_ar_run_alone_ends_the_call_and_its_row_is_stored() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let home = home();
        let mut child = start(&home);
        kill(pid(&child), signal);
        assert_eq!(status(child.wait().unwrap()), code, "{signal:?}");
        assert_eq!(home.query("SELECT status, verdict, detail FROM run"), ["done|task|cancelled"]);
        all_is_well(&home);
    }
}

#[test]
fn kill_9_of_any_process_of_the_pipeline_leaves_nothing_behind() {
    for victim in ["ar run", "ar-exec", "ar-diagnose", "ar-log"] {
        let home = home();
        let mut child = start(&home);
        let all = home.processes();
        let of = |name: &str| {
            all.iter().find_map(|process| {
                let (pid, words) = process.split_once(' ')?;
                let program = words.split(' ').next()?.rsplit('/').next()?;
                (program == name).then(|| pid.parse::<i32>().unwrap())
            })
        };
        let victim_pid = if victim == "ar run" { Some(pid(&child)) } else { of(victim) };
        kill(victim_pid.unwrap_or_else(|| panic!("no {victim} in {all:?}")), Signal::KILL);
        let code = status(child.wait().unwrap());
        assert_ne!(code, 0, "{victim}");
        wait_until(&format!("all end after {victim}"), || home.processes().is_empty());
        all_is_well(&home);
    }
}

#[test]
fn a_signal_to_a_pipeline_by_hand_is_its_status() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let home = home();
        let by_hand = "trap : INT TERM HUP QUIT; ar-pick -m pool | ar-exec hi | ar-diagnose | ar-log --cat";
        let mut child = home.sh(by_hand).spawn(|command| {
            command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        });
        wait_until("the agent starts", || home.path("started").exists());
        kill(-pid(&child), signal);
        assert_eq!(status(child.wait().unwrap()), code, "{signal:?}");
        assert_eq!(home.query("SELECT status, verdict, detail FROM run"), ["done|task|cancelled"]);
        all_is_well(&home);
    }
}

#[test]
fn a_child_that_ignores_sigterm_is_killed_after_the_grace() {
    let home = Home::new();
    home.command("agent", "trap '' TERM INT HUP\ntouch \"$HOME/started\"\nwhile :; do sleep 1; done");
    home.model("pool", "command = \"agent\"\n");
    let mut child = start(&home);
    kill(-pid(&child), Signal::TERM);
    assert_eq!(status(child.wait().unwrap()), 143);
    wait_until("all processes end", || home.processes().is_empty());
}

#[test]
fn kill_9_at_any_moment_leaves_a_database_that_opens() {
    let home = Home::new();
    home.command("agent", "echo ok");
    home.pool("pool", &["agent"]);
    // Moments spread over the few milliseconds that a call takes, by the number of processes that it has started so far.
    for busy in 0..40 {
        let mut child = home.ar(&["run", "-m", "pool", "hi"]).spawn(|command| {
            command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        });
        for _ in 0..busy * 2000 {
            std::hint::spin_loop();
        }
        kill(-pid(&child), Signal::KILL);
        child.wait().unwrap();
    }
    wait_until("all processes end", || home.processes().is_empty());
    home.ar(&["run", "-m", "pool", "hi"]).stdout("ok\n").check();
    assert_eq!(home.query("PRAGMA integrity_check"), ["ok"]);
}
