//! Printing rows: a table for people, fields separated by tabs for scripts, JSON for programs.

use crate::cli::{Color, Format, Print};
use crate::when;
use anyhow::{Context, Result};
use ar_core::config::with_nearest;
use ar_core::exit::{is_obeyed, one_line};
use ar_core::{Failure, Stamp};
use serde_json::Value;
use std::borrow::Cow;
use std::env;
use std::io::{IsTerminal, Write, stdout};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// An elastic column of a table is not squeezed below this width.
const NARROWEST: usize = 8;
/// Other texts are not squeezed below this width where columns can be left out instead.
const NARROW: usize = 16;
/// The width below which no text is squeezed as long as another can be.
const LETTERS: usize = 4;
/// Below so many columns times are short.
const SHORT_TIMES: usize = 70;
/// The space between columns.
const GAP: usize = 2;
pub const CANNOT: &str = "cannot write to standard output";

/// How a cell looks where colours are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    Plain,
    Head,
    Good,
    Bad,
    Busy,
    Faint,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Head => "1",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Busy => "33",
            Self::Faint => "2",
        }
    }
}

/// A cell of a table.
#[derive(Debug, Clone)]
pub struct Cell(pub String, pub Ink);

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self(text, Ink::Plain)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self(text.to_owned(), Ink::Plain)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(cell: Option<T>) -> Self {
        cell.map_or(Self("-".to_owned(), Ink::Faint), Into::into)
    }
}

/// A column: its head, and whether it holds numbers. A head in brackets, `[PROMPT]`, is that of the column that gives way
/// where the terminal is narrow; one in parentheses, `(COST)`, of a column that is left out where that is not enough.
pub type Column = (&'static str, bool);

/// The form that was asked for.
#[derive(Debug)]
pub struct Paper {
    pub format: Format,
    cols: Vec<String>,
    color: bool,
    /// Columns of the terminal; none where nobody looks, and nothing is cut.
    pub width: Option<usize>,
}

impl Paper {
    /// Reads the options and looks at standard output.
    pub fn new(print: &Print) -> Self {
        let format = match (print.json, print.format) {
            (true, _) => Format::Json,
            (false, Some(format)) => format,
            (false, None) if print.cols.is_empty() => Format::Table,
            (false, None) => Format::Tsv,
        };
        let color = match print.color.unwrap_or(Color::Auto) {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
                stdout().is_terminal()
                    && !set("NO_COLOR")
                    && env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        };
        Self { format, cols: print.cols.clone(), color, width: width() }
    }

    /// Prints objects as NDJSON, or some of their fields separated by tabs: `names` where none were asked for.
    pub fn objects(&self, names: &[&str], objects: impl IntoIterator<Item = Result<Value>>) -> Result<()> {
        let asked: Vec<&str> = self.cols.iter().map(String::as_str).collect();
        let cols = if asked.is_empty() { names } else { &asked[..] };
        for col in cols {
            let first = col.split('.').next().unwrap_or(col);
            if !names.contains(&first) && first != "record" {
                let failure = Failure::trouble(format!("there is no column '{col}'"));
                let failure = with_nearest(failure, first, names.iter().copied());
                let known = format!("there are {}", names.join(", "));
                return Err(if failure.hint.is_some() { failure } else { failure.hint(known) }.into());
            }
        }
        let mut out = stdout().lock();
        for object in objects {
            let object = object?;
            if self.format == Format::Json {
                let object = if asked.is_empty() { object } else { some(&object, cols) };
                writeln!(out, "{}", json_line(&object)).context(CANNOT)?;
            } else {
                let fields: Vec<String> = cols.iter().map(|col| field(&object, col)).collect();
                writeln!(out, "{}", fields.join("\t")).context(CANNOT)?;
            }
        }
        Ok(())
    }

    /// Prints a table.
    pub fn table(&self, columns: &[Column], rows: &[Vec<Cell>]) -> Result<()> {
        let heads = columns.iter().map(|(head, _)| Cell(word(head).to_owned(), Ink::Head));
        let heads: Vec<Cell> = heads.collect();
        let rows = shown(rows);
        let widths = self.widths(columns, &heads, &rows);
        let mut out = stdout().lock();
        for row in std::iter::once(&heads).chain(rows.iter()) {
            let line = self.line(columns, &widths, row);
            writeln!(out, "{line}").context(CANNOT)?;
        }
        Ok(())
    }

    /// One line without a table around it, for rows that come one by one.
    pub fn loose_line(&self, columns: &[Column], row: &[Cell]) -> String {
        let row: Vec<Cell> = row.iter().map(shown_cell).collect();
        let mut widths: Vec<usize> = row.iter().map(|cell| cell.0.width()).collect();
        self.squeeze(columns, &mut widths);
        self.line(columns, &widths, &row)
    }

    /// One line of a table whose widths are known. A column without width is left out.
    fn line(&self, columns: &[Column], widths: &[usize], row: &[Cell]) -> String {
        let mut line = String::new();
        let mut space = 0;
        for ((cell, (_, number)), width) in row.iter().zip(columns).zip(widths) {
            if *width == 0 {
                continue;
            }
            let text = fit(&cell.0, *width);
            let pad = width.saturating_sub(text.width());
            let (before, after) = if *number { (pad, 0) } else { (0, pad) };
            line.push_str(&" ".repeat(space + before));
            line.push_str(&self.paint(&text, cell.1));
            space = after + GAP;
        }
        line.trim_end().to_owned()
    }

    fn widths(&self, columns: &[Column], heads: &[Cell], rows: &[Vec<Cell>]) -> Vec<usize> {
        let mut widths: Vec<usize> = heads.iter().map(|head| head.0.width()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.0.width().max(*width);
            }
        }
        self.squeeze(columns, &mut widths);
        widths
    }

    /// Makes widths fit the terminal: the elastic column gives way first, then texts that are wide, then columns are left
    /// out from the right, and at last every text gives way. What is free then is given back.
    fn squeeze(&self, columns: &[Column], widths: &mut [usize]) {
        let Some(most) = self.width else { return };
        let wanted = widths.to_vec();
        for (index, (head, _)) in columns.iter().enumerate() {
            if head.starts_with('[') {
                shrink(widths, index, NARROWEST, most);
            }
        }
        let texts: Vec<usize> = (0..columns.len()).filter(|index| !columns[*index].1).collect();
        for index in texts.iter().skip(1) {
            shrink(widths, *index, NARROW, most);
        }
        for (index, (head, _)) in columns.iter().enumerate().rev() {
            if head.starts_with('(') {
                let excess = excess(widths, most);
                if let Some(width) = widths.get_mut(index).filter(|_| excess > 0) {
                    *width = 0;
                }
            }
        }
        // What was left out may have had more room than was missing.
        for index in texts.iter().rev() {
            grow(widths, *index, &wanted, most);
        }
        // A time or a name that is cut tells nothing, so the first column gives way last.
        for (narrowest, spared) in [(NARROWEST, 1), (LETTERS, 1), (NARROWEST, 0), (1, 0)] {
            for index in texts.iter().skip(spared).rev() {
                shrink(widths, *index, narrowest, most);
            }
        }
    }

    /// A time, without the year where the terminal is narrow.
    pub fn time(&self, at: Stamp) -> String {
        if self.width.is_some_and(|width| width < SHORT_TIMES) {
            when::show_short(at)
        } else {
            when::show(at)
        }
    }

    /// Text in colour, where colours are on.
    pub fn paint(&self, text: &str, ink: Ink) -> String {
        match ink.code() {
            code if self.color && !code.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

/// Cells without what a terminal would obey: a record that somebody else wrote may name its provider as it likes.
fn shown(rows: &[Vec<Cell>]) -> Cow<'_, [Vec<Cell>]> {
    if rows.iter().flatten().any(|cell| cell.0.contains(is_obeyed)) {
        Cow::Owned(rows.iter().map(|row| row.iter().map(shown_cell).collect()).collect())
    } else {
        Cow::Borrowed(rows)
    }
}

fn shown_cell(cell: &Cell) -> Cell {
    let text = if cell.0.contains(is_obeyed) { one_line(&cell.0) } else { cell.0.clone() };
    Cell(text, cell.1)
}

/// A column's head without what it says of the column.
fn word(head: &str) -> &str {
    let inside = |open, close| head.strip_prefix(open).and_then(|head| head.strip_suffix(close));
    inside('[', ']').or(inside('(', ')')).unwrap_or(head)
}

/// By how much columns of these widths are too wide.
fn excess(widths: &[usize], most: usize) -> usize {
    let shown = widths.iter().filter(|width| **width > 0).count();
    (widths.iter().sum::<usize>() + GAP * shown.saturating_sub(1)).saturating_sub(most)
}

/// Gives a column back what there is room for.
fn grow(widths: &mut [usize], index: usize, wanted: &[usize], most: usize) {
    let shown = widths.iter().filter(|width| **width > 0).count();
    let room = most.saturating_sub(widths.iter().sum::<usize>() + GAP * shown.saturating_sub(1));
    if let (Some(width), Some(wanted)) =
        (widths.get_mut(index).filter(|width| **width > 0), wanted.get(index))
    {
        *width = (*width + room).min(*wanted);
    }
}

/// Takes as much of a column as is too much, and leaves it a least width.
fn shrink(widths: &mut [usize], index: usize, least: usize, most: usize) {
    let excess = excess(widths, most);
    if let Some(width) = widths.get_mut(index) {
        *width = width.saturating_sub(excess).max(least.min(*width));
    }
}

/// The text, cut with an ellipsis where it is wider than `width` columns.
pub fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut fitting = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        fitting.push(c);
    }
    fitting.push('…');
    fitting
}

/// Some fields of an object, each by the name that it was asked for by.
fn some(object: &Value, paths: &[&str]) -> Value {
    let field = |path: &&str| ((*path).to_owned(), at(object, path).cloned().unwrap_or(Value::Null));
    Value::Object(paths.iter().map(field).collect())
}

/// Text of which no terminal obeys anything, and of which nothing is lost.
fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => line.push_str("\\\\"),
            '\t' => line.push_str("\\t"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            c if is_obeyed(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
    line
}

/// The value at a dotted path.
fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(object, |value, part| value.get(part))
}

/// A field at a dotted path. Tabs and newlines inside are written as `\t` and `\n`, so that a line stays a line.
fn field(object: &Value, path: &str) -> String {
    match at(object, path) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => escaped(text),
        Some(value) => json_line(value),
    }
}

/// JSON of which no terminal obeys anything: it may hold more control characters than JSON itself escapes.
fn json_line(value: &Value) -> String {
    let line = value.to_string();
    if !line.contains(is_obeyed) {
        return line;
    }
    let escaped = |c| if is_obeyed(c) { format!("\\u{:04x}", u32::from(c)) } else { String::from(c) };
    line.chars().map(escaped).collect()
}

fn width() -> Option<usize> {
    if !stdout().is_terminal() {
        return None;
    }
    let asked = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let size = || rustix::termios::tcgetwinsize(stdout()).ok().map(|size| usize::from(size.ws_col));
    asked.or_else(size).filter(|width| *width > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_is_cut_to_columns_not_to_bytes() {
        for (text, width, cut) in [
            ("hello", 5, "hello"),
            ("hello", 4, "hel…"),
            ("漢字漢字", 5, "漢字…"),
            ("漢字漢字", 4, "漢…"),
            ("", 0, ""),
        ] {
            assert_eq!(fit(text, width), cut, "{text} {width}");
        }
    }

    #[test]
    fn no_cell_gives_orders() {
        let row = vec!["\u{202e}p\n\u{1b}[31mred".into(), Cell::from("é漢\u{5d0}")];
        let cells: Vec<String> = shown(&[row])[0].iter().map(|cell| cell.0.clone()).collect();
        assert_eq!(cells, ["p [31mred", "é漢\u{5d0}"]);
    }

    #[test]
    fn the_elastic_column_gives_way() {
        let paper = Paper { format: Format::Table, cols: Vec::new(), color: false, width: Some(20) };
        let columns = [("A", false), ("[TEXT]", false), ("N", true)];
        let rows = vec![vec!["aaaa".into(), "a long text indeed".into(), "7".into()]];
        let heads: Vec<Cell> = columns.iter().map(|(head, _)| Cell::from(*head)).collect();
        let widths = paper.widths(&columns, &heads, &rows);
        assert_eq!(widths, [4, 11, 1]);
        assert_eq!(paper.line(&columns, &widths, &rows[0]), "aaaa  a long tex…  7");
    }

    #[test]
    fn a_table_fits_whatever_the_width() {
        let columns =
            [("TIME", false), ("RUN", false), ("RESULT", false), ("(COST)", true), ("[PROMPT]", false)];
        let row: Vec<Cell> =
            ["2026-11-20", "01KAG1B000000", "quota_exhausted (usage_limit)", "$0.1234", "hello you"]
                .map(Cell::from)
                .to_vec();
        for (width, line) in [
            (79, "2026-11-20  01KAG1B000000  quota_exhausted (usage_limit)  $0.1234  hello you"),
            (70, "2026-11-20  01KAG1B000000  quota_exhausted (usage_…  $0.1234  hello y…"),
            (60, "2026-11-20  01KAG1B000000  quota_exhausted (usag…  hello you"),
            (40, "2026-11-20  01KAG1B…  quota_e…  hello y…"),
            (36, "2026-11-20  01KAG1B…  quota_e…  hel…"),
            (26, "2026-11…  01K…  quo…  hel…"),
            (14, "2026…  …  …  …"),
        ] {
            let paper = Paper { format: Format::Table, cols: Vec::new(), color: false, width: Some(width) };
            let heads: Vec<Cell> = columns.iter().map(|(head, _)| Cell::from(*head)).collect();
            let widths = paper.widths(&columns, &heads, std::slice::from_ref(&row));
            let printed = paper.line(&columns, &widths, &row);
            assert!(printed.width() <= width, "{width}: {printed}");
            assert_eq!(printed, line, "{width}");
        }
    }

    #[test]
    fn a_field_stays_on_its_line() {
        let object = json!({"a": {"b": "x\ty\\\n"}, "n": 1, "z": null, "l": [1], "o": "\u{1b}[2J\u{9b}m", "t": {"k": "\u{9b}m"}});
        for (path, text) in [
            ("a.b", "x\\ty\\\\\\n"),
            ("n", "1"),
            ("z", ""),
            ("q", ""),
            ("l", "[1]"),
            ("o", "\\u{1b}[2J\\u{9b}m"),
            ("t", r#"{"k":"\u009bm"}"#),
        ] {
            assert_eq!(field(&object, path), text, "{path}");
        }
    }
}
