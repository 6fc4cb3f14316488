//! A Ctrl-C while agents run: they are ended, what was made for them is removed, and then we die of the signal after all.
//!
//! At any other time signals do what they always do; a prompt takes Ctrl-C for a key.

use anyhow::{Context, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::emulate_default_handler;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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

/// Notes signals from now on.
pub fn hold() -> anyhow::Result<Held> {
    let mut watch = WATCH.lock().unwrap_or_else(PoisonError::into_inner);
    let watch = watch.get_or_insert_default();
    if !watch.is_set {
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            // Who started us with nohup(1) wants us to outlive it.
            if ar_core::signals::is_ignored(signal) {
                continue;
            }
            let number = usize::try_from(signal).context("a signal has a negative number")?;
            flag::register_conditional_default(signal, Arc::clone(&watch.is_free))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&watch.told), number))
                .with_context(|| format!("cannot handle signal {signal}"))?;
        }
        watch.is_set = true;
    }
    watch.held += 1;
    watch.is_free.store(false, Ordering::SeqCst);
    Ok(Held(()))
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
