//! Lines that are not the CLI speaking: stack frames, diffs, quotations, fenced code, echoed prompts.

/// More frames than this below an error tell nothing new.
const FRAMES: usize = 40;

/// Keeps the lines that the CLI may have said.
pub fn drop(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let mut kept = Vec::with_capacity(lines.len());
    let mut state = State::default();
    for (index, line) in lines.iter().enumerate() {
        let rest = lines.get(index + 1..).unwrap_or(&[]);
        if state.keeps(line, rest) {
            kept.push(*line);
        }
    }
    kept
}

/// How far the output of codex went: it prints a banner between two rules and then everything that it does.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Codex {
    #[default]
    Unseen,
    Banner,
    Settings,
    /// The prompt, commands, their output, prose.
    Session,
    /// Behind an error, which may have more lines.
    Error,
}

#[derive(Default)]
struct State {
    /// Inside a fence that is closed further down.
    fenced: bool,
    /// Lines of a diff's hunk that are still to come.
    hunk: usize,
    codex: Codex,
    /// The message of a panic stands below its place.
    panicked: bool,
    /// Inside a paragraph that the agent marked as its prose.
    prose: bool,
    /// How far the frame of a traceback is indented, whose source line may follow.
    framed: Option<usize>,
}

impl State {
    fn keeps(&mut self, line: &str, rest: &[&str]) -> bool {
        let trimmed = line.trim();
        if trimmed.starts_with("```") {
            self.fenced = !self.fenced && rest.iter().any(|line| line.trim() == "```");
            return false;
        }
        if self.fenced {
            return false;
        }
        if self.in_session(trimmed) || self.in_prose(line) {
            return false;
        }
        if std::mem::take(&mut self.panicked) {
            return false;
        }
        let indent = line.len() - line.trim_start().len();
        if self.framed.is_some_and(|frame| indent > frame) {
            return false;
        }
        self.framed = (trimmed.starts_with("File \"") && trimmed.contains(", line ")).then_some(indent);
        if trimmed.contains(" panicked at ") {
            self.panicked = true;
            return false;
        }
        !self.in_diff(line)
            && !is_thrown_by_task(rest)
            && !is_frame(trimmed)
            && !is_quoted(trimmed)
            && !is_test_mark(trimmed)
            && !is_table_row(trimmed)
            && !is_source_excerpt(line)
    }

    /// Whether the line belongs to a session of codex, of which only the errors are its own word.
    fn in_session(&mut self, line: &str) -> bool {
        // In lower case it is what a command of the session printed.
        let is_error = line.starts_with("ERROR");
        let is_heading = matches!(line, "user" | "codex" | "thinking" | "exec" | "tokens used");
        self.codex = match (self.codex, line) {
            (_, line) if line.starts_with("OpenAI Codex") => Codex::Banner,
            (Codex::Banner, "--------") => Codex::Settings,
            (Codex::Settings, "--------") => Codex::Session,
            (Codex::Session, _) if is_error => Codex::Error,
            (Codex::Error, _) if is_heading => Codex::Session,
            (state, _) => state,
        };
        self.codex == Codex::Session
    }

    /// Claude and qwen mark what they say with a dot, gemini with a star; its further lines are indented.
    fn in_prose(&mut self, line: &str) -> bool {
        let said = line.strip_prefix("⏺ ").or_else(|| line.strip_prefix("✦ "));
        self.prose = match said {
            Some(said) => !said.starts_with("API Error"),
            None => self.prose && line.starts_with("  ") && !line.trim_start().starts_with('⎿'),
        };
        self.prose
    }

    fn in_diff(&mut self, line: &str) -> bool {
        if let Some(lines) = hunk_lines(line) {
            self.hunk = lines;
            return true;
        }
        let first = line.bytes().next();
        if self.hunk > 0 && matches!(first, Some(b'+' | b'-' | b' ' | b'\\') | None) {
            self.hunk -= 1;
            return true;
        }
        self.hunk = 0;
        if line.starts_with("diff --git ") || line.starts_with("+++ ") || line.starts_with("--- ") {
            return true;
        }
        // A bullet has one space behind its dash, a changed line of a program hardly ever.
        let bytes = line.as_bytes();
        let second = bytes.get(1).copied();
        let is_code = second == Some(b' ') && bytes.get(2) == Some(&b' ')
            || matches!(second, Some(b'\'' | b'"' | b'{' | b'}' | b'<' | b'(' | b'[' | b'\t'))
            || line.ends_with(['{', ';', '(']);
        first == Some(b'+') || (first == Some(b'-') && is_code)
    }
}

/// How many lines the hunk that `@@ -a,b +c,d @@` opens has at most.
fn hunk_lines(line: &str) -> Option<usize> {
    let range = line.strip_prefix("@@ -")?;
    let (old, after) = range.split_once(" +")?;
    let (new, _) = after.split_once(" @@")?;
    let count = |range: &str| match range.split_once(',') {
        Some((_, count)) => count.parse::<usize>().ok(),
        None => Some(1),
    };
    Some(count(old)?.saturating_add(count(new)?).min(10_000))
}

fn is_frame(line: &str) -> bool {
    let node = line.strip_prefix("at ").is_some_and(|place| {
        place.ends_with(')')
            || place.bytes().next_back().is_some_and(|b| b.is_ascii_digit())
            || place.starts_with("async ")
    });
    node || (line.starts_with("File \"") && line.contains(", line "))
}

/// Whether the frames of JavaScript below a line lead through the sources or the tests of the work, and through no
/// installed agent.
fn is_thrown_by_task(rest: &[&str]) -> bool {
    const SOURCES: [&str; 6] = ["/src/", "/test/", "/tests/", "/spec/", ".test.", ".spec."];
    const AGENTS: [&str; 7] = ["node_modules/@", "bunfs", "~BUN", "/bundle/", "/cli.", "/chunk", "-cli/"];
    const ENDINGS: [&str; 6] = [".js:", ".ts:", ".tsx:", ".jsx:", ".mjs:", ".cjs:"];
    let lines = rest.iter().map(|line| line.trim()).skip_while(|line| line.is_empty());
    let mut is_own = false;
    for frame in lines.take_while(|line| line.starts_with("at ")).take(FRAMES) {
        let has = |words: &[&str]| words.iter().any(|word| frame.contains(word));
        if has(&AGENTS) {
            return false;
        }
        is_own |= has(&ENDINGS) && has(&SOURCES) && !frame.contains("node_modules");
    }
    is_own
}

/// `× refuses an expired token 5ms`, as runners of tests mark what they ran.
fn is_test_mark(line: &str) -> bool {
    let line = line.trim_end_matches(')');
    line.starts_with(['×', '✕', '✗', '✘', '✓', '✔', '✖'])
        && (line.ends_with("ms") || line.ends_with(" s"))
        && line.trim_end_matches(['m', 's', ' ']).ends_with(|c: char| c.is_ascii_digit())
}

/// A row of a table in Markdown; the boxes of terminals have other borders.
fn is_table_row(line: &str) -> bool {
    line.starts_with('|') && line.ends_with('|') && line.matches('|').count() > 2
}

/// Quotations, what pytest marks, and the points of lists.
fn is_quoted(line: &str) -> bool {
    const MARKS: [&str; 6] = ["> ", "E   ", "- `", "* `", "- **", "* **"];
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let is_point = (1..3).contains(&digits) && line.get(digits..).is_some_and(|rest| rest.starts_with(". "));
    is_point || MARKS.iter().any(|mark| line.starts_with(mark))
}

/// `12 | let x = 1;` as compilers show a source line, and the `-->` that names its place.
fn is_source_excerpt(line: &str) -> bool {
    let line = line.trim_start();
    if line.starts_with("--> ") || (line.starts_with('|') && line.contains('^')) {
        return true;
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && line.get(digits..).is_some_and(|rest| rest.trim_start().starts_with('|'))
}

#[cfg(test)]
mod tests {
    use super::drop;

    #[test]
    fn what_others_said_is_dropped() {
        let cases = [
            ("a\n```\n429\n```\nb", vec!["a", "b"]),
            ("```never closed\nb", vec!["b"]),
            ("@@ -1,2 +1,2 @@\n+429\n-428\nend", vec!["end"]),
            ("+  429", vec![]),
            ("- a bullet", vec!["- a bullet"]),
            ("Error: x\n    at f (file.js:1:2)", vec!["Error: x"]),
            ("> 429 quoted", vec![]),
            ("12 |   ApiError::RateLimit", vec![]),
        ];
        for (text, kept) in cases {
            assert_eq!(drop(text), kept, "{text}");
        }
    }

    #[test]
    fn of_a_codex_session_only_the_errors_stay() {
        let text = "OpenAI Codex v0.1\n--------\nmodel: x\n--------\nuser\nwhy 429 rate limit exceeded?\nERROR: You've hit\nmore";
        assert_eq!(drop(text).last(), Some(&"more"));
        assert!(!drop(text).iter().any(|line| line.contains("429")));
    }
}
