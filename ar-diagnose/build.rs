//! Turns `rules/*.toml` into tables, so that the program parses no TOML and compiles no needless pattern at start.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "src/needles.rs"]
mod needles;
#[path = "src/source.rs"]
#[allow(dead_code, reason = "the program reads what its tables do not hold")]
mod source;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=rules");
    let mut files: Vec<PathBuf> =
        fs::read_dir("rules")?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    let mut table = String::from("&[\n");
    let mut ids = BTreeSet::new();
    for file in &files {
        let name = file.file_stem().and_then(|stem| stem.to_str()).ok_or("a file of rules has no name")?;
        let parsed: source::SourceFile = toml::from_str(&fs::read_to_string(file)?)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        for rule in parsed.rule {
            let rule = rule.into_inner();
            if !ids.insert(format!("{name}/{}", rule.id)) {
                return Err(format!("{}: two rules are called '{}'", file.display(), rule.id).into());
            }
            emit(&mut table, name, &rule)
                .map_err(|error| format!("{}: rule '{}': {error}", file.display(), rule.id))?;
        }
    }
    table.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("rules.rs"), table)?;
    Ok(())
}

fn emit(table: &mut String, file: &str, rule: &source::Source) -> Result<(), Box<dyn Error>> {
    if !source::DETAILS.contains(&rule.detail.as_str()) {
        return Err(format!("'{}' is no detail", rule.detail).into());
    }
    let class = camel(&rule.class, &source::CLASSES)?;
    let verdict = match rule.verdict.as_deref() {
        Some(verdict) => camel(verdict, &["ok", "provider", "network", "task", "caller"])?,
        None => source::default_verdict(&rule.class).to_owned(),
    };
    let scope = match rule.scope.as_deref().or(source::default_scope(&rule.class)) {
        Some(scope) => format!("Some(Scope::{})", camel(scope, &["account", "model", "provider"])?),
        None => "None".to_owned(),
    };
    let stream = camel(rule.stream.as_deref().unwrap_or("any"), &["any", "stdout", "stderr", "error"])?;
    let claims = camel(rule.claims.as_deref().unwrap_or("nothing"), &["nothing", "line", "text"])?;
    let time = rule.time.as_deref().unwrap_or(source::default_time(&rule.class));
    if let Some(wrong) = source::wrong_time(&rule.class, time, &rule.patterns) {
        return Err(wrong.into());
    }
    let time = camel(time, &source::TIMES)?;
    writeln!(
        table,
        "Rule {{ id: Borrowed({:?}), class: Class::{class}, detail: Borrowed({:?}), verdict: Verdict::{}, scope: {scope}, \
         cli: Borrowed(&{}), stream: Where::{stream}, rank: {}, time: Time::{time}, terminal: {}, alone: {}, claims: Claims::{claims}, \
         patterns: Borrowed(&{}), unless: Borrowed(&{}), answers: Borrowed({:?}) }},",
        format!("{file}/{}", rule.id),
        rule.detail,
        verdict,
        words(&rule.cli),
        rule.rank.unwrap_or(50),
        rule.terminal,
        rule.alone,
        patterns(&rule.patterns, true)?,
        patterns(&rule.unless, false)?,
        rule.answers.trim(),
    )?;
    Ok(())
}

fn camel(word: &str, known: &[&str]) -> Result<String, Box<dyn Error>> {
    if !known.contains(&word) {
        return Err(format!("'{word}' is none of {}", known.join(", ")).into());
    }
    Ok(word.split('_').map(|part| part[..1].to_uppercase() + &part[1..]).collect())
}

fn words(words: &[String]) -> String {
    let items: Vec<String> = words.iter().map(|word| format!("Borrowed({word:?})")).collect();
    format!("[{}]", items.join(", "))
}

/// A pattern without a word to look for would be compiled for every text: it is refused here, not found in a profile.
fn patterns(sources: &[String], need_words: bool) -> Result<String, Box<dyn Error>> {
    let mut items = Vec::new();
    for source in sources {
        let needles = needles::of(source)?;
        let telling = needles.chain.get(needles.telling);
        if need_words && telling.is_none_or(|link| link.words.iter().any(|word| word.len() < 3)) {
            println!("cargo::error=the pattern '{source}' has no word of three letters: {telling:?}");
        }
        let links: Vec<String> = needles
            .chain
            .iter()
            .map(|link| {
                format!("Link {{ words: Borrowed(&{}), reach: {} }}", words(&link.words), reach(link))
            })
            .collect();
        items.push(format!(
            "Pattern {{ source: Borrowed({source:?}), chain: Borrowed(&[{}]), telling: {}, plain: {}, anchored: {} }}",
            links.join(", "),
            needles.telling,
            needles.plain,
            needles.anchored
        ));
    }
    Ok(format!("[{}]", items.join(", ")))
}

fn reach(link: &needles::Link) -> String {
    if link.reach == needles::ANY_REACH { "ANY_REACH".to_owned() } else { link.reach.to_string() }
}
