//! Works out why a run of a command line agent failed, and whom that concerns.
//!
//! # Architecture invariant
//!
//! Judging is a function from evidence, rules and the time to a diagnosis: it reads no file, no clock and no
//! environment. `filter` and `typed` collect the evidence, `judge` decides.

mod chain;
pub mod check;
pub mod choose;
pub mod clean;
pub mod evidence;
pub mod explain;
pub mod find;
pub mod grams;
pub mod judge;
pub mod library;
pub mod needles;
pub mod rule;
pub mod source;
pub mod when;
