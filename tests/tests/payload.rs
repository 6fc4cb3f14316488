//! Prompts and answers of any size and any bytes.

use ar_tests::Home;
use std::fs::OpenOptions;
use std::process::Stdio;
use std::thread;

/// Bytes of every value, in no pattern that a text reader would forgive.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(len)
    .collect()
}

#[test]
fn fifty_megabytes_come_back_byte_for_byte() {
    let home = Home::new();
    home.pool("echo", &["cat"]);
    let prompt = noise(50_000_000);
    home.write("work/prompt", &prompt);
    home.ar(&["run", "-m", "echo", "-f", "prompt"]).stdout(&prompt).check();
    home.ar(&["run", "-m", "echo"]).stdin(prompt.clone()).stdout(&prompt).check();
}

#[test]
fn a_child_that_never_reads_its_prompt_is_no_trouble() {
    let home = Home::new();
    home.command("deaf", "echo ok");
    home.pool("deaf", &["deaf"]);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..125 {
                    home.ar(&["run", "-m", "deaf", "four"]).stdout("ok\n").check();
                }
            });
        }
    });
    assert_eq!(home.query("SELECT count(*) FROM run WHERE verdict = 'ok'"), ["1000"]);
}

#[test]
fn a_child_that_fails_before_it_has_read_fifty_megabytes_is_diagnosed() {
    let home = Home::new();
    home.command("gone", "echo 'API Error: 401 OAuth token has expired. Please run /login' >&2; exit 1");
    home.command("good", "wc -c | tr -d ' '");
    home.pool("pool", &["gone", "good"]);
    home.write("work/prompt", vec![b'x'; 50_000_000]);
    home.ar(&["run", "-m", "pool", "-f", "prompt"])
        .stdout("50000000\n")
        .stderr("ar: gone: auth_expired, trying good\n")
        .check();
}

#[test]
fn a_reader_that_leaves_early_is_no_error_and_the_row_is_stored() {
    let home = Home::new();
    home.command("long", "head -c 100000000 /dev/zero | tr '\\0' 'x' | fold -w 99");
    home.pool("long", &["long"]);
    home.sh("ar run -m long hi | head -1").stdout("x".repeat(99) + "\n").check();
    home.sh("{ ar run -m long hi; echo $? >status; } | true; cat status").stdout("0\n").check();
    assert_eq!(home.query("SELECT verdict, count(*) FROM run GROUP BY 1"), ["ok|2"]);
}

#[test]
fn a_full_disk_is_an_error() {
    let home = Home::new();
    home.command("good", "echo ok");
    home.pool("pool", &["good"]);
    let full = || Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap());
    for (tool, args, code) in [
        ("ar", &["run", "-m", "pool", "hi"][..], 125),
        ("ar-pick", &["-m", "pool"], 2),
        ("ar-log", &["list"], 2),
        ("ar-setup", &["names", "models"], 2),
        ("ar", &["help"], 2),
        ("ar", &["run", "--help"], 125),
        ("ar-pick", &["--help"], 2),
        ("ar-exec", &["--version"], 2),
        ("ar-diagnose", &["--help"], 2),
        ("ar-log", &["list", "--help"], 2),
        ("ar-setup", &["--version"], 2),
    ] {
        let child = home.tool(tool, args).spawn(|command| {
            command.stdin(Stdio::null()).stdout(full()).stderr(Stdio::piped());
        });
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{tool} {args:?}: {said}");
        assert!(said.contains("No space left on device"), "{tool} {args:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn a_prompt_too_long_for_an_argument_is_refused_with_the_way_out() {
    let home = Home::new();
    home.model("arg", "command = \"echo\"\nprompt_mode = \"arg\"\n");
    home.ar(&["run", "-m", "arg", "hello"]).stdout("hello\n").check();
    home.write("work/prompt", "x".repeat(200_000));
    let output = home.ar(&["run", "-m", "arg", "-f", "prompt"]).status(126).any_stderr().check();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("prompt_mode"), "{said}");
    assert_eq!(home.query("SELECT verdict FROM run ORDER BY id"), ["ok", "caller"]);
}

#[test]
fn the_answer_is_written_under_its_name_only_when_it_is_good() {
    let home = Home::new();
    home.command("fail", "echo half; exit 3");
    home.command("good", "echo whole");
    home.pool("fail", &["fail"]);
    home.pool("good", &["good"]);
    home.ar(&["run", "-m", "fail", "-o", "answer", "hi"]).status(3).any_stderr().check();
    assert!(!home.path("work/answer").exists());
    home.ar(&["run", "-m", "good", "-o", "answer", "hi"]).check();
    assert_eq!(std::fs::read(home.path("work/answer")).unwrap(), b"whole\n");
    home.ar(&["run", "-m", "fail", "-o", "answer", "hi"]).status(3).any_stderr().check();
    assert_eq!(std::fs::read(home.path("work/answer")).unwrap(), b"whole\n");
    let files: Vec<_> = std::fs::read_dir(home.path("work")).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
}
