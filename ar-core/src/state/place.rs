//! Where the database lies. On a network file system locks may hold for one machine alone, and the shared memory of the
//! write-ahead log never reaches another; SQLite then loses data without a word.

use crate::exit::Failure;
use anyhow::Context;
use std::env;
use std::path::Path;

/// The variable that allows a database on a network file system, for one machine that alone uses it.
pub const NETWORK_VARIABLE: &str = "AGENT_RUNNER_NETWORK_STATE";

/// The network file system on which a file or directory lies, None for one of this machine.
#[cfg(target_os = "linux")]
#[allow(clippy::useless_conversion, reason = "the type of the field differs from machine to machine")]
pub fn network(path: &Path) -> std::io::Result<Option<&'static str>> {
    let place = rustix::fs::statfs(path)?;
    // On some machines the number is negative; what counts is its lower half.
    let kind = i64::try_from(place.f_type).unwrap_or(0) & 0xffff_ffff;
    if kind != FUSE {
        return Ok(network_name(kind));
    }
    let device = rustix::fs::stat(path)?.st_dev;
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    // Where the mounts are not told, it counts as one of the many local ones, as all of this kind once did.
    Ok(std::fs::read_to_string("/proc/self/mountinfo").ok().and_then(|mounts| fuse_name(&mounts, &device)))
}

/// The network file system on which a file or directory lies, None for one of this machine.
#[cfg(target_os = "macos")]
pub fn network(path: &Path) -> std::io::Result<Option<&'static str>> {
    let name = rustix::fs::statfs(path)?.f_fstypename.map(i8::cast_unsigned);
    let is_name =
        |known: &&str| name.strip_prefix(known.as_bytes()).is_some_and(|rest| rest.first() == Some(&0));
    Ok(["afpfs", "nfs", "smbfs", "webdav"].into_iter().find(is_name))
}

/// Elsewhere file systems are not told apart.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub fn network(_: &Path) -> std::io::Result<Option<&'static str>> {
    Ok(None)
}

/// Refuses a database on a network file system.
pub(super) fn refuse_network(path: &Path) -> anyhow::Result<()> {
    let Some(name) =
        network(path).with_context(|| format!("cannot tell on which file system '{}' is", path.display()))?
    else {
        return Ok(());
    };
    if env::var_os(NETWORK_VARIABLE).is_some_and(|value| !value.is_empty()) {
        return Ok(());
    }
    let message = format!(
        "cannot use the state database '{}': it is on a network file system ({name})",
        path.display()
    );
    let hint = format!(
        "name one on a local disk with --state, or set {NETWORK_VARIABLE}=1 if no other machine uses it"
    );
    Err(Failure::trouble(message).hint(hint).into())
}

/// The number of all file systems that a program serves.
#[cfg(target_os = "linux")]
const FUSE: i64 = 0x6573_5546;

/// The network file system among those that a program serves, by its device in `proc_pid_mountinfo(5)`.
#[cfg(target_os = "linux")]
fn fuse_name(mounts: &str, device: &str) -> Option<&'static str> {
    const REMOTE: [&str; 12] = [
        "sshfs",
        "rclone",
        "s3fs",
        "gcsfuse",
        "glusterfs",
        "ceph-fuse",
        "davfs",
        "curlftpfs",
        "smbnetfs",
        "juicefs",
        "nfs",
        "afpfs",
    ];
    mounts.lines().find_map(|line| {
        let (place, system) = line.split_once(" - ")?;
        let kind = system.split(' ').next()?.strip_prefix("fuse.")?;
        let is_it = place.split(' ').nth(2) == Some(device);
        REMOTE.into_iter().find(|name| is_it && *name == kind)
    })
}

/// The network file system with this number in statfs(2) of Linux. 9p is none: containers and virtual machines have their disks by it.
#[cfg(target_os = "linux")]
fn network_name(kind: i64) -> Option<&'static str> {
    Some(match kind {
        0x6969 => "nfs",
        0x517b => "smb",
        0xff53_4d42 => "cifs",
        0xfe53_4d42 => "smb2",
        0x00c3_6400 => "ceph",
        0x5346_414f => "afs",
        0x6b41_4653 => "kafs",
        0x7375_7245 => "coda",
        0x0bd0_0bd0 => "lustre",
        0x0116_1970 => "gfs2",
        0x7461_636f => "ocfs2",
        0x4750_4653 => "gpfs",
        0x1983_0326 => "beegfs",
        0x2003_0528 => "orangefs",
        0xaad7_aaea => "panfs",
        _ => return None,
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_network_file_systems_are_refused() {
        for (kind, name) in
            [(0x6969, Some("nfs")), (0xff53_4d42, Some("cifs")), (0xef53, None), (0x0102_1997, None)]
        {
            assert_eq!(network_name(kind), name, "{kind:#x}");
        }
        refuse_network(&env::temp_dir()).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn of_file_systems_that_programs_serve_only_remote_ones_are_refused() {
        let mounts = "36 35 0:32 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                      50 36 0:44 / /home/u/far rw,nosuid shared:9 - fuse.sshfs u@far:/home rw,user_id=1000\n\
                      51 36 0:45 / /mnt/win rw,nosuid - fuse.ntfs-3g /dev/sdb1 rw\n\
                      52 36 0:46 / /mnt/x rw - fuse x rw\n";
        for (device, name) in
            [("0:44", Some("sshfs")), ("0:45", None), ("0:46", None), ("0:32", None), ("0:4", None)]
        {
            assert_eq!(fuse_name(mounts, device), name, "{device}");
        }
    }
}
