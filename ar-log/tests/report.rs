//! The report through the binary.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod history;

use ar_tests::Home;
use history::{NOW, Past, id};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn report(home: &Home, args: &[&str]) -> String {
    let all = [&["report"], args].concat();
    let output = history::log(home, &all).env("AGENT_RUNNER_NOW", NOW).any_stdout().check();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_report_needs_nothing_else_and_every_chart_has_words() {
    let home = Home::new();
    Past::new(&home, 1).prompt("<b>bold</b> & \"quoted\"").usage(10, 20, 0.5).store(&home);
    Past::new(&home, 2)
        .fails("rate_limit")
        .with("/diagnosis/retry_at", "2025-11-20T11:00:00Z")
        .with("/pick/provider", "<script>")
        .store(&home);
    Past::new(&home, 3).with("/call", id(2)).with("/attempt", 2).store(&home);
    let html = report(&home, &[]);
    for foreign in ["http:", "https:", "src=", "<script", "@import", "url("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    for mine in [
        "&lt;b&gt;bold&lt;/b&gt; &amp; &quot;quoted&quot;",
        "&lt;script&gt; to p: 1",
        "<td class=\"n\">1500 ms</td>",
    ] {
        assert!(html.contains(mine), "{mine}");
    }
    assert_eq!(html.matches("<figure>").count(), 7);
    assert_eq!(html.matches("role=\"img\"").count(), 7);
    assert_eq!(html.matches("<desc id=").count(), 7);
    let last = report(&home, &["-n", "1"]);
    assert!(last.contains(&id(3)) && !last.contains(&id(1)), "{last}");
    for run in [1, 2, 3].map(id) {
        assert_eq!(html.matches(&format!("<section class=\"run\" id=\"{run}\">")).count(), 1, "{run}");
    }
}

#[test]
fn a_cooldown_is_drawn_though_the_provider_told_no_time() {
    let home = Home::new();
    Past::new(&home, 1).fails("auth_expired").store(&home);
    let html = report(&home, &[]);
    assert!(html.contains("1 cooldowns of 1 accounts."), "{html}");
    assert!(html.contains("auth_expired from 2025-11-20 10:00:00 to 2025-11-20 10:30:00"), "{html}");
}

#[test]
fn an_empty_history_has_a_report() {
    let home = Home::new();
    let html = report(&home, &["--since", "2h"]);
    assert_eq!(html.matches("Nothing to show.").count(), 7);
    for (figure, name) in [("–", "good"), ("unknown", "tokens"), ("unknown", "cost")] {
        assert!(html.contains(&format!("<b>{figure}</b><span>{name}</span>")), "{name}");
    }
    assert!(!html.contains("NaN"));
}

#[test]
fn a_report_is_written_whole_or_not_at_all() {
    let home = Home::new();
    let file = home.write("report.html", "old");
    assert_eq!(report(&home, &["-o", file.to_str().unwrap()]), "");
    assert!(fs::read_to_string(&file).unwrap().ends_with("</html>\n"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    history::log(&home, &["report", "-o", "/nowhere/report.html"])
        .status(2)
        .stderr("ar-log: cannot write '/nowhere/report.html': No such file or directory (os error 2)\n")
        .check();
}
