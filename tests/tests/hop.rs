//! An agent that changed files before it failed: who may go on, and what the next one is told.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::Home;

/// Appends to a tracked file, then is out of quota.
const WRITES: &str = "echo more >>work; echo \"You've hit your usage limit.\" >&2; exit 1";
const LIMITED: &str = "echo \"You've hit your usage limit.\" >&2; exit 1";

/// A home whose pool is `first`, which runs `body`, and `second`, which prints its prompt; in a git repository.
fn home(body: &str, keys: &str) -> Home {
    let home = Home::new();
    home.command("first", body);
    home.command("second", "cat");
    home.model(
        "pool",
        &format!("{keys}[[providers]]\ncommand = \"first\"\n[[providers]]\ncommand = \"second\"\n"),
    );
    home.sh("git init -q repo && cd repo && echo work >work && git add work && \
             git -c user.name=a -c user.email=a@b commit -qm start")
        .check();
    home
}

#[test]
fn a_clean_hop_needs_an_unchanged_repository() {
    for (body, status) in [(WRITES, 75), (LIMITED, 0)] {
        for (keys, option) in
            [("hop = 'clean'\n", ""), ("", "--hop=clean"), ("hop = 'never'\n", "--hop=clean")]
        {
            let home = home(body, keys);
            let run = home.sh(&format!("cd repo && ar run -m pool {option} hi")).status(status).any_stderr();
            let output = run.stdout(if status == 0 { "hi" } else { "" }).check();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let kept = "it has changed the git repository, and the work is kept";
            assert_eq!(said.contains(kept), status == 75, "{said}");
        }
    }
}

#[test]
fn never_means_never_and_always_is_the_default() {
    let home = home(LIMITED, "hop = 'never'\n");
    home.sh("cd repo && ar run -m pool hi").status(75).any_stderr().check();
    let home = self::home(WRITES, "");
    home.sh("cd repo && ar run -m pool hi").stdout("hi").any_stderr().check();
}

#[test]
fn a_handoff_tells_the_next_provider_the_facts() {
    let home = home(WRITES, "hop = 'clean'\n");
    let expected = "Another agent (first) began this task and was stopped before it was done: quota_exhausted.\n\
                    What it changed is in the work tree:\n\n work | 1 +\n 1 file changed, 1 insertion(+)\n\nThe task:\n\nhi";
    home.sh("cd repo && ar run -m pool --handoff hi").stdout(expected).any_stderr().check();
    home.command("second", WRITES);
    home.sh("ar pick --reset first").any_stdout().any_stderr().any_status().check();
    let text = said(&home, "ar run -m pool --handoff hi", 75);
    assert!(text.contains("nobody else is left to try, and what it has changed is kept"), "{text}");
}

/// Runs in the repository, and gives what the call said.
fn said(home: &Home, script: &str, status: i32) -> String {
    let run = home.sh(&format!("cd repo && {script}")).status(status).any_stdout().any_stderr().check();
    String::from_utf8([run.stdout, run.stderr].concat()).unwrap()
}

#[test]
fn a_repository_that_is_gone_or_that_git_refuses_is_not_a_clean_one() {
    let home = self::home(&format!("rm -rf .git; {LIMITED}"), "hop = 'clean'\n");
    let text = said(&home, "ar run -m pool hi", 75);
    assert!(text.contains("it has changed the git repository"), "{text}");
    for (body, status) in [(WRITES, 75), ("exec no-such-program", 0)] {
        let home = self::home(body, "hop = 'clean'\n");
        home.command("git", "echo 'fatal: detected dubious ownership' >&2; exit 128");
        if status == 0 {
            home.sh("rm ../bin/first").check();
        }
        let text = said(&home, "ar run -m pool hi", status);
        let unknown =
            "'git status' does not tell whether it has changed the repository, and the work is kept";
        assert_eq!(text.contains(unknown), status == 75, "{text}");
        said(&home, "ar pick -m pool --reset first; ar run -m pool --handoff hi", 0);
    }
}

#[test]
fn no_program_that_a_repository_names_is_started_to_look_at_it() {
    let home = home(WRITES, "hop = 'clean'\n");
    let foreign = home.command("foreign", "touch \"$HOME/foreign-ran\"; exit 1");
    home.sh(&format!(
        "cd repo && for key in core.fsmonitor diff.external core.pager; do git config $key {}; done",
        foreign.display()
    ))
    .check();
    said(&home, "ar run -m pool --handoff hi", 0);
    assert!(!home.path("foreign-ran").exists());
}

#[test]
fn a_handoff_tells_of_all_the_repository_without_colours_and_of_no_more_than_fits() {
    let writes = format!("echo 1 >../top; echo 2 >ü; seq 2000 | sed 's/^/x/' | xargs touch; {LIMITED}");
    let home = home(&writes, "hop = 'clean'\n");
    home.sh("cd repo && git config color.ui always && mkdir sub && echo >>work").check();
    let text = said(&home, "cd sub && ar run -m pool --handoff hi", 0);
    for part in [" work | 1 +\n", " new file: sub/x1\n", "\n and more, which 'git status' lists\n\nThe task:"]
    {
        assert!(text.contains(part), "{text}");
    }
    let few = format!("echo 1 >../top; echo 2 >ü; {LIMITED}");
    let home = self::home(&few, "hop = 'clean'\n");
    let text = said(&home, "mkdir sub && cd sub && ar run -m pool --handoff hi", 0);
    assert!(text.contains("\n new file: sub/ü\n new file: top\n"), "{text}");
}

#[test]
fn a_handoff_tells_of_a_first_commit_and_of_a_directory_below_home() {
    let commits = "echo x >n; git add n; git -c user.name=a -c user.email=a@b commit -qm n";
    let home = home(&format!("{commits}; {LIMITED}"), "hop = 'clean'\ncwd = '~/work/empty'\n");
    home.sh("git init -q empty").check();
    let text = said(&home, "ar run -m pool --handoff hi", 0);
    assert!(text.contains("\n n | 1 +\n 1 file changed, 1 insertion(+)\n"), "{text}");
}
