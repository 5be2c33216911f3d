use std::sync::Arc;

use proptest::prelude::*;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use redis_cluster::time::Millis;

use super::*;
use crate::{
    assist::Sought,
    language::{Command, Conflict, Operator},
    screen::{
        dialog::{Answer, Dialog, Field},
        event::{Finished, Plan, Probe},
        sample,
        theme::Charset,
    },
};

fn model() -> Model {
    sample::model((80, 24), Charset::Unicode, &sample::cluster())
}

pub(super) fn key(code: KeyCode) -> Event {
    Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn control(character: char) -> Event {
    Event::Key(KeyEvent::new(KeyCode::Char(character), KeyModifiers::CONTROL))
}

pub(super) fn send(model: &mut Model, events: impl IntoIterator<Item = Event>) -> Effects {
    events.into_iter().flat_map(|event| update(model, event)).collect()
}

fn pass(model: &mut Model, ms: i64) {
    let now = Millis(model.now.0 + ms);
    update(model, Event::Clock(now));
}

pub(super) fn text(text: &str) -> impl Iterator<Item = Event> + '_ {
    text.chars().map(|character| key(KeyCode::Char(character)))
}

pub(super) fn enter(model: &mut Model, line: &str) -> Effects {
    send(model, text(line).chain([key(KeyCode::Enter)]))
}

pub(super) fn runs(effects: &[Effect]) -> Vec<(u64, String)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Run { run, command: Command::Redis(words), .. } => {
                let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
                Some((*run, words.join(" ")))
            }
            Effect::Run { run, command, .. } => Some((*run, format!("{command:?}"))),
            _ => None,
        })
        .collect()
}

/// Answers whatever dry run the open dialog waits for.
fn plan(model: &mut Model, result: Result<Plan, String>) {
    let preview = match &model.dialog {
        Some(Dialog::Add(add)) => &add.preview,
        Some(Dialog::Remove(remove)) => &remove.preview,
        _ => panic!("no plan is asked for"),
    };
    let Answer::Waiting(serial) = *preview else { panic!("no plan is asked for: {preview:?}") };
    update(model, Event::Previewed { serial, result });
}

pub(super) fn finish(model: &mut Model, run: u64) -> Effects {
    update(
        model,
        Event::Finished(Finished {
            database: 0,
            run,
            text: "OK".to_owned(),
            ok: true,
            took_us: 1,
            via: String::new(),
        }),
    )
}

#[test]
fn what_is_typed_runs_and_what_is_typed_meanwhile_waits() {
    let mut model = model();
    let first = runs(&enter(&mut model, "set a 1"));
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].1, "set a 1");
    assert!(runs(&enter(&mut model, "get a")).is_empty());
    assert_eq!(model.queue.len(), 1);
    assert_eq!(runs(&finish(&mut model, first[0].0))[0].1, "get a");
    assert_eq!(model.result.lines, ["OK"]);
}

#[test]
fn an_answer_to_another_run_is_not_shown() {
    let mut model = model();
    enter(&mut model, "get a");
    finish(&mut model, 999);
    assert!(model.running.is_some() && model.result.lines.is_empty());
}

#[test]
fn a_line_that_is_wrong_says_so_and_runs_nothing() {
    let mut model = model();
    assert!(runs(&enter(&mut model, "set \"a")).is_empty());
    assert_eq!(model.result.tone, Tone::Bad);
    assert!(model.result.lines[0].starts_with("Invalid argument(s)"));
}

#[test]
fn history_goes_back_forth_and_to_the_draft() {
    let mut model = model();
    for line in ["ping", "time"] {
        let run = runs(&enter(&mut model, line))[0].0;
        finish(&mut model, run);
    }
    send(&mut model, text("dra"));
    let line = |model: &Model| model.line.input.value().to_owned();
    send(&mut model, [key(KeyCode::Up)]);
    assert_eq!(line(&model), "time");
    send(&mut model, [key(KeyCode::Up), key(KeyCode::Up)]);
    assert_eq!(line(&model), "ping");
    send(&mut model, [key(KeyCode::Down), key(KeyCode::Down)]);
    assert_eq!(line(&model), "dra");
}

#[test]
fn secrets_are_not_remembered() {
    let mut model = model();
    let effects = enter(&mut model, "auth s3cret");
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Remember(_))));
    assert!(model.line.history.is_empty());
}

#[test]
fn tab_walks_through_candidates() {
    let mut model = model();
    send(&mut model, text("show "));
    send(&mut model, [key(KeyCode::Tab)]);
    assert_eq!(model.line.input.value(), "show audit");
    send(&mut model, [key(KeyCode::Tab)]);
    assert_eq!(model.line.input.value(), "show hotkeys");
    assert!(model.line.completion.is_some());
    send(&mut model, text("x"));
    assert!(model.line.completion.is_none());
}

#[test]
fn interrupt_cancels_then_leaves_within_two_seconds() {
    let mut model = model();
    let run = runs(&enter(&mut model, "get a"))[0].0;
    assert_eq!(send(&mut model, [control('c')]), [Effect::Cancel { run }]);
    assert!(model.running.is_none());
    let later = Event::Clock(Millis(model.now.0 + 3_000));
    assert_eq!(send(&mut model, [later, control('c')]), []);
    assert_eq!(send(&mut model, [control('c')]), [Effect::Quit(Status::Interrupted)]);
}

#[test]
fn end_of_input_quits_on_an_empty_line_only() {
    let mut model = model();
    assert_eq!(send(&mut model, [control('d')]), [Effect::Quit(Status::Done)]);
    send(&mut model, text("x"));
    assert_eq!(send(&mut model, [control('d')]), []);
    assert_eq!(send(&mut model, [key(KeyCode::Esc), key(KeyCode::Char('q'))]), [Effect::Quit(Status::Done)]);
}

#[test]
fn a_typed_add_asks_and_enter_does_it() {
    let mut model = model();
    let effects = enter(&mut model, "add 6 http://10.0.0.16:8001");
    assert!(runs(&effects).is_empty());
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Probe { .. })));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Preview { .. })));
    assert_eq!(send(&mut model, [key(KeyCode::Enter)]), [], "there is no plan to agree to yet");
    plan(&mut model, Ok(sample::plan("2", ["1", "3"])));
    let effects = send(&mut model, [key(KeyCode::Enter)]);
    assert!(
        matches!(
            &effects[..],
            [Effect::Run { command: Command::Operator(Operator::Add { id, options, .. }), .. }]
                if id.as_str() == "6" && options.if_revision == Some(18_340)
        ),
        "{effects:?}"
    );
    assert!(model.running.as_ref().is_some_and(|running| running.is_change));
}

#[test]
fn an_id_or_address_that_is_taken_cannot_be_added() {
    for line in ["add 2 http://10.0.0.99:8001", "add 9 http://10.0.0.12:8001"] {
        let mut model = model();
        enter(&mut model, line);
        let effects = send(
            &mut model,
            [key(KeyCode::Enter), key(KeyCode::Tab), key(KeyCode::Tab), key(KeyCode::Enter)],
        );
        assert!(runs(&effects).is_empty(), "{line}");
        assert!(model.dialog.is_some(), "{line}");
    }
}

#[test]
fn removal_wants_the_id_typed() {
    let mut model = model();
    enter(&mut model, "remove 2");
    plan(&mut model, Ok(sample::plan("2", ["1", "3"])));
    assert!(runs(&send(&mut model, [key(KeyCode::Enter)])).is_empty());
    assert!(runs(&enter(&mut model, "3")).is_empty());
    assert!(model.dialog.is_some());
    send(&mut model, [key(KeyCode::Backspace)]);
    let effects = enter(&mut model, "2");
    assert!(matches!(
        &effects[..],
        [Effect::Run { command: Command::Operator(Operator::Remove { options, .. }), .. }]
            if options.if_revision == Some(18_340)
    ));
    assert_eq!(model.running.as_ref().map(|running| running.line.as_str()), Some("remove 2 --if-rev 18340"));
}

#[test]
fn a_plan_that_has_aged_is_made_again_before_anything_changes() {
    let mut model = model();
    enter(&mut model, "remove 2 --force");
    plan(&mut model, Ok(sample::plan("2", ["1", "3"])));
    send(&mut model, text("2"));
    let mut changed = sample::cluster();
    let known = changed.topology.as_mut().unwrap();
    Arc::make_mut(&mut known.topology).epoch.0 += 1;
    update(&mut model, Event::View(Arc::new(changed)));
    let effects = send(&mut model, [key(KeyCode::Enter)]);
    assert!(
        matches!(&effects[..], [Effect::Preview { options, .. }] if options.force && options.if_revision.is_none()),
        "{effects:?}"
    );
    // The new plan is read before it is agreed to.
    plan(&mut model, Ok(Plan { epoch: 119, revision: 18_350, ..sample::plan("2", ["1", "3"]) }));
    assert_eq!(send(&mut model, [key(KeyCode::Enter)]), []);
    let effects = enter(&mut model, "2");
    assert!(matches!(
        &effects[..],
        [Effect::Run { command: Command::Operator(Operator::Remove { options, .. }), .. }]
            if options.if_revision == Some(18_350)
    ));
}

#[test]
fn what_was_refused_as_a_plan_can_only_be_asked_again() {
    let mut model = model();
    enter(&mut model, "remove 2");
    plan(&mut model, Err("node 2 does not answer".to_owned()));
    let effects = enter(&mut model, "2");
    assert!(matches!(&effects[..], [Effect::Preview { .. }]), "{effects:?}");
}

#[test]
fn the_history_is_searched_from_the_newest_line() {
    let mut model = model();
    for line in ["set key1 a", "get key1", "PING", "get key1"] {
        let run = runs(&enter(&mut model, line))[0].0;
        finish(&mut model, run);
    }
    send(&mut model, text("dra").chain([control('r')]).chain(text("key1")));
    assert_eq!((context(&model), model.line.found()), (Context::Search, Some("get key1")));
    // The same line again is no other line.
    send(&mut model, [control('r')]);
    assert_eq!(model.line.found(), Some("set key1 a"));
    send(&mut model, [control('r')]);
    assert_eq!(model.line.found(), Some("set key1 a"), "there is no earlier one");
    send(&mut model, [control('s')]);
    assert_eq!(model.line.found(), Some("get key1"));
    send(&mut model, [key(KeyCode::Esc)]);
    assert_eq!((model.line.input.value(), context(&model)), ("dra", Context::Line));
    send(&mut model, [control('r')].into_iter().chain(text("ping")).chain([key(KeyCode::Tab)]));
    assert_eq!((model.line.input.value(), context(&model)), ("PING", Context::Line));
    let effects =
        send(&mut model, [control('r')].into_iter().chain(text("set")).chain([key(KeyCode::Enter)]));
    assert_eq!(runs(&effects)[0].1, "set key1 a");
    send(&mut model, [control('r')].into_iter().chain(text("nothing like it")));
    assert_eq!(send(&mut model, [key(KeyCode::Enter)]), []);
    assert_eq!(context(&model), Context::Search);
}

#[test]
fn without_focus_figures_come_seldom_and_are_not_called_old() {
    let mut model = model();
    assert_eq!(update(&mut model, Event::Focus(true)), [], "it had the focus all along");
    assert_eq!(update(&mut model, Event::Focus(false)), [Effect::Follow { seldom: true }]);
    model.dirty = false;
    pass(&mut model, 6_000);
    assert!(!model.dirty);
    assert_eq!(update(&mut model, Event::Focus(true)), [Effect::Follow { seldom: false }]);
    assert_eq!(model.stale_after_ms(), crate::screen::model::STALE_UNFOCUSED_AFTER_MS);
    pass(&mut model, 4_000);
    assert_eq!(model.stale_after_ms(), crate::screen::model::STALE_AFTER_MS);
}

#[test]
fn a_long_line_of_a_result_goes_on_in_the_next_row() {
    let mut model = model();
    let run = runs(&enter(&mut model, "get a"))[0].0;
    let text = format!("{}\nend", "x".repeat(200));
    update(
        &mut model,
        Event::Finished(Finished { database: 0, run, text, ok: true, took_us: 1, via: String::new() }),
    );
    assert_eq!((model.result.lines.len(), model.result.rows.len()), (2, 4));
    update(&mut model, Event::Resize(42, 12));
    assert_eq!(model.result.rows.iter().map(String::len).collect::<Vec<_>>(), [40, 40, 40, 40, 40, 3]);
    let run = runs(&enter(&mut model, "get b"))[0].0;
    let text = "é".repeat(3 << 20);
    update(
        &mut model,
        Event::Finished(Finished { database: 0, run, text, ok: true, took_us: 1, via: String::new() }),
    );
    assert!(model.result.lines.last().unwrap().contains("one-shot or script mode prints everything"));
    assert!(model.result.lines[0].len() <= crate::screen::model::RESULT_BYTES_MAX);
}

#[test]
fn answers_to_an_older_question_are_dropped() {
    let mut model = model();
    enter(&mut model, "add 6 http://10.0.0.16:8001");
    let Some(Dialog::Add(add)) = &model.dialog else { panic!("no dialog") };
    let Answer::Waiting(serial) = add.probe else { panic!("not asked") };
    send(&mut model, [key(KeyCode::BackTab), key(KeyCode::BackTab), key(KeyCode::Backspace)]);
    let old = Probe { ping_us: 1, keys: Some(0), version: String::new() };
    update(&mut model, Event::Probed { serial, result: Ok(old) });
    let Some(Dialog::Add(add)) = &model.dialog else { panic!("no dialog") };
    assert!(matches!(add.probe, Answer::Waiting(new) if new != serial), "{:?}", add.probe);
}

#[test]
fn a_paste_of_several_lines_asks_and_runs_in_order() {
    let mut model = model();
    assert!(runs(&update(&mut model, Event::Paste("set a 1\r\nincr a\n\nget a\n".to_owned()))).is_empty());
    assert!(
        matches!(&model.dialog, Some(Dialog::Paste(paste)) if paste.lines.len() == 3 && paste.field == Field::Cancel)
    );
    let first = runs(&send(&mut model, [key(KeyCode::Tab), key(KeyCode::Enter)]));
    assert_eq!(first[0].1, "set a 1");
    assert_eq!(runs(&finish(&mut model, first[0].0))[0].1, "incr a");
    update(&mut model, Event::Paste("x".repeat(5 << 20)));
    assert_eq!(model.result.tone, Tone::Bad);
}

#[test]
fn a_paste_of_one_line_is_typed_at_the_cursor() {
    let mut model = model();
    send(&mut model, text("set  1").chain([key(KeyCode::Left), key(KeyCode::Left)]));
    update(&mut model, Event::Paste("key".to_owned()));
    assert_eq!(model.line.input.value(), "set key 1");
}

#[test]
fn held_still_nothing_moves_and_letting_go_shows_the_latest() {
    let mut model = model();
    send(&mut model, [key(KeyCode::Esc), key(KeyCode::Char(' '))]);
    assert_eq!(model.redraw_in_ms(), None);
    update(&mut model, Event::View(Arc::new(sample::broken())));
    assert!(model.shown.registry.health.is_up());
    send(&mut model, [key(KeyCode::Char(' '))]);
    assert!(!model.shown.registry.health.is_up());
}

#[test]
fn sorting_filtering_and_selecting() {
    let mut model = model();
    send(&mut model, [key(KeyCode::Esc)].into_iter().chain(text("sssS")));
    assert_eq!(model.nodes.sort, crate::screen::nodes::Column::Keys);
    assert_eq!(model.nodes.rows[0].as_str(), "1");
    send(&mut model, text("G"));
    assert_eq!(model.nodes.selected.as_ref().map(redis_cluster::id::NodeId::as_str), Some("5"));
    send(&mut model, text("/.14").chain([key(KeyCode::Enter)]));
    assert_eq!(model.nodes.rows.len(), 1);
    assert_eq!(model.nodes.selected.as_ref().map(redis_cluster::id::NodeId::as_str), Some("4"));
    send(&mut model, [key(KeyCode::Esc)]);
    assert_eq!(model.nodes.rows.len(), 5);
}

#[test]
fn time_alone_asks_for_paint_only_where_an_age_grows() {
    let mut model = model();
    model.dirty = false;
    pass(&mut model, 500);
    assert!(!model.dirty);
    pass(&mut model, 6_000);
    assert!(model.dirty, "figures became old");
    let mut model = sample::model((80, 24), Charset::Unicode, &sample::broken());
    model.dirty = false;
    pass(&mut model, 1_000);
    assert!(model.dirty);
}

fn any_event() -> impl Strategy<Value = Event> {
    let code = prop_oneof![
        3 => prop_oneof![Just('A'), Just('D'), Just('q'), Just('/'), Just('?'), Just(':'), Just('i'), Just(' '), Just('2'),
            Just('r'), Just('s')]
            .prop_map(KeyCode::Char),
        2 => any::<char>().prop_map(KeyCode::Char),
        3 => prop_oneof![
            Just(KeyCode::Enter), Just(KeyCode::Esc), Just(KeyCode::Tab), Just(KeyCode::BackTab), Just(KeyCode::Up),
            Just(KeyCode::Down), Just(KeyCode::Left), Just(KeyCode::Backspace), Just(KeyCode::PageDown),
            Just(KeyCode::PageUp), Just(KeyCode::Home), Just(KeyCode::End), Just(KeyCode::F(3)),
        ],
    ];
    let modifiers = prop_oneof![8 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::CONTROL), 1 => Just(KeyModifiers::ALT)];
    prop_oneof![
        20 => (code, modifiers).prop_map(|(code, modifiers)| Event::Key(KeyEvent::new(code, modifiers))),
        2 => prop_oneof![Just("remove 2\n"), Just("add 9 http://h:1"), Just("set a 1\nremove 3\n"), Just("2")]
            .prop_map(|text| Event::Paste(text.to_owned())),
        1 => any::<String>().prop_map(Event::Paste),
        1 => (0u16..300, 0u16..100).prop_map(|(columns, rows)| Event::Resize(columns, rows)),
        1 => prop_oneof![Just(0), Just(1), Just(2)].prop_map(|which| Event::View(Arc::new(match which {
            0 => sample::cluster(),
            1 => sample::broken(),
            _ => crate::session::ClusterView::default(),
        }))),
        1 => (0u64..8, any::<String>()).prop_map(|(run, text)| {
            Event::Finished(Finished { database: 0, run, text, ok: true, took_us: 0, via: String::new() })
        }),
        2 => (0u64..12, any::<bool>()).prop_map(|(serial, refused)| Event::Previewed {
            serial,
            result: if refused { Err("refused".to_owned()) } else { Ok(sample::plan("2", ["1", "3"])) },
        }),
        1 => any::<bool>().prop_map(Event::Focus),
        1 => (0i64..10_000).prop_map(|ms| Event::Clock(Millis(sample::NOW.0 + ms))),
        1 => Just(Event::Interrupt),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_change_without_a_confirmed_dialog(events in proptest::collection::vec(any_event(), 0..120)) {
        let mut model = model();
        for event in events {
            let before = model.clone();
            let is_enter = matches!(&event, Event::Key(key) if key.code == KeyCode::Enter);
            for effect in update(&mut model, event) {
                let Effect::Run { command: Command::Operator(operator), .. } = effect else { continue };
                match (operator, &before.dialog) {
                    (Operator::Remove { id, options }, Some(Dialog::Remove(remove))) => {
                        prop_assert!(is_enter && remove.typed.value() == id.as_str() && remove.id == id);
                        prop_assert!(options.if_revision.is_some() && remove.preview.here().is_some());
                    }
                    (Operator::Add { id, options, .. }, Some(Dialog::Add(add))) => {
                        prop_assert!(is_enter && add.field == Field::Confirm && add.id.value().trim() == id.as_str());
                        prop_assert!(options.if_revision.is_some() && add.preview.here().is_some());
                    }
                    (change @ (Operator::Remove { .. } | Operator::Add { .. }), dialog) => {
                        prop_assert!(false, "{change:?} from {dialog:?}");
                    }
                    _ => {}
                }
            }
        }
    }
}

/// What a line leads to besides being remembered.
fn asked(model: &mut Model, line: &str) -> Effects {
    let mut effects = enter(model, line);
    effects.retain(|effect| !matches!(effect, Effect::Remember(_)));
    effects
}

fn fail(model: &mut Model, run: u64) -> Effects {
    let text = "ERR no".to_owned();
    let failed = Finished { database: 0, run, text, ok: false, took_us: 1, via: String::new() };
    update(model, Event::Finished(failed))
}

#[test]
fn words_of_the_console_work_here_too() {
    let mut model = model();
    assert!(asked(&mut model, ":set vars on").is_empty());
    assert_eq!(model.result.lines, ["variables are on"]);
    enter(&mut model, ":let key a1");
    enter(&mut model, ":set format json");
    let effects = asked(&mut model, "get ${key}");
    let [Effect::Run { run, formatter, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(formatter.form, crate::format::Form::Json);
    assert_eq!(runs(&effects)[0].1, "get a1");
    enter(&mut model, ":timing off");
    finish(&mut model, *run);
    assert_eq!(model.result.lines, ["timing is off"]);
    let waits = asked(&mut model, ":wait moves 1");
    assert!(matches!(&waits[..], [Effect::Run { command: Command::Directive(_), .. }]), "{waits:?}");
    let run = model.running.as_ref().unwrap().run;
    finish(&mut model, run);
    assert_eq!(model.result.meta, "");
    let saves = asked(&mut model, ":script save /tmp/x");
    let [Effect::SaveScript { lines, .. }] = saves.as_slice() else { panic!("{saves:?}") };
    let typed = ":set vars on\n:let key a1\n:set format json\nget ${key}\n:timing off\n:wait moves 1\n";
    assert_eq!(String::from_utf8_lossy(lines), typed);
}

#[test]
fn lines_of_a_file_run_in_order_and_stop_where_one_fails() {
    let mut model = model();
    enter(&mut model, ":on-error stop");
    let effects = asked(&mut model, ":source /a/file");
    let [Effect::Source { run, path }] = effects.as_slice() else { panic!("{effects:?}") };
    let lines = ["set a 1", "incr a", "get a"].map(str::to_owned);
    let result = Ok((1..).zip(lines).collect());
    let started = update(&mut model, Event::Sourced { run: *run, path: path.clone(), result });
    assert_eq!(runs(&started)[0].1, "set a 1");
    let next = finish(&mut model, runs(&started)[0].0);
    assert_eq!(runs(&next)[0].1, "incr a");
    assert!(fail(&mut model, runs(&next)[0].0).is_empty());
    assert!(model.queue.is_empty() && model.running.is_none());
    assert_eq!(model.result.meta, "1 waiting line dropped  /a/file:2  1us");
    let effects = asked(&mut model, ":source /nothing");
    let [Effect::Source { run, path }] = effects.as_slice() else { panic!("{effects:?}") };
    update(&mut model, Event::Sourced { run: *run, path: path.clone(), result: Err("not there".to_owned()) });
    assert_eq!(
        (model.result.tone, model.result.lines.as_slice()),
        (Tone::Bad, &["not there".to_owned()][..])
    );
}

#[test]
fn files_source_one_another_only_so_deep() {
    let mut model = model();
    let mut effects = asked(&mut model, ":source a");
    for _ in 0..16 {
        let [Effect::Source { run, path }] = effects.as_slice() else { panic!("{effects:?}") };
        let result = Ok(vec![(1, ":source a".to_owned())]);
        effects = update(&mut model, Event::Sourced { run: *run, path: path.clone(), result });
    }
    assert!(effects.is_empty());
    assert_eq!(model.result.lines, ["files source one another more than 16 deep"]);
}

#[test]
fn lines_that_wait_survive_an_interrupt_until_somebody_decides() {
    let paste = "set a 1\nset b 2\nset c 3\n";
    let interrupted = || {
        let mut model = model();
        update(&mut model, Event::Paste(paste.to_owned()));
        let effects = send(&mut model, [key(KeyCode::Tab), key(KeyCode::Enter)]);
        assert_eq!(runs(&effects)[0].1, "set a 1");
        assert!(matches!(send(&mut model, [control('c')])[..], [Effect::Cancel { .. }]));
        assert_eq!((model.held, model.queue.len()), (true, 2));
        assert!(model.result.lines[0].contains("2 waiting lines held back"), "{:?}", model.result.lines);
        model
    };
    let mut goes_on = interrupted();
    // Something else first: the lines still wait.
    let first = runs(&enter(&mut goes_on, "get a"));
    assert_eq!(first[0].1, "get a");
    assert!(finish(&mut goes_on, first[0].0).is_empty());
    assert_eq!(runs(&send(&mut goes_on, [key(KeyCode::Enter)]))[0].1, "set b 2");
    let mut dropped = interrupted();
    assert!(send(&mut dropped, [control('c')]).is_empty());
    assert!(dropped.queue.is_empty() && !dropped.held);
    assert_eq!(dropped.result.lines, ["2 waiting lines dropped"]);
    // Only now does the key mean leaving, and the one after it.
    assert!(send(&mut dropped, [control('c')]).is_empty());
    assert_eq!(send(&mut dropped, [control('c')]), [Effect::Quit(Status::Interrupted)]);
}

#[test]
fn an_interrupt_of_a_paste_is_not_the_first_of_two_that_leave() {
    let mut model = model();
    update(&mut model, Event::Paste("set a 1\nset b 2".to_owned()));
    assert!(send(&mut model, [control('c')]).is_empty());
    assert!(model.dialog.is_none());
    assert!(send(&mut model, [control('c')]).is_empty(), "leaves at the first");
    assert_eq!(send(&mut model, [control('c')]), [Effect::Quit(Status::Interrupted)]);
}

#[test]
fn every_way_out_of_a_cluster_in_this_process_asks_while_it_holds_keys() {
    let ways: [fn(&mut Model) -> Effects; 4] = [
        |model| asked(model, "quit"),
        |model| asked(model, "EXIT"),
        |model| send(model, [control('d')]),
        |model| send(model, [control('c'), control('c')]),
    ];
    for way in ways {
        let mut freely = model();
        assert!(matches!(way(&mut freely)[..], [Effect::Quit(_)]));
        let mut asks = model();
        asks.asks_to_leave = true;
        assert!(way(&mut asks).is_empty());
        let Some(Dialog::Leave(leave)) = &asks.dialog else { panic!("{:?}", asks.dialog) };
        assert_eq!(leave.keys, asks.latest.keys_held());
        let mut stays = asks.clone();
        send(&mut stays, [key(KeyCode::Enter)]);
        assert!(stays.dialog.is_none());
        let left = send(&mut asks, [key(KeyCode::Tab), key(KeyCode::Enter)]);
        assert!(matches!(left[..], [Effect::Quit(Status::Done | Status::Interrupted)]), "{left:?}");
    }
}

#[test]
fn escape_and_a_key_at_once_are_both() {
    let mut model = model();
    send(&mut model, text("get a"));
    // As a terminal sends Esc and `?` typed quickly.
    send(&mut model, [Event::Key(KeyEvent::new(KeyCode::Char('?'), KeyModifiers::ALT))]);
    assert_eq!((model.focus, model.help), (Focus::Nav, Some(0)));
}

#[test]
fn keys_of_the_cluster_complete_a_line() {
    let mut model = model();
    send(&mut model, text("get us"));
    let asked = send(&mut model, [key(KeyCode::Tab)]);
    let [Effect::Find { line, sought }] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(*sought, Sought::Key(b"us".to_vec()));
    let found = Event::Found { line: line.clone(), names: vec![b"user:1".to_vec(), b"user:2".to_vec()] };
    update(&mut model, found.clone());
    assert_eq!(model.line.input.value(), "get user:1");
    send(&mut model, [key(KeyCode::Tab)]);
    assert_eq!(model.line.input.value(), "get user:2");
    // An answer to what is no longer typed.
    send(&mut model, text("x"));
    update(&mut model, found);
    assert_eq!(model.line.input.value(), "get user:2x");
}

#[test]
fn keys_of_a_file_come_in_only_after_a_choice_and_a_button() {
    let mut model = model();
    send(&mut model, text("import 'my dump.rdb'"));
    assert!(
        !send(&mut model, [key(KeyCode::Enter)]).iter().any(|effect| matches!(effect, Effect::Run { .. }))
    );
    let Some(Dialog::Bring(bring)) = &model.dialog else { panic!("{:?}", model.dialog) };
    assert_eq!((bring.field, bring.words().as_str()), (Field::Cancel, "import \"my dump.rdb\" --stop"));
    // The button that gives up comes first; back to the choice, twice on.
    send(&mut model, [key(KeyCode::BackTab), key(KeyCode::Right), key(KeyCode::Right)]);
    let Some(Dialog::Bring(bring)) = &model.dialog else { panic!("{:?}", model.dialog) };
    assert!(bring.words().ends_with("--replace") && bring.consequence().contains("REPLACED"));
    send(&mut model, [key(KeyCode::Right)]);
    assert!(send(&mut model, [key(KeyCode::Enter)]).is_empty(), "from the choice it goes on to the button");
    let effects = send(&mut model, [key(KeyCode::Enter)]);
    let [Effect::Run { command: Command::Operator(Operator::Import { path, conflict }), .. }] =
        effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!((path.to_str(), *conflict), (Some("my dump.rdb"), Conflict::Stop), "around the end");
    model.running = None;
    // A backup may also want an empty cluster.
    send(&mut model, text("restore /backups/1"));
    send(&mut model, [key(KeyCode::Enter), key(KeyCode::BackTab), key(KeyCode::Left)]);
    let Some(Dialog::Bring(bring)) = &model.dialog else { panic!("{:?}", model.dialog) };
    assert_eq!((bring.words().as_str(), bring.choices().len()), ("restore /backups/1 --replace", 4));
    send(&mut model, [key(KeyCode::Esc)]);
    assert!(model.dialog.is_none() && model.running.is_none());
}

#[test]
fn a_proxy_is_drained_after_a_question_unless_the_line_says_yes() {
    let mut model = model();
    send(&mut model, text("drain proxy p1"));
    let effects = send(&mut model, [key(KeyCode::Enter)]);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Run { .. })), "{effects:?}");
    let Some(Dialog::Change(change)) = &model.dialog else { panic!("{:?}", model.dialog) };
    assert_eq!((change.field, change.command.value()), (Field::Cancel, "drain proxy p1 --yes"));
    let effects = send(&mut model, [key(KeyCode::Tab), key(KeyCode::Enter)]);
    assert!(
        matches!(
            effects.as_slice(),
            [Effect::Run { command: Command::Operator(Operator::DrainProxy { .. }), .. }]
        ),
        "{effects:?}"
    );
    model.running = None;
    send(&mut model, text("drain proxy nobody"));
    send(&mut model, [key(KeyCode::Enter)]);
    assert!(model.dialog.is_none() && model.running.is_none());
    // What may not be changed is not asked about: the session refuses it.
    model.read_only = true;
    send(&mut model, text("drain proxy p1"));
    send(&mut model, [key(KeyCode::Enter)]);
    assert!(model.dialog.is_none() && model.running.is_some());
}

#[test]
fn a_path_is_completed_and_goes_on_behind_a_directory() {
    let mut model = model();
    send(&mut model, text("import du"));
    let asked = send(&mut model, [key(KeyCode::Tab)]);
    let [Effect::Find { line, sought: Sought::File(prefix) }] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(prefix, b"du");
    update(&mut model, Event::Found { line: line.clone(), names: vec![b"dumps/".to_vec()] });
    assert_eq!(model.line.input.value(), "import dumps/");
    let asked = send(&mut model, [key(KeyCode::Tab)]);
    assert!(matches!(asked.as_slice(), [Effect::Find { .. }]), "{asked:?}");
}
