use insta::assert_snapshot;
use proptest::prelude::*;
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};

use super::draw;
use crate::screen::{
    dialog::{AddNode, Answer, Dialog, Field, RemoveNode},
    event::{Event, Finished, Plan, Probe, Share},
    keymap::BINDINGS,
    model::{Focus, Model},
    pages::ask::Heard,
    sample, text,
    theme::Charset,
    update::update,
};

fn terminal(model: &Model) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(model.size.0, model.size.1)).unwrap();
    terminal.draw(|frame| drop(draw(model, frame))).unwrap();
    terminal
}

fn screen(model: &Model) -> String {
    let terminal = terminal(model);
    let buffer = terminal.backend().buffer();
    let mut lines = String::new();
    for y in 0..buffer.area.height {
        let mut skip = 0;
        for x in 0..buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                lines.push_str(symbol);
                skip = text::width(symbol).max(1);
            }
            skip -= 1;
        }
        lines.push('\n');
    }
    lines
}

fn typed(model: &mut Model, line: &str) {
    for character in line.chars() {
        update(model, Event::Key(KeyEvent::new(KeyCode::Char(character), KeyModifiers::NONE)));
    }
}

fn answered(size: (u16, u16), charset: Charset) -> Model {
    let mut model = sample::model(size, charset, &sample::cluster());
    typed(&mut model, "ping");
    update(&mut model, Event::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
    let finished = Finished {
        database: 0,
        run: 1,
        text: "PONG\n".to_owned(),
        ok: true,
        took_us: 800,
        via: "proxy p1".to_owned(),
    };
    update(&mut model, Event::Finished(finished));
    typed(&mut model, "SET key1 value1");
    model
}

#[test]
fn overview_at_every_size() {
    for (name, charset) in [("unicode", Charset::Unicode), ("ascii", Charset::Ascii)] {
        for size in [(120, 36), (80, 24), (40, 12), (20, 5), (1, 1)] {
            let drawn = screen(&answered(size, charset));
            assert!(charset == Charset::Unicode || drawn.is_ascii(), "{drawn}");
            assert_snapshot!(format!("overview_{}x{}_{name}", size.0, size.1), drawn);
        }
    }
}

#[test]
fn width_is_used() {
    let drawn = screen(&sample::model((200, 50), Charset::Unicode, &sample::cluster()));
    assert!(
        ["TREND 60s", "redis 7.0.15", "1h00m", "P50", "P99", "HIT", "ERR/S", "97%", "2.4"]
            .iter()
            .all(|text| drawn.contains(text)),
        "{drawn}"
    );
    assert_snapshot!("overview_200x50", drawn);
    assert!(screen(&sample::model((240, 50), Charset::Unicode, &sample::cluster())).contains("TREND 2m"));
    let ascii = screen(&sample::model((200, 50), Charset::Ascii, &sample::cluster()));
    assert!(ascii.is_ascii() && ascii.contains("TREND 60s"), "{ascii}");
    // A legend that does not fit says so.
    let many = screen(&sample::model((120, 36), Charset::Unicode, &sample::large(40)));
    assert!(many.lines().any(|line| line.contains("A=1") && line.contains('…')), "{many}");
}

#[test]
fn what_is_away_is_said_with_its_age() {
    for size in [(120, 36), (80, 24), (40, 12)] {
        let drawn = screen(&sample::model(size, Charset::Unicode, &sample::broken()));
        assert!(drawn.contains("STALE 42s") && drawn.contains("down"), "{drawn}");
        assert_snapshot!(format!("broken_{}x{}", size.0, size.1), drawn);
    }
}

#[test]
fn an_alarm_is_on_the_screen_at_every_size_and_only_then() {
    let mut view = sample::cluster();
    let well = screen(&sample::model((120, 36), Charset::Unicode, &view));
    assert!(well.contains("LIVE") && !well.contains("ALARM"), "{well}");
    let node = view.nodes.get_mut(&"4".parse().unwrap()).unwrap();
    node.error = Some("refused".to_owned());
    for size in [(200, 50), (120, 36), (80, 24), (40, 12), (20, 5), (19, 4)] {
        let drawn = screen(&sample::model(size, Charset::Ascii, &view));
        assert!(drawn.contains("ALARM 1"), "{size:?}: {drawn}");
        let says = size.0 < 40 || drawn.contains("node 4 down");
        let helps = size.0 < 120 || drawn.contains("start it again at 10.0.0.14:8001, or `remove 4`");
        let strip = size.0 < 80 || drawn.contains("CC!!!!");
        assert!(says && helps && strip, "{size:?}: {drawn}");
    }
}

#[test]
fn a_node_that_came_back_empty_is_in_the_table_and_among_the_events() {
    let mut view = sample::cluster();
    let loss = br#"{"node":"3","held":500,"now":0,"run_id_before":"a","run_id_after":"b","at_ms":1,"seen_by":"proxy p1",
        "times":1}"#;
    let changes = vec![("losses/3".to_owned(), Some(loss.to_vec()))];
    view.apply(crate::session::Change::Keys { revision: 18_343, changes }, sample::NOW);
    for (size, charset) in [((120, 36), Charset::Unicode), ((80, 24), Charset::Ascii)] {
        let screen = screen(&sample::model(size, charset, &view));
        let row = screen.lines().find(|line| line.contains("10.0.0.13:8001"));
        assert!(row.is_some_and(|row| row.contains(" lost ")), "{screen}");
        assert!(screen.contains("node 3 held 500 keys and came back empty"), "{screen}");
    }
}

#[test]
fn nothing_known_yet() {
    let model =
        Model::new((80, 24), sample::model((1, 1), Charset::Unicode, &sample::cluster()).theme, sample::NOW);
    let drawn = screen(&model);
    assert!(drawn.contains("CONNECTING") && drawn.contains("waiting for the registry"), "{drawn}");
}

fn add_dialog(size: (u16, u16)) -> Model {
    let mut model = sample::model(size, Charset::Unicode, &sample::cluster());
    let mut add = AddNode::new(&model.latest, false);
    add.address = tui_input::Input::new("http://10.0.0.16:8001".to_owned());
    add.field = Field::Confirm;
    add.probe = Answer::Here(Ok(Probe { ping_us: 400, keys: Some(0), version: "redis 7.0.15".to_owned() }));
    let share = |from: &str| Share {
        from: Some(from.parse().unwrap()),
        to: "6".parse().unwrap(),
        slots: 683,
        keys: Some(519_000),
    };
    add.preview = Answer::Here(Ok(Plan {
        shares: ["1", "2", "3", "4"].map(share).into(),
        ..sample::plan("2", ["1", "3"])
    }));
    model.dialog = Some(Dialog::Add(Box::new(add)));
    model
}

fn remove_dialog(size: (u16, u16)) -> Model {
    let mut model = sample::model(size, Charset::Unicode, &sample::cluster());
    let mut remove = RemoveNode::new("2".parse().unwrap());
    remove.preview = Answer::Here(Ok(sample::plan("2", ["1", "3"])));
    model.dialog = Some(Dialog::Remove(remove));
    model
}

#[test]
fn dialogs() {
    for size in [(80, 24), (40, 12), (20, 5)] {
        assert_snapshot!(format!("add_{}x{}", size.0, size.1), screen(&add_dialog(size)));
        assert_snapshot!(format!("remove_{}x{}", size.0, size.1), screen(&remove_dialog(size)));
    }
}

#[test]
fn the_help_has_every_key_of_the_table() {
    let mut model = sample::model((120, 60), Charset::Ascii, &sample::cluster());
    model.help = Some(0);
    let drawn = screen(&model);
    use crate::screen::keymap::Context;
    let shown =
        [Context::Nav, Context::Line, Context::EmptyLine, Context::Filter, Context::Dialog, Context::Search];
    for binding in BINDINGS.iter().filter(|binding| shown.iter().any(|&context| binding.applies(context))) {
        let label = binding.label(Charset::Ascii);
        let entry = format!("{} {}", label, binding.help);
        let found = drawn.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.join(" ").contains(&entry)
        });
        assert!(found || binding.help == "close the help", "{entry:?} is not in\n{drawn}");
    }
    model.size = (80, 24);
    assert_snapshot!("help_80x24", screen(&model));
}

#[test]
fn control_characters_of_the_data_are_written_out() {
    let mut model = answered((80, 24), Charset::Unicode);
    model.running = Some(crate::screen::model::Running {
        source: None,
        run: 9,
        line: String::new(),
        since: sample::NOW,
        is_change: false,
    });
    let text = "1) \u{1b}[31mred\u{7}\n2) \u{202e}x".to_owned();
    let finished = Finished { database: 0, run: 9, text, ok: true, took_us: 1, via: String::new() };
    update(&mut model, Event::Finished(finished));
    let drawn = screen(&model);
    assert!(drawn.contains("\\x1b[31mred\\a"), "{drawn}");
    assert!(drawn.contains("\\xe2\\x80\\xaex"), "{drawn}");
}

#[test]
fn a_thousand_nodes_draw_only_what_is_seen() {
    let view = sample::large(1000);
    let mut model = sample::model((120, 36), Charset::Unicode, &view);
    model.focus = Focus::Nav;
    model.nodes.selected = Some("517".parse().unwrap());
    let drawn = screen(&model);
    assert!(drawn.contains("10.0.0.527:8001") && !drawn.contains("10.0.0.700:8001"), "{drawn}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_size_any_state(
        columns in 1u16..320, rows in 1u16..120, which in 0usize..6, ascii: bool, nav: bool,
        line in "\\PC{0,60}", help: bool, frozen: bool, panel in 0usize..4,
    ) {
        let size = (columns, rows);
        let charset = if ascii { Charset::Ascii } else { Charset::Unicode };
        let mut model = match which {
            0 => answered(size, charset),
            1 => sample::model(size, charset, &sample::broken()),
            2 => add_dialog(size),
            3 => remove_dialog(size),
            4 => sample::model(size, charset, &sample::large(300)),
            _ => Model::new(size, answered((1, 1), charset).theme, sample::NOW),
        };
        model.theme.charset = charset;
        model.focus = if nav { Focus::Nav } else { Focus::Line };
        model.panel = crate::screen::model::Panel::ALL[panel];
        model.help = help.then_some(3);
        model.frozen_at = frozen.then_some(sample::NOW);
        model.line.input = tui_input::Input::new(line);
        let drawn = screen(&model);
        prop_assert_eq!(drawn.lines().count(), usize::from(rows));
        for row in drawn.lines() {
            prop_assert!(text::width(row) <= usize::from(columns), "{:?}", row);
        }
        if columns >= 20 && rows >= 5 && which < 2 && !help {
            prop_assert!(drawn.contains("prod-a") || drawn.contains("> "), "{}", drawn);
            prop_assert!(drawn.contains("LIVE") || drawn.contains("STALE") || drawn.contains("FROZEN"), "{}", drawn);
        }
    }
}

const INFO: &str = "# Server\r\nredis_version:7.2.4\r\nredis_mode:standalone\r\nprocess_id:3120\r\nuptime_in_seconds:273600\r\n\
     # Clients\r\nconnected_clients:51\r\nblocked_clients:0\r\n# Memory\r\nused_memory:4509715660\r\n\
     used_memory_peak:5261334937\r\nmaxmemory:8589934592\r\nmem_fragmentation_ratio:1.08\r\n# Replication\r\nrole:master\r\n\
     # Stats\r\nevicted_keys:0\r\nexpired_keys:9182\r\ntotal_error_replies:3\r\nrejected_connections:0\r\n\
     # Keyspace\r\ndb0:keys=3120221,expires=411090,avg_ttl=0\r\n";

/// The page of node 4, after a minute and a half.
fn node_page(size: (u16, u16), charset: Charset) -> Model {
    let mut model = sample::model(size, charset, &sample::cluster());
    press(&mut model, KeyCode::Esc);
    for _ in 0..3 {
        press(&mut model, KeyCode::Char('j'));
    }
    let mut effects = update(&mut model, Event::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
    for second in 0..90u64 {
        let Some(crate::screen::event::Effect::Ask { serial, .. }) = effects.first() else {
            panic!("it asks")
        };
        let commands = second * 30_000 + second * second * 300;
        let info = format!(
            "{INFO}# Stats\r\nserver_time_usec:{}\r\ntotal_commands_processed:{commands}\r\nkeyspace_hits:{}\r\n\
             keyspace_misses:{}\r\n",
            (second + 1) * 1_000_000,
            commands / 2,
            commands / 20
        );
        let reply = redis_cluster::protocol::Value::Bulk(info.into());
        update(&mut model, Event::Answered { serial: *serial, result: Ok(Heard::Replies(vec![reply])) });
        let later = redis_cluster::time::Millis(model.now.0 + 1_000);
        effects = update(&mut model, Event::Clock(later));
    }
    model
}

fn press(model: &mut Model, code: KeyCode) {
    update(model, Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
}

#[test]
fn a_node_at_every_size() {
    for (name, charset) in [("unicode", Charset::Unicode), ("ascii", Charset::Ascii)] {
        for size in [(200, 50), (120, 36), (80, 24), (40, 12)] {
            let mut model = node_page(size, charset);
            let drawn = screen(&model);
            assert!(charset == Charset::Unicode || drawn.is_ascii(), "{drawn}");
            assert_snapshot!(format!("node_{}x{}_{name}", size.0, size.1), drawn);
            if size == (80, 24) {
                press(&mut model, KeyCode::Tab);
                assert_snapshot!(format!("node_info_{name}"), screen(&model));
            }
        }
    }
    for size in [(20, 5), (2, 2), (1, 1)] {
        screen(&node_page(size, Charset::Unicode));
    }
}

#[test]
fn a_node_that_stops_answering_is_said_so_on_its_page() {
    let mut model = node_page((80, 24), Charset::Unicode);
    let later = redis_cluster::time::Millis(model.now.0 + 1_000);
    let effects = update(&mut model, Event::Clock(later));
    let serial = effects.iter().find_map(|effect| match effect {
        crate::screen::event::Effect::Ask { serial, .. } => Some(*serial),
        _ => None,
    });
    // One question was open already.
    let serial = serial.unwrap_or(model.next_serial - 1);
    update(&mut model, Event::Answered { serial, result: Err("no answer within 2 s".to_owned()) });
    let drawn = screen(&model);
    assert!(drawn.contains("no answer for 0s: no answer within 2 s"), "{drawn}");
}

#[test]
fn lists_texts_and_the_palette() {
    let mut model = answered((120, 36), Charset::Unicode);
    press(&mut model, KeyCode::Esc);
    for (name, digit) in [("events", '5'), ("slowlog", '6'), ("transcript", '9')] {
        press(&mut model, KeyCode::Char(digit));
        assert_snapshot!(format!("page_{name}"), screen(&model));
    }
    press(&mut model, KeyCode::Enter);
    let drawn = screen(&model);
    assert!(drawn.contains("transcript › reply of") && drawn.contains("PONG"), "{drawn}");
    press(&mut model, KeyCode::Char(':'));
    typed(&mut model, "no");
    assert_snapshot!("palette_120x36", screen(&model));
    press(&mut model, KeyCode::Esc);
    press(&mut model, KeyCode::Char('?'));
    assert_snapshot!("help_of_a_page_120x36", screen(&model));
}

#[test]
fn the_mouse_hits_what_is_drawn() {
    use crate::screen::{model::Panel, view::Zone};
    let model = sample::model((120, 36), Charset::Unicode, &sample::cluster());
    let mut terminal = Terminal::new(TestBackend::new(120, 36)).unwrap();
    let mut hits = None;
    terminal.draw(|frame| hits = Some(draw(&model, frame))).unwrap();
    let hits = hits.unwrap();
    let drawn = screen(&model);
    let row =
        |text: &str| u16::try_from(drawn.lines().position(|line| line.contains(text)).unwrap()).unwrap();
    assert_eq!(hits.at(30, row("10.0.0.13:8001")), Some(Zone::PanelRow(Panel::Nodes, 2)));
    assert_eq!(hits.at(80, row("10.0.0.22:6379")), Some(Zone::PanelRow(Panel::Proxies, 1)));
    assert_eq!(hits.at(5, row("#3 add 5")), Some(Zone::PanelRow(Panel::Moves, 0)));
    assert_eq!(hits.at(5, row("prod-a>")), Some(Zone::Prompt));
    assert_eq!(hits.at(5, 0), None);
}

#[test]
fn a_large_panel_has_the_screen() {
    let mut model = sample::model((80, 24), Charset::Unicode, &sample::cluster());
    for code in [KeyCode::Esc, KeyCode::BackTab, KeyCode::BackTab, KeyCode::Char('z')] {
        press(&mut model, code);
    }
    let drawn = screen(&model);
    assert!(drawn.contains("Events") && !drawn.contains("Nodes (5)"), "{drawn}");
    press(&mut model, KeyCode::Esc);
    assert!(screen(&model).contains("Nodes (5)"));
}

#[test]
fn what_was_answered_never_looks_like_the_answer_of_what_runs() {
    let mut model = answered((80, 24), Charset::Unicode);
    let drawn = screen(&model);
    assert!(drawn.contains(" > ping") && drawn.contains(" PONG"), "{drawn}");
    press(&mut model, KeyCode::Enter);
    let drawn = screen(&model);
    assert!(drawn.contains(" > before: ping") && drawn.contains("running SET key1 value1"), "{drawn}");
    let mut model = answered((40, 12), Charset::Unicode);
    press(&mut model, KeyCode::Enter);
    let drawn = screen(&model);
    assert!(!drawn.contains("PONG") && drawn.contains("0s SET key1 value1"), "{drawn}");
}

/// Answers the questions of the page on top as a small cluster would, until it has none.
fn served(model: &mut Model, mut effects: Vec<crate::screen::event::Effect>) {
    use redis_cluster::protocol::Value;
    let text = |text: &str| Value::Bulk(bytes::Bytes::copy_from_slice(text.as_bytes()));
    let keys = ["user:877:avatar", "user:877:profile", "user:877:inbox", "user:882:name", "job:7", "counter"];
    for _ in 0..60 {
        let mut answered = Vec::new();
        for effect in effects.drain(..) {
            let crate::screen::event::Effect::Ask { serial, question } = effect else { continue };
            let replies = question.commands().iter().map(|words| {
                let words: Vec<_> =
                    words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
                let key = words.last().map_or("", String::as_str);
                match words[0].as_str() {
                    "SCAN" => {
                        let names = keys.iter().map(|key| text(key)).collect();
                        Value::Array(vec![text("0"), Value::Array(names)])
                    }
                    "DBSIZE" => Value::Integer(6),
                    "TYPE" if key.ends_with("profile") => Value::Simple("hash".into()),
                    "TYPE" => Value::Simple("string".into()),
                    "PTTL" => Value::Integer(if key == "job:7" { 90_000 } else { -1 }),
                    "MEMORY" => Value::Integer(if key.ends_with("avatar") { 10_485_824 } else { 72 }),
                    "OBJECT" => text(if key.ends_with("profile") { "listpack" } else { "raw" }),
                    "STRLEN" => Value::Integer(10_485_760),
                    "HLEN" => Value::Integer(2),
                    "HSCAN" => {
                        let fields = ["name", "Ada", "settings", "{\"theme\":\"dark\"}"].map(text).to_vec();
                        Value::Array(vec![text("0"), Value::Array(fields)])
                    }
                    "GETRANGE" => {
                        Value::Bulk(b"\x89PNG\r\n\x1a\n\x00\x01\x02".repeat(373)[..4096].to_vec().into())
                    }
                    other => panic!("{other}"),
                }
            });
            let result = Ok(Heard::Replies(replies.collect()));
            answered.extend(update(model, Event::Answered { serial, result }));
        }
        let later = redis_cluster::time::Millis(model.now.0 + 200);
        effects = answered;
        effects.extend(update(model, Event::Clock(later)));
    }
}

#[test]
fn keys_and_values() {
    let opened = |size| {
        let mut model = sample::model(size, Charset::Unicode, &sample::cluster());
        press(&mut model, KeyCode::Esc);
        let effects = update(&mut model, Event::Key(KeyEvent::new(KeyCode::Char('3'), KeyModifiers::NONE)));
        served(&mut model, effects);
        for code in
            [KeyCode::Char('j'), KeyCode::Char('j'), KeyCode::Enter, KeyCode::Char('j'), KeyCode::Enter]
        {
            let effects = update(&mut model, Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
            served(&mut model, effects);
        }
        model
    };
    for size in [(120, 36), (80, 24), (40, 12)] {
        let mut model = opened(size);
        assert_snapshot!(format!("keys_{}x{}", size.0, size.1), screen(&model));
        press(&mut model, KeyCode::Char('j'));
        let effects = update(&mut model, Event::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
        served(&mut model, effects);
        assert_snapshot!(format!("value_{}x{}", size.0, size.1), screen(&model));
    }
    let mut model = opened((80, 24));
    for code in [KeyCode::Char('j'), KeyCode::Char('j'), KeyCode::Char('j')] {
        press(&mut model, code);
    }
    let effects = update(&mut model, Event::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
    served(&mut model, effects);
    press(&mut model, KeyCode::Char('E'));
    assert_snapshot!("change_80x24", screen(&model));
}
