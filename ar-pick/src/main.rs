//! `ar-pick`.

fn main() {}
