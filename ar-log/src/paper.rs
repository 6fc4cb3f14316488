//! Printing rows: a table for people, fields separated by tabs for scripts, JSON for programs.

use crate::cli::{Color, Format, Print};
use anyhow::{Context, Result};
use ar_core::Failure;
use ar_core::config::with_nearest;
use serde_json::Value;
use std::env;
use std::io::{IsTerminal, Write, stdout};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// An elastic column of a table is never squeezed below this width.
const NARROWEST: usize = 8;
const CANNOT: &str = "cannot write to standard output";

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
/// where the terminal is narrow.
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
                writeln!(out, "{object}").context(CANNOT)?;
            } else {
                let fields: Vec<String> = cols.iter().map(|col| field(&object, col)).collect();
                writeln!(out, "{}", fields.join("\t")).context(CANNOT)?;
            }
        }
        Ok(())
    }

    /// Prints a table.
    pub fn table(&self, columns: &[Column], rows: &[Vec<Cell>]) -> Result<()> {
        let heads = columns.iter().map(|(head, _)| Cell(head.trim_matches(['[', ']']).to_owned(), Ink::Head));
        let heads: Vec<Cell> = heads.collect();
        let widths = self.widths(columns, &heads, rows);
        let mut out = stdout().lock();
        for row in std::iter::once(&heads).chain(rows) {
            let line = self.line(columns, &widths, row);
            writeln!(out, "{line}").context(CANNOT)?;
        }
        Ok(())
    }

    /// One line without a table around it, for rows that come one by one. The elastic column gets what is left.
    pub fn loose_line(&self, columns: &[Column], row: &[Cell]) -> String {
        let mut widths: Vec<usize> = row.iter().map(|cell| cell.0.width()).collect();
        let total = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        let excess = self.width.map_or(0, |width| total.saturating_sub(width));
        if let Some(last) = widths.last_mut() {
            *last = last.saturating_sub(excess).max(NARROWEST.min(*last));
        }
        self.line(columns, &widths, row)
    }

    /// One line of a table whose widths are known.
    fn line(&self, columns: &[Column], widths: &[usize], row: &[Cell]) -> String {
        let mut line = String::new();
        for (index, ((cell, (_, number)), width)) in row.iter().zip(columns).zip(widths).enumerate() {
            let text = fit(&cell.0, *width);
            let pad = " ".repeat(width.saturating_sub(text.width()));
            let last = index + 1 == row.len();
            if *number {
                line.push_str(&pad);
            }
            line.push_str(&self.paint(&text, cell.1));
            if !*number && !last {
                line.push_str(&pad);
            }
            if !last {
                line.push_str("  ");
            }
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
        let total = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        let excess = self.width.map_or(0, |width| total.saturating_sub(width));
        let elastic = columns.iter().position(|(head, _)| head.starts_with('['));
        if let Some(width) = elastic.and_then(|elastic| widths.get_mut(elastic)) {
            *width = width.saturating_sub(excess).max(NARROWEST.min(*width));
        }
        widths
    }

    /// Text in colour, where colours are on.
    pub fn paint(&self, text: &str, ink: Ink) -> String {
        match ink.code() {
            code if self.color && !code.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
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

/// A field at a dotted path. Tabs and newlines inside are written as `\t` and `\n`, so that a line stays a line.
fn field(object: &Value, path: &str) -> String {
    match path.split('.').try_fold(object, |value, part| value.get(part)) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => {
            text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
        }
        Some(value) => value.to_string(),
    }
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
    fn a_field_stays_on_its_line() {
        let object = json!({"a": {"b": "x\ty\\\n"}, "n": 1, "z": null, "l": [1]});
        for (path, text) in [("a.b", "x\\ty\\\\\\n"), ("n", "1"), ("z", ""), ("q", ""), ("l", "[1]")] {
            assert_eq!(field(&object, path), text, "{path}");
        }
    }
}
