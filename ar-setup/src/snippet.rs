//! `ar setup cron`, `systemd`, `make` and `completions`: ready pieces for this machine's other programs.

use crate::cli::{Job, Unit};
use crate::pipeline::Ground;
use crate::script;
use anyhow::Context;
use ar_core::Failure;
use ar_core::config::{Config, Model};
use ar_core::paths::{CONFIG_VARIABLE, STATE_VARIABLE};
use clap_complete::Shell;
use std::collections::BTreeSet;
use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The extension of an answer that lies beside its prompt.
const ANSWER: &str = "out";

/// What all pieces need to know.
struct Machine {
    /// Our `ar`, as an absolute path.
    ar: String,
    /// Variables without which a job would find other commands or another configuration.
    variables: Vec<(&'static str, String)>,
    model: String,
    prompt: PathBuf,
}

impl Machine {
    fn look(ground: &Ground, job: &Job) -> anyhow::Result<Self> {
        let name = Config::load(&ground.config)?.choose_model(&ground.config, job.model.as_deref())?;
        let model = Model::load(&ground.config, &name)?;
        let own = own_dir()?;
        let mut dirs: Vec<PathBuf> = vec![own.clone()];
        let commands = model.providers.iter().filter_map(|provider| which::which(&provider.command).ok());
        // Interpreters lie beside the agents that they run: node beside npm's programs.
        let commands: BTreeSet<PathBuf> =
            commands.filter_map(|path| Some(path.parent()?.to_owned())).collect();
        dirs.extend(commands);
        dirs.extend(which::which("node").ok().and_then(|node| Some(node.parent()?.to_owned())));
        dirs.extend(["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from));
        let mut seen = BTreeSet::new();
        dirs.retain(|dir| seen.insert(dir.clone()));
        let path = env::join_paths(&dirs).context("a directory of PATH holds a colon")?;
        let mut variables = vec![("PATH", path.to_string_lossy().into_owned())];
        if ar_core::paths::config_dir(None).ok().as_ref() != Some(&ground.config)
            || env::var_os(CONFIG_VARIABLE).is_some()
        {
            variables.push((CONFIG_VARIABLE, ground.config.display().to_string()));
        }
        if ar_core::paths::state_file(None).ok().as_ref() != Some(&ground.state)
            || env::var_os(STATE_VARIABLE).is_some()
        {
            variables.push((STATE_VARIABLE, ground.state.display().to_string()));
        }
        let prompt = std::path::absolute(&job.file).context("cannot find the current directory")?;
        if prompt.extension().is_some_and(|extension| extension == ANSWER) {
            let message = format!("the answer to '{}' would take its place", job.file.display());
            return Err(Failure::trouble(message).hint("give the prompt another extension").into());
        }
        Ok(Self { ar: own.join("ar").display().to_string(), variables, model: name, prompt })
    }

    fn arguments(&self) -> [String; 7] {
        let file = |path: &Path| path.display().to_string();
        let answer = file(&self.prompt.with_extension(ANSWER));
        [
            "-m".into(),
            self.model.clone(),
            "--wait=2h".into(),
            "-f".into(),
            file(&self.prompt),
            "-o".into(),
            answer,
        ]
    }
}

fn own_dir() -> anyhow::Result<PathBuf> {
    let exe = env::current_exe().context("cannot tell where ar-setup lies")?;
    Ok(exe.parent().context("cannot tell where ar-setup lies")?.to_owned())
}

/// Prints lines for crontab(5).
pub fn cron(ground: &Ground, job: &Job, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let machine = Machine::look(ground, job)?;
    writeln!(
        out,
        "# For 'crontab -e'. At three in the morning; when all providers rest, it waits for one until five."
    )?;
    for (name, value) in &machine.variables {
        writeln!(out, "{name}={value}")?;
    }
    let words: Vec<String> = machine.arguments().iter().map(|word| shell(word)).collect();
    // cron takes a percent sign for the end of the line.
    let command = format!("{} run {}", shell(&machine.ar), words.join(" ")).replace('%', "\\%");
    writeln!(out, "0 3 * * * {command}")?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a service and the timer that starts it, or one of them.
pub fn systemd(
    ground: &Ground,
    job: &Job,
    unit: Option<Unit>,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let machine = Machine::look(ground, job)?;
    if unit != Some(Unit::Timer) {
        if unit.is_none() {
            writeln!(out, "# ~/.config/systemd/user/ar-nightly.service")?;
        }
        writeln!(out, "[Unit]\nDescription=Send a prompt to the model {}\n", percent(&machine.model))?;
        writeln!(out, "[Service]\nType=oneshot")?;
        for (name, value) in &machine.variables {
            writeln!(out, "Environment={}", unit_word(&format!("{name}={value}")))?;
        }
        let words: Vec<String> = machine.arguments().iter().map(|word| unit_word(word)).collect();
        writeln!(out, "ExecStart={} run {}", unit_word(&machine.ar), words.join(" "))?;
        writeln!(out, "# 75: all providers rest; the timer comes again.\nSuccessExitStatus=75")?;
        writeln!(out, "# ar ends what it started by itself.\nKillMode=mixed")?;
    }
    if unit != Some(Unit::Service) {
        if unit.is_none() {
            writeln!(out, "\n# ~/.config/systemd/user/ar-nightly.timer")?;
        }
        writeln!(out, "[Unit]\nDescription=Start ar-nightly.service at three in the morning\n")?;
        writeln!(
            out,
            "[Timer]\nOnCalendar=*-*-* 03:00:00\nPersistent=true\n\n[Install]\nWantedBy=timers.target"
        )?;
    }
    if unit.is_none() {
        writeln!(
            out,
            "\n# systemctl --user daemon-reload && systemctl --user enable --now ar-nightly.timer"
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a rule for make(1).
pub fn make(ground: &Ground, job: &Job, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let machine = Machine::look(ground, job)?;
    // A name without extension says nothing of the others.
    let kind = machine.prompt.extension().map_or("md".into(), |kind| kind.to_string_lossy());
    if !kind.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
        return Err(Failure::trouble(format!("make cannot take '{kind}' for an extension")).into());
    }
    writeln!(out, "# An answer for each prompt; it appears under its name only when it is good.")?;
    let variables = machine.variables.iter().map(|(name, value)| format!("{name}={}", shell(value)));
    let words: Vec<String> =
        variables.chain([shell(&machine.ar), "run -m".into(), shell(&machine.model)]).collect();
    writeln!(out, "%.{ANSWER}: %.{kind}\n\t{} -f $< -o $@", words.join(" ").replace('$', "$$"))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what a shell sources to complete the words of all tools.
pub fn completions(shell: &str, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let shell: Shell =
        shell.parse().map_err(|_| Failure::trouble(format!("there are no completions for '{shell}'")))?;
    let setup = self::shell(&own_dir()?.join("ar-setup").display().to_string());
    for (name, text) in script::files(shell) {
        let text = text.replace("(ar-setup names", &format!("({setup} names"));
        if name == "_ar_names" {
            writeln!(out, "{name}() {{\n{text}}}")?;
        } else {
            writeln!(out, "{text}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Quotes a word for sh(1) where it needs it.
pub fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Quotes a word for a unit file, where `%` and `$` mean something.
fn unit_word(word: &str) -> String {
    let escaped = percent(word).replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$");
    if escaped.contains([' ', '\t', '\'', '"', ';']) { format!("\"{escaped}\"") } else { escaped }
}

fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_each_reader_wants() {
        assert_eq!(
            (shell("/a/b"), shell("a b"), shell("it's")),
            ("/a/b".into(), "'a b'".into(), r"'it'\''s'".into())
        );
        assert_eq!(
            (unit_word("/a/b"), unit_word("a b"), unit_word("50%")),
            ("/a/b".into(), "\"a b\"".into(), "50%%".into())
        );
    }
}
