//! Words and figures as the screen writes them: escaping, fitting to a width, numbers, ages. No styles, no layout.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::theme::Charset;
use crate::{format::harmless, session::holdings::Count, typed};

/// Characters that would move the cursor, change the direction of what follows, or take no room at all: a terminal
/// either obeys them or hides them, and both lie about the data. Variation selectors too: terminals disagree about the
/// width they give.
fn is_deceptive(character: char) -> bool {
    harmless::is_deceptive(character) || matches!(character, '\u{fe00}'..='\u{fe0f}')
}

/// `text` with everything a terminal would obey written out, so that it can be given to a widget. Nothing else of
/// the program's data or of the cluster's may reach one.
#[must_use]
pub fn escape(text: &str, charset: Charset) -> Cow<'_, str> {
    let keep = |character: char| {
        !is_deceptive(character)
            && typed::byte_of(character).is_none()
            && (charset == Charset::Unicode || character.is_ascii())
    };
    if text.chars().all(keep) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match typed::byte_of(character) {
            Some(byte) => escaped.push_str(&format!("\\x{byte:02x}")),
            None if keep(character) => escaped.push(character),
            None => harmless::push_escaped(&mut escaped, character),
        }
    }
    Cow::Owned(escaped)
}

/// The program's own words in a character set: signs that have a spelling in ASCII get it. Not for data, which must
/// stay what it is.
#[must_use]
pub fn own(text: &str, charset: Charset) -> Cow<'_, str> {
    if charset == Charset::Unicode || text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('→', "->").replace(['–', '—'], "-").replace('…', "...").replace('≈', "~"))
}

/// Terminal columns that `text` takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// The longest beginning of `text` that takes at most `columns`.
#[must_use]
pub fn clip(text: &str, columns: usize) -> &str {
    let mut taken = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        taken += UnicodeWidthStr::width(grapheme);
        if taken > columns {
            return &text[..at];
        }
    }
    text
}

/// `text` without its beginning of at least `columns`.
#[must_use]
pub fn skip(text: &str, columns: usize) -> &str {
    let mut taken = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        if taken >= columns {
            return &text[at..];
        }
        taken += UnicodeWidthStr::width(grapheme);
    }
    ""
}

/// `text` in exactly `columns`, filled up on the right; what does not fit is replaced by a tilde.
#[must_use]
pub fn left(text: &str, columns: usize) -> String {
    let mut cell = shorten(text, columns).into_owned();
    let missing = columns.saturating_sub(width(&cell));
    cell.extend(std::iter::repeat_n(' ', missing));
    cell
}

/// `text` in exactly `columns`, filled up on the left.
#[must_use]
pub fn right(text: &str, columns: usize) -> String {
    let cell = shorten(text, columns);
    format!("{}{cell}", " ".repeat(columns.saturating_sub(width(&cell))))
}

/// `text` in at most `columns`; a cut is marked by a tilde, which every font has and no address contains.
#[must_use]
pub fn shorten(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    match columns {
        0 => Cow::Borrowed(""),
        _ => Cow::Owned(format!("{}~", clip(text, columns - 1))),
    }
}

/// `word` for one of them, and with an `s` for none or more.
#[must_use]
pub fn plural(count: impl TryInto<u64>, word: &str) -> String {
    if count.try_into().is_ok_and(|count| count == 1) { word.to_owned() } else { format!("{word}s") }
}

/// A rate as a whole number; what is not a number, or below it, is 0.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "fractions are what is cut, and `as` saturates")]
pub fn whole(rate: f64) -> u64 {
    rate.max(0.0) as u64
}

/// Rows or columns of a screen.
#[must_use]
pub fn cells(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// `3,121,004`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of keys; with `~` where it is not exact.
#[must_use]
pub fn about(count: Count, form: fn(u64) -> String) -> String {
    format!("{}{}", if count.exact { "" } else { "~" }, form(count.keys))
}

/// A count in at most five columns: `600`, `44.0k`, `3.12M`, `1.20G`.
#[must_use]
pub fn short_count(number: u64) -> String {
    scaled(number, 1000.0, ["", "k", "M", "G", "T", "P"])
}

/// A rate in at most five columns, with a fraction while it is small: `0`, `0.4`, `12`, `1.20k`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    if (0.05..9.95).contains(&per_second) {
        format!("{per_second:.1}")
    } else {
        short_count(whole(per_second.round()))
    }
}

/// Bytes in at most five columns, by 1024: `812`, `4.1K`, `71M`, `1.3G`.
#[must_use]
pub fn short_bytes(number: u64) -> String {
    scaled(number, 1024.0, ["", "K", "M", "G", "T", "P"])
}

fn scaled(number: u64, base: f64, units: [&str; 6]) -> String {
    if (number as f64) < base {
        return number.to_string();
    }
    let mut value = number as f64;
    let mut unit = 0;
    // 999.5 and up would print as 1000 of the unit.
    while value >= base.min(1000.0) - 0.5 && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    match value {
        value if value < 9.995 => format!("{value:.2}{}", units[unit]),
        value if value < 99.95 => format!("{value:.1}{}", units[unit]),
        value => format!("{value:.0}{}", units[unit]),
    }
}

/// Part of the whole: `25.0%`, `100%`, `0.5%`; `–` of nothing.
#[must_use]
pub fn percent(part: u64, whole: u64, charset: Charset) -> String {
    match whole {
        0 => charset.glyphs().none.to_owned(),
        _ if part == whole => "100%".to_owned(),
        _ => format!("{:.1}%", 100.0 * part as f64 / whole as f64),
    }
}

/// A length of time from microseconds: `85us`, `1.2ms`, `48ms`, `2.1s`.
#[must_use]
pub fn duration_us(us: u64) -> String {
    match us {
        0..1_000 => format!("{us}us"),
        1_000..9_950 => format!("{:.1}ms", us as f64 / 1e3),
        9_950..999_500 => format!("{:.0}ms", us as f64 / 1e3),
        999_500..9_950_000 => format!("{:.1}s", us as f64 / 1e6),
        _ => age(us as i64 / 1000),
    }
}

/// How long ago, from milliseconds, never more than six columns: `0s`, `42s`, `3m05s`, `2h10m`, `3d04h`, `410d`.
#[must_use]
pub fn age(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        86_400..8_640_000 => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `14:02:11Z`: the time of day in UTC, which is the same for everybody who looks at the cluster.
#[must_use]
pub fn clock(at: redis_cluster::time::Millis) -> String {
    let second = at.seconds().rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// A moment as seen from another: `14:02:11Z` on the same day, `11-22 19:26Z` on others.
#[must_use]
pub fn moment(at: redis_cluster::time::Millis, now: redis_cluster::time::Millis) -> String {
    let day = |at: redis_cluster::time::Millis| at.seconds().div_euclid(86_400);
    if day(at) == day(now) {
        return clock(at);
    }
    let stamp = crate::session::timestamp(at.0);
    // `2026-11-22T19:26:09Z`
    format!("{} {}Z", stamp.get(5..10).unwrap_or_default(), stamp.get(11..16).unwrap_or_default())
}

/// A row of a chart of several: as [`sparkline`], but nothing is blank where another row is `below`.
#[must_use]
pub fn bars(samples: &[u64], columns: usize, highest: u64, below: bool, charset: Charset) -> String {
    let bars = charset.glyphs().bars;
    let samples = &samples[samples.len().saturating_sub(columns)..];
    let mut line = " ".repeat(columns - samples.len());
    for &sample in samples {
        let step = (sample as u128 * bars.len() as u128).div_ceil(u128::from(highest.max(1))) as usize;
        match step {
            0 if below => line.push(' '),
            step => line.push_str(bars[step.saturating_sub(1).min(bars.len() - 1)]),
        }
    }
    line
}

/// The last samples as a row of bars, `columns` wide, highest bar = `highest`; missing ones are blank on the left.
#[must_use]
pub fn sparkline(samples: &[u64], columns: usize, highest: u64, charset: Charset) -> String {
    let bars = charset.glyphs().bars;
    let samples = &samples[samples.len().saturating_sub(columns)..];
    let mut line = " ".repeat(columns - samples.len());
    for &sample in samples {
        let step =
            (sample as u128 * bars.len() as u128).checked_div(u128::from(highest)).unwrap_or(0) as usize;
        line.push_str(bars[step.min(bars.len() - 1)]);
    }
    line
}

/// Two samples in each of `columns` cells, as braille dots four high; the newest at the right end, missing ones blank on the left.
/// What is more than nothing has a dot.
#[must_use]
pub fn braille(samples: &[u64], columns: usize, highest: u64) -> String {
    // Dots of the left and of the right half of a cell, the lowest first.
    const DOTS: [[u32; 4]; 2] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];
    let samples = &samples[samples.len().saturating_sub(columns * 2)..];
    let missing = columns * 2 - samples.len();
    let height = |sample: u64| (sample as u128 * 4).div_ceil(u128::from(highest.max(1))).min(4) as usize;
    let dots = |at: usize| -> u32 {
        let Some(&sample) = at.checked_sub(missing).and_then(|at| samples.get(at)) else { return 0 };
        DOTS[at % 2][..height(sample)].iter().sum()
    };
    (0..columns)
        .map(|cell| match dots(cell * 2) + dots(cell * 2 + 1) {
            0 => ' ',
            dots => char::from_u32(0x2800 + dots).unwrap_or(' '),
        })
        .collect()
}

/// A bar of `columns` cells, `part` of `whole` full.
#[must_use]
pub fn gauge(part: u64, whole: u64, columns: usize, charset: Charset) -> String {
    let glyphs = charset.glyphs();
    let full =
        (part.min(whole) as u128 * columns as u128).checked_div(u128::from(whole)).unwrap_or(0) as usize;
    format!("{}{}", glyphs.full.repeat(full), " ".repeat(columns - full))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn figures() {
        assert_eq!(thousands(3_121_004), "3,121,004");
        assert_eq!(
            [999, 1000, 44_000, 999_499, 999_999, 12_482_113].map(short_count),
            ["999", "1.00k", "44.0k", "999k", "1.00M", "12.5M"]
        );
        assert_eq!([0.0, 0.01, 0.44, 9.96, 1_204.0].map(rate), ["0", "0", "0.4", "10", "1.20k"]);
        assert_eq!([1023, 1024, 1_048_576, 1_048_575].map(short_bytes), ["1023", "1.00K", "1.00M", "1.00M"]);
        assert_eq!([85, 1_200, 48_000, 2_100_000].map(duration_us), ["85us", "1.2ms", "48ms", "2.1s"]);
        assert_eq!([900, 42_000, 185_000, 7_800_000].map(age), ["0s", "42s", "3m05s", "2h10m"]);
        assert_eq!(percent(4096, 16384, Charset::Unicode), "25.0%");
        assert_eq!(percent(1, 0, Charset::Ascii), "-");
        let at = redis_cluster::time::Millis(1_795_375_569_999);
        let moments = [0, 86_400_000].map(|later| moment(at, redis_cluster::time::Millis(at.0 + later)));
        assert_eq!(moments, ["19:26:09Z", "11-22 19:26Z"]);
    }

    #[test]
    fn nothing_a_terminal_obeys_gets_through() {
        assert_eq!(escape("a\x1b[2Jb\n", Charset::Unicode), "a\\x1b[2Jb\\n");
        assert_eq!(escape("\u{202e}abc", Charset::Unicode), "\\xe2\\x80\\xaeabc");
        assert_eq!(escape("名前", Charset::Unicode), "名前");
        assert_eq!(escape("é", Charset::Ascii), "\\xc3\\xa9");
    }

    #[test]
    fn trends() {
        assert_eq!(sparkline(&[0, 50, 100], 5, 100, Charset::Unicode), "  ▁▅█");
        assert_eq!(gauge(1, 2, 4, Charset::Ascii), "##  ");
        assert_eq!(braille(&[1, 25, 50, 0, 100], 4, 100), " ⢀⣠⢸");
        assert_eq!(braille(&[0, 0, 100, 100], 2, 100), " ⣿");
        assert_eq!(braille(&[9; 9], 1, 9), "⣿");
    }

    proptest! {
        #[test]
        fn cells_have_their_width(text in "\\PC{0,20}", columns in 0usize..30) {
            let text = escape(&text, Charset::Unicode).into_owned();
            prop_assert_eq!(width(&left(&text, columns)), columns);
            prop_assert_eq!(width(&right(&text, columns)), columns);
        }

        #[test]
        fn counts_are_short(number: u64) {
            prop_assert!(short_count(number).len() <= 5 || number >= 1_000_000_000_000_000_000);
            prop_assert!(short_bytes(number).len() <= 5 || number >= 1 << 60);
        }

        #[test]
        fn escaped_is_harmless(text: String) {
            let unicode = escape(&text, Charset::Unicode);
            prop_assert!(!unicode.chars().any(is_deceptive));
            prop_assert!(escape(&text, Charset::Ascii).is_ascii());
        }
    }
}
