//! Terminal control sequences and bytes that are no text.

/// Decodes a stream and takes out what is meant for a terminal. A carriage return ends a line: it starts a progress
/// bar over.
pub fn strip(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            '\n' | '\t' => out.push(c),
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            // A backspace over an underscore or the letter itself is how manual pages print bold.
            '\u{8}' => {
                out.pop();
            }
            c if c.is_control() || matches!(c, '\u{200b}' | '\u{feff}' | '\u{fe0f}') => {}
            c => out.push(c),
        }
    }
    out
}

fn skip_sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            for c in chars.by_ref() {
                if ('\u{40}'..='\u{7e}').contains(&c) {
                    return;
                }
            }
        }
        // An operating system command ends at BEL or at ESC \; one that never ends must not swallow the text.
        Some(']') => {
            let mut ahead = chars.clone();
            for _ in 0..2048 {
                match ahead.next() {
                    Some('\u{7}') => {
                        *chars = ahead;
                        return;
                    }
                    Some('\u{1b}') => {
                        ahead.next();
                        *chars = ahead;
                        return;
                    }
                    Some(_) => {}
                    None => return,
                }
            }
        }
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::strip;

    #[test]
    fn sequences_go_and_text_stays() {
        let cases: [(&[u8], &str); 6] = [
            (b"a\x1b[1;31mb\x1b[0mc", "abc"),
            (b"\x1b]8;;http://x\x07link\x1b]8;;\x1b\\ end", "link end"),
            (b"\x1b]never ended", "never ended"),
            (b"10%\r20%\r\ndone", "10%\n20%\ndone"),
            (b"\0\xff\x08", ""),
            (b"tail\x1b", "tail"),
        ];
        for (bytes, text) in cases {
            assert_eq!(strip(bytes), text);
        }
    }
}
