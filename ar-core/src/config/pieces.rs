//! Long model files, read provider by provider.
//!
//! The parser keeps all that it has seen of a file until its end. For a pool of a thousand providers that is some megabytes,
//! and a pick spends more time on getting them from the kernel than on everything else that it does. Pieces use the same
//! few pages again and again.
//!
//! A piece that is whole TOML by itself ends where the next one begins: no string and no array goes on across the line
//! between them. So a line that looks like a header and is none leaves the piece before it open, which is an error.

use super::provider::Provider;
use super::template::Template;
use std::collections::HashSet;

/// Shorter files than so many bytes are read as a whole, which is as fast.
const LONG: usize = 16 * 1024;
const HEADER: &str = "[[providers]]";

/// What stands at the top of a long file, and its providers. None for a short one, and for one with anything unusual or
/// wrong in it, which is to be read as a whole: that finds the mistake and its line.
pub(super) fn read(text: &str) -> Option<(Template, Vec<Provider>)> {
    if text.len() < LONG { None } else { split(text) }
}

fn split(text: &str) -> Option<(Template, Vec<Provider>)> {
    let (top, pieces) = cut(text)?;
    let top: Template = toml::from_str(top).ok()?;
    if top.providers.is_some() {
        return None;
    }
    let mut providers = Vec::with_capacity(pieces.len());
    for piece in pieces {
        providers.push(Provider::new(toml::from_str(piece).ok()?, &top).ok()?);
    }
    let mut names = HashSet::with_capacity(providers.len());
    let are_unlike = providers.iter().all(|provider: &Provider| names.insert(provider.name.as_str()));
    are_unlike.then_some((top, providers))
}

/// The text before the first header of a provider, and what follows each. None where a provider has tables of its own: by
/// themselves they would look like keys of the piece.
fn cut(text: &str) -> Option<(&str, Vec<&str>)> {
    let (mut top, mut pieces) = (None, Vec::new());
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let end = at;
        at += line.len();
        if let Some(rest) = line.strip_prefix(HEADER)
            && matches!(rest.trim_start().as_bytes().first(), None | Some(b'#'))
        {
            let piece = text.get(start..end)?;
            match top {
                None => top = Some(piece),
                Some(_) => pieces.push(piece),
            }
            start = end + HEADER.len();
        } else if top.is_some() && line.trim_start().starts_with('[') {
            return None;
        }
    }
    pieces.push(text.get(start..)?);
    Some((top?, pieces))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Model;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use std::path::PathBuf;

    /// What a short file is read by.
    fn whole(text: &str) -> anyhow::Result<Model> {
        Model::parse("m", PathBuf::from("m.toml"), text)
    }

    #[test]
    fn pieces_make_the_same_model_as_the_whole() {
        for text in [
            "timeout = 5\n[env]\nA = '1'\n[[providers]]\ncommand = 'a'\nenv.B = '2'\n[[providers]] # b\ncommand = 'b'\n",
            "command = 'x'\n[[providers]]\nname = 'a'\n[[providers]]\t\r\nname = 'b'\n[[providers]]\nname = 'c'\r\n",
            "[[providers]]\ncommand = 'a'\nargs = [\n'[[providers]]',\n'''\nx''']\n# [[providers]]\n[[providers]]\ncommand = 'é'\nname = 'é'",
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
            "[[providers]]\ncommand = 'a'\n[providers.env]\nA = '1'\n",
            "[[providers]] command = 'a'\n",
            "[[providers]]\ncomand = 'a'\n",
            "[[providers]]\ncommand = 'a'\nfallback = []\n",
        ] {
            assert!(split(text).is_none(), "{text}");
        }
    }

    /// Lines that begin, end, split, spoil or only look like something, in front of others.
    const LINES: &[&str] = &[
        "[[providers]]",
        "[[providers]] # b",
        "[[providers]] command = 'c'",
        " [[providers]]",
        "[[ providers ]]",
        "[providers]",
        "[providers.env]",
        "[env]",
        "[other]",
        "providers = []",
        "providers.name = 'd'",
        "command = 'a'",
        "command = 'b'",
        "name = 'n'",
        "name = 'm' # [[providers]]",
        "env.A = '1'",
        "env = { B = '2' }",
        "args = [",
        "[[providers]],",
        "'x',",
        "]",
        "fallback = ['f']",
        "weight = 0",
        "description = \"\"\"",
        "\"\"\"",
        "watch = ['\'\''",
        "''']",
        "# \u{e9}",
        "\u{a0}",
        "\\",
        "",
    ];

    fn lines() -> impl Strategy<Value = String> {
        let provider = (0..9).prop_map(|n| format!("[[providers]]\nname = 'p{n}'\ncommand = 'x'\n"));
        let line =
            (select(LINES), select(&["\n", "\r\n", "\r", ""][..])).prop_map(|(a, b)| format!("{a}{b}"));
        let any = prop_oneof![provider, select(LINES).prop_map(|line| format!("{line}\n")), line];
        vec(any, 0..12).prop_map(|lines| lines.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn pieces_of_any_text_make_the_same_model_or_none(text in lines()) {
            if let Some((top, providers)) = split(&text) {
                let pieces = Model::new("m", PathBuf::from("m.toml"), &text, top, providers);
                prop_assert_eq!(format!("{:?}", pieces), format!("{:?}", whole(&text)));
            }
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
