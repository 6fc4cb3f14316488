//! Lines that a terminal or a logger broke, and JSON bodies printed over many lines, become one line again.

/// Nobody wraps at less.
const NARROWEST: usize = 40;
/// A body of JSON longer than this is not one.
const BODY_LINES: usize = 120;
/// So many wrapped lines make one at most.
const WRAPPED_LINES: usize = 40;

/// Joins what belongs together.
pub fn join(lines: &[&str]) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(lines.len());
    let mut rest = lines;
    let mut joined = 0;
    let mut previous = "";
    while let Some((line, after)) = rest.split_first() {
        if opens_body(line)
            && let Some(length) = body_length(rest)
        {
            let body: Vec<&str> = rest.iter().take(length).map(|line| line.trim()).collect();
            out.push(body.join(" "));
            rest = rest.get(length..).unwrap_or(&[]);
            (previous, joined) = ("", 0);
            continue;
        }
        match out.last_mut() {
            Some(last) if joined < WRAPPED_LINES && is_wrapped(previous, line) => {
                if !last.ends_with(char::is_whitespace) {
                    last.push(' ');
                }
                last.push_str(line.trim_start());
                joined += 1;
            }
            _ => {
                out.push((*line).to_owned());
                joined = 0;
            }
        }
        previous = line;
        rest = after;
    }
    out
}

fn opens_body(line: &str) -> bool {
    line.trim_end().ends_with(['{', '['])
}

/// How many lines the body that opens on the first one takes, none where it does not close.
fn body_length(lines: &[&str]) -> Option<usize> {
    let mut depth = 0_i32;
    for (index, line) in lines.iter().take(BODY_LINES).enumerate() {
        for byte in line.bytes() {
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
        }
        if depth <= 0 {
            return Some(index + 1);
        }
    }
    // A body that was cut off is one as long as its lines look like JSON, or go on with a text that a terminal wrapped.
    let mut in_text = false;
    let belongs = |line: &&&str| {
        let fits = in_text || looks_like_json(line);
        in_text ^= ends_inside_a_text(line);
        fits
    };
    let cut = lines.iter().take(BODY_LINES).take_while(belongs).count();
    (cut > 1).then_some(cut)
}

/// Whether the line opens a text that it does not close, or closes one that it did not open.
fn ends_inside_a_text(line: &str) -> bool {
    line.replace("\\\"", "").matches('"').count() % 2 == 1
}

fn looks_like_json(line: &str) -> bool {
    let line = line.trim();
    line.ends_with(['{', '[', ',', '}', ']', '+']) || line.starts_with(['"', '\'', '}', ']'])
}

/// Whether `line` continues `previous`, which was too long for its terminal.
fn is_wrapped(previous: &str, line: &str) -> bool {
    let width = previous.chars().count();
    let (before, next) = (previous.trim_end(), line.trim_start());
    let (Some(last), Some(first)) = (before.chars().next_back(), next.chars().next()) else { return false };
    if is_a_start(next) {
        return false;
    }
    // A status that ends a line is waiting for its body, whatever the width.
    if first == '{' && (last.is_ascii_digit() || last == ':') {
        return true;
    }
    if width < NARROWEST || matches!(last, '.' | '!' | '?' | ';' | '}' | '{') {
        return false;
    }
    first.is_lowercase()
        || first.is_ascii_digit()
        || matches!(first, '\'' | '"' | '(')
        || matches!(last, '(' | ',' | '-')
        || (last == ':' && before.matches('(').count() > before.matches(')').count())
}

/// Words that begin a new message however long the line before was.
fn is_a_start(line: &str) -> bool {
    const STARTS: [&str; 8] = ["error", "warn", "at ", "fatal", "info", "file \"", "npm ", "retrying"];
    let head = line.get(..line.floor_char_boundary(12)).unwrap_or("").to_ascii_lowercase();
    let stamp = head.len() >= 10
        && head.bytes().take(4).all(|b| b.is_ascii_digit())
        && head.as_bytes().get(4) == Some(&b'-');
    stamp || STARTS.iter().any(|start| head.starts_with(start))
}
