//! Opening, filling in and pressing the buttons of dialogs. The only way from a key to a change of the membership.

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use redis_cluster::id::{NodeId, ProxyId};
use tui_input::{Input, InputRequest};

use super::{line, navigation::type_into, note};
use crate::{
    format::counted,
    language::{ChangeOptions, Operator, PlanRequest},
    screen::{
        dialog::{
            self, AddNode, Answer, BringKeys, Change, Dialog, Field, Leave, PastedLines, Readiness,
            RemoveNode,
        },
        event::{Effect, Effects, Plan, Probe},
        keymap::Action,
        model::{Model, Tone},
        settings::Queued,
    },
    session::Status,
};

pub(super) fn open_add(model: &mut Model, effects: &mut Effects) {
    model.dialog = Some(Dialog::Add(Box::new(AddNode::new(&model.latest, model.embedded))));
    refresh(model, effects);
}

pub(super) fn open_remove(model: &mut Model, id: NodeId, options: ChangeOptions, effects: &mut Effects) {
    if !model.latest.nodes.contains_key(&id) {
        return note(model, Tone::Bad, &format!("there is no node {id}; show nodes lists them"));
    }
    model.dialog = Some(Dialog::Remove(RemoveNode { options, ..RemoveNode::new(id) }));
    refresh(model, effects);
}

/// Whether this asks in a dialog before it runs.
pub(super) fn asks(operator: &Operator) -> bool {
    match operator {
        Operator::Add { options, .. }
        | Operator::Remove { options, .. }
        | Operator::DrainProxy { options, .. } => !options.yes,
        Operator::Import { .. } | Operator::Restore { .. } => true,
        Operator::Show(_)
        | Operator::Ack { .. }
        | Operator::Sync
        | Operator::Plan(_)
        | Operator::Node { .. }
        | Operator::Delete { .. }
        | Operator::Explain(_)
        | Operator::Watch(_)
        | Operator::Export { .. }
        | Operator::Backup { .. }
        | Operator::Help(_) => false,
    }
}

fn open_bring(model: &mut Model, bring: BringKeys) {
    model.dialog = Some(Dialog::Bring(bring));
    model.dirty = true;
}

fn open_drain(model: &mut Model, id: &ProxyId, options: ChangeOptions) {
    let Some(proxy) = model.latest.proxies.get(id) else {
        return note(model, Tone::Bad, &format!("there is no proxy {id}; show proxies lists them"));
    };
    let clients = proxy.figures.as_ref().map_or_else(
        || "not known how many clients it has".to_owned(),
        |figures| counted(figures.clients, "client"),
    );
    let about = vec![
        ("Proxy".to_owned(), format!("{id}  {}  {clients}", proxy.record.address)),
        ("Then".to_owned(), "it takes nobody new, finishes what runs, and ends".to_owned()),
    ];
    let words = format!("drain proxy {id}{} --yes", dialog::option_words(options));
    model.dialog = Some(Dialog::Change(Change::new("End a proxy", about, words, "End it")));
    model.dirty = true;
}

/// What is typed asks in the same dialogs, filled in.
pub(super) fn open_for(model: &mut Model, operator: &Operator, effects: &mut Effects) {
    match operator {
        Operator::Add { id, address, options } => {
            let mut add = AddNode::new(&model.latest, model.embedded);
            add.id = Input::new(id.to_string());
            add.address = Input::new(address.clone().map(String::from).unwrap_or_default());
            add.options = *options;
            add.field = if add.parsed(&model.latest).is_ok() { Field::Confirm } else { Field::Address };
            model.dialog = Some(Dialog::Add(Box::new(add)));
            refresh(model, effects);
        }
        Operator::Remove { id, options } => {
            open_remove(model, id.clone(), *options, effects);
        }
        Operator::DrainProxy { id, options } => open_drain(model, id, *options),
        Operator::Import { path, conflict } => {
            open_bring(model, BringKeys::new(path.clone(), false, Some(*conflict)));
        }
        Operator::Restore { directory, conflict } => {
            open_bring(model, BringKeys::new(directory.clone(), true, *conflict));
        }
        _ => {}
    }
}

pub(super) fn open_paste(model: &mut Model, lines: Vec<String>) {
    model.dialog = Some(Dialog::Paste(PastedLines { lines, field: Field::Cancel }));
}

/// Leaves, after a question if keys would end with this process.
pub(super) fn leave(model: &mut Model, status: Status, effects: &mut Effects) {
    match model.latest.keys_held() {
        Some(0) => {}
        keys if model.asks_to_leave => {
            model.dialog = Some(Dialog::Leave(Leave { keys, status, field: Field::Cancel }));
            model.dirty = true;
            return;
        }
        _ => {}
    }
    effects.push(Effect::Quit(status));
}

/// Asks again what the checks and the plan say, where the question has changed.
pub(super) fn refresh(model: &mut Model, effects: &mut Effects) {
    let serials = (model.next_serial, model.next_serial + 1);
    match &mut model.dialog {
        Some(Dialog::Add(add)) => {
            let wanted = add.parsed(&model.latest).ok();
            if wanted == add.asked_about {
                return;
            }
            add.asked_about = wanted;
            (add.probe, add.preview) = (Answer::None, Answer::None);
            if let Some((_, Some(address))) = &add.asked_about {
                add.probe = Answer::Waiting(serials.0);
                effects.push(Effect::Probe { serial: serials.0, address: address.clone() });
            }
            if let Some(request) = add.plan() {
                add.preview = Answer::Waiting(serials.1);
                effects.push(Effect::Preview { serial: serials.1, request, options: add.options });
            }
        }
        Some(Dialog::Remove(remove)) if remove.preview == Answer::None => {
            remove.preview = Answer::Waiting(serials.0);
            let request = PlanRequest::Remove { id: remove.id.clone() };
            effects.push(Effect::Preview { serial: serials.0, request, options: remove.options });
        }
        _ => return,
    }
    model.next_serial += 2;
    model.dirty = true;
}

pub(super) fn probed(model: &mut Model, serial: u64, result: Result<Probe, String>) {
    if let Some(Dialog::Add(add)) = &mut model.dialog {
        add.probe.take(serial, result);
        model.dirty = true;
    }
}

pub(super) fn previewed(model: &mut Model, serial: u64, result: Result<Plan, String>) {
    match &mut model.dialog {
        Some(Dialog::Add(add)) => add.preview.take(serial, result),
        Some(Dialog::Remove(remove)) => remove.preview.take(serial, result),
        Some(Dialog::Paste(_) | Dialog::Leave(_) | Dialog::Bring(_) | Dialog::Change(_)) | None => return,
    }
    model.dirty = true;
}

pub(super) fn press(model: &mut Model, action: Option<Action>, key: KeyEvent, effects: &mut Effects) {
    if action == Some(Action::Back) {
        return close(model, effects);
    }
    let field = match &mut model.dialog {
        Some(Dialog::Add(add)) => {
            step(&mut add.field, &AddNode::FIELDS, action);
            match add.field {
                Field::Id => drop(type_into(&mut add.id, action, key)),
                Field::Address => drop(type_into(&mut add.address, action, key)),
                Field::Command | Field::Choice | Field::Cancel | Field::Confirm => {}
            }
            add.field
        }
        Some(Dialog::Remove(remove)) => {
            step(&mut remove.field, &RemoveNode::FIELDS, action);
            if remove.field == Field::Id {
                type_into(&mut remove.typed, action, key);
            }
            remove.field
        }
        Some(Dialog::Paste(paste)) => {
            step(&mut paste.field, &PastedLines::FIELDS, action);
            paste.field
        }
        Some(Dialog::Leave(leave)) => {
            step(&mut leave.field, &Leave::FIELDS, action);
            leave.field
        }
        Some(Dialog::Change(change)) => {
            step(&mut change.field, &Change::FIELDS, action);
            if change.field == Field::Command {
                type_into(&mut change.command, action, key);
            }
            change.field
        }
        Some(Dialog::Bring(bring)) => {
            step(&mut bring.field, &BringKeys::FIELDS, action);
            if bring.field == Field::Choice {
                match (action, key.code) {
                    (Some(Action::Edit(InputRequest::GoToNextChar)), _) | (None, KeyCode::Char(' ')) => {
                        bring.choose(true);
                    }
                    (Some(Action::Edit(InputRequest::GoToPrevChar)), _) => bring.choose(false),
                    _ => {}
                }
            }
            bring.field
        }
        None => return,
    };
    if action == Some(Action::Enter) {
        return enter(model, field, effects);
    }
    refresh(model, effects);
}

/// Runs a line of the language as if it had been typed.
pub(super) fn run_line(model: &mut Model, line: String, effects: &mut Effects) {
    model.queue.push_back(line.into());
    line::run_next(model, effects);
}

fn step(field: &mut Field, fields: &[Field], action: Option<Action>) {
    match action {
        Some(Action::Next) => *field = dialog::neighbour(fields, *field, true),
        Some(Action::Previous) => *field = dialog::neighbour(fields, *field, false),
        _ => {}
    }
}

/// A click on a field goes there; on a button it presses it.
pub(super) fn click(model: &mut Model, field: Field, effects: &mut Effects) {
    let at = match &mut model.dialog {
        Some(Dialog::Add(add)) => &mut add.field,
        Some(Dialog::Remove(remove)) => &mut remove.field,
        Some(Dialog::Paste(paste)) => &mut paste.field,
        Some(Dialog::Leave(leave)) => &mut leave.field,
        Some(Dialog::Change(change)) => &mut change.field,
        Some(Dialog::Bring(bring)) => {
            if field == Field::Choice {
                bring.choose(true);
            }
            &mut bring.field
        }
        None => return,
    };
    *at = field;
    if matches!(field, Field::Cancel | Field::Confirm) {
        enter(model, field, effects);
    }
}

fn enter(model: &mut Model, field: Field, effects: &mut Effects) {
    if field == Field::Cancel {
        return close(model, effects);
    }
    let (command, words) = match &mut model.dialog {
        // From a text field Enter goes on; only the button adds.
        Some(Dialog::Add(add)) if field == Field::Id => {
            add.field = Field::Address;
            return;
        }
        Some(Dialog::Add(add)) if field == Field::Address => {
            if add.parsed(&model.latest).is_ok() {
                add.field = Field::Confirm;
            }
            return;
        }
        // Whoever reads a plan that has aged gets a new one to read, and decides again.
        Some(Dialog::Add(add)) if add.readiness(&model.latest) == Readiness::Again => {
            add.asked_about = None;
            return refresh(model, effects);
        }
        Some(Dialog::Remove(remove)) if remove.readiness(&model.latest) == Readiness::Again => {
            remove.preview = Answer::None;
            remove.typed.reset();
            return refresh(model, effects);
        }
        Some(Dialog::Add(add)) => (add.command(&model.latest), add.words()),
        Some(Dialog::Remove(remove)) => (remove.command(&model.latest), remove.words()),
        Some(Dialog::Paste(paste)) => {
            model.queue.extend(std::mem::take(&mut paste.lines).into_iter().map(Queued::from));
            model.held = false;
            model.dialog = None;
            return line::run_next(model, effects);
        }
        Some(Dialog::Leave(leave)) => return effects.push(Effect::Quit(leave.status)),
        Some(Dialog::Bring(bring)) if field == Field::Choice => {
            bring.field = Field::Confirm;
            return;
        }
        Some(Dialog::Bring(bring)) => (Some(bring.command()), bring.words()),
        // From the command Enter goes on; only the button runs it.
        Some(Dialog::Change(change)) if field == Field::Command => {
            change.field = Field::Confirm;
            return;
        }
        Some(Dialog::Change(change)) => {
            let line = change.command.value().to_owned();
            model.dialog = None;
            return run_line(model, line, effects);
        }
        None => return,
    };
    if let Some(command) = command {
        model.dialog = None;
        line::start(model, words.into(), command, 1, effects);
    }
}

pub(super) fn close(model: &mut Model, effects: &mut Effects) {
    model.dirty = true;
    if let Some(Dialog::Leave(_)) = model.dialog {
        model.dialog = None;
        return line::run_next(model, effects);
    }
    let dropped = if model.held { 0 } else { std::mem::take(&mut model.queue).len() };
    match model.dialog.take() {
        Some(Dialog::Paste(paste)) => {
            note(model, Tone::Note, &format!("{} pasted lines dropped", paste.lines.len()));
        }
        Some(_) if dropped > 0 => {
            note(model, Tone::Note, &format!("nothing was changed; {dropped} waiting lines dropped"));
        }
        Some(_) => note(model, Tone::Note, "nothing was changed"),
        None => {}
    }
    line::run_next(model, effects);
}
