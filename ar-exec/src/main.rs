//! `ar-exec`.

fn main() {}
