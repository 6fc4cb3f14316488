//! `ar-setup`.

fn main() {}
