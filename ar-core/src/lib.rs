//! What two tools of the agent runner must agree on: the record, the configuration, the paths, the state database,
//! the clock and the exit statuses.
//!
//! # Architecture invariant
//!
//! This crate depends on no tool, parses no command line and starts no process. It writes to standard error in one
//! place only, [`exit::report`], because all tools word their errors alike.

pub mod agent;
pub mod clock;
pub mod config;
pub mod exit;
pub mod loose;
pub mod paths;
pub mod pipe;
pub mod processes;
pub mod record;
pub mod signals;
pub mod state;
pub mod watch;

pub use clock::Stamp;
pub use exit::Failure;
pub use record::Record;
