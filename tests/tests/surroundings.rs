//! Calls from cron, make, loops and scripts.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, source_dir, tools_dir};

fn home() -> Home {
    let home = Home::new();
    let echo = home.command("echo-prompt", "cat; echo");
    home.model("smart", &format!("command = \"{}\"\n", echo.display()));
    home
}

#[test]
fn the_environment_of_cron_is_enough() {
    let home = home();
    let ar = tools_dir().join("ar");
    let home_variable = format!("HOME={}", home.path("").display());
    let args = ["-i", "PATH=/usr/bin:/bin", &home_variable, ar.to_str().unwrap(), "run", "-m", "smart", "hi"];
    home.program("/usr/bin/env".as_ref(), &args).stdout("hi\n").check();
}

#[test]
fn a_loop_keeps_its_standard_input_when_a_prompt_is_given() {
    let home = home();
    home.sh("printf 'a\\nb\\nc\\n' | while read -r line; do ar run -m smart \"$line\"; done")
        .stdout("a\nb\nc\n")
        .check();
    home.write("work/prompt", "from a file");
    home.sh("printf 'a\\nb\\n' | while read -r line; do ar run -m smart -f prompt; done")
        .stdout("from a file\nfrom a file\n")
        .check();
}

#[test]
fn standard_input_is_read_where_it_is_asked_for() {
    let home = home();
    home.ar(&["run", "-m", "smart"]).stdin("all of it").stdout("all of it\n").check();
    home.ar(&["run", "-m", "smart", "before", "-", "after"]).stdin("within").any_stdout().check();
    let output = home.ar(&["run", "-m", "smart", "review:", "-"]).stdin("a change\n").any_stdout().check();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("review:") && said.contains("a change"), "{said}");
    home.write("work/file", "of the file\n");
    let output = home.ar(&["run", "-m", "smart", "-f", "file", "-"]).stdin("a change\n").any_stdout().check();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("of the file") && said.contains("a change"), "{said}");
}

#[test]
fn closed_streams_are_no_trouble() {
    let home = home();
    home.sh("ar run -m smart hi <&-").stdout("hi\n").check();
    home.sh("ar run -m smart hi 2>&-").stdout("hi\n").check();
    home.sh("ar run -m smart hi <&- 2>&-").stdout("hi\n").check();
    home.sh("ar run -m smart -o answer hi <&- 2>&- >&-; cat answer").stdout("hi\n").check();
}

#[test]
fn eight_jobs_of_make_share_the_pool() {
    let home = home();
    for n in 0..8 {
        home.write(&format!("work/{n}.txt"), format!("text {n}"));
    }
    let makefile = source_dir().join("contrib/Makefile");
    let make = |jobs: &str| {
        home.program(
            "/usr/bin/make".as_ref(),
            &["-s".as_ref(), jobs.as_ref(), "-f".as_ref(), makefile.as_os_str()],
        )
    };
    make("-j8").check();
    for n in 0..8 {
        assert_eq!(
            std::fs::read_to_string(home.path(&format!("work/{n}.summary"))).unwrap(),
            format!("text {n}\n")
        );
    }
    make("-j8").check();
    assert_eq!(home.query("SELECT count(*) FROM run"), ["8"]);
}

#[test]
fn make_sees_no_half_of_an_answer() {
    let home = home();
    let fail = home.command("fail", "echo half; echo broken >&2; exit 3");
    home.model("smart", &format!("command = \"{}\"\n", fail.display()));
    home.write("work/a.txt", "text");
    let makefile = source_dir().join("contrib/Makefile");
    let args = ["-s".as_ref(), "-f".as_ref(), makefile.as_os_str()];
    home.program("/usr/bin/make".as_ref(), &args).status(2).any_stderr().check();
    assert!(!home.path("work/a.summary").exists());
}
