//! What the manual pages say of files and records, compared with the sources that read them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::source_dir;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn ar_record_describes_every_field_and_no_others() {
    let page = read("man/ar-record.5");
    let described = items(&page, "Va");
    let parts =
        ["sections", "diagnosis", "trouble"].map(|part| read(&format!("ar-core/src/record/{part}.rs")));
    let mut fields = fields(&parts.concat(), "    pub ");
    fields.extend(
        ["v", "run", "call", "attempt", "model", "model_asked", "dir", "pick", "exec", "diagnosis", "tags"]
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

#[test]
fn the_overview_names_every_variable_of_ours() {
    let overview = read("man/ar.7");
    for tool in ["ar", "ar-core", "ar-diagnose", "ar-exec", "ar-log", "ar-pick", "ar-setup"] {
        for source in sources(&source_dir().join(tool).join("src")) {
            for name in source.split(|c: char| c != '_' && !c.is_ascii_uppercase()) {
                if name.starts_with("AGENT_RUNNER_") {
                    assert!(overview.contains(&format!("Ev {name}\n")), "ar(7) lacks {name} of {tool}");
                }
            }
        }
    }
}

/// The texts of all Rust sources below a directory.
fn sources(dir: &Path) -> Vec<String> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let texts = paths
        .map(|path| if path.is_dir() { sources(&path) } else { vec![fs::read_to_string(&path).unwrap()] });
    texts.flatten().collect()
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
