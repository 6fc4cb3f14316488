//! A brand that a process cannot lose by accident: two values of a limit that limits nothing.
//!
//! Linux has ignored `RLIMIT_LOCKS` since 2.4.25, and yet hands it on to every child and through every exec. A process that
//! cleans its environment, leaves its session and closes its files still has it, and anybody may ask for it.

/// The values of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Brand(u64);

/// The bit that only a hard limit has, so that it is never below the soft one.
#[cfg(target_os = "linux")]
const OUTERMOST: u64 = 1 << 61;

impl Brand {
    /// The brand of a run: a hash (FNV-1a) of its id, smaller than any limit that would need a privilege.
    pub fn of(run: &str) -> Self {
        let hash = run.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash >> 3)
    }
}

#[cfg(target_os = "linux")]
mod limit {
    use super::{Brand, OUTERMOST};
    use rustix::io;
    use rustix::process::{Pid, Resource, Rlimit, geteuid, getrlimit, setrlimit};
    use std::fs;

    impl Brand {
        /// Brands this process and its children. The soft limit names the run; the hard one, which never grows again, the
        /// outermost run that this one is inside of.
        ///
        /// Plain system calls, so that it may stand between fork and exec.
        pub fn take(self) -> io::Result<()> {
            let maximum = getrlimit(Resource::Locks).maximum.or(Some(self.0 | OUTERMOST));
            setrlimit(Resource::Locks, Rlimit { current: Some(self.0), maximum })
        }

        /// The brands of a process: of its run, and of the outermost run around it.
        pub fn read(pid: Pid) -> Option<[Self; 2]> {
            Self::ask(pid).or_else(|| {
                // Root in a container may end another user's process, and has not the privilege to ask for its limits.
                let path = format!("/proc/{}/limits", pid.as_raw_nonzero());
                geteuid().is_root().then(|| Self::written(&fs::read_to_string(path).ok()?)).flatten()
            })
        }

        /// The brands in the table of a process's limits: `proc_pid_limits(5)`.
        pub(super) fn written(limits: &str) -> Option<[Self; 2]> {
            let line = limits.lines().find_map(|line| line.strip_prefix("Max file locks"))?;
            let mut values = line.split_ascii_whitespace();
            let [soft, hard] = [values.next()?.parse().ok()?, values.next()?.parse().ok()?];
            Some([Self(soft), Self(hard & !OUTERMOST)])
        }

        #[allow(unsafe_code, reason = "rustix can set another process's limits, and not ask for them")]
        fn ask(pid: Pid) -> Option<[Self; 2]> {
            let mut limits = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: with a null new limit the call only writes the present one to the given place, which is large enough.
            let result = unsafe {
                libc::prlimit64(
                    pid.as_raw_nonzero().get(),
                    libc::RLIMIT_LOCKS,
                    std::ptr::null(),
                    &raw mut limits,
                )
            };
            (result == 0).then_some([Self(limits.rlim_cur), Self(limits.rlim_max & !OUTERMOST)])
        }
    }
}

/// Other systems have no such limit.
#[cfg(not(target_os = "linux"))]
mod limit {
    use super::Brand;
    use rustix::io;
    use rustix::process::Pid;

    impl Brand {
        /// Does nothing.
        #[allow(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
        pub fn take(self) -> io::Result<()> {
            Ok(())
        }

        /// Tells nothing.
        pub fn read(_: Pid) -> Option<[Self; 2]> {
            None
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use rustix::process::{Pid, getpid};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    fn branded(brands: &'static [Brand]) -> Child {
        let mut command = Command::new("env");
        command.args(["-i", "setsid", "sh", "-c", "read -r line"]).stdin(Stdio::piped());
        // SAFETY: the closure makes plain system calls.
        #[allow(unsafe_code, reason = "a brand is taken between fork and exec")]
        unsafe {
            command.pre_exec(|| brands.iter().try_for_each(|brand| Ok(brand.take()?)));
        }
        command.spawn().unwrap()
    }

    fn read(child: &Child) -> [Brand; 2] {
        Brand::read(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_brand_outlives_the_environment_and_tells_the_run_and_the_outermost() {
        const A: Brand = Brand(1);
        const B: Brand = Brand(0x1fff_ffff_ffff_ffff);
        const C: Brand = Brand(3);
        for (brands, read_back) in [(&[A][..], [A, A]), (&[A, B], [B, A]), (&[B, A, C], [C, B])] {
            let mut child = branded(brands);
            assert_eq!(read(&child), read_back, "{brands:?}");
            drop(child.stdin.take());
            child.wait().unwrap();
        }
        assert!(!Brand::read(getpid()).unwrap().contains(&A));
    }

    #[test]
    fn brands_are_read_where_limits_are_written() {
        const A: Brand = Brand(0x1fff_ffff_ffff_ffff);
        let mut child = branded(&[A]);
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        assert_eq!(Brand::written(&limits), Some([A, A]));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(
            Brand::written("Max file locks            unlimited            unlimited            locks\n"),
            None
        );
        assert_eq!(Brand::written(""), None);
    }

    #[test]
    fn runs_have_different_brands() {
        let ids = ["01K9ZXW6N7Q8R9S0T1V2W3X4Y5", "01K9ZXW6N7Q8R9S0T1V2W3X4Y6", "01K9ZXW6N7Q8R9S0T1V2W3X4YZ"];
        let mut brands: Vec<Brand> = ids.map(Brand::of).to_vec();
        brands.sort();
        brands.dedup();
        assert_eq!(brands.len(), ids.len());
        assert!(brands.iter().all(|brand| brand.0 < OUTERMOST));
    }
}
