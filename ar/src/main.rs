//! `ar`.

fn main() {}
