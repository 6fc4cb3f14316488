//! What a run changes in the git repository in which its child works.

use ar_core::record::GitChange;
use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A repository at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    head: Option<String>,
    /// Stands for index and work tree.
    work: u64,
}

impl Moment {
    /// The repository at `dir` as it is now; None where there is none, or no git.
    pub fn of(dir: &Path) -> Option<Self> {
        let mut top = git(dir, &["rev-parse", "--show-toplevel"])?;
        top.pop();
        let top = PathBuf::from(std::ffi::OsString::from_vec(top));
        let all = [
            "status",
            "--porcelain=v2",
            "--branch",
            "--untracked-files=all",
            "--ignore-submodules=none",
            "--no-renames",
            "-z",
        ];
        let status = git(&top, &all)?;
        let mut hasher = DefaultHasher::new();
        let mut head = None;
        for line in status.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            line.hash(&mut hasher);
            if let Some(commit) = line.strip_prefix(b"# branch.oid ") {
                head = str::from_utf8(commit).ok().filter(|commit| *commit != "(initial)").map(str::to_owned);
            } else if let Some(path) = path(line)
                && let Ok(meta) = fs::symlink_metadata(top.join(OsStr::from_bytes(path)))
            {
                // The status of a file that was changed before stays the same however it goes on changing.
                (meta.size(), meta.mtime(), meta.mtime_nsec()).hash(&mut hasher);
            }
        }
        Some(Self { head, work: hasher.finish() })
    }

    /// What became of the repository since. One that is not there any more has changed.
    pub fn compare(self, after: Option<Self>) -> GitChange {
        let changed = after.as_ref() != Some(&self);
        GitChange { before: self.head, after: after.and_then(|after| after.head), changed }
    }
}

/// The path in a line of the status: behind `? `, or the last of eight or ten fields.
fn path(line: &[u8]) -> Option<&[u8]> {
    let fields = match line.first()? {
        b'?' => 2,
        b'1' => 9,
        b'u' => 11,
        _ => return None,
    };
    line.splitn(fields, |byte| *byte == b' ').nth(fields - 1)
}

/// What git prints; None where it fails, as it does outside of a repository. It takes no lock, which an agent at work in
/// the repository could stumble over, and starts no program that the repository's configuration names: an agent that is
/// kept in a sandbox may have written that.
fn git(dir: &Path, args: &[&str]) -> Option<Vec<u8>> {
    let mut command = Command::new("git");
    command.args(["-c", "core.fsmonitor=false", "-C"]).arg(dir).args(args).env("GIT_OPTIONAL_LOCKS", "0");
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then_some(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(before: Option<&Moment>, dir: &Path) -> bool {
        before.unwrap().clone().compare(Moment::of(dir)).changed
    }

    #[test]
    fn every_change_of_head_index_or_work_tree_is_seen() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path();
        assert_eq!(Moment::of(dir), None);
        let run = |args: &[&str]| {
            let identity =
                ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"];
            assert!(git(dir, &[&identity, args].concat()).is_some(), "{args:?}");
        };
        run(&["init", "--quiet"]);
        let mut before = Moment::of(dir);
        assert_eq!(before.clone().unwrap().head, None);
        let steps: [(&str, &dyn Fn()); 6] = [
            ("a new file", &|| fs::write(dir.join("a b"), "1").unwrap()),
            ("more of it", &|| fs::write(dir.join("a b"), "12").unwrap()),
            ("the index", &|| run(&["add", "a b"])),
            ("a commit", &|| run(&["commit", "--quiet", "-m", "x"])),
            ("a change", &|| fs::write(dir.join("a b"), "123").unwrap()),
            ("more of that", &|| fs::write(dir.join("a b"), "1234").unwrap()),
        ];
        for (step, change) in steps {
            assert!(!changed(before.as_ref(), dir), "before {step}");
            change();
            assert!(changed(before.as_ref(), dir), "{step}");
            before = Moment::of(dir);
        }
        fs::create_dir(dir.join("below")).unwrap();
        assert!(!changed(before.as_ref(), &dir.join("below")));
        fs::remove_dir_all(dir.join(".git")).unwrap();
        assert!(changed(before.as_ref(), dir));
        assert_eq!(before.unwrap().head.map(|head| head.len()), Some(40));
    }
}
