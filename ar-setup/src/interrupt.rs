//! A Ctrl-C while agents run: they are ended, what was made for them is removed, and then we die of the signal after all.
//!
//! At any other time signals do what they always do; a prompt takes Ctrl-C for a key, and a signal that ends us there leaves
//! the terminal as the prompt found it.

use anyhow::{Context, bail};
use rustix::stdio;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::{self, emulate_default_handler};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What the handlers and those that wait share.
#[derive(Default)]
struct Watch {
    /// Whether the handlers are there.
    is_set: bool,
    /// How many pipelines run.
    held: usize,
    /// Whether signals do what they always do.
    is_free: Arc<AtomicBool>,
    /// The signal that came while they did not, 0 for none.
    told: Arc<AtomicUsize>,
}

static WATCH: Mutex<Option<Watch>> = Mutex::new(None);

/// While this lives, a signal that ends programs is only noted.
#[derive(Debug)]
pub struct Held(());

/// How the terminal was set before the first prompt.
static TERMINAL: OnceLock<Termios> = OnceLock::new();
/// Whether a prompt has set it otherwise.
static IS_PROMPTING: AtomicBool = AtomicBool::new(false);
/// What makes the cursor visible, on a line of its own.
const CURSOR: &[u8] = b"\x1b[?25h\r\n";

/// While this lives, a signal that ends us puts the terminal in order first.
#[derive(Debug)]
pub struct Prompting(());

/// Notes signals from now on.
pub fn hold() -> anyhow::Result<Held> {
    let mut watch = WATCH.lock().unwrap_or_else(PoisonError::into_inner);
    let watch = watch.get_or_insert_default();
    watch.set()?;
    watch.held += 1;
    watch.is_free.store(false, Ordering::SeqCst);
    Ok(Held(()))
}

/// Has signals put the terminal in order from now on.
pub fn prompting() -> anyhow::Result<Prompting> {
    WATCH.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().set()?;
    if TERMINAL.get().is_none()
        && let Ok(settings) = tcgetattr(stdio::stdin())
    {
        // Nobody else sets it: prompts come one after another.
        let _ = TERMINAL.set(settings);
    }
    IS_PROMPTING.store(true, Ordering::SeqCst);
    Ok(Prompting(()))
}

impl Drop for Prompting {
    fn drop(&mut self) {
        IS_PROMPTING.store(false, Ordering::SeqCst);
    }
}

impl Watch {
    /// Sets the handlers, in the order in which they act: first the terminal, then what ends us unless somebody holds.
    fn set(&mut self) -> anyhow::Result<()> {
        if self.is_set {
            return Ok(());
        }
        self.is_free.store(true, Ordering::SeqCst);
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            // Who started us with nohup(1) wants us to outlive it.
            if ar_core::signals::is_ignored(signal) {
                continue;
            }
            let number = usize::try_from(signal).context("a signal has a negative number")?;
            restore_terminal_at(signal)
                .and_then(|_| flag::register_conditional_default(signal, Arc::clone(&self.is_free)))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&self.told), number))
                .with_context(|| format!("cannot handle signal {signal}"))?;
        }
        self.is_set = true;
        Ok(())
    }
}

#[allow(unsafe_code, reason = "signal-hook has no safe way to act before the default does")]
fn restore_terminal_at(signal: i32) -> std::io::Result<signal_hook::SigId> {
    let restore = || {
        if let (true, Some(settings)) = (IS_PROMPTING.load(Ordering::SeqCst), TERMINAL.get()) {
            // We are about to die; a terminal that is gone needs no order.
            let _ = tcsetattr(stdio::stdin(), OptionalActions::Now, settings);
            let _ = rustix::io::write(stdio::stderr(), CURSOR);
        }
    };
    // SAFETY: it loads two atomics and makes two system calls, ioctl(2) and write(2), which are async-signal-safe.
    unsafe { low_level::register(signal, restore) }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(watch) = WATCH.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            watch.held -= 1;
            watch.is_free.store(watch.held == 0, Ordering::SeqCst);
        }
    }
}

/// The signal that came while a pipeline ran.
pub fn told() -> Option<i32> {
    let watch = WATCH.lock().unwrap_or_else(PoisonError::into_inner);
    let told = watch.as_ref().map_or(0, |watch| watch.told.load(Ordering::SeqCst));
    i32::try_from(told).ok().filter(|signal| *signal != 0)
}

/// Stops what a signal came in the way of.
pub fn refuse() -> anyhow::Result<()> {
    match told() {
        Some(_) => bail!("stopped by a signal"),
        None => Ok(()),
    }
}

/// Dies of the signal that came, if one did. Call it when everything is put away.
pub fn die_if_told() {
    if let Some(signal) = told() {
        // A signal that cannot end us leaves us to end by ourselves.
        let _ = emulate_default_handler(signal);
    }
}
