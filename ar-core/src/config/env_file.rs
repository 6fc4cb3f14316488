//! The lines of an `env_file`.

/// The lines that are neither empty nor a comment, each with its number, counted from 1: the variable and its value, None
/// for a line that is no `NAME=value`.
///
/// A leading `export` is passed over, one pair of quotes around a value goes away, and nothing in it is expanded.
pub fn assignments(text: &[u8]) -> impl Iterator<Item = (usize, Option<(&str, &[u8])>)> {
    let lines = (1..).zip(text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
        .map(|(number, line)| (number, assignment(line)))
}

fn assignment(line: &[u8]) -> Option<(&str, &[u8])> {
    let line = line.strip_prefix(b"export ").unwrap_or(line).trim_ascii_start();
    let equals = line.iter().position(|byte| *byte == b'=')?;
    let (name, value) = line.split_at(equals);
    let is_name = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let value = unquoted(value.get(1..)?)?;
    Some((str::from_utf8(name).ok()?, value)).filter(|_| is_name && !value.contains(&0))
}

/// A value without its quotes. One that is quoted in part is what a shell or another reader of such files would see in
/// another way than we do.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    match value.split_first() {
        Some((quote @ (b'"' | b'\''), rest)) => {
            rest.strip_suffix(&[*quote]).filter(|inner| *quote == b'"' || !inner.contains(quote))
        }
        _ => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_and_values() {
        for (line, expected) in [
            ("A=b", Some(("A", "b"))),
            ("export A=b=c", Some(("A", "b=c"))),
            ("A=", Some(("A", ""))),
            ("A=\"b c\"", Some(("A", "b c"))),
            ("A='\"'", Some(("A", "\""))),
            ("A=\"", None),
            ("A=\"b\" # c", None),
            ("A='b' 'c'", None),
            ("A", None),
            ("A B=c", None),
        ] {
            let text = format!("# keys\n\n {line} \n");
            let expected = expected.map(|(name, value)| (name, value.as_bytes()));
            assert_eq!(assignments(text.as_bytes()).collect::<Vec<_>>(), [(3, expected)], "{line}");
        }
    }
}
