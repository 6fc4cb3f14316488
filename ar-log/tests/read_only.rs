//! ar-log through its binary, on a state that it must not write.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod history;

use ar_tests::{Home, tools_dir};
use history::{NOW, Past, id};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

const NOBODY: u32 = 65534;

/// Gives everything below to somebody whom permissions bind, where the one who tests is root.
fn give_away(path: &Path) {
    if fs::metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path());
        }
    }
    if fs::metadata(path).unwrap().uid() == 0 {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

fn log(home: &Home, args: &[&str]) -> Output {
    let mut command = Command::new(tools_dir().join("ar-log"));
    command.args(args).env_clear().env("HOME", home.path("")).env("AGENT_RUNNER_NOW", NOW).current_dir("/");
    let owner = fs::metadata(home.path("")).unwrap().uid();
    if owner == NOBODY {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output().unwrap()
}

fn permit(home: &Home, dir: u32, file: u32) {
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let state = home.state();
    let dir_path = state.parent().unwrap();
    for entry in fs::read_dir(dir_path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            set(&path, file);
        }
    }
    set(dir_path, dir);
}

fn assert_read(home: &Home, case: &str) {
    for (args, expected) in [
        (&["list", "--cols", "run"][..], format!("{}\n", id(1))),
        (&["show", "-1", "--answer"], "by scattering\n".to_owned()),
        (&["stats", "--cols", "runs"], "1\n".to_owned()),
        (&["usage", "--cols", "runs"], "1\n".to_owned()),
        (&["search", "sky", "--cols", "run"], format!("{}\n", id(1))),
        (&["check"], "1 runs, nothing is wrong\n".to_owned()),
    ] {
        let output = log(home, args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (said.as_str(), String::from_utf8(output.stdout).unwrap()),
            ("", expected),
            "{case} {args:?}"
        );
    }
    let export = log(home, &["export"]);
    assert!(export.status.success() && export.stdout.starts_with(b"{\"v\":1,"), "{case} {export:?}");
}

#[test]
fn a_state_that_cannot_be_written_is_read_and_not_changed() {
    let home = Home::new();
    Past::new(&home, 1).prompt("why is the sky blue").answer("by scattering\n").store(&home);
    give_away(&home.path(""));

    for (dir, file) in [(0o500, 0o400), (0o700, 0o400), (0o500, 0o600)] {
        permit(&home, dir, file);
        assert_read(&home, &format!("with its log, {dir:o} {file:o}"));
    }
    permit(&home, 0o500, 0o400);
    let wrong = log(&home, &["check", "--repair"]);
    let output = log(&home, &["rm", "-1"]);
    assert_eq!((output.status.code(), &wrong.stderr), (Some(2), &output.stderr));
    let state = home.state();
    let said = format!(
        "ar-log: cannot open the state database '{}': Permission denied (os error 13)\n\
         hint: check the permissions of the file and of its directory, or name another with --state\n",
        state.display()
    );
    assert_eq!(String::from_utf8(output.stderr).unwrap(), said);

    permit(&home, 0o700, 0o600);
    let copy = state.with_file_name("copy.db");
    assert!(log(&home, &["backup", copy.to_str().unwrap()]).status.success());
    fs::rename(&copy, &state).unwrap();
    for log in ["state.db-wal", "state.db-shm"] {
        fs::remove_file(state.with_file_name(log)).unwrap();
    }
    permit(&home, 0o500, 0o400);
    assert_read(&home, "a backup without a log");
    assert!(!state.with_file_name("state.db-wal").exists());
    permit(&home, 0o700, 0o600);
}
