//! What the screen asks the session and the members for, and their answers as plain text.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use redis_cluster::{
    client::Connection,
    cluster::member::Address,
    id::NodeId,
    protocol::{Value, info},
};
use tokio::sync::mpsc;

use super::event::{Event, Finished, Plan, Probe, Share};
use crate::{
    assist::Sought,
    files,
    format::{Form, Formatter, TextForm},
    language::{ChangeOptions, Command, Operator, PlanRequest, lines},
    runner::save_script,
    session::{Body, Outcome, Session, Status},
};

/// For an address that somebody typed: long enough for another continent, short enough to wait for.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// A file that is run on the screen; larger ones are for script mode.
const SOURCE_MAX: u64 = 16 << 20;
/// Between two runs of a watched command.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Looks for names to complete a line with.
pub(super) async fn find(session: Session, line: String, sought: Sought, events: mpsc::Sender<Event>) {
    let names = match sought {
        Sought::Key(prefix) => session.keys_like(&prefix).await,
        // A directory may be on a slow disk; of a look that was broken off nothing is known.
        Sought::File(prefix) => {
            tokio::task::spawn_blocking(move || files::names_like(&prefix)).await.unwrap_or_default()
        }
    };
    // Without a screen nobody waits for them.
    let _ = events.send(Event::Found { line, names }).await;
}

/// Runs a command to its end and reports it. Dropping the future gives it up.
pub(super) async fn run(
    session: Session,
    run: u64,
    command: Command,
    repeat: u32,
    formatter: Formatter,
    events: mpsc::Sender<Event>,
) {
    let finished = |outcome: &Outcome| finished(&session, run, &formatter, outcome);
    // The receiver is gone only when the screen is: then nobody waits for an answer.
    if let Command::Operator(Operator::Watch(watched)) = command {
        loop {
            let outcome = session.execute((*watched).clone()).await;
            if events.send(Event::Progress(finished(&outcome))).await.is_err() {
                return;
            }
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
    }
    for _ in 1..repeat {
        let outcome = session.execute(command.clone()).await;
        if outcome.status != Status::Done || events.send(Event::Progress(finished(&outcome))).await.is_err() {
            let _ = events.send(Event::Finished(finished(&outcome))).await;
            return;
        }
    }
    let outcome = session.execute(command).await;
    let _ = events.send(Event::Finished(finished(&outcome))).await;
}

fn finished(session: &Session, run: u64, formatter: &Formatter, outcome: &Outcome) -> Finished {
    Finished {
        run,
        database: session.database(),
        text: text(formatter, outcome),
        ok: outcome.status == Status::Done,
        took_us: u64::try_from(outcome.took.as_micros()).unwrap_or(u64::MAX),
        via: outcome.via.as_ref().map(|proxy| format!("proxy {proxy}")).unwrap_or_default(),
    }
}

/// An outcome as the line editor would print it, notes last.
fn text(formatter: &Formatter, outcome: &Outcome) -> String {
    let mut out = Vec::new();
    match &outcome.body {
        Body::Nothing => {}
        Body::Reply(value) => formatter.reply(&mut out, value, outcome.verbatim, None),
        Body::Table(table) => formatter.table(&mut out, table),
        Body::Document(document) => formatter.document(&mut out, document),
        Body::Text(text) | Body::Failure(text) => out.extend_from_slice(text.as_bytes()),
    }
    let mut text = String::from_utf8_lossy(&out).trim_end_matches('\n').to_owned();
    for note in &outcome.notes {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(note);
    }
    if text.is_empty() && outcome.status == Status::Done {
        text.push_str("done");
    }
    text
}

/// Reads the lines of a file for the screen, which runs them one after the other.
pub(super) async fn source(run: u64, path: PathBuf, events: mpsc::Sender<Event>) {
    let file = path.clone();
    let read = tokio::task::spawn_blocking(move || read_lines(&file)).await;
    let result = read.unwrap_or_else(|error| Err(error.to_string()));
    let _ = events.send(Event::Sourced { run, path, result }).await;
}

fn read_lines(path: &Path) -> Result<Vec<(u64, String)>, String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(SOURCE_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > SOURCE_MAX {
        let most = SOURCE_MAX >> 20;
        return Err(format!("{}: more than {most} MiB; run it with -f FILE", path.display()));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let lines = bytes.split(|&byte| byte == b'\n').zip(1..);
    let lines = lines.filter(|(line, _)| !line.trim_ascii().is_empty());
    Ok(lines.map(|(line, number)| (number, lines::as_text(line))).collect())
}

/// Writes what was typed to a file that is not there yet.
pub(super) async fn save(
    session: Session,
    run: u64,
    path: PathBuf,
    lines: Vec<u8>,
    events: mpsc::Sender<Event>,
) {
    let outcome = save_script(&path, &lines);
    let formatter = Formatter::new(Form::Tty, TextForm::Both);
    let _ = events.send(Event::Finished(finished(&session, run, &formatter, &outcome))).await;
}

/// Listens to a node until it is told to stop, or cannot.
pub(super) async fn monitor(session: Session, node: NodeId, events: mpsc::Sender<Event>) {
    let (lines, mut heard) = mpsc::channel(1);
    let listening = session.monitor(&node, lines);
    let telling = async {
        while let Some(batch) = heard.recv().await {
            let told = Event::Monitored { node: node.clone(), heard: Ok(batch) };
            if events.send(told).await.is_err() {
                return;
            }
        }
    };
    let (error, ()) = tokio::join!(listening, telling);
    let _ = events.send(Event::Monitored { node: node.clone(), heard: Err(error) }).await;
}

/// Asks what a change would do.
pub(super) async fn preview(
    session: Session,
    serial: u64,
    request: PlanRequest,
    options: ChangeOptions,
    events: mpsc::Sender<Event>,
) {
    let preview = session.preview(request, options).await;
    let result = preview.map(|preview| Plan {
        epoch: preview.epoch.0,
        revision: preview.revision.0,
        shares: preview
            .transfers
            .into_iter()
            .map(|(transfer, keys)| Share {
                slots: transfer.count(),
                from: transfer.from,
                to: transfer.to,
                keys,
            })
            .collect(),
        warnings: preview.warnings,
        members: session.now().nodes.keys().cloned().collect(),
    });
    let _ = events.send(Event::Previewed { serial, result }).await;
}

/// Looks at an address.
pub(super) async fn probe(serial: u64, address: Address, events: mpsc::Sender<Event>) {
    let result = match tokio::time::timeout(PROBE_TIMEOUT, look(&address)).await {
        Ok(result) => result,
        Err(_) => Err(format!("{address} does not answer within {} s", PROBE_TIMEOUT.as_secs())),
    };
    let _ = events.send(Event::Probed { serial, result }).await;
}

async fn look(address: &Address) -> Result<Probe, String> {
    let began = Instant::now();
    let mut connection = Connection::connect(&address.connect_to(), PROBE_TIMEOUT)
        .await
        .map_err(|error| format!("cannot connect to {error}"))?;
    if let Some((user, password)) = address.login() {
        call(&mut connection, &["AUTH", user, password]).await?;
    }
    call(&mut connection, &["PING"]).await?;
    let ping_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    // A server that keeps these to itself is a member all the same.
    let text = call(&mut connection, &["INFO"]).await.ok();
    let text = text.as_ref().and_then(Value::as_bytes).map(String::from_utf8_lossy).unwrap_or_default();
    let version = info::field(&text, "redis_version").map(|version| format!("redis {version}"));
    let version = version.unwrap_or_default();
    let keys = (!text.is_empty()).then(|| info::databases(&text).map(|database| database.keys).sum());
    Ok(Probe { ping_us, keys, version })
}

/// A call whose error reply is an error.
async fn call(connection: &mut Connection, words: &[&str]) -> Result<Value, String> {
    let reply = connection.call(words).await.map_err(|error| error.to_string())?;
    match reply.as_error() {
        Some(error) => Err(format!("{} answers {} with: {error}", connection.address(), words[0])),
        None => Ok(reply),
    }
}
