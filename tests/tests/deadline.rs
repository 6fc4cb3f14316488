//! `ar run --deadline` ends the whole call.

use ar_tests::Home;

#[test]
fn a_run_is_ended_at_the_deadline_of_its_call_and_costs_its_provider_nothing() {
    let home = Home::new();
    home.command("slow", "exec sleep 600");
    home.pool("pool", &["slow"]);
    home.ar(&["run", "-m", "pool", "--deadline=0.3s", "hi"])
        .status(124)
        .stderr("ar-log: slow: unknown (cancelled)\nar: the deadline of the call has passed\n")
        .check();
    assert_eq!(home.query("SELECT status, verdict, detail FROM run"), ["done|task|cancelled"]);
    assert_eq!(home.query("SELECT count(*) FROM health"), ["0"]);
    assert_eq!(home.processes(), Vec::<String>::new());
}

#[test]
fn waiting_ends_at_the_deadline_too() {
    let home = Home::new();
    home.command("limited", "echo \"You've hit your usage limit. Try again in 3 hours.\" >&2; exit 1");
    home.pool("pool", &["limited"]);
    let output = home
        .ar(&["run", "-q", "-m", "pool", "--wait", "--deadline=0.3s", "hi"])
        .status(124)
        .any_stderr()
        .check();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said, "ar: the deadline of the call has passed\n");
}
