//! What is wrong with the limits of providers.

use super::Finding;
use ar_core::clock::show_duration;
use ar_core::config::Provider;
use std::time::Duration;

/// Less is over before an agent has started.
const SHORTEST: Duration = Duration::from_secs(1);
/// More is no limit.
const LONGEST: Duration = Duration::from_hours(7 * 24);
/// Less memory than this starts no agent, in bytes.
const LEAST_MEMORY: u64 = 64 << 20;
/// Less output than this holds no answer, in bytes.
const LEAST_OUTPUT: u64 = 1024;

/// Limits that are missing, or that let no run through.
pub fn findings(place: &str, provider: &Provider) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut warn = |id, what: String, why, key: &str, value: &str| {
        findings.push(Finding::warning(id, what, why, format!("ar setup set {place}.{key} {value}")));
    };
    let (timeout, idle) = (provider.timeout, provider.idle_timeout.filter(|idle| !idle.is_zero()));
    if timeout.is_none() && provider.idle_timeout.is_none() {
        let what = format!("'{place}' has neither 'timeout' nor 'idle_timeout'");
        warn(
            "no_limit",
            what,
            "an agent that waits for the network for ever is never ended",
            "timeout",
            "1h",
        );
    }
    for (key, limit) in [("timeout", timeout), ("idle_timeout", idle)] {
        let Some(limit) = limit else { continue };
        let what = format!("'{key}' of '{place}' is {}", show_duration(limit));
        if limit < SHORTEST {
            warn("limit", what, "every run of it is ended before it can answer", key, "1h");
        } else if limit > LONGEST {
            warn("limit", what, "an agent that hangs keeps its place for so long", key, "1h");
        }
    }
    if let (Some(timeout), Some(idle)) = (timeout, idle)
        && idle >= timeout
    {
        let what = format!("'idle_timeout' of '{place}' is not shorter than 'timeout'");
        warn("limit", what, "silence is never what ends a run", "idle_timeout", "5m");
    }
    if provider.max_output.is_some_and(|bytes| bytes < LEAST_OUTPUT) {
        let what = format!("'max_output' of '{place}' is less than {LEAST_OUTPUT} bytes");
        warn("limit", what, "its runs are ended in the middle of the answer", "max_output", "100MB");
    }
    if provider.memory_max.is_some_and(|bytes| bytes < LEAST_MEMORY) {
        let what = format!("'memory_max' of '{place}' is less than {} MiB", LEAST_MEMORY >> 20);
        warn("limit", what, "no agent starts in so little memory", "memory_max", "4GiB");
    }
    if !(-20..=19).contains(&provider.nice) {
        let what = format!("'nice' of '{place}' is {}, and niceness ends at -20 and 19", provider.nice);
        warn("limit", what, "the system takes the nearest it has", "nice", "10");
    }
    findings.extend(prices(place, provider));
    findings
}

fn prices(place: &str, provider: &Provider) -> Option<Finding> {
    let price = provider.price?;
    let prices = [price.input, price.output, price.cache_read, price.cache_write];
    prices.iter().any(|price| !price.is_finite() || *price < 0.0).then(|| {
        Finding::warning(
            "limit",
            format!("a price of '{place}' is less than 0"),
            "costs are reckoned wrong",
            format!("ar setup set {place}.price.input 0.0"),
        )
    })
}
