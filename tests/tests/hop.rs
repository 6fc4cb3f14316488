//! An agent that changed files before it failed: who may go on, and what the next one is told.

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
}
