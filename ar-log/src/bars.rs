//! Bars and trends, drawn with the block elements of Unicode, or with ASCII where the locale has none.

use std::env;
use std::sync::OnceLock;

/// The widest bar of a chart, in columns.
const BAR: i64 = 24;
/// The widest trend, in columns.
const TREND: usize = 14;

/// A bar in eighths of a column; what is not nothing shows.
pub fn bar(size: i64, most: i64) -> String {
    draw_bar(size, most, blocks())
}

/// A column for each number, as high as it is beside the greatest; where there are too many, for as many of them together
/// as it takes. What is not nothing shows.
pub fn trend(numbers: &[i64]) -> String {
    draw_trend(numbers, blocks())
}

fn blocks() -> bool {
    static BLOCKS: OnceLock<bool> = OnceLock::new();
    *BLOCKS.get_or_init(|| {
        let variables = ["LC_ALL", "LC_CTYPE", "LANG"].map(|name| env::var(name).unwrap_or_default());
        knows_blocks(variables.iter().map(String::as_str))
    })
}

/// Whether the locale has block elements. One that nobody chose says nothing about the terminal.
fn knows_blocks<'a>(variables: impl IntoIterator<Item = &'a str>) -> bool {
    let locale = variables.into_iter().find(|value| !value.is_empty()).map(str::to_ascii_lowercase);
    locale.is_none_or(|locale| locale.contains("utf-8") || locale.contains("utf8"))
}

fn draw_bar(size: i64, most: i64, blocks: bool) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if size <= 0 || most <= 0 {
        return String::new();
    }
    let eighths = i128::from(BAR) * 8 * i128::from(size) / i128::from(most);
    let eighths = usize::try_from(eighths.max(1)).unwrap_or(0);
    if !blocks {
        return "#".repeat(eighths.div_ceil(8));
    }
    "█".repeat(eighths / 8) + PARTS.get(eighths % 8).copied().unwrap_or("")
}

fn draw_trend(numbers: &[i64], blocks: bool) -> String {
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const ASCII: [char; 9] = [' ', '.', ':', '-', '=', '+', '*', '%', '#'];
    let steps = if blocks { BLOCKS } else { ASCII };
    let together = numbers.len().div_ceil(TREND).max(1);
    let sums: Vec<i64> = numbers.chunks(together).map(|chunk| chunk.iter().sum()).collect();
    let most = i128::from(sums.iter().copied().max().unwrap_or(0).max(1));
    let step = |sum: &i64| {
        let eighths = (i128::from(*sum).max(0) * 8 + most - 1) / most;
        usize::try_from(eighths).ok().and_then(|eighths| steps.get(eighths)).copied().unwrap_or(' ')
    };
    sums.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_without_block_elements_gets_none() {
        for (variables, blocks) in [
            (["", "", ""], true),
            (["", "", "de_DE.UTF-8"], true),
            (["C", "", "de_DE.UTF-8"], false),
            (["", "C.utf8", "C"], true),
            (["", "", "en_US.ISO-8859-1"], false),
        ] {
            assert_eq!(knows_blocks(variables), blocks, "{variables:?}");
        }
    }

    #[test]
    fn bars_are_as_long_as_they_should() {
        for (size, most, text) in [
            (0, 10, ""),
            (1, 1_000_000, "▏"),
            (10, 10, "████████████████████████"),
            (1, 48, "▌"),
            (3, 32, "██▎"),
            (5, 0, ""),
        ] {
            assert_eq!(draw_bar(size, most, true), text, "{size}/{most}");
        }
        assert_eq!(draw_bar(3, 32, false), "###");
    }

    #[test]
    fn a_trend_is_as_high_as_its_numbers_and_never_too_wide() {
        for (numbers, blocks, ascii) in [
            (&[][..], "", ""),
            (&[0, 0], "  ", "  "),
            (&[1, 1000], "▁█", ".#"),
            (&[0, 1, 2, 3, 4, 5, 6, 7, 8], " ▁▂▃▄▅▆▇█", " .:-=+*%#"),
            (&[5; 28], "██████████████", "##############"),
            (&[5; 30], "██████████", "##########"),
            (&[i64::MAX], "█", "#"),
        ] {
            assert_eq!(draw_trend(numbers, true), blocks, "{numbers:?}");
            assert_eq!(draw_trend(numbers, false), ascii, "{numbers:?}");
        }
    }
}
