//! A terminal's screen as SVG: one text for each stretch of cells that look the same, so that it stays sharp and can be searched.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 17.0;
const MARGIN: f64 = 10.0;
const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d6d9e0";
/// The sixteen colours, as many terminals have them.
const COLORS: [&str; 16] = [
    "#2a2e37", "#e06c75", "#98c379", "#d9b163", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4", "#7f8796",
    "#f08088", "#b0d894", "#ecc983", "#82c4ff", "#d898ea", "#78ccd6", "#ffffff",
];

/// How a cell looks.
#[derive(Clone, PartialEq)]
struct Look {
    foreground: String,
    background: Option<String>,
    bold: bool,
}

fn color(color: Color) -> Option<String> {
    match color {
        Color::Default => None,
        Color::Idx(number @ 0..16) => Some(COLORS[usize::from(number)].to_owned()),
        Color::Idx(number @ 16..232) => {
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            let cube = number - 16;
            Some(format!("#{:02x}{:02x}{:02x}", level(cube / 36), level(cube / 6 % 6), level(cube % 6)))
        }
        Color::Idx(number) => {
            let grey = 8 + 10 * (number - 232);
            Some(format!("#{grey:02x}{grey:02x}{grey:02x}"))
        }
        Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
    }
}

fn look(cell: &Cell) -> Look {
    let foreground = color(cell.fgcolor());
    let background = color(cell.bgcolor());
    if cell.inverse() {
        Look {
            foreground: background.unwrap_or_else(|| BACKGROUND.to_owned()),
            background: Some(foreground.unwrap_or_else(|| FOREGROUND.to_owned())),
            bold: cell.bold(),
        }
    } else {
        Look {
            foreground: foreground.unwrap_or_else(|| FOREGROUND.to_owned()),
            background,
            bold: cell.bold(),
        }
    }
}

/// The screen as a picture of its own.
pub(crate) fn draw(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let mut svg = begin(columns.get(), rows.get());
    svg.push_str(&cells(screen));
    svg.push_str("</svg>\n");
    svg
}

/// What stands in front of the cells of a terminal of this size.
pub(crate) fn begin(columns: u16, rows: u16) -> String {
    let (width, height) =
        (f64::from(columns) * WIDTH + 2.0 * MARGIN, f64::from(rows) * HEIGHT + 2.0 * MARGIN);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\" xml:space=\"preserve\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{BACKGROUND}\"/>\n"
    )
}

/// All cells.
pub(crate) fn cells(screen: &Screen) -> String {
    let mut svg = String::new();
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let Some(first) = screen.cell(row, column) else { break };
            let same = look(first);
            let (from, mut text) = (column, String::new());
            while let Some(cell) = screen.cell(row, column).filter(|cell| look(cell) == same) {
                if !cell.is_wide_continuation() {
                    text.push_str(if cell.has_contents() { cell.contents() } else { " " });
                }
                column += 1;
            }
            piece(&mut svg, (row, from, column - from), &same, &text);
        }
    }
    svg
}

fn piece(svg: &mut String, (row, column, cells): (u16, u16, u16), look: &Look, text: &str) {
    let (x, y) = (MARGIN + f64::from(column) * WIDTH, MARGIN + f64::from(row) * HEIGHT);
    let wide = f64::from(cells) * WIDTH;
    if let Some(background) = &look.background {
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{HEIGHT}\" fill=\"{background}\"/>"
        );
    }
    if text.trim().is_empty() {
        return;
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let bold = if look.bold { " font-weight=\"bold\"" } else { "" };
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{wide:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{bold}>{text}</text>",
        y + 13.0,
        look.foreground
    );
}
