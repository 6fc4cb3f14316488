//! `ar setup import`: what comes over, and what is said of the rest.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_core::agent::Agent;
use ar_core::config::Model;
use ar_tests::{Home, Run};
use std::fs;
use std::path::Path;

const CONFIG: &str = ".config/agent-runner";

fn setup(home: &Home, args: &[&str]) -> Run {
    home.program(Path::new(env!("CARGO_BIN_EXE_ar-setup")), args)
}

#[test]
fn models_and_agents_of_another_directory_come_over_unchanged() {
    let home = Home::new();
    let model = "prompt_mode = \"arg\" # as it was\n\n[[providers]]\ncommand = \"codex\"\n";
    home.write("old/models/codex-high.toml", model);
    home.write("old/models/broken.toml", "comand = 'x'\n");
    home.write("old/models/mine.toml", "command = 'theirs'\n");
    home.write("old/agents/reviewer.md", "---\nmodel: codex-high\n---\nReview.\n");
    home.write("old/agents/lost.md", "---\nmodel: gone\n---\nGo.\n");
    home.model("mine", "command = 'mine'\n");
    let from = home.path("old");
    let args = ["import", from.to_str().unwrap()];
    let rest =
        "left out [HOME]/old/models/broken.toml: [HOME]/old/models/broken.toml:1: unknown key 'comand'\n";
    let mine = "left out [HOME]/old/models/mine.toml: there is another [HOME]/.config/agent-runner/models/mine.toml\n";
    let lost = "  not carried over from [HOME]/old/agents/lost.md: there is no model 'gone' here\n";
    for wrote in ["wrote", "kept "] {
        setup(&home, &args)
            .status(1)
            .stdout(format!(
                "{rest}{wrote} [HOME]/.config/agent-runner/models/codex-high.toml\n{mine}\
                 {wrote} [HOME]/.config/agent-runner/agents/lost.md\n{lost}\
                 {wrote} [HOME]/.config/agent-runner/agents/reviewer.md\n"
            ))
            .check();
    }
    let dir = home.path(CONFIG);
    assert_eq!(fs::read_to_string(dir.join("models/codex-high.toml")).unwrap(), model);
    assert_eq!(fs::read_to_string(dir.join("models/mine.toml")).unwrap(), "command = 'mine'\n");
}

#[test]
fn agents_of_claude_code_keep_description_instructions_and_a_model_that_we_have() {
    let home = Home::new();
    home.model("opus", "command = 'claude'\n");
    home.write(
        "project/.claude/agents/reviewer.md",
        "---\nname: code-reviewer\ndescription: Use it when: done. \"Now\"\ntools: Read, Grep\nmodel: opus\n---\n\nReview.\n",
    );
    home.write("project/.claude/agents/helper.md", "---\nname: helper\nmodel: haiku\n---\nHelp.\n");
    let from = home.path("project");
    setup(&home, &["import", "-n", from.to_str().unwrap()]).status(1).any_stdout().check();
    assert!(!home.path(CONFIG).join("agents").exists());
    setup(&home, &["import", from.to_str().unwrap()])
        .status(1)
        .stdout(
            "wrote [HOME]/.config/agent-runner/agents/helper.md\n  \
             not carried over from [HOME]/project/.claude/agents/helper.md: model: haiku\n\
             wrote [HOME]/.config/agent-runner/agents/reviewer.md\n  \
             not carried over from [HOME]/project/.claude/agents/reviewer.md: tools: Read, Grep\n",
        )
        .check();
    let agent = Agent::load(&home.path(CONFIG), "reviewer").unwrap();
    assert_eq!(agent.description.as_deref(), Some("Use it when: done. \"Now\""));
    assert_eq!((agent.model.as_deref(), agent.body.as_str()), (Some("opus"), "Review."));
    setup(&home, &["check"]).any_stdout().check();
    // The directory '.claude' itself will do.
    let from = home.path("project/.claude");
    setup(&home, &["import", from.to_str().unwrap()]).status(1).any_stdout().check();
}

#[test]
fn aliases_of_llm_become_models() {
    let home = Home::new();
    home.write(".config/io.datasette.llm/aliases.json", r#"{"fast": "gpt-4o-mini", "a b": "x", "n": 3}"#);
    let from = home.path(".config/io.datasette.llm");
    setup(&home, &["import", from.to_str().unwrap()])
        .status(1)
        .stdout(
            "left out [HOME]/.config/io.datasette.llm/aliases.json: 'a b' is no name for a model\n\
             wrote [HOME]/.config/agent-runner/models/fast.toml\n\
             left out [HOME]/.config/io.datasette.llm/aliases.json: 'n' is the alias of no text\n",
        )
        .check();
    let model = Model::load(&home.path(CONFIG), "fast").unwrap();
    let [provider] = &model.providers[..] else { panic!("{model:?}") };
    assert_eq!((provider.name.as_str(), provider.command.as_str()), ("fast", "llm"));
    assert!(provider.args.ends_with(&["-m".to_owned(), "gpt-4o-mini".to_owned()]), "{:?}", provider.args);
}

#[test]
fn a_directory_with_nothing_in_it_is_said_to_be_so() {
    let home = Home::new();
    let from = home.path("work");
    setup(&home, &["import", from.to_str().unwrap()])
        .status(2)
        .stderr(
            "ar-setup: there is nothing to import in '[HOME]/work'\n\
             hint: it may hold models/*.toml, agents/*.md, .claude/agents/*.md or aliases.json of llm\n",
        )
        .check();
    setup(&home, &["import", "/no/such"]).status(2).stderr("ar-setup: '/no/such' is no directory\n").check();
}

#[test]
fn a_file_that_is_no_text_keeps_nobody_from_the_others() {
    let home = Home::new();
    let from = home.path("work");
    fs::create_dir_all(from.join("models")).unwrap();
    fs::create_dir_all(from.join(".claude/agents")).unwrap();
    for file in ["models/bad.toml", ".claude/agents/bad.md", "aliases.json"] {
        fs::write(from.join(file), b"\xff\xfe").unwrap();
    }
    fs::write(from.join("models/good.toml"), "command = 'cat'\n").unwrap();
    let no_text = "stream did not contain valid UTF-8";
    setup(&home, &["import", from.to_str().unwrap()])
        .status(1)
        .stdout(format!(
            "left out [HOME]/work/models/bad.toml: cannot read '[HOME]/work/models/bad.toml': {no_text}\n\
             wrote [HOME]/.config/agent-runner/models/good.toml\n\
             left out [HOME]/work/aliases.json: cannot read '[HOME]/work/aliases.json': {no_text}\n\
             left out [HOME]/work/.claude/agents/bad.md: cannot read '[HOME]/work/.claude/agents/bad.md': {no_text}\n"
        ))
        .check();
}
