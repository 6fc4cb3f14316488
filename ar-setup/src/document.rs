//! Models as TOML documents: changes that keep comments and order.

use crate::cli::NewProvider;
use crate::known::{KNOWN, by_name};
use anyhow::Context;
use ar_core::Failure;
use ar_core::config::with_nearest;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, value};

/// The text of a changed document, with the line ends that it had before.
pub fn text(document: &DocumentMut, before: &str) -> String {
    let text = document.to_string();
    if before.contains("\r\n") { text.replace("\r\n", "\n").replace('\n', "\r\n") } else { text }
}

/// Changes a text below the comments at its head, which an empty line parts from the rest: they are about the file, and not
/// about the key or the table that happens to come first.
pub fn below_head(
    before: &str,
    edit: impl FnOnce(&mut DocumentMut) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let (head, body) = before.split_at(head_bytes(before));
    // A key that becomes the first takes no empty line with it; a table that comes behind it has one above.
    let parted = if head.is_empty() || body.is_empty() { "" } else { "\n" };
    let mut document: DocumentMut = format!("{parted}{body}").parse()?;
    edit(&mut document)?;
    let after = text(&document, before);
    let after = after.trim_start_matches(['\r', '\n']);
    Ok(format!("{head}{after}"))
}

/// How long the comments at the head are, with the empty line behind them.
fn head_bytes(text: &str) -> usize {
    let (mut bytes, mut head) = (0, 0);
    for line in text.split_inclusive('\n') {
        bytes += line.len();
        match line.trim() {
            "" => head = bytes,
            comment if comment.starts_with('#') => {}
            _ => break,
        }
    }
    head
}

/// Sets the key that a path of keys leads to, or removes it.
pub fn assign(table: &mut dyn TableLike, keys: &[&str], to: Option<Item>) -> anyhow::Result<()> {
    match (keys, to) {
        ([] | [""], _) => Err(Failure::trouble("the key is empty").into()),
        ([last], Some(to)) => {
            put(table, last, to);
            Ok(())
        }
        ([last], None) => match table.remove(last) {
            Some(_) => Ok(()),
            None => Err(Failure::trouble(format!("'{last}' is not set")).into()),
        },
        ([first, rest @ ..], to) => {
            let inner = table.entry(first).or_insert_with(|| value(InlineTable::new()));
            let table = inner.as_table_like_mut().with_context(|| format!("'{first}' holds no keys"))?;
            let before = table.len();
            assign(table, rest, to)?;
            // The blank before the closing brace would else stand before the comma.
            if let Some(inline) = inner.as_inline_table_mut().filter(|inline| inline.len() != before) {
                inline.fmt();
            }
            Ok(())
        }
    }
}

/// Sets a key, keeping the comments above and behind its old value.
pub fn put(table: &mut dyn TableLike, key: &str, mut to: Item) {
    let Some(old) = table.get_mut(key) else {
        table.insert(key, to);
        return;
    };
    if let (Some(old), Some(new)) = (old.as_value(), to.as_value_mut()) {
        *new.decor_mut() = old.decor().clone();
    }
    *old = to;
}

/// The providers of a model file. One that stands at the top, or a list in one line, is brought into the usual form first.
fn providers(document: &mut DocumentMut) -> anyhow::Result<&mut ArrayOfTables> {
    let root = document.as_table_mut();
    let tables = match root.get("providers") {
        Some(Item::ArrayOfTables(_)) => None,
        Some(_) => root.remove("providers").map(Item::into_array_of_tables).and_then(Result::ok),
        None => Some(provider_at_the_top(root)),
    };
    if let Some(tables) = tables {
        root.insert("providers", Item::ArrayOfTables(tables));
    }
    root.get_mut("providers").and_then(Item::as_array_of_tables_mut).context("'providers' is no list")
}

/// What stands at the top of a model's file and is no default of its providers.
const OF_THE_MODEL: [&str; 4] = ["description", "strategy", "fallback", "hop"];

/// Takes a provider's keys from the top of the file; what is said of the model stays.
fn provider_at_the_top(root: &mut Table) -> ArrayOfTables {
    let names: Vec<String> = root
        .iter()
        .map(|(name, _)| name.to_owned())
        .filter(|name| !OF_THE_MODEL.contains(&name.as_str()))
        .collect();
    let mut provider = Table::new();
    for (key, item) in names.iter().filter_map(|name| root.remove_entry(name)) {
        provider.insert_formatted(&key, item);
    }
    let mut tables = ArrayOfTables::new();
    if !provider.is_empty() {
        tables.push(provider);
    }
    tables
}

/// Adds a provider at the end, behind the comments that stand there.
pub fn push(document: &mut DocumentMut, mut provider: Table) -> anyhow::Result<()> {
    let comments = document.trailing().as_str().unwrap_or("").to_owned();
    let parted = if comments.ends_with("\n\n") { "" } else { "\n" };
    let first = providers(document)?.is_empty();
    provider.decor_mut().set_prefix(if first { comments } else { format!("{comments}{parted}") });
    document.set_trailing("");
    providers(document)?.push(provider);
    Ok(())
}

/// Removes a provider with the comment right above it. What an empty line parts from it belongs to the one before, and stays.
pub fn remove(document: &mut DocumentMut, at: usize) -> anyhow::Result<()> {
    let providers = providers(document)?;
    let prefix = providers.get(at).and_then(|table| table.decor().prefix()?.as_str()).unwrap_or("");
    let kept = prefix.rfind("\n\n").map_or("", |end| prefix.get(..=end).unwrap_or("")).to_owned();
    providers.remove(at);
    if let Some(next) = providers.get_mut(at) {
        let own = next.decor().prefix().and_then(toml_edit::RawString::as_str).unwrap_or("");
        let joined = format!("{kept}{own}");
        next.decor_mut().set_prefix(joined);
    } else {
        let own = document.trailing().as_str().unwrap_or("").to_owned();
        document.set_trailing(format!("{kept}{own}"));
    }
    Ok(())
}

/// The table of one provider.
pub fn provider_mut(document: &mut DocumentMut, at: usize) -> anyhow::Result<&mut Table> {
    providers(document)?.get_mut(at).context("the provider is gone")
}

/// The new provider: what the command line says, on top of the template where the command is a known agent.
pub fn new_provider(new: &NewProvider) -> anyhow::Result<Table> {
    let mut table = Table::new();
    let base = new.command.rsplit('/').next().unwrap_or(&new.command);
    if let Some(known) = by_name(new.like.as_deref().unwrap_or(base)).filter(|_| new.args.is_empty()) {
        let template: DocumentMut =
            known.template.parse().with_context(|| format!("cannot read the template of {}", known.name))?;
        let first = template.get("providers").and_then(Item::as_array_of_tables).and_then(|list| list.get(0));
        for (key, item) in first.into_iter().flat_map(Table::iter) {
            let mut item = item.clone();
            if let Some(value) = item.as_value_mut() {
                value.decor_mut().clear();
            }
            table.insert(key, item);
        }
    } else if let Some(like) = &new.like {
        let failure = Failure::trouble(format!("there is no template for '{like}'"));
        return Err(with_nearest(failure, like, KNOWN.iter().map(|known| known.name)).into());
    }
    table.insert("command", value(&new.command));
    if !new.args.is_empty() {
        table.insert("args", value(new.args.iter().collect::<Array>()));
    }
    for (key, text) in [
        ("name", &new.name),
        ("account", &new.account),
        ("prompt_mode", &new.prompt_mode),
        ("output", &new.output),
        ("env_file", &new.env_file),
        ("timeout", &new.timeout),
    ] {
        if let Some(text) = text {
            table.insert(key, value(text));
        }
    }
    for (key, number) in [("tier", new.tier), ("weight", new.weight), ("max_parallel", new.max_parallel)] {
        if let Some(number) = number {
            table.insert(key, value(i64::from(number)));
        }
    }
    for variable in &new.env {
        let (name, text) =
            variable.split_once('=').with_context(|| format!("'{variable}' is not NAME=VALUE"))?;
        assign(&mut table, &["env", name], Some(value(text)))?;
    }
    Ok(table)
}
