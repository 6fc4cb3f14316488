//! `ar setup doctor`: every seeded fault is named with its fix, and a healthy set-up raises no alarm.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, Run, tools_dir};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

const CONFIG: &str = ".config/agent-runner";
const STATE: &str = ".local/state/agent-runner";

/// A user with two agents that are installed and logged in, as 'ar setup init' configures them.
fn healthy() -> Home {
    let home = Home::new();
    home.command("claude", "echo 9.9.9 -p --output-format --verbose --permission-mode --resume");
    home.command("codex", "echo 9.9.9 -- exec -c --json --skip-git-repo-check");
    home.write(".claude/.credentials.json", r#"{"claudeAiOauth":{"expiresAt":1,"refreshToken":"r"}}"#);
    home.write(".codex/auth.json", r#"{"tokens":{"refresh_token":"r"}}"#);
    setup(&home, &["init"]).any_stdout().check();
    home.agent("reviewer", "---\nmodel: any\n---\nReview.\n");
    home.tool("ar-pick", &["-m", "any"]).any_stdout().check();
    home
}

fn setup(home: &Home, args: &[&str]) -> Run {
    home.program(Path::new(env!("CARGO_BIN_EXE_ar-setup")), args)
}

fn chmod(home: &Home, file: &str, mode: u32) {
    fs::set_permissions(home.path(file), fs::Permissions::from_mode(mode)).unwrap();
}

fn sql(home: &Home, text: &str) {
    home.query(text);
}

/// One fault: how it is made, and what the doctor must say.
struct Fault {
    what: &'static str,
    id: &'static str,
    status: i32,
    fix: &'static str,
    env: &'static [(&'static str, &'static str)],
    args: &'static [&'static str],
    seed: fn(&Home),
}

const NONE: Fault = Fault { what: "", id: "", status: 2, fix: "", env: &[], args: &[], seed: |_| {} };

/// A fault in the text of one more model.
macro_rules! model {
    ($id:literal, $status:literal, $what:literal, $fix:literal, $toml:literal) => {
        Fault {
            what: $what,
            id: $id,
            status: $status,
            fix: $fix,
            seed: |home| {
                home.model("x", $toml);
            },
            ..NONE
        }
    };
}

/// Any other fault.
macro_rules! fault {
    ($id:literal, $status:literal, $what:literal, $fix:literal, $seed:expr) => {
        Fault { what: $what, id: $id, status: $status, fix: $fix, seed: $seed, ..NONE }
    };
}

/// A fault of the environment.
macro_rules! env {
    ($id:literal, $status:literal, $what:literal, $fix:literal, $env:expr) => {
        Fault { what: $what, id: $id, status: $status, fix: $fix, env: $env, ..NONE }
    };
}

const FAULTS: &[Fault] = &[
    // Texts that cannot be read.
    model!(
        "config",
        2,
        "x.toml:1: unknown key 'comand'",
        "did you mean 'command'?",
        "comand = 'cat'\ncommand = 'cat'\n"
    ),
    model!(
        "config",
        2,
        "x.toml:2: unknown key 'tyer'",
        "did you mean 'tier'?",
        "[[providers]]\ntyer = 1\ncommand = 'cat'\n"
    ),
    model!(
        "config",
        2,
        "x.toml:1: integer '5' stands where a string belongs",
        "mend that line",
        "command = 5\n"
    ),
    model!(
        "config",
        2,
        "x.toml:2: string \"soon\" stands where a length",
        "",
        "command = 'cat'\ntimeout = 'soon'\n"
    ),
    model!("config", 2, "x.toml:1: ", "", "command = 'cat\n"),
    model!(
        "config",
        2,
        "x.toml:3: two providers are called 'cat'",
        "own 'name'",
        "[[providers]]\ncommand = 'cat'\n[[providers]]\ncommand = 'cat'\n"
    ),
    model!("config", 2, "x.toml:1: a provider has no 'command'", "", "[[providers]]\nargs = ['a']\n"),
    model!("config", 2, "x.toml:2: 'a b' cannot be a name", "", "command = 'cat'\nname = 'a b'\n"),
    model!("config", 2, "x.toml:2: 'a/b' cannot be a account", "", "command = 'cat'\naccount = 'a/b'\n"),
    model!("config", 2, "x.toml:1: 'providers' is empty", "", "providers = []\n"),
    model!("config", 2, "x.toml:2: 'weight' must be at least 1", "", "command = 'cat'\nweight = 0\n"),
    model!(
        "config",
        2,
        "x.toml:2: 'max_parallel' must be at least 1",
        "",
        "command = 'cat'\nmax_parallel = 0\n"
    ),
    model!(
        "config",
        2,
        "x.toml:2: 'pipe' is none of stdin, arg, file",
        "",
        "command = 'cat'\nprompt_mode = 'pipe'\n"
    ),
    model!(
        "config",
        2,
        "'A=B' cannot be an environment variable",
        "",
        "command = 'cat'\nenv = { 'A=B' = 'c' }\n"
    ),
    model!(
        "config",
        2,
        "'description' belongs at the top",
        "",
        "[[providers]]\ncommand = 'cat'\ndescription = 'x'\n"
    ),
    model!("config", 2, "x.toml:1: the provider of command '/' needs a 'name'", "", "command = '/'\n"),
    fault!("config", 2, "x.toml'", "", |home| drop(
        home.write(".config/agent-runner/models/x.toml", b"command = '\xff'")
    )),
    fault!("config", 2, "x.toml'", "", |home| symlink("/nowhere", home.path(CONFIG).join("models/x.toml"))
        .unwrap()),
    fault!("config", 2, "x.toml'", "", |home| fs::create_dir(home.path(CONFIG).join("models/x.toml"))
        .unwrap()),
    fault!("config", 2, "'my model.toml' is never read", "rename it", |home| drop(
        home.model("my model", "command = 'cat'\n")
    )),
    fault!("config", 2, "config.toml:1: unknown key 'modle'", "did you mean 'model'?", |home| drop(
        home.write(".config/agent-runner/config.toml", "modle = 'any'\n")
    )),
    fault!("config", 2, "config.toml:1: there is no model 'ayn'", "there are any, claude, codex", |home| {
        drop(home.write(".config/agent-runner/config.toml", "model = 'ayn'\n"));
    }),
    fault!("config", 2, "a.md:1: the front matter has no closing '---'", "", |home| drop(
        home.agent("a", "---\nmodel: any\n")
    )),
    fault!("config", 2, "a.md:2: ", "description, model and output_format", |home| drop(
        home.agent("a", "---\nmodle: any\n---\n")
    )),
    fault!("config", 2, "a.md:2: there is no model 'cluade'", "did you mean 'claude'?", |home| drop(
        home.agent("a", "---\nmodel: cluade\n---\n")
    )),
    // Files that fit together badly.
    fault!("no_model", 2, "there is no model in", "ar setup init", |home| {
        fs::remove_dir_all(home.path(CONFIG)).unwrap();
    }),
    fault!("no_default", 1, "several models and no default", "ar setup set model any", |home| drop(
        home.write(".config/agent-runner/config.toml", "")
    )),
    model!(
        "all_disabled",
        2,
        "every provider of model 'x' is disabled",
        "ar setup set x/cat.disabled false",
        "command = 'cat'\ndisabled = true\n"
    ),
    model!(
        "mixed_account",
        1,
        "claude and codex are said to draw on the same account 'work'",
        "ar setup set x/codex.account codex-work",
        "[[providers]]\ncommand = 'claude'\nargs = ['-p']\naccount = 'work'\nenv = { ANTHROPIC_API_KEY = '' }\n[[providers]]\ncommand = 'codex'\nargs = ['exec']\naccount = 'work'\n"
    ),
    // Who may read and write.
    fault!("writable_by_others", 2, "others may write '[HOME]/.config/agent-runner'", "chmod 700", |home| {
        chmod(home, CONFIG, 0o775);
    }),
    fault!(
        "writable_by_others",
        2,
        "others may write '[HOME]/.config/agent-runner/models/any.toml'",
        "chmod 600",
        |home| chmod(home, ".config/agent-runner/models/any.toml", 0o666)
    ),
    model!(
        "secret_readable",
        1,
        "others may read '[HOME]/.config/agent-runner/models/x.toml'",
        "chmod 600",
        "command = 'cat'\nenv = { MY_API_KEY = 'hush' }\n"
    ),
    model!(
        "env_file",
        2,
        "cannot read the env_file '[HOME]/gone.env' of model 'x'",
        "NAME=value",
        "command = 'cat'\nenv_file = '~/gone.env'\n"
    ),
    fault!("env_file", 2, "keys.env:2: this is not NAME=value", "mend that line", |home| {
        home.model("x", "command = 'cat'\nenv_file = '~/keys.env'\n");
        home.write("keys.env", "# keys\nhush\n");
        chmod(home, "keys.env", 0o600);
    }),
    fault!("secret_readable", 2, "others may read '[HOME]/keys.env'", "chmod 600", |home| {
        home.model("x", "command = 'cat'\nenv_file = '~/keys.env'\n");
        home.write("keys.env", "A=hush\n");
    }),
    fault!("state_readable", 1, "others may read '[HOME]/.local/state/agent-runner'", "chmod 700", |home| {
        chmod(home, STATE, 0o755);
    }),
    fault!("state_readable", 1, "state.db'", "chmod 600", |home| chmod(
        home,
        ".local/state/agent-runner/state.db",
        0o644
    )),
    // Single providers.
    model!(
        "not_installed",
        2,
        "the command 'no-such-agent' of 'x/no-such-agent' is not found",
        "ar setup set x/no-such-agent.disabled true",
        "command = 'no-such-agent'\n"
    ),
    model!(
        "not_installed",
        2,
        "the command 'qwen' of 'x/qwen' is not found",
        "npm install -g @qwen-code/qwen-code",
        "command = 'qwen'\n"
    ),
    fault!(
        "not_installed",
        2,
        "the command 'llm' of 'x/llm' is not found",
        "ar setup set x/llm.command [HOME]/.local/bin/llm",
        |home| {
            home.model("x", "command = 'llm'\n");
            home.write(".local/bin/llm", "#!/bin/sh\n");
            chmod(home, ".local/bin/llm", 0o755);
        }
    ),
    fault!("not_executable", 2, "cannot be executed", "chmod +x", |home| {
        let tool = home.write("tool", "#!/bin/sh\n");
        home.model("x", &format!("command = '{}'\n", tool.display()));
    }),
    fault!(
        "relative_command",
        1,
        "'./tool' of 'x/tool' is a relative path",
        "ar setup set x/tool.command [HOME]/work/",
        |home| {
            home.write("work/tool", "#!/bin/sh\n");
            chmod(home, "work/tool", 0o755);
            home.model("x", "command = './tool'\n");
        }
    ),
    model!(
        "no_directory",
        2,
        "the directory '/no/such/dir' of 'x/cat' does not exist",
        "mkdir -p '/no/such/dir'",
        "command = 'cat'\ncwd = '/no/such/dir'\n"
    ),
    model!(
        "secret_in_args",
        1,
        "a key seems to stand in 'args' of 'x/cat'",
        "env_file",
        "command = 'cat'\nargs = ['--api-key', 'hush']\n"
    ),
    model!(
        "placeholder",
        1,
        "'args' of 'x/cat' holds '{promt}'",
        "write '{prompt}'",
        "command = 'cat'\nargs = ['{promt}']\n"
    ),
    model!(
        "resume_without_session",
        1,
        "'resume_args' of 'x/cat' do not hold '{session}'",
        "'{session}'",
        "command = 'cat'\nresume_args = ['-c']\n"
    ),
    model!(
        "no_limit",
        1,
        "'x/cat' has neither 'timeout' nor 'idle_timeout'",
        "ar setup set x/cat.timeout 1h",
        "command = 'cat'\ntimeout = 0\n"
    ),
    model!(
        "twins",
        1,
        "'a' and 'b' of model 'x' are the same command",
        "ar setup remove-provider x b",
        "[[providers]]\nname = 'a'\ncommand = 'cat'\n[[providers]]\nname = 'b'\ncommand = 'cat'\n"
    ),
    Fault {
        args: &["--cron"],
        ..fault!(
            "cron_path",
            1,
            "cron does not find the command 'claude' of 'any/claude'",
            "ar setup set any/claude.command [HOME]/bin/claude",
            |_| {}
        )
    },
    // Logins and versions.
    fault!(
        "logged_out",
        2,
        "'any/claude' is not logged in (no [HOME]/.claude/.credentials.json)",
        "claude auth login",
        |home| fs::remove_file(home.path(".claude/.credentials.json")).unwrap()
    ),
    fault!("login_expired", 2, "'any/claude' has a login whose time is over", "claude auth login", |home| {
        drop(home.write(".claude/.credentials.json", r#"{"claudeAiOauth":{"expiresAt":1}}"#));
    }),
    model!(
        "logged_out",
        2,
        "'x/work' is not logged in (no [HOME]/.codex-work/auth.json)",
        "CODEX_HOME=[HOME]/.codex-work codex login",
        "name = 'work'\ncommand = 'codex'\nargs = ['exec', '-']\nenv = { CODEX_HOME = '${HOME}/.codex-work' }\n"
    ),
    model!(
        "shared_login",
        1,
        "'any/codex' and 'x/work' are two accounts with one login directory, '[HOME]/.codex'",
        "ar setup set x/work.env.CODEX_HOME '[HOME]/.codex-work'",
        "name = 'work'\ncommand = 'codex'\nargs = ['exec', '-']\n"
    ),
    model!(
        "rejected_option",
        1,
        "the help of claude 9.9.9 does not name --no-such of 'x/claude'",
        "mend 'args'",
        "command = 'claude'\nargs = ['-p', '--no-such=1']\n"
    ),
    // Around the tools.
    fault!("foreign_ar", 1, "the first 'ar' on PATH is '[HOME]/bin/ar', not ours", "first on PATH", |home| {
        drop(home.command("ar", "exit 0"));
    }),
    env!(
        "clock_set",
        1,
        "AGENT_RUNNER_NOW sets the clock to 2030-",
        "unset AGENT_RUNNER_NOW",
        &[("AGENT_RUNNER_NOW", "2030-01-01T00:00:00Z")]
    ),
    env!(
        "clock_set",
        2,
        "AGENT_RUNNER_NOW is set to what is no time",
        "unset AGENT_RUNNER_NOW",
        &[("AGENT_RUNNER_NOW", "soon")]
    ),
    env!("clock", 2, "the clock says 1999-", "timedatectl", &[("AGENT_RUNNER_NOW", "1999-01-01T00:00:00Z")]),
    env!(
        "relative_path",
        1,
        "AGENT_RUNNER_STATE is a relative path",
        "export",
        &[("AGENT_RUNNER_STATE", "state.db")]
    ),
    env!("relative_path", 1, "XDG_STATE_HOME is a relative path", "export", &[("XDG_STATE_HOME", "state")]),
    env!(
        "no_home",
        2,
        "HOME names no directory",
        "export HOME",
        &[("HOME", "/no/such/home"), ("AGENT_RUNNER_STATE", "/no/such/home/s.db")]
    ),
    env!("no_home", 2, "HOME names no directory", "export HOME", &[("HOME", "")]),
    env!("no_place", 2, "neither HOME nor XDG_STATE_HOME is set", "set HOME,", &[("HOME", "")]),
    env!("temporary", 2, "no file can be made in '/no/such/tmp'", "TMPDIR", &[("TMPDIR", "/no/such/tmp")]),
    // The state.
    fault!("state", 2, "not a database", "move it away", |home| {
        // A write-ahead log would heal it.
        fs::remove_file(home.path(STATE).join("state.db-wal")).unwrap();
        fs::write(home.state(), "garbage ".repeat(1000)).unwrap();
    }),
    fault!("state", 2, "it has schema 99", "newer release", |home| sql(home, "PRAGMA user_version = 99")),
    fault!("state", 2, "belongs to another program", "--state", |home| sql(home, "PRAGMA user_version = 0")),
    fault!("clock_skew", 1, "the log holds 1 runs of the future", "timedatectl", |home| sql(
        home,
        "UPDATE run SET picked_at = picked_at + 3600000 RETURNING 1"
    )),
    fault!("stopped", 1, "account 'claude' is left out because of auth_expired", "--reset claude", |home| {
        sql(
            home,
            "INSERT INTO health (account, scope, class, run, opened_at, retry_at, strikes) VALUES ('claude', 'account', 'auth_expired', 'r', 1, 9999999999999, 1) RETURNING 1",
        );
    }),
    // What a run would stumble over.
    model!(
        "config",
        2,
        "x.toml:2: 'claud-json' is none of auto, text",
        "did you mean 'claude-json'?",
        "command = 'cat'\noutput = 'claud-json'\n"
    ),
    model!(
        "output",
        2,
        "'output' of 'x/claude' is codex-json, and claude does not write that",
        "ar setup set x/claude.output auto",
        "command = 'claude'\nargs = ['-p']\noutput = 'codex-json'\n"
    ),
    model!(
        "output",
        2,
        "is claude-stream-json, and 'args' do not hold '--verbose'",
        "add '--verbose'",
        "command = 'claude'\nargs = ['-p', '--output-format', 'stream-json']\noutput = 'claude-stream-json'\n"
    ),
    model!(
        "output",
        2,
        "ask for JSON, and 'output' is text",
        "ar setup set x/codex.output codex-json",
        "command = 'codex'\nargs = ['exec', '--json', '-']\noutput = 'text'\n"
    ),
    model!(
        "interactive",
        2,
        "'args' of 'x/claude' do not hold '-p'",
        "add '-p'",
        "command = 'claude'\nargs = ['--verbose']\n"
    ),
    model!(
        "prompt_mode",
        2,
        "'prompt_mode' of 'x/claude' is file",
        "ar setup set x/claude.prompt_mode stdin",
        "command = 'claude'\nargs = ['-p']\nprompt_mode = 'file'\n"
    ),
    model!(
        "prompt_mode",
        1,
        "'args' of 'x/claude' hold '{prompt}', and it is on standard input too",
        "ar setup set x/claude.prompt_mode arg",
        "command = 'claude'\nargs = ['-p', '{prompt}']\n"
    ),
    model!(
        "session_in_args",
        1,
        "'args' of 'x/cat' hold '{session}'",
        "resume_args",
        "command = 'cat'\nargs = ['{session}']\n"
    ),
    model!(
        "placeholder",
        1,
        "'args' of 'x/cat' holds '{prompt_fil}'",
        "write '{prompt_file}'",
        "command = 'cat'\nargs = ['--file={prompt_fil}']\n"
    ),
    model!(
        "variable_in_args",
        1,
        "'args' of 'x/cat' holds '${HOME}'",
        "write the value itself",
        "command = 'cat'\nargs = ['${HOME}/x']\n"
    ),
    model!(
        "no_variable",
        2,
        "'A' in 'env' of 'x/cat' needs the variable NO_SUCH, which is not set",
        "export NO_SUCH",
        "command = 'cat'\nenv = { A = '${NO_SUCH}' }\n"
    ),
    model!(
        "env_command",
        2,
        "does not give A: 'false' fails",
        "try 'false' by hand",
        "command = 'cat'\nenv_command = { A = 'false hush' }\n"
    ),
    model!(
        "env_command",
        2,
        "does not give A: the program 'no-such-pass' is not found",
        "no-such-pass",
        "command = 'cat'\nenv_command = { A = 'no-such-pass hush' }\n"
    ),
    model!(
        "env_command",
        1,
        "'A' in 'env_command' of 'x/cat' is written for a shell",
        "script",
        "command = 'cat'\nenv_command = { A = 'echo hush | cat' }\n"
    ),
    fault!("env_file", 2, "keys.env:1: this is not NAME=value", "mend that line", |home| {
        home.model("x", "command = 'cat'\nenv_file = '~/keys.env'\n");
        home.write("keys.env", "A B=hush\n");
        chmod(home, "keys.env", 0o600);
    }),
    fault!("env_file", 2, "keys.env:1: this is not NAME=value", "mend that line", |home| {
        home.model("x", "command = 'cat'\nenv_file = '~/keys.env'\n");
        home.write("keys.env", "A=\"hush\" # the key\n");
        chmod(home, "keys.env", 0o600);
    }),
    // A pipe is left to the run, which has a writer; the doctor goes on to what else is wrong.
    fault!("placeholder", 1, "'args' of 'x/cat' holds '{promt}'", "write '{prompt}'", |home| {
        let pipe = home.path("keys.pipe");
        assert!(std::process::Command::new("mkfifo").arg("-m600").arg(&pipe).status().unwrap().success());
        home.model("x", "command = 'cat'\nargs = ['{promt}']\nenv_file = '~/keys.pipe'\n");
    }),
    fault!("env_file", 1, "holds no variable", "NAME=value", |home| {
        home.model("x", "command = 'cat'\nenv_file = '~/keys.env'\n");
        home.write("keys.env", "# soon\n");
        chmod(home, "keys.env", 0o600);
    }),
    model!(
        "limit",
        1,
        "'timeout' of 'x/cat' is 0s",
        "ar setup set x/cat.timeout 1h",
        "command = 'cat'\ntimeout = '1ms'\n"
    ),
    model!(
        "limit",
        1,
        "'idle_timeout' of 'x/cat' is not shorter than 'timeout'",
        "ar setup set x/cat.idle_timeout",
        "command = 'cat'\ntimeout = '1m'\nidle_timeout = '2h'\n"
    ),
    model!(
        "limit",
        1,
        "'memory_max' of 'x/cat' is less than 64 MiB",
        "ar setup set x/cat.memory_max",
        "command = 'cat'\nmemory_max = '1K'\n"
    ),
    model!("limit", 1, "'nice' of 'x/cat' is 99", "ar setup set x/cat.nice", "command = 'cat'\nnice = 99\n"),
    model!(
        "watch",
        1,
        "'/no/such' in 'watch' of 'x/cat' does not exist",
        "--unset x/cat.watch",
        "command = 'cat'\nwatch = ['/no/such']\n"
    ),
    model!(
        "unset",
        1,
        "'unset' of 'x/claude' takes PATH away",
        "--unset x/claude.unset",
        "command = 'claude'\nargs = ['-p']\nunset = ['PATH']\n"
    ),
    model!(
        "not_installed",
        2,
        "'~' stands for nothing in it",
        "ar setup set x/cat.command [HOME]/cat",
        "command = '~/cat'\n"
    ),
    model!(
        "not_installed",
        2,
        "arguments belong in 'args'",
        "ar setup set x/c.command cat",
        "name = 'c'\ncommand = 'cat -n'\n"
    ),
    fault!(
        "not_executable",
        2,
        "its interpreter 'no-such-node' is not found",
        "install no-such-node",
        |home| {
            home.write("bin/tool", "#!/usr/bin/env no-such-node\n");
            chmod(home, "bin/tool", 0o755);
            home.model("x", "command = 'tool'\n");
        }
    ),
    fault!(
        "not_executable",
        2,
        "the command 'tool' of 'x/tool' cannot be executed",
        "chmod +x '[HOME]/bin/tool'",
        |home| {
            home.write("bin/tool", "#!/bin/sh\n");
            home.model("x", "command = 'tool'\n");
        }
    ),
    // config.toml, and what lies beside it.
    fault!("config", 2, "config.toml:2: there is no model 'cluade'", "did you mean 'claude'?", |home| {
        settings(home, "diagnostics_model = 'cluade'");
    }),
    fault!("learn", 1, "there is no 'diagnostics_model'", "ar setup set diagnostics_model", |home| settings(
        home,
        "learn = true"
    )),
    fault!(
        "unused_account",
        1,
        "describes the account 'cluade'",
        "write [accounts.claude]",
        |home| settings(home, "[accounts.cluade]\nmax_parallel = 1")
    ),
    fault!(
        "not_installed",
        2,
        "the program 'no-such' of 'accounts.claude.quota_command' is not found",
        "--unset accounts.claude.quota_command",
        |home| settings(home, "[accounts.claude]\nquota_command = ['no-such']")
    ),
    fault!(
        "not_installed",
        2,
        "the program 'no-such' of 'hooks.on_failure' is not found",
        "--unset hooks.on_failure",
        |home| settings(home, "[hooks]\non_failure = ['no-such']")
    ),
    fault!("cooldown", 1, "'cooldown.max_cooldown' is 0", "--unset cooldown.max_cooldown", |home| settings(
        home,
        "[cooldown]\nmax_cooldown = 0"
    )),
    fault!(
        "log_secrets",
        2,
        "has the pattern '(', which is no regular expression",
        "mend the pattern",
        |home| settings(home, "log_secrets = ['(']")
    ),
    fault!("history", 1, "'log_keep_runs' in config.toml is 0", "--unset log_keep_runs", |home| settings(
        home,
        "log_keep_runs = 0"
    )),
    fault!(
        "never_read",
        1,
        "models/y.yaml' is never read",
        "mv '[HOME]/.config/agent-runner/models/y.yaml'",
        |home| drop(home.write(".config/agent-runner/models/y.yaml", "command: cat\n"))
    ),
    fault!("never_read", 1, "agent-runner/y.toml' is never read", "models/y.toml'", |home| drop(
        home.write(".config/agent-runner/y.toml", "command = 'cat'\n")
    )),
    fault!("config", 2, "models': Not a directory", "", |home| {
        fs::remove_dir_all(home.path(CONFIG).join("models")).unwrap();
        home.write(".config/agent-runner/models", "");
    }),
    fault!("rules", 2, "rules.d/mine.toml:1: unknown field 'rules'", "ar diagnose test", |home| drop(
        home.write(".config/agent-runner/rules.d/mine.toml", "[[rules]]\nid = 'a'\n")
    )),
    fault!("empty_agent", 1, "the agent 'a' is empty", "write instructions", |home| drop(
        home.agent("a", "")
    )),
    fault!("writable_by_others", 2, "anybody may write '[HOME]/.config'", "chmod o-w", |home| chmod(
        home, ".config", 0o777
    )),
    // Agents.
    fault!(
        "too_old",
        1,
        "is claude 0.2.9, and our templates need 2.0.0",
        "npm install -g @anthropic-ai/claude-code@latest",
        |home| drop(
            home.command("claude", "echo 0.2.9 -p --output-format --verbose --permission-mode --resume")
        )
    ),
    fault!(
        "broken_agent",
        1,
        "claude' does not tell what it is: '--version' failed",
        "npm install",
        |home| drop(home.command("claude", "exit 134"))
    ),
    fault!(
        "logged_out",
        2,
        "'any/claude' has a login that cannot be read",
        "claude auth login",
        |home| drop(home.write(".claude/.credentials.json", "garbage"))
    ),
    fault!(
        "agent_settings",
        2,
        ".codex/config.toml:2: codex cannot read its own settings",
        "mend that line",
        |home| drop(home.write(".codex/config.toml", "a = 1\nmodel = \n"))
    ),
    // Surroundings and state.
    fault!("path", 2, "anybody may write '[HOME]/bin', which is on PATH", "chmod o-w", |home| chmod(
        home, "bin", 0o777
    )),
    env!(
        "unknown_variable",
        1,
        "AGENT_RUNNER_CONFG is set, and nobody reads it",
        "did you mean AGENT_RUNNER_CONFIG?",
        &[("AGENT_RUNNER_CONFG", "/x")]
    ),
    env!(
        "no_config",
        2,
        "AGENT_RUNNER_CONFIG names a directory that does not exist",
        "unset AGENT_RUNNER_CONFIG",
        &[("AGENT_RUNNER_CONFIG", "/no/such")]
    ),
    env!("time_zone", 1, "TZ is 'Nowhere/City'", "unset TZ", &[("TZ", "Nowhere/City")]),
    env!(
        "state",
        2,
        "is a directory",
        "name a file with AGENT_RUNNER_STATE",
        &[("AGENT_RUNNER_STATE", "/usr")]
    ),
    fault!("state", 1, "state.db' is empty", "ar log backup", |home| {
        fs::remove_file(home.path(STATE).join("state.db-wal")).unwrap();
        fs::write(home.state(), "").unwrap();
    }),
    fault!("state", 2, "lacks index run_live", "state.db.damaged'", |home| sql(home, "DROP INDEX run_live")),
    fault!("state_not_writable", 2, "agent-runner' is no directory", "mv", |home| {
        fs::remove_dir_all(home.path(STATE)).unwrap();
        home.write(STATE, "");
    }),
    fault!("stale_lease", 1, "nobody works on them: 1", "the next pick", |home| sql(
        home,
        "UPDATE run SET lease_until = 1 RETURNING 1"
    )),
    fault!("unknown_runs", 1, "of runs that the history does not know: 1", "ar log check --repair", |home| {
        drop(home.write(&format!("{STATE}/runs/01K9ZAAAAAAAAAAAAAAAAAAAAA/prompt"), "hush"));
    }),
];

/// Adds to config.toml, which has one line.
fn settings(home: &Home, text: &str) {
    home.write(".config/agent-runner/config.toml", format!("model = 'any'\n{text}\n"));
    chmod(home, ".config/agent-runner/config.toml", 0o600);
}

fn findings(run: Run) -> (Vec<Value>, String) {
    let output = run.any_stdout().check();
    let text = String::from_utf8(output.stdout).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    (json["findings"].as_array().unwrap().clone(), text)
}

#[test]
fn a_healthy_set_up_raises_no_alarm() {
    let home = healthy();
    setup(&home, &["doctor"]).stdout("nothing is wrong\n").check();
    setup(&home, &["doctor", "--json"])
        .stdout("{\"v\":1,\"errors\":0,\"warnings\":0,\"findings\":[]}\n")
        .check();
    // What hand-made files and other keys look like is no fault either.
    home.model(
        "mine",
        "command = '/bin/cat'\nargs = ['{prompt}', '{\"a\":1}', '-']\nidle_timeout = '5m'\ntimeout = 0\n",
    );
    let keyed = home.model(
        "keyed",
        "name = 'api'\ncommand = 'claude'\nargs = ['-p']\nenv = { ANTHROPIC_API_KEY = 'hush' }\n",
    );
    fs::set_permissions(keyed, fs::Permissions::from_mode(0o600)).unwrap();
    home.model("off", "[[providers]]\ncommand = 'gone'\ndisabled = true\n[[providers]]\ncommand = 'cat'\n");
    setup(&home, &["doctor"]).stdout("nothing is wrong\n").check();
}

#[test]
fn every_seeded_fault_is_named_with_its_fix() {
    assert!(FAULTS.len() >= 100, "{}", FAULTS.len());
    let mut missed = Vec::new();
    for fault in FAULTS {
        let home = healthy();
        println!("{}: {}", fault.id, fault.what);
        (fault.seed)(&home);
        let args: Vec<&str> = ["doctor", "--json"].into_iter().chain(fault.args.iter().copied()).collect();
        let mut run = setup(&home, &args).status(fault.status);
        if fault.env.iter().any(|(name, _)| *name == "HOME") {
            run = run.env("AGENT_RUNNER_CONFIG", home.path(CONFIG));
        }
        for (name, value) in fault.env {
            run = run.env(name, value);
        }
        let (found, text) = findings(run);
        assert!(!text.contains("hush"), "{}: a secret is shown: {text}", fault.what);
        let home_dir = home.path("").display().to_string();
        let holds = |finding: &Value, key: &str, part: &str| {
            finding[key].as_str().unwrap().replace(&home_dir, "[HOME]").contains(part)
        };
        let what = fault.what.replace("'my model.toml'", "my model.toml'");
        if !found.iter().any(|finding| {
            finding["id"] == fault.id && holds(finding, "what", &what) && holds(finding, "fix", fault.fix)
        }) {
            missed.push(format!("{}: {} -> {found:#?}", fault.id, fault.what));
        }
    }
    assert!(missed.is_empty(), "{} are missed: {}", missed.len(), missed.join("\n"));
}

#[test]
fn a_finding_says_what_why_and_how_to_mend_it() {
    let home = healthy();
    home.model("x", "command = 'qwen'\ntimeout = 0\n");
    setup(&home, &["doctor"])
        .status(2)
        .stdout(
            "error: the command 'qwen' of 'x/qwen' is not found\n  \
             at: [HOME]/.config/agent-runner/models/x.toml:1\n  why: each run of it fails\n  \
             fix: npm install -g @qwen-code/qwen-code\n\
             warning: 'x/qwen' has neither 'timeout' nor 'idle_timeout'\n  \
             at: [HOME]/.config/agent-runner/models/x.toml:1\n  \
             why: an agent that waits for the network for ever is never ended\n  \
             fix: ar setup set x/qwen.timeout 1h\n\
             errors: 1, warnings: 1\n",
        )
        .check();
}

#[test]
fn fix_carries_out_what_loses_nothing() {
    let home = healthy();
    chmod(&home, CONFIG, 0o777);
    chmod(&home, STATE, 0o755);
    setup(&home, &["doctor", "--fix", "--cron"])
        .stdout(
            "fixed: chmod 700 [HOME]/.config/agent-runner\n\
             fixed: chmod 700 [HOME]/.local/state/agent-runner\n\
             fixed: ar setup set any/claude.command [HOME]/bin/claude\n\
             fixed: ar setup set any/codex.command [HOME]/bin/codex\n\
             fixed: ar setup set claude/claude.command [HOME]/bin/claude\n\
             fixed: ar setup set codex/codex.command [HOME]/bin/codex\n\
             nothing is wrong\n",
        )
        .any_stdout()
        .check();
    setup(&home, &["doctor", "--cron"]).stdout("nothing is wrong\n").check();
}

#[test]
fn processes_that_outlive_their_run_are_reported() {
    let home = healthy();
    let run = "01K9ZAAAAAAAAAAAAAAAAAAAAA";
    home.write(&format!("{STATE}/runs/{run}/lock"), "");
    // It ends with us, however we end: its standard input does.
    let mut child = Command::new("cat").env("AGENT_RUNNER_RUN", run).stdin(Stdio::piped()).spawn().unwrap();
    let (found, _) = findings(setup(&home, &["doctor", "--json"]).status(1));
    drop(child.stdin.take());
    child.wait().unwrap();
    let found: Vec<&Value> = found.iter().filter(|finding| finding["id"] == "orphans").collect();
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn missing_and_foreign_tools_are_reported() {
    let home = healthy();
    let own = home.path("bin/ar-setup");
    // A process of its own copies it; see Home::command.
    assert!(Command::new("cp").arg(tools_dir().join("ar-setup")).arg(&own).status().unwrap().success());
    home.command("ar-pick", "echo ar-pick 0.0.1");
    let run = home
        .program(&own, &["doctor", "--json"])
        .env("PATH", home.path("bin").display().to_string() + ":/bin");
    let (found, _) = findings(run.status(2));
    let ids: Vec<&str> = found.iter().map(|finding| finding["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["mixed_tools", "missing_tool", "missing_tool", "missing_tool"], "{found:#?}");
}
