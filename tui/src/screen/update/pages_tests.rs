//! Pages: opening and leaving them, what they ask, what the mouse does to them.

use super::tests::*;
use super::*;
use crate::screen::{
    dialog::Field,
    event::Mouse,
    pages::{
        Kind,
        ask::{Heard, Question},
    },
    sample,
    theme::Charset,
    view::Zone,
};
use redis_cluster::protocol::Value;

fn nav() -> Model {
    let mut model = sample::model((120, 36), Charset::Unicode, &sample::cluster());
    send(&mut model, [key(KeyCode::Esc)]);
    model
}

fn title(model: &Model) -> Option<String> {
    model.pages.top().map(|page| page.kind.content().title())
}

/// Questions among effects.
fn asked(effects: &[Effect]) -> Vec<(u64, Question)> {
    let question = |effect: &Effect| match effect {
        Effect::Ask { serial, question } => Some((*serial, question.clone())),
        _ => None,
    };
    effects.iter().filter_map(question).collect()
}

fn words(question: &Question) -> Vec<String> {
    let join = |command: &Vec<Vec<u8>>| {
        command.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>().join(" ")
    };
    question.commands().iter().map(join).collect()
}

#[test]
fn enter_opens_what_is_selected_and_escape_goes_back() {
    let mut model = nav();
    let effects = send(&mut model, [key(KeyCode::Char('j')), key(KeyCode::Enter)]);
    assert_eq!(title(&model).as_deref(), Some("node 2"));
    assert_eq!(words(&asked(&effects)[0].1), ["INFO"]);
    send(&mut model, [key(KeyCode::Char(']'))]);
    assert_eq!(title(&model).as_deref(), Some("node 3"));
    send(&mut model, [key(KeyCode::Esc)]);
    assert_eq!(title(&model), None);
    for expected in ["plan 3", "proxy p1", "event of 14:02:10Z"] {
        send(&mut model, [key(KeyCode::Tab), key(KeyCode::Enter)]);
        assert!(title(&model).is_some_and(|title| title.starts_with(&expected[..5])), "{expected}");
        send(&mut model, [key(KeyCode::Esc)]);
    }
    send(&mut model, [key(KeyCode::Char('5')), key(KeyCode::Enter), key(KeyCode::Esc)]);
    assert_eq!(title(&model).as_deref(), Some("events"));
    assert_eq!(send(&mut model, [key(KeyCode::Char('q'))]), [], "q goes back first");
    assert_eq!(title(&model), None);
}

#[test]
fn only_the_page_on_top_asks_and_only_when_it_is_due() {
    let mut model = nav();
    let effects = send(&mut model, [key(KeyCode::Enter)]);
    let (serial, _) = asked(&effects)[0];
    assert_eq!(model.ask_in_ms(), None, "an answer is awaited");
    let reply = vec![Value::Bulk("# Server\r\nredis_version:7.2\r\n".into())];
    assert!(send(&mut model, [Event::Answered { serial, result: Ok(Heard::Replies(reply)) }]).is_empty());
    assert_eq!(model.ask_in_ms(), Some(1_000));
    let later = Millis(model.now.0 + 1_000);
    let effects = send(&mut model, [Event::Clock(later)]);
    let (serial, _) = asked(&effects)[0];
    let failed = Err("no answer within 2 s".to_owned());
    send(&mut model, [Event::Answered { serial, result: failed }]);
    let page = model.pages.top().unwrap();
    assert_eq!(page.asks.troubles().next().unwrap().1.error, "no answer within 2 s");

    let far = Millis(model.now.0 + 60_000);
    send(&mut model, [key(KeyCode::Char('5'))]);
    assert!(asked(&send(&mut model, [Event::Clock(far)])).is_empty(), "events are known without asking");
    let mut frozen = nav();
    send(&mut frozen, [key(KeyCode::Char(' '))]);
    assert!(asked(&send(&mut frozen, [key(KeyCode::Enter)])).is_empty());
}

#[test]
fn tabs_ask_for_themselves_and_a_change_is_a_command_in_a_dialog() {
    let mut model = nav();
    send(&mut model, [key(KeyCode::Enter), key(KeyCode::Tab)]);
    let later = Event::Clock(Millis(model.now.0 + 100));
    let effects = send(&mut model, [key(KeyCode::Tab), later]);
    let asked = asked(&effects);
    let (serial, question) = asked.last().unwrap();
    assert_eq!(words(question), ["CLIENT LIST"]);
    let list =
        Value::Bulk("id=7 addr=10.0.0.9:5000 name=app cmd=get\nid=8 addr=10.0.0.9:5001 cmd=set\n".into());
    send(&mut model, [Event::Answered { serial: *serial, result: Ok(Heard::Replies(vec![list])) }]);
    send(&mut model, [key(KeyCode::Char('/'))]);
    send(&mut model, text("5001"));
    send(&mut model, [key(KeyCode::Enter), key(KeyCode::Char('D'))]);
    assert!(
        matches!(&model.dialog, Some(Dialog::Change(change)) if change.command.value() == "node 1 client kill id 8")
    );
    assert!(
        runs(&send(&mut model, [key(KeyCode::Enter)])).is_empty(),
        "the button that gives up comes first"
    );
    assert!(model.dialog.is_none());
    send(&mut model, [key(KeyCode::Char('D')), key(KeyCode::Tab)]);
    let run = runs(&send(&mut model, [key(KeyCode::Enter)]));
    assert!(run[0].1.contains("Node"), "{run:?}");
    let effects = finish(&mut model, run[0].0);
    assert!(effects.iter().all(|effect| matches!(effect, Effect::Ask { .. })), "the page looks again");
    assert_eq!(model.transcript.last().unwrap().line, "node 1 client kill id 8");

    model.read_only = true;
    send(&mut model, [key(KeyCode::Char('D'))]);
    assert!(model.dialog.is_none() && model.result.lines[0].contains("read-only"));
    send(&mut model, [key(KeyCode::Char('i'))]);
    assert_eq!(runs(&enter(&mut model, "remove 1")).len(), 1, "the session refuses it");
    assert!(model.dialog.is_none());
}

#[test]
fn the_palette_goes_does_and_runs_words() {
    let mut model = nav();
    send(&mut model, [key(KeyCode::Char(':'))]);
    send(&mut model, text("node 3"));
    send(&mut model, [key(KeyCode::Enter)]);
    assert_eq!(title(&model).as_deref(), Some("node 3"));
    send(&mut model, [key(KeyCode::Char(':'))]);
    send(&mut model, text("what was ty"));
    send(&mut model, [key(KeyCode::Enter)]);
    assert_eq!(title(&model).as_deref(), Some("transcript"));
    send(&mut model, [key(KeyCode::Char(':'))]);
    send(&mut model, text("set text utf8"));
    send(&mut model, [key(KeyCode::Enter)]);
    assert_eq!(model.result.lines, ["text is utf8"]);
    send(&mut model, [key(KeyCode::Char(':'))]);
    send(&mut model, text("source"));
    send(&mut model, [key(KeyCode::Enter)]);
    assert_eq!((model.focus, model.line.input.value()), (Focus::Line, ":source "));
}

#[test]
fn the_mouse_selects_opens_scrolls_and_presses_buttons() {
    let mut model = nav();
    let click = |zone| Event::Mouse(Mouse::Click, Some(zone));
    let row = Zone::PanelRow(Panel::Nodes, 3);
    send(&mut model, [click(row)]);
    assert_eq!((model.nodes.position(), title(&model)), (Some(3), None));
    send(&mut model, [click(row), click(Zone::Tab(1))]);
    assert_eq!(title(&model).as_deref(), Some("node 4"));
    let Some(Kind::Node(page)) = model.pages.top().map(|page| &page.kind) else { panic!("a node") };
    assert_eq!(page.tab, crate::screen::pages::node::Tab::Info);
    send(&mut model, [key(KeyCode::Esc), Event::Mouse(Mouse::Up, Some(Zone::Panel(Panel::Nodes)))]);
    assert_eq!(model.nodes.position(), Some(0));
    send(&mut model, [key(KeyCode::Char('A')), click(Zone::Field(Field::Id))]);
    assert!(matches!(&model.dialog, Some(Dialog::Add(add)) if add.field == Field::Id));
    send(&mut model, [click(Zone::Nothing), click(Zone::Field(Field::Cancel))]);
    assert!(model.dialog.is_none());
    send(&mut model, [click(Zone::Prompt)]);
    assert_eq!(model.focus, Focus::Line);
}

#[test]
fn what_is_selected_can_be_copied() {
    let mut model = nav();
    let effects = send(&mut model, [key(KeyCode::Char('y'))]);
    assert_eq!(effects, [Effect::Copy("1\thttp://10.0.0.11:8001".to_owned())]);
    send(&mut model, [key(KeyCode::Char('5'))]);
    let effects = send(&mut model, [key(KeyCode::Char('y'))]);
    assert!(matches!(&effects[..], [Effect::Copy(text)] if text.contains("608 slots 2")), "{effects:?}");
}
