//! What is wrong with the files as a whole.

use super::Finding;
use crate::check;
use ar_core::Failure;
use ar_core::config::{Config, Model, agent_names, model_names};
use std::path::Path;

/// Problems that `ar setup check` reports, and models that can serve nobody.
pub fn findings(dir: &Path, models: &[Model]) -> Vec<Finding> {
    let problems = check::problems(dir).unwrap_or_else(|error| vec![Failure::of(&error)]);
    let mut findings: Vec<Finding> = problems
        .into_iter()
        .map(|problem| {
            let fix =
                problem.hint.unwrap_or_else(|| "mend that line; ar-config(5) describes the keys".to_owned());
            Finding::error("config", problem.message, "what cannot be read is not used", fix)
        })
        .collect();
    if dir.symlink_metadata().is_ok() && !dir.is_dir() {
        let what = format!("the configuration directory '{}' is no directory", dir.display());
        let fix = format!("mv '{0}' '{0}.old' && ar setup init", dir.display());
        findings.push(Finding::error("config", what, "there is no configuration", fix));
        return findings;
    }
    let names = model_names(dir).unwrap_or_default();
    if names.is_empty() {
        let what = format!("there is no model in '{}'", dir.join("models").display());
        findings.push(Finding::error("no_model", what, "a run needs a model", "ar setup init"));
    }
    if let (Ok(Config { model: None, .. }), [first, _, ..]) = (Config::load(dir), &names[..]) {
        let fix = format!("ar setup set model {first}");
        let what = "there are several models and no default";
        findings.push(Finding::warning(
            "no_default",
            what,
            "'ar run' without -m does not know which to use",
            fix,
        ));
    }
    for model in models.iter().filter(|model| model.providers.iter().all(|provider| provider.disabled)) {
        let name = &model.name;
        let first = model.providers.first().map_or("", |provider| &provider.name);
        findings.push(Finding::error(
            "all_disabled",
            format!("every provider of model '{name}' is disabled"),
            "the model can serve nobody",
            format!("ar setup set {name}/{first}.disabled false"),
        ));
    }
    for name in agent_names(dir).unwrap_or_default() {
        let file = dir.join("agents").join(format!("{name}.md"));
        if std::fs::read_to_string(&file).is_ok_and(|text| text.trim().is_empty()) {
            let what = format!("the agent '{name}' is empty");
            let why = "a prompt that is sent with it goes without instructions";
            let fix = format!("write instructions into '{0}', or rm '{0}'", file.display());
            findings.push(Finding::warning("empty_agent", what, why, fix));
        }
    }
    findings.extend(mixed_accounts(models));
    findings
}

/// Accounts on whose quota two different agents are said to draw.
fn mixed_accounts(models: &[Model]) -> Vec<Finding> {
    let uses: Vec<(&Model, &ar_core::config::Provider, &'static str)> = models
        .iter()
        .flat_map(|model| model.providers.iter().map(move |provider| (model, provider)))
        .filter_map(|(model, provider)| Some((model, provider, crate::advice::known(provider)?.name)))
        .collect();
    let mut findings = Vec::new();
    for (at, (model, provider, agent)) in uses.iter().enumerate() {
        let account = &provider.account;
        let other = uses.iter().take(at).find(|(_, other, kind)| other.account == *account && kind != agent);
        if let Some((_, _, kind)) = other {
            findings.push(Finding::warning(
                "mixed_account",
                format!("{kind} and {agent} are said to draw on the same account '{account}'"),
                "a limit that one of them reaches cools the other",
                format!("ar setup set {}/{}.account {agent}-{account}", model.name, provider.name),
            ));
        }
    }
    findings
}
