//! From the bytes of a stream to the lines that the CLI itself may have said.

mod control;
mod event;
mod noise;
mod wrap;

use crate::rule::Where;

/// A line that is longer keeps its two ends.
const LINE_BYTES: usize = 4096;
/// So many lines are kept of a stream, counted from its end.
const LINES: usize = 240;
/// So much is kept of a stream after cleaning.
const PAGE_BYTES: usize = 65_536;

/// The cleaned text of all streams: one line for each thing said.
#[derive(Debug, Default, Clone)]
pub struct Page {
    /// The lines, each ended by a newline.
    pub text: String,
    /// The same in ASCII lower case, offset for offset.
    pub lower: String,
    /// Where the lines lie in both.
    pub lines: Vec<Line>,
}

/// A line of a page.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Offset of its first byte.
    pub start: usize,
    /// Offset behind its last byte.
    pub end: usize,
    /// The stream that it came on.
    pub stream: Where,
    /// Whether the CLI says that it goes on trying: not its last word.
    pub transient: bool,
}

impl Page {
    /// Adds what was printed on a stream.
    pub fn add(&mut self, bytes: &[u8], stream: Where) {
        let text = control::strip(bytes);
        let lines = wrap::join(&noise::drop(&text));
        let mut kept: Vec<String> = Vec::new();
        let mut budget = PAGE_BYTES;
        for line in lines.iter().rev() {
            let Some(said) = event::said(line) else { continue };
            let said = tidy(&said);
            if said.is_empty() {
                continue;
            }
            if kept.len() == LINES || said.len() > budget {
                break;
            }
            budget -= said.len();
            kept.push(said);
        }
        for line in kept.iter().rev() {
            self.push(line, stream);
        }
    }

    /// Adds one line as it is.
    pub fn push(&mut self, line: &str, stream: Where) {
        let start = self.text.len();
        self.text.push_str(line);
        let end = self.text.len();
        self.text.push('\n');
        let lower = line.to_ascii_lowercase();
        self.lines.push(Line { start, end, stream, transient: is_transient(&lower) });
        self.lower.push_str(&lower);
        self.lower.push('\n');
    }

    /// The line in lower case.
    pub fn lower_line(&self, line: Line) -> &str {
        self.lower.get(line.start..line.end).unwrap_or("")
    }

    /// The line as it was printed.
    pub fn line(&self, line: Line) -> &str {
        self.text.get(line.start..line.end).unwrap_or("")
    }

    /// Which line the byte at `offset` belongs to.
    pub fn line_at(&self, offset: usize) -> Option<usize> {
        let after = self.lines.partition_point(|line| line.start <= offset);
        after.checked_sub(1)
    }
}

fn is_transient(lower: &str) -> bool {
    const GOES_ON: [&str; 9] = [
        "retrying",
        "reconnecting",
        "will retry",
        "(attempt ",
        "attempt 1/",
        "retry attempt",
        "trying again in",
        "backing off",
        "retries left",
    ];
    GOES_ON.iter().any(|word| lower.contains(word))
}

/// Makes one plain line: straight quotes, no escapes of nested JSON, single spaces, no bullet before it, not too long.
fn tidy(line: &str) -> String {
    let line = shorten(line.trim());
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let c = match c {
            '\u{2018}' | '\u{2019}' | '\u{2bc}' | '`' => '\'',
            '\u{201c}' | '\u{201d}' => '"',
            '\u{2026}' => {
                out.push_str("...");
                continue;
            }
            '\\' => match chars.peek() {
                Some('n' | 'r' | 't') => {
                    chars.next();
                    ' '
                }
                Some('"' | '\'' | '\\' | '/') => continue,
                _ => '\\',
            },
            c if c.is_whitespace() => ' ',
            c => c,
        };
        if c != ' ' || !out.ends_with(' ') {
            out.push(c);
        }
    }
    undecorated(&out).trim_end().to_owned()
}

fn shorten(line: &str) -> std::borrow::Cow<'_, str> {
    if line.len() <= LINE_BYTES {
        return line.into();
    }
    let head = line.floor_char_boundary(LINE_BYTES / 2);
    let tail = line.ceil_char_boundary(line.len() - LINE_BYTES / 2);
    format!("{} … {}", line.get(..head).unwrap_or(""), line.get(tail..).unwrap_or("")).into()
}

/// Takes bullets, box borders and other ornaments off both ends.
fn undecorated(line: &str) -> &str {
    let ornament = |c: char| c.is_whitespace() || (!c.is_ascii() && !c.is_alphanumeric());
    let border = |c: char| matches!(c, '|' | '*' | '#' | '~') || ornament(c);
    let line = line.trim_end_matches(|c: char| c == '|' || ornament(c));
    line.trim_start_matches(border)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let mut page = Page::default();
        page.add(text.as_bytes(), Where::Any);
        page.text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn ornaments_colours_and_quotes_go() {
        let text = "\x1b[31m│ ✗ You\u{2019}ve  hit your limit │\x1b[0m\r\n\0";
        assert_eq!(lines(text), ["You've hit your limit"]);
    }

    #[test]
    fn soft_wraps_are_joined() {
        let text = "litellm.RateLimitError: OpenAIException - Error code: \n429 - {'error': {'message': 'You exceeded your current quota, please \ncheck your plan and billing details.'}}\nRetrying in 1.0 seconds...\n";
        assert_eq!(lines(text).len(), 2);
    }

    #[test]
    fn nested_json_is_unescaped() {
        assert_eq!(
            lines(r#"API Error: {\"error\":{\"message\":\"a\\nb\"}}"#),
            [r#"API Error: {"error":{"message":"a b"}}"#]
        );
    }

    #[test]
    fn a_page_is_bounded() {
        let mut page = Page::default();
        page.add("(".repeat(1_000_000).as_bytes(), Where::Any);
        page.add("x\n".repeat(200_000).as_bytes(), Where::Any);
        assert!(page.text.len() < 2 * PAGE_BYTES);
        assert_eq!(page.text.len(), page.lower.len());
    }
}
