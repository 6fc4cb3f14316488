//! Asking a model why a run failed, when no rule knows.
//!
//! # Architecture invariant
//!
//! Nothing here starts an agent: the model is run by the tools, as any call is. The pipeline's own `ar-diagnose` asks
//! nobody (`--via rules`), and every process below it carries [`ASKING`], so that a diagnosis is never diagnosed.

mod answer;
mod learn;
mod pipeline;
mod prompt;

use crate::cli::{Cli, Via};
use anyhow::Result;
use ar_core::config::Config;
use ar_core::record::{Class, Diagnosis, Verdict};
use ar_core::{Failure, Stamp, exit, paths};
use ar_diagnose::evidence::Evidence;
use ar_diagnose::judge::Judgement;

/// Set in everything that a question starts.
pub const ASKING: &str = "AGENT_RUNNER_ASKING";

/// Asks the model of the configuration where the rules left the matter open, and lets its answer stand.
///
/// Where nobody can be asked the judgement of the rules holds, and `by` tells why.
pub fn settle(cli: &Cli, judgement: &mut Judgement, evidence: &Evidence, failed: Option<&str>) -> Result<()> {
    let is_open = match cli.via {
        Via::Rules => false,
        Via::Auto => judgement.undecided,
        Via::Model => judgement.diagnosis.verdict != Verdict::Ok,
    };
    if !is_open || std::env::var_os(ASKING).is_some() {
        return Ok(());
    }
    let Ok(config_dir) = paths::config_dir(cli.config.as_deref()) else { return Ok(()) };
    let config = match Config::load(&config_dir) {
        Ok(config) => config,
        // A mistake in the configuration is the pipeline's to report; a diagnosis by rules needs none.
        Err(_) if cli.via == Via::Auto => return Ok(()),
        Err(error) => return Err(error),
    };
    let Some(model) = config.diagnostics_model.as_deref() else {
        return match cli.via {
            Via::Model => Err(Failure::trouble("no model to ask is named")
                .hint("set 'diagnostics_model' in config.toml to the name of a model")
                .into()),
            _ => Ok(()),
        };
    };
    let question = prompt::write(evidence, Stamp::now()?)?;
    let call = pipeline::Call { cli, model, question: &question, failed };
    match pipeline::run(&call).and_then(|text| answer::read(&text)) {
        Ok(answer) => {
            if config.learn
                && let Err(error) = learn::note(&config_dir, &judgement.diagnosis, &answer)
            {
                exit::warn("ar-diagnose", &Failure::of(&error));
            }
            adopt(&mut judgement.diagnosis, answer, model);
        }
        Err(error) => {
            let cause = ar_core::record::bounded(&format!("{error:#}"), 120);
            judgement.diagnosis.by =
                format!("{} (model:{model} gave no answer: {cause})", judgement.diagnosis.by);
        }
    }
    Ok(())
}

/// Lets the model's answer stand. It sets no time: a provider's window is only what the provider printed.
fn adopt(diagnosis: &mut Diagnosis, answer: answer::Answer, model: &str) {
    let is_limit = |class| matches!(class, Some(Class::RateLimit | Class::QuotaExhausted));
    if !is_limit(Some(answer.class)) {
        diagnosis.retry_at = None;
        diagnosis.retry_from = None;
    }
    diagnosis.class = Some(answer.class);
    diagnosis.verdict = answer.verdict;
    diagnosis.detail = answer.detail;
    diagnosis.scope = answer.scope;
    diagnosis.by = format!("model:{model}");
}
