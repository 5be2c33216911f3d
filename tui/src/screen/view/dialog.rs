//! The dialogs, over the middle of the screen. Where there is no room, explanations go first and the fields stay.

use ratatui::layout::Rect;
use redis_cluster::cluster::member::Address;
use tui_input::Input;

use super::{
    Painter, Zone,
    command::window,
    nodes::{letters, places},
    painter::Piece,
};
use crate::language::Conflict;
use crate::screen::{
    dialog::{
        AddNode, Answer, BringKeys, Change, Dialog, Field, Leave, PastedLines, Readiness, RemoveNode,
        is_outdated,
    },
    event::Plan,
    model::Model,
    text,
    theme::Role,
};

const WIDTH: u16 = 76;
/// Where values begin.
const LABEL: usize = 12;

/// A line: how much it matters (lines of the least are left out first), its text, the cursor's column in it, and what of
/// it the mouse can hit: columns.
struct Row {
    keep: u8,
    pieces: Vec<Piece>,
    cursor: Option<usize>,
    zones: Vec<(usize, usize, Field)>,
}

const BLANK: u8 = 0;
const DETAIL: u8 = 1;
const CHECK: u8 = 2;
const COMMAND: u8 = 3;
const FIELD: u8 = 4;
const BUTTONS: u8 = 5;

fn row(keep: u8, pieces: Vec<Piece>) -> Row {
    Row { keep, pieces, cursor: None, zones: Vec::new() }
}

fn blank() -> Row {
    row(BLANK, Vec::new())
}

fn labelled(keep: u8, label: &str, role: Role, text: String) -> Row {
    row(keep, vec![(Role::Quiet, format!("  {}", text::left(label, LABEL))), (role, text)])
}

/// Draws the open dialog; returns where the cursor stands.
pub(super) fn draw(model: &Model, painter: &mut Painter<'_>, screen: Rect) -> Option<(u16, u16)> {
    let width = WIDTH.min(screen.width);
    let inside = usize::from(width).saturating_sub(2);
    let (title, mut rows) = match model.dialog.as_ref()? {
        Dialog::Add(add) => (" Add a node ".to_owned(), add_node(model, painter, add, inside)),
        Dialog::Remove(remove) => {
            (format!(" Remove node {} ", remove.id), remove_node(model, painter, remove, inside))
        }
        Dialog::Paste(paste) => {
            let title = format!(" Run {} lines? ", text::thousands(paste.lines.len() as u64));
            (title, paste_lines(painter, paste))
        }
        Dialog::Leave(leave) => (" Leave? ".to_owned(), leave_cluster(leave)),
        Dialog::Bring(bring) => {
            let title = if bring.is_backup { " Restore a backup " } else { " Import a file " };
            (title.to_owned(), bring_keys(painter, bring, inside))
        }
        Dialog::Change(change) => {
            (format!(" {} ", painter.escape(&change.title)), change_something(painter, change, inside))
        }
    };
    let boxed = screen.width >= 60 && screen.height >= 12;
    let frame = if boxed { 2 } else { 1 };
    let room = usize::from(screen.height).saturating_sub(frame);
    while rows.len() > room {
        let Some(least) = rows.iter().map(|row| row.keep).min() else { break };
        let Some(at) = rows.iter().rposition(|row| row.keep == least) else { break };
        rows.remove(at);
    }
    let height = text::cells(rows.len() + frame);
    let area = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height.saturating_sub(height)) / 2,
        width,
        height: height.min(screen.height),
    };
    painter.clear(area);
    let inner =
        painter.panel(area, boxed, &[(Role::Title, title)], &[(Role::Quiet, " esc cancels ".to_owned())]);
    let mut cursor = None;
    for (at, row) in rows.iter().enumerate() {
        painter.line(inner, text::cells(at), &row.pieces);
        for &(column, width, field) in &row.zones {
            let area = Rect {
                x: inner.x + text::cells(column),
                y: inner.y + text::cells(at),
                width: text::cells(width),
                height: 1,
            };
            painter.zone(area.intersection(inner), Zone::Field(field));
        }
        if let Some(column) = row.cursor {
            cursor = Some((inner.x + text::cells(column), inner.y + text::cells(at)));
        }
    }
    cursor
}

/// A text field in brackets.
fn field(
    painter: &Painter<'_>,
    label: &str,
    input: &Input,
    room: usize,
    (which, now): (Field, Field),
    note: &str,
) -> Row {
    let focused = which == now;
    let (shown, column) = window(painter, input.value(), input.cursor(), room);
    let role = if focused { Role::Key } else { Role::Text };
    let pieces = vec![
        (Role::Quiet, format!("  {}", text::left(label, LABEL))),
        (role, "[ ".to_owned()),
        (Role::Text, text::left(&shown, room)),
        (role, " ]".to_owned()),
        (Role::Quiet, format!("  {note}")),
    ];
    let zones = vec![(2 + LABEL, room + 4, which)];
    Row { keep: FIELD, pieces, cursor: focused.then_some(2 + LABEL + 2 + column), zones }
}

fn buttons(field: Field, confirm: &str, readiness: Readiness) -> Row {
    let role = |button: Field, otherwise: Role| if field == button { Role::Selected } else { otherwise };
    let active = matches!(readiness, Readiness::Ready | Readiness::Again);
    let confirm = if readiness == Readiness::Again { "Plan again" } else { confirm };
    let confirm_role = role(Field::Confirm, if active { Role::Text } else { Role::Stale });
    let pieces = vec![
        (Role::Text, "  ".to_owned()),
        (role(Field::Cancel, Role::Text), "[ Cancel ]".to_owned()),
        (Role::Text, "   ".to_owned()),
        (confirm_role, format!("[ {confirm} ]")),
    ];
    let zones = vec![(2, 10, Field::Cancel), (15, confirm.len() + 4, Field::Confirm)];
    Row { keep: BUTTONS, pieces, cursor: None, zones }
}

/// Which end of a share the table of a plan names: the other one is what the dialog is about.
#[derive(Clone, Copy)]
enum Partner {
    Giver,
    Taker,
}

/// Shares that a plan lists before it only counts them.
const SHARES_SHOWN: usize = 6;

/// The plan, or why there is none yet.
fn preview(
    model: &Model,
    painter: &Painter<'_>,
    answer: &Answer<Plan>,
    partner: Partner,
    width: usize,
) -> Vec<Row> {
    let glyphs = model.theme.charset.glyphs();
    let plan = match answer {
        Answer::None => return Vec::new(),
        Answer::Waiting(_) => {
            return vec![labelled(CHECK, "Plan", Role::Quiet, format!("{} asking", glyphs.waiting))];
        }
        Answer::Here(Err(error)) => {
            let text = format!("{} {}", glyphs.warning, painter.escape(error));
            return wrapped(CHECK, "Plan", Role::Bad, &text, width);
        }
        Answer::Here(Ok(plan)) => plan,
    };
    let mut rows = shares(model, painter, plan, partner, width);
    for warning in &plan.warnings {
        let text = format!("{} {}", glyphs.warning, painter.escape(warning));
        rows.extend(wrapped(CHECK, "", Role::Warning, &text, width));
    }
    if plan.shares.iter().any(|share| share.from.is_some()) {
        let text = "writes to these slots wait while they are copied";
        rows.push(labelled(DETAIL, "", Role::Quiet, text.to_owned()));
    }
    if is_outdated(plan, &model.latest) {
        let text = format!("{} the cluster has changed since this plan was made", glyphs.warning);
        rows.extend(wrapped(CHECK, "", Role::Warning, &text, width));
    } else {
        let text = match width {
            ..56 => format!("{} revision {} only", glyphs.passed, plan.revision),
            _ => format!(
                "{} of revision {}; refused if the cluster changes first",
                glyphs.passed, plan.revision
            ),
        };
        rows.extend(wrapped(CHECK, "", Role::Good, &text, width));
    }
    rows
}

/// The table of a plan: a row for each node that gives or takes, and their sum.
fn shares(model: &Model, painter: &Painter<'_>, plan: &Plan, partner: Partner, width: usize) -> Vec<Row> {
    let glyphs = model.theme.charset.glyphs();
    let places = places(&model.shown);
    let wide = width >= 56;
    // What a node has to hold in the end matters where it takes.
    let memory = matches!(partner, Partner::Taker) && wide;
    let (name_width, keys_width) = if wide { (9, 11) } else { (5, 7) };
    let line = |name: &str, slots: &str, keys: &str, used: &str| {
        let (name, slots) = (text::left(name, name_width), text::right(slots, 6));
        let mut line = format!("{name} {slots} {}", text::right(keys, keys_width));
        if memory {
            line.push_str(&format!("  {}", text::right(used, 8)));
        }
        line
    };
    let about = |keys: Option<u64>| match keys {
        Some(0) => "0".to_owned(),
        Some(keys) => {
            let keys = if wide { text::thousands(keys) } else { text::short_count(keys) };
            text::own(&format!("≈{keys}"), model.theme.charset).into_owned()
        }
        None => glyphs.unknown.to_owned(),
    };
    let heading = match partner {
        Partner::Giver => "FROM",
        Partner::Taker => "TO",
    };
    let mut rows = vec![labelled(CHECK, "Plan", Role::Title, line(heading, "SLOTS", "KEYS", "MEM NOW"))];
    for share in plan.shares.iter().take(SHARES_SHOWN) {
        let node = match partner {
            Partner::Giver => share.from.as_ref(),
            Partner::Taker => Some(&share.to),
        };
        let name = node.map_or_else(
            || "nobody".to_owned(),
            |id| match places.get(id) {
                Some(&place) => format!("{} {}", painter.escape(id.as_str()), letters(place)),
                None => painter.escape(id.as_str()),
            },
        );
        let figures = node.and_then(|id| model.latest.nodes.get(id)).and_then(|node| node.figures.as_ref());
        let used = figures.map_or_else(
            || glyphs.none.to_owned(),
            |figures| match figures.max_memory {
                0 => text::short_bytes(figures.used_memory),
                max => format!("{}%", figures.used_memory.saturating_mul(100) / max),
            },
        );
        let slots = text::thousands(share.slots as u64);
        rows.push(labelled(DETAIL, "", Role::Text, line(&name, &slots, &about(share.keys), &used)));
    }
    if let Some(more) = plan.shares.len().checked_sub(SHARES_SHOWN).filter(|&more| more > 0) {
        let text = format!("{} and {more} more", glyphs.more);
        rows.push(labelled(DETAIL, "", Role::Quiet, text));
    }
    let slots: usize = plan.shares.iter().map(|share| share.slots).sum();
    let keys = plan.shares.iter().map(|share| share.keys).sum::<Option<u64>>();
    if plan.shares.is_empty() {
        rows = vec![labelled(CHECK, "Plan", Role::Text, "no slots move".to_owned())];
    } else if plan.shares.len() > 1 {
        rows.push(labelled(
            CHECK,
            "",
            Role::Quiet,
            line("sum", &text::thousands(slots as u64), &about(keys), ""),
        ));
    }
    rows
}

/// A labelled text on as many rows as it needs.
fn wrapped(keep: u8, label: &str, role: Role, text: &str, width: usize) -> Vec<Row> {
    let room = width.saturating_sub(LABEL + 3).max(8);
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let fits = lines
            .last()
            .is_some_and(|line| line.is_empty() || text::width(line) + 1 + text::width(word) <= room);
        match lines.last_mut() {
            Some(line) if fits => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
        .into_iter()
        .take(4)
        .enumerate()
        .map(|(at, line)| {
            labelled(if at == 0 { keep } else { DETAIL }, if at == 0 { label } else { "" }, role, line)
        })
        .collect()
}

fn add_node(model: &Model, painter: &Painter<'_>, add: &AddNode, width: usize) -> Vec<Row> {
    let glyphs = model.theme.charset.glyphs();
    let room = width.saturating_sub(LABEL + 8);
    let mut rows = vec![
        blank(),
        field(painter, "Node id", &add.id, room.min(10), (Field::Id, add.field), "must not be a member yet"),
        field(painter, "Address", &add.address, room.min(44), (Field::Address, add.field), ""),
        blank(),
    ];
    let revision = model.latest.registry.revision;
    let parsed = add.parsed(&model.latest);
    match &parsed {
        Ok((id, address)) => {
            let free = format!("{} id {id} is free at revision {revision}", glyphs.passed);
            rows.push(labelled(CHECK, "Checks", Role::Good, painter.escape(&free)));
            if address.is_none() {
                let text = format!("{} no address: the node is started in this process", glyphs.passed);
                rows.push(labelled(CHECK, "", Role::Good, text));
            } else if address.as_ref().is_some_and(Address::is_wildcard) {
                let text = format!("{} a wildcard address works from this machine only", glyphs.warning);
                rows.push(labelled(CHECK, "", Role::Warning, text));
            }
        }
        Err(problem) => {
            let empty = add.address.value().trim().is_empty();
            let role = if empty { Role::Quiet } else { Role::Bad };
            let text = if empty {
                "http://HOST:PORT for a redis_node, redis://HOST:PORT for stock Redis".to_owned()
            } else {
                format!("{} {}", glyphs.warning, painter.escape(problem))
            };
            rows.extend(wrapped(CHECK, "Checks", role, &text, width));
        }
    }
    rows.extend(probe(model, painter, add, width));
    rows.push(blank());
    rows.extend(preview(model, painter, &add.preview, Partner::Giver, width));
    rows.push(blank());
    rows.push(labelled(COMMAND, "Command", Role::Title, painter.escape(&add.words())));
    rows.push(blank());
    rows.push(buttons(add.field, "Add node", add.readiness(&model.latest)));
    rows
}

fn probe(model: &Model, painter: &Painter<'_>, add: &AddNode, width: usize) -> Vec<Row> {
    let glyphs = model.theme.charset.glyphs();
    match &add.probe {
        Answer::None => Vec::new(),
        Answer::Waiting(_) => {
            vec![labelled(CHECK, "", Role::Quiet, format!("{} connecting", glyphs.waiting))]
        }
        Answer::Here(Err(error)) => {
            let text = format!("{} {}", glyphs.down, painter.escape(error));
            wrapped(CHECK, "", Role::Bad, &text, width)
        }
        Answer::Here(Ok(probe)) => {
            let mut rows = vec![labelled(
                CHECK,
                "",
                Role::Good,
                painter.escape(&format!(
                    "{} answers PING in {}{}{}",
                    glyphs.passed,
                    text::duration_us(probe.ping_us),
                    if probe.version.is_empty() { "" } else { ", " },
                    probe.version
                )),
            )];
            rows.extend(probe.keys.map(|keys| match keys {
                0 => labelled(CHECK, "", Role::Good, format!("{} it is empty", glyphs.passed)),
                keys => {
                    let text = format!("{} it holds {} keys already", glyphs.warning, text::thousands(keys));
                    labelled(CHECK, "", Role::Warning, text)
                }
            }));
            rows
        }
    }
}

fn remove_node(model: &Model, painter: &Painter<'_>, remove: &RemoveNode, width: usize) -> Vec<Row> {
    let glyphs = model.theme.charset.glyphs();
    let node = model.latest.nodes.get(&remove.id);
    let mut rows = vec![
        blank(),
        row(
            DETAIL,
            vec![(
                Role::Text,
                "  Its slots and keys move to the others; then it is no member any more.".to_owned(),
            )],
        ),
    ];
    rows.extend(node.map(|node| {
        let slots = model.latest.slots_of(&remove.id);
        let count =
            |count: u64, what: &str| format!("{} {}", text::thousands(count), text::plural(count, what));
        let keys =
            node.figures.as_ref().map_or_else(|| format!("{} keys", glyphs.none), |f| count(f.keys, "key"));
        let text = format!("{}  {}  {keys}", node.record.address, count(slots as u64, "slot"));
        labelled(CHECK, "Node", Role::Text, painter.escape(&text))
    }));
    match node {
        None => rows.push(labelled(CHECK, "", Role::Bad, format!("{} it is gone already", glyphs.warning))),
        Some(node) => rows.extend(node.error.as_ref().map(|error| {
            let text = format!("{} it does not answer: {error}", glyphs.warning);
            labelled(CHECK, "", Role::Bad, painter.escape(&text))
        })),
    }
    let moving = model.latest.moves().len();
    if moving > 0 {
        let text = format!("{} slots are moving already; this waits behind that", glyphs.warning);
        rows.push(labelled(CHECK, "", Role::Warning, text));
    }
    rows.push(blank());
    rows.extend(preview(model, painter, &remove.preview, Partner::Taker, width));
    rows.push(blank());
    rows.push(labelled(COMMAND, "Command", Role::Title, painter.escape(&remove.words())));
    rows.push(blank());
    let note = if remove.is_confirmed() { "confirmed" } else { "type the node id to confirm" };
    rows.push(field(painter, "Confirm", &remove.typed, 12, (Field::Id, remove.field), note));
    rows.push(buttons(remove.field, "Remove node", remove.readiness(&model.latest)));
    rows
}

fn paste_lines(painter: &Painter<'_>, paste: &PastedLines) -> Vec<Row> {
    let mut rows = vec![blank()];
    let shown = 10;
    rows.extend(
        paste
            .lines
            .iter()
            .take(shown)
            .map(|line| row(DETAIL, vec![(Role::Text, format!("  {}", painter.escape(line)))])),
    );
    if paste.lines.len() > shown {
        rows.push(row(DETAIL, vec![(Role::Quiet, format!("  and {} more", paste.lines.len() - shown))]));
    }
    rows.push(blank());
    rows.push(row(
        CHECK,
        vec![(Role::Text, "  They run one after the other; what changes members asks again.".to_owned())],
    ));
    let question = format!("Run {} lines", text::thousands(paste.lines.len() as u64));
    rows.push(buttons(paste.field, &question, Readiness::Ready));
    rows
}

fn change_something(painter: &Painter<'_>, change: &Change, width: usize) -> Vec<Row> {
    let mut rows = vec![blank()];
    for (label, about) in &change.about {
        let about = painter.escape(about);
        rows.push(labelled(
            CHECK,
            label,
            Role::Text,
            text::shorten(&about, width.saturating_sub(LABEL + 3)).into_owned(),
        ));
    }
    rows.push(blank());
    let room = width.saturating_sub(LABEL + 8);
    rows.push(field(painter, "Command", &change.command, room, (Field::Command, change.field), ""));
    rows.push(labelled(DETAIL, "", Role::Quiet, "as one would type it; it can be edited".to_owned()));
    rows.push(blank());
    rows.push(buttons(change.field, change.verb, Readiness::Ready));
    rows
}

fn bring_keys(painter: &Painter<'_>, bring: &BringKeys, width: usize) -> Vec<Row> {
    let room = width.saturating_sub(LABEL + 3);
    let path = painter.escape(&bring.path.display().to_string());
    let what = if bring.is_backup { "Directory" } else { "File" };
    let mut choices: Vec<Piece> = vec![(Role::Quiet, format!("  {}", text::left("Keys there", LABEL)))];
    let mut used = 0;
    for (conflict, word) in bring.choices() {
        let is_chosen = *conflict == bring.conflict;
        let role = if is_chosen && bring.field == Field::Choice { Role::Selected } else { Role::Text };
        let choice = format!("({}) {word}", if is_chosen { '*' } else { ' ' });
        used += choice.len() + 2;
        choices.push((role, choice));
        choices.push((Role::Text, "  ".to_owned()));
    }
    let zones = vec![(2 + LABEL, used, Field::Choice)];
    let consequence = bring.consequence();
    let weight = if bring.conflict == Some(Conflict::Replace) { Role::Warning } else { Role::Quiet };
    let command = painter.escape(&bring.words());
    vec![
        blank(),
        labelled(CHECK, what, Role::Text, text::shorten(&path, room).into_owned()),
        Row { keep: FIELD, pieces: choices, cursor: None, zones },
        labelled(CHECK, "", weight, text::shorten(consequence, room).into_owned()),
        blank(),
        labelled(COMMAND, "Command", Role::Title, text::shorten(&command, room).into_owned()),
        blank(),
        buttons(bring.field, if bring.is_backup { "Restore it" } else { "Import it" }, Readiness::Ready),
    ]
}

fn leave_cluster(leave: &Leave) -> Vec<Row> {
    let what = match leave.keys {
        Some(1) => "1 key, which ends".to_owned(),
        Some(keys) => format!("{} keys, which end", text::thousands(keys)),
        None => "keys perhaps, which end".to_owned(),
    };
    vec![
        blank(),
        row(CHECK, vec![(Role::Warning, "  This cluster lives in this process, in its memory.".to_owned())]),
        row(CHECK, vec![(Role::Text, format!("  It holds {what} with it."))]),
        blank(),
        buttons(leave.field, "Leave", Readiness::Ready),
    ]
}
