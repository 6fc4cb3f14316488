//! A terminal on which a test types and reads, made by tmux(1).

use ar_tests::{Home, skip, wait_until};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many terminals were made. A server that was told to end may still hold its socket when the next one starts.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// A terminal with a program on it. It goes away at the end.
pub struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Runs a shell command on a terminal of this many columns. None where there is no tmux.
    ///
    /// Behind the command stand its exit status and what the terminal is set to.
    pub fn start(home: &Home, columns: u32, variables: &[(&str, &str)], command: &str) -> Option<Self> {
        if !Path::new("/usr/bin/tmux").exists() {
            skip("tmux(1) is not installed");
            return None;
        }
        let socket = home.path(&format!("tmp/tmux{}", STARTED.fetch_add(1, Ordering::Relaxed)));
        let line = format!("{command}; echo \"status=$?\"; stty -a; exec sleep 600");
        let size = columns.to_string();
        let mut run = home
            .program(Path::new("/usr/bin/tmux"), &["-S"])
            .arg(&socket)
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8");
        for (name, value) in variables {
            run = run.env(name, value);
        }
        for arg in ["-f", "/dev/null", "new-session", "-d", "-x", &size, "-y", "50", "/bin/sh", "-c", &line] {
            run = run.arg(arg);
        }
        run.check();
        Some(Self { socket })
    }

    fn tmux(&self, args: &[&str]) -> String {
        let mut command = Command::new("/usr/bin/tmux");
        let output = command.arg("-S").arg(&self.socket).args(args).stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What is on the screen and above it, long lines in one piece, with the sequences that colour it if `raw`.
    pub fn screen(&self, raw: bool) -> String {
        let raw: &[&str] = if raw { &["-e"] } else { &[] };
        self.tmux(&[&["capture-pane", "-p", "-J", "-S", "-2000"], raw].concat())
    }

    /// Whether the cursor can be seen.
    #[allow(dead_code, reason = "not every test that uses terminals asks")]
    pub fn has_cursor(&self) -> bool {
        self.tmux(&["display-message", "-p", "#{cursor_flag}"]).trim() == "1"
    }

    /// Waits until `text` is on the screen; blanks and line ends are alike, because a narrow screen breaks lines.
    pub fn wait_for(&self, text: &str) {
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let wanted = plain(text);
        let last = std::cell::RefCell::new(String::new());
        let guard = Shown(&last);
        wait_until(text, || {
            *last.borrow_mut() = self.screen(false);
            plain(&last.borrow()).contains(&wanted)
        });
        std::mem::forget(guard);
    }

    /// Waits for a question, then types keys as tmux names them: `Enter`, `Down`, `C-c`, or text.
    pub fn answer(&self, question: &str, keys: &[&str]) {
        self.wait_for(question);
        for key in keys {
            self.tmux(&["send-keys", key]);
        }
    }
}

/// Prints the screen when a test gives up waiting.
struct Shown<'a>(&'a std::cell::RefCell<String>);

#[allow(clippy::print_stderr, reason = "the test's own output")]
impl Drop for Shown<'_> {
    fn drop(&mut self) {
        eprintln!("the screen:\n{}", self.0.borrow());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
