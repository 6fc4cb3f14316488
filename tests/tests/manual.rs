//! What the manual pages say of files and records, compared with the sources that read them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::source_dir;
use std::collections::BTreeSet;
use std::fs;

#[test]
fn ar_record_describes_every_field_and_no_others() {
    let page = read("man/ar-record.5");
    let described = items(&page, "Va");
    let mut fields = fields(&read("ar-core/src/record.rs"), "    pub ");
    fields.extend(
        ["v", "run", "call", "attempt", "model", "model_asked", "dir", "pick", "exec", "diagnosis"]
            .map(str::to_owned),
    );
    assert_eq!(described, fields);
}

#[test]
fn ar_config_describes_every_key_and_no_others() {
    let page = read("man/ar-config.5");
    let described = items(&page, "Ic");
    let mut keys = fields(&read("ar-core/src/config/template.rs"), "    pub ");
    keys.extend(fields(&struct_of(&read("ar-core/src/config/mod.rs"), "Config"), "    pub "));
    keys.extend(fields(&struct_of(&read("ar-core/src/config/mod.rs"), "Hooks"), "    pub "));
    keys.extend(fields(&read("ar-core/src/config/account.rs"), "    pub "));
    keys.extend(fields(&read("ar-core/src/config/cooldown.rs"), "    pub "));
    keys.extend(fields(&struct_of(&read("ar-core/src/agent.rs"), "Agent"), "    pub "));
    // The body of an agent is no key, the table of providers is told of in words, and 'name' is taken and not used.
    for word in ["body", "providers"] {
        assert!(keys.remove(word), "{word}");
    }
    assert_eq!(described, keys);
}

fn read(file: &str) -> String {
    fs::read_to_string(source_dir().join(file)).unwrap()
}

/// The words in the items of a page's lists that begin with this macro of mdoc.
fn items(page: &str, name: &str) -> BTreeSet<String> {
    let start = format!(".It {name} ");
    let lines = page.lines().filter_map(|line| line.strip_prefix(&start));
    let words = lines.flat_map(|line| line.split(" No ").next().unwrap_or(line).split(" , "));
    words.map(|word| word.trim().to_owned()).collect()
}

/// The names of the fields in a Rust source.
fn fields(source: &str, start: &str) -> BTreeSet<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or(source);
    let lines = source.lines().filter_map(|line| line.strip_prefix(start));
    let names = lines.filter_map(|line| line.split_once(": ")).map(|(name, _)| name.to_owned());
    names.filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).collect()
}

fn struct_of(source: &str, name: &str) -> String {
    let (_, rest) = source.split_once(&format!("pub struct {name} {{")).unwrap();
    rest.split("\n}").next().unwrap().to_owned()
}
