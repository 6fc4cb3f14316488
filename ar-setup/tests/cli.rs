//! ar-setup through its binary: init, check, path and names.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, Run, kill, wait_until};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

const CONFIG: &str = ".config/agent-runner";

/// A run of ar-setup whose PATH holds this user's commands alone.
fn setup(home: &Home, args: &[&str]) -> Run {
    home.program(Path::new(env!("CARGO_BIN_EXE_ar-setup")), args).env("PATH", home.path("bin"))
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn init_writes_a_model_for_each_agent_found_and_one_for_all() {
    let home = Home::new();
    home.command("codex", "exit 1");
    home.command("claude", "exit 1");
    setup(&home, &["init"])
        .stdout(
            "found claude ([HOME]/bin/claude)\n\
             found codex ([HOME]/bin/codex)\n\
             wrote [HOME]/.config/agent-runner/models/claude.toml\n\
             wrote [HOME]/.config/agent-runner/models/codex.toml\n\
             wrote [HOME]/.config/agent-runner/models/any.toml\n\
             wrote [HOME]/.config/agent-runner/config.toml\n\
             next: ar run \"hello\"\n",
        )
        .check();
    setup(&home, &["check"])
        .stdout("no problem in '[HOME]/.config/agent-runner' (models: 3, agents: 0)\n")
        .check();
    setup(&home, &["names", "models"]).stdout("any\nclaude\ncodex\n").check();
    setup(&home, &["names", "providers"]).stdout("claude\ncodex\n").check();
    setup(&home, &["names", "providers", "-m", "codex"]).stdout("codex\n").check();
    for file in ["models/any.toml", "models/claude.toml", "config.toml"] {
        assert_eq!(mode(&home.path(CONFIG).join(file)), 0o600, "{file}");
    }
    for dir in ["", "models"] {
        assert_eq!(mode(&home.path(CONFIG).join(dir)), 0o700, "{dir}");
    }
}

#[test]
fn init_tells_which_options_an_installed_agent_does_not_have() {
    let home = Home::new();
    home.command(
        "llm",
        "case $1 in --version) echo 'llm, version 0.9';; *) echo '  --cid  a conversation';; esac",
    );
    setup(&home, &["init"])
        .any_stdout()
        .stderr(
            "ar-setup: the help of llm 0.9 does not name --json of its template\n\
             hint: an agent that is too old, or too new for the template, refuses to start; update it, or mend 'args'\n",
        )
        .check();
    setup(&home, &["init"]).any_stdout().check();
}

#[test]
fn init_leaves_out_what_an_installed_agent_does_not_know_and_can_do_without() {
    for (options, expected) in [("--usage-output-file <file>", true), ("", false)] {
        let home = Home::new();
        let help = format!("  --output-format <f>  --no-auto-update  --no-ask-user  {options}");
        home.command("copilot", &format!("case $1 in --version) echo 0.0.400;; *) echo '{help}';; esac"));
        setup(&home, &["init"]).any_stdout().check();
        for file in ["copilot.toml", "any.toml"] {
            let text = fs::read_to_string(home.path(CONFIG).join("models").join(file)).unwrap();
            let args: Vec<&str> = text.lines().filter(|line| line.contains("args = ")).collect();
            assert_eq!(args.len(), 2, "{text}");
            assert!(args.iter().all(|line| line.contains("\"--no-ask-user\"")), "{text}");
            assert!(args.iter().all(|line| !line.contains("--disable-client-telemetry")), "{text}");
            assert!(args.iter().all(|line| line.contains("{usage_file}") == expected), "{text}");
        }
    }
}

#[test]
fn init_overwrites_nothing() {
    let home = Home::new();
    home.command("claude", "exit 1");
    home.command("llm", "exit 1");
    let mine = home.model("claude", "command = 'mine'\n");
    let pool = home.path(CONFIG).join("models/any.toml");
    std::os::unix::fs::symlink("/nowhere", &pool).unwrap();
    for wrote in ["wrote", "kept "] {
        setup(&home, &["init"])
            .stdout(format!(
                "found claude ([HOME]/bin/claude)\n\
                 found llm ([HOME]/bin/llm)\n\
                 kept  [HOME]/.config/agent-runner/models/claude.toml\n\
                 {wrote} [HOME]/.config/agent-runner/models/llm.toml\n\
                 kept  [HOME]/.config/agent-runner/models/any.toml\n\
                 {wrote} [HOME]/.config/agent-runner/config.toml\n\
                 next: ar run \"hello\"\n"
            ))
            .check();
    }
    assert_eq!(fs::read_to_string(mine).unwrap(), "command = 'mine'\n");
    assert_eq!(fs::read_link(pool).unwrap(), Path::new("/nowhere"));
}

#[test]
fn init_says_what_to_do_where_no_agent_is_found() {
    let home = Home::new();
    setup(&home, &["init"])
        .status(2)
        .stderr(
            "ar-setup: found none of claude, codex, gemini, opencode, qwen, copilot, aider, llm on PATH\n\
             hint: install one (such as 'npm install -g @anthropic-ai/claude-code') and log in, or describe any \
             command in '[HOME]/.config/agent-runner/models/NAME.toml' (ar-config(5))\n",
        )
        .check();
    assert!(!home.path(".config").exists());
}

#[test]
fn detect_tells_version_login_and_features_of_every_way_to_an_agent() {
    let home = Home::new();
    let help = "case \"$*\" in --version) echo '9.9.9 (Claude Code)';; --help) echo ' -p, --print --output-format';; esac";
    home.command("claude", help);
    home.command("claude2", "CLAUDE_CONFIG_DIR=$HOME/.claude2 exec claude \"$@\"");
    home.write(".claude/.credentials.json", r#"{"claudeAiOauth":{"expiresAt":0}}"#);
    home.write(".bashrc", "alias cw='CLAUDE_CONFIG_DIR=~/work claude'\n");
    home.write(".local/bin/llm", "#!/bin/sh\n[ \"$1\" = --version ] && echo 'llm, version 1.2'\n");
    fs::set_permissions(home.path(".local/bin/llm"), fs::Permissions::from_mode(0o755)).unwrap();
    let output = setup(&home, &["detect"])
        .env("OPENAI_API_KEY", "sk-secret")
        .stdout(
            "claude   9.9.9       login expired ([HOME]/.claude/.credentials.json)\n         \
             [HOME]/bin/claude (its help does not name --permission-mode --verbose)\n         \
             log in with: claude auth login\n\
             llm      1.2         logged in (OPENAI_API_KEY)\n         \
             [HOME]/.local/bin/llm (not on PATH; 'prompt --help' failed)\n\
             claude2  9.9.9       not logged in (no [HOME]/.claude2/.credentials.json)\n         \
             [HOME]/bin/claude2 (a script that calls claude; its help does not name --permission-mode --verbose)\n         \
             log in with: CLAUDE_CONFIG_DIR=[HOME]/.claude2 claude auth login\n\
             cw       9.9.9       logged in ('claude auth status')\n         \
             [HOME]/bin/claude (an alias of claude; its help does not name --permission-mode --verbose)\n",
        )
        .check();
    assert!(!String::from_utf8_lossy(&output.stdout).contains("secret"));
    let output = setup(&home, &["detect", "--json"]).any_stdout().check();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["v"], 1);
    assert_eq!(json["agents"][0]["login"]["state"], "expired");
    assert_eq!(json["agents"][3]["variables"][0], "CLAUDE_CONFIG_DIR");
}

#[test]
fn detect_waits_for_no_agent_that_hangs() {
    let home = Home::new();
    for name in ["codex", "gemini"] {
        home.command(name, "trap '' TERM; sleep 1000 & sleep 1000");
    }
    for name in ["claude", "opencode", "qwen", "aider"] {
        home.command(name, "echo 1.0 --x");
    }
    let output =
        setup(&home, &["detect", "--json"]).env("PATH", home.path("bin").display().to_string() + ":/bin");
    let output = output.any_stdout().check();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let agents = json["agents"].as_array().unwrap();
    assert_eq!(agents.len(), 6);
    for agent in agents {
        let hangs = ["codex", "gemini"].contains(&agent["name"].as_str().unwrap());
        assert_eq!(agent["trouble"].is_string(), hangs, "{agent}");
        assert_eq!(agent["version"].is_null(), hangs, "{agent}");
    }
    assert_eq!(home.processes(), Vec::<String>::new());
}

#[test]
fn a_signal_leaves_no_agent_that_was_asked_behind() {
    let home = Home::new();
    home.command("codex", "touch \"$0.asked\"; exec sleep 1000");
    let mut child = setup(&home, &["detect"])
        .env("PATH", home.path("bin").display().to_string() + ":/bin:/usr/bin")
        .spawn(|_| {});
    wait_until("the agent is asked", || home.path("bin/codex.asked").exists());
    // Not INT, which a background job of a shell inherits as ignored.
    kill(i32::try_from(child.id()).unwrap(), Signal::TERM);
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    wait_until("all processes end", || {
        fs::read_dir("/proc").unwrap().all(|entry| {
            let words = fs::read(entry.unwrap().path().join("environ")).unwrap_or_else(|_| Vec::new());
            !String::from_utf8_lossy(&words).contains(&format!("PATH={}", home.path("bin").display()))
        })
    });
}

#[test]
fn check_reports_fallbacks_that_lead_in_a_circle() {
    let home = Home::new();
    home.model("a", "command = 'x'\nfallback = ['b']\n");
    home.model("b", "command = 'x'\nfallback = ['c']\n");
    home.model("c", "command = 'x'\nfallback = ['a']\n");
    let circle = |file: &str, way: &str| {
        format!(
            "ar-setup: [HOME]/{CONFIG}/models/{file}.toml: 'fallback' goes in a circle, from {way}\n\
             hint: take one of them out\n"
        )
    };
    setup(&home, &["check"])
        .status(2)
        .stderr(
            circle("a", "'a' to 'b' to 'c' to 'a'")
                + &circle("b", "'b' to 'c' to 'a' to 'b'")
                + &circle("c", "'c' to 'a' to 'b' to 'c'"),
        )
        .check();
}

#[test]
fn check_reports_every_problem_of_every_file() {
    let home = Home::new();
    home.write(&format!("{CONFIG}/config.toml"), "\nmodel = 'claud'\n");
    home.model("claude", "command = 'claude'\n");
    home.model(
        "broken",
        "modle = 1\n[[providers]]\ncomand = 'a'\ncommand = 'a'\nweight = 0\ntimeout = 'soon'\n\
         [[providers]]\nname = 'a b'\ncommand = 'b'\ntyer = 2\n",
    );
    home.model("nothing", "[[providers]]\ncommand = 5\n");
    home.model("text", "command = 'a\n");
    home.model("my model", "command = 'a'\n");
    home.model("reserve", "command = 'a'\nfallback = ['claude', 'claud']\n");
    home.agent("good", "---\nmodel: claude\n---\nDo it.\n");
    home.agent("bad", "---\ndescription: x\nmodel: claud\n---\nDo it.\n");
    home.agent("worse", "---\nmodel: claude\n");
    let near = |place: &str| {
        format!(
            "ar-setup: [HOME]/{CONFIG}/{place}: there is no model 'claud'\nhint: did you mean 'claude'?\n"
        )
    };
    let at = |place: &str, rest: &str| format!("ar-setup: [HOME]/{CONFIG}/models/{place}: {rest}\n");
    let misnamed = format!(
        "ar-setup: '[HOME]/{CONFIG}/models/my model.toml' is never read: its name is no name for a model or agent\n\
         hint: rename it with letters, digits and . _ + @ - alone, at most 64 of them\n"
    );
    setup(&home, &["check"])
        .status(2)
        .stderr(
            near("config.toml:2")
                + &at("broken.toml:1", "unknown key 'modle'")
                + &at("broken.toml:3", "unknown key 'comand'\nhint: did you mean 'command'?")
                + &at("broken.toml:5", "'weight' must be at least 1")
                + &at("broken.toml:6", "string \"soon\" stands where a length of time [..]")
                + &at("broken.toml:8", "'a b' cannot be a name: use letters, digits and . _ + @ -")
                + &at("broken.toml:10", "unknown key 'tyer'\nhint: did you mean 'tier'?")
                + &misnamed
                + &at("nothing.toml:2", "integer '5' stands where a string belongs")
                + &near("models/reserve.toml:2")
                + &at("text.toml:1", "[..]")
                + &near("agents/bad.md:3")
                + &format!(
                    "ar-setup: [HOME]/{CONFIG}/agents/worse.md:1: the front matter has no closing '---'\n"
                ),
        )
        .check();
}

#[test]
fn a_broken_model_breaks_no_other_name() {
    let home = Home::new();
    home.pool("good", &["b", "a"]);
    home.model("broken", "comand = 'c'\n");
    home.agent("reviewer", "Review.\n");
    setup(&home, &["names", "models"]).stdout("broken\ngood\n").check();
    setup(&home, &["names", "agents"]).stdout("reviewer\n").check();
    setup(&home, &["names", "providers"])
        .status(2)
        .stdout("a\nb\n")
        .stderr(format!(
            "ar-setup: [HOME]/{CONFIG}/models/broken.toml:1: unknown key 'comand'\nhint: did you mean 'command'?\n"
        ))
        .check();
}

#[test]
fn path_names_the_three_places() {
    let home = Home::new();
    setup(&home, &["path"])
        .stdout(
            "config  [HOME]/.config/agent-runner\n\
             state   [HOME]/.local/state/agent-runner/state.db\n\
             runs    [HOME]/.local/state/agent-runner/runs\n",
        )
        .check();
    setup(&home, &["path", "runs", "--state", "/x/y.db"]).stdout("/x/runs\n").check();
    setup(&home, &["path", "--json", "--config", "/c", "--state", "/x/y.db"])
        .stdout("{\"config\":\"/c\",\"state\":\"/x/y.db\",\"runs\":\"/x/runs\"}\n")
        .check();
}

#[test]
fn detect_tells_the_models_of_agents_that_list_them() {
    let home = Home::new();
    home.command(
        "opencode",
        "[ \"$1\" != models ] || printf 'a/%s\\n' one two three four five; echo 9.9.9 >&2",
    );
    home.command("llm", "[ \"$1\" != models ] || exit 1; echo 9.9.9");
    setup(&home, &["detect"])
        .env("OPENAI_API_KEY", "k")
        .stdout(
            "opencode  9.9.9       logged in (OPENAI_API_KEY)\n          \
             [HOME]/bin/opencode (its help does not name --format)\n          \
             models: a/one, a/two, a/three and 2 more\n\
             llm       9.9.9       logged in (OPENAI_API_KEY)\n          \
             [HOME]/bin/llm (its help does not name --json)\n",
        )
        .check();
}
