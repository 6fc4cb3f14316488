//! The exit status of a run: what the pipeline as a whole says to its caller.

use anyhow::Result;
use ar_core::record::{Class, Diagnosis, End, Exec, Session, ToolError, Verdict};
use ar_core::{Failure, Record, exit};

/// The status at the end of the pipe (ar(7), EXIT STATUS).
pub fn code(record: &Record) -> Result<u8> {
    if let Some(error) = record.get::<ToolError>("error")? {
        return Ok(error.code.max(1));
    }
    let diagnosis = diagnosis(record)?;
    let exec: Option<Exec> = record.get("exec")?;
    if diagnosis.verdict == Verdict::Ok {
        return Ok(exit::OK);
    }
    let by_class = match diagnosis.class {
        Some(Class::RateLimit | Class::QuotaExhausted | Class::NetworkError) => Some(exit::LATER),
        Some(Class::AuthExpired | Class::CliVersionMismatch) => Some(exit::UNAVAILABLE),
        Some(Class::Unknown) | None => None,
    };
    let Some(exec) = exec else { return Ok(by_class.unwrap_or(exit::NO)) };
    Ok(match exec.end {
        End::Spawn => match exec.error.map(|error| error.kind).as_deref() {
            Some("not_found") => exit::NOT_FOUND,
            // As env -C has it: the wrapper's trouble, the command is not to blame.
            Some("bad_cwd") => exit::WRAPPER,
            // Arguments that are too long among them, as sh has it.
            _ => exit::NOT_EXECUTABLE,
        },
        End::Timeout | End::Idle | End::MaxOutput | End::MaxTurns | End::MaxCost => exit::TIMEOUT,
        // What ended the child is SIGTERM or SIGKILL, whatever a person has typed.
        End::Cancelled => exec.cancelled_by.or(exec.signal).map_or(exit::NO, by_signal),
        End::Signal => exec.signal.map_or(exit::NO, by_signal),
        End::Exit => by_class.unwrap_or_else(|| own(exec.exit_code)),
    })
}

/// Whether a run failed by its provider's or the network's fault, or because a named session is gone, so that another
/// attempt makes sense.
pub fn another_may_do_better(record: &Record) -> Result<bool> {
    if record.get::<ToolError>("error")?.is_some() {
        return Ok(false);
    }
    let diagnosis = diagnosis(record)?;
    let goes_on =
        record.get::<Session>("session")?.is_some_and(|asked| asked.name.is_some() && asked.id.is_some());
    let begins_afresh = goes_on && diagnosis.detail.as_deref() == Some("session_not_found");
    Ok(begins_afresh || matches!(diagnosis.verdict, Verdict::Provider | Verdict::Network))
}

/// Whether ar-pick had trouble of its own, so that there is no run to store. It said why; where the state cannot be used,
/// saying so a second time would only cost another wait for a lock.
pub fn made_no_run(record: &Record) -> Result<bool> {
    let error: Option<ToolError> = record.get("error")?;
    Ok(error.is_some_and(|error| error.tool == "ar-pick" && error.code == exit::TROUBLE))
}

fn diagnosis(record: &Record) -> Result<Diagnosis> {
    record.get("diagnosis")?.ok_or_else(|| {
        let failure = Failure::trouble(format!("the record of run '{}' has no diagnosis", record.run()));
        failure.hint("put ar-diagnose before ar-log").into()
    })
}

/// The child's own status; a failure that the child called a success is 1.
fn own(exit_code: Option<i32>) -> u8 {
    exit_code.and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(exit::NO)
}

fn by_signal(signal: i32) -> u8 {
    u8::try_from(signal).ok().and_then(|signal| signal.checked_add(128)).unwrap_or(exit::NO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(exec: &serde_json::Value, diagnosis: &serde_json::Value) -> Record {
        let id = "01K9ZXW6N7Q8R9S0T1V2W3X4Y5";
        let mut record = Record::new(id, id, 1);
        record.set("exec", exec).unwrap();
        record.set("diagnosis", diagnosis).unwrap();
        record
    }

    #[test]
    fn each_end_has_its_status() {
        let cases = [
            ("ok", json!(null), "exit", json!(0), json!(null), 0),
            ("task", json!("unknown"), "exit", json!(3), json!(null), 3),
            ("provider", json!("unknown"), "exit", json!(0), json!(null), 1),
            ("provider", json!("rate_limit"), "exit", json!(0), json!(null), 75),
            ("provider", json!("auth_expired"), "exit", json!(1), json!(null), 69),
            ("network", json!("network_error"), "exit", json!(1), json!(null), 75),
            ("provider", json!("unknown"), "timeout", json!(null), json!(15), 124),
            ("provider", json!("unknown"), "idle", json!(null), json!(9), 124),
            ("task", json!("unknown"), "signal", json!(null), json!(9), 137),
            ("task", json!("unknown"), "cancelled", json!(null), json!(2), 130),
            ("provider", json!("cli_version_mismatch"), "spawn", json!(null), json!(null), 126),
        ];
        for (verdict, class, end, exit_code, signal, status) in cases {
            let exec = json!({"argv0": "x", "started": "2026-11-20T10:00:00Z", "elapsed_ms": 1, "end": end,
                "exit_code": exit_code, "signal": signal, "stdout_bytes": 0, "stderr_bytes": 0});
            let diagnosis = json!({"verdict": verdict, "class": class, "detail": null, "by": "exit", "evidence": null,
                "retry_at": null, "retry_from": null, "scope": null});
            assert_eq!(code(&record(&exec, &diagnosis)).unwrap(), status, "{exec} {diagnosis}");
        }
    }

    #[test]
    fn a_signal_that_cancelled_a_run_is_its_status() {
        let diagnosis = json!({"verdict": "task", "class": "unknown", "detail": "cancelled", "by": "end",
            "evidence": null, "retry_at": null, "retry_from": null, "scope": null});
        for (by, signal, status) in
            [(json!(2), json!(15), 130), (json!(1), json!(null), 129), (json!(null), json!(15), 143)]
        {
            let exec = json!({"argv0": "x", "started": "2026-11-20T10:00:00Z", "elapsed_ms": 1, "end": "cancelled",
                "exit_code": null, "signal": signal, "cancelled_by": by, "stdout_bytes": 0, "stderr_bytes": 0});
            assert_eq!(code(&record(&exec, &diagnosis)).unwrap(), status, "{exec}");
        }
    }

    #[test]
    fn what_kept_a_child_from_starting_has_its_status() {
        for (kind, status) in
            [("not_found", 127), ("not_executable", 126), ("too_long", 126), ("other", 126), ("bad_cwd", 125)]
        {
            let exec = json!({"argv0": "x", "started": "2026-11-20T10:00:00Z", "elapsed_ms": 0, "end": "spawn",
                "exit_code": null, "signal": null, "stdout_bytes": 0, "stderr_bytes": 0,
                "error": {"kind": kind, "message": "no"}});
            let diagnosis = json!({"verdict": "caller", "class": "unknown", "detail": null, "by": "end",
                "evidence": null, "retry_at": null, "retry_from": null, "scope": null});
            assert_eq!(code(&record(&exec, &diagnosis)).unwrap(), status, "{kind}");
        }
    }
}
