//! Charts as SVG. Each is a figure with a title, its units, a text alternative, and its numbers as a table.

use crate::list::precise;
use crate::paper::fit;
use ar_core::exit::is_obeyed;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// The width of every chart in its own units. It is that of a phone, so that text is never scaled down to dust.
const WIDTH: f64 = 400.0;
const ROW: f64 = 26.0;
/// So many letters have room across a chart, if they are not all wide, and so many beside flows.
const LETTERS: usize = 54;
const LETTERS_OF_FLOWS: usize = 14;

/// A figure: what it shows and in which units.
pub struct Figure<'a> {
    pub title: &'a str,
    pub units: &'a str,
    /// What the picture says, for those who do not see it.
    pub says: String,
    /// The heads of the numbers behind it, the numbers themselves.
    pub heads: &'a [&'a str],
    pub rows: Vec<Vec<String>>,
}

impl Figure<'_> {
    /// The figure around a drawing of this height.
    pub fn html(&self, id: &str, height: f64, drawing: &str, below: &str) -> String {
        let (title, units, says) = (escape(self.title), escape(self.units), escape(&self.says));
        if self.rows.is_empty() {
            return format!(
                "<figure><figcaption>{title}<small>{units}</small></figcaption><p>Nothing to show.</p></figure>\n"
            );
        }
        format!(
            "<figure><figcaption>{title}<small>{units}</small></figcaption>\n\
             <svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{says}</desc>\n{drawing}</svg>\n{below}\
             <details><summary>Numbers</summary>{}</details></figure>\n",
            table(self.heads, &self.rows)
        )
    }
}

/// A table; every column but the first is of numbers.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let class = |index: usize| if index == 0 { "" } else { " class=\"n\"" };
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = (usize, &str)>| {
        cells.fold(String::new(), |line, (index, cell)| {
            format!("{line}<{tag}{}>{}</{tag}>", class(index), escape(cell))
        })
    };
    let head = cells("th", &mut heads.iter().copied().enumerate());
    let body = rows.iter().fold(String::new(), |body, row| {
        format!("{body}<tr>{}</tr>\n", cells("td", &mut row.iter().map(String::as_str).enumerate()))
    });
    format!("<div class=\"wide\"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>")
}

/// A bar with its name above it and its words at its right end.
pub struct Bar {
    pub name: String,
    pub words: String,
    pub size: f64,
}

/// Bars below each other; gives their height and the drawing.
pub fn bars(bars: &[Bar], most: f64) -> (f64, String) {
    let mut svg = String::new();
    let mut y = 0.0;
    for bar in bars {
        let width = if most > 0.0 { (WIDTH * bar.size / most).clamp(0.0, WIDTH) } else { 0.0 };
        let short = escape(&fit(&bar.name, LETTERS.saturating_sub(bar.words.width() + 2)));
        let (name, words) = (escape(&bar.name), escape(&bar.words));
        // Writing into a text cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"0\" y=\"{:.0}\">{short}</text><text class=\"faint\" x=\"{WIDTH}\" y=\"{:.0}\" text-anchor=\"end\">{words}</text>\
             <rect class=\"bar\" x=\"0\" y=\"{:.0}\" width=\"{width:.1}\" height=\"9\" rx=\"2\"><title>{name}: {words}</title></rect>",
            y + 12.0,
            y + 12.0,
            y + 17.0,
        );
        y += ROW + 8.0;
    }
    (y.max(1.0), svg)
}

/// A column of a chart over time: its label, and what it is made of.
pub struct Column {
    pub label: String,
    pub parts: Vec<(&'static str, i64)>,
}

/// Columns over time; gives their height and the drawing.
pub fn columns(columns: &[Column]) -> (f64, String) {
    const HEIGHT: f64 = 160.0;
    const LEFT: f64 = 44.0;
    const WIDEST: f64 = 40.0;
    let total = |column: &Column| column.parts.iter().map(|(_, count)| *count).sum::<i64>();
    let most = columns.iter().map(total).max().unwrap_or(0).max(1);
    let number = precise(i64::try_from(columns.len()).unwrap_or(1)).max(1.0);
    let step = (WIDTH - LEFT) / number;
    let mut svg = String::new();
    let mut marks = vec![0, most / 2, most];
    marks.dedup();
    for label in marks {
        let y = HEIGHT - (HEIGHT - 12.0) * precise(label) / precise(most);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"faint\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 6.0,
            y + 4.0
        );
    }
    let mut x = LEFT;
    for column in columns {
        let mut y = HEIGHT;
        for (class, count) in column.parts.iter().filter(|(_, count)| *count > 0) {
            let height = (HEIGHT - 12.0) * precise(*count) / precise(most);
            y -= height;
            let _ = write!(
                svg,
                "<rect class=\"c-{class}\" x=\"{x:.2}\" y=\"{y:.2}\" width=\"{:.2}\" height=\"{height:.2}\">\
                 <title>{}: {class} {count}</title></rect>",
                (step * 0.86).clamp(0.5, WIDEST),
                escape(&column.label)
            );
        }
        x += step;
    }
    let ends = [(columns.first(), LEFT, "start"), (columns.last(), WIDTH, "end")];
    for (column, x, anchor) in ends.into_iter().take(columns.len()) {
        let label = escape(column.map_or("", |column| &column.label));
        let _ = write!(
            svg,
            "<text class=\"faint\" x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">{label}</text>",
            HEIGHT + 18.0
        );
    }
    (HEIGHT + 24.0, svg)
}

/// A span on a line of a timeline, in parts of the whole width.
pub struct Span {
    pub from: f64,
    pub to: f64,
    pub class: String,
    pub says: String,
}

/// Lines of spans under a common time; gives their height and the drawing.
pub fn timeline(lines: &[(String, Vec<Span>)], from: &str, to: &str) -> (f64, String) {
    let mut svg = String::new();
    let mut y = 0.0;
    for (name, spans) in lines {
        let _ = write!(svg, "<text x=\"0\" y=\"{:.0}\">{}</text>", y + 12.0, escape(&fit(name, LETTERS)));
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{0:.0}\" y2=\"{0:.0}\"/>",
            y + 22.0
        );
        for span in spans {
            let (from, to) = (span.from.clamp(0.0, 1.0) * WIDTH, span.to.clamp(0.0, 1.0) * WIDTH);
            let _ = writeln!(
                svg,
                "<rect class=\"c-{}\" x=\"{:.2}\" y=\"{:.0}\" width=\"{:.2}\" height=\"10\"><title>{}</title></rect>",
                escape(&span.class),
                from.min(WIDTH - 2.0),
                y + 17.0,
                (to - from).max(2.0),
                escape(&span.says)
            );
        }
        y += ROW + 8.0;
    }
    let _ = write!(
        svg,
        "<text class=\"faint\" x=\"0\" y=\"{0:.0}\">{from}</text>\
         <text class=\"faint\" x=\"{WIDTH}\" y=\"{0:.0}\" text-anchor=\"end\">{to}</text>",
        y + 12.0
    );
    (y + 18.0, svg)
}

/// Flows from names at the left to names at the right; gives their height and the drawing.
pub fn flows(flows: &[(String, String, i64)]) -> (f64, String) {
    let mut left: Vec<&str> = flows.iter().map(|(from, _, _)| from.as_str()).collect();
    let mut right: Vec<&str> = flows.iter().map(|(_, to, _)| to.as_str()).collect();
    for names in [&mut left, &mut right] {
        names.sort_unstable();
        names.dedup();
    }
    let most = precise(flows.iter().map(|(_, _, count)| *count).max().unwrap_or(1).max(1));
    let y = |names: &[&str], name: &str| {
        let index = names.iter().position(|known| *known == name).unwrap_or(0);
        ROW * (precise(i64::try_from(index).unwrap_or(0)) + 0.6)
    };
    let mut svg = String::new();
    for (from, to, count) in flows {
        let (start, end) = (y(&left, from), y(&right, to));
        let _ = writeln!(
            svg,
            "<path class=\"flow\" d=\"M110 {start:.1} C200 {start:.1} 200 {end:.1} 290 {end:.1}\" stroke-width=\"{:.1}\">\
             <title>{} to {}: {count}</title></path>",
            (12.0 * precise(*count) / most).max(1.5),
            escape(from),
            escape(to)
        );
    }
    for (names, x, anchor) in [(&left, 104, "end"), (&right, 296, "start")] {
        for name in names {
            let at = y(names, name) + 4.0;
            let short = fit(name, LETTERS_OF_FLOWS);
            let _ = write!(
                svg,
                "<text x=\"{x}\" y=\"{at:.1}\" text-anchor=\"{anchor}\">{}</text>",
                escape(&short)
            );
        }
    }
    let lines = precise(i64::try_from(left.len().max(right.len())).unwrap_or(1));
    (ROW * lines + 6.0, svg)
}

/// What the colours of outcomes mean.
pub fn key<'a>(outcomes: impl IntoIterator<Item = &'a str>) -> String {
    let items = outcomes.into_iter().map(|name| {
        let name = escape(name);
        format!(
            "<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\">\
             <rect class=\"c-{name}\" width=\"10\" height=\"10\"/></svg>{name}</li>"
        )
    });
    format!("<ul class=\"key\">{}</ul>\n", items.collect::<String>())
}

/// Text as HTML has it.
pub fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c if is_obeyed(c) => html.push(' '),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(escape("<a href='x'>\"&\u{1b}\u{202e}"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;  ");
    }

    #[test]
    fn a_long_name_leaves_room_for_the_words() {
        let bar = Bar { name: "x".repeat(300), words: "75.1 % of 614".into(), size: 1.0 };
        let (_, svg) = bars(&[bar], 1.0);
        assert!(svg.contains(&format!(">{}…</text>", "x".repeat(38))), "{svg}");
        assert!(svg.contains(&format!("<title>{}: 75.1", "x".repeat(300))), "{svg}");
    }

    #[test]
    fn what_is_drawn_stays_inside() {
        let (height, svg) = bars(&[Bar { name: "a".into(), words: "9".into(), size: 9.0 }], 3.0);
        assert!(height > 0.0 && svg.contains("width=\"400.0\""), "{svg}");
        let (_, one) = columns(&[Column { label: "day".into(), parts: vec![("ok", 1)] }]);
        assert_eq!(
            (one.matches(">0</text>").count(), one.matches("width=\"40.00\"").count()),
            (1, 1),
            "{one}"
        );
        let (_, empty) = columns(&[]);
        assert!(!empty.contains("NaN") && !empty.contains("inf"), "{empty}");
        let span = Span { from: -1.0, to: 7.0, class: "ok".into(), says: String::new() };
        let (_, line) = timeline(&[("a".into(), vec![span])], "x", "y");
        assert!(line.contains("x=\"0.00\"") && line.contains("width=\"400.00\""), "{line}");
    }
}
