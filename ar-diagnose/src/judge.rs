//! From evidence to a diagnosis: what the CLI's own format said, then how the run ended, then words.

use crate::choose::{begins_its_line, choose};
use crate::clean::Page;
use crate::evidence::Evidence;
use crate::find::{Hit, hits};
use crate::rule::{Rule, Time, Where};
use crate::when::{self, Window};
use ar_core::Stamp;
use ar_core::record::{Class, Diagnosis, End, ExecError, Scope, Verdict, bounded};
use std::time::Duration;

/// A declared window up to this long is a throttle, a longer one a used-up quota.
const LONGEST_THROTTLE: Duration = Duration::from_mins(15);
/// A message that stands for the whole answer of a run that claims success is not longer.
const ALONE_BYTES: usize = 700;
const EVIDENCE_BYTES: usize = 300;

/// A diagnosis, and how it came about.
#[derive(Debug, Clone)]
pub struct Judgement<'r> {
    /// The diagnosis.
    pub diagnosis: Diagnosis,
    /// Whether nothing but the exit status spoke: somebody else may know more.
    pub undecided: bool,
    /// The matches in the order of their lines.
    pub hits: Vec<Hit<'r>>,
    /// The match that decided.
    pub winner: Option<Hit<'r>>,
    /// Why that one.
    pub reason: &'static str,
    /// The text that the rules looked at.
    pub page: Page,
}

/// Judges a run.
pub fn judge<'r>(evidence: &Evidence, rules: &'r [Rule], now: Stamp) -> Judgement<'r> {
    if let Some(error) = &evidence.error {
        if evidence.end == Some(End::Spawn) {
            return plain(spawn(error));
        }
        if let Some(judgement) = by_error(error, evidence, rules, now) {
            return judgement;
        }
    }
    if let Some(diagnosis) = by_end(evidence) {
        return plain(diagnosis);
    }
    let judgement = by_words(evidence, rules, now);
    match &evidence.error {
        // Its own word that it failed goes before its exit status, though nobody knows the reason.
        Some(error) if judgement.diagnosis.verdict == Verdict::Ok => {
            let mut told = diagnosis(Verdict::Provider, Class::Unknown, "agent_error", "exec");
            told.evidence = Some(bounded(&error.message, EVIDENCE_BYTES));
            plain(told)
        }
        _ => judgement,
    }
}

fn by_error<'r>(
    error: &ExecError,
    evidence: &Evidence,
    rules: &'r [Rule],
    now: Stamp,
) -> Option<Judgement<'r>> {
    let status = error.status.map(|status| format!(" · status: {status}")).unwrap_or_default();
    let mut page = Page::default();
    page.add(format!("{}{status} · type: {}", error.message, error.kind).as_bytes(), Where::Error);
    let mut judgement = decide(page, evidence, rules, now, error.resets_at);
    if judgement.winner.is_none() {
        let (verdict, class, detail) = by_status(error.status?)?;
        judgement.diagnosis = diagnosis(verdict, class, detail, "exec");
        judgement.diagnosis.evidence = Some(bounded(&error.message, EVIDENCE_BYTES));
        judgement.undecided = false;
    }
    Some(judgement)
}

fn by_status(status: u16) -> Option<(Verdict, Class, &'static str)> {
    match status {
        429 => Some((Verdict::Provider, Class::RateLimit, "throttle")),
        401 => Some((Verdict::Provider, Class::AuthExpired, "invalid_key")),
        403 => Some((Verdict::Provider, Class::AuthExpired, "permission")),
        402 => Some((Verdict::Provider, Class::QuotaExhausted, "credits")),
        404 => Some((Verdict::Caller, Class::Unknown, "model_not_found")),
        413 => Some((Verdict::Caller, Class::Unknown, "context_length")),
        400 | 422 => Some((Verdict::Caller, Class::Unknown, "bad_request")),
        500..=599 => Some((Verdict::Provider, Class::RateLimit, "server_error")),
        _ => None,
    }
}

/// What follows from how the run ended, whatever was printed.
fn by_end(evidence: &Evidence) -> Option<Diagnosis> {
    let unknown = |verdict, detail| Some(diagnosis(verdict, Class::Unknown, detail, "end"));
    match evidence.end? {
        End::Exit => None,
        End::Timeout => unknown(Verdict::Provider, "timeout"),
        End::Idle => unknown(Verdict::Provider, "idle"),
        End::Cancelled => unknown(Verdict::Task, "cancelled"),
        End::Spawn => unknown(Verdict::Provider, "not_executable"),
        End::MaxOutput => unknown(Verdict::Task, "max_output"),
        End::MaxTurns => unknown(Verdict::Task, "max_turns"),
        End::MaxCost => unknown(Verdict::Task, "max_cost"),
        // SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV: the program broke by itself; others come from outside.
        End::Signal => match evidence.signal {
            Some(4 | 6 | 7 | 8 | 11) => unknown(Verdict::Provider, "crashed"),
            _ => unknown(Verdict::Task, "killed"),
        },
    }
}

fn spawn(error: &ExecError) -> Diagnosis {
    let mismatch = |detail| Diagnosis {
        scope: Some(Scope::Provider),
        ..diagnosis(Verdict::Provider, Class::CliVersionMismatch, detail, "end")
    };
    let mut diagnosis = match error.kind.as_str() {
        "not_found" => mismatch("not_installed"),
        "bad_cwd" => diagnosis(Verdict::Caller, Class::Unknown, "bad_cwd", "end"),
        "too_long" => diagnosis(Verdict::Caller, Class::Unknown, "too_long", "end"),
        _ => mismatch("not_executable"),
    };
    diagnosis.evidence = Some(bounded(&error.message, EVIDENCE_BYTES));
    diagnosis
}

fn by_words<'r>(evidence: &Evidence, rules: &'r [Rule], now: Stamp) -> Judgement<'r> {
    let answered = evidence.answered.unwrap_or_else(|| {
        [&evidence.stdout, &evidence.text].iter().any(|text| !text.trim_ascii().is_empty())
    });
    let mut page = Page::default();
    page.add(&evidence.text, Where::Any);
    page.add(&evidence.stdout, Where::Stdout);
    if evidence.exit_code == Some(0) && answered {
        return at_success(page, evidence, rules, now);
    }
    page.add(&evidence.stderr, Where::Stderr);
    let judgement = decide(page, evidence, rules, now, None);
    if evidence.exit_code == Some(0) && judgement.winner.is_none_or(|hit| hit.rule.class == Class::Unknown) {
        return plain(if evidence.allow_empty {
            good()
        } else {
            diagnosis(Verdict::Provider, Class::Unknown, "empty_answer", "empty")
        });
    }
    judgement
}

/// An answer is there and the status is 0: only a text that *is* a known message is a failure.
fn at_success<'r>(page: Page, evidence: &Evidence, rules: &'r [Rule], now: Stamp) -> Judgement<'r> {
    if page.text.len() > ALONE_BYTES {
        return plain(good());
    }
    let judgement = decide(page, evidence, rules, now, None);
    let page = &judgement.page;
    // Nobody but a CLI begins an answer so.
    let is_named = ["api error", "[api error"].iter().any(|head| page.lower.starts_with(head));
    let is_the_answer = judgement
        .winner
        .is_some_and(|hit| hit.line == 0 && (is_named || (hit.rule.alone && begins_its_line(page, &hit))));
    if is_the_answer { judgement } else { plain(good()) }
}

/// Lets the rules decide over a page.
fn decide<'r>(
    page: Page,
    evidence: &Evidence,
    rules: &'r [Rule],
    now: Stamp,
    resets_at: Option<Stamp>,
) -> Judgement<'r> {
    let mut hits = hits(&page, rules, evidence.cli.as_deref());
    hits.sort_by_key(|hit| (hit.line, std::cmp::Reverse(hit.rule.rank), hit.order));
    let (winner, reason) = choose(&page, &hits);
    let Some(hit) = winner else {
        let mut unknown = diagnosis(Verdict::Task, Class::Unknown, "", "exit");
        unknown.detail = None;
        unknown.evidence = page.lines.last().map(|line| bounded(page.line(*line), EVIDENCE_BYTES));
        return Judgement { diagnosis: unknown, undecided: true, hits, winner, reason, page };
    };
    let rule = hit.rule;
    let mut decided = diagnosis(rule.verdict, rule.class, &rule.detail, &format!("rule:{}", rule.id));
    decided.scope = rule.scope;
    decided.evidence = page.lines.get(hit.line).map(|line| excerpt(&page, *line, hit.start));
    if matches!(rule.class, Class::RateLimit | Class::QuotaExhausted) {
        let window = resets_at.map(Window::at).or_else(|| printed(&page, &hit, now));
        apply_window(&mut decided, rule, window, now);
    }
    Judgement { diagnosis: decided, undecided: false, hits, winner, reason, page }
}

/// The window that the message tells where its rule says.
fn printed(page: &Page, hit: &Hit, now: Stamp) -> Option<Window> {
    match hit.rule.time {
        Time::Near => when::near(page, hit.line, now),
        Time::Line => page.lines.get(hit.line).and_then(|line| when::in_line(page, *line, now)),
        Time::Match => hit.time.and_then(|(start, end)| when::told(page.text.get(start..end)?, now)),
        Time::None => None,
    }
}

/// The line that decided, or the part of it around the match.
fn excerpt(page: &Page, line: crate::clean::Line, start: usize) -> String {
    let text = page.line(line);
    let from = start.saturating_sub(line.start).saturating_sub(EVIDENCE_BYTES / 3);
    let from = if text.len() <= EVIDENCE_BYTES { 0 } else { text.floor_char_boundary(from) };
    bounded(text.get(from..).unwrap_or(text), EVIDENCE_BYTES)
}

fn apply_window(decided: &mut Diagnosis, rule: &Rule, window: Option<Window>, now: Stamp) {
    let Some(window) = window else { return };
    let at = window.until.max(now).min(now.plus(when::LONGEST));
    decided.retry_at = Some(at);
    decided.retry_from = Some("server".to_owned());
    let is_load = matches!(&*rule.detail, "overloaded" | "server_error");
    if rule.terminal || is_load {
        return;
    }
    if at.since(now) > LONGEST_THROTTLE {
        if decided.class == Some(Class::RateLimit) {
            decided.class = Some(Class::QuotaExhausted);
            decided.detail = Some("usage_limit".to_owned());
        }
    } else if decided.class == Some(Class::QuotaExhausted) && !window.is_a_date && !window.is_apart {
        decided.class = Some(Class::RateLimit);
        decided.detail = Some("throttle".to_owned());
    }
}

fn plain<'r>(diagnosis: Diagnosis) -> Judgement<'r> {
    Judgement {
        diagnosis,
        undecided: false,
        hits: Vec::new(),
        winner: None,
        reason: "how the run ended",
        page: Page::default(),
    }
}

fn good() -> Diagnosis {
    Diagnosis {
        verdict: Verdict::Ok,
        class: None,
        detail: None,
        by: "exit".to_owned(),
        evidence: None,
        retry_at: None,
        retry_from: None,
        scope: None,
    }
}

fn diagnosis(verdict: Verdict, class: Class, detail: &str, by: &str) -> Diagnosis {
    Diagnosis { verdict, class: Some(class), detail: Some(detail.to_owned()), by: by.to_owned(), ..good() }
}
