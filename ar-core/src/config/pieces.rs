//! Long model files, read provider by provider.
//!
//! The parser keeps all that it has seen of a file until its end. For a pool of a thousand providers that is some megabytes,
//! and a pick spends more time on getting them from the kernel than on everything else that it does. Pieces use the same
//! few pages again and again.

use super::model::{Provider, provider};
use super::template::Template;
use serde::Deserialize;
use std::collections::HashSet;

/// Shorter files than so many bytes are read as a whole, which is as fast.
const LONG: usize = 16 * 1024;
const HEADER: &str = "[[providers]]";

/// A piece of a file that begins with a provider's header.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Piece {
    providers: Vec<Template>,
}

/// What stands at the top of a long file, and its providers. None for a short one, and for one with anything unusual or
/// wrong in it, which is to be read as a whole: that finds the mistake and its line.
pub(super) fn read(text: &str) -> Option<(Template, Vec<Provider>)> {
    if text.len() < LONG { None } else { split(text) }
}

fn split(text: &str) -> Option<(Template, Vec<Provider>)> {
    // Only in a string of several lines can a line look like a header and be none.
    if text.contains("\"\"\"") || text.contains("'''") {
        return None;
    }
    let mut starts = headers(text).peekable();
    let top: Template = toml::from_str(text.get(..*starts.peek()?)?).ok()?;
    if top.providers.is_some() {
        return None;
    }
    let mut providers = Vec::new();
    let mut names = HashSet::new();
    while let Some(start) = starts.next() {
        let end = starts.peek().copied().unwrap_or(text.len());
        // A table of the file's top that follows is unknown here, and so are keys that the parser does not know.
        let piece: Piece = toml::from_str(text.get(start..end)?).ok()?;
        for template in piece.providers {
            let provider = provider(template, &top).ok()?;
            if !names.insert(provider.name.clone()) {
                return None;
            }
            providers.push(provider);
        }
    }
    Some((top, providers))
}

/// Where lines begin with the header of a provider.
fn headers(text: &str) -> impl Iterator<Item = usize> {
    let found = text.match_indices(HEADER).map(|(at, _)| at);
    found.filter(|at| *at == 0 || text.as_bytes().get(at - 1) == Some(&b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Model;
    use std::path::PathBuf;

    fn whole(text: &str) -> anyhow::Result<Model> {
        Model::parse("m", PathBuf::from("m.toml"), text)
    }

    #[test]
    fn pieces_make_the_same_model_as_the_whole() {
        for text in [
            "timeout = 5\n[env]\nA = '1'\n[[providers]]\ncommand = 'a'\n[providers.env]\nB = '2'\n[[providers]] # b\ncommand = 'b'\n",
            "command = 'x'\n[[providers]]\nname = 'a'\n [[providers]]\nname = 'b'\n[[providers]]\nname = 'c'\r\n",
            "[[providers]]\ncommand = 'a'\nargs = [\n'[[providers]]',\n'x']\n# [[providers]]\n[[providers]]\ncommand = 'é'\nname = 'é'",
        ] {
            let (_, providers) = split(text).unwrap();
            assert_eq!(providers, whole(text).unwrap().providers, "{text}");
        }
    }

    #[test]
    fn what_is_unusual_or_wrong_is_left_to_the_whole() {
        for text in [
            "command = 'a'\n",
            "providers = [{ command = 'a' }]\n",
            "[[providers]]\ncommand = 'a'\n[env]\nA = '1'\n",
            "[[providers]]\ncommand = 'a'\nargs = ['''\n[[providers]]\n''']\n",
            "[[providers]]\ncommand = 'a'\n[[providers]]\ncommand = 'a'\n",
            "[[providers]]\ncommand = 'a'\nargs = [\n[[providers]]\n]\n",
            "[[providers]]\ncomand = 'a'\n",
            "[[providers]]\ncommand = 'a'\nfallback = []\n",
        ] {
            assert!(split(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_mistake_in_a_long_file_names_its_line() {
        let provider = |n: usize| format!("[[providers]]\nname = 'p{n}'\ncommand = 'x'\n");
        let mut text: String = (0..1000).map(provider).collect();
        assert_eq!(read(&text).unwrap().1.len(), 1000);
        text.push_str("wieght = 2\n");
        let error = whole(&text).unwrap_err().to_string();
        assert_eq!(error, "m.toml:3001: unknown key 'wieght'");
    }
}
