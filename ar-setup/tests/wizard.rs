//! `ar setup init` as a person drives it, and with answers from a file.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod terminal;

use ar_core::config::{Config, Model};
use ar_tests::{Home, Run};
use std::fs;
use std::path::Path;
use terminal::Terminal;

const CONFIG: &str = ".config/agent-runner";
const INIT: &str = concat!(env!("CARGO_BIN_EXE_ar-setup"), " init");

fn setup(home: &Home, args: &[&str]) -> Run {
    home.program(Path::new(env!("CARGO_BIN_EXE_ar-setup")), args)
}

/// A user with claude, who is logged in, and codex, who is not.
fn user() -> Home {
    let home = Home::new();
    home.command("claude", "echo 9.9.9 -p --output-format --verbose --permission-mode");
    home.command("codex", "echo 9.9.9 -- exec");
    home.write(".claude/.credentials.json", r#"{"claudeAiOauth":{"refreshToken":"r"}}"#);
    home
}

#[test]
fn a_person_chooses_agents_accounts_order_and_default() {
    let home = user();
    let Some(terminal) = Terminal::start(&home, 100, &[], INIT) else { return };
    terminal.answer("Which agents?", &["Enter"]);
    terminal.answer("Another account of claude?", &["y", "Enter"]);
    terminal.answer("What to call it", &["work", "Enter"]);
    terminal.answer("Directory of its login", &["Enter"]);
    terminal.answer("Directory of its login ~/.claude-work ? Another account of claude?", &["Enter"]);
    terminal.answer("Another account of codex?", &["Enter"]);
    terminal.wait_for("codex is not logged in. In another terminal: codex login waiting for that");
    home.write(".codex/auth.json", r#"{"tokens":{}}"#);
    terminal.wait_for("enter goes on without... done work is not logged in");
    let login = format!("CLAUDE_CONFIG_DIR={} claude auth login", home.path(".claude-work").display());
    terminal.wait_for(&login);
    terminal.answer(&format!("{login} waiting for that; enter goes on without..."), &["Enter"]);
    terminal.answer("How are they used?", &["Down", "Enter"]);
    terminal.answer("Number 1", &["Enter"]);
    terminal.answer("Number 2", &["Down", "Enter"]);
    terminal.answer("End a run after", &["soon", "Enter"]);
    terminal.answer("say it like 90s, 30m or 2h", &["BSpace", "BSpace", "BSpace", "BSpace", "20m", "Enter"]);
    terminal.answer("Limit how many runs go at once?", &["y", "Enter"]);
    terminal.answer("Of claude, at most", &["BSpace", "few", "Enter"]);
    terminal.answer("a whole number, 0 for no limit", &["BSpace", "BSpace", "BSpace", "3", "Enter"]);
    terminal.answer("Of codex, at most", &["BSpace", "0", "Enter"]);
    terminal.answer("Of work, at most", &["Enter"]);
    terminal.answer("Which model serves a call that names none?", &["Down", "Enter"]);
    terminal.answer(
        "Which model is asked why a run failed when no rule knows?",
        &["Down", "Down", "Down", "Enter"],
    );
    for file in ["claude.toml", "codex.toml", "any.toml", "config.toml"] {
        assert!(!home.path(CONFIG).join("models").exists(), "something is written before all is agreed");
        terminal.answer(&format!("Write {file}?"), &["Enter"]);
    }
    terminal.wait_for("next: ar run \"hello\" status=0");

    let dir = home.path(CONFIG);
    let config = Config::load(&dir).unwrap();
    assert_eq!(
        (config.model.as_deref(), config.diagnostics_model.as_deref()),
        (Some("claude"), Some("codex"))
    );
    assert_eq!(limits(&config), [("claude", 3), ("work", 2)]);
    let any = Model::load(&dir, "any").unwrap();
    let found: Vec<(&str, u32)> = any.providers.iter().map(|p| (p.name.as_str(), p.tier)).collect();
    assert_eq!(found, [("claude", 1), ("codex", 3), ("work", 2)]);
    assert_eq!(any.providers[0].timeout, Some(std::time::Duration::from_mins(20)));
    drop(terminal);
    the_same_answers_are_proposed_again(&home);
}

fn the_same_answers_are_proposed_again(home: &Home) {
    let dir = home.path(CONFIG);
    let read = || {
        let files = ["models/any.toml", "models/claude.toml", "models/codex.toml", "config.toml"];
        files.map(|file| fs::read_to_string(dir.join(file)).unwrap())
    };
    let before = read();
    let Some(terminal) = Terminal::start(home, 100, &[], INIT) else { return };
    for question in [
        "Which agents?",
        "Keep the account work in",
        "Another account of claude?",
        "Another account of codex?",
        "work is not logged in",
        "How are they used?",
        "Number 1",
        "Number 2",
        "End a run after (20m)",
        "Limit how many runs go at once?",
        "Of claude, at most (0: no limit) (3)",
        "Of codex, at most (0: no limit) (0)",
        "Of work, at most (0: no limit) (2)",
        "Which model serves a call that names none?",
        "Which model is asked why a run failed when no rule knows?",
    ] {
        terminal.answer(question, &["Enter"]);
    }
    terminal.wait_for("nothing to change");
    terminal.wait_for("status=0");
    assert_eq!(read(), before);
    assert!(!dir.join("previous").exists());
    what_is_not_chosen_again_goes_away(home);
}

fn what_is_not_chosen_again_goes_away(home: &Home) {
    let Some(terminal) = Terminal::start(home, 100, &[], INIT) else { return };
    for question in [
        "Which agents?",
        "Keep the account work in",
        "Another account of claude?",
        "Another account of codex?",
        "work is not logged in",
        "How are they used?",
        "Number 1",
        "Number 2",
        "End a run after (20m)",
    ] {
        terminal.answer(question, &["Enter"]);
    }
    terminal.answer("Limit how many runs go at once?", &["n", "Enter"]);
    terminal.answer("Which model serves a call that names none?", &["Enter"]);
    terminal
        .answer("Which model is asked why a run failed when no rule knows?", &["Up", "Up", "Up", "Enter"]);
    terminal.answer("Change config.toml?", &["y", "Enter"]);
    terminal.wait_for("status=0");
    let config = Config::load(&home.path(CONFIG)).unwrap();
    assert_eq!((config.model.as_deref(), config.diagnostics_model), (Some("claude"), None));
    assert!(config.accounts.is_empty(), "{:?}", config.accounts);
}

fn limits(config: &Config) -> Vec<(&str, u32)> {
    let limits =
        config.accounts.iter().map(|(name, account)| (name.as_str(), account.max_parallel.unwrap().get()));
    limits.collect()
}

#[test]
fn stopping_in_the_middle_leaves_nothing_behind() {
    for key in ["C-c", "Escape"] {
        let home = user();
        let Some(terminal) = Terminal::start(&home, 40, &[("NO_COLOR", "1")], INIT) else { return };
        terminal.answer("Which agents?", &["Down", "Space", "Enter"]);
        terminal.answer("Another account of claude?", &[key]);
        terminal.wait_for("ar-setup: stopped; nothing was written status=2");
        terminal.wait_for(" echo ");
        let screen = terminal.screen(true);
        assert!(!screen.contains("\x1b["), "colours in spite of NO_COLOR: {screen:?}");
        assert!(!screen.contains("-icanon") && !screen.contains("-echo "), "{screen}");
        assert!(terminal.has_cursor(), "the cursor is gone");
        assert!(!home.path(CONFIG).exists());
    }
}

#[test]
fn a_signal_at_a_prompt_leaves_the_terminal_in_order() {
    for signal in ["TERM", "HUP", "INT"] {
        let home = user();
        let command = format!("(sh -c 'echo $PPID' >$HOME/pid; exec {INIT})");
        let Some(terminal) = Terminal::start(&home, 80, &[], &command) else { return };
        terminal.wait_for("Which agents?");
        let pid = fs::read_to_string(home.path("pid")).unwrap();
        home.program(Path::new("/usr/bin/kill"), &["-s", signal, pid.trim()]).check();
        terminal.wait_for(" echo ");
        let screen = terminal.screen(false);
        assert!(!screen.contains("-icanon") && !screen.contains("-echo "), "{signal}: {screen}");
        assert!(terminal.has_cursor(), "{signal}: the cursor is gone");
        let status = ["status=143", "status=129", "status=130"];
        assert!(status.iter().any(|status| screen.contains(status)), "{signal}: {screen}");
        assert!(!home.path(CONFIG).exists());
    }
}

#[test]
fn answers_from_a_file_need_no_terminal_and_are_idempotent() {
    let home = user();
    let answers = home.write(
        "answers.toml",
        "agents = [\"claude\", \"codex\"]\ntimeout = \"30m\"\ndefault = \"claude\"\n\
         diagnostics_model = \"any\"\nmax_parallel = { work = 1 }\n[tiers]\ncodex = 2\n\
         [[accounts]]\nagent = \"claude\"\nname = \"work\"\ndirectory = \"~/.claude-work\"\n",
    );
    let args = ["init", "--answers", answers.to_str().unwrap()];
    let wrote = "wrote [HOME]/.config/agent-runner/models/claude.toml\n\
                 wrote [HOME]/.config/agent-runner/models/codex.toml\n\
                 wrote [HOME]/.config/agent-runner/models/any.toml\n\
                 wrote [HOME]/.config/agent-runner/config.toml\n";
    let found = "found claude ([HOME]/bin/claude)\nfound codex ([HOME]/bin/codex)\n";
    setup(&home, &args).stdout(format!("{found}{wrote}next: ar run \"hello\"\n")).check();
    let kept = wrote.replace("wrote", "kept ");
    setup(&home, &args).stdout(format!("{found}{kept}next: ar run \"hello\"\n")).check();

    let dir = home.path(CONFIG);
    let config = Config::load(&dir).unwrap();
    assert_eq!((config.model.as_deref(), config.diagnostics_model.as_deref()), (Some("claude"), Some("any")));
    assert_eq!(limits(&config), [("work", 1)]);
    let any = Model::load(&dir, "any").unwrap();
    let found: Vec<(&str, u32, &str)> =
        any.providers.iter().map(|p| (p.name.as_str(), p.tier, p.command.as_str())).collect();
    assert_eq!(found, [("claude", 1, "claude"), ("codex", 2, "codex"), ("work", 1, "claude")]);
    let work = any.provider("work").unwrap();
    assert_eq!(work.env["CLAUDE_CONFIG_DIR"], home.path(".claude-work").display().to_string());
    assert_eq!(work.timeout, Some(std::time::Duration::from_mins(30)));
}

#[test]
fn answers_may_replace_files_and_the_previous_ones_stay() {
    let home = user();
    home.model("claude", "command = 'mine'\n");
    let answers = home.write("answers.toml", "agents = [\"claude\"]\nreplace = true\n");
    let output = setup(&home, &["init", "--answers", answers.to_str().unwrap()]).any_stdout().check();
    assert!(String::from_utf8_lossy(&output.stdout).contains("changed "), "{output:?}");
    let kept = fs::read_dir(home.path(CONFIG).join("previous/models")).unwrap().next().unwrap().unwrap();
    assert_eq!(fs::read_to_string(kept.path()).unwrap(), "command = 'mine'\n");
}

#[test]
fn answers_that_do_not_fit_are_refused_before_anything_is_written() {
    let home = user();
    for (text, message) in [
        (
            "agents = [\"cluade\"]\n",
            "there is no agent 'cluade' on this machine\nhint: did you mean 'claude'?",
        ),
        (
            "agents = [\"claude\"]\nmax_parallel = { cluade = 1 }\n",
            "'max_parallel' names 'cluade', which is no agent or account chosen\nhint: did you mean 'claude'?",
        ),
        (
            "agents = [\"claude\"]\ndiagnostics_model = \"codex\"\n",
            "config.toml would name the model 'codex', which would not exist; nothing was written\nhint: write both or neither",
        ),
        ("\nagent = []\n", "[HOME]/answers.toml:2: unknown field 'agent', expected one of [..]"),
        (
            "[[accounts]]\nagent = \"claude\"\nname = \"a b\"\ndirectory = \"/x\"\n",
            "'a b' cannot be a name: use letters, digits and . _ + @ -",
        ),
    ] {
        let answers = home.write("answers.toml", text);
        setup(&home, &["init", "--answers", answers.to_str().unwrap()])
            .status(2)
            .any_stdout()
            .stderr(format!("ar-setup: {message}\n"))
            .check();
        assert!(!home.path(CONFIG).join("models").exists());
    }
}
