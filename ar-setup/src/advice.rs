//! What a person can do about a provider that fails.

use crate::detect::login_command;
use crate::known::{KNOWN, Known};
use ar_core::Record;
use ar_core::config::Provider;
use ar_core::record::{Class, Diagnosis, ToolError, Verdict};

/// The agent behind a provider, as far as its command or its result format tells.
pub fn known(provider: &Provider) -> Option<&'static Known> {
    let base = provider.command.rsplit('/').next().unwrap_or(&provider.command);
    let format = provider.output.as_deref().and_then(|output| output.split('-').next());
    let named = |name: &str| KNOWN.iter().find(|known| known.name == name);
    named(base).or_else(|| format.and_then(named)).or_else(|| {
        KNOWN.iter().find(|known| {
            base.strip_prefix(known.name).is_some_and(|rest| !rest.starts_with(char::is_alphabetic))
        })
    })
}

/// What to do about a run that failed.
pub fn about(provider: &Provider, diagnosis: &Diagnosis, record: &Record) -> String {
    let known = known(provider);
    let until = diagnosis.retry_at.map(|at| format!(", until {at}")).unwrap_or_default();
    match (diagnosis.class, diagnosis.detail.as_deref(), known) {
        (Some(Class::AuthExpired), _, Some(known)) => {
            let moves = |name: &str| known.credential.is_some_and(|credential| credential.variable == name);
            let env: Vec<(String, String)> = provider
                .env
                .iter()
                .filter(|(name, _)| moves(name))
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect();
            format!("log in with: {}", login_command(known, &env))
        }
        (Some(Class::AuthExpired), _, None) => format!("log in to '{}' by its own means", provider.command),
        (Some(Class::RateLimit), ..) => format!("it answers again by itself{until}"),
        (Some(Class::QuotaExhausted), ..) => {
            format!("its quota is used up{until}; add an account with 'ar setup add-provider', or pay")
        }
        (Some(Class::CliVersionMismatch), Some("not_installed"), Some(known)) => {
            format!("install it: {}", known.install)
        }
        (Some(Class::CliVersionMismatch), Some("not_installed"), None) => {
            format!("'{}' is not on PATH: give its whole path as 'command'", provider.command)
        }
        (Some(Class::CliVersionMismatch), _, Some(known)) => {
            format!(
                "update it ({}), or mend 'args'; 'ar setup detect' tells which options it has",
                known.install
            )
        }
        (Some(Class::NetworkError), ..) => {
            "check the network and proxies; the provider is not blamed".to_owned()
        }
        _ if diagnosis.verdict == Verdict::Caller => "mend the prompt or 'args'".to_owned(),
        _ => look_at_log(record),
    }
}

/// What to do about a provider that was not run.
pub fn about_refusal(error: &ToolError, record: &Record) -> String {
    error.hint.clone().unwrap_or_else(|| look_at_log(record))
}

/// The way to everything that is known of a run.
pub fn look_at_log(record: &Record) -> String {
    format!("ar log show {}", record.run())
}
