//! How things look: the character set and the styles. Colour and symbol only repeat what a word already says.
//!
//! Only the sixteen colours every terminal has, one grey where there are more, and a background of ours only under the selected
//! row where it is known what ground the text stands on; else that is reversed, so that light and dark terminals both stay
//! readable.

use ratatui::{
    style::{Color, Modifier, Style},
    symbols::border,
};

/// Which characters may be drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// Boxes, blocks and arrows.
    #[default]
    Unicode,
    /// Nothing outside ASCII, for terminals and fonts without the rest.
    Ascii,
}

/// The characters of a [`Charset`], by what they mean.
#[derive(Debug)]
pub struct Glyphs {
    /// Between the parts of the header.
    pub separator: &'static str,
    /// Horizontal line.
    pub rule: &'static str,
    /// The selected row.
    pub cursor: &'static str,
    /// Something works.
    pub up: &'static str,
    /// Something does not.
    pub down: &'static str,
    /// On its way from one state to another.
    pub changing: &'static str,
    /// Not known.
    pub unknown: &'static str,
    /// Asks for attention.
    pub warning: &'static str,
    /// A check that passed.
    pub passed: &'static str,
    /// A check that runs.
    pub waiting: &'static str,
    /// No figure.
    pub none: &'static str,
    /// Sum.
    pub sum: &'static str,
    /// From one to the other.
    pub arrow: &'static str,
    /// Sorted upwards, downwards.
    pub sorted: [&'static str; 2],
    /// Heights of a trend, lowest first.
    pub bars: &'static [&'static str],
    /// A full cell of a gauge, and its two ends.
    pub full: &'static str,
    /// Left and right end of a gauge.
    pub gauge_ends: [&'static str; 2],
    /// More text follows.
    pub more: &'static str,
    /// From what holds to what is held.
    pub inside: &'static str,
}

const UNICODE: Glyphs = Glyphs {
    separator: "│",
    rule: "─",
    cursor: "▸",
    up: "●",
    down: "✖",
    changing: "◐",
    unknown: "?",
    warning: "!",
    passed: "✔",
    waiting: "…",
    none: "–",
    sum: "Σ",
    arrow: "→",
    sorted: ["▲", "▼"],
    bars: &["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    full: "█",
    gauge_ends: ["▕", "▏"],
    more: "…",
    inside: "›",
};

const ASCII: Glyphs = Glyphs {
    separator: "|",
    rule: "-",
    cursor: ">",
    up: "*",
    down: "x",
    changing: "~",
    unknown: "?",
    warning: "!",
    passed: "ok",
    waiting: "..",
    none: "-",
    sum: "=",
    arrow: "->",
    sorted: ["^", "v"],
    bars: &["_", ".", ":", "-", "=", "+", "*", "#"],
    full: "#",
    gauge_ends: ["[", "]"],
    more: "...",
    inside: ">",
};

const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

impl Charset {
    /// Its characters.
    #[must_use]
    pub fn glyphs(self) -> &'static Glyphs {
        match self {
            Self::Unicode => &UNICODE,
            Self::Ascii => &ASCII,
        }
    }

    /// Its boxes.
    #[must_use]
    pub fn border(self) -> border::Set<'static> {
        match self {
            Self::Unicode => border::PLAIN,
            Self::Ascii => ASCII_BORDER,
        }
    }
}

/// In the middle: four to one against white, five to one against black.
const GREY: Color = Color::Indexed(244);

/// What a piece of text is, as far as its look goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Ordinary.
    Text,
    /// Lines around and between panels.
    Frame,
    /// Names of panels and columns.
    Title,
    /// Less important than the rest.
    Quiet,
    /// Older than it should be.
    Stale,
    /// Works.
    Good,
    /// On its way, slow, or asking to be looked at.
    Warning,
    /// Broken or refused.
    Bad,
    /// The row or button that keys act on.
    Selected,
    /// A key in the footer and the help.
    Key,
    /// The prompt of the command line.
    Prompt,
    /// Belongs to the n-th owner of slots; six hues in turn.
    Owner(usize),
}

/// What the text of the terminal stands on, as far as anybody says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ground {
    /// Nobody does: what is selected is reversed, which is right on any.
    #[default]
    Unknown,
    /// Something dark.
    Dark,
    /// Something light.
    Light,
}

/// A theme that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// What the terminal says of itself.
    #[default]
    Auto,
    /// 256 colours on a dark ground.
    Dark,
    /// 256 colours on a light ground.
    Light,
    /// 256 colours, whatever the ground.
    #[value(name = "256")]
    Colors256,
    /// The sixteen colours that every terminal has.
    #[value(name = "16")]
    Colors16,
    /// No colours.
    None,
}

/// Character set and whether colours may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// What may be drawn.
    pub charset: Charset,
    /// False with `NO_COLOR`, `--no-color` and `TERM` without colours.
    pub color: bool,
    /// The terminal has 256 colours, and with them a grey that can be read on black and on white.
    pub greys: bool,
    /// Under the text.
    pub ground: Ground,
}

impl Theme {
    /// What the options and the environment allow. `variable` reads the environment.
    #[must_use]
    pub fn detect(ascii: bool, no_color: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        // A locale that is named and is not UTF-8 is meant; none at all is usual in containers and means nothing.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let utf8 = locale.is_none_or(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        let plain_terminal = set("TERM").is_none_or(|term| term == "dumb" || term.starts_with("vt1"));
        Self {
            charset: if ascii || !utf8 { Charset::Ascii } else { Charset::Unicode },
            color: !no_color && set("NO_COLOR").is_none() && !plain_terminal,
            greys: set("COLORTERM").is_some() || set("TERM").is_some_and(|term| term.contains("256color")),
            ground: set("COLORFGBG").map_or(Ground::Unknown, |colors| ground_of(&colors)),
        }
    }

    /// As somebody wants it. `NO_COLOR` and `--no-color` stand above all.
    #[must_use]
    pub fn chosen(self, choice: Choice) -> Self {
        match choice {
            Choice::Auto => self,
            Choice::Dark => Self { greys: true, ground: Ground::Dark, ..self },
            Choice::Light => Self { greys: true, ground: Ground::Light, ..self },
            Choice::Colors256 => Self { greys: true, ..self },
            Choice::Colors16 => Self { greys: false, ground: Ground::Unknown, ..self },
            Choice::None => Self { color: false, ..self },
        }
    }

    /// What is laid over the row that is selected: a background where it is known that one can be read on it.
    #[must_use]
    pub fn selected_row(self) -> Style {
        let background = match self.ground {
            Ground::Dark if self.color && self.greys => 238,
            Ground::Light if self.color && self.greys => 252,
            Ground::Unknown | Ground::Dark | Ground::Light => return self.style(Role::Selected),
        };
        Style::new().bg(Color::Indexed(background)).add_modifier(Modifier::BOLD)
    }

    /// The style of a role.
    #[must_use]
    pub fn style(self, role: Role) -> Style {
        let style = Style::new();
        // `Color::Reset` spelled out: crossterm 0.29 turns an absent colour into `ESC[;m` when NO_COLOR is set, which
        // wipes the modifiers written just before it.
        let plain = style.fg(Color::Reset).bg(Color::Reset);
        let hue = |color: Color| if self.color { plain.fg(color) } else { plain };
        match role {
            Role::Text => plain,
            Role::Frame | Role::Quiet | Role::Stale if self.greys => hue(GREY),
            // Of sixteen colours the dark grey is a background in some themes: lines may vanish, words may not.
            Role::Frame => hue(Color::DarkGray),
            Role::Quiet | Role::Stale => plain,
            Role::Title | Role::Prompt => plain.add_modifier(Modifier::BOLD),
            Role::Good => hue(Color::Green),
            Role::Warning => hue(Color::Yellow).add_modifier(Modifier::BOLD),
            Role::Bad => hue(Color::Red).add_modifier(Modifier::BOLD),
            Role::Selected => plain.add_modifier(Modifier::REVERSED),
            Role::Key => hue(Color::Cyan).add_modifier(Modifier::BOLD),
            Role::Owner(owner) => {
                const HUES: [Color; 6] =
                    [Color::Cyan, Color::Green, Color::Magenta, Color::Yellow, Color::Blue, Color::Red];
                hue(HUES[owner % HUES.len()])
            }
        }
    }
}

/// `15;0` or `15;default;0` of `COLORFGBG`: the last number is the background, dark but for white and the light grey.
fn ground_of(colors: &str) -> Ground {
    match colors.rsplit(';').next().and_then(|background| background.parse::<u8>().ok()) {
        Some(7 | 9..=15) => Ground::Light,
        Some(0..=6 | 8) => Ground::Dark,
        _ => Ground::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_only_modifiers_are_left() {
        let theme = Theme { charset: Charset::Ascii, color: false, greys: true, ground: Ground::Unknown };
        for role in [Role::Bad, Role::Selected, Role::Owner(3), Role::Frame, Role::Stale] {
            let style = theme.style(role);
            assert_eq!((style.fg, style.bg), (Some(Color::Reset), Some(Color::Reset)), "{role:?}");
        }
        assert!(theme.style(Role::Selected).add_modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn the_environment_decides_where_options_do_not() {
        let with = |pairs: &'static [(&'static str, &'static str)]| {
            move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        };
        let xterm = Theme::detect(false, false, with(&[("TERM", "xterm"), ("NO_COLOR", "")]));
        assert_eq!(
            xterm,
            Theme { charset: Charset::Unicode, color: true, greys: false, ground: Ground::Unknown }
        );
        assert!(Theme::detect(false, false, with(&[("TERM", "xterm-256color")])).greys);
        let c = Theme::detect(false, false, with(&[("TERM", "xterm"), ("LANG", "C"), ("NO_COLOR", "1")]));
        assert_eq!(c, Theme { charset: Charset::Ascii, color: false, greys: false, ground: Ground::Unknown });
        assert_eq!(Theme::detect(true, true, with(&[("TERM", "xterm")])).charset, Charset::Ascii);
    }

    #[test]
    fn words_that_matter_less_can_still_be_read() {
        let foreground = |color, greys| {
            let theme = Theme { charset: Charset::Unicode, color, greys, ground: Ground::Unknown };
            [Role::Quiet, Role::Stale].map(|role| (theme.style(role).fg, theme.style(role).add_modifier))
        };
        let plain = (Some(Color::Reset), Modifier::empty());
        assert_eq!(foreground(true, true), [(Some(GREY), Modifier::empty()); 2]);
        assert_eq!((foreground(true, false), foreground(false, true)), ([plain; 2], [plain; 2]));
    }

    #[test]
    fn a_selected_row_keeps_its_colours_where_the_ground_is_known() {
        let with = |ground: &'static str| {
            Theme::detect(false, false, move |name| match name {
                "TERM" => Some("xterm-256color".to_owned()),
                "COLORFGBG" => Some(ground.to_owned()),
                _ => None,
            })
        };
        let row = |theme: Theme| (theme.selected_row().fg, theme.selected_row().bg);
        assert_eq!(row(with("15;0")), (None, Some(Color::Indexed(238))));
        assert_eq!(row(with("0;default;15")), (None, Some(Color::Indexed(252))));
        let reversed = (Some(Color::Reset), Some(Color::Reset));
        assert_eq!(row(with("what")), reversed);
        for choice in [Choice::Colors16, Choice::None] {
            assert_eq!(row(with("15;0").chosen(choice)), reversed, "{choice:?}");
        }
        assert_eq!(row(with("").chosen(Choice::Light)).1, Some(Color::Indexed(252)));
        let no_color = Theme::detect(false, true, |_| None).chosen(Choice::Dark);
        assert_eq!((no_color.color, row(no_color)), (false, reversed));
    }

    #[test]
    fn ascii_is_ascii() {
        assert!(format!("{ASCII:?}{ASCII_BORDER:?}").is_ascii());
    }
}
