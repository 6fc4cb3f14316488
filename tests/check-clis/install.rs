//! Installs agents into the scratch directory, and keeps them for a day.

use crate::agent::{Agent, Source};
use anyhow::{Context, bail};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// After this, what is current is asked for again.
const KEPT: Duration = Duration::from_hours(24);

/// The oldest node that all agents run on. A Debian that is stable for long has an older one.
const NODE: u32 = 22;

/// Installs an agent and gives the directory of its command.
pub fn install(agent: &Agent, scratch: &Path) -> anyhow::Result<PathBuf> {
    let dir = scratch.join("agents").join(agent.name);
    let bin = match agent.source {
        Source::Npm(_) => dir.join("node_modules/.bin"),
        Source::Pypi(_) => dir.join("bin"),
    };
    let stamp = dir.join("installed");
    if bin.join(agent.name).exists() && is_fresh(&stamp) {
        return Ok(bin);
    }
    fs::create_dir_all(&dir).with_context(|| format!("cannot create '{}'", dir.display()))?;
    let dir_arg = dir.as_os_str();
    match agent.source {
        Source::Npm(package) => {
            // With its tag, npm takes the current version even where it asks for a newer node than there is.
            let package = format!("{package}@latest");
            let args = ["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"];
            // Its command `node` then lies beside the agent's, before the machine's on PATH.
            let runtime = (node_major() < NODE).then(|| OsString::from(format!("node@{NODE}")));
            let packages = [OsString::from(package)].into_iter().chain(runtime).collect::<Vec<_>>();
            let args = args.iter().map(OsStr::new).chain([dir_arg]);
            run("npm", args.chain(packages.iter().map(OsString::as_os_str)))?;
        }
        Source::Pypi(package) => {
            run("python3", [OsStr::new("-m"), OsStr::new("venv"), dir_arg])?;
            let pip = bin.join("pip");
            run(&pip, ["install", "--quiet", "--upgrade", package].map(OsStr::new))?;
        }
    }
    if !bin.join(agent.name).exists() {
        bail!("its package has no command '{}'", agent.name);
    }
    fs::write(&stamp, "").with_context(|| format!("cannot write '{}'", stamp.display()))?;
    Ok(bin)
}

/// The major version of the machine's node, 0 where there is none.
fn node_major() -> u32 {
    let version =
        Command::new("node").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&version);
    version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
}

fn is_fresh(stamp: &Path) -> bool {
    let age = fs::metadata(stamp).and_then(|data| data.modified()).map(|time| time.elapsed());
    matches!(age, Ok(Ok(age)) if age < KEPT)
}

fn run<'a>(program: impl AsRef<OsStr>, args: impl IntoIterator<Item = &'a OsStr>) -> anyhow::Result<()> {
    let program = program.as_ref();
    let output = Command::new(program).args(args).output();
    let output = output.with_context(|| format!("cannot run '{}'", program.display()))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("'{}' failed: {}", program.display(), errors.lines().last().unwrap_or("it does not say why"));
    }
    Ok(())
}
