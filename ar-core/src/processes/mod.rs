//! The processes of a run, wherever they have gone: recognised by what they inherited, and ended without mercy.
//!
//! A child may leave its process group, its session and its parent. What it takes along is the environment with which it
//! was started, short of starting over with another one, and on Linux a brand that not even that takes off. ar-exec, as
//! long as it lives, also knows its descendants.

mod brand;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
mod mark;

pub use brand::Brand;
pub use mark::{is_gone, mark};

use anyhow::Context;
use rustix::process::{Pid, Signal, getpid};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The variable that marks the processes of a run with its id.
pub const RUN_VARIABLE: &str = "AGENT_RUNNER_RUN";
/// The variable that holds the ids of the runs around a run, outermost first, parted by colons.
pub const OUTER_VARIABLE: &str = "AGENT_RUNNER_OUTER";

/// How often what is left of a run is looked for, and the pause between two looks: one second in all.
const ROUNDS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// The descendants of a process, which itself is not one of them.
#[derive(Debug, Clone, Copy)]
pub struct Below {
    /// That process.
    pub root: Pid,
    /// A descendant that is left alone.
    pub spared: Option<Pid>,
}

/// Sends a signal to every process of a run but the caller, runs inside it included: those that carry its mark or its
/// brand, and those `below` a process. Gives how many got it.
///
/// A process that may not be signalled, because it runs as another user, is passed over.
pub fn signal(run: &str, below: Option<Below>, signal: Signal) -> anyhow::Result<usize> {
    system::signal(&Run::new(run, below), Some(signal))
        .with_context(|| format!("cannot list the processes of run '{run}'"))
}

/// Kills what is left of a run whose ar-exec is dead, however fast it forks, and gives how many processes there were at
/// the first look. What is still there after a second is left alone.
///
/// Call this only for a run whose directory's lock is free.
pub fn kill_remains(run: &str) -> anyhow::Result<usize> {
    let first = signal(run, None, Signal::KILL)?;
    for _ in 1..ROUNDS {
        if first == 0 {
            break;
        }
        std::thread::sleep(PAUSE);
        if signal(run, None, Signal::KILL)? == 0 {
            break;
        }
    }
    Ok(first)
}

/// How many processes [`signal`] would reach.
pub fn count(run: &str, below: Option<Below>) -> anyhow::Result<usize> {
    system::signal(&Run::new(run, below), None)
        .with_context(|| format!("cannot list the processes of run '{run}'"))
}

/// How many processes below another one carry nothing that tells their run, so that nobody who does not know this would
/// find them. One look at all of them: a run that goes on forking is never the same in two.
pub fn unmarked(run: &str, below: Below) -> anyhow::Result<usize> {
    system::unmarked(&Run::new(run, Some(below)))
        .with_context(|| format!("cannot list the processes of run '{run}'"))
}

/// The ids of all runs that have a process: those that the processes' marks name, and those of `known` whose brand one has.
pub fn marked<'a>(known: impl IntoIterator<Item = &'a str>) -> anyhow::Result<BTreeSet<String>> {
    let brands: BTreeMap<Brand, &str> = known.into_iter().map(|run| (Brand::of(run), run)).collect();
    let mut found = BTreeSet::new();
    for (pid, environment) in system::environments().context("cannot list the processes")? {
        found.extend(marks_in(&environment));
        let branded = Brand::read(pid).into_iter().flatten();
        found.extend(branded.filter_map(|brand| brands.get(&brand)).map(|run| (*run).to_owned()));
    }
    Ok(found)
}

/// The ids that an environment names: of the run, and of those around it.
fn marks_in(environment: &[u8]) -> Vec<String> {
    let variables = environment.split(|byte| *byte == 0).filter_map(|variable| str::from_utf8(variable).ok());
    let values = variables.filter_map(|variable| {
        let (name, value) = variable.split_once('=')?;
        [RUN_VARIABLE, OUTER_VARIABLE].contains(&name).then_some(value)
    });
    values.flat_map(|ids| ids.split(':')).filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

/// What makes a process part of a run.
struct Run<'a> {
    id: &'a str,
    brand: Brand,
    below: Option<Below>,
}

impl<'a> Run<'a> {
    fn new(id: &'a str, below: Option<Below>) -> Self {
        Self { id, brand: Brand::of(id), below }
    }

    /// Whether a process is branded as one of the run, or of a run inside it.
    fn brands(&self, pid: Pid) -> bool {
        Brand::read(pid).is_some_and(|brands| brands.contains(&self.brand))
    }

    /// Those of the processes, given with their parents, that descend from the root.
    fn descendants(&self, processes: &[(Pid, Pid)]) -> Vec<Pid> {
        let Some(Below { root, spared }) = self.below else { return Vec::new() };
        let mut found = below(root, processes);
        found.retain(|pid| Some(*pid) != spared);
        found
    }

    /// Whether a process is never one of the run: the caller, and the root.
    fn spares(&self, pid: Pid) -> bool {
        pid == getpid() || self.below.is_some_and(|below| below.root == pid)
    }

    /// Whether an environment, its variables parted by NUL, is that of a process of the run or of a run inside it.
    fn marks(&self, environment: &[u8]) -> bool {
        environment.split(|byte| *byte == 0).any(|variable| {
            let value = |name: &str| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=");
            value(RUN_VARIABLE).is_some_and(|id| id == self.id.as_bytes())
                || value(OUTER_VARIABLE)
                    .is_some_and(|ids| ids.split(|byte| *byte == b':').any(|id| id == self.id.as_bytes()))
        })
    }
}

/// The descendants of `root` among processes given with their parents.
fn below(root: Pid, processes: &[(Pid, Pid)]) -> Vec<Pid> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(processes.iter().filter(|(_, above)| *above == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;

/// Elsewhere there is no known way to read another process's environment.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod system {
    use super::{Pid, Run, Signal};
    use std::io;

    pub fn signal(_: &Run, _: Option<Signal>) -> io::Result<usize> {
        Ok(0)
    }

    pub fn unmarked(_: &Run) -> io::Result<usize> {
        Ok(0)
    }

    pub fn environments() -> io::Result<Vec<(Pid, Vec<u8>)>> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(number: i32) -> Pid {
        Pid::from_raw(number).unwrap()
    }

    #[test]
    fn a_run_marks_its_own_processes_and_those_of_runs_inside_it() {
        let run = Run::new("B", None);
        for (environment, marked) in [
            ("HOME=/\0AGENT_RUNNER_RUN=B\0", true),
            ("AGENT_RUNNER_RUN=B", true),
            ("AGENT_RUNNER_RUN=C\0AGENT_RUNNER_OUTER=A:B\0", true),
            ("AGENT_RUNNER_RUN=BB\0", false),
            ("XAGENT_RUNNER_RUN=B\0", false),
            ("X=AGENT_RUNNER_RUN=B\0", false),
            ("AGENT_RUNNER_OUTER=AB\0", false),
            ("", false),
        ] {
            assert_eq!(run.marks(environment.as_bytes()), marked, "{environment:?}");
        }
    }

    #[test]
    fn an_environment_names_its_runs() {
        assert_eq!(
            marks_in(b"A=1\0AGENT_RUNNER_RUN=C\0AGENT_RUNNER_OUTER=A:B\0AGENT_RUNNER_RUN="),
            ["C", "A", "B"]
        );
    }

    #[test]
    fn descendants_of_descendants_belong_to_the_root() {
        let table = [(2, 1), (3, 2), (4, 3), (5, 1), (6, 5)].map(|(child, parent)| (pid(child), pid(parent)));
        assert_eq!(below(pid(2), &table), [pid(3), pid(4)]);
        assert_eq!(below(pid(6), &table), []);
        let run = Run::new("B", Some(Below { root: pid(1), spared: Some(pid(5)) }));
        assert_eq!(run.descendants(&table), [pid(2), pid(3), pid(6), pid(4)]);
    }

    #[test]
    fn a_process_with_the_mark_is_found_and_killed() {
        let run = "01K9ZXW6N7Q8R9S0T1V2W3X4Y9";
        let mut child = std::process::Command::new("sleep").arg("60").env(RUN_VARIABLE, run).spawn().unwrap();
        assert_eq!(kill_remains("01K9ZXW6N7Q8R9S0T1V2W3X4Y8").unwrap(), 0);
        while !marked([]).unwrap().contains(run) {}
        assert!(count("", Some(Below { root: getpid(), spared: None })).unwrap() >= 1);
        // The exec that the mark comes with may still be on its way.
        while kill_remains(run).unwrap() == 0 {}
        assert!(!child.wait().unwrap().success());
    }
}
