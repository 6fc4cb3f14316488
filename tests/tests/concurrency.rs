//! Many calls at once share a pool evenly and lose nothing.

use ar_tests::Home;
use std::thread;

/// Makes `calls` calls at once, each of which must get the answer.
fn call_at_once(home: &Home, calls: usize) {
    thread::scope(|scope| {
        for _ in 0..calls {
            scope.spawn(|| home.ar(&["run", "-q", "-m", "pool", "hi"]).stdout("ok\n").check());
        }
    });
}

fn pool_of_four() -> Home {
    let home = Home::new();
    for name in ["a", "b", "c", "d"] {
        home.command(name, "sleep 0.5; echo ok");
    }
    home.pool("pool", &["a", "b", "c", "d"]);
    home
}

#[test]
fn calls_at_the_same_moment_are_shared_out_evenly() {
    for (calls, each) in [(32, 8), (64, 16)] {
        let home = pool_of_four();
        call_at_once(&home, calls);
        let shares = ["a", "b", "c", "d"].map(|name| format!("{name}|{each}"));
        assert_eq!(home.query("SELECT provider, count(*) FROM run GROUP BY 1 ORDER BY 1"), shares);
        assert_eq!(home.query("SELECT DISTINCT status, verdict FROM run"), ["done|ok"]);
        assert_eq!(home.processes(), [""; 0]);
    }
}

#[test]
fn one_of_four_that_always_fails_costs_no_answer() {
    let home = pool_of_four();
    home.command("b", "sleep 0.5; echo \"You've hit your usage limit.\" >&2; exit 1");
    call_at_once(&home, 32);
    assert_eq!(home.query("SELECT count(*) FROM run WHERE verdict = 'ok'"), ["32"]);
    assert_eq!(home.query("SELECT DISTINCT provider FROM run WHERE verdict <> 'ok'"), ["b"]);
    assert_eq!(home.query("SELECT count(*) FROM run WHERE status <> 'done'"), ["0"]);
}

#[test]
fn a_full_provider_is_passed_over() {
    let home = Home::new();
    home.command("one", "sleep 0.5; echo ok");
    home.command("many", "sleep 0.5; echo ok");
    home.model(
        "pool",
        "[[providers]]\ncommand = \"one\"\nmax_parallel = 1\n\n[[providers]]\ncommand = \"many\"\n",
    );
    call_at_once(&home, 16);
    let shares = home.query("SELECT count(*) FROM run WHERE provider = 'many'");
    assert!(shares[0].parse::<u32>().unwrap() >= 8, "{shares:?}");
}
