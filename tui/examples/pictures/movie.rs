//! A recording of the full screen (`--record FILE`) as one SVG that moves: its screens one after the other, again and again.

use std::{fmt::Write as _, time::Duration};

use redis_console::replay::{Recording, What};

use crate::svg;

/// Screens that followed each other more quickly are one: nobody sees more.
const SHORTEST: Duration = Duration::from_millis(250);
/// How long the last one stands.
const LAST: Duration = Duration::from_secs(3);

/// A screen and how long it stood.
struct Shot {
    cells: String,
    stands: Duration,
}

/// The recording as a picture.
pub(crate) fn draw(recording: &Recording) -> String {
    let (mut columns, mut rows) = recording.size;
    let mut parser = vt100::Parser::new(cells(rows), cells(columns), 0);
    let mut shots: Vec<Shot> = Vec::new();
    let mut stood = Duration::ZERO;
    for frame in &recording.frames {
        stood += frame.after;
        if stood >= SHORTEST {
            take(&mut shots, parser.screen(), std::mem::take(&mut stood));
        }
        match &frame.what {
            What::Output(text) => parser.process(text.as_bytes()),
            What::Size(wide, high) => {
                parser.screen_mut().set_size(cells(*high), cells(*wide));
                (columns, rows) = (columns.max(*wide), rows.max(*high));
            }
        }
    }
    take(&mut shots, parser.screen(), LAST);

    let whole: f64 = shots.iter().map(|shot| shot.stands.as_secs_f64()).sum();
    let mut picture = svg::begin(columns, rows);
    let _ = writeln!(picture, "<style>.s{{visibility:hidden;animation:{whole:.2}s step-end infinite}}");
    let mut from = 0.0;
    for (number, shot) in shots.iter().enumerate() {
        let to = from + shot.stands.as_secs_f64() * 100.0 / whole;
        let _ = writeln!(
            picture,
            "@keyframes k{number}{{0%{{visibility:{}}}{from:.3}%{{visibility:visible}}{to:.3}%{{visibility:hidden}}}}",
            if number == 0 { "visible" } else { "hidden" }
        );
        from = to;
    }
    picture.push_str("</style>\n");
    for (number, shot) in shots.iter().enumerate() {
        let _ = writeln!(picture, "<g class=\"s\" style=\"animation-name:k{number}\">\n{}</g>", shot.cells);
    }
    picture.push_str("</svg>\n");
    picture
}

/// Keeps a screen that stood for so long; the same again only stands longer.
fn take(shots: &mut Vec<Shot>, screen: &vt100::Screen, stands: Duration) {
    let cells = svg::cells(screen);
    match shots.last_mut() {
        Some(last) if last.cells == cells => last.stands += stands,
        _ => shots.push(Shot { cells, stands }),
    }
}

/// Of a terminal that has been there.
fn cells(count: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(count).unwrap_or(std::num::NonZeroU16::MIN)
}
