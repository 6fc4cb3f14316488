//! What becomes of a call whose state database cannot be used: one clear line, the right status, nothing destroyed.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, skip};
use rusqlite::Connection;
use std::fs;
use std::process::Command;

fn home() -> Home {
    let home = Home::new();
    home.command("good", "echo ok");
    home.pool("pool", &["good"]);
    home
}

/// A call, and each tool that opens the database, says this and no more.
fn refused(home: &Home, cause: &str, hint: &str) {
    let said = |tool: &str| format!("{tool}: {cause}\nhint: {hint}\n");
    home.ar(&["run", "-m", "pool", "hi"]).status(125).stderr(said("ar[..]")).check();
    home.tool("ar-pick", &["-m", "pool", "-q"]).status(2).any_stdout().stderr(said("ar-pick")).check();
    home.tool("ar-log", &["list"]).status(2).stderr(said("ar-log")).check();
}

#[test]
fn garbage_is_left_as_it_is() {
    let home = home();
    let garbage = "this is no database\n".repeat(1000);
    home.write(".local/state/agent-runner/state.db", &garbage);
    refused(
        &home,
        "cannot use the state database '[HOME]/.local/state/agent-runner/state.db': it is damaged or not a database",
        "move it away and a new one is made; nothing was changed",
    );
    assert_eq!(fs::read_to_string(home.state()).unwrap(), garbage);
}

#[test]
fn a_schema_from_the_future_is_refused() {
    let home = home();
    home.ar(&["run", "-m", "pool", "hi"]).stdout("ok\n").check();
    Connection::open(home.state()).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    refused(
        &home,
        "cannot use the state database '[HOME]/.local/state/agent-runner/state.db': it has schema 99, and [..] is the highest known here",
        "use the newer release of the agent runner that wrote it",
    );
    assert_eq!(home.query("SELECT count(*) FROM run"), ["1"]);
}

#[test]
fn a_database_that_stays_locked_is_waited_for_and_then_reported() {
    let home = home();
    home.ar(&["run", "-m", "pool", "hi"]).stdout("ok\n").check();
    let db = Connection::open(home.state()).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    home.ar(&["run", "-m", "pool", "hi"])
        .status(125)
        .stderr(
            "ar[..]: cannot use the state database '[HOME]/.local/state/agent-runner/state.db': another process has kept it locked for 30 seconds\n\
             hint: fuser(1) tells which process has it open\n",
        )
        .check();
    db.execute_batch("ROLLBACK").unwrap();
    home.ar(&["run", "-m", "pool", "hi"]).stdout("ok\n").check();
    assert_eq!(home.query("SELECT count(*) FROM run"), ["2"]);
}

#[test]
fn without_home_the_message_says_what_to_set() {
    let home = home();
    home.ar(&["run", "-m", "pool", "hi"])
        .env_remove("HOME")
        .status(125)
        .stderr("ar: neither HOME nor XDG_STATE_HOME is set\nhint: set HOME, XDG_STATE_HOME or AGENT_RUNNER_STATE\n")
        .check();
    let (config, state) = (home.path(".config/agent-runner"), home.path("elsewhere/state.db"));
    home.ar(&["run", "-m", "pool", "hi"])
        .env_remove("HOME")
        .env("AGENT_RUNNER_STATE", &state)
        .status(125)
        .stderr("ar[..]: neither HOME nor XDG_CONFIG_HOME is set\nhint: set HOME, XDG_CONFIG_HOME or AGENT_RUNNER_CONFIG\n")
        .check();
    home.ar(&["run", "-m", "pool", "hi"])
        .env_remove("HOME")
        .env("AGENT_RUNNER_CONFIG", &config)
        .env("AGENT_RUNNER_STATE", &state)
        .stdout("ok\n")
        .check();
    assert!(state.exists());
}

#[test]
fn a_state_directory_that_cannot_be_made_is_reported() {
    let home = home();
    home.write("file", "");
    let output = home
        .ar(&["run", "-m", "pool", "hi"])
        .env("AGENT_RUNNER_STATE", home.path("file/state.db"))
        .status(125)
        .any_stderr()
        .check();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("/file/state.db': Not a directory") && said.lines().count() <= 2, "{said}");
}

/// Runs a script in a mount namespace of its own, where `$disk` is a small file system. None where that is not allowed.
fn on_a_disk_of_its_own(home: &Home, script: &str) -> Option<std::process::Output> {
    let allowed = Command::new("unshare").args(["-rm", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        skip("unshare(1) cannot make a mount namespace here");
        return None;
    }
    fs::create_dir(home.path("disk")).unwrap();
    let mount = "disk=$HOME/disk; export AGENT_RUNNER_STATE=$disk/state.db\n\
                 mount -t tmpfs -o size=512k,mode=700 none \"$disk\" || exit 99\n";
    let script = format!("{mount}{script}");
    let run = home.program("unshare".as_ref(), &["-rm", "sh", "-c", &script]);
    Some(run.any_stdout().any_stderr().check())
}

#[test]
fn a_read_only_disk_is_reported_and_its_history_is_read() {
    let home = home();
    let script = "ar run -m pool hi || exit 1\n\
                  mount -o remount,ro none \"$disk\" || exit 98\n\
                  ar run -m pool hi; echo $?\n\
                  ar-log list >\"$HOME/list\"; echo $?; grep -c pool \"$HOME/list\"";
    let Some(output) = on_a_disk_of_its_own(&home, script) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n125\n0\n1\n", "{said}");
    assert!(said.contains("state.db'"), "{said}");
    assert!(said.lines().count() <= 4 && !said.contains("panicked"), "{said}");
}

#[test]
fn a_full_disk_is_reported_and_the_database_stays_whole() {
    let home = home();
    let script = "ar run -m pool hi || exit 1\n\
                  head -c 1000000 /dev/zero >\"$disk/ballast\" 2>/dev/null\n\
                  ar run -m pool hi >/dev/null; echo $?\n\
                  rm \"$disk/ballast\"\n\
                  ar run -m pool hi || exit 1\n";
    let Some(output) = on_a_disk_of_its_own(&home, script) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n125\nok\n", "{said}");
    assert!(said.lines().count() <= 2 && !said.contains("panicked"), "{said}");
}

#[test]
fn a_full_disk_is_given_room_by_removing_runs() {
    let home = home();
    home.command("long", "head -c 8000 /dev/zero | tr '\\0' x");
    home.pool("long", &["long"]);
    let script = "mount -o remount,size=1m none \"$disk\" || exit 98\n\
                  for i in 1 2 3 4 5 6 7 8 9 10; do ar run -m long hi >/dev/null || exit 1; done\n\
                  head -c 2000000 /dev/zero >\"$disk/ballast\" 2>/dev/null\n\
                  ar log backup \"$disk/copy.db\"; echo $?\n\
                  ar log prune --keep 1; echo $?\n\
                  ar log --cols code; ls \"$disk/runs\" | wc -l; ls \"$disk\" | tr '\\n' ' '\n";
    let Some(output) = on_a_disk_of_its_own(&home, script) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    let bytes = printed.split(' ').nth(4).unwrap_or_default();
    let expected = format!(
        "2\nremoved 9 runs with {bytes} bytes of files\n0\n0\n1\nballast runs state.db state.db-shm state.db-wal "
    );
    assert_eq!(printed, expected, "{said}");
    let cannot = "ar-log: cannot write '";
    assert!(said.starts_with(cannot) && said.ends_with("/copy.db': the disk is full\n"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn files_that_cannot_be_compressed_on_a_full_disk_stay_as_they_are() {
    let home = home();
    home.command("noise", "head -c 150000 /dev/urandom | base64");
    home.pool("noise", &["noise"]);
    let script = "mount -o remount,size=1m none \"$disk\" || exit 98\n\
                  ar run -m noise hi >\"$HOME/answer\" || exit 1\n\
                  head -c 2000000 /dev/zero >\"$disk/ballast\" 2>/dev/null\n\
                  ar log compress --older-than 0s; echo $?; ls \"$disk\"/runs/*\n\
                  rm \"$disk/ballast\"; ar log compress --older-than 0s >/dev/null; echo $?; ls \"$disk\"/runs/*\n\
                  ar log last --answer | cmp - \"$HOME/answer\"; echo $?";
    let Some(output) = on_a_disk_of_its_own(&home, script) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout).replace('\n', " ");
    let expected = "2 answer lock prompt stderr stdout 0 answer.zst lock prompt stderr stdout.zst 0 ";
    assert_eq!(printed, expected, "{said}");
    assert!(said.contains("No space left on device") && said.lines().count() == 1, "{said}");
}
