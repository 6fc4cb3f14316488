//! ar-exec through its binary: exit status, both streams, the record and the files of the run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is to fail")]

use ar_core::Stamp;
use ar_core::record::new_id;
use assert_cmd::Command;
use serde_json::{Value, json};
use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const NOW: &str = "2026-11-20T10:00:00.000Z";

/// A home directory with a configuration, a directory of fake commands that is first on PATH, and the state.
struct World {
    home: TempDir,
    /// The id of the run: another in each test, because whatever carries the mark of a run is ended with it.
    run: String,
}

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for dir in ["bin", "config/models", "config/agents", "state"] {
            fs::create_dir_all(home.path().join(dir)).unwrap();
        }
        Self { home, run: new_id(Stamp(0)).unwrap() }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    fn file(&self, below: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(below), content).unwrap();
        self.path(below)
    }

    /// A file that nobody else can read.
    fn secret(&self, below: &str, content: &str) {
        fs::set_permissions(self.file(below, content), Permissions::from_mode(0o600)).unwrap();
    }

    /// A fake command: the body of an sh script.
    fn script(&self, name: &str, body: &str) {
        let file = self.file(&format!("bin/{name}"), format!("#!/bin/sh\n{body}\n"));
        fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
    }

    /// A model called `m` with the provider `cli`, a fake command of that body.
    fn provider(&self, keys: &str, body: &str) {
        self.script("cli", body);
        self.file("config/models/m.toml", format!("command = \"cli\"\n{keys}\n"));
    }

    fn vars(&self) -> Vec<(&'static str, String)> {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        vec![
            ("PATH", path),
            ("HOME", self.home.path().display().to_string()),
            ("AGENT_RUNNER_CONFIG", self.path("config").display().to_string()),
            ("AGENT_RUNNER_STATE", self.path("state/state.db").display().to_string()),
            ("AGENT_RUNNER_NOW", NOW.to_owned()),
        ]
    }

    fn exec(&self, args: &[&str]) -> Command {
        let mut command = Command::cargo_bin("ar-exec").unwrap();
        command.env_clear().envs(self.vars()).args(args).current_dir(self.home.path());
        command
    }

    /// Runs ar-exec on the record and gives what it printed.
    fn run(&self, args: &[&str]) -> Value {
        self.run_with(args, &self.record())
    }

    fn run_with(&self, args: &[&str], input: &str) -> Value {
        let assert = self.exec(args).write_stdin(input).assert().code(0).stderr("");
        serde_json::from_slice(&assert.get_output().stdout).unwrap()
    }

    /// How many processes wrote their ids to the file `pids`, and how many of them live.
    fn live_pids(&self) -> (usize, usize) {
        let pids = fs::read_to_string(self.path("pids")).unwrap_or_default();
        let is_alive = |pid: &&str| {
            fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
        };
        (pids.lines().count(), pids.lines().filter(is_alive).count())
    }

    /// Waits until none of these lives.
    fn await_end_of_pids(&self) {
        wait_until("the end of all processes", || self.live_pids().1 == 0);
    }

    fn spawn(&self, args: &[&str]) -> std::process::Child {
        let mut child = self.spawn_with_stdin(args);
        drop(child.stdin.take());
        child
    }

    fn spawn_with_stdin(&self, args: &[&str]) -> std::process::Child {
        std::process::Command::new(env!("CARGO_BIN_EXE_ar-exec"))
            .stdin(std::process::Stdio::piped())
            .args(args)
            .env_clear()
            .envs(self.vars())
            .current_dir(self.home.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// A record of ar-pick.
    fn record(&self) -> String {
        let pick = json!({
            "provider": "cli", "account": "cli", "at": NOW, "lease_until": NOW, "probe": false, "reason": "first",
        });
        let record = json!({
            "v": 1, "run": self.run, "call": self.run, "attempt": 1, "model": "m", "pick": pick,
            "theirs": {"keep": [1, 2.50]},
        });
        format!("{record}\n")
    }

    fn of_run(&self, file: &str) -> Vec<u8> {
        fs::read(self.path(&format!("state/runs/{}/{file}", self.run))).unwrap()
    }
}

/// A command of sh(1) that prints a turn of claude in which it says a word, for a thousand tokens.
fn say(word: &str) -> String {
    let content =
        format!(r#""content":[{{"type":"text","text":"{word}"}}],"usage":{{"output_tokens":1000}}"#);
    format!(r#"echo '{{"type":"assistant","session_id":"s1","message":{{{content}}}}}'"#)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_record_tells_how_the_run_went_and_keeps_what_it_does_not_know() {
    let world = World::new();
    world.provider("args = ['-x']", "cat; echo \"args: $*\" >&2; exit 3");
    let record = world.run(&["a prompt", "of words"]);
    assert_eq!(record["theirs"], json!({"keep": [1, 2.50]}));
    let dir = world.path(&format!("state/runs/{}", world.run));
    assert_eq!(record["dir"], json!(dir));
    let mut exec = record["exec"].clone();
    assert!(exec["elapsed_ms"].as_u64().unwrap() < 60_000);
    for measured in ["elapsed_ms", "cpu_ms", "peak_memory_bytes"] {
        assert!(exec[measured].is_u64(), "{measured}");
        exec[measured] = json!(0);
    }
    let expected = json!({
        "argv0": "cli", "started": NOW, "elapsed_ms": 0, "end": "exit", "exit_code": 3, "signal": null,
        "stdout_bytes": 17, "stderr_bytes": 9, "session": null, "usage": null, "turns": null, "tool_calls": null,
        "error": null,
        "cpu_ms": 0, "peak_memory_bytes": 0,
    });
    assert_eq!(exec, expected);
    assert_eq!(world.of_run("prompt"), b"a prompt of words");
    assert_eq!(world.of_run("stdout"), b"a prompt of words");
    assert_eq!(world.of_run("answer"), b"a prompt of words");
    assert_eq!(world.of_run("stderr"), b"args: -x\n");
    assert_eq!(mode(&dir), 0o700);
    for file in ["prompt", "stdout", "stderr", "answer", "lock"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
}

#[test]
fn without_a_record_on_standard_input_the_failure_rides_the_pipe() {
    let world = World::new();
    for (input, message) in
        [("", "no record on standard input"), ("hello\n", "standard input holds no record: ")]
    {
        let assert = world.exec(&["hi"]).write_stdin(input).assert().code(2);
        let output = assert.get_output();
        let record: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(record["error"]["tool"], "ar-exec");
        assert_eq!(record["error"]["code"], 2);
        assert!(record["error"]["message"].as_str().unwrap().starts_with(message), "{record}");
        let stderr = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(stderr.starts_with(&format!("ar-exec: {message}")), "{stderr}");
    }
}

#[test]
fn a_record_with_an_error_passes_through_untouched() {
    let world = World::new();
    let line = format!(
        r#"{{"v":1,"run":"{}","error":{{"tool":"ar-pick","message":"all cool","code":75}}}}"#,
        world.run
    );
    let line = line + "\n";
    world.exec(&["hi"]).write_stdin(line.clone()).assert().code(0).stdout(line).stderr("");
    assert!(!world.path("state/runs").exists());
}

#[test]
fn several_records_are_run_with_the_same_prompt() {
    let world = World::new();
    world.provider("", "cat");
    world.file("config/agents/a.md", "Be brief.\n");
    let second = new_id(Stamp(1)).unwrap();
    world.file("records", world.record() + &world.record().replace(&world.run, &second));
    let mut command = world.exec(&["-a", "a", "-f", "/dev/fd/0", "--record", "records"]);
    let assert = command.write_stdin("from a pipe\n").assert().code(0).stderr("");
    assert_eq!(assert.get_output().stdout.split(|byte| *byte == b'\n').count(), 3);
    for run in [&world.run, &second] {
        let answer = fs::read_to_string(world.path(&format!("state/runs/{run}/answer"))).unwrap();
        assert_eq!(answer, "Be brief.\n\nfrom a pipe\n");
    }
}

#[test]
fn a_command_needs_no_record_and_is_taken_as_it_stands() {
    let world = World::new();
    let assert =
        world.exec(&["--", "sh", "-c", "cat; echo {cwd} $0", "{prompt}"]).write_stdin("in\n").assert();
    let output = assert.code(0).stderr("").get_output().stdout.clone();
    let record: Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(record["run"], record["call"]);
    assert_eq!(record["exec"]["argv0"], "sh");
    let dir = PathBuf::from(record["dir"].as_str().unwrap());
    assert_eq!(dir.parent().unwrap(), world.path("state/runs"));
    assert_eq!(fs::read_to_string(dir.join("answer")).unwrap(), "in\n{cwd} {prompt}\n");
    assert!(!world.path("state/state.db").exists());
}

#[test]
fn any_bytes_come_back_as_they_went_in() {
    let world = World::new();
    world.provider("", "cat");
    let bytes: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    world.file("prompt.bin", &bytes);
    let record = world.run(&["-f", "prompt.bin"]);
    assert_eq!(record["exec"]["stdout_bytes"], 3_000_000);
    assert_eq!(world.of_run("answer"), bytes);
}

#[test]
fn a_child_that_never_reads_its_prompt_is_no_trouble() {
    let world = World::new();
    world.provider("", "echo ok");
    world.file("big", vec![b'x'; 1_000_000]);
    assert_eq!(world.run(&["-f", "big"])["exec"]["exit_code"], 0);
    assert_eq!(world.of_run("answer"), b"ok\n");
}

#[test]
fn without_a_prompt_the_child_reads_nothing() {
    let world = World::new();
    world.provider("prompt_mode = 'arg'\nargs = ['a']", "cat; echo $#");
    world.run(&[]);
    assert_eq!(world.of_run("answer"), b"1\n");
    world.provider("", "cat; echo $#");
    world.run(&[]);
    assert_eq!(world.of_run("answer"), b"0\n");
}

#[test]
fn placeholders_reach_the_child_as_whole_arguments() {
    let world = World::new();
    world.provider(
        "prompt_mode = 'file'\nargs = ['{cwd}', '--p={prompt}', '{prompt_file}', '$(id)']",
        "for a; do echo \"[$a]\"; done; cat",
    );
    world.run(&["it's $HOME", "*"]);
    let (home, run) = (world.home.path().display(), &world.run);
    let expected = format!("[{home}]\n[--p=it's $HOME *]\n[{home}/state/runs/{run}/prompt]\n[$(id)]\n");
    assert_eq!(String::from_utf8(world.of_run("answer")).unwrap(), expected);
}

#[test]
fn the_child_is_told_its_run_and_gets_the_template_s_environment() {
    let world = World::new();
    world.secret("keys", "# comment\nexport A=from file\nB='quoted'\n");
    world.provider(
        "env_file = '~/keys'\nenv = { A = 'from env' }\ncwd = '~/bin'",
        "echo \"$A|$B|$AGENT_RUNNER_RUN|$AGENT_RUNNER_CALL|$AGENT_RUNNER_MODEL|$AGENT_RUNNER_PROVIDER\"; pwd",
    );
    world.run(&["hi"]);
    let (bin, run) = (world.path("bin"), &world.run);
    let expected = format!("from env|quoted|{run}|{run}|m|cli\n{}\n", bin.display());
    assert_eq!(String::from_utf8(world.of_run("answer")).unwrap(), expected);
    world.run(&["-p", "config", "hi"]);
    assert!(world.of_run("answer").ends_with(format!("{}\n", world.path("config").display()).as_bytes()));
}

#[test]
fn the_child_has_none_of_our_files_and_no_part_in_a_make_around_us() {
    let world = World::new();
    world.provider("", "ls /proc/$$/fd; env | grep -c MAKEFLAGS; echo \"${MFLAGS-none}\"");
    world.file("record", world.record());
    let script = format!("exec {} --record record hi 7</dev/null 8>/dev/null", env!("CARGO_BIN_EXE_ar-exec"));
    let mut exec = std::process::Command::new("sh");
    exec.args(["-c", &script]).env_clear().envs(world.vars()).current_dir(world.home.path());
    exec.env("MAKEFLAGS", " -j4 --jobserver-auth=7,8").env("CARGO_MAKEFLAGS", "--jobserver-fds=7,8");
    exec.env("MFLAGS", "-k").stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    assert!(exec.status().unwrap().success());
    // 10 is the script that sh reads.
    assert_eq!(String::from_utf8(world.of_run("stdout")).unwrap(), "0\n1\n10\n2\n0\n-k\n");
}

#[test]
fn a_template_takes_variables_from_the_caller_and_from_commands_and_away() {
    let world = World::new();
    world.script("vault", "[ \"$1 $2\" = 'read a b' ] && echo ' the value '");
    world.provider(
        "unset = ['GONE', 'AGENT_RUNNER_NOW']
         env = { A = '${HOME}/x $$HOME' }
         env_command = { B = \"vault read 'a b'\" }",
        "echo \"$A|$B|${GONE-unset}|${AGENT_RUNNER_NOW-unset}|$NO_COLOR|$TERM|${FORCE_COLOR-unset}\"",
    );
    let mut command = world.exec(&["hi"]);
    command.env("GONE", "1").env("FORCE_COLOR", "1").env("TERM", "xterm").write_stdin(world.record());
    command.assert().code(0).stderr("");
    let expected = format!("{}/x $HOME| the value |unset|unset|1|dumb|unset\n", world.home.path().display());
    assert_eq!(String::from_utf8(world.of_run("answer")).unwrap(), expected);
}

#[test]
fn variables_may_come_through_a_named_pipe_whose_writer_is_waited_for_until_a_signal_comes() {
    let world = World::new();
    let pipe = world.path("keys");
    assert!(std::process::Command::new("mkfifo").arg("-m600").arg(&pipe).status().unwrap().success());
    world.provider("env_file = '~/keys'", "echo \"$A\"");
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::write(pipe, "A=through the pipe\n").unwrap()
    });
    world.run(&["hi"]);
    writer.join().unwrap();
    assert_eq!(world.of_run("answer"), b"through the pipe\n");
    let mut waiting = Command::new("timeout");
    waiting.args(["--preserve-status", "0.3"]).arg(env!("CARGO_BIN_EXE_ar-exec")).arg("hi");
    waiting.current_dir(world.home.path()).env_clear().envs(world.vars()).write_stdin(world.record());
    let said = waiting.assert().code(2).get_output().stderr.clone();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.ends_with("/keys': a signal came first\n"), "{said}");
}

#[test]
fn a_variable_that_cannot_be_had_is_our_trouble() {
    let world = World::new();
    world.file("open", "A=1\n");
    world.secret("half", "A=\"b\" # c\n");
    world.script("locked", "echo 'no agent' >&2; exit 3");
    let cases = [
        (
            "env = { A = '${NONE}' }",
            "cannot set 'A' of provider 'cli': the environment has no variable 'NONE'",
        ),
        (
            "env_command = { A = 'no-such x' }",
            "cannot set 'A' of provider 'cli': cannot run 'no-such': No such file",
        ),
        (
            "env_command = { A = 'locked' }",
            "cannot set 'A' of provider 'cli': 'locked' failed: exit status: 3",
        ),
        (
            "env_command = { A = 'true' }",
            "cannot set 'A' of provider 'cli': 'true' has not printed a value: it printed nothing",
        ),
        ("env_file = 'open'", "others can read the env_file 'open'"),
        ("env_file = 'half'", "half:1: this is not NAME=value"),
        ("env_file = '/dev/zero'", "cannot read the env_file '/dev/zero': it has more than 1048576 bytes"),
    ];
    for (keys, message) in cases {
        world.provider(keys, "true");
        let assert = world.exec(&["hi"]).write_stdin(world.record()).assert().code(2);
        let record: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
        let said = record["error"]["message"].as_str().unwrap();
        assert!(said.starts_with(message), "{said}");
    }
}

#[test]
fn a_command_for_a_variable_ends_when_it_exits_and_not_when_its_pipe_closes() {
    let world = World::new();
    world.script("pass", "sleep 60 2>/dev/null & echo $! >daemon; echo phrase");
    world.provider("env_command = { A = 'pass' }", "echo $A");
    let start = std::time::Instant::now();
    world.run(&["hi"]);
    assert!(start.elapsed().as_secs() < 9);
    assert_eq!(world.of_run("answer"), b"phrase\n");
    let daemon = fs::read_to_string(world.path("daemon")).unwrap();
    // It is alive, and not ours to end: it may be the one that keeps a passphrase.
    assert!(std::process::Command::new("kill").arg(daemon.trim()).status().unwrap().success());
}

#[test]
fn secrets_are_kept_out_of_everything_but_the_answer() {
    let world = World::new();
    let print = "echo $A_TOKEN $B; echo \"bad key $A_TOKEN$B\" >&2";
    let keys = "env = { A_TOKEN = 'tok-0123456789' }\nenv_command = { B = 'echo pass-phrase' }";
    world.provider(keys, print);
    world.run(&["hi tok-0123456789"]);
    assert_eq!(world.of_run("stderr"), b"bad key ******\n");
    assert_eq!(world.of_run("answer"), b"tok-0123456789 pass-phrase\n");
    assert_eq!(world.of_run("stdout"), b"*** ***\n");
    assert_eq!(world.of_run("prompt"), b"hi tok-0123456789");
    // For ar-log, which makes them searchable.
    assert_eq!(world.of_run("answer.masked"), b"*** ***\n");
    assert_eq!(world.of_run("prompt.masked"), b"hi ***");
    world.provider(keys, &format!("{print}; exit 1"));
    world.run(&["hi"]);
    for file in ["stdout", "answer"] {
        assert_eq!(world.of_run(file), b"*** ***\n", "{file}");
    }
    assert_eq!(mode(&world.path(&format!("state/runs/{}/stderr", world.run))), 0o600);
}

#[test]
fn agents_that_run_agents_are_stopped_at_depth_five() {
    let world = World::new();
    world.provider("", "echo $AGENT_RUNNER_DEPTH $AGENT_RUNNER_OUTER");
    world.run(&["hi"]);
    assert_eq!(world.of_run("answer"), b"1\n");
    let outer = [new_id(Stamp(2)).unwrap(), new_id(Stamp(3)).unwrap()];
    let mut command = world.exec(&["hi"]);
    command.envs([
        ("AGENT_RUNNER_DEPTH", "4"),
        ("AGENT_RUNNER_OUTER", &outer[0]),
        ("AGENT_RUNNER_RUN", &outer[1]),
    ]);
    command.write_stdin(world.record()).assert().code(0);
    assert_eq!(world.of_run("answer"), format!("5 {}:{}\n", outer[0], outer[1]).as_bytes());
    let mut command = world.exec(&["hi"]);
    let assert = command.env("AGENT_RUNNER_DEPTH", "5").write_stdin(world.record()).assert().code(2);
    assert.stderr(
        "ar-exec: agents run agents 5 deep, and that is as far as it goes\n\
         hint: an agent called 'ar run' again and again; AGENT_RUNNER_DEPTH counts how deep\n",
    );
}

#[test]
fn what_keeps_a_child_from_starting_is_an_outcome() {
    let world = World::new();
    world.file("bin/plain", "no program");
    world.file("config/models/none.toml", "");
    let big = "x".repeat(200_000);
    world.file("big", &big);
    let script = world.file("bin/orphan", "#!/no/such/interpreter\n");
    fs::set_permissions(script, Permissions::from_mode(0o755)).unwrap();
    let cases = [
        ("command = 'missing'", "not_found", "'missing' is not on PATH"),
        ("command = 'orphan'", "not_found", "the interpreter of 'orphan' is missing"),
        ("command = 'plain'", "not_executable", "'plain' may not be executed"),
        (
            "command = 'true'\ncwd = '/dev/null'",
            "bad_cwd",
            "cannot run in '/dev/null': it is not a directory",
        ),
        ("command = 'true'\nprompt_mode = 'arg'", "too_long", "an argument of 200000 bytes is too long"),
    ];
    for (template, kind, message) in cases {
        world.file("config/models/m.toml", format!("name = 'cli'\n{template}\n"));
        let exec = world.run(&["-f", "big"])["exec"].clone();
        assert_eq!(exec["end"], "spawn", "{template}");
        assert_eq!(exec["error"]["kind"], kind, "{template}");
        let said = exec["error"]["message"].as_str().unwrap();
        assert!(said.starts_with(message), "{said}");
        assert_eq!(exec["exit_code"], Value::Null);
    }
}

#[test]
fn an_environment_that_the_system_refuses_is_too_long() {
    let world = World::new();
    world.provider("env_file = 'keys'", "true");
    world.secret("keys", &format!("A={}\n", "x".repeat(200_000)));
    assert_eq!(world.run(&["hi"])["exec"]["error"]["kind"], "too_long");
}

#[test]
fn our_own_trouble_is_an_error_record() {
    let world = World::new();
    world.provider("env_file = 'none'", "true");
    let cases: [(&[&str], &str); 4] = [
        (&["hi"], "cannot read the env_file 'none': No such file or directory (os error 2)"),
        (&["-f", "missing"], "cannot open 'missing': No such file or directory (os error 2)"),
        (&["--state", "/dev/null/state.db", "hi"], "cannot create the directory '/dev/null/runs/"),
        (&["-a", "nobody", "hi"], "there is no agent 'nobody' in "),
    ];
    for (args, message) in cases {
        if args[0] != "hi" {
            world.provider("", "true");
        }
        let assert = world.exec(args).write_stdin(world.record()).assert().code(2);
        let output = assert.get_output();
        let record: Value = serde_json::from_slice(&output.stdout).unwrap();
        let said = record["error"]["message"].as_str().unwrap();
        assert!(said.starts_with(message), "{said}");
        assert_eq!(record["theirs"]["keep"], json!([1, 2.50]));
        assert!(String::from_utf8_lossy(&output.stderr).starts_with(&format!("ar-exec: {message}")));
    }
}

#[test]
fn a_wrong_command_line_rides_the_pipe_with_the_record() {
    let world = World::new();
    world.provider("", "true");
    let cases: [(&[&str], &str); 3] = [
        (&["--timeout", "soon", "hi"], "the command line is wrong: cannot read 'soon' as a length of time"),
        (&["--tee", "99", "hi"], "cannot write to file descriptor 99: Bad file descriptor (os error 9)"),
        (&["-f", "/dev/fd/99"], "cannot read '/dev/fd/99': Bad file descriptor (os error 9)"),
    ];
    for (args, message) in cases {
        for input in [world.record(), String::new()] {
            let assert = world.exec(args).write_stdin(input.clone()).assert().code(2);
            let record: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
            let said = record["error"]["message"].as_str().unwrap();
            assert!(said.starts_with(message), "{said}");
            assert_eq!(record["run"] == world.run.as_str(), !input.is_empty());
        }
    }
}

#[test]
fn a_run_that_is_cancelled_before_its_start_does_not_start() {
    let world = World::new();
    world.provider("", "touch started");
    let mut child = world.spawn_with_stdin(&["hi"]);
    // It waits for its record, with its signals caught.
    let caught = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t").map(str::to_owned)).unwrap();
        u64::from_str_radix(&line, 16).unwrap() & (1 << 14) != 0
    };
    while !caught(fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap()) {
        std::thread::yield_now();
    }
    Command::new("kill").arg(child.id().to_string()).assert().success();
    child.stdin.take().unwrap().write_all(world.record().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&record["exec"]["end"], &record["exec"]["signal"]), (&json!("cancelled"), &Value::Null));
    assert!(!world.path("started").exists());
}

#[test]
fn a_run_that_passes_its_time_is_ended_with_its_group() {
    let world = World::new();
    world.provider("timeout = 60", "(trap '' TERM; sleep 60) & echo started; sleep 60");
    let exec = world.run(&["--timeout", "1", "hi"])["exec"].clone();
    assert_eq!((&exec["end"], &exec["signal"]), (&json!("timeout"), &json!(15)));
    assert_eq!(world.of_run("answer"), b"started\n");
}

#[test]
fn what_leaves_its_group_is_ended_with_the_run() {
    let world = World::new();
    world.provider(
        "timeout = 2",
        "trap '' TERM
         setsid sh -c 'trap \"\" TERM; echo $$ >>pids; while :; do sleep 1; done' &
         (setsid sh -c 'echo $$ >>pids; sleep 60 & kill -STOP $$' &) &
         env -i setsid sh -c 'echo $$ >>pids; exec sleep 60' &
         sleep 60",
    );
    let exec = world.run(&["hi"])["exec"].clone();
    assert_eq!((&exec["end"], &exec["signal"]), (&json!("timeout"), &json!(9)));
    assert_eq!(world.live_pids(), (3, 0));
}

#[test]
fn children_that_a_shell_left_to_us_are_none_of_our_business() {
    let world = World::new();
    world.provider("timeout = 2", "setsid sh -c 'trap \"\" TERM; echo $$ >>ours; sleep 60' & sleep 60");
    world.file("record", world.record());
    let script =
        format!("sleep 60 & echo $! >pids; exec {} --record record hi", env!("CARGO_BIN_EXE_ar-exec"));
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]).env_clear().envs(world.vars()).current_dir(world.home.path());
    let status = shell.stdout(std::process::Stdio::null()).status().unwrap();
    assert_eq!((status.code(), world.live_pids()), (Some(0), (1, 1)));
    Command::new("kill").arg(fs::read_to_string(world.path("pids")).unwrap().trim()).assert().success();
    fs::rename(world.path("ours"), world.path("pids")).unwrap();
    assert_eq!(world.live_pids(), (1, 0));
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = std::time::Instant::now();
    while !is_so() {
        assert!(since.elapsed().as_secs() < 30, "waited in vain for {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn what_the_child_leaves_behind_does_not_hold_up_its_record() {
    let world = World::new();
    world.provider(
        "linger = '1s'",
        "setsid sh -c 'trap \"\" TERM; echo $$ >>pids; sleep 60' & echo done; until test -s pids; do sleep 0.05; done",
    );
    let exec = world.run(&["hi"])["exec"].clone();
    assert_eq!((&exec["end"], &exec["exit_code"]), (&json!("exit"), &json!(0)));
    assert!(exec["leftover"].as_u64() >= Some(1), "{exec}");
    assert!(exec["elapsed_ms"].as_u64() < Some(10_000), "{exec}");
    // Nor does it hold up ar-exec: what ends it goes on by itself.
    world.await_end_of_pids();
}

#[test]
fn what_is_left_behind_writes_to_the_run_no_more() {
    let world = World::new();
    let late = "until test -e go; do sleep 0.02; done; echo late $A_TOKEN; echo late $A_TOKEN >&2";
    world.provider(
        "linger = '20s'\nenv = { A_TOKEN = 'tok-0123456789' }",
        &format!(
            "setsid sh -c 'echo $$ >>pids; {late}' & until test -s pids; do sleep 0.02; done; echo $A_TOKEN; echo no >&2"
        ),
    );
    let record = world.run(&["hi"]);
    assert_eq!((&record["exec"]["stdout_bytes"], &record["exec"]["stderr_bytes"]), (&json!(15), &json!(3)));
    world.file("go", "");
    world.await_end_of_pids();
    for (file, text) in [("stdout", "***\n"), ("stderr", "no\n"), ("answer", "tok-0123456789\n")] {
        assert_eq!(String::from_utf8(world.of_run(file)).unwrap(), text, "{file}");
        assert_eq!(mode(&world.path(&format!("state/runs/{}/{file}", world.run))), 0o600, "{file}");
    }
}

#[test]
fn nothing_outlives_an_ar_exec_that_is_killed() {
    let world = World::new();
    let agent = "setsid sh -c 'trap \"\" TERM; echo $$ >>pids; sleep 60' & echo $$ >>pids; sleep 60";
    let script =
        format!("exec {} -- sh -c '{}'", env!("CARGO_BIN_EXE_ar-exec"), agent.replace('\'', "'\\''"));
    let mut exec = std::process::Command::new("sh");
    exec.args(["-c", &script]).env_clear().envs(world.vars()).current_dir(world.home.path());
    exec.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let mut exec = exec.spawn().unwrap();
    wait_until("two processes", || world.live_pids().0 == 2);
    exec.kill().unwrap();
    exec.wait().unwrap();
    world.await_end_of_pids();
}

#[test]
fn a_child_that_is_killed_dies_with_ar_exec() {
    let world = World::new();
    world.provider("", "echo $$ >>pids; exec sleep 60");
    world.file("record", world.record());
    let mut child = world.spawn(&["--record", "record", "hi"]);
    while !world.path("pids").exists() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    while world.live_pids() != (1, 0) {
        std::thread::yield_now();
    }
}

#[test]
fn more_output_than_the_limit_ends_the_run_and_is_kept() {
    let world = World::new();
    world.provider("max_output = '1 MB'", "cat /dev/zero");
    let exec = world.run(&["hi"])["exec"].clone();
    assert_eq!(exec["end"], "max_output");
    assert_eq!(exec["stdout_bytes"], 1_000_000, "{exec}");
    assert_eq!(exec["stdout_bytes"], world.of_run("answer").len());
}

#[test]
fn silence_ends_a_run_and_output_on_either_stream_does_not() {
    let world = World::new();
    world.provider("idle_timeout = 2", "for i in 1 2 3 4 5; do sleep 0.5; echo $i >&2; done; sleep 60");
    let exec = world.run(&["hi"])["exec"].clone();
    assert_eq!((&exec["end"], &exec["stderr_bytes"]), (&json!("idle"), &json!(10)));
}

#[test]
fn a_child_killed_by_another_ended_by_a_signal() {
    let world = World::new();
    world.provider("", "kill -SEGV $$");
    let exec = world.run(&["hi"])["exec"].clone();
    assert_eq!(
        (&exec["end"], &exec["signal"], &exec["exit_code"]),
        (&json!("signal"), &json!(11), &Value::Null)
    );
}

#[test]
fn the_output_is_teed_to_a_file_and_a_descriptor_before_the_record_is_printed() {
    let world = World::new();
    world.provider("", "cat; seq 100000");
    world.run(&["--tee", "copy", "hi"]);
    assert_eq!(fs::read(world.path("copy")).unwrap(), world.of_run("stdout"));
    let assert = world.exec(&["--tee", "2", "hi"]).write_stdin(world.record()).assert().code(0);
    assert_eq!(assert.get_output().stderr, world.of_run("stdout"));
}

#[test]
fn the_text_of_a_streaming_format_is_teed_and_not_its_json() {
    let world = World::new();
    let body = format!("{}; sleep 0.1; {}", say("one"), say("two"));
    world.provider("output = 'claude-stream-json'", &body);
    let record = world.run(&["--tee", "copy", "hi"]);
    assert_eq!(fs::read_to_string(world.path("copy")).unwrap(), "one\ntwo");
    assert_eq!(world.of_run("answer"), b"two");
    assert_eq!((&record["exec"]["turns"], &record["exec"]["session"]), (&json!(2), &json!("s1")));
    world.provider("output = 'claude-stream-json'", "echo plain");
    world.run(&["--tee", "plain", "hi"]);
    assert_eq!(fs::read_to_string(world.path("plain")).unwrap(), "plain\n");
    assert_eq!(world.of_run("answer"), b"plain\n");
}

#[test]
fn turns_and_cost_are_limited_while_the_agent_runs() {
    let world = World::new();
    let price = "price = { input = 1.0, output = 100.0 }";
    for (limit, end) in [("max_turns = 2", "max_turns"), ("max_cost_usd = 0.5", "max_cost")] {
        let keys = format!("output = 'claude-stream-json'\n{limit}\n{price}");
        world.provider(&keys, &format!("while :; do {}; sleep 0.05; done", say("more")));
        let exec = world.run(&["hi"])["exec"].clone();
        assert_eq!(exec["end"], end);
        assert!(exec["turns"].as_u64() >= Some(2), "{exec}");
        assert_eq!(exec["usage"]["estimated"], true, "{exec}");
    }
}

#[test]
fn a_child_that_wants_a_terminal_gets_one() {
    let world = World::new();
    let body = "test -t 1 && test -t 0 && stty size && printf '\\033[1mbold\\033[0m %s\\r\\n' \"$TERM\" && echo err >&2";
    world.provider("pty = true\nprompt_mode = 'arg'", body);
    let exec = world.run(&["--tee", "copy", "hi"])["exec"].clone();
    assert_eq!((&exec["end"], &exec["exit_code"]), (&json!("exit"), &json!(0)));
    assert_eq!(world.of_run("answer"), b"40 120\nbold xterm-256color\n");
    assert_eq!(world.of_run("stdout"), b"40 120\n\x1b[1mbold\x1b[0m xterm-256color\r\n");
    assert_eq!(fs::read(world.path("copy")).unwrap(), world.of_run("stdout"));
    assert_eq!(world.of_run("stderr"), b"err\n");
    world.provider("pty = true", "test -t 1 && cat; seq 100000; sleep 60 &");
    world.file("prompt", "x".repeat(100_000));
    let exec = world.run(&["-f", "prompt"])["exec"].clone();
    assert_eq!((&exec["end"], &exec["stdout_bytes"]), (&json!("exit"), &json!(688_895)));
    world.provider("pty = true", "echo done; stty size; exec >/dev/null; sleep 0.2; exit 7");
    let exec = world.run(&["hi"])["exec"].clone();
    assert_eq!((&exec["exit_code"], &exec["signal"]), (&json!(7), &Value::Null));
}

#[test]
fn a_line_that_was_written_over_is_kept_as_it_looked_in_the_end() {
    let world = World::new();
    world.provider("pty = true\nprompt_mode = 'arg'", "printf '10 %%\\r100 %%\\r\\033[Kdone\\r\\nx\\by\\n'");
    world.run(&["hi"]);
    assert_eq!(String::from_utf8(world.of_run("answer")).unwrap(), "done\ny\n");
}

#[test]
fn a_prompt_may_come_through_a_named_pipe_and_a_signal_ends_the_wait_for_it() {
    let world = World::new();
    let pipe = world.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    world.provider("", "cat");
    let writer = pipe.clone();
    let text = "x".repeat(300_000);
    let written = text.clone();
    let writing = std::thread::spawn(move || fs::write(writer, written));
    world.run(&["-f", "pipe"]);
    writing.join().unwrap().unwrap();
    assert_eq!(String::from_utf8(world.of_run("answer")).unwrap(), text);
    let mut child = std::process::Command::new("timeout")
        .args(["--signal=TERM", "0.3"])
        .arg(env!("CARGO_BIN_EXE_ar-exec"))
        .args(["-f", "pipe", "--", "cat"])
        .current_dir(world.home.path())
        .env("HOME", world.home.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    assert!(child.wait().unwrap().code().is_some());
}

#[test]
fn a_child_is_kept_within_niceness_and_memory() {
    let world = World::new();
    world.provider("nice = 5\nmemory_max = '100 MiB'", "nice; ulimit -v");
    let exec = world.run(&["hi"])["exec"].clone();
    let ours = String::from_utf8(Command::new("nice").output().unwrap().stdout).unwrap();
    let niceness = ours.trim().parse::<i32>().unwrap() + 5;
    assert_eq!(String::from_utf8(world.of_run("answer")).unwrap(), format!("{}\n102400\n", niceness.min(19)));
    assert!(exec["peak_memory_bytes"].as_u64() > Some(100_000), "{exec}");
}

#[test]
fn a_stream_that_is_opened_again_has_no_holes() {
    let world = World::new();
    world.provider("", "echo first >&2; echo second >/dev/stderr; echo third >&2");
    world.run(&["hi"]);
    assert_eq!(world.of_run("stderr"), b"second\nthird\n");
}

#[test]
fn a_stopped_run_goes_on_and_its_clock_with_it() {
    let world = World::new();
    world.provider(
        "timeout = 4",
        "echo $$ >>pids; i=0; while [ $i -lt 10 ]; do sleep 0.1; i=$((i+1)); done; echo done",
    );
    world.file("record", world.record());
    let child = world.spawn(&["--record", "record", "hi"]);
    // The file is there a moment before its content is.
    while !fs::read(world.path("pids")).is_ok_and(|pids| pids.ends_with(b"\n")) {
        std::thread::yield_now();
    }
    let state = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap();
        stat.rsplit(") ").next().unwrap().chars().next().unwrap()
    };
    let agent = fs::read_to_string(world.path("pids")).unwrap();
    let send = |signal: &str| Command::new("kill").args([signal, &child.id().to_string()]).assert().success();
    send("-TSTP");
    // ar-exec stops the run before itself. A shell that is just starting a program by vfork(2) waits for that instead.
    while state(&child.id().to_string()) != 'T' || !matches!(state(&agent), 'T' | 'D') {
        std::thread::yield_now();
    }
    // Longer than the limit, which does not run meanwhile.
    std::thread::sleep(std::time::Duration::from_millis(4500));
    send("-CONT");
    let output = child.wait_with_output().unwrap();
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(record["exec"]["end"], "exit");
    assert_eq!(world.of_run("answer"), b"done\n");
}

#[test]
fn what_the_run_changed_in_a_git_repository_is_told_where_that_is_asked_for() {
    let world = World::new();
    fs::create_dir(world.path("work")).unwrap();
    world.provider("cwd = '~/work'", "cat >file");
    assert_eq!(world.run(&["--git", "hi"])["exec"]["git"], Value::Null);
    Command::new("git").arg("init").arg("--quiet").arg(world.path("work")).assert().success();
    assert_eq!(world.run(&["one"])["exec"]["git"], Value::Null);
    let changed = |changed: bool| json!({"before": null, "after": null, "changed": changed});
    assert_eq!(world.run(&["--git", "two, longer"])["exec"]["git"], changed(true));
    world.file("config/models/m.toml", "hop = 'clean'\ncommand = 'true'\nname = 'cli'\ncwd = '~/work'");
    assert_eq!(world.run(&["hi"])["exec"]["git"], changed(false));
}

#[test]
fn a_session_goes_on_with_its_own_arguments() {
    let world = World::new();
    world.provider("args = ['new']\nresume_args = ['--resume', '{session}']", "echo \"$@\"");
    world.run(&["hi"]);
    assert_eq!(world.of_run("answer"), b"new\n");
    world.run(&["--session", "s 1", "hi"]);
    assert_eq!(world.of_run("answer"), b"--resume s 1\n");
    world.provider("args = ['new']", "true");
    let message = "ar-exec: provider 'cli' has no 'resume_args', so no session can go on\n\
                   hint: see 'resume_args' in ar-config(5)\n";
    world.exec(&["--session", "s1", "hi"]).write_stdin(world.record()).assert().code(2).stderr(message);
}

#[test]
fn a_tee_that_cannot_be_written_to_does_not_touch_the_run() {
    let world = World::new();
    world.provider("", "seq 100000");
    let record = world.run(&["--tee", "/dev/full", "hi"]);
    assert_eq!(record["exec"]["stdout_bytes"], 588_895);
}

#[test]
fn a_second_ar_exec_keeps_out_of_a_live_run() {
    let world = World::new();
    world.provider("", "true");
    let dir = world.path(&format!("state/runs/{}", world.run));
    fs::create_dir_all(&dir).unwrap();
    let lock = File::create(dir.join("lock")).unwrap();
    lock.lock().unwrap();
    let message = format!("ar-exec: another ar-exec is at work in '{}'\n", dir.display());
    world.exec(&["hi"]).write_stdin(world.record()).assert().code(2).stderr(message);
}

#[test]
fn a_signal_cancels_the_run_and_the_record_is_still_printed() {
    for (signal, twice) in [("INT", false), ("TERM", false), ("HUP", false), ("QUIT", false), ("TERM", true)]
    {
        let world = World::new();
        let body =
            if twice { "trap '' TERM; echo $$; while :; do sleep 1; done" } else { "echo $$; sleep 60" };
        world.provider("", body);
        world.file("record", world.record());
        let mut child = world.spawn(&["--record", "record", "--tee", "2", "hi"]);
        let mut line = [0; 1];
        child.stderr.as_mut().unwrap().read_exact(&mut line).unwrap();
        let send =
            || Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).assert().success();
        send();
        if twice {
            std::thread::sleep(std::time::Duration::from_millis(400));
            send();
        }
        let output = child.wait_with_output().unwrap();
        let record: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(record["exec"]["end"], "cancelled", "{signal}");
        assert_eq!(record["exec"]["signal"], if twice { 9 } else { 15 }, "{signal}");
        let number = ["HUP", "INT", "QUIT"].iter().position(|name| *name == signal).map_or(15, |at| at + 1);
        assert_eq!(record["exec"]["cancelled_by"], number, "{signal}");
    }
}

#[test]
fn after_a_signal_the_records_that_are_left_are_cancelled_too() {
    let world = World::new();
    world.provider("", "echo $$; sleep 60");
    let other = new_id(Stamp(1)).unwrap();
    world.file("record", world.record() + &world.record().replace(&world.run, &other));
    let mut child = world.spawn(&["--record", "record", "--tee", "2", "hi"]);
    child.stderr.as_mut().unwrap().read_exact(&mut [0; 1]).unwrap();
    Command::new("kill").args(["-TERM", &child.id().to_string()]).assert().success();
    let output = child.wait_with_output().unwrap();
    let lines: Vec<Value> = output
        .stdout
        .split_inclusive(|b| *b == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["exec"]["end"], "cancelled");
    assert_eq!((&lines[1]["run"], &lines[1]["exec"]["end"]), (&json!(other), &json!("cancelled")));
}

#[test]
fn a_record_without_room_is_refused_before_anything_runs() {
    let world = World::new();
    world.provider("", "touch \"$HOME/ran\"");
    let mut record: Value = serde_json::from_str(&world.record()).unwrap();
    record["theirs"] = json!("x".repeat(3300));
    let output = world.exec(&["hi"]).write_stdin(format!("{record}\n")).assert().code(2).get_output().clone();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["run"], &told["error"]["code"]), (&record["run"], &json!(2)));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("leaves no room") && said.contains("hint: "), "{said}");
    assert!(!world.path("ran").exists());
}

#[test]
fn a_directory_that_is_not_the_runs_is_not_written_to() {
    let world = World::new();
    world.provider("", "true");
    fs::create_dir(world.path("precious")).unwrap();
    world.file("precious/prompt", "mine");
    let mut record: Value = serde_json::from_str(&world.record()).unwrap();
    record["dir"] = json!(world.path("precious"));
    world.exec(&["hi"]).write_stdin(format!("{record}\n")).assert().code(2);
    assert_eq!(fs::read_to_string(world.path("precious/prompt")).unwrap(), "mine");
    assert_eq!(fs::read_dir(world.path("precious")).unwrap().count(), 1);
}

#[test]
fn without_a_reader_for_its_record_the_run_ends() {
    let world = World::new();
    world.provider("", "echo $$; exec sleep 60");
    world.file("record", world.record());
    let mut child = world.spawn(&["--record", "record", "hi"]);
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
