//! Time and memory of a big answer.

use ar_tests::Home;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

/// Prints what an answer of 1 GiB costs by itself and through `ar run`.
pub fn gibibyte(out: &mut impl Write, home: &Home) -> io::Result<()> {
    let command = home.command("big", "exec head -c 1073741824 /dev/zero");
    home.model("big", "command = \"big\"\nallow_empty = true\n");
    for (name, run) in [
        ("bare command", home.program(&command, &[""; 0])),
        ("ar run", home.ar(&["run", "-m", "big", "hi"])),
        ("ar run -o FILE", home.ar(&["run", "-m", "big", "-o", "answer", "hi"])),
        ("pipeline in sh", home.sh("ar-pick -m big | ar-exec hi | ar-diagnose | ar-log --cat")),
    ] {
        let start = Instant::now();
        let mut child = run.spawn(|command| {
            command.stdin(Stdio::null()).stdout(Stdio::piped());
        });
        let mut stdout = child.stdout.take().unwrap();
        let reader = thread::spawn(move || {
            let (mut buffer, mut bytes) = (vec![0; 1 << 16], 0);
            while let Ok(read @ 1..) = stdout.read(&mut buffer) {
                bytes += read as u64;
            }
            bytes
        });
        let mut peaks = BTreeMap::new();
        while child.try_wait()?.is_none() {
            sample(home, &mut peaks);
            thread::sleep(Duration::from_millis(2));
        }
        let seconds = start.elapsed().as_secs_f64();
        let bytes = reader.join().unwrap();
        #[allow(clippy::cast_precision_loss, reason = "a few megabytes")]
        let peaks: Vec<String> =
            peaks.iter().map(|(name, kib)| format!("{name} {:.1}", *kib as f64 / 1024.0)).collect();
        writeln!(out, "{name:16} {seconds:6.2} s  {bytes:>10} bytes  {}", peaks.join("  "))?;
        // A gigabyte a run is more than a temporary directory may want to hold.
        fs::remove_dir_all(home.path(".local/state/agent-runner/runs"))?;
        fs::write(home.path("work/answer"), "")?;
    }
    Ok(())
}

/// Prints the most memory that judging a text takes.
pub fn of_diagnosing(out: &mut impl Write, home: &Home, text: &Path) -> io::Result<()> {
    let pipe = format!("cat '{}' | ar-diagnose --text", text.display());
    let mut child = home.sh(&pipe).spawn(|command| {
        command.stdin(Stdio::null()).stdout(Stdio::null());
    });
    let mut peaks = BTreeMap::new();
    while child.try_wait()?.is_none() {
        sample(home, &mut peaks);
    }
    #[allow(clippy::cast_precision_loss, reason = "a few megabytes")]
    let peak = peaks.get("ar-diagnose").map_or(0.0, |kib| *kib as f64 / 1024.0);
    writeln!(out, "ar-diagnose {peak:.1}")
}

/// Notes the high-water mark of each of the user's processes. The kernel keeps it, so that only what a process takes within
/// its last two milliseconds can escape.
fn sample(home: &Home, peaks: &mut BTreeMap<String, u64>) {
    for process in home.processes() {
        let Some(pid) = process.split(' ').next() else { continue };
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { continue };
        let field =
            |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
        if let (Some(name), Some(kib)) =
            (field("Name:"), field("VmHWM:").and_then(|kib| kib.parse::<u64>().ok()))
        {
            let peak = peaks.entry(name.to_owned()).or_default();
            *peak = kib.max(*peak);
        }
    }
}
