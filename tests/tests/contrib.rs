//! The examples and the README, run for real.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, skip, source_dir, tools_dir};
use std::fs;
use std::process::Command;

/// A home with a model called smart, whose one provider says what it was asked.
fn home() -> Home {
    let home = Home::new();
    home.command("agent", "echo \"asked: $(cat)\"");
    home.pool("smart", &["agent"]);
    home
}

#[test]
fn the_demo_shows_hop_answer_and_log_and_leaves_nothing() {
    let home = Home::new();
    let demo = source_dir().join("contrib/demo");
    let output = home.program(&demo, &[tools_dir()]).any_stdout().any_stderr().check();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("The second agent answers. It was asked: why is the sky blue?\n"), "{shown}");
    let hop = "ar: first: quota_exhausted, trying second\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), hop);
    for word in ["quota_exhausted", "ok", "$ ar log\n", "--explain"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert_eq!(fs::read_dir(home.path("tmp")).unwrap().count(), 0);
    assert!(!home.path(".config").exists() && !home.path(".local").exists());
}

/// The jobs of a crontab, run as cron runs them: its own variables, a bare environment, the home directory.
fn run_jobs(home: &Home, crontab: &str) {
    let mut jobs = 0;
    for line in crontab.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let Some(job) = line.strip_prefix("@hourly ").or_else(|| {
            line.splitn(6, ' ').nth(5).filter(|_| line.starts_with(|c: char| c.is_ascii_digit()))
        }) else {
            assert!(line.starts_with("PATH="), "{line}");
            continue;
        };
        jobs += 1;
        let path = format!("{}:{}:/usr/bin:/bin", home.path("bin").display(), tools_dir().display());
        let variables =
            [format!("HOME={}", home.path("").display()), format!("PATH={path}"), "SHELL=/bin/sh".to_owned()];
        let mut args = vec!["-i"];
        args.extend(variables.iter().map(String::as_str));
        args.extend(["/bin/sh", "-c", job]);
        home.program("/usr/bin/env".as_ref(), &args).cwd(home.path("")).check();
    }
    assert!(jobs > 0);
}

#[test]
fn the_crontab_works_in_the_environment_of_cron() {
    let home = home();
    home.write("nightly.md", "how are you");
    home.write("load.txt", "0.5 0.4 0.3\n");
    run_jobs(&home, &fs::read_to_string(source_dir().join("contrib/crontab")).unwrap());
    assert_eq!(fs::read_to_string(home.path("nightly.out")).unwrap(), "asked: how are you\n");
    assert!(fs::read_to_string(home.path("load.log")).unwrap().contains("0.5 0.4 0.3"));
}

#[test]
fn the_review_in_ci_goes_on_without_agents_and_stops_at_trouble() {
    if Command::new("git").arg("--version").output().is_err() {
        return skip("git is not installed");
    }
    let home = home();
    home.sh(
        "git -c init.defaultBranch=main init -q . && git config user.email a@b && git config user.name a && \
             echo one >file && git add file && git commit -qm one && git checkout -qb change && \
             echo two >file && git commit -qam two",
    )
    .check();
    let script = source_dir().join("contrib/review-in-ci");
    let output = home.program(&script, &["main"]).any_stdout().check();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("-one\n+two"), "{shown}");
    home.command("agent", "echo \"You've hit your usage limit.\" >&2; exit 1");
    home.program(&script, &["main"]).any_stdout().any_stderr().check();
    home.pool("smart", &["other"]);
    home.command("other", "echo 'segmentation fault in the reviewer' >&2; exit 9");
    home.program(&script, &["main"]).status(9).any_stderr().check();
}

/// The blocks of the README in this language.
fn blocks(language: &str) -> Vec<String> {
    let readme = fs::read_to_string(source_dir().join("README.md")).unwrap();
    let mut blocks = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if let Some(of) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if of == language {
                blocks.push(block.join("\n") + "\n");
            }
        }
    }
    blocks
}

#[test]
fn the_readme_is_short_and_its_first_block_is_the_two_commands() {
    let readme = fs::read_to_string(source_dir().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 150);
    assert_eq!(blocks("sh")[0], "make demo\nmake check\n");
    let makefile = fs::read_to_string(source_dir().join("Makefile")).unwrap();
    for word in readme.split(['`', '\n']).filter_map(|text| text.strip_prefix("make ")) {
        let target = word.split(' ').next().unwrap();
        assert!(target.starts_with('-') || makefile.contains(&format!("\n{target}:")), "{word}");
    }
}

#[test]
fn the_shell_commands_of_the_readme_work() {
    let home = home();
    home.write("work/prompt.md", "a prompt");
    home.command("git", "echo a change");
    home.write("work/build-the-world", "#!/bin/sh\necho 'API Error: 529 Overloaded' >&2\nexit 1\n");
    home.sh("chmod +x build-the-world").check();
    let blocks = blocks("sh");
    // The first two are set up by whoever runs this test, and need a compiler.
    assert!(blocks[1].starts_with("make install"), "{blocks:?}");
    let [words, pipeline, parts] = &blocks[2..] else { panic!("{blocks:?}") };
    home.sh(&format!("set -e\n{words}"))
        .stdout("asked: explain what a lease is\nasked: review this change:\na change\n")
        .check();
    assert_eq!(fs::read_to_string(home.path("work/answer.md")).unwrap(), "asked: a prompt\n");
    home.sh(pipeline).stdout("asked: a prompt\n").check();
    let output = home.sh(&format!("set -e\n{parts}")).any_stdout().check();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("\"diagnosis\"") && shown.contains("rate_limit"), "{shown}");
}

#[test]
fn the_files_of_the_readme_work() {
    let home = home();
    home.command("codex", "echo \"You've hit your usage limit.\" >&2; exit 1");
    home.command("claude", "echo \"asked: $(cat)\"");
    home.model("smart", &blocks("toml")[0]);
    home.ar(&["setup", "check"]).any_stdout().check();
    home.ar(&["run", "-m", "smart", "hi"]).stdout("asked: hi\n").stderr(&blocks("")[0]).check();
    home.write("nightly.md", "how are you");
    run_jobs(&home, &blocks("crontab")[0]);
    assert_eq!(fs::read_to_string(home.path("nightly.out")).unwrap(), "asked: how are you\n");
    home.write("work/Makefile", &blocks("make")[0]);
    home.write("work/a.txt", "text");
    home.sh("make -s a.summary && cat a.summary").stdout("asked: text\n").check();
}
