//! The arguments of the four tools, for spawning and for `ar run -n`.

use crate::attempt::Arguments;
use crate::cli::{Hop, Run};
use crate::prompt::{Prompt, in_shell, option};
use crate::quote::quote;
use crate::wait::Patience;
use std::ffi::{OsStr, OsString};

/// What an attempt needs beyond the command line.
pub struct Attempted<'a> {
    /// Whether the session is to begin anew, because the agent no longer has it.
    pub afresh: bool,
    pub call: &'a str,
    pub number: u32,
    /// Providers that failed this call already, as `MODEL/PROVIDER`.
    pub tried: Vec<&'a str>,
    /// How long to wait in line for a provider, where the call does.
    pub wait: Option<&'a Patience>,
    /// The descriptor to which the answer is copied as it comes.
    pub live: Option<i32>,
}

/// The arguments for one attempt.
pub fn arguments(cli: &Run, model: Option<&str>, prompt: &Prompt, attempted: &Attempted) -> Arguments {
    let mut pick = pick_options(cli, model);
    pick.extend(["--quiet".into(), format!("--call={}", attempted.call).into()]);
    pick.push(format!("--attempt={}", attempted.number).into());
    pick.push(format!("--owner={}", std::process::id()).into());
    pick.extend(attempted.tried.iter().map(|provider| format!("--exclude={provider}").into()));
    pick.extend(attempted.wait.map(|patience| match patience.left() {
        Some(most) => format!("--wait={}ms", most.as_millis()).into(),
        None => "--wait".into(),
    }));

    if attempted.afresh {
        pick.push("--afresh".into());
    }

    let mut exec = exec_options(cli);
    exec.extend(attempted.live.map(|fd| format!("--tee={fd}").into()));
    exec.extend(prompt.arguments());

    let mut log = log_options(cli);
    log.push("--failover".into());
    Arguments { pick, exec, diagnose: diagnose_options(cli), log }
}

/// The pipeline as a person would write it in sh(1), on one line.
pub fn shown(cli: &Run, model: Option<&str>) -> String {
    let (feed, prompt) = in_shell(cli);
    let words = |tool: &str, options: Vec<OsString>, more: Vec<String>| {
        let options = options.iter().map(|option| quote(option));
        std::iter::once(tool.to_owned()).chain(options).chain(more).collect::<Vec<_>>().join(" ")
    };
    let pipeline = [
        words("ar-pick", [pick_options(cli, model), wait(cli)].concat(), Vec::new()),
        words("ar-exec", exec_options(cli), prompt),
        words("ar-diagnose", diagnose_options(cli), Vec::new()),
        words("ar-log", log_options(cli), Vec::new()),
    ]
    .join(" | ");
    let pipeline = match feed {
        Some(feed) => format!("{feed}{{ {pipeline}; }} 3<&0"),
        None => pipeline,
    };
    match &cli.output {
        Some(file) => format!("{pipeline} >{}", quote(file.as_os_str())),
        None => pipeline,
    }
}

fn pick_options(cli: &Run, model: Option<&str>) -> Vec<OsString> {
    let mut options: Vec<OsString> = Vec::new();
    if let Some(model) = model {
        options.extend(["-m".into(), model.into()]);
    }
    options.extend(cli.provider.iter().map(|provider| format!("--provider={provider}").into()));
    options.extend(cli.exclude.iter().map(|provider| format!("--exclude={provider}").into()));
    options.extend(cli.sticky.iter().map(|key| format!("--sticky={key}").into()));
    options.extend(cli.timeout.iter().map(|time| format!("--timeout={time}").into()));
    options.extend(cli.session.iter().map(|name| format!("--session={name}").into()));
    if cli.resume {
        options.push("--continue".into());
    }
    places(cli, &mut options);
    options
}

/// The wait as it was asked for.
fn wait(cli: &Run) -> Vec<OsString> {
    match cli.wait.as_deref() {
        None => Vec::new(),
        Some("") => vec!["--wait".into()],
        Some(most) => vec![format!("--wait={most}").into()],
    }
}

fn exec_options(cli: &Run) -> Vec<OsString> {
    let mut options: Vec<OsString> = Vec::new();
    options.extend(cli.agent.iter().map(|agent| format!("--agent={agent}").into()));
    options.extend(cli.dir.iter().map(|dir| option("--dir=", dir.as_os_str())));
    options.extend(cli.timeout.iter().map(|time| format!("--timeout={time}").into()));
    options.extend(cli.idle_timeout.iter().map(|time| format!("--idle-timeout={time}").into()));
    if cli.handoff || cli.hop == Some(Hop::Clean) {
        options.push("--git".into());
    }
    places(cli, &mut options);
    options
}

fn diagnose_options(cli: &Run) -> Vec<OsString> {
    let mut options: Vec<OsString> = Vec::new();
    places(cli, &mut options);
    options
}

fn log_options(cli: &Run) -> Vec<OsString> {
    let mut options: Vec<OsString> = vec![if cli.json { "--json".into() } else { "--cat".into() }];
    options.extend(cli.tag.iter().map(|tag| format!("--tag={tag}").into()));
    if cli.no_log {
        options.push("--no-log".into());
    }
    places(cli, &mut options);
    options
}

fn places(cli: &Run, options: &mut Vec<OsString>) {
    let path = |name, path: &std::path::PathBuf| option(name, OsStr::new(path));
    options.extend(cli.config.iter().map(|dir| path("--config=", dir)));
    options.extend(cli.state.iter().map(|file| path("--state=", file)));
}
