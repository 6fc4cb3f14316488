//! Calls that wait for a provider: never too many at once, in the order in which they came, and none that is dead.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Stdio};

/// An agent that says how many of its kind are alive, and lives until the file `go` is there.
const AGENT: &str =
    "mkdir -p \"$HOME/alive\" && : >\"$HOME/alive/$$\" && ls \"$HOME/alive\" | wc -l >>\"$HOME/counts\"
while ! [ -e \"$HOME/go\" ]; do sleep 0.02; done
rm \"$HOME/alive/$$\"; cat";

/// A user with a pool of one, and a state database.
fn home(max_parallel: u32) -> Home {
    let home = Home::new();
    home.command("slow", AGENT);
    home.model("m", &format!("command = 'slow'\nmax_parallel = {max_parallel}\n"));
    home.ar(&["pick", "--list"]).any_stdout().check();
    home
}

fn call(home: &Home, number: usize) -> Child {
    let tag = format!("--tag=n={number}");
    home.ar(&["run", "-q", "--wait", &tag, "hello"])
        .spawn(|command| _ = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
}

/// Calls that come one after the other: as soon as one stands in line, the next comes.
fn calls_in_line(home: &Home, numbers: std::ops::Range<usize>, before: usize) -> Vec<Child> {
    let mut calls = Vec::new();
    for number in numbers {
        calls.push(call(home, number));
        let waiting = before + calls.len();
        wait_until("the call stands in line", || {
            home.query("SELECT count(*) FROM waiter") == [waiting.to_string()]
        });
    }
    calls
}

fn alive(home: &Home, count: usize) -> bool {
    home.query("SELECT count(*) FROM run WHERE status = 'picked'") == [count.to_string()]
        && std::fs::read_dir(home.path("alive")).is_ok_and(|entries| entries.count() == count)
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn a_limit_holds_and_all_are_served_in_their_order() {
    let home = home(3);
    let mut calls: Vec<Child> = (0..3).map(|number| call(&home, number)).collect();
    wait_until("three runs are alive", || alive(&home, 3));
    calls.extend(calls_in_line(&home, 3..16, 0));
    home.write("go", "");
    for call in calls {
        let output = call.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"hello"[..]), "{output:?}");
    }
    let most = std::fs::read_to_string(home.path("counts")).unwrap();
    assert!(most.lines().all(|count| count.trim().parse::<u32>().unwrap() <= 3), "{most}");
    let order = home.query("SELECT tags ->> 'n' FROM run ORDER BY rowid");
    let expected: Vec<String> = (3..16).map(|number| number.to_string()).collect();
    assert_eq!(order[3..], expected);
    assert_eq!(home.query("SELECT count(*) FROM waiter"), ["0"]);
}

#[test]
fn a_crowd_is_served_and_never_more_than_may_be() {
    let home = home(3);
    home.write("go", "");
    let calls: Vec<Child> = (0..64).map(|number| call(&home, number)).collect();
    for call in calls {
        let output = call.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"hello"[..]), "{output:?}");
    }
    let most = std::fs::read_to_string(home.path("counts")).unwrap();
    assert_eq!(most.lines().count(), 64);
    assert!(most.lines().all(|count| count.trim().parse::<u32>().unwrap() <= 3), "{most}");
}

#[test]
fn the_dead_make_way() {
    let home = home(1);
    let mut holder = call(&home, 0);
    wait_until("a run is alive", || alive(&home, 1));
    let mut line = calls_in_line(&home, 1..5, 0);
    // The first and the third in line: one with all its tools, one whose tools only lose their reader.
    for index in [0, 2] {
        kill(line[index].id());
        line[index].wait().unwrap();
    }
    // The holder's ar-exec; its call sees that, and the agent dies with it.
    let exec: Vec<String> =
        home.processes().into_iter().filter(|process| process.contains("/ar-exec ")).collect();
    let runs = home.query("SELECT id FROM run WHERE status = 'picked'");
    let lock = home.path(".local/state/agent-runner/runs").join(&runs[0]).join("lock");
    let holds = |process: &&String| {
        let pid = process.split(' ').next().unwrap();
        std::fs::read_dir(format!("/proc/{pid}/fd"))
            .is_ok_and(|fds| fds.flatten().any(|fd| fd.path().read_link().is_ok_and(|file| file == lock)))
    };
    let process = exec.iter().find(holds).unwrap();
    kill(process.split(' ').next().unwrap().parse().unwrap());
    holder.wait().unwrap();
    home.write("go", "");
    for index in [1, 3] {
        let call = &mut line[index];
        assert_eq!(call.wait().unwrap().code(), Some(0));
    }
    wait_until("nobody is left", || home.query("SELECT count(*) FROM waiter") == ["0"]);
    wait_until("nothing is left", || home.processes().is_empty());
}

#[test]
fn a_signal_and_a_deadline_end_the_wait() {
    let home = home(1);
    let mut holder = call(&home, 0);
    wait_until("a run is alive", || alive(&home, 1));
    let mut waiting = calls_in_line(&home, 1..2, 0);
    kill_process(Pid::from_raw(i32::try_from(waiting[0].id()).unwrap()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&waiting[0].wait().unwrap()), Some(15));
    home.ar(&["run", "--wait", "--deadline=50ms", "hello"])
        .status(124)
        .stderr(
            "ar: no provider of model 'm' can serve: slow is full; waiting\n\
             ar: the deadline of the call has passed\n",
        )
        .check();
    home.ar(&["run", "-q", "--wait=50ms", "hello"])
        .status(75)
        .stderr(
            "ar: no provider of model 'm' can serve: slow is full\n\
             hint: the next is free at [..]Z; 'ar run --wait' waits for it\n",
        )
        .check();
    home.write("go", "");
    assert_eq!(holder.wait().unwrap().code(), Some(0));
    wait_until("nothing is left", || home.processes().is_empty());
}
