//! Prints what was found.

use crate::Row;
use crate::case::CASES;

/// Prints the table, a row for each case and a column for each agent, then every wrong cell; tells how many there are.
pub fn print(rows: &[Row]) -> usize {
    let (checked, skipped): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.version.is_ok());
    let mut head = vec![String::new()];
    let version = |row: &Row| row.version.as_deref().unwrap_or("?").to_owned();
    head.extend(checked.iter().map(|row| format!("{} {}", row.agent.name, version(row))));
    let mut lines = vec![head];
    for (at, case) in CASES.iter().enumerate() {
        let cells = checked.iter().filter_map(|row| row.cells.get(at));
        let mark = |is_wrong| if is_wrong { '✗' } else { '✓' };
        let mut line = vec![case.name().to_owned()];
        line.extend(cells.map(|cell| format!("{} {}", mark(cell.wrong.is_some()), cell.said)));
        lines.push(line);
    }
    print_columns(&lines);
    let mut wrong = 0;
    for row in &checked {
        for (case, cell) in CASES.iter().zip(&row.cells) {
            if let Some(what) = &cell.wrong {
                wrong += 1;
                println!("✗ {}, {}: said {}: {what}", row.agent.name, case.name(), cell.said);
            }
        }
    }
    for row in skipped {
        if let Err(why) = &row.version {
            println!("– {} is skipped: {why}", row.agent.name);
        }
    }
    let cells = checked.len() * CASES.len();
    println!("{} passed, {wrong} failed", cells - wrong);
    wrong
}

fn print_columns(lines: &[Vec<String>]) {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}
