//! What a reader tells of a run.

use ar_core::Stamp;
use ar_core::record::{Exec, ExecError, Usage, bounded};

/// The longest text of an error that is told.
const MAX_MESSAGE_BYTES: usize = 1000;
/// The longest word for an error, and the longest session id, that is told.
const MAX_WORD_BYTES: usize = 128;
/// No run has more tokens, turns or tools.
const MAX_COUNT: u64 = 1 << 40;

/// What an agent says of its own run. What its format does not tell is None.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// The agent's id of the session, known early in most formats and kept if the run dies.
    pub session: Option<String>,
    /// Tokens and cost.
    pub usage: Option<Usage>,
    /// The tokens of the messages alone, where the usage is the sum since the session began.
    pub of_messages: Option<Usage>,
    /// Rounds of question and answer with the model.
    pub turns: Option<u64>,
    /// Tools that the agent used.
    pub tool_calls: Option<u64>,
    /// The agent's own error, if that is how the run ended.
    pub error: Option<ExecError>,
    /// Whether the output held anything of its format.
    pub is_known: bool,
}

impl Outcome {
    /// Adds to what the record says of a run what the agent says of it.
    pub fn into_exec(self, exec: Exec) -> Exec {
        Exec {
            session: self.session,
            usage: self.usage,
            turns: self.turns,
            tool_calls: self.tool_calls,
            error: self.error,
            ..exec
        }
    }

    /// Makes a usage that was counted since the session began the run's own, as far as that is known: what is used since
    /// `before`, else what the messages used. Neither is known of a session of which nobody kept the books.
    pub fn settle(&mut self, before: Option<&Usage>) {
        let Some(sum) = self.usage.as_ref().filter(|usage| usage.since_session) else { return };
        let own = before.map(|before| sum.since(before)).or_else(|| self.of_messages.take());
        self.usage = own.or_else(|| self.usage.take());
    }

    /// Notes the session's id; an empty one is none.
    pub(super) fn session(&mut self, id: &str) {
        if !id.is_empty() && id != "null" {
            self.session = Some(bounded(id, MAX_WORD_BYTES));
        }
    }

    /// Adds what a part of the run used.
    pub(super) fn used(&mut self, part: &Usage) {
        let sum = self.usage.get_or_insert_default();
        sum.add(part);
        sum.cost_usd = part.cost_usd.map(|cost| cost + sum.cost_usd.unwrap_or(0.0)).or(sum.cost_usd);
    }

    /// Counts a turn.
    pub(super) fn turn(&mut self) {
        self.turns = Some(self.turns.unwrap_or(0).saturating_add(1));
    }

    /// Counts tools.
    pub(super) fn tools(&mut self, count: u64) {
        self.tool_calls = Some(self.tool_calls.unwrap_or(0).saturating_add(count));
    }

    /// Notes the agent's error.
    pub(super) fn fail(&mut self, kind: &str, message: &str, status: Option<u16>, resets_at: Option<Stamp>) {
        self.error = Some(ExecError {
            kind: bounded(kind, MAX_WORD_BYTES),
            message: bounded(message, MAX_MESSAGE_BYTES),
            status: status.or_else(|| status_in(message)),
            resets_at,
        });
    }
}

/// A count as JSON writes it; anything else is zero, and so is what is too large to be one: sums of them must fit.
pub(super) fn count(value: &str) -> u64 {
    value.strip_suffix(".0").unwrap_or(value).parse().ok().filter(|count| *count <= MAX_COUNT).unwrap_or(0)
}

/// A cost in US dollars, where it can be one.
pub(super) fn cost(value: &str) -> Option<f64> {
    value.parse().ok().filter(|cost| (0.0..1e9).contains(cost))
}

/// A point in time in whole seconds since 1970.
pub(super) fn seconds(value: &str) -> Option<Stamp> {
    value.parse::<i64>().ok()?.checked_mul(1000).map(Stamp)
}

/// An HTTP status.
pub(super) fn status(value: &str) -> Option<u16> {
    value.parse().ok().filter(|status| (100..600).contains(status))
}

/// The number that follows a key in JSON that an agent prints as text inside of its own: `"resets_at":1795260584`.
pub(super) fn number_after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\"{key}\""))?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end).filter(|digits| !digits.is_empty())
}

/// The HTTP status that a message names in words: `unexpected status 401`, `last status: 429`, `(HTTP 401)`, `Error: 503 …`.
fn status_in(message: &str) -> Option<u16> {
    const BEFORE: [&str; 5] = ["status ", "status: ", "HTTP ", "rror: ", "\"code\":"];
    BEFORE.iter().find_map(|before| {
        let (_, rest) = message.split_once(before)?;
        let digits = rest.get(..3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        // "status 4013" is no status.
        let ends = !rest.as_bytes().get(3).is_some_and(u8::is_ascii_alphanumeric);
        status(digits).filter(|status| ends && *status >= 400)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_since_the_session_began_becomes_the_run_s_own_where_that_is_known() {
        let usage = |input_tokens, since_session| Usage { input_tokens, since_session, ..Usage::default() };
        for (told, of_messages, before, expected) in [
            (usage(30, true), None, Some(20), usage(10, false)),
            (usage(30, true), Some(9), Some(20), usage(10, false)),
            (usage(30, true), Some(9), None, usage(9, false)),
            (usage(30, true), None, None, usage(30, true)),
            // An agent of another version that counts the run alone, or a run that failed before it knew.
            (usage(0, true), None, Some(20), usage(0, false)),
            (usage(30, false), None, Some(20), usage(30, false)),
        ] {
            let of_messages = of_messages.map(|count| usage(count, false));
            let mut outcome = Outcome { usage: Some(told), of_messages, ..Outcome::default() };
            outcome.settle(before.map(|count| usage(count, false)).as_ref());
            assert_eq!(outcome.usage, Some(expected));
        }
    }

    #[test]
    fn a_status_is_found_where_a_message_names_one() {
        for (message, expected) in [
            ("unexpected status 401 Unauthorized: no", Some(401)),
            ("exceeded retry limit, last status: 429 Too Many Requests", Some(429)),
            ("Authentication failed with provider at http://127.0.0.1 (HTTP 401).", Some(401)),
            ("retried 5 times Last error: 503 overloaded", Some(503)),
            (r#"[API Error: {"error":{"code":400,"message":"API key not valid"}}]"#, Some(400)),
            ("[API Error: 401 Incorrect API key]", Some(401)),
            ("status 4013", None),
            ("status 200 and all is well", None),
            ("status ünï", None),
            ("", None),
        ] {
            assert_eq!(status_in(message), expected, "{message}");
        }
    }

    #[test]
    fn what_cannot_be_a_count_or_a_cost_is_none() {
        let counts = ["7", "7.0", "-7", "7.5", "null", "", "1e999", "18446744073709551615"].map(count);
        assert_eq!(counts, [7, 7, 0, 0, 0, 0, 0, 0]);
        let costs = ["0.5", "0", "-1", "null", "NaN", "inf", "1e18"].map(cost);
        assert_eq!(costs, [Some(0.5), Some(0.0), None, None, None, None, None]);
    }

    #[test]
    fn numbers_are_found_in_json_inside_of_text() {
        assert_eq!(number_after(r#"{"resets_at": 17,"x":1}"#, "resets_at"), Some("17"));
        assert_eq!(number_after(r#"{"resets_at":null}"#, "resets_at"), None);
        assert_eq!(number_after("resets_at", "resets_at"), None);
    }
}
