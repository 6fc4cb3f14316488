//! What is wrong with single providers.

use super::Finding;
use crate::doctor::files::is_secret;
use crate::doctor::{arguments, command, limits, variables};
use ar_core::config::{Model, Provider};
use std::fs;
use toml_edit::{Document, Item};

/// Commands, directories, arguments, variables and limits of every provider that is not disabled.
pub fn findings(models: &[Model], cron: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for model in models {
        let lines = lines(model);
        for (at, provider) in model.providers.iter().enumerate().filter(|(_, provider)| !provider.disabled) {
            let place = format!("{}/{}", model.name, provider.name);
            let mut found = command::findings(&place, provider, cron);
            found.extend(arguments::findings(&place, provider));
            found.extend(variables::findings(&place, provider));
            found.extend(limits::findings(&place, provider));
            let line = lines.get(at).copied().unwrap_or(1);
            findings.extend(found.into_iter().map(|finding| finding.at(&model.file, line)));
        }
        findings.extend(twins(model).map(|finding| finding.at(&model.file, 1)));
    }
    findings.extend(variables::commands(models));
    findings
}

/// The lines at which a model's providers begin.
fn lines(model: &Model) -> Vec<usize> {
    let text = fs::read_to_string(&model.file).unwrap_or_default();
    let Ok(document) = Document::parse(text.as_str()) else { return Vec::new() };
    let line = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    match document.get("providers") {
        Some(Item::ArrayOfTables(tables)) => {
            tables.iter().map(|table| table.span().map_or(1, |span| line(span.start))).collect()
        }
        _ => Vec::new(),
    }
}

/// Two providers of a model that are one and the same under two names.
fn twins(model: &Model) -> Option<Finding> {
    let same = |a: &Provider, b: &Provider| {
        a.account != b.account
            && (&a.command, &a.args, &a.env, &a.env_file, &a.cwd)
                == (&b.command, &b.args, &b.env, &b.env_file, &b.cwd)
    };
    let mut pairs = model
        .providers
        .iter()
        .enumerate()
        .flat_map(|(at, a)| model.providers.iter().skip(at + 1).map(move |b| (a, b)));
    let (a, b) = pairs.find(|(a, b)| !a.disabled && !b.disabled && same(a, b))?;
    Some(Finding::warning(
        "twins",
        format!("'{}' and '{}' of model '{}' are the same command", a.name, b.name, model.name),
        "what stops one stops the other, and the pool looks larger than it is",
        format!("ar setup remove-provider {} {}, or give it an env of its own", model.name, b.name),
    ))
}

/// Whether a provider brings a key of its own in its environment.
pub fn has_own_key(provider: &Provider) -> bool {
    provider.env_file.is_some() || provider.env.keys().any(|name| is_secret(name))
}
