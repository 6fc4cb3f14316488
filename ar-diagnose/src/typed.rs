//! `--text`: any program's output on standard input.

use crate::ask;
use crate::cli::Cli;
use crate::{listing, redact};
use anyhow::{Context, Result};
use ar_core::record::{Class, Diagnosis};
use ar_core::{Stamp, exit};
use ar_diagnose::evidence::{Evidence, tail_of_stream};
use ar_diagnose::explain;
use ar_diagnose::find::family;
use ar_diagnose::judge::{Judgement, judge};
use std::io::{self, Write};
use std::process::ExitCode;

/// Classifies the text: status 0 where it is classified, 1 where it is not.
pub fn run(cli: &Cli) -> Result<ExitCode> {
    let text = tail_of_stream(&mut io::stdin().lock()).context("cannot read standard input")?;
    let evidence = Evidence {
        cli: cli.command.as_deref().map(|name| family(&name.to_lowercase()).to_owned()),
        exit_code: cli.exit_code,
        text,
        ..Evidence::default()
    };
    let rules = listing::load(cli.config.as_deref())?;
    let mut judgement = judge(&evidence, &rules, Stamp::now()?);
    judgement.diagnosis.evidence = judgement.diagnosis.evidence.map(|line| redact::masked(&line));
    ask::settle(cli, &mut judgement, &evidence, None)?;
    if cli.explain && !cli.json {
        write!(io::stdout(), "{}", explain::in_words(&judgement, redact::masked))
            .context("cannot write to standard output")?;
    }
    print(cli, &judgement)?;
    let known = judgement.diagnosis.class != Some(Class::Unknown);
    Ok(ExitCode::from(if known { exit::OK } else { exit::NO }))
}

fn print(cli: &Cli, judgement: &Judgement) -> Result<()> {
    let diagnosis = &judgement.diagnosis;
    let line = if cli.json {
        let mut value = serde_json::to_value(diagnosis).context("cannot write the diagnosis")?;
        if cli.explain {
            value["explain"] = serde_json::to_value(explain::steps(judgement, redact::masked))
                .context("cannot write the diagnosis")?;
        }
        value.to_string()
    } else if cli.class_only {
        diagnosis.class.map_or("ok", Class::name).to_owned()
    } else {
        in_words(diagnosis)
    };
    writeln!(io::stdout(), "{line}").context("cannot write to standard output")
}

/// `rate_limit throttle until 2026-06-01T12:00:00.000Z (rule:general/bare-429)`.
fn in_words(diagnosis: &Diagnosis) -> String {
    let mut words = vec![diagnosis.class.map_or("ok", Class::name).to_owned()];
    words.extend(diagnosis.detail.clone());
    words.extend(diagnosis.retry_at.map(|at| format!("until {at}")));
    words.push(format!("({})", diagnosis.by));
    words.join(" ")
}
