//! Picks that are killed at any moment leave a state that is whole, and leases that end.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::Home;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

#[test]
fn a_pick_that_is_killed_at_any_moment_leaves_a_whole_state() {
    let home = Home::new();
    home.model("m", "max_parallel = 40\n[[providers]]\ncommand = 'a'\n[[providers]]\ncommand = 'b'\n");
    let pick = |args: &[&str], now: &str| home.tool("ar-pick", args).env("AGENT_RUNNER_NOW", now);
    let now = "2026-11-20T10:00:00Z";
    let mut killed = 0;
    for trial in 0..60 {
        let mut child =
            pick(&[], now).spawn(|command| _ = command.stdout(Stdio::null()).stderr(Stdio::null()));
        // From before its first instruction to after its last: there is no event to wait for in between.
        sleep(Duration::from_micros(trial * 200));
        child.kill().unwrap();
        killed += usize::from(child.wait().unwrap().code().is_none());
    }
    assert!(killed > 0, "no trial was early enough");
    pick(&["-F", "model"], now).stdout("m\n").check();
    assert_eq!(home.query("PRAGMA integrity_check"), ["ok"]);
    let sums = "SELECT name FROM provider \
                WHERE runs <> (SELECT count(*) FROM run WHERE provider = name)";
    assert_eq!(home.query(sums), [""; 0]);
    // Nobody started these runs: half a minute later their leases are over, each counted as lost once.
    let picked = home.query("SELECT count(*) FROM run").concat();
    pick(&["-F", "model"], "2026-11-20T10:00:31Z").stdout("m\n").check();
    assert_eq!(home.query("SELECT count(*) FROM run WHERE status = 'lost'").concat(), picked);
    assert_eq!(home.query("SELECT sum(runs) FROM tally WHERE outcome = 'lost'").concat(), picked);
}
