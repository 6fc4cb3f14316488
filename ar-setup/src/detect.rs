//! `ar setup detect`: every agent on this machine, its version, its login and what it can do.

use crate::cache::{Cache, Said};
use crate::interview;
use crate::known::{Known, by_name};
use crate::login::{self, Login, State};
use crate::places::{self, Kind, Place};
use crate::probe::{self, Outcome};
use ar_core::{Stamp, paths};
use serde::Serialize;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// How many models are shown to a person.
const SHOWN: usize = 3;

/// One agent found.
#[derive(Debug, Clone, Serialize)]
pub struct Agent {
    /// What to call it.
    pub name: String,
    /// The agent that it is or leads to.
    #[serde(rename = "agent")]
    pub known: &'static str,
    /// How it leads there.
    pub kind: Kind,
    /// The executable.
    pub path: PathBuf,
    /// Whether a search along PATH finds it.
    pub on_path: bool,
    /// The variables that it sets first, by name.
    pub variables: Vec<String>,
    /// Its version, where it told.
    pub version: Option<String>,
    /// Whose login it uses.
    pub login: Login,
    /// The command that logs in.
    pub login_command: String,
    /// The models that it offers, where it told.
    pub models: Vec<String>,
    /// Which of the template's options its help names; None where it told nothing.
    pub features: Option<Vec<String>>,
    /// The template's options that its help does not name, without those that a model can do without.
    pub rejected: Vec<String>,
    /// Those.
    #[serde(skip)]
    pub lacks: Vec<String>,
    /// What went wrong while it was asked.
    pub trouble: Option<String>,
    /// Every option that its help names.
    #[serde(skip)]
    pub flags: Option<Vec<String>>,
}

/// Prints what was found.
pub fn run(json: bool, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let agents = agents(Stamp::now()?)?;
    if json {
        let object = serde_json::json!({ "v": 1, "agents": agents });
        writeln!(out, "{object}")?;
        return Ok(ExitCode::SUCCESS);
    }
    if agents.is_empty() {
        writeln!(out, "found no agent; the usual ones are installed by")?;
        for known in crate::known::KNOWN {
            writeln!(out, "  {}", known.install)?;
        }
    }
    let width = agents.iter().map(|agent| agent.name.chars().count()).max().unwrap_or(0);
    for agent in &agents {
        let version = agent.version.as_deref().unwrap_or("-");
        writeln!(out, "{:width$}  {version:<10}  {}", agent.name, words(&agent.login))?;
        writeln!(out, "{:width$}  {}{}", "", agent.path.display(), remarks(agent))?;
        if !agent.models.is_empty() {
            writeln!(out, "{:width$}  models: {}", "", several(&agent.models))?;
        }
        if matches!(agent.login.state, State::Out | State::Expired | State::Damaged) {
            writeln!(out, "{:width$}  log in with: {}", "", agent.login_command)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The first of many names.
fn several(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn words(login: &Login) -> String {
    let account = login.account.as_ref().map(|account| format!(" as {account}")).unwrap_or_default();
    let by = &login.by;
    match login.state {
        State::In => format!("logged in{account} ({by})"),
        State::Out => format!("not logged in ({by})"),
        State::Expired => format!("login expired{account} ({by})"),
        State::Damaged => format!("login that cannot be read ({by})"),
        State::Unknown => format!("login unknown ({by})"),
    }
}

fn remarks(agent: &Agent) -> String {
    let kind = match agent.kind {
        Kind::Program => None,
        Kind::Wrapper => Some(format!("a script that calls {}", agent.known)),
        Kind::Alias => Some(format!("an alias of {}", agent.known)),
    };
    let rejected = agent.rejected.join(" ");
    let parts = [
        kind,
        (!agent.on_path).then(|| "not on PATH".to_owned()),
        (!rejected.is_empty()).then(|| format!("its help does not name {rejected}")),
        agent.trouble.clone(),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
}

/// Finds every agent and asks all of them at once. Nothing takes longer than one probe may.
pub fn agents(now: Stamp) -> anyhow::Result<Vec<Agent>> {
    ask_all(&places::all(), now, probe::PATIENCE)
}

/// Asks these agents at once, and waits for so long at most.
pub fn ask_all(places: &[Place], now: Stamp, patience: Duration) -> anyhow::Result<Vec<Agent>> {
    let dir = paths::cache_dir();
    let mut cache = Cache::open(dir.as_deref());
    let deadline = Instant::now() + patience;
    let asked: Vec<anyhow::Result<(Agent, Option<Said>)>> = thread::scope(|scope| {
        let cache = &cache;
        let threads: Vec<_> =
            places.iter().map(|place| scope.spawn(move || ask(place, cache, deadline, now))).collect();
        let joined = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread that asked an agent broke off")))
        });
        joined.collect()
    });
    let mut agents = Vec::new();
    for asked in asked {
        let (agent, fresh) = asked?;
        if let Some(said) = fresh {
            cache.put(&agent.path, said);
        }
        agents.push(agent);
    }
    cache.save();
    Ok(agents)
}

/// Asks one agent; what it said is returned beside it where the cache did not know it yet.
fn ask(place: &Place, cache: &Cache, deadline: Instant, now: Stamp) -> anyhow::Result<(Agent, Option<Said>)> {
    let known = by_name(place.known).ok_or_else(|| anyhow::anyhow!("'{}' is no known agent", place.known))?;
    let before = cache.get(&place.path).unwrap_or_default();
    let (said, trouble) = interview::ask(known, place, before.clone(), deadline)?;
    let fresh = (said != before).then(|| said.clone());
    let wanted = template_flags(known);
    let named = |flag: &&String| said.flags.as_ref().is_none_or(|flags| flags.contains(flag));
    let is_optional =
        |flag: &String| known.optional.iter().any(|words| words.first() == Some(&flag.as_str()));
    let unnamed = wanted.iter().filter(|flag| !named(flag)).cloned();
    let (mut lacks, rejected): (Vec<_>, Vec<_>) = unnamed.partition(is_optional);
    // A help without any option is none.
    if said.flags.as_ref().is_some_and(Vec::is_empty) {
        lacks.clear();
    }
    let agent = Agent {
        name: place.name.clone(),
        known: known.name,
        kind: place.kind,
        path: place.path.clone(),
        on_path: place.on_path,
        variables: place.env.iter().map(|(name, _)| name.clone()).collect(),
        login: login_of(known, place, now, deadline)?,
        login_command: login_command(known, &place.env),
        features: said.flags.is_some().then(|| wanted.iter().filter(named).cloned().collect()),
        rejected,
        lacks,
        version: said.version,
        models: said.models.unwrap_or_default(),
        flags: said.flags,
        trouble,
    };
    Ok((agent, fresh))
}

/// The command that logs in to the account that these variables choose.
pub fn login_command(known: &Known, env: &[(String, String)]) -> String {
    let quoted = |value: &str| {
        let plain = value.chars().all(|c| c.is_alphanumeric() || "/._-~+@".contains(c));
        if plain { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
    };
    let words = env.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
    words.chain([known.login.to_owned()]).collect::<Vec<_>>().join(" ")
}

/// Whose login a way to an agent uses.
pub fn login_of(known: &Known, place: &Place, now: Stamp, deadline: Instant) -> anyhow::Result<Login> {
    let variable = |name: &str| -> Option<OsString> {
        let own = place.env.iter().find(|(own, _)| own == name);
        own.map(|(_, value)| value.into()).or_else(|| std::env::var_os(name))
    };
    let login = login::of(known, &variable, now);
    let dir = known.credential.and_then(|credential| login::directory(&credential, &variable));
    let (State::Out | State::Unknown | State::Damaged, Some(args), true) =
        (login.state, known.status, dir.is_some_and(|dir| dir.is_dir()))
    else {
        return Ok(login);
    };
    // The file is silent, but the login may lie in a keyring. Never asked where the agent was never started: asking would
    // create its files.
    let by = format!("'{} {}'", known.name, args.join(" "));
    match probe::ask(&place.path, args, deadline, |command| interview::variables(command, place))? {
        Outcome::Ended { good: true, .. } => Ok(Login { state: State::In, by, account: login.account }),
        _ => Ok(login),
    }
}

/// The options that a template passes.
fn template_flags(known: &Known) -> Vec<String> {
    let model = ar_core::config::Model::parse(known.name, PathBuf::from(known.name), known.template);
    let args = model.map(|model| model.providers.into_iter().flat_map(|provider| provider.args).collect());
    flags_of(&args.unwrap_or_else(|_| Vec::new()))
}

/// The options among arguments.
pub fn flags_of(args: &[String]) -> Vec<String> {
    let flags = args.iter().filter(|arg| arg.starts_with('-') && arg.len() > 1);
    flags
        .map(|arg| arg.split('=').next().unwrap_or(arg).to_owned())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}
