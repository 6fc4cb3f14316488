//! The snippets that ar-setup prints, run by the programs they are for.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, Run, skip};
use std::fs;
use std::path::Path;

fn setup(home: &Home, args: &[&str]) -> Run {
    home.program(Path::new(env!("CARGO_BIN_EXE_ar-setup")), args)
}

/// A user whose one agent lies in a directory that no job has on its PATH.
fn user() -> Home {
    let home = Home::new();
    home.command("my-agent", "printf 'read: '; cat");
    home.pool("m", &["my-agent"]);
    home
}

fn text(run: Run) -> String {
    String::from_utf8(run.any_stdout().check().stdout).unwrap()
}

#[test]
fn the_cron_lines_run_in_the_environment_of_cron() {
    let home = user();
    let prompt = home.write("work/50% it's.md", "hello");
    let snippet = text(setup(&home, &["cron", "-f", prompt.to_str().unwrap()]));
    let mut variables: Vec<(&str, &str)> = Vec::new();
    let mut job = None;
    for line in snippet.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("0 3 * * * ") {
            Some(command) => job = Some(command.replace("\\%", "%")),
            None => variables.push(line.split_once('=').unwrap()),
        }
    }
    let home_dir = home.path("");
    let environment: Vec<String> = [("HOME", home_dir.to_str().unwrap())]
        .iter()
        .chain(&variables)
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut args: Vec<&str> = vec!["-i"];
    args.extend(environment.iter().map(String::as_str));
    let job = job.unwrap();
    args.extend(["/bin/sh", "-c", &job]);
    home.program(Path::new("/usr/bin/env"), &args).cwd("/").check();
    assert_eq!(fs::read_to_string(home.path("work/50% it's.out")).unwrap(), "read: hello");
}

#[test]
fn the_rule_runs_under_make_with_many_jobs() {
    let home = user();
    fs::write(home.path("work/Makefile"), text(setup(&home, &["make"]))).unwrap();
    for name in ["a", "b", "c", "d"] {
        home.write(&format!("work/{name}.md"), name);
    }
    home.program(Path::new("/usr/bin/make"), &["-sj4", "a.out", "b.out", "c.out", "d.out"])
        .env("PATH", "/usr/bin:/bin")
        .check();
    assert_eq!(fs::read_to_string(home.path("work/d.out")).unwrap(), "read: d");
}

#[test]
fn an_answer_never_takes_the_place_of_its_prompt() {
    let home = user();
    for verb in ["cron", "systemd", "make"] {
        setup(&home, &[verb, "-f", "a.out"])
            .status(2)
            .stderr("ar-setup: the answer to 'a.out' would take its place\nhint: give the prompt another extension\n")
            .check();
    }
    let rule = text(setup(&home, &["make", "-f", "prompts/a.txt"]));
    assert!(rule.contains("\n%.out: %.txt\n\t"), "{rule}");
    setup(&home, &["make", "-f", "a.b c"])
        .status(2)
        .any_stdout()
        .stderr("ar-setup: make cannot take 'b c' for an extension\n")
        .check();
}

#[test]
fn systemd_takes_the_units() {
    let home = user();
    let service = text(setup(&home, &["systemd", "service"]));
    let timer = text(setup(&home, &["systemd", "timer"]));
    let both = text(setup(&home, &["systemd"]));
    assert!(both.contains(&service) && both.contains(&timer), "{both}");
    let analyze = Path::new("/usr/bin/systemd-analyze");
    if !analyze.exists() {
        skip("systemd-analyze(1) is not installed");
        return;
    }
    let service = home.write("ar-nightly.service", service);
    let timer = home.write("ar-nightly.timer", timer);
    let output = home.program(analyze, &["verify"]).arg(service).arg(timer).any_stdout().any_stderr().check();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("ar-nightly"), "{output:?}");
}

#[test]
fn the_shells_source_the_completions() {
    let home = user();
    for (shell, script, offered) in [
        (
            "bash",
            "COMP_WORDS=(ar run -m ''); COMP_CWORD=3; COMP_LINE='ar run -m '; COMP_POINT=10\n\
             function=$(complete -p ar | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \"$function\" ar '' -m; echo \"${COMPREPLY[@]}\"",
            "m\n",
        ),
        ("fish", "complete -C 'ar run -m ' | string split -f 1 \\t", "m\n"),
        ("zsh", "whence -w _ar _ar_names", "_ar: function\n_ar_names: function\n"),
    ] {
        let Some(program) = [format!("/usr/bin/{shell}"), format!("/bin/{shell}")]
            .into_iter()
            .find(|p| Path::new(p).exists())
        else {
            skip(&format!("{shell} is not installed"));
            continue;
        };
        let file = home.write(&format!("completions.{shell}"), text(setup(&home, &["completions", shell])));
        let before =
            if shell == "zsh" { "autoload -U compinit && compinit -u -d $HOME/.zcompdump\n" } else { "" };
        let script = format!("{before}source {}\n{script}", file.display());
        home.program(Path::new(&program), &["-c", &script]).stdout(offered).check();
    }
}
