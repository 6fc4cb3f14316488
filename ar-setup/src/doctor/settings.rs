//! What is wrong with config.toml besides what cannot be read: names that nobody has, programs that are not there, numbers
//! that undo what they are for.

use super::Finding;
use crate::doctor::command::unstartable;
use ar_core::config::{Config, Model, nearest};
use std::collections::BTreeSet;
use std::time::Duration;

/// Longer rests than this are as good as for ever.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// Everything about the defaults of the agent runner.
pub fn findings(config: &Config, models: &[Model]) -> Vec<Finding> {
    let mut findings = accounts(config, models);
    findings.extend(programs(config));
    findings.extend(cooldown(config));
    if config.learn && config.diagnostics_model.is_none() {
        findings.push(Finding::warning(
            "learn",
            "'learn' is true, and there is no 'diagnostics_model'",
            "nobody is asked, so nothing is learnt",
            "ar setup set diagnostics_model MODEL",
        ));
    }
    let broken = config.log_secrets.iter().filter(|pattern| regex::Regex::new(pattern).is_err());
    findings.extend(broken.map(|pattern| {
        Finding::error(
            "log_secrets",
            format!(
                "'log_secrets' in config.toml has the pattern '{pattern}', which is no regular expression"
            ),
            "nothing that is said in a run is kept",
            "mend the pattern; single quotes keep backslashes",
        )
    }));
    let zero = [
        ("log_keep_days", config.log_keep_days == Some(0)),
        ("log_keep_runs", config.log_keep_runs == Some(0)),
        ("log_keep_bytes", config.log_keep_bytes == Some(0)),
    ];
    for (key, _) in zero.into_iter().filter(|(_, is_zero)| *is_zero) {
        findings.push(Finding::warning(
            "history",
            format!("'{key}' in config.toml is 0"),
            "every run is removed from the history once it is over",
            format!("ar setup set --unset {key}"),
        ));
    }
    findings
}

/// Tables of accounts that no provider draws on.
fn accounts(config: &Config, models: &[Model]) -> Vec<Finding> {
    let used: BTreeSet<&str> =
        models.iter().flat_map(|model| &model.providers).map(|provider| provider.account.as_str()).collect();
    let unused = config.accounts.keys().filter(|name| !used.contains(name.as_str()));
    unused
        .map(|name| {
            let fix = match nearest(name, used.iter().copied()) {
                Some(near) => format!("write [accounts.{near}]"),
                None => format!("ar setup set --unset accounts.{name}"),
            };
            Finding::warning(
                "unused_account",
                format!("config.toml describes the account '{name}', and no provider draws on it"),
                "its limits hold for nobody",
                fix,
            )
        })
        .collect()
}

/// Programs that config.toml names.
fn programs(config: &Config) -> Vec<Finding> {
    let quotas = config.accounts.iter().filter_map(|(name, account)| {
        Some((format!("accounts.{name}.quota_command"), account.quota_command.as_deref()?))
    });
    let hooks = &config.hooks;
    let hooks = [
        ("hooks.on_failure", &hooks.on_failure),
        ("hooks.on_cooldown", &hooks.on_cooldown),
        ("hooks.on_success", &hooks.on_success),
    ];
    let hooks = hooks.into_iter().filter(|(_, command)| !command.is_empty());
    let hooks = hooks.map(|(key, command)| (key.to_owned(), command.as_slice()));
    quotas.chain(hooks).filter_map(|(key, command)| program(&key, command)).collect()
}

fn program(key: &str, command: &[String]) -> Option<Finding> {
    let finding = |what: String, fix: String| {
        Some(Finding::error("not_installed", what, "it is run again and again, and fails each time", fix))
    };
    let unset = format!("ar setup set --unset {key}");
    let Some(program) = command.first().filter(|program| !program.is_empty()) else {
        return finding(format!("'{key}' in config.toml names no program"), unset);
    };
    match which::which(program) {
        Ok(path) => {
            let (why, fix) = unstartable(&path)?;
            finding(format!("the program '{program}' of '{key}' cannot be executed: {why}"), fix)
        }
        Err(_) if std::path::Path::new(program).is_file() => finding(
            format!("the program '{program}' of '{key}' cannot be executed"),
            format!("chmod +x '{program}'"),
        ),
        Err(_) => finding(
            format!("the program '{program}' of '{key}' is not found"),
            format!("install it or write its whole path, or {unset}"),
        ),
    }
}

fn cooldown(config: &Config) -> Vec<Finding> {
    let cooldown = &config.cooldown;
    let mut findings = Vec::new();
    let mut warn =
        |what: String, why, fix: String| findings.push(Finding::warning("cooldown", what, why, fix));
    let lengths = [
        ("rate_limit", cooldown.rate_limit),
        ("rate_limit_max", cooldown.rate_limit_max),
        ("quota_exhausted", cooldown.quota_exhausted),
        ("auth_expired", cooldown.auth_expired),
        ("cli_version_mismatch", cooldown.cli_version_mismatch),
        ("max_cooldown", cooldown.max_cooldown),
    ];
    for (key, length) in lengths {
        let unset = format!("ar setup set --unset cooldown.{key}");
        if length.is_zero() {
            warn(format!("'cooldown.{key}' is 0"), "a provider that fails is asked again at once", unset);
        } else if length > LONGEST {
            warn(
                format!("'cooldown.{key}' is longer than a week"),
                "a provider that was mended is not noticed",
                unset,
            );
        }
    }
    if cooldown.rate_limit > cooldown.rate_limit_max {
        warn(
            "'cooldown.rate_limit' is longer than 'cooldown.rate_limit_max'".to_owned(),
            "the shorter one holds from the first time on",
            "ar setup set --unset cooldown.rate_limit_max".to_owned(),
        );
    }
    findings
}
