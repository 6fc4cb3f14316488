//! `ar setup test` through the whole pipeline.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, Run};
use std::path::Path;

fn setup(home: &Home, args: &[&str]) -> Run {
    home.program(Path::new(env!("CARGO_BIN_EXE_ar-setup")), args)
}

fn lines(run: Run) -> Vec<String> {
    let output = run.any_stdout().check();
    // Providers are printed as they end.
    let text = String::from_utf8(output.stdout).unwrap();
    let mut parts: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with(' ') {
            let last = parts.last_mut().unwrap();
            *last += "\n";
            *last += line.trim_start();
        } else {
            parts.push(line.to_owned());
        }
    }
    parts.sort();
    parts
}

#[test]
fn each_provider_is_shown_with_what_to_do() {
    let home = Home::new();
    home.command("good", "cat >/dev/null; echo ok");
    home.command("codex2", "cat >/dev/null; echo \"Not logged in. Please run codex login\" >&2; exit 1");
    home.command("full", "cat >/dev/null; echo \"You've hit your usage limit.\" >&2; exit 1");
    home.model(
        "m",
        "[[providers]]\ncommand = 'good'\n[[providers]]\ncommand = 'codex2'\nenv = { CODEX_HOME = '/x' }\n\
         [[providers]]\ncommand = 'full'\n[[providers]]\ncommand = 'claude'\n[[providers]]\ncommand = 'off'\ndisabled = true\n",
    );
    let found = lines(setup(&home, &["test", "m"]).status(1));
    let [claude, codex, full, good] = &found[..] else { panic!("{found:#?}") };
    assert!(claude.starts_with("claude  cli_version_mismatch"), "{claude}");
    assert!(claude.ends_with("hint: install it: npm install -g @anthropic-ai/claude-code"), "{claude}");
    assert!(codex.starts_with("codex2  auth_expired  "), "{codex}");
    assert!(codex.ends_with("hint: log in with: CODEX_HOME=/x codex login"), "{codex}");
    assert!(
        full.contains("\nYou've hit your usage limit.\nhint: its quota is used up; add an account"),
        "{full}"
    );
    assert!(good.starts_with("good    ok  ") && good.ends_with("\nok"), "{good}");
    assert_eq!(home.query("SELECT count(*) FROM run WHERE tags LIKE '%purpose%test%'"), ["4"]);

    let found = lines(setup(&home, &["test", "m", "--provider", "full"]).status(1));
    assert!(found[0].starts_with("full  not run\n"), "a provider that cools is not asked: {found:?}");
}

#[test]
fn all_models_are_tested_and_a_provider_that_several_hold_only_once() {
    let home = Home::new();
    home.command("good", "cat");
    home.pool("a", &["good"]);
    home.pool("b", &["good"]);
    home.pool("c", &["cat"]);
    let output = setup(&home, &["test", "--all", "--json", "--prompt", "hi"]).any_stdout().check();
    let text = String::from_utf8(output.stdout).unwrap();
    let found: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found.len(), 2);
    for finding in found {
        assert_eq!((&finding["ok"], &finding["answer"]), (&true.into(), &"hi".into()), "{finding}");
    }
}

#[test]
fn what_does_not_exist_is_named() {
    let home = Home::new();
    home.pool("m", &["cat"]);
    setup(&home, &["test", "--provider", "catt"])
        .status(2)
        .stderr("ar-setup: model 'm' has no provider 'catt'\nhint: did you mean 'cat'?\n")
        .check();
    setup(&home, &["test", "n"])
        .status(2)
        .stderr(
            "ar-setup: there is no model 'n' in '[HOME]/.config/agent-runner/models'\nhint: there are m\n",
        )
        .check();
}

#[test]
fn an_order_that_cannot_be_carried_out_starts_nothing() {
    let home = Home::new();
    let none = "ar-setup: there is no model in '[HOME]/.config/agent-runner/models'\n\
                hint: 'ar setup init' writes one for each agent that it finds\n";
    setup(&home, &["test", "--all"]).status(2).stderr(none).check();
    home.pool("m", &["cat"]);
    setup(&home, &["test", "--timeout", "soon"])
        .status(2)
        .stderr(
            "ar-setup: --timeout: cannot read 'soon' as a length of time\nhint: such as 90, 5m or 1h 30m\n",
        )
        .check();
}

#[test]
fn an_agent_works_in_an_empty_directory_unless_its_provider_has_one() {
    let home = Home::new();
    home.command("litter", "cat >/dev/null; touch litter; ls -A; pwd");
    let own = home.path("own");
    std::fs::create_dir(&own).unwrap();
    home.model(
        "m",
        &format!(
            "[[providers]]\nname = 'a'\ncommand = 'litter'\n[[providers]]\nname = 'b'\ncommand = 'litter'\ncwd = '{}'\n",
            own.display()
        ),
    );
    home.write("work/mine", "");
    let found = lines(setup(&home, &["test"]).cwd(home.path("work")));
    assert!(!found[0].contains("mine") && found[0].contains("litter"), "{found:?}");
    assert!(found[1].ends_with(&format!("litter {}", own.display())), "{found:?}");
    assert!(own.join("litter").exists() && !home.path("work/litter").exists());
}

#[test]
fn one_that_cools_is_not_explained_by_options_that_nobody_gave() {
    let home = Home::new();
    home.command("out", "cat >/dev/null; echo 'Not logged in. Please run codex login' >&2; exit 1");
    home.model("m", "[[providers]]\nname = 'codex'\ncommand = 'out'\n[[providers]]\ncommand = 'cat'\n");
    lines(setup(&home, &["test", "m"]).status(1));
    let found = lines(setup(&home, &["test", "m"]).status(1));
    let advice = "hint: 'ar pick -m m --explain' tells more; --reset, --enable and --unlock help";
    assert!(found[1].starts_with("codex  not run\n") && found[1].ends_with(advice), "{found:?}");
}
