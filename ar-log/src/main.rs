//! `ar-log`.

fn main() {}
