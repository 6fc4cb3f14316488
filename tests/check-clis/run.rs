//! Runs an agent through `ar-exec | ar-diagnose`.

use crate::agent::Agent;
use crate::case::{Case, Cell, Left};
use anyhow::{Context, bail};
use ar_tests::mock::Mock;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, io};

/// The limit on a run; some agents take a minute to give up.
const TIMEOUT: &str = "100s";
/// The limit on silence of the run that hangs; slow starts are shorter.
const IDLE_TIMEOUT: &str = "20s";
/// How long an agent may take to its first request.
const START: Duration = Duration::from_mins(1);

/// An agent with a home of its own and a provider of its own.
#[derive(Debug)]
pub struct Bench {
    agent: &'static Agent,
    template: String,
    bin: PathBuf,
    home: PathBuf,
    tools: PathBuf,
    mock: Mock,
    session: Option<String>,
    /// What the run that began the session used.
    used: Value,
}

impl Bench {
    /// Gives the agent an empty home.
    pub fn new(agent: &'static Agent, bin: PathBuf, scratch: &Path, mock: Mock) -> anyhow::Result<Self> {
        let home = scratch.join("homes").join(agent.name);
        match fs::remove_dir_all(&home) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot empty '{}'", home.display()));
            }
            _ => {}
        }
        for below in ["work", "tmp"] {
            fs::create_dir_all(home.join(below))?;
            // Without a repository of its own, an agent would take ours for the one that it works in: aider names an author
            // in its configuration.
            let git = Command::new("git").args(["init", "--quiet"]).arg(home.join(below)).status();
            if !git.context("cannot run 'git'")?.success() {
                bail!("'git init' failed");
            }
        }
        let exe = env::current_exe().context("cannot tell where this program is")?;
        let tools = exe.parent().context("this program lies in no directory")?.to_path_buf();
        let template = template(agent)?;
        Ok(Self { agent, template, bin, home, tools, mock, session: None, used: Value::Null })
    }

    /// The version that the agent tells of itself.
    pub fn version(&self) -> String {
        let mut command = self.command(&self.bin.join(self.agent.name));
        let output = command.arg("--version").output().map(|output| output.stdout).unwrap_or_default();
        let text = String::from_utf8_lossy(&output);
        let word = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        word.unwrap_or("?").trim_end_matches('.').to_owned()
    }

    /// Runs a case and judges it.
    pub fn cell(&mut self, case: Case) -> Cell {
        let needs_session = matches!(case, Case::Resume | Case::Lost);
        if needs_session && (!self.agent.has_sessions || self.session.is_none()) {
            return Cell { said: "–".to_owned(), wrong: None };
        }
        if case == Case::Setup {
            return self.setup().unwrap_or_else(|error| Cell {
                said: "trouble".to_owned(),
                wrong: Some(format!("{error:#}")),
            });
        }
        match self.run(case) {
            Err(error) => Cell { said: "trouble".to_owned(), wrong: Some(format!("{error:#}")) },
            Ok(left) => {
                let cell = case.judge(self.agent, &left, self.session.as_deref(), &self.mock);
                if case == Case::Success {
                    self.session = left.record["exec"]["session"].as_str().map(str::to_owned);
                    self.used = left.record["exec"]["usage"].clone();
                }
                cell
            }
        }
    }

    fn run(&self, case: Case) -> anyhow::Result<Left> {
        self.configure(case)?;
        let mut exec = self.command(&self.tools.join("ar-exec"));
        exec.args(["--timeout", TIMEOUT, "say hello"]);
        match (case, &self.session) {
            (Case::Hang, _) => exec.args(["--idle-timeout", IDLE_TIMEOUT]),
            (Case::Lost, Some(session)) => exec.args(["--session", &unlike(session)]),
            _ => &mut exec,
        };
        let mut exec = exec.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let record = format!("{}\n", self.record(case)?);
        exec.stdin.take().context("no standard input")?.write_all(record.as_bytes())?;
        if case == Case::Killed {
            self.kill_when_asked(&exec)?;
        }
        let output = exec.stdout.take().context("no standard output")?;
        let diagnose = self.command(&self.tools.join("ar-diagnose")).stdin(output).output()?;
        let errors = exec.wait_with_output()?.stderr;
        let record: Value = serde_json::from_slice(&diagnose.stdout).with_context(|| {
            let errors = [errors, diagnose.stderr].concat();
            format!("no record: {}", String::from_utf8_lossy(&errors))
        })?;
        let answer = record["dir"].as_str().map(|dir| fs::read(Path::new(dir).join("answer")));
        let answer = answer.and_then(Result::ok).unwrap_or_default();
        self.keep(case, &record)?;
        Ok(Left { record, answer: String::from_utf8_lossy(&answer).into_owned() })
    }

    /// Lets the agent drive 'ar setup ai', with nobody at the terminal.
    fn setup(&self) -> anyhow::Result<Cell> {
        self.configure(Case::Setup)?;
        let config = self.home.join(".config/agent-runner");
        let mut command = self.command(&self.tools.join("ar-setup"));
        let output =
            command.args(["ai", "-m", self.agent.name, "set up everything"]).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let notes = fs::read_to_string(config.join("setup-notes.md")).unwrap_or_default();
        let wanted = [
            "model: Hello from the mock.",
            "runs: llm --version",
            "refused: the model wants to write ../../.bashrc",
            "model: Type: ar run \"hello\"",
        ];
        let lacks = wanted.into_iter().find(|wanted| !said.contains(wanted));
        let wrong = match lacks {
            _ if !output.status.success() => Some(String::from_utf8_lossy(&output.stderr).replace('\n', " ")),
            Some(lacks) => Some(format!("it does not say '{lacks}'")),
            None => (notes != "- the mock was here\n").then(|| format!("the notes are {notes:?}")),
        };
        Ok(Cell { said: if wrong.is_none() { "done" } else { "trouble" }.to_owned(), wrong })
    }

    /// Kills the agent, and not ar-exec, once it waits for its provider.
    fn kill_when_asked(&self, exec: &Child) -> anyhow::Result<()> {
        let (asked, start) = (self.mock.requests(), Instant::now());
        let children = format!("/proc/{0}/task/{0}/children", exec.id());
        while self.mock.requests() == asked {
            if start.elapsed() > START {
                bail!("it asked its provider nothing");
            }
            sleep(Duration::from_millis(50));
        }
        let children = fs::read_to_string(&children).with_context(|| format!("cannot read '{children}'"))?;
        let child = children.split_whitespace().next().context("ar-exec has no child")?;
        let status = Command::new("kill").args(["-KILL", child]).status()?;
        if status.success() { Ok(()) } else { bail!("cannot kill process {child}") }
    }

    /// A record as ar-pick writes it, which knows what the session that goes on has used.
    fn record(&self, case: Case) -> anyhow::Result<Value> {
        let at = "2026-01-01T00:00:00Z";
        let run = ar_core::record::new_id(ar_core::Stamp::now()?)?;
        let mut record = json!({
            "v": 1, "run": run, "call": run, "attempt": 1, "model": self.agent.name,
            "pick": {"provider": self.agent.name, "account": self.agent.name, "at": at, "lease_until": at, "probe": false,
                     "reason": "it is checked"},
        });
        if case == Case::Resume {
            record["session"] = json!({"id": self.session, "usage": self.used});
        }
        Ok(record)
    }

    /// Writes the agent's own configuration, and a model from its template.
    fn configure(&self, case: Case) -> anyhow::Result<()> {
        let setup = (self.agent.setup)(&self.url(case)?);
        for (file, text) in &setup.files {
            write(&self.home.join(file), text)?;
        }
        // What stands at the top holds for the provider of the template below.
        let variable = |(name, value): &(&str, String)| format!("{name} = {}", Value::from(value.as_str()));
        let variables: Vec<String> = setup.env.iter().map(variable).collect();
        let text = format!("env = {{ {} }}\n\n{}", variables.join(", "), self.template);
        write(&self.home.join(format!(".config/agent-runner/models/{}.toml", self.agent.name)), &text)
    }

    fn url(&self, case: Case) -> anyhow::Result<String> {
        match case.plan() {
            Some(plan) => Ok(self.mock.url(plan)),
            // A port that was free a moment ago: nobody listens there.
            None => Ok(format!("http://{}", TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)),
        }
    }

    /// A command in the agent's home that sees nothing of our own environment but PATH.
    fn command(&self, program: &Path) -> Command {
        let path = env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{}:{path}", self.bin.display()))
            .env("HOME", &self.home)
            .env("TMPDIR", self.home.join("tmp"))
            .env("LANG", "C.UTF-8")
            .current_dir(self.home.join("work"));
        command
    }

    /// Keeps the record for whoever looks into a wrong cell.
    fn keep(&self, case: Case, record: &Value) -> anyhow::Result<()> {
        write(
            &self.home.join("records").join(format!("{}.json", case.name().replace(' ', "-"))),
            &format!("{record:#}\n"),
        )
    }
}

/// An id of the same form that no session has.
fn unlike(session: &str) -> String {
    session.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

/// The agent's starter template.
fn template(agent: &Agent) -> anyhow::Result<String> {
    let file = ar_tests::source_dir().join(format!("ar-setup/templates/{}.toml", agent.name));
    fs::read_to_string(&file).with_context(|| format!("cannot read '{}'", file.display()))
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let dir = file.parent().context("a file lies in no directory")?;
    fs::create_dir_all(dir)
        .and_then(|()| fs::write(file, text))
        .with_context(|| format!("cannot write '{}'", file.display()))
}
