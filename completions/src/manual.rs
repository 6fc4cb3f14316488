//! Compares the options of each tool with its manual page, both ways.

use crate::commands;
use clap::{Arg, Command};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Options as `-f --file`, each with the words in the name of its value.
type Options = BTreeMap<String, Vec<String>>;

#[test]
fn every_manual_page_has_the_options_and_verbs_of_its_tool_and_no_others() {
    for mut command in commands::pages() {
        command.build();
        let page = page(command.get_name());
        assert_eq!(options_in(&page), options_of(&command), "options of {}(1)", command.get_name());
        if command.has_subcommands() {
            assert_eq!(verbs_in(&page), verbs_of(&command), "verbs of {}(1)", command.get_name());
        }
    }
}

#[test]
fn every_synopsis_has_the_options_of_its_tool() {
    for mut command in commands::pages() {
        command.build();
        let page = page(command.get_name());
        let flags: Vec<&str> = section(&page, "SYNOPSIS").lines().flat_map(flags_in).collect();
        for arg in all_args(&command) {
            let long = arg.get_long().map(|long| format!("-{long}"));
            let grouped = |flag: &&str| {
                !flag.starts_with('-') && arg.get_short().is_some_and(|short| flag.contains(short))
            };
            let there = flags.iter().any(|flag| Some(*flag) == long.as_deref()) || flags.iter().any(grouped);
            let usual = ["help", "version"].contains(&arg.get_id().as_str());
            assert!(there || usual, "the synopsis of {}(1) lacks {}", command.get_name(), arg.get_id());
        }
    }
}

#[test]
fn the_manual_of_ar_has_every_verb() {
    let mut verbs: Vec<String> =
        commands::ar().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    verbs.sort();
    assert_eq!(verbs_in(&page("ar")), verbs);
}

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../man/{name}.1"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read '{}': {error}", path.display()))
}

fn section<'a>(page: &'a str, title: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("\n.Sh {title}\n")).unwrap();
    rest.split_once("\n.Sh ").map_or(rest, |(section, _)| section)
}

/// The words after each `Fl` of a line of mdoc.
fn flags_in(line: &str) -> Vec<&str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(2).filter(|pair| pair[0].ends_with("Fl")).map(|pair| pair[1]).collect()
}

fn options_in(page: &str) -> Options {
    let lines = section(page, "DESCRIPTION").lines();
    lines
        .filter(|line| line.starts_with(".It Fl "))
        .map(|line| {
            let flags: Vec<String> = flags_in(line).iter().map(|flag| format!("-{flag}")).collect();
            let values = line.split_once(" Ar ").map_or("", |(_, values)| values);
            (flags.join(" "), words(values))
        })
        .collect()
}

fn options_of(command: &Command) -> Options {
    all_args(command).into_iter().map(|arg| (spelling(arg), value_words(arg))).collect()
}

/// The options of a command and of its verbs.
fn all_args(command: &Command) -> Vec<&Arg> {
    let own = command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set());
    own.chain(verbs(command).flat_map(all_args)).collect()
}

/// Our own verbs; `help`, which clap adds, repeats all of them below itself.
fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| verb.get_name() != "help")
}

fn spelling(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    short.into_iter().chain(long).collect::<Vec<_>>().join(" ")
}

fn value_words(arg: &Arg) -> Vec<String> {
    if !arg.get_action().takes_values() {
        return Vec::new();
    }
    arg.get_value_names().unwrap_or_default().iter().flat_map(|name| words(name)).collect()
}

/// The words in capitals, which stand for values; punctuation and the macros of mdoc have none.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase()))
        .map(str::to_owned)
        .collect()
}

fn verbs_in(page: &str) -> Vec<String> {
    let lines = section(page, "DESCRIPTION").lines();
    let mut verbs: Vec<String> = lines
        .filter_map(|line| line.strip_prefix(".It Cm ")?.split_whitespace().next())
        .filter(|verb| verb.starts_with(char::is_alphabetic))
        .map(str::to_owned)
        .collect();
    verbs.sort();
    verbs
}

fn verbs_of(command: &Command) -> Vec<String> {
    let mut verbs: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    verbs.sort();
    verbs
}
