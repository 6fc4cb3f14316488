//! An empty program: what no tool can be faster than.

fn main() {}
