//! What ar-log makes of failures and ar-pick of that: cooldowns through the whole pipeline, by a clock that is set.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, Run};

/// An agent whose mood is the text of a file.
const MOODY: &str = "case $(cat \"$HOME/mood\") in
ok) echo fine ;;
rate) echo 'API Error: Request rejected (429)'; exit 1 ;;
quota) echo \"You've hit your usage limit. Try again in 18 days.\" >&2; exit 1 ;;
login) echo 'Not logged in · Please run /login'; exit 1 ;;
odd) echo 'strange things happened' >&2; kill -SEGV $$ ;;
task) echo 'two tests fail' >&2; exit 3 ;;
esac";

fn home() -> Home {
    let home = Home::new();
    home.command("claude", MOODY);
    home.pool("m", &["claude"]);
    home
}

/// A call at so many minutes after ten o'clock, while the agent is in a mood.
fn call(home: &Home, minutes: i64, mood: &str) -> Run {
    home.write("mood", mood);
    let (day, minutes) = (20 + minutes.div_euclid(1440), minutes.rem_euclid(1440));
    let (hour, minute) = (minutes / 60, minutes % 60);
    let now = format!("2026-11-{day:02}T{hour:02}:{minute:02}:00Z");
    home.ar(&["run", "-q", "hi"]).env("AGENT_RUNNER_NOW", now).any_stderr()
}

fn runs(home: &Home) -> String {
    home.query("SELECT count(*) FROM run WHERE status = 'done'").concat()
}

#[test]
fn a_quota_for_days_is_tried_every_six_hours_and_is_back_with_the_first_good_answer() {
    let home = home();
    call(&home, 600, "quota").status(75).check();
    call(&home, 959, "ok").status(75).check();
    assert_eq!(runs(&home), "1");
    call(&home, 960, "quota").status(75).check();
    assert_eq!(runs(&home), "2");
    call(&home, 1319, "ok").status(75).check();
    call(&home, 1320, "ok").stdout("fine\n").check();
    call(&home, 1320, "ok").stdout("fine\n").check();
    assert_eq!(home.query("SELECT count(*) FROM health"), ["0"]);
}

#[test]
fn a_login_ends_a_cooldown_at_once_and_so_does_a_new_program_or_a_word() {
    let home = home();
    home.write(".claude/.credentials.json", "{}");
    call(&home, 600, "login").status(69).check();
    call(&home, 601, "ok").status(69).check();
    home.write(".claude/.credentials.json", "{\"new\":1}");
    call(&home, 601, "ok").stdout("fine\n").check();

    call(&home, 700, "quota").status(75).check();
    call(&home, 701, "ok").status(75).check();
    home.command("claude", &format!("{MOODY}\n# newer"));
    call(&home, 701, "quota").status(75).check();
    // It was tried out once, and not again until something else changes.
    call(&home, 702, "ok").status(75).check();
    home.ar(&["pick", "--reset", "claude"]).check();
    call(&home, 702, "ok").stdout("fine\n").check();
}

#[test]
fn a_login_that_was_no_help_is_tried_once() {
    let home = home();
    home.write(".claude/.credentials.json", "{}");
    call(&home, 600, "login").status(69).check();
    home.write(".claude/.credentials.json", "{\"new\":1}");
    call(&home, 601, "login").status(69).check();
    call(&home, 602, "ok").status(69).check();
    assert_eq!(runs(&home), "2");
    assert_eq!(home.query("SELECT (retry_at - opened_at) / 60000, strikes FROM health"), ["30|1"]);
    call(&home, 631, "ok").stdout("fine\n").check();
}

#[test]
fn rests_after_rate_limits_double_and_end_with_a_good_answer() {
    let home = home();
    for (minutes, status) in [(0, 75), (1, 75), (2, 75), (3, 75), (5, 75)] {
        call(&home, 600 + minutes, "rate").status(status).check();
    }
    // 30 s, 1 min, 2 min (from :02), 4 min (from :05, because :03 fell into the rest).
    assert_eq!(home.query("SELECT strikes, (retry_at - opened_at) / 1000 FROM health"), ["3|240"]);
    call(&home, 609, "ok").stdout("fine\n").check();
    call(&home, 610, "rate").status(75).check();
    assert_eq!(home.query("SELECT strikes, (retry_at - opened_at) / 1000 FROM health"), ["0|30"]);
}

#[test]
fn failures_of_simultaneous_runs_count_once() {
    let home = home();
    home.write("mood", "rate");
    let pipeline = "for i in 1 2 3 4 5; do ar-pick; done >picks; \
                    ar-exec <picks hi | ar-diagnose | ar-log >/dev/null";
    home.sh(pipeline).env("AGENT_RUNNER_NOW", "2026-11-20T10:00:00Z").status(75).check();
    assert_eq!(runs(&home), "5");
    assert_eq!(home.query("SELECT strikes, (retry_at - opened_at) / 1000 FROM health"), ["0|30"]);
}

#[test]
fn only_the_provider_s_own_failures_touch_its_health_and_a_pool_of_one_is_never_refused_for_odd_ones() {
    let home = home();
    for minute in 0..5 {
        call(&home, 600 + minute, "odd").status(139).check();
    }
    call(&home, 606, "task").status(3).check();
    assert_eq!(home.query("SELECT count(*) FROM health"), ["0"]);
    let explained = home.ar(&["pick", "-F", "reason"]).env("AGENT_RUNNER_NOW", "2026-11-20T10:07:00Z");
    explained.stdout("the only one free in tier 1, though it failed of late\n").check();
}

#[test]
fn a_failure_that_the_clock_put_into_the_future_heals() {
    let home = home();
    // A week ahead.
    call(&home, 600 + 7 * 1440, "quota").status(75).check();
    call(&home, 600, "quota").status(75).check();
    call(&home, 601, "ok").status(75).check();
    call(&home, 960, "ok").stdout("fine\n").check();
    assert_eq!(home.query("SELECT count(*) FROM health"), ["0"]);
    // And a success heals at once what began a week later.
    call(&home, 600 + 7 * 1440, "quota").status(75).check();
    call(&home, 961, "ok").stdout("fine\n").check();
    assert_eq!(home.query("SELECT count(*) FROM health"), ["0"]);
}

#[test]
fn why_a_provider_was_taken_is_kept_with_the_run() {
    let home = home();
    home.pool("m", &["claude", "codex"]);
    call(&home, 600, "ok").stdout("fine\n").check();
    home.ar(&["log", "show", "--why", "-1"])
        .stdout(
            "  PROVIDER  TIER  WHY\n\
             * claude       1  taken: fewest runs in tier 1\n  \
               codex        1  left: another comes first in the file\n",
        )
        .check();
}
