//! The texts in tests/fixtures/errors/CLI/CLASS, each of which must be judged as its directory says.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use assert_cmd::Command;
use std::path::Path;

#[test]
fn every_fixture_is_judged_as_its_directory_says() {
    let score = Path::new(env!("CARGO_BIN_EXE_ar-diagnose")).with_file_name("examples").join("score");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/errors");
    let output = Command::new(score).arg(fixtures).env("TZ", "UTC").assert().success().get_output().clone();
    let told = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    let (wrong, summary) = lines.split_at(lines.len().saturating_sub(8));
    assert!(wrong.is_empty(), "{told}");
    assert!(summary[6].ends_with("accuracy 1.000  macro F1 1.000  innocents blamed 0"), "{told}");
    assert!(summary[7].ends_with("invented 0"), "{told}");
}
