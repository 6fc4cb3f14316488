//! Finds the program to run, so that one that is missing is told from one that cannot be executed.

use crate::outcome::spawn_error;
use ar_core::paths::below_home;
use ar_core::record::ExecError;
use rustix::fs::{Access, access};
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Where programs are looked for when the environment has no PATH, as execvp(3) does.
const DEFAULT_PATH: &str = "/usr/bin:/bin";

/// The absolute path of `command`: below `cwd` where it holds a slash, as for a shell that went there, else on `path`.
pub fn resolve(command: &OsStr, path: Option<&OsStr>, cwd: &Path) -> Result<PathBuf, ExecError> {
    let named = Path::new(command);
    let shown = command.display();
    if named.components().count() > 1 || named.is_absolute() {
        let file = cwd.join(below_home(named));
        return match file.metadata() {
            Err(error) => Err(spawn_error("not_found", format!("cannot find '{shown}': {error}"))),
            Ok(meta) if meta.is_dir() => {
                Err(spawn_error("not_executable", format!("'{shown}' is a directory")))
            }
            Ok(_) if access(&file, Access::EXEC_OK).is_err() => Err(not_executable(command)),
            Ok(_) => Ok(file),
        };
    }
    let path =
        path.map_or_else(|| env::var_os("PATH").unwrap_or(OsString::from(DEFAULT_PATH)), OsStr::to_owned);
    which::which_in(command, Some(&path), cwd).map_err(|_| {
        if env::split_paths(&path).any(|dir| cwd.join(dir).join(command).is_file()) {
            not_executable(command)
        } else {
            spawn_error("not_found", format!("'{shown}' is not on PATH"))
        }
    })
}

fn not_executable(command: &OsStr) -> ExecError {
    spawn_error("not_executable", format!("'{}' may not be executed", command.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn commands_are_found_or_it_is_said_why_not() {
        let dir = tempfile::tempdir().unwrap();
        for (name, mode) in [("good", 0o755), ("plain", 0o644)] {
            fs::write(dir.path().join(name), "#!/bin/sh\n").unwrap();
            fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(dir.path().join("folder")).unwrap();
        let cases = [
            ("good", None),
            ("./good", None),
            ("plain", Some("not_executable")),
            ("./plain", Some("not_executable")),
            ("./folder", Some("not_executable")),
            ("folder", Some("not_found")),
            ("missing", Some("not_found")),
            ("./missing", Some("not_found")),
            ("", Some("not_found")),
        ];
        for (command, expected) in cases {
            let found = resolve(command.as_ref(), Some(dir.path().as_os_str()), dir.path());
            assert_eq!(found.as_ref().err().map(|error| error.kind.as_str()), expected, "{command}");
            if let Ok(found) = found {
                assert!(found.is_absolute() && found.ends_with("good"), "{}", found.display());
            }
        }
    }
}
