//! What is wrong with the programs that providers call.

use super::{Finding, Repair};
use crate::places::{is_executable, own_ar};
use ar_core::config::Provider;
use ar_core::paths::below_home;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The directories in which cron looks for commands.
const CRON_PATH: [&str; 2] = ["/usr/bin", "/bin"];
/// What is read of a program: the head of an ELF file, or the first line of a script.
const HEAD: u64 = 256;

/// Commands that cannot be found or executed, and directories to work in that are none.
pub fn findings(place: &str, provider: &Provider, cron: bool) -> Vec<Finding> {
    let mut findings: Vec<Finding> = directory(place, provider).into_iter().collect();
    match found(provider) {
        None => findings.push(missing(place, provider)),
        Some(program) => {
            findings.extend(relative(place, provider));
            findings.extend(unstartable(&program).map(|(why, fix)| {
                let what =
                    format!("the command '{}' of '{place}' cannot be executed: {why}", provider.command);
                Finding::error("not_executable", what, "each run of it fails", fix)
            }));
            findings.extend(ourselves(place, provider, &program));
            if cron {
                findings.extend(under_cron(place, provider, &program));
            }
        }
    }
    findings
}

/// The program that a run of this provider would start.
pub fn found(provider: &Provider) -> Option<PathBuf> {
    match provider.env.get("PATH").filter(|path| !path.contains("${")) {
        Some(path) => which::which_in(&provider.command, Some(path), std::env::current_dir().ok()?).ok(),
        None => which::which(&provider.command).ok(),
    }
}

fn missing(place: &str, provider: &Provider) -> Finding {
    let command = &provider.command;
    let error = |id, what, fix| Finding::error(id, what, "each run of it fails", fix);
    let set = |path: &Path| {
        format!("ar setup set {place}.command {}", crate::snippet::shell(&path.display().to_string()))
    };
    if command.starts_with("~/") {
        let what = format!("the command '{command}' of '{place}' is not found: '~' stands for nothing in it");
        return error("not_installed", what, set(&below_home(Path::new(command))));
    }
    let candidates = if command.contains('/') {
        vec![PathBuf::from(command)]
    } else {
        crate::places::search_path().iter().map(|dir| dir.join(command)).collect()
    };
    if let Some(dir) = candidates.iter().find(|path| path.is_dir() && command.contains('/')) {
        let what = format!("the command '{command}' of '{place}' is a directory");
        return error(
            "not_executable",
            what,
            format!("ar setup set {place}.command '{}/PROGRAM'", dir.display()),
        );
    }
    if let Some(file) = candidates.iter().find(|path| path.is_file()) {
        let what = format!("the command '{command}' of '{place}' cannot be executed");
        return error("not_executable", what, format!("chmod +x '{}'", file.display()));
    }
    if let Some(link) = candidates.iter().find(|path| path.is_symlink()) {
        let what = format!("the command '{command}' of '{place}' is a symbolic link that leads nowhere");
        return error("not_installed", what, format!("install it anew, or rm '{}'", link.display()));
    }
    let what = format!("the command '{command}' of '{place}' is not found");
    let program = command.split(' ').next().filter(|first| first.len() < command.len());
    if let Some(program) = program.filter(|program| which::which(program).is_ok()) {
        let what = format!("{what}: arguments belong in 'args'");
        return error("not_installed", what, format!("ar setup set {place}.command {program}"));
    }
    let elsewhere = crate::places::all().into_iter().find(|found| found.name == *command);
    let fix = match (elsewhere, crate::advice::known(provider)) {
        (Some(found), _) => set(&found.path),
        (None, Some(known)) => known.install.to_owned(),
        (None, None) => format!("install it, or ar setup set {place}.disabled true"),
    };
    error("not_installed", what, fix)
}

fn relative(place: &str, provider: &Provider) -> Option<Finding> {
    let command = &provider.command;
    let is_relative = command.contains('/') && !command.starts_with('/');
    is_relative.then(|| {
        let path = std::path::absolute(command).unwrap_or_else(|_| PathBuf::from(command));
        Finding::warning(
            "relative_command",
            format!("the command '{command}' of '{place}' is a relative path"),
            "it is found from this directory alone",
            format!("ar setup set {place}.command {}", path.display()),
        )
    })
}

/// Why the system would not start a program that may be executed, and what to do.
pub fn unstartable(program: &Path) -> Option<(String, String)> {
    let head = head(program)?;
    let shown = program.display();
    let Some(script) = head.strip_prefix(b"#!") else {
        let foreign = foreign_machine(&head);
        let fix = format!("install '{shown}' anew");
        return match (head.is_empty(), foreign) {
            (true, _) => Some(("it is empty".to_owned(), fix)),
            (_, true) => Some(("it is for another kind of machine".to_owned(), fix)),
            _ if is_text(&head) => Some((
                "its first line names no interpreter".to_owned(),
                format!("sed -i '1i #!/bin/sh' '{shown}'"),
            )),
            _ => None,
        };
    };
    let line = script.split(|byte| *byte == b'\n').next().unwrap_or(script);
    let line = String::from_utf8_lossy(line).into_owned();
    if line.ends_with('\r') {
        return Some(("its lines end as on Windows".to_owned(), format!("sed -i 's/\\r$//' '{shown}'")));
    }
    let mut words = line.split_whitespace();
    let interpreter = words.next()?;
    let missing = if interpreter.ends_with("/env") {
        let word = words.find(|word| !word.starts_with('-') && !word.contains('='));
        word.filter(|word| which::which(word).is_err())
    } else {
        Some(interpreter).filter(|interpreter| !is_executable(Path::new(interpreter)))
    };
    missing.map(|missing| {
        let fix = format!("install {missing}, or mend the first line of '{shown}'");
        (format!("its interpreter '{missing}' is not found"), fix)
    })
}

/// None where the program may not be read, which is no fault.
fn head(program: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    File::open(program).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    Some(head)
}

fn is_text(head: &[u8]) -> bool {
    head.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace())
}

/// Whether an ELF file is for a machine unlike the one that we were built for. A 64-bit PC also runs what is for 32 bits.
fn foreign_machine(head: &[u8]) -> bool {
    let Some(own) = std::env::current_exe().ok().and_then(|exe| self::head(&exe)) else { return false };
    let machine = |head: &[u8]| -> Option<[u8; 2]> {
        head.starts_with(b"\x7fELF").then(|| head.get(18..20)?.try_into().ok()).flatten()
    };
    match (machine(head), machine(&own)) {
        (Some(theirs), Some(ours)) => theirs != ours && !(theirs == [3, 0] && ours == [62, 0]),
        _ => false,
    }
}

fn ourselves(place: &str, provider: &Provider, program: &Path) -> Option<Finding> {
    let ours = own_ar()?.canonicalize().ok()?;
    (program.canonicalize().ok()? == ours && provider.args.first().is_some_and(|verb| verb == "run")).then(
        || {
            Finding::error(
                "recursion",
                format!("'{place}' calls the agent runner itself"),
                "runs inside runs go five deep and then fail",
                format!("ar setup set {place}.command AGENT"),
            )
        },
    )
}

fn directory(place: &str, provider: &Provider) -> Option<Finding> {
    let dir = below_home(provider.cwd.as_ref()?);
    let shown = dir.display();
    let (what, fix) = match dir.metadata() {
        Ok(found) if !found.is_dir() => (
            format!("'{shown}', in which '{place}' works, is no directory"),
            format!("ar setup set {place}.cwd DIR"),
        ),
        Ok(_) if rustix::fs::access(&dir, rustix::fs::Access::EXEC_OK).is_err() => (
            format!("the directory '{shown}' of '{place}' cannot be entered"),
            format!("chmod u+rwx '{shown}'"),
        ),
        Ok(_) => return None,
        Err(_) => (
            format!("the directory '{shown}' of '{place}' does not exist"),
            format!("mkdir -p '{shown}', or ar setup set --unset {place}.cwd"),
        ),
    };
    Some(Finding::error("no_directory", what, "each run of it fails", fix))
}

fn under_cron(place: &str, provider: &Provider, program: &Path) -> Option<Finding> {
    let command = &provider.command;
    if command.contains('/') || CRON_PATH.iter().any(|dir| is_executable(&Path::new(dir).join(command))) {
        return None;
    }
    let key = format!("{place}.command");
    let value = program.display().to_string();
    let finding = Finding::warning(
        "cron_path",
        format!("cron does not find the command '{command}' of '{place}'"),
        "its PATH is /usr/bin:/bin",
        format!("ar setup set {key} {value}"),
    );
    Some(finding.repaired_by(Repair::Set(key, value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn programs_that_the_system_would_not_start_are_told_from_others() {
        let dir = tempfile::tempdir().unwrap();
        let arm = [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 11], &[0xb7, 0], &[0; 40]].concat();
        for (content, why) in [
            (b"#!/bin/sh\necho\n".as_slice(), None),
            (b"#!/usr/bin/env sh\n", None),
            (b"#! /usr/bin/env -S A=1 sh -e\n", None),
            (b"#!/bin/sh\r\n", Some("end as on Windows")),
            (b"#!/no/such/shell -e\n", Some("'/no/such/shell' is not found")),
            (b"#!/usr/bin/env no-such-node\n", Some("'no-such-node' is not found")),
            (b"echo hello\n", Some("names no interpreter")),
            (b"", Some("it is empty")),
            (&arm, Some("another kind of machine")),
            (&fs::read(std::env::current_exe().unwrap()).unwrap(), None),
        ] {
            let file = dir.path().join("tool");
            fs::write(&file, content).unwrap();
            let told = unstartable(&file).map(|(told, _)| told);
            assert_eq!(told.is_some(), why.is_some(), "{told:?} {why:?}");
            assert!(told.unwrap_or_default().contains(why.unwrap_or_default()), "{why:?}");
        }
    }
}
