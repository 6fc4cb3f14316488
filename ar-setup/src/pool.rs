//! The text of starter models: the agents' templates with what was found on this machine put in.

use crate::answers::Answers;
use crate::known::by_name;
use crate::places::{Kind, Place};
use anyhow::Context;
use toml_edit::{DocumentMut, InlineTable, Item, Table, value};

/// The head of the model that holds every agent.
const HEAD: &str = "\
# Every agent that was found, in one pool: a run goes to the one used least, and on to the next where that fails.
# What the arguments mean, and which ones let an agent do more, stands in the file of each agent beside this one.
# 'tier = 2' keeps a provider in reserve, 'disabled = true' leaves it out; ar-config(5) has the other keys.

description = \"Any agent\"
";

/// The model of one agent: its template with all comments, then the other ways to it as further providers.
pub fn agent(places: &[&Place], answers: &Answers) -> anyhow::Result<String> {
    let texts = places.iter().enumerate().map(|(at, place)| {
        let text = provider(place, answers)?;
        Ok(if at == 0 { limited(&text, answers) } else { bare(&text) })
    });
    Ok(texts.collect::<anyhow::Result<Vec<_>>>()?.join("\n"))
}

/// The model of all agents. Comments stay in each agent's own file.
pub fn any(places: &[&Place], answers: &Answers) -> anyhow::Result<String> {
    let head = match &answers.timeout {
        Some(timeout) => format!("{HEAD}timeout = {}\n", value(timeout).to_string().trim()),
        None => HEAD.to_owned(),
    };
    places.iter().try_fold(head, |text, place| Ok(text + "\n" + &bare(&provider(place, answers)?)))
}

/// Puts the limit on wall time at the top of a template.
fn limited(text: &str, answers: &Answers) -> String {
    match (&answers.timeout, text.split_once("[[providers]]")) {
        (Some(timeout), Some((head, rest))) => {
            format!("{head}timeout = {}\n\n[[providers]]{rest}", value(timeout).to_string().trim())
        }
        _ => text.to_owned(),
    }
}

/// The template of a place's agent, leading to that place.
fn provider(place: &Place, answers: &Answers) -> anyhow::Result<String> {
    let known = by_name(place.known).with_context(|| format!("'{}' is no known agent", place.known))?;
    let cannot = || format!("cannot read the template of {}", known.name);
    let mut template: DocumentMut = known.template.parse().with_context(cannot)?;
    let providers = template.get_mut("providers").and_then(Item::as_array_of_tables_mut);
    let table = providers.and_then(|providers| providers.get_mut(0)).with_context(cannot)?;
    let command = place.command();
    if command != known.name {
        table.insert("command", value(&command));
    }
    if command.rsplit('/').next() != Some(&place.name) {
        table.insert("name", value(&place.name));
    }
    if let Some(tier) = answers.tiers.get(&place.name).filter(|tier| **tier != 1) {
        table.insert("tier", value(i64::from(*tier)));
    }
    for words in known
        .optional
        .iter()
        .filter(|words| words.iter().any(|word| place.lacks.iter().any(|lacks| lacks == word)))
    {
        leave_out(table, words);
    }
    // A wrapper sets its variables itself.
    if place.kind == Kind::Alias {
        set_variables(table, &place.env);
    }
    Ok(template.to_string())
}

/// Takes words that follow each other out of the arguments.
fn leave_out(provider: &mut Table, words: &[&str]) {
    for key in ["args", "resume_args"] {
        let Some(args) = provider.get_mut(key).and_then(Item::as_array_mut) else { continue };
        let texts: Vec<&str> = args.iter().filter_map(|arg| arg.as_str()).collect();
        let Some(at) = texts.windows(words.len()).position(|window| window == words) else { continue };
        for _ in words {
            args.remove(at);
        }
    }
}

fn set_variables(provider: &mut Table, env: &[(String, String)]) {
    let variables = provider.entry("env").or_insert_with(|| value(InlineTable::new()));
    if let Some(variables) = variables.as_table_like_mut() {
        for (name, text) in env {
            variables.insert(name, value(text));
        }
    }
}

fn bare(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known::KNOWN;
    use ar_core::config::Model;

    fn place(known: &'static str) -> Place {
        let path = format!("/bin/{known}").into();
        Place { name: known.to_owned(), on_path: true, ..Place::program(known, path) }
    }

    #[test]
    fn the_pool_holds_the_provider_of_each_template() {
        let places: Vec<Place> = KNOWN.iter().map(|known| place(known.name)).collect();
        let text = any(&places.iter().collect::<Vec<_>>(), &Answers::default()).unwrap();
        let pool = Model::parse("any", "any.toml".into(), &text).unwrap();
        let alone = KNOWN.iter().map(|known| {
            Model::parse(known.name, "any.toml".into(), known.template).unwrap().providers.remove(0)
        });
        assert_eq!(pool.providers, alone.collect::<Vec<_>>());
    }

    #[test]
    fn what_an_installed_version_does_not_know_and_a_run_can_do_without_is_left_out() {
        for known in KNOWN {
            let lacks = known.optional.iter().map(|words| words[0].to_owned()).collect();
            let text = agent(&[&Place { lacks, ..place(known.name) }], &Answers::default()).unwrap();
            let optional = known.optional.concat();
            let [fitted, whole] = [&text, known.template].map(|text| {
                let provider = Model::parse(known.name, "m.toml".into(), text).unwrap().providers.remove(0);
                [provider.args, provider.resume_args.unwrap_or_default()]
            });
            for (fitted, mut whole) in fitted.into_iter().zip(whole) {
                let before = whole.len();
                whole.retain(|arg| !optional.contains(&arg.as_str()));
                assert_eq!(fitted, whole);
                assert!(before == 0 || before - whole.len() == optional.len(), "{optional:?}");
            }
        }
    }

    #[test]
    fn wrappers_aliases_and_programs_elsewhere_are_further_providers() {
        let first = Place { on_path: false, ..place("claude") };
        let wrapper = Place { name: "claude2".to_owned(), path: "/bin/claude2".into(), ..place("claude") };
        let wrapper = Place { kind: Kind::Wrapper, env: vec![("X".into(), "1".into())], ..wrapper };
        let env = vec![("CLAUDE_CONFIG_DIR".to_owned(), "/home/me/.claude-work".to_owned())];
        let alias = Place { name: "cw".to_owned(), env, kind: Kind::Alias, ..place("claude") };
        let tiers = [("claude".to_owned(), 1), ("cw".to_owned(), 2)].into();
        let answers = Answers { tiers, timeout: Some("5m".to_owned()), ..Answers::default() };
        let text = agent(&[&first, &wrapper, &alias], &answers).unwrap();
        assert!(text.starts_with("# Claude Code"), "{text}");
        let model = Model::parse("claude", "claude.toml".into(), &text).unwrap();
        let [first, wrapper, alias] = &model.providers[..] else { panic!("{text}") };
        assert_eq!((first.name.as_str(), first.command.as_str()), ("claude", "/bin/claude"));
        assert_eq!((wrapper.name.as_str(), wrapper.command.as_str()), ("claude2", "claude2"));
        assert!(!wrapper.env.contains_key("X"), "the wrapper sets it itself");
        assert_eq!((alias.name.as_str(), alias.command.as_str()), ("cw", "claude"));
        assert_eq!(alias.env["CLAUDE_CONFIG_DIR"], "/home/me/.claude-work");
        assert_eq!(alias.args, first.args);
        assert_eq!((first.tier, wrapper.tier, alias.tier), (1, 1, 2));
        assert_eq!(alias.timeout, Some(std::time::Duration::from_mins(5)));
    }
}
