//! `ar setup import`: models and agents from a directory, Claude Code's agents, and the aliases of llm.

use crate::change::{self, Change};
use crate::check::files;
use crate::known::by_name;
use anyhow::Context;
use ar_core::agent::Agent;
use ar_core::config::{Model, is_name, model_names};
use ar_core::{Failure, exit};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toml_edit::{DocumentMut, Item, value};

/// Something found: where it comes from, what it becomes, and what of it is lost.
struct Piece {
    source: PathBuf,
    target: PathBuf,
    text: Result<String, String>,
    lost: Vec<String>,
}

/// Carries over what `from` holds. Status 1 where something could not be.
pub fn run(dir: &Path, from: &Path, dry_run: bool, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    if !from.is_dir() {
        return Err(Failure::trouble(format!("'{}' is no directory", from.display())).into());
    }
    let pieces = find(dir, from)?;
    if pieces.is_empty() {
        let hint = "it may hold models/*.toml, agents/*.md, .claude/agents/*.md or aliases.json of llm";
        return Err(Failure::trouble(format!("there is nothing to import in '{}'", from.display()))
            .hint(hint)
            .into());
    }
    let _lock = change::lock(dir)?;
    let mut all = true;
    for piece in pieces {
        let kept = carry(dir, &piece, dry_run, out)?;
        all &= kept && piece.lost.is_empty();
    }
    Ok(ExitCode::from(if all { exit::OK } else { exit::NO }))
}

fn carry(dir: &Path, piece: &Piece, dry_run: bool, out: &mut impl Write) -> anyhow::Result<bool> {
    let source = piece.source.display();
    let text = match &piece.text {
        Ok(text) => text.clone(),
        Err(why) => {
            writeln!(out, "left out {source}: {why}")?;
            return Ok(false);
        }
    };
    let change = Change::new(piece.target.clone(), text)?;
    let target = change.file.display().to_string();
    if change.is_needed() && change.before.is_some() {
        writeln!(out, "left out {source}: there is another {target}")?;
        return Ok(false);
    }
    if !change.is_needed() {
        writeln!(out, "kept  {target}")?;
    } else if dry_run {
        write!(out, "{}", change.diff())?;
    } else {
        change.make(dir)?;
        writeln!(out, "wrote {target}")?;
    }
    for lost in &piece.lost {
        writeln!(out, "  not carried over from {source}: {lost}")?;
    }
    Ok(true)
}

/// What lies in a directory, models first: agents name them.
fn find(dir: &Path, from: &Path) -> anyhow::Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    for file in files(&from.join("models"), "toml")? {
        pieces.push(or_left_out(&file, model(dir, &file)));
    }
    for home in [from.to_owned(), from.join("io.datasette.llm"), from.join(ar_core::watch::LLM)] {
        let aliases = home.join("aliases.json");
        if aliases.is_file() {
            pieces.extend(llm_aliases(dir, &aliases)?);
        }
    }
    let mut models = model_names(dir)?;
    models.extend(
        pieces
            .iter()
            .filter(|piece| piece.text.is_ok())
            .filter_map(|piece| Some(piece.target.file_stem()?.to_string_lossy().into_owned())),
    );
    // In '.claude' itself, and in a project or a home directory that holds one.
    let claude = [from.join(".claude/agents")]
        .into_iter()
        .chain(from.ends_with(".claude").then(|| from.join("agents")));
    let mut seen_as_claude = Vec::new();
    for place in claude {
        for file in files(&place, "md")? {
            pieces.push(or_left_out(&file, claude_agent(dir, &file, &models)));
        }
        seen_as_claude.push(place);
    }
    let ours = from.join("agents");
    if !seen_as_claude.contains(&ours) {
        for file in files(&ours, "md")? {
            pieces.push(or_left_out(&file, agent(dir, &file, &models)));
        }
    }
    Ok(pieces)
}

/// A file that cannot be read keeps nobody from the others.
fn or_left_out(file: &Path, piece: anyhow::Result<Piece>) -> Piece {
    piece.unwrap_or_else(|error| left_out(file, Failure::of(&error).message))
}

fn left_out(source: &Path, why: String) -> Piece {
    Piece { source: source.to_owned(), target: PathBuf::new(), text: Err(why), lost: Vec::new() }
}

/// The name of a file without its extension, and why it is no name for one of ours.
fn name_of(file: &Path) -> (String, Option<String>) {
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let wrong = (!is_name(&name)).then(|| "its name is no name for a model or agent".to_owned());
    (name, wrong)
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read '{}'", file.display()))
}

fn model(dir: &Path, file: &Path) -> anyhow::Result<Piece> {
    let text = read(file)?;
    let (name, wrong) = name_of(file);
    let parsed =
        Model::parse(&name, file.to_owned(), &text).map(drop).map_err(|error| Failure::of(&error).message);
    let target = dir.join("models").join(format!("{name}.toml"));
    let text = wrong.map_or(parsed, Err).map(|()| text);
    Ok(Piece { source: file.to_owned(), target, text, lost: Vec::new() })
}

fn agent(dir: &Path, file: &Path, models: &[String]) -> anyhow::Result<Piece> {
    let text = read(file)?;
    let (name, wrong) = name_of(file);
    let parsed = Agent::parse(file, &text).map_err(|error| Failure::of(&error).message);
    let lost = match &parsed {
        Ok(Agent { model: Some(model), .. }) if !models.contains(model) => {
            vec![format!("there is no model '{model}' here")]
        }
        _ => Vec::new(),
    };
    let target = dir.join("agents").join(format!("{name}.md"));
    let text = wrong.map_or(parsed.map(drop), Err).map(|()| text);
    Ok(Piece { source: file.to_owned(), target, text, lost })
}

/// An agent of Claude Code: its description and instructions, and its model where we have one of that name.
fn claude_agent(dir: &Path, file: &Path, models: &[String]) -> anyhow::Result<Piece> {
    let text = read(file)?.replace("\r\n", "\n");
    let (name, wrong) = name_of(file);
    let target = dir.join("agents").join(format!("{name}.md"));
    let Some((mut keys, body)) = front_matter(&text).filter(|_| wrong.is_none()) else {
        let why = wrong.unwrap_or_else(|| "its front matter has no end".to_owned());
        return Ok(Piece { source: file.to_owned(), target, text: Err(why), lost: Vec::new() });
    };
    // The file's name is ours.
    keys.remove("name");
    let mut front: Vec<String> = Vec::new();
    // JSON's texts are YAML's.
    let quoted = |text: &str| Value::from(text).to_string();
    if let Some(description) = keys.remove("description") {
        front.push(format!("description: {}\n", quoted(&description)));
    }
    if let Some(model) = keys.get("model").filter(|model| models.contains(model)) {
        front.push(format!("model: {}\n", quoted(model)));
        keys.remove("model");
    }
    let lost = keys.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
    let text = format!("---\n{}---\n{}\n", front.concat(), body.trim());
    Ok(Piece { source: file.to_owned(), target, text: Ok(text), lost })
}

/// The keys of a front matter and the text behind it, read as leniently as Claude Code reads them: a line is a key and its
/// text, colons in it included; indented lines go on with it. None where it has no end.
fn front_matter(text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let Some(rest) = text.strip_prefix("---\n") else { return Some((BTreeMap::new(), text)) };
    let (front, body) = rest.split_once("\n---\n").or_else(|| Some((rest.strip_suffix("\n---")?, "")))?;
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    let mut last = None;
    for line in front.lines() {
        let key =
            line.split_once(':').filter(|(key, _)| !key.is_empty() && !key.contains(char::is_whitespace));
        match (key, &last) {
            (Some((key, text)), _) => {
                let text = text.trim();
                let text = ['"', '\'']
                    .iter()
                    .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
                    .unwrap_or(text);
                let block = ["|", ">", "|-", ">-"].contains(&text);
                keys.insert(key.to_owned(), if block { String::new() } else { text.to_owned() });
                last = Some(key.to_owned());
            }
            (None, Some(last)) => {
                if let Some(text) = keys.get_mut(last) {
                    let parted = if text.is_empty() { "" } else { " " };
                    text.push_str(parted);
                    text.push_str(line.trim());
                }
            }
            (None, None) => {}
        }
    }
    Some((keys, body))
}

/// The aliases of llm: a model of each name that calls llm with the model it stands for.
fn llm_aliases(dir: &Path, file: &Path) -> anyhow::Result<Vec<Piece>> {
    let text = match read(file) {
        Ok(text) => text,
        Err(error) => return Ok(vec![or_left_out(file, Err(error))]),
    };
    let aliases: BTreeMap<String, Value> = match serde_json::from_str(&text) {
        Ok(aliases) => aliases,
        Err(error) => return Ok(vec![left_out(file, error.to_string())]),
    };
    aliases
        .iter()
        .map(|(name, id)| {
            let text = match id.as_str() {
                _ if !is_name(name) => Err(format!("'{name}' is no name for a model")),
                None => Err(format!("'{name}' is the alias of no text")),
                Some(id) => Ok(llm_model(name, id)?),
            };
            let target = dir.join("models").join(format!("{name}.toml"));
            Ok(Piece { source: file.to_owned(), target, text, lost: Vec::new() })
        })
        .collect()
}

fn llm_model(name: &str, id: &str) -> anyhow::Result<String> {
    let template = by_name("llm").context("there is no template of llm")?.template;
    let mut document: DocumentMut = template.parse().context("cannot read the template of llm")?;
    let providers = document.get_mut("providers").and_then(Item::as_array_of_tables_mut);
    let provider =
        providers.and_then(|list| list.get_mut(0)).context("the template of llm has no provider")?;
    for key in ["args", "resume_args"] {
        if let Some(args) = provider.get_mut(key).and_then(Item::as_array_mut) {
            args.push("-m");
            args.push(id);
        }
    }
    provider.insert("name", value(name));
    provider.insert("account", value("llm"));
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_is_read_as_leniently_as_claude_code_reads_it() {
        let text = "---\nname: a\ndescription: Use it when: always. <x>\ntools: Read, Bash\ncolor: 'red'\nnote: >\n  one\n  two\n---\n\nDo.\n---\n";
        let (keys, body) = front_matter(text).unwrap();
        assert_eq!(keys["description"], "Use it when: always. <x>");
        assert_eq!((keys["color"].as_str(), keys["note"].as_str()), ("red", "one two"));
        assert_eq!(body, "\nDo.\n---\n");
        assert!(front_matter("---\nname: a\n").is_none());
        assert_eq!(front_matter("Do.\n").unwrap(), (BTreeMap::new(), "Do.\n"));
    }
}
