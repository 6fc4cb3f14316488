//! Wall times.

use ar_tests::{Home, Run};
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

/// A command that is timed, and what it reads.
pub struct Subject<'a> {
    name: &'a str,
    command: Box<dyn Fn() -> Run + 'a>,
    stdin: Input<'a>,
}

/// What a command reads.
enum Input<'a> {
    Nothing,
    /// A record that a command in sh prints, one for each time.
    Record(&'a Home, &'a str),
    File(PathBuf),
}

impl<'a> Subject<'a> {
    pub fn new(name: &'a str, command: impl Fn() -> Run + 'a) -> Self {
        Self { name, command: Box::new(command), stdin: Input::Nothing }
    }

    /// A tool that reads a file.
    pub fn with_file(name: &'a str, file: PathBuf, command: impl Fn() -> Run + 'a) -> Self {
        Self { name, command: Box::new(command), stdin: Input::File(file) }
    }

    /// A tool that reads the record which `source` prints. Each time it gets one of its own: a run that is stored already
    /// costs less.
    pub fn with_record(
        name: &'a str,
        home: &'a Home,
        source: &'a str,
        command: impl Fn() -> Run + 'a,
    ) -> Self {
        Self { name, command: Box::new(command), stdin: Input::Record(home, source) }
    }

    fn time(&self) -> Duration {
        let stdin = match &self.stdin {
            Input::Nothing => Stdio::null(),
            Input::Record(home, source) => {
                let record = home.sh(source).any_stdout().check().stdout;
                Stdio::from(File::open(home.write("work/record", record)).unwrap())
            }
            Input::File(file) => Stdio::from(File::open(file).unwrap()),
        };
        time((self.command)(), stdin)
    }
}

/// Prints the median of each subject, and what it costs over the second one.
pub fn compare(out: &mut impl Write, subjects: &[Subject], rounds: usize) -> io::Result<()> {
    let mut times = vec![Vec::with_capacity(rounds); subjects.len()];
    // In turns, so that a busy moment of the machine hits all of them alike.
    for _ in 0..rounds {
        for (subject, times) in subjects.iter().zip(&mut times) {
            times.push(subject.time());
        }
    }
    let medians: Vec<Duration> = times.iter_mut().map(|times| quantile(times, 0.5)).collect();
    writeln!(out, "{:30} {:>8} {:>8} {:>12} {:>12}", "", "median", "p90", "over floor", "over bare")?;
    for ((subject, times), median) in subjects.iter().zip(&mut times).zip(&medians) {
        let [floor, bare] = [medians[0], medians[1]].map(|base| ms(*median) - ms(base));
        let p90 = ms(quantile(times, 0.9));
        writeln!(out, "{:30} {:8.2} {p90:8.2} {floor:12.2} {bare:12.2}", subject.name, ms(*median))?;
    }
    Ok(())
}

/// Prints the wall times of runs that start together.
pub fn at_once(out: &mut impl Write, name: &str, runs: usize, command: impl Fn() -> Run) -> io::Result<()> {
    let commands: Vec<Run> = (0..runs).map(|_| command()).collect();
    let start = Instant::now();
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let threads: Vec<_> =
            commands.into_iter().map(|run| scope.spawn(|| time(run, Stdio::null()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let all = ms(start.elapsed());
    let [median, p99, last] = [0.5, 0.99, 1.0].map(|part| ms(quantile(&mut times, part)));
    writeln!(out, "{name:30} all {all:8.1}   median {median:8.1}   p99 {p99:8.1}   slowest {last:8.1}")
}

fn time(run: Run, stdin: Stdio) -> Duration {
    let start = Instant::now();
    let mut child = run.spawn(|command| {
        command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::inherit());
    });
    let status = child.wait().unwrap();
    let time = start.elapsed();
    assert!(status.success(), "a command that is timed fails: {status}");
    time
}

fn quantile(times: &mut [Duration], part: f64) -> Duration {
    times.sort();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a few hundred times"
    )]
    let index = ((times.len() - 1) as f64 * part).round() as usize;
    times[index]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
