//! `ar setup names`: what can be named on a command line, for shell completion.

use crate::cli::Kind;
use ar_core::config::{Model, agent_names, model_names};
use ar_core::{Failure, exit};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Prints names, one a line, sorted. A model that cannot be read is reported and breaks no other.
pub fn run(dir: &Path, kind: Kind, model: Option<&str>, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let names = match (kind, model) {
        (Kind::Models, _) => model_names(dir)?,
        (Kind::Agents, _) => agent_names(dir)?,
        (Kind::Providers, Some(model)) => {
            Model::load(dir, model)?.providers.into_iter().map(|provider| provider.name).collect()
        }
        (Kind::Providers, None) => {
            let mut names = BTreeSet::new();
            for model in model_names(dir)? {
                match Model::load(dir, &model) {
                    Ok(model) => names.extend(model.providers.into_iter().map(|provider| provider.name)),
                    Err(error) => {
                        exit::warn("ar-setup", &Failure::of(&error));
                        code = ExitCode::from(exit::TROUBLE);
                    }
                }
            }
            names.into_iter().collect()
        }
    };
    for name in names {
        writeln!(out, "{name}")?;
    }
    Ok(code)
}
