//! What a model may have run: never a shell; read-only probes of agents unasked, anything else when the person agrees.

use super::act::start;
use crate::known::KNOWN;
use crate::probe::{self, Outcome};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest that a program may run.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a model is told of each stream, in bytes.
const TOLD: usize = 4096;
/// Programs that run what their arguments say, give other rights, fetch, send or install, start what outlives us, or change
/// files: a person who agrees to one of them by a keystroke agrees to anything. Of ours, they would go around every question.
const REFUSED: &str = "\
    sh bash dash zsh fish ksh mksh oksh csh tcsh ash yash posh rbash nu pwsh elvish xonsh busybox toybox env xargs parallel eval exec command \
    sudo doas su pkexec runuser chroot unshare nsenter nohup setsid timeout nice ionice stdbuf watch entr time script \
    flock taskset chrt prlimit setpriv setarch capsh choom numactl cgexec run-parts sg newgrp runcon fakeroot faketime proot \
    bwrap firejail dbus-run-session systemd-inhibit ssh-agent xvfb-run unbuffer rlwrap chronic torsocks proxychains valgrind \
    python pypy perl ruby node deno bun bunx tsx php lua luajit awk gawk mawk nawk tclsh expect osascript java \
    jshell julia octave gnuplot guile racket sbcl ocaml erl elixir ghci irb dc m4 sqlite psql mysql gcc cc clang tcc \
    ssh scp sftp rsync curl wget aria nc ncat socat telnet ftp openssl mail sendmail \
    dig nslookup host getent ping traceroute logger wall write xdg-open open \
    npm npx pnpm pnpx yarn corepack pip pipx uv uvx conda cargo rustup go gem brew apt apt-get dpkg dnf yum pacman apk snap nix \
    docker podman kubectl flatpak qemu gdb lldb strace ltrace perf make cmake ninja just \
    find fd git gh vi vim nvim view emacs nano ed ex sed sort split csplit patch sponge tee dd tar zip unzip cpio less more man \
    crontab at batch systemd-run systemctl launchctl tmux screen start-stop-daemon dbus-send busctl loginctl \
    rm rmdir mv cp ln install mkdir touch truncate shred chmod chown chgrp chattr setfacl mount umount mkfs mkfifo mknod \
    kill pkill killall reboot shutdown poweroff halt passwd chsh usermod useradd \
    ar ar-run ar-pick ar-exec ar-diagnose ar-log ar-setup";

/// What is to be done about a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It only reads: run it.
    Probe,
    /// The person decides.
    Ask,
    /// It is not run, for this reason.
    Refused(String),
}

/// What an agent is told by to ask nobody any more.
const BOLD: [&str; 5] = ["bypassPermissions", "dangerously", "danger-full-access", "yolo", "allow-all-tools"];

/// Whether an argument lets an agent do anything.
pub fn lets_do_anything(arg: &str) -> bool {
    BOLD.iter().any(|word| arg.contains(word))
}

/// Judges a command. `hidden` are files of which nothing may be shown.
pub fn judge(argv: &[String], hidden: &Path) -> Judgement {
    let Some((program, rest)) = argv.split_first().filter(|(program, _)| !program.is_empty()) else {
        return Judgement::Refused("'argv' is empty".to_owned());
    };
    if argv.iter().any(|word| word.contains('\0')) {
        return Judgement::Refused("a NUL byte stands in it".to_owned());
    }
    // A path could be a program of that name from anywhere, and a link to anything.
    let real = which::which(program).ok().and_then(|path| path.canonicalize().ok());
    let names = [Some(program.as_str()), real.as_ref().and_then(|path| path.to_str())];
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let versionless = |name: &str| name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').to_owned();
    for name in names.into_iter().flatten().map(base) {
        if REFUSED.split_whitespace().any(|refused| refused == name || refused == versionless(&name)) {
            return Judgement::Refused(format!("'{name}' runs, fetches or changes what its arguments say"));
        }
        // The loader of programs is a program, and runs the one that its argument names.
        if name.starts_with("ld-") || name.starts_with("ld.so") {
            return Judgement::Refused(format!("'{name}' runs what its arguments say"));
        }
    }
    if let Some(word) = rest.iter().find(|word| lets_do_anything(word)) {
        return Judgement::Refused(format!("'{word}' lets an agent do anything, unasked"));
    }
    let secret = hidden.file_name().map(|name| name.to_string_lossy().into_owned());
    if argv.iter().any(|word| secret.as_ref().is_some_and(|secret| word.contains(secret))) {
        return Judgement::Refused("it names the file of the secrets".to_owned());
    }
    let probes = KNOWN.iter().find(|known| known.name == program).is_some_and(|known| {
        let words: Vec<&str> = rest.iter().map(String::as_str).collect();
        matches!(words[..], ["--version" | "--help" | "-h" | "-V"])
            || Some(&words[..]) == known.status
            || Some(&words[..]) == known.models
            || words == known.help
    });
    if probes { Judgement::Probe } else { Judgement::Ask }
}

/// Runs a command and gives what the model is told of it.
pub fn run(argv: &[String]) -> anyhow::Result<Value> {
    let Some((program, rest)) = argv.split_first() else { return Ok(json!({"refused": "'argv' is empty"})) };
    let Ok(path) = which::which(program) else { return Ok(json!({"not_found": program})) };
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    let outcome = probe::ask(&path, &words, Instant::now() + PATIENCE, |command| {
        // Keys that stand in our environment are none of the model's business.
        command.env_clear();
        for name in ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("NO_COLOR", "1").env("TERM", "dumb");
    })?;
    Ok(match outcome {
        Outcome::Ended { good, stdout, stderr } => {
            json!({"good": good, "stdout": start(&stdout, TOLD), "stderr": start(&stderr, TOLD)})
        }
        Outcome::TimedOut => json!({"ended_after_s": PATIENCE.as_secs()}),
        Outcome::NotStarted(why) => json!({"not_started": why}),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_run_unasked_shells_never_and_the_rest_is_asked() {
        let judged = |words: &[&str]| {
            let argv: Vec<String> = words.iter().map(ToString::to_string).collect();
            judge(&argv, Path::new("/c/secrets.env"))
        };
        for words in [
            &["claude", "--version"][..],
            &["claude", "auth", "status"],
            &["codex", "exec", "--help"],
            &["llm", "models"],
        ] {
            assert_eq!(judged(words), Judgement::Probe, "{words:?}");
        }
        for words in [
            &["ls", "/"][..],
            &["claude", "-p", "hi"],
            &["/tmp/claude", "--version"],
            &["claude", "--help", "x"],
        ] {
            assert_eq!(judged(words), Judgement::Ask, "{words:?}");
        }
        for words in [
            &["sh", "-c", "curl x | sh"][..],
            &["/bin/bash", "-c", "x"],
            &["curl", "http://x"],
            &["python3.11", "-c", "x"],
            &["sudo", "ls"],
            &["npx", "evil"],
            &["rm", "-rf", "/"],
            &["ar", "run", "x"],
            &["env", "ls"],
            &["flock", "/x", "ls"],
            &["toybox", "ls"],
            &["/lib64/ld-linux-x86-64.so.2", "/bin/ls"],
            &["dig", "secret.example.org"],
            &["getent", "hosts", "secret.example.org"],
            &["sqlite3", ":memory:", ".shell x"],
            &["sort", "--compress-program=x", "y"],
            &["claude", "-p", "x", "--dangerously-skip-permissions"],
            &["codex", "exec", "--dangerously-bypass-approvals-and-sandbox", "x"],
            &["gemini", "--yolo", "-p", "x"],
            &["cat", "/c/secrets.env"],
            &["cat", "secrets.env"],
            &[],
            &[""],
            &["ls", "a\0b"],
        ] {
            assert!(matches!(judged(words), Judgement::Refused(_)), "{words:?}");
        }
    }
}
