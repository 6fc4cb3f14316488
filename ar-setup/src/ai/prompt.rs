//! What the model is told at each turn.

use super::act::Session;
use super::{TURNS, act};
use crate::detect::Agent;
use crate::doctor;
use anyhow::Result;
use ar_core::config::{Model, agent_names, model_names};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// What it may do, and how.
const RULES: &str = include_str!("../../templates/setup-ai.md");

/// The whole prompt.
pub fn text<W: Write>(session: &Session<W>, agents: &[Agent], turn: u32) -> Result<String> {
    let dir = &session.ground.config;
    let notes = act::notes(dir)?;
    let parts = [
        RULES.to_owned(),
        format!("## The agents on this machine\n\n{}\n", serde_json::to_string(agents)?),
        format!("## The configuration now\n\n{}\n", configuration(dir)?),
        format!("## Notes of earlier set-ups\n\n{}\n", if notes.is_empty() { "none" } else { &notes }),
        format!("## So far, one JSON object a line\n\n{}\n", session.transcript.told()),
        format!("This is turn {turn} of {TURNS}. Answer with one JSON object.\n"),
    ];
    Ok(session.transcript.clean(&parts.join("\n")))
}

/// The configuration without what might be secret: of variables the names alone, and no argument that looks like a key.
fn configuration(dir: &Path) -> Result<Value> {
    let mut models = serde_json::Map::new();
    for name in model_names(dir)? {
        let told = match Model::load(dir, &name) {
            Ok(model) => model.providers.iter().map(provider).collect(),
            Err(error) => json!({"cannot_be_read": format!("{error:#}")}),
        };
        models.insert(name, told);
    }
    let default = ar_core::config::Config::load(dir).ok().and_then(|config| config.model);
    Ok(json!({"models": models, "agents": agent_names(dir)?, "default_model": default}))
}

fn provider(provider: &ar_core::config::Provider) -> Value {
    let args: Vec<&str> =
        provider.args.iter().map(|arg| if doctor::looks_like_key(arg) { "[secret]" } else { arg }).collect();
    json!({
        "name": provider.name, "account": provider.account, "command": provider.command, "args": args,
        "output": provider.output, "tier": provider.tier, "disabled": provider.disabled,
        "variables": provider.env.keys().collect::<Vec<_>>(), "env_file": provider.env_file.is_some(),
    })
}
