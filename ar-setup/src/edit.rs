//! `ar setup add-provider`, `remove-provider`, `rename` and `set`: changes of the files in place, with comments and order kept.

use crate::change::{self, Change};
use crate::cli::NewProvider;
use crate::document;
use anyhow::Context;
use ar_core::Failure;
use ar_core::config::{Config, Model, is_name, model_names, with_nearest};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toml_edit::{DocumentMut, Item, Value, value};

/// Adds a provider to a model.
pub fn add_provider(dir: &Path, new: &NewProvider, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let _lock = change::lock(dir)?;
    let names = model_names(dir)?;
    let change = if names.contains(&new.model) {
        changed(dir, &new.model, |document| document::push(document, document::new_provider(new)?))?
    } else if new.create {
        refuse_no_name(&new.model)?;
        let mut document = DocumentMut::new();
        document::push(&mut document, document::new_provider(new)?)?;
        Change::new(file(dir, &new.model), document.to_string().trim_start().to_owned())?
    } else {
        let failure = Failure::trouble(format!("there is no model '{}'", new.model));
        let near = with_nearest(failure, &new.model, names.iter().map(String::as_str));
        return Err(if near.hint.is_some() { near } else { near.hint("--create makes it") }.into());
    };
    change::carry_out(dir, &[change], new.dry_run, out)?;
    Ok(ExitCode::SUCCESS)
}

fn refuse_no_name(name: &str) -> anyhow::Result<()> {
    if is_name(name) {
        return Ok(());
    }
    let hint = "use letters, digits and . _ + @ -";
    Err(Failure::trouble(format!("'{name}' cannot be a name")).hint(hint).into())
}

/// Removes a provider from a model.
pub fn remove_provider(
    dir: &Path,
    model: &str,
    name: &str,
    dry_run: bool,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let _lock = change::lock(dir)?;
    let at = position(dir, model, name)?;
    let only = Model::load(dir, model)?.providers.len() == 1;
    let change = changed(dir, model, |document| {
        if only {
            let hint = format!("delete '{}' to give up the model", file(dir, model).display());
            return Err(Failure::trouble(format!("'{name}' is the only provider of '{model}'"))
                .hint(hint)
                .into());
        }
        document::remove(document, at)
    })?;
    change::carry_out(dir, &[change], dry_run, out)?;
    Ok(ExitCode::SUCCESS)
}

/// Gives a model, or a provider written MODEL/PROVIDER, a new name.
pub fn rename(
    dir: &Path,
    old: &str,
    new: &str,
    dry_run: bool,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let _lock = change::lock(dir)?;
    refuse_no_name(new)?;
    let Some((model, name)) = old.split_once('/') else { return rename_model(dir, old, new, dry_run, out) };
    let (at, account) =
        (position(dir, model, name)?, Model::load(dir, model)?.provider(name)?.account.clone());
    let change = changed(dir, model, |document| {
        let table = document::provider_mut(document, at)?;
        document::put(table, "name", value(new));
        // The account was called like the provider. It keeps its name, and with it its cooldowns and its history.
        if account == name {
            document::put(table, "account", value(account));
        }
        Ok(())
    })?;
    change::carry_out(dir, &[change], dry_run, out)?;
    Ok(ExitCode::SUCCESS)
}

fn rename_model(
    dir: &Path,
    old: &str,
    new: &str,
    dry_run: bool,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    Model::load(dir, old)?;
    let (from, to) = (file(dir, old), file(dir, new));
    if to.symlink_metadata().is_ok() {
        return Err(Failure::trouble(format!("there is a model '{new}' already")).into());
    }
    let mut changes = Vec::new();
    let config = dir.join("config.toml");
    if Config::load(dir)?.model.as_deref() == Some(old) {
        changes.push(set_in(config, &["model"], value(new))?);
    }
    if dry_run {
        writeln!(out, "rename {} to {}", from.display(), to.display())?;
    } else {
        fs::rename(&from, &to)
            .with_context(|| format!("cannot rename '{}' to '{}'", from.display(), to.display()))?;
        writeln!(out, "renamed {} to {}", from.display(), to.display())?;
    }
    // Until the model has its new name, config.toml cannot name it.
    for change in &changes {
        if dry_run {
            write!(out, "{}", change.diff())?;
        } else {
            change.make(dir)?;
            writeln!(out, "changed {}", change.file.display())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Sets a key, or removes it where there is no value: `KEY` of config.toml, `MODEL.KEY`, `MODEL/PROVIDER.KEY`.
pub fn set(
    dir: &Path,
    key: &str,
    text: Option<&str>,
    dry_run: bool,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let _lock = change::lock(dir)?;
    let place = place(dir, key)?;
    // A number may be meant as a text: 'name = 5' is none of ours, 'name = "5"' is.
    let typed = text.and_then(|text| text.parse::<Value>().ok()).map(Item::Value);
    let plain = text.map(value);
    let mut change = place.change(typed.clone().or_else(|| plain.clone()))?;
    if typed.is_some() && change.validate(dir).is_err() {
        let other = place.change(plain)?;
        if other.validate(dir).is_ok() {
            change = other;
        }
    }
    change::carry_out(dir, &[change], dry_run, out)?;
    Ok(ExitCode::SUCCESS)
}

/// What a key on the command line stands for.
struct Place<'a> {
    file: PathBuf,
    provider: Option<usize>,
    keys: Vec<&'a str>,
}

impl Place<'_> {
    fn change(&self, to: Option<Item>) -> anyhow::Result<Change> {
        let file = &self.file;
        let text = read(file)?;
        let mut document: DocumentMut =
            text.parse().with_context(|| format!("cannot read '{}'", file.display()))?;
        let Some(at) = self.provider else {
            let after = document::below_head(&text, |document| {
                document::assign(document.as_table_mut(), &self.keys, to)
            })?;
            return Change::new(file.clone(), after);
        };
        document::assign(document::provider_mut(&mut document, at)?, &self.keys, to)?;
        Change::new(file.clone(), document::text(&document, &text))
    }
}

/// Names may hold dots, so a key is told from a name by what there is.
fn place<'a>(dir: &Path, key: &'a str) -> anyhow::Result<Place<'a>> {
    let keys = |rest: &'a str| rest.split('.').collect::<Vec<_>>();
    let models = model_names(dir)?;
    if let Some((model, rest)) = key.split_once('/') {
        let providers = Model::load(dir, model)?.providers;
        let names = providers.iter().enumerate().map(|(at, provider)| (at, provider.name.as_str()));
        let found = names.filter_map(|(at, name)| Some((at, rest.strip_prefix(name)?.strip_prefix('.')?)));
        let Some((at, rest)) = found.min_by_key(|(_, rest)| rest.len()) else {
            let name = rest.split('.').next().unwrap_or(rest);
            let failure = Failure::trouble(format!("'{key}' names no key of a provider of '{model}'"));
            return Err(with_nearest(failure, name, providers.iter().map(|p| p.name.as_str())).into());
        };
        return Ok(Place { file: file(dir, model), provider: Some(at), keys: keys(rest) });
    }
    let found =
        models.iter().filter_map(|model| Some((model, key.strip_prefix(model.as_str())?.strip_prefix('.')?)));
    Ok(match found.min_by_key(|(_, rest)| rest.len()) {
        Some((model, rest)) => Place { file: file(dir, model), provider: None, keys: keys(rest) },
        None => Place { file: dir.join("config.toml"), provider: None, keys: keys(key) },
    })
}

/// The change that sets one key at the top of a file.
fn set_in(file: PathBuf, keys: &[&str], to: Item) -> anyhow::Result<Change> {
    Place { file, provider: None, keys: keys.to_vec() }.change(Some(to))
}

/// The change of a model's file by `edit`.
fn changed(
    dir: &Path,
    model: &str,
    edit: impl FnOnce(&mut DocumentMut) -> anyhow::Result<()>,
) -> anyhow::Result<Change> {
    // What the tools cannot read is reported with its line and not touched.
    Model::load(dir, model)?;
    let file = file(dir, model);
    let text = read(&file)?;
    let mut document: DocumentMut =
        text.parse().with_context(|| format!("cannot read '{}'", file.display()))?;
    edit(&mut document)?;
    Change::new(file, document::text(&document, &text))
}

fn position(dir: &Path, model: &str, name: &str) -> anyhow::Result<usize> {
    let model = Model::load(dir, model)?;
    model.provider(name)?;
    model.providers.iter().position(|provider| provider.name == name).context("the provider is gone")
}

fn file(dir: &Path, model: &str) -> PathBuf {
    dir.join("models").join(format!("{model}.toml"))
}

fn read(file: &Path) -> anyhow::Result<String> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.with_context(|| format!("cannot read '{}'", file.display())),
    }
}
