//! The rules that are compiled in, tried on the texts that stand beside them.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use ar_core::Stamp;
use ar_diagnose::rule::{BUILT_IN, Pattern};
use ar_diagnose::{check, library};
use std::path::Path;

#[test]
fn every_rule_knows_its_examples_and_leaves_its_lookalikes_alone() {
    let now = Stamp::parse("2026-06-01T12:00:00Z").unwrap();
    let mut all = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")).unwrap() {
        let file = entry.unwrap().path();
        let (written, problems) = library::read(&file).unwrap();
        all.extend(problems);
        all.extend(check::problems(&file, &written, BUILT_IN, now));
    }
    let told: Vec<String> = all.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}

#[test]
fn the_tables_are_the_files() {
    let mut count = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")).unwrap() {
        for written in library::read(&entry.unwrap().path()).unwrap().0 {
            let rule = BUILT_IN.iter().find(|rule| rule.id == written.rule.id).unwrap();
            assert_eq!(rule.patterns.len(), written.rule.patterns.len());
            for (compiled, read) in rule.patterns.iter().zip(written.rule.patterns.iter()) {
                let links = |pattern: &Pattern| {
                    pattern.chain.iter().map(|link| (link.words.to_vec(), link.reach)).collect::<Vec<_>>()
                };
                assert_eq!(
                    (links(compiled), compiled.telling, compiled.plain, compiled.anchored),
                    (links(read), read.telling, read.plain, read.anchored),
                    "{}",
                    compiled.source
                );
            }
            assert_eq!(
                (rule.class, rule.verdict, rule.scope, rule.time),
                (written.rule.class, written.rule.verdict, written.rule.scope, written.rule.time)
            );
            count += 1;
        }
    }
    assert_eq!(count, BUILT_IN.len());
}

#[test]
fn the_manual_page_knows_every_detail() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../man/ar-diagnose.1")).unwrap();
    let words: Vec<&str> = page.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let missing: Vec<&&str> =
        ar_diagnose::source::DETAILS.iter().filter(|detail| !words.contains(detail)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
