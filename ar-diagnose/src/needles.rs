//! The words that a pattern cannot match without, so that most patterns are never compiled.
//!
//! Included by the build script too, which writes the words beside the rules that are compiled in.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// What is known of a pattern before it is compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needles {
    /// Every match holds at least one of these; none known where it is empty.
    pub words: Vec<String>,
    /// Whether the pattern is nothing but its words, so that finding one is the match.
    pub plain: bool,
}

/// Reads a pattern and tells the words that it needs, or why it is no pattern.
pub fn of(pattern: &str) -> Result<Needles, Box<regex_syntax::Error>> {
    let hir =
        ParserBuilder::new().unicode(false).utf8(false).multi_line(true).build().parse(&expand(pattern))?;
    let words = required(&hir)
        .and_then(|words| words.into_iter().map(|word| String::from_utf8(word).ok()).collect())
        .unwrap_or_default();
    Ok(Needles { words, plain: is_plain(&hir) })
}

fn is_plain(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Literal(_) => true,
        HirKind::Alternation(parts) => parts.iter().all(|part| matches!(part.kind(), HirKind::Literal(_))),
        _ => false,
    }
}

fn required(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Concat(parts) => sequence(parts),
        HirKind::Alternation(parts) => {
            let words: Option<Vec<Vec<Vec<u8>>>> = parts.iter().map(required).collect();
            words.map(|words| words.concat())
        }
        _ => None,
    }
}

/// The best words of the parts of a sequence, where neighbours that match few texts are read as one.
fn sequence(parts: &[Hir]) -> Option<Vec<Vec<u8>>> {
    let mut found: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut run: Vec<Vec<u8>> = Vec::new();
    for part in parts {
        match exact(part) {
            Some(texts) if run.len().max(1) * texts.len() <= MOST_TEXTS => {
                let heads = if run.is_empty() { vec![Vec::new()] } else { run };
                run = heads
                    .iter()
                    .flat_map(|head| texts.iter().map(|text| [head.as_slice(), text].concat()))
                    .collect();
            }
            _ => {
                found.push(std::mem::take(&mut run));
                found.extend(required(part));
            }
        }
    }
    found.push(run);
    found.retain(|words| !words.is_empty());
    found.into_iter().max_by_key(|words| worth(words))
}

/// More texts than this are not listed.
const MOST_TEXTS: usize = 24;

/// All texts that a part can match, where they are few and none is empty of meaning.
fn exact(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Look(_) => Some(vec![Vec::new()]),
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Class(Class::Bytes(class)) => {
            let bytes: Vec<Vec<u8>> = class
                .ranges()
                .iter()
                .flat_map(|range| range.start()..=range.end())
                .map(|byte| vec![byte])
                .take(MOST_TEXTS + 1)
                .collect();
            (bytes.len() <= MOST_TEXTS).then_some(bytes)
        }
        HirKind::Concat(parts) => parts.iter().try_fold(vec![Vec::new()], |heads: Vec<Vec<u8>>, part| {
            let texts = exact(part)?;
            (heads.len() * texts.len() <= MOST_TEXTS).then(|| {
                heads
                    .iter()
                    .flat_map(|head| texts.iter().map(|text| [head.as_slice(), text].concat()))
                    .collect()
            })
        }),
        HirKind::Alternation(parts) => {
            let texts: Option<Vec<Vec<Vec<u8>>>> = parts.iter().map(exact).collect();
            texts.map(|texts| texts.concat()).filter(|texts| texts.len() <= MOST_TEXTS)
        }
        _ => None,
    }
}

/// Long words in a short list are found seldom and quickly.
fn worth(words: &[Vec<u8>]) -> (usize, std::cmp::Reverse<usize>) {
    (words.iter().map(Vec::len).min().unwrap_or(0).min(12), std::cmp::Reverse(words.len()))
}

/// Writes the abbreviations of rules out: `{=}` is what stands between a key and its value in JSON, logs and
/// programs, `{^}` is where a message starts.
pub fn expand(pattern: &str) -> String {
    pattern.replace("{=}", r#"['"]?\s?[:=]\s?['"]?"#).replace(
        "{^}",
        r#"(?:^|\b(?:error|message|result|text|detail|reason|cause|err|msg)['"]?\)?[:=] ?['"]?|[>\xb7] ?|^\[?(?:api )?error:? |: )"#,
    )
}
