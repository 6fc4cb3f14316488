//! The words that a pattern cannot match without, so that most patterns are never compiled.
//!
//! Included by the build script too, which writes the words beside the rules that are compiled in.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// More texts than this are not listed for a part of a pattern.
const MOST_TEXTS: usize = 24;
/// A distance that nothing bounds.
pub const ANY_REACH: usize = usize::MAX;

/// Words one of which every match holds, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The words.
    pub words: Vec<String>,
    /// At most so many bytes behind the word of the link before, or behind the start of the match.
    pub reach: usize,
}

/// What is known of a pattern before it is compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needles {
    /// Every match holds one word of each link, in this order; empty where none is known.
    pub chain: Vec<Link>,
    /// Which link is found seldom and quickly.
    pub telling: usize,
    /// Whether the pattern is nothing but its words, so that finding one is the match.
    pub plain: bool,
    /// Whether every match starts where the line does.
    pub anchored: bool,
}

/// Reads a pattern and tells the words that it needs, or why it is no pattern.
pub fn of(pattern: &str) -> Result<Needles, Box<regex_syntax::Error>> {
    let hir =
        ParserBuilder::new().unicode(false).utf8(false).multi_line(true).build().parse(&expand(pattern))?;
    let mut parts = Vec::new();
    flatten(&hir, &mut parts);
    let chain: Vec<Link> =
        links(&parts).into_iter().filter_map(|(words, reach)| link(words, reach)).collect();
    let telling =
        (0..chain.len()).max_by_key(|index| (chain.get(*index).map(telling), std::cmp::Reverse(*index)));
    Ok(Needles { telling: telling.unwrap_or(0), plain: is_plain(&hir), anchored: is_anchored(&hir), chain })
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

fn link(words: Vec<Word>, reach: usize) -> Option<Link> {
    let words = words.into_iter().map(|word| String::from_utf8(word).ok()).collect::<Option<_>>()?;
    Some(Link { words, reach })
}

/// Long words in a short list are found seldom and quickly.
fn telling(link: &Link) -> (usize, std::cmp::Reverse<usize>) {
    let shortest = link.words.iter().map(String::len).min().unwrap_or(0);
    (shortest.min(6), std::cmp::Reverse(link.words.len()))
}

fn is_anchored(hir: &Hir) -> bool {
    hir.properties().look_set_prefix().contains(Look::StartLF)
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

/// The parts of a pattern that follow each other.
fn flatten<'h>(hir: &'h Hir, parts: &mut Vec<&'h Hir>) {
    match hir.kind() {
        HirKind::Concat(inner) => inner.iter().for_each(|part| flatten(part, parts)),
        HirKind::Capture(capture) => flatten(&capture.sub, parts),
        _ => parts.push(hir),
    }
}

/// The words of the parts, each with its greatest distance from those before.
fn links(parts: &[&Hir]) -> Vec<(Vec<Word>, usize)> {
    let mut chain = Chain::default();
    for part in parts {
        let longest = part.properties().maximum_len().unwrap_or(ANY_REACH);
        match exact(part) {
            Some(texts) => chain.append(&texts),
            None => match required(part).into_iter().filter(|group| shortest(group) >= 2).max_by_key(worth) {
                // The word may stand at either end of its part.
                Some(group) => {
                    chain.skip(longest);
                    chain.push(group);
                    chain.skip(longest);
                }
                None => chain.skip(longest),
            },
        }
    }
    chain.end_run();
    chain.links
}

/// The links of a pattern as its parts are read. Neighbours that match few texts are read as one.
#[derive(Default)]
struct Chain {
    links: Vec<(Vec<Word>, usize)>,
    run: Vec<Word>,
    distance: usize,
}

impl Chain {
    fn append(&mut self, texts: &[Word]) {
        if self.run.len().max(1) * texts.len() > MOST_TEXTS {
            self.end_run();
        }
        self.run = if self.run.is_empty() { texts.to_vec() } else { product(&self.run, texts) };
    }

    fn skip(&mut self, longest: usize) {
        self.end_run();
        self.distance = self.distance.saturating_add(longest);
    }

    fn push(&mut self, words: Vec<Word>) {
        self.links.push((words, std::mem::take(&mut self.distance)));
    }

    fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        if shortest(&run) >= 2 {
            self.push(run);
        } else {
            let longest = run.iter().map(Vec::len).max().unwrap_or(0);
            self.distance = self.distance.saturating_add(longest);
        }
    }
}

fn shortest(group: &[Word]) -> usize {
    group.iter().map(Vec::len).min().unwrap_or(0)
}

/// The groups of a sequence inside a part.
fn sequence(parts: &[Hir]) -> Vec<Vec<Word>> {
    let mut flat = Vec::new();
    for part in parts {
        flatten(part, &mut flat);
    }
    links(&flat).into_iter().map(|(words, _)| words).collect()
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
