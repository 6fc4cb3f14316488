//! Calls from a terminal: the answer comes live, and Ctrl-C ends the call.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, skip, wait_until};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};

/// Starts a command on a terminal of its own. What is typed goes to its standard input, what it shows to `work/shown`.
fn on_a_terminal(home: &Home, command: &str) -> Option<Child> {
    let script = Path::new("/usr/bin/script");
    if !script.exists() {
        skip("script(1) is not installed");
        return None;
    }
    home.write("work/shown", "");
    Some(home.program(script, &["-qfec", command, "shown"]).env("SHELL", "/bin/sh").spawn(|command| {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    }))
}

fn shown(home: &Home) -> String {
    String::from_utf8_lossy(&fs::read(home.path("work/shown")).unwrap()).into_owned()
}

#[test]
fn the_answer_comes_as_it_is_written() {
    let home = Home::new();
    home.command("slow", "echo first; while ! test -e \"$HOME/go\"; do sleep 0.01; done; echo second");
    home.pool("slow", &["slow"]);
    let Some(mut child) = on_a_terminal(&home, "ar run -m slow hi") else { return };
    wait_until("the first line is shown", || shown(&home).contains("first"));
    assert!(!shown(&home).contains("second"));
    home.write("go", "");
    assert!(child.wait().unwrap().success());
    let shown = shown(&home);
    assert_eq!((shown.matches("first").count(), shown.matches("second").count()), (1, 1), "{shown}");
}

#[test]
fn ctrl_c_ends_the_call_its_agent_and_its_run() {
    let home = Home::new();
    home.command("slow", "echo at work; exec sleep 600");
    home.pool("slow", &["slow"]);
    let Some(mut child) = on_a_terminal(&home, "ar run -m slow hi") else { return };
    wait_until("the agent starts", || shown(&home).contains("at work"));
    child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    wait_until("all processes end", || home.processes().is_empty());
    assert_eq!(home.query("SELECT status, verdict, detail FROM run"), ["done|task|cancelled"]);
}

#[test]
fn an_agent_on_a_terminal_learns_of_its_new_size() {
    let home = Home::new();
    home.command(
        "big",
        "trap 'stty size; exit' WINCH; touch \"$HOME/started\"; while :; do sleep 0.02; done",
    );
    home.model("pool", "command = \"big\"\npty = true\nprompt_mode = \"arg\"\n");
    let resize = "(until test -e \"$HOME/started\"; do sleep 0.02; done; stty rows 33 cols 77 </dev/tty) &";
    let Some(mut child) = on_a_terminal(&home, &format!("{resize} ar run -m pool hi")) else { return };
    assert!(child.wait().unwrap().success());
    assert!(shown(&home).contains("33 77"), "{}", shown(&home));
}
