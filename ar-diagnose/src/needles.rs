//! The words that a pattern cannot match without, so that most patterns are never compiled.
//!
//! Included by the build script too, which writes the words beside the rules that are compiled in.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// More texts than this are not listed for a part of a pattern.
const MOST_TEXTS: usize = 24;
/// More groups of words than this find no fewer lines.
const MOST_GROUPS: usize = 4;

/// What is known of a pattern before it is compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needles {
    /// Every match holds one word of each of these groups, the telling group first; empty where none is known.
    pub groups: Vec<Vec<String>>,
    /// Whether the pattern is nothing but its words, so that finding one is the match.
    pub plain: bool,
}

/// Reads a pattern and tells the words that it needs, or why it is no pattern.
pub fn of(pattern: &str) -> Result<Needles, Box<regex_syntax::Error>> {
    let hir =
        ParserBuilder::new().unicode(false).utf8(false).multi_line(true).build().parse(&expand(pattern))?;
    let mut groups: Vec<Vec<String>> = required(&hir).into_iter().filter_map(texts).collect();
    groups.retain(|group| shortest(group) >= 2);
    groups.sort_by_key(|group| std::cmp::Reverse((shortest(group).min(6), std::cmp::Reverse(group.len()))));
    groups.truncate(MOST_GROUPS);
    Ok(Needles { groups, plain: is_plain(&hir) })
}

/// Signs that the line is an answer of an API, whatever else is in it.
const API: &str = r#"(?:\bapi error\b|\bapierror: |\berror code: [45]|\berror"?: ?\{|\brequest[_-]id\b|\bai_(?:apicall|retry)error|llm provider|\b(?:litellm|openai|anthropic|botocore|google|httpx|groq|mistralai|cohere)\.\S*(?:error|exception|exhausted)|\bstatus(?: ?code)?[:= ]{1,2}[45][0-9][0-9]\b)"#;

/// Writes the abbreviations of rules out: `{=}` is what stands between a key and its value in JSON, logs and
/// programs, `{^}` is where a message starts, `{api}` are signs that an API answered.
pub fn expand(pattern: &str) -> String {
    pattern.replace("{=}", r#"['"]?\s?[:=]\s?['"]?"#).replace("{api}", API).replace(
        "{^}",
        r#"(?:^|\b(?:error|message|result|text|detail|reason|cause|err|msg)['"]?\)?[:=] ?['"]?|[>\xb7] ?|^\[?(?:api )?error:? |: )"#,
    )
}

fn texts(group: Vec<Vec<u8>>) -> Option<Vec<String>> {
    group.into_iter().map(|word| String::from_utf8(word).ok()).collect()
}

fn shortest(group: &[String]) -> usize {
    group.iter().map(String::len).min().unwrap_or(0)
}

fn is_plain(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Literal(_) => true,
        HirKind::Alternation(parts) => parts.iter().all(|part| matches!(part.kind(), HirKind::Literal(_))),
        _ => false,
    }
}

/// A word of a pattern, as bytes.
type Word = Vec<u8>;

/// The groups of words one of each of which every match holds.
fn required(hir: &Hir) -> Vec<Vec<Word>> {
    match hir.kind() {
        HirKind::Literal(literal) => vec![vec![literal.0.to_vec()]],
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Concat(parts) => sequence(parts),
        HirKind::Alternation(parts) => {
            let best: Option<Vec<Vec<Word>>> =
                parts.iter().map(|part| required(part).into_iter().max_by_key(worth)).collect();
            best.map(|groups| groups.concat()).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Neighbours in a sequence that match few texts are read as one.
fn sequence(parts: &[Hir]) -> Vec<Vec<Word>> {
    let mut found = Vec::new();
    let mut run: Vec<Word> = Vec::new();
    for part in parts {
        match exact(part) {
            Some(texts) if run.len().max(1) * texts.len() <= MOST_TEXTS => {
                let heads = if run.is_empty() { vec![Word::new()] } else { run };
                run = product(&heads, &texts);
            }
            Some(texts) => found.push(std::mem::replace(&mut run, texts)),
            None => {
                found.push(std::mem::take(&mut run));
                found.extend(required(part));
            }
        }
    }
    found.push(run);
    found.retain(|group| !group.is_empty());
    found
}

fn product(heads: &[Word], tails: &[Word]) -> Vec<Word> {
    heads.iter().flat_map(|head| tails.iter().map(|tail| [head.as_slice(), tail].concat())).collect()
}

/// All texts that a part can match, where they are few.
fn exact(hir: &Hir) -> Option<Vec<Word>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Look(_) => Some(vec![Word::new()]),
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Class(Class::Bytes(class)) => {
            let bytes = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            let bytes: Vec<Word> = bytes.map(|byte| vec![byte]).take(MOST_TEXTS + 1).collect();
            (bytes.len() <= MOST_TEXTS).then_some(bytes)
        }
        HirKind::Concat(parts) => parts.iter().try_fold(vec![Word::new()], |heads, part| {
            let texts = exact(part)?;
            (heads.len() * texts.len() <= MOST_TEXTS).then(|| product(&heads, &texts))
        }),
        HirKind::Alternation(parts) => {
            let texts: Option<Vec<Vec<Word>>> = parts.iter().map(exact).collect();
            texts.map(|texts| texts.concat()).filter(|texts| texts.len() <= MOST_TEXTS)
        }
        HirKind::Repetition(repetition) if repetition.min == 0 && repetition.max == Some(1) => {
            let mut texts = exact(&repetition.sub)?;
            texts.push(Word::new());
            (texts.len() <= MOST_TEXTS).then_some(texts)
        }
        _ => None,
    }
}

/// Long words in a short list are found seldom and quickly.
#[allow(clippy::ptr_arg, reason = "it is the key function of groups that are vectors")]
fn worth(group: &Vec<Word>) -> (usize, std::cmp::Reverse<usize>) {
    (group.iter().map(Vec::len).min().unwrap_or(0).min(6), std::cmp::Reverse(group.len()))
}
