//! Marks by which other processes can tell whether a process still lives.

#[cfg(target_os = "macos")]
use super::macos::{namespace, start};

/// A text that tells a process from all others, those included that get its number later: its namespace, its number and its
/// start. None where the system does not tell, or the process is gone.
pub fn mark(pid: u32) -> Option<String> {
    Some(format!("{} {pid} {}", namespace()?, start(pid)?))
}

/// Whether the process of a mark is surely gone. One whose namespace is not ours may live unseen.
pub fn is_gone(mark: &str) -> bool {
    let mut words = mark.split(' ');
    let (Some(space), Some(pid), Some(begun)) = (words.next(), words.next(), words.next()) else {
        return false;
    };
    let Ok(pid) = pid.parse() else { return false };
    namespace().is_some_and(|ours| ours == space) && start(pid).is_none_or(|start| start != begun)
}

/// The namespace in which our process numbers count, such as `pid:[4026531836]`.
#[cfg(not(target_os = "macos"))]
fn namespace() -> Option<String> {
    std::fs::read_link("/proc/self/ns/pid").ok()?.into_os_string().into_string().ok()
}

/// When a process began, in ticks since the machine did: field 22 of `proc_pid_stat(5)`. None for one that is gone or waits
/// to be reaped.
#[cfg(not(target_os = "macos"))]
fn start(pid: u32) -> Option<String> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command's name in parentheses, which may hold any byte.
    let after = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = str::from_utf8(stat.get(after + 1..)?).ok()?.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") { None } else { fields.nth(18).map(str::to_owned) }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_gone_when_it_has_ended_and_not_before() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let of_child = mark(child.id()).unwrap();
        assert!(!is_gone(&of_child));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_gone(&of_child));
        assert_eq!(mark(child.id()), None);
    }

    #[test]
    fn one_with_the_same_number_is_another_and_what_is_unclear_is_not_gone() {
        let own = mark(std::process::id()).unwrap();
        assert!(!is_gone(&own));
        assert!(is_gone(&format!("{own}0")));
        let elsewhere = own.replacen("pid:[", "pid:[9", 1);
        for unclear in [elsewhere.as_str(), "", "x", "pid:[1] x y"] {
            assert!(!is_gone(unclear), "{unclear}");
        }
    }
}
