//! What is wrong around the tools: programs, variables, clock.

use super::Finding;
use crate::places::{is_executable, search_path};
use crate::probe::{self, Outcome};
use ar_core::{Stamp, clock, paths};
use std::env;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The tools of the pipeline.
const TOOLS: [&str; 4] = ["ar-pick", "ar-exec", "ar-diagnose", "ar-log"];
/// No release is older than this: 2026-01-01.
const BIRTH: Stamp = Stamp(1_767_225_600_000);

/// Missing or mixed tools, a foreign `ar`, variables that mislead, a clock that is wrong.
pub fn findings(now: Stamp) -> Vec<Finding> {
    let mut findings = tools();
    findings.extend(foreign_ar());
    findings.extend(variables());
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

fn own_dir() -> Option<PathBuf> {
    env::current_exe().ok()?.parent().map(Path::to_path_buf)
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

/// The first `ar` on PATH, where it is not the one beside us.
fn foreign_ar() -> Option<Finding> {
    let ours = own_dir()?.join("ar");
    let found = search_path().into_iter().map(|dir| dir.join("ar")).find(|path| is_executable(path));
    let same = |a: &Path, b: &Path| match (a.metadata(), b.metadata()) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    };
    if !ours.is_file() || found.as_ref().is_some_and(|found| same(found, &ours)) {
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
    if let Some(now) = set(clock::NOW_VARIABLE) {
        findings.push(Finding::warning(
            "clock_set",
            format!("{} sets the clock to {}", clock::NOW_VARIABLE, now.display()),
            "cooldowns and leases never end",
            format!("unset {}", clock::NOW_VARIABLE),
        ));
    }
    for name in [paths::CONFIG_VARIABLE, paths::STATE_VARIABLE] {
        if set(name).as_ref().is_some_and(relative) {
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
    if set("HOME").is_none_or(|home| !Path::new(&home).is_dir()) {
        let what = "HOME names no directory";
        findings.push(Finding::error(
            "no_home",
            what,
            "agents find neither their login nor their settings",
            "export HOME",
        ));
    }
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
