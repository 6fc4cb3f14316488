//! What is wrong around the tools: programs, variables, clock.

use super::Finding;
use crate::places::{is_executable, own_ar, own_dir, search_path};
use crate::probe::{self, Outcome};
use ar_core::config::nearest;
use ar_core::exit::one_line;
use ar_core::record::bounded;
use ar_core::state::NETWORK_VARIABLE;
use ar_core::{Stamp, clock, paths};
use std::env;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

/// The tools of the pipeline.
const TOOLS: [&str; 4] = ["ar-pick", "ar-exec", "ar-diagnose", "ar-log"];
/// Our variables, those that people set before those that we set for the programs that we start.
const VARIABLES: [&str; 13] = [
    paths::CONFIG_VARIABLE,
    paths::STATE_VARIABLE,
    NETWORK_VARIABLE,
    clock::NOW_VARIABLE,
    "AGENT_RUNNER_SEED",
    "AGENT_RUNNER_RUN",
    "AGENT_RUNNER_CALL",
    "AGENT_RUNNER_OUTER",
    "AGENT_RUNNER_DEPTH",
    "AGENT_RUNNER_MODEL",
    "AGENT_RUNNER_PROVIDER",
    "AGENT_RUNNER_ASKING",
    "AGENT_RUNNER_ARCHIVER_SEEN",
];
/// How many of them people set.
const SET_BY_PEOPLE: usize = 5;
/// No release is older than this: 2026-01-01.
const BIRTH: Stamp = Stamp(1_767_225_600_000);

/// Missing or mixed tools, a foreign `ar`, variables that mislead, a clock that is wrong.
pub fn findings(now: Stamp) -> Vec<Finding> {
    let mut findings = tools();
    findings.extend(foreign_ar());
    findings.extend(other_copies());
    findings.extend(path());
    findings.extend(variables());
    findings.extend(ours());
    findings.extend(time_zone());
    if now < BIRTH {
        let what = format!("the clock says {now}");
        findings.push(Finding::error(
            "clock",
            what,
            "cooldowns and certificates depend on it",
            "timedatectl set-ntp true",
        ));
    }
    findings
}

fn tools() -> Vec<Finding> {
    let Some(dir) = own_dir() else { return Vec::new() };
    let deadline = Instant::now() + probe::PATIENCE;
    let mut findings = Vec::new();
    for name in TOOLS {
        let own = dir.join(name);
        let Some(path) = Some(own).filter(|own| own.is_file()).or_else(|| which::which(name).ok()) else {
            let what = format!("cannot find '{name}'");
            let fix = format!("make install PREFIX='{}'", dir.parent().unwrap_or(&dir).display());
            findings.push(Finding::error("missing_tool", what, "no run works without it", fix));
            continue;
        };
        let ours = format!("{name} {}", env!("CARGO_PKG_VERSION"));
        match probe::ask(&path, &["--version"], deadline, |_| {}) {
            Ok(Outcome::Ended { good: true, stdout, .. }) if stdout.trim() == ours => {}
            // A busy machine proves nothing. Without a place for temporary files nobody can be asked, which is a finding of
            // its own.
            Ok(Outcome::TimedOut) | Err(_) => {}
            Ok(_) => findings.push(Finding::error(
                "mixed_tools",
                format!("'{}' is not of our release, {}", path.display(), env!("CARGO_PKG_VERSION")),
                "tools of different releases may not understand each other",
                "install all of them anew with 'make install'",
            )),
        }
    }
    findings
}

/// Other copies of ours on PATH that are of another release.
fn other_copies() -> Vec<Finding> {
    let Some(own) = own_dir() else { return Vec::new() };
    let ours = format!("ar-setup {}", env!("CARGO_PKG_VERSION"));
    let deadline = Instant::now() + probe::PATIENCE;
    let mut findings = Vec::new();
    for dir in search_path().iter().filter(|dir| **dir != own && dir.is_absolute()) {
        let program = dir.join("ar-setup");
        if !is_executable(&program) || program.canonicalize().ok() == env::current_exe().ok() {
            continue;
        }
        let Ok(Outcome::Ended { stdout, .. }) = probe::ask(&program, &["--version"], deadline, |_| {}) else {
            continue;
        };
        if stdout.trim() != ours {
            findings.push(Finding::warning(
                "mixed_tools",
                format!(
                    "'{}' is another release of ours: {}",
                    program.display(),
                    one_line(&bounded(&stdout, 60))
                ),
                "which one runs depends on PATH, and an older one refuses the state of a newer",
                format!("remove it with 'make uninstall', or take '{}' out of PATH", dir.display()),
            ));
        }
    }
    findings
}

/// Directories of PATH that are another one each time, or that anybody may write.
fn path() -> Vec<Finding> {
    let mut findings = Vec::new();
    for dir in search_path() {
        let shown = dir.display();
        if dir.is_relative() {
            let what = if dir.as_os_str().is_empty() {
                "PATH has an empty part, which means the current directory".to_owned()
            } else {
                format!("PATH holds the relative path '{shown}'")
            };
            let why = "in a directory of strangers, their programs run instead of yours";
            findings.push(Finding::warning("path", what, why, "export PATH without it"));
        } else if dir.metadata().is_ok_and(|found| found.is_dir() && found.mode() & 0o002 != 0) {
            findings.push(Finding::error(
                "path",
                format!("anybody may write '{shown}', which is on PATH"),
                "who writes it decides which programs run as you",
                format!("chmod o-w '{shown}', or export PATH without it"),
            ));
        }
    }
    findings
}

/// Variables that look like ours and are not.
fn ours() -> Vec<Finding> {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let unknown = names.filter(|name| is_like_ours(name) && !VARIABLES.contains(&name.as_str()));
    unknown
        .map(|name| {
            let near = nearest(&name, VARIABLES.iter().copied().take(SET_BY_PEOPLE));
            let fix = near.map_or_else(
                || format!("unset {name}"),
                |near| format!("unset {name}; did you mean {near}?"),
            );
            Finding::warning(
                "unknown_variable",
                format!("{name} is set, and nobody reads it"),
                "it has no effect",
                fix,
            )
        })
        .collect()
}

fn is_like_ours(name: &str) -> bool {
    name.strip_prefix("AGENT_RUNNER").is_some_and(|rest| rest.starts_with('_'))
}

/// A time zone that the system does not have.
fn time_zone() -> Option<Finding> {
    let zone = env::var("TZ").ok().map(|zone| zone.trim_start_matches(':').to_owned())?;
    let base = Path::new("/usr/share/zoneinfo");
    // Other forms, such as CET-1CEST, name no file.
    let is_name = zone.contains('/') && !zone.starts_with('/');
    (is_name && base.is_dir() && !base.join(&zone).is_file()).then(|| {
        Finding::warning(
            "time_zone",
            format!("TZ is '{zone}', and the system knows no such time zone"),
            "the time of day at which an agent says that it is back is read wrong",
            "export TZ with a name below /usr/share/zoneinfo, or unset TZ",
        )
    })
}

/// The first `ar` on PATH, where it is not the one beside us.
fn foreign_ar() -> Option<Finding> {
    let ours = own_ar()?;
    let found = search_path().into_iter().map(|dir| dir.join("ar")).find(|path| is_executable(path));
    let same = |a: &Path, b: &Path| match (a.metadata(), b.metadata()) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    };
    if found.as_ref().is_some_and(|found| same(found, &ours)) {
        return None;
    }
    let what = match found {
        Some(found) => format!("the first 'ar' on PATH is '{}', not ours", found.display()),
        None => "there is no 'ar' on PATH".to_owned(),
    };
    let fix =
        format!("put '{}' first on PATH; ours passes on what is meant for binutils", own_dir()?.display());
    Some(Finding::warning("foreign_ar", what, "'ar run' does not reach the agent runner", fix))
}

fn variables() -> Vec<Finding> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let relative = |value: &OsString| Path::new(value).is_relative();
    let mut findings = Vec::new();
    if Stamp::now().is_err() {
        findings.push(Finding::error(
            "clock_set",
            format!("{} is set to what is no time", clock::NOW_VARIABLE),
            "nothing runs that looks at the clock",
            format!("unset {}", clock::NOW_VARIABLE),
        ));
    } else if let Some(now) = set(clock::NOW_VARIABLE) {
        findings.push(Finding::warning(
            "clock_set",
            format!("{} sets the clock to {}", clock::NOW_VARIABLE, now.display()),
            "cooldowns and leases never end",
            format!("unset {}", clock::NOW_VARIABLE),
        ));
    }
    for name in [paths::CONFIG_VARIABLE, paths::STATE_VARIABLE] {
        let named = set(name);
        if name == paths::CONFIG_VARIABLE && named.as_ref().is_some_and(|dir| !Path::new(dir).exists()) {
            findings.push(Finding::error(
                "no_config",
                format!("{name} names a directory that does not exist"),
                "there is no configuration",
                format!("unset {name}, or make the directory and run 'ar setup init'"),
            ));
        }
        if named.as_ref().is_some_and(relative) {
            findings.push(Finding::warning(
                "relative_path",
                format!("{name} is a relative path"),
                "each directory has its own then",
                format!("export {name} with a path that starts with /"),
            ));
        }
    }
    for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"] {
        if set(name).as_ref().is_some_and(relative) {
            findings.push(Finding::warning(
                "relative_path",
                format!("{name} is a relative path"),
                "the specification has it ignored, so files lie elsewhere than it says",
                format!("export {name} with a path that starts with /"),
            ));
        }
    }
    findings.extend(home());
    let temporary = env::temp_dir();
    if tempfile::tempfile_in(&temporary).is_err() {
        findings.push(Finding::error(
            "temporary",
            format!("no file can be made in '{}'", temporary.display()),
            "agents and our own tools need a place for temporary files",
            "export TMPDIR with a directory that you may write",
        ));
    }
    findings
}

fn home() -> Option<Finding> {
    let home = env::var_os("HOME").map(std::path::PathBuf::from);
    let what = match &home {
        Some(home) if home.is_relative() && !home.as_os_str().is_empty() => "HOME is a relative path",
        Some(home) if home.is_dir() => return None,
        _ => "HOME names no directory",
    };
    let why = "agents find neither their login nor their settings";
    Some(Finding::error("no_home", what, why, "export HOME"))
}
