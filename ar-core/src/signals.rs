//! Signals, as far as two tools deal with them alike.

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/// Lets this process live on through the signals that end a pipeline, for the rest of its life.
///
/// A Ctrl-C reaches every stage. The run that it ends must still be diagnosed and stored, and end-of-file is what ends a
/// filter. The handlers do nothing: an ignored signal would stay ignored in the programs that we start.
pub fn outlive() -> anyhow::Result<()> {
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        signal_hook::flag::register(signal, std::sync::Arc::default())
            .with_context(|| format!("cannot handle signal {signal}"))?;
    }
    Ok(())
}

/// Whether a signal is ignored, as nohup(1) and a shell's background jobs have it. A program that takes the signal
/// nevertheless dies of the hang-up that its user wanted it to survive.
pub fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with a null new action sigaction(2) only writes the present one to the given place, which is large enough
    // and, all zeroes being a valid value, initialised either way.
    #[allow(unsafe_code, reason = "no crate of ours asks for a disposition without changing it")]
    let (result, action) =
        unsafe { (libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()), action.assume_init()) };
    result == 0 && action.sa_sigaction == libc::SIG_IGN
}
