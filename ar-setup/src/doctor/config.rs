//! What is wrong with the files as a whole.

use super::Finding;
use crate::check;
use ar_core::config::{Config, Model, model_names};
use std::path::Path;

/// Problems that `ar setup check` reports, and models that can serve nobody.
pub fn findings(dir: &Path, models: &[Model]) -> anyhow::Result<Vec<Finding>> {
    let mut findings: Vec<Finding> = check::problems(dir)?
        .into_iter()
        .map(|problem| {
            let fix =
                problem.hint.unwrap_or_else(|| "mend that line; ar-config(5) describes the keys".to_owned());
            Finding::error("config", problem.message, "what cannot be read is not used", fix)
        })
        .collect();
    let names = model_names(dir)?;
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
    findings.extend(mixed_accounts(models));
    Ok(findings)
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
