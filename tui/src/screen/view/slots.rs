//! The strip of all slots: one letter per stretch, of the node that owns most of it; lower case where slots move.

use ratatui::layout::Rect;
use redis_cluster::{
    id::NodeId,
    slot::{SLOTS, SlotId},
};

use super::{
    Painter,
    nodes::{letters, places},
    painter::Piece,
};
use crate::{
    screen::{
        model::Model,
        pages::slots::SlotsPage,
        text,
        theme::{Charset, Role},
    },
    session::ClusterView,
};

/// What a cell shows.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stretch {
    shows: Shows,
    role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Owner(usize),
    /// To that one.
    Moving(usize),
    Sign(char),
}

impl Stretch {
    /// What stands in the n-th cell. Names of two letters take turns: `ABABAB` is the node AB.
    fn character(self, cell: usize) -> char {
        let turn = |place: usize| {
            let letters = letters(place);
            letters.chars().nth(cell % letters.len()).unwrap_or('?')
        };
        match self.shows {
            Shows::Owner(place) => turn(place),
            Shows::Moving(place) => turn(place).to_ascii_lowercase(),
            Shows::Sign(sign) => sign,
        }
    }
}

/// Its owner is down.
const DEAD: Stretch = Stretch { shows: Shows::Sign(DEAD_SIGN), role: Role::Bad };
const DEAD_SIGN: char = '!';
/// The registry has not told yet.
const UNKNOWN: Stretch = Stretch { shows: Shows::Sign('?'), role: Role::Quiet };
const NOBODY: Stretch = Stretch { shows: Shows::Sign('.'), role: Role::Quiet };

pub(super) fn draw(model: &Model, painter: &mut Painter<'_>, area: Rect, boxed: bool) {
    if area.is_empty() {
        return;
    }
    let width = usize::from(area.width.saturating_sub(if boxed { 4 } else { 2 })).clamp(1, SLOTS);
    let title = if boxed { format!(" Slots 0-{} ", SLOTS - 1) } else { " Slots ".to_owned() };
    let end = match SLOTS.div_ceil(width) {
        1 => " 1 slot/cell ".to_owned(),
        slots => format!(" {slots} slots/cell "),
    };
    let inner = painter.panel(area, boxed, &[(Role::Title, title)], &[(Role::Quiet, end)]);
    line(&model.shown, painter, inner);
    if inner.height > 1 {
        painter.line(inner, 1, &legend(model, painter, usize::from(inner.width)));
    }
}

/// The strip in the first row of an area, with a blank on either side.
pub(super) fn line(view: &ClusterView, painter: &mut Painter<'_>, area: Rect) {
    let width = usize::from(area.width.saturating_sub(2)).clamp(1, SLOTS);
    let mut line: Vec<Piece> = vec![(Role::Text, " ".to_owned())];
    for (at, stretch) in strip(view, width).into_iter().enumerate() {
        let character = stretch.character(at);
        match line.last_mut() {
            Some((role, text)) if *role == stretch.role => text.push(character),
            _ => line.push((stretch.role, character.to_string())),
        }
    }
    painter.line(area, 0, &line);
}

/// How hot slots are, as a row of bars under the strip; blank where nobody knows.
pub(super) fn heat(page: &SlotsPage, charset: Charset, painter: &mut Painter<'_>, area: Rect) {
    let (first, count) = (page.range().first().index(), page.range().count());
    let width = usize::from(area.width.saturating_sub(2)).clamp(1, count);
    let cell_of = |slot: SlotId| (slot.index() - first) * width / count;
    let mut cells: Vec<Option<f64>> = vec![None; width];
    for (range, heat) in page.heat() {
        let Some(heat) = heat else { continue };
        for cell in &mut cells[cell_of(range.first())..=cell_of(range.last())] {
            *cell = Some(cell.map_or(heat, |hotter| hotter.max(heat)));
        }
    }
    let most = cells.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
    let bars = charset.glyphs().bars;
    let bar = |heat: f64| {
        let step = text::whole((heat / most * (bars.len() - 1) as f64).round());
        bars[usize::try_from(step).unwrap_or(usize::MAX).min(bars.len() - 1)]
    };
    let line: String = cells.into_iter().map(|heat| heat.map_or(" ", bar)).collect();
    painter.line(area, 0, &[(Role::Warning, format!(" {line}"))]);
}

fn strip(view: &ClusterView, width: usize) -> Vec<Stretch> {
    let Some(known) = &view.topology else {
        return vec![if view.is_known() { NOBODY } else { UNKNOWN }; width];
    };
    let places = places(view);
    let place_of = |id: &NodeId| places.get(id).copied();
    let mut owners: Vec<Option<usize>> = vec![None; SLOTS];
    for (range, owner) in &known.topology.slots {
        owners[range.first().index()..=range.last().index()].fill(place_of(owner));
    }
    let down = view.nodes.iter().filter(|(_, node)| node.error.is_some());
    let dead: Vec<usize> = down.filter_map(|(id, _)| place_of(id)).collect();
    let mut targets: Vec<Option<usize>> = vec![None; SLOTS];
    for one in &known.topology.moves {
        for range in &one.slots {
            targets[range.first().index()..=range.last().index()].fill(place_of(&one.to));
        }
    }
    (0..width)
        .map(|cell| {
            let slots = cell * SLOTS / width..((cell + 1) * SLOTS / width).max(cell * SLOTS / width + 1);
            if let Some(target) = targets[slots.clone()].iter().flatten().next() {
                return Stretch { shows: Shows::Moving(*target), role: Role::Warning };
            }
            match most(&owners[slots]) {
                None => NOBODY,
                Some(place) if dead.contains(&place) => DEAD,
                Some(place) => Stretch { shows: Shows::Owner(place), role: Role::Owner(place) },
            }
        })
        .collect()
}

/// The owner of most of these slots. Owners have stretches, so the longest run decides.
fn most(owners: &[Option<usize>]) -> Option<usize> {
    owners.chunk_by(|a, b| a == b).filter_map(|run| Some((run.len(), run[0]?))).max().map(|(_, place)| place)
}

fn legend(model: &Model, painter: &Painter<'_>, width: usize) -> Vec<Piece> {
    let arrow = model.theme.charset.glyphs().arrow;
    let mut line: Vec<Piece> = vec![(Role::Quiet, " owner".to_owned())];
    let mut used = 6;
    let mut push = |line: &mut Vec<Piece>, role: Role, text: String| {
        // Two for the sign that there is more.
        let fits = used + text::width(&text) + 2 <= width;
        if fits {
            used += text::width(&text);
            line.push((role, text));
        }
        fits
    };
    for one in model.shown.moves().iter().take(3) {
        let place = places(&model.shown).get(&one.to).copied().unwrap_or(0);
        let text = format!("  moving {} = {}{arrow}{}", letters(place).to_lowercase(), one.from, one.to);
        push(&mut line, Role::Warning, painter.escape(&text));
    }
    let free = model.shown.slots_without_owner();
    if model.shown.topology.is_some() && free > 0 {
        push(
            &mut line,
            Role::Bad,
            format!("  . {} {} without owner", text::thousands(free as u64), text::plural(free, "slot")),
        );
    }
    let is_dead = |(id, node): (&NodeId, &crate::session::view::NodeView)| {
        node.error.is_some() && model.shown.slots_of(id) > 0
    };
    if model.shown.nodes.iter().any(is_dead) {
        push(&mut line, Role::Bad, format!("  {} owner down", DEAD_SIGN));
    }
    for (place, id) in model.shown.nodes.keys().enumerate() {
        let text = painter.escape(&format!("  {}={id}", letters(place)));
        if !push(&mut line, Role::Owner(place), text) {
            line.push((Role::Quiet, format!(" {}", model.theme.charset.glyphs().more)));
            break;
        }
    }
    line
}
