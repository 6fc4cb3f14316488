//! `ar setup test`: a tiny prompt through every provider, what came of it, and what to do about it.

use crate::advice;
use crate::cli::Trial;
use crate::pipeline::{self, Call, Ground};
use anyhow::{Context, Result};
use ar_core::clock::parse_duration;
use ar_core::config::{Config, Model, Provider, model_names};
use ar_core::record::{Diagnosis, Exec, ToolError, Usage, Verdict, bounded};
use ar_core::{Failure, Record, exit};
use serde::Serialize;
use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What is shown of an answer, in bytes.
const SHOWN: usize = 60;

/// What came of one provider.
#[derive(Debug, Serialize)]
struct Finding {
    model: String,
    provider: String,
    ok: bool,
    run: Option<String>,
    class: Option<&'static str>,
    detail: Option<String>,
    elapsed_ms: Option<u64>,
    usage: Option<Usage>,
    answer: Option<String>,
    evidence: Option<String>,
    advice: Option<String>,
}

/// Tests the providers that were asked for, all at once, and prints each as it ends. Status 1 where one is not good.
pub fn run(ground: &Ground, trial: &Trial, out: &mut impl Write) -> Result<ExitCode> {
    parse_duration(&trial.timeout).context("--timeout")?;
    let models = models(ground, trial)?;
    let providers = providers(&models, trial.provider.as_deref())?;
    let width = providers.iter().map(|(_, provider)| provider.name.chars().count()).max().unwrap_or(0);
    let (mut all_good, mut cost_usd) = (true, 0.0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| -> Result<()> {
        for (model, provider) in &providers {
            let sender = sender.clone();
            // Only a receiver that gave up on an error is gone, and then nobody waits for this one.
            scope.spawn(move || sender.send(test(ground, trial, model, provider)).ok());
        }
        drop(sender);
        for done in 0..providers.len() {
            progress(done, providers.len())?;
            let finding = receiver.recv()?;
            progress(0, 0)?;
            let finding = finding?;
            all_good &= finding.ok;
            cost_usd += finding.usage.as_ref().and_then(|usage| usage.cost_usd).unwrap_or(0.0);
            print(&finding, trial.json, width, out)?;
        }
        Ok(())
    })?;
    if cost_usd > 0.0 && !trial.json {
        writeln!(out, "cost in all: ${cost_usd:.4}")?;
    }
    Ok(ExitCode::from(if all_good { exit::OK } else { exit::NO }))
}

impl Trial {
    /// The usual test of one model, printed as JSON.
    pub fn tiny(model: &str, provider: Option<&str>) -> Self {
        Self {
            model: Some(model.to_owned()),
            provider: provider.map(str::to_owned),
            all: false,
            prompt: "Reply with the single word: ok".to_owned(),
            timeout: "2m".to_owned(),
            json: true,
        }
    }
}

fn models(ground: &Ground, trial: &Trial) -> Result<Vec<Model>> {
    let all = if trial.all { model_names(&ground.config)? } else { Vec::new() };
    // Where there is none, choosing one tells what to do.
    let names = if all.is_empty() {
        vec![Config::load(&ground.config)?.choose_model(&ground.config, trial.model.as_deref())?]
    } else {
        all
    };
    names.iter().map(|name| Model::load(&ground.config, name)).collect()
}

/// The providers to test. One that several models hold alike is tested once.
fn providers<'a>(models: &'a [Model], only: Option<&str>) -> Result<Vec<(&'a Model, &'a Provider)>> {
    let mut chosen: Vec<(&Model, &Provider)> = Vec::new();
    for model in models {
        for provider in &model.providers {
            let wanted = only.map_or(!provider.disabled, |only| only == provider.name);
            if wanted && !chosen.iter().any(|(_, other)| *other == provider) {
                chosen.push((model, provider));
            }
        }
    }
    if let (true, Some(model)) = (chosen.is_empty(), models.first()) {
        if let Some(only) = only {
            model.provider(only)?;
        }
        return Err(Failure::trouble("there is no provider to test").into());
    }
    Ok(chosen)
}

fn test(ground: &Ground, trial: &Trial, model: &Model, provider: &Provider) -> Result<Finding> {
    // An agent may leave files or settings of git where it works, and a person may stand in a project.
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    let call = Call {
        model: &model.name,
        provider: Some(&provider.name),
        prompt: &trial.prompt,
        timeout: Some(&trial.timeout),
        purpose: "test",
        dir: provider.cwd.is_none().then(|| scratch.path()),
    };
    let record = pipeline::run(ground, &call)?;
    finding(model, provider, &record)
}

fn finding(model: &Model, provider: &Provider, record: &Record) -> Result<Finding> {
    let exec: Option<Exec> = record.get("exec")?;
    let diagnosis: Option<Diagnosis> = record.get("diagnosis")?;
    let error: Option<ToolError> = record.get("error")?;
    let ok = error.is_none() && diagnosis.as_ref().is_some_and(|diagnosis| diagnosis.verdict == Verdict::Ok);
    let advice = match (&error, &diagnosis) {
        (Some(error), _) => Some(advice::about_refusal(error, record)),
        (None, Some(diagnosis)) if !ok => Some(advice::about(provider, diagnosis, record)),
        _ => None,
    };
    let evidence = error.map(|error| error.message);
    let evidence = evidence.or_else(|| diagnosis.as_ref().and_then(|diagnosis| diagnosis.evidence.clone()));
    Ok(Finding {
        model: model.name.clone(),
        provider: provider.name.clone(),
        ok,
        run: exec.is_some().then(|| record.run().to_owned()),
        class: diagnosis.as_ref().and_then(|diagnosis| diagnosis.class).map(ar_core::record::Class::name),
        detail: diagnosis.and_then(|diagnosis| diagnosis.detail),
        elapsed_ms: exec.as_ref().map(|exec| exec.elapsed_ms),
        usage: exec.and_then(|exec| exec.usage),
        answer: if ok { Some(exit::one_line(&pipeline::answer(record)?)) } else { None },
        evidence: evidence.map(|evidence| exit::one_line(&evidence)),
        advice,
    })
}

fn print(finding: &Finding, json: bool, width: usize, out: &mut impl Write) -> Result<()> {
    if json {
        writeln!(out, "{}", serde_json::to_string(finding)?)?;
        return Ok(());
    }
    let state = match (finding.ok, finding.class) {
        (true, _) => "ok",
        (false, Some(class)) => class,
        (false, None) => "not run",
    };
    let took = finding
        .elapsed_ms
        .map_or_else(String::new, |ms| format!("  {:.1} s", Duration::from_millis(ms).as_secs_f64()));
    let usage = finding.usage.as_ref().map_or_else(String::new, words);
    writeln!(out, "{:width$}  {state}{took}{usage}", finding.provider)?;
    let said = finding.answer.as_ref().or(finding.evidence.as_ref());
    if let Some(said) = said.filter(|said| !said.is_empty()) {
        writeln!(out, "{:width$}  {}", "", bounded(said, if finding.ok { SHOWN } else { 4 * SHOWN }))?;
    }
    if let Some(advice) = &finding.advice {
        writeln!(out, "{:width$}  hint: {advice}", "")?;
    }
    Ok(())
}

fn words(usage: &Usage) -> String {
    let read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
    let cost = usage.cost_usd.map_or_else(String::new, |cost| format!(", ${cost:.4}"));
    format!("  {read} tokens in, {} out{cost}", usage.output_tokens)
}

/// Shows on a terminal how many are done; 0 of 0 wipes that away.
fn progress(done: usize, all: usize) -> Result<()> {
    let mut terminal = stderr().lock();
    if terminal.is_terminal() {
        let text = if all == 0 { String::new() } else { format!("testing: {done} of {all} done") };
        write!(terminal, "\r\x1b[K{text}")?;
        terminal.flush()?;
    }
    Ok(())
}
