//! `ar-diagnose`.

fn main() {}
