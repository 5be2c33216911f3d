//! The event loop: terminal, signals, session and answers in; paint out.
//!
//! It paints on change only: what the operator types at once, what the cluster does at most ten times a second. While
//! nothing changes and no age is shown that grows, there is no timer and nothing wakes up. It never waits for the
//! network: whatever does is a task that answers by an event.

use std::{collections::HashMap, future, io, path::PathBuf, sync::Arc, time::Duration};

use futures::StreamExt;
use ratatui::crossterm::event::{Event as Input, EventStream, MouseButton, MouseEventKind};
use redis_cluster::{id::NodeId, time::Millis};
use rustix::process::{Signal, kill_current_process_group};
use tokio::{
    signal::unix::{Signal as SignalStream, SignalKind, signal},
    sync::{Notify, mpsc, watch},
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::{
    aliases::Aliases,
    answer,
    event::{Effect, Effects, Event, Mouse},
    hangup::Watchdog,
    history::History,
    keymap,
    model::Model,
    pages::ask::{Heard, Past, Request},
    recent,
    tape::Tape,
    terminal::{self, Screen},
    theme::Theme,
    update::update,
};
use crate::session::{ClusterView, Session, Status};

/// Between two paints that only new data asks for.
const FRAME: Duration = Duration::from_millis(100);
/// Answers that may wait to be taken in.
const ANSWERS_WAITING: usize = 256;
const QUIT_SIGNAL: u8 = 131;
/// Between two figures of a member: while somebody looks, and while the terminal has lost the focus.
const FIGURES_OFTEN: Duration = crate::session::FIGURES_INTERVAL;
const FIGURES_SELDOM: Duration = Duration::from_secs(5);

/// How the screen starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// Characters and colours.
    pub theme: Theme,
    /// The cluster runs in this process.
    pub embedded: bool,
    /// The mouse selects, opens and scrolls; else it is the terminal's.
    pub mouse: bool,
    /// The keys end with this process: leaving is asked about while there are some.
    pub asks_to_leave: bool,
    /// Keys of the operator's own.
    pub aliases: Aliases,
    /// What is shown is written to this new file.
    pub record: Option<PathBuf>,
    /// Lines of earlier sessions, shared with the line editor; `None`: they are not kept.
    pub history: Option<PathBuf>,
}

/// Shows the screen until the operator leaves, the terminal goes away or a signal ends it; the exit status.
///
/// # Errors
/// The terminal cannot be used, or the key table contradicts itself.
pub async fn run(session: Session, options: Options) -> io::Result<Status> {
    keymap::check(keymap::BINDINGS).map_err(io::Error::other)?;
    let mut signals = Signals::new()?;
    let tape = match &options.record {
        None => None,
        Some(path) => {
            let made = Tape::create(path, terminal::size()?);
            Some(made.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?)
        }
    };
    let screen = Screen::enter(options.mouse, tape)?;
    let hung_up = Arc::new(Notify::new());
    let _watchdog = Watchdog::start(Arc::clone(&hung_up))?;
    let history = History::open(options.history);
    let mut model = Model::new(screen.size()?, options.theme, Millis::now());
    model.embedded = options.embedded;
    model.asks_to_leave = options.asks_to_leave;
    model.aliases = options.aliases;
    model.read_only = session.options().read_only;
    model.database = session.database();
    model.line.history = history.lines();
    let (answers, incoming) = mpsc::channel(ANSWERS_WAITING);
    session.stream_figures();
    let view = session.view();
    let mut face = Face {
        session,
        screen,
        model,
        history,
        answers,
        runs: HashMap::new(),
        monitor: None,
        input: Some(EventStream::new()),
    };
    let sources = Sources { view, incoming, hung_up };
    let status = match face.live(sources, &mut signals).await {
        Ok(status) => status,
        // Neither reading nor writing fails while a terminal is there.
        Err(_) => Status::HungUp,
    };
    let moving = !face.model.latest.moves().is_empty();
    drop(face);
    if moving && !options.embedded && status != Status::HungUp {
        eprintln!("slots are moving; the cluster goes on with that (`show moves` tells how far it is)");
    }
    Ok(status)
}

/// Signals that the screen answers itself.
struct Signals {
    hang_up: SignalStream,
    terminate: SignalStream,
    quit: SignalStream,
    interrupt: SignalStream,
    stop: SignalStream,
    go_on: SignalStream,
}

/// A signal, by what follows from it.
enum Signalled {
    End(Status),
    Interrupt,
    Stop,
    GoOn,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?,
            go_on: signal(SignalKind::from_raw(Signal::CONT.as_raw()))?,
        })
    }

    async fn next(&mut self) -> Signalled {
        tokio::select! {
            _ = self.hang_up.recv() => Signalled::End(Status::HungUp),
            _ = self.terminate.recv() => Signalled::End(Status::Terminated),
            _ = self.quit.recv() => Signalled::End(Status::Chosen(QUIT_SIGNAL)),
            _ = self.interrupt.recv() => Signalled::Interrupt,
            _ = self.stop.recv() => Signalled::Stop,
            _ = self.go_on.recv() => Signalled::GoOn,
        }
    }
}

/// Where events come from, besides the terminal and signals.
struct Sources {
    view: watch::Receiver<Arc<ClusterView>>,
    incoming: mpsc::Receiver<Event>,
    hung_up: Arc<Notify>,
}

struct Face {
    session: Session,
    screen: Screen,
    model: Model,
    history: History,
    answers: mpsc::Sender<Event>,
    runs: HashMap<u64, AbortHandle>,
    /// The node that is listened to.
    monitor: Option<(NodeId, AbortHandle)>,
    /// Away while the process is suspended, so that nothing reads the shell's input.
    input: Option<EventStream>,
}

impl Drop for Face {
    fn drop(&mut self) {
        let monitor = self.monitor.take().map(|(_, task)| task);
        for run in self.runs.drain().map(|(_, run)| run).chain(monitor) {
            run.abort();
        }
    }
}

impl Face {
    async fn live(&mut self, mut sources: Sources, signals: &mut Signals) -> io::Result<Status> {
        let mut next_frame = Instant::now();
        let mut followed = true;
        sources.view.mark_changed();
        self.paint()?;
        loop {
            let mut paint_now = true;
            let timer = self.timer(next_frame);
            let event = tokio::select! { biased;
                signalled = signals.next() => match signalled {
                    Signalled::End(status) => return Ok(status),
                    Signalled::Interrupt => Some(Event::Interrupt),
                    Signalled::Stop => { self.suspend()?; None }
                    Signalled::GoOn => { self.screen.resume()?; None }
                },
                () = sources.hung_up.notified() => return Ok(Status::HungUp),
                input = next_input(&mut self.input) => match input? {
                    Input::Key(key) => Some(Event::Key(key)),
                    Input::Paste(text) => Some(Event::Paste(text)),
                    Input::Resize(columns, rows) => Some(Event::Resize(columns, rows)),
                    Input::FocusGained => Some(Event::Focus(true)),
                    Input::FocusLost => Some(Event::Focus(false)),
                    Input::Mouse(mouse) => match clicked(mouse.kind) {
                        Some(kind) => Some(Event::Mouse(kind, self.screen.zone_at(mouse.column, mouse.row))),
                        None => continue,
                    },
                },
                Some(answer) = sources.incoming.recv() => Some(answer),
                changed = sources.view.changed(), if followed => {
                    paint_now = false;
                    followed = changed.is_ok();
                    Some(Event::View(Arc::clone(&sources.view.borrow_and_update())))
                }
                () = wait_until(timer) => { paint_now = false; None }
            };
            let mut effects = update(&mut self.model, Event::Clock(Millis::now()));
            if let Some(event) = event {
                recent::note(&event, self.model.now);
                effects.extend(update(&mut self.model, event));
            } else if paint_now {
                self.model.dirty = true;
            }
            if let Some(status) = self.perform(effects)? {
                return Ok(status);
            }
            self.listen();
            if self.model.dirty && (paint_now || Instant::now() >= next_frame) {
                self.model.dirty = false;
                self.paint()?;
                next_frame = Instant::now() + FRAME;
            }
        }
    }

    fn paint(&mut self) -> io::Result<()> {
        if let Some(error) = self.screen.paint(&self.model)? {
            update(&mut self.model, Event::Trouble(format!("the recording ends here: {error}")));
        }
        Ok(())
    }

    /// Listens to the node that is to be listened to, and to no other.
    fn listen(&mut self) {
        let wanted = self.model.monitored();
        if self.monitor.as_ref().map(|(node, _)| node) == wanted {
            return;
        }
        if let Some((_, task)) = self.monitor.take() {
            task.abort();
        }
        if let Some(node) = wanted.cloned() {
            let (session, answers) = (self.session.clone(), self.answers.clone());
            let task = tokio::spawn(answer::monitor(session, node.clone(), answers));
            self.monitor = Some((node, task.abort_handle()));
        }
    }

    /// When to wake up without an event; `None`: never.
    fn timer(&self, next_frame: Instant) -> Option<Instant> {
        let question =
            self.model.ask_in_ms().map(|ms| Instant::now() + Duration::from_millis(ms.unsigned_abs() + 1));
        self.paint_at(next_frame).into_iter().chain(question).min()
    }

    /// When what is shown changes by itself.
    fn paint_at(&self, next_frame: Instant) -> Option<Instant> {
        if self.model.dirty {
            return Some(next_frame);
        }
        let ms = self.model.redraw_in_ms()?;
        // Ages turn over with the wall clock's second.
        let to_second = 1_000 - self.model.now.0.rem_euclid(1_000);
        let ms = if ms <= 1_000 { to_second } else { ms };
        Some(Instant::now() + Duration::from_millis(ms.unsigned_abs() + 1))
    }

    /// Does what the model asks for; a status when it asks to leave.
    fn perform(&mut self, effects: Effects) -> io::Result<Option<Status>> {
        for effect in effects {
            match effect {
                Effect::Run { run, command, repeat, formatter } => {
                    let (session, answers) = (self.session.clone(), self.answers.clone());
                    self.start(run, answer::run(session, run, command, repeat, formatter, answers));
                }
                Effect::Source { run, path } => {
                    self.start(run, answer::source(run, path, self.answers.clone()));
                }
                Effect::SaveScript { run, path, lines } => {
                    let (session, answers) = (self.session.clone(), self.answers.clone());
                    self.start(run, answer::save(session, run, path, lines, answers));
                }
                Effect::Cancel { run } => {
                    if let Some(run) = self.runs.remove(&run) {
                        run.abort();
                    }
                }
                Effect::Probe { serial, address } => {
                    tokio::spawn(answer::probe(serial, address, self.answers.clone()));
                }
                Effect::Preview { serial, request, options } => {
                    let (session, answers) = (self.session.clone(), self.answers.clone());
                    tokio::spawn(answer::preview(session, serial, request, options, answers));
                }
                Effect::Find { line, sought } => {
                    tokio::spawn(answer::find(self.session.clone(), line, sought, self.answers.clone()));
                }
                Effect::Ask { serial, question } => {
                    let (session, answers) = (self.session.clone(), self.answers.clone());
                    tokio::spawn(async move {
                        let result = match &question.request {
                            Request::Commands(commands) => {
                                session.ask(&question.target, commands).await.map(Heard::Replies)
                            }
                            Request::CountKeys(ranges) => {
                                session.count_keys(&question.target, ranges).await.map(Heard::Replies)
                            }
                            Request::Audit => session.audit().await.map(Past::Audit).map(Heard::Past),
                            Request::AsOf(revision) => {
                                let view = session.as_of(*revision).await;
                                view.map(|view| Heard::Past(Past::AsOf(*revision, view.map(Box::new))))
                            }
                        };
                        // Without a screen nobody waits for it.
                        let _ = answers.send(Event::Answered { serial, result }).await;
                    });
                }
                Effect::Copy(text) => self.screen.copy(&text)?,
                Effect::Follow { seldom } => {
                    self.session.set_figures_interval(if seldom { FIGURES_SELDOM } else { FIGURES_OFTEN });
                }
                Effect::Remember(line) => {
                    if let Err(error) = self.history.add(&line) {
                        update(&mut self.model, Event::Trouble(error));
                    }
                }
                Effect::Suspend => self.suspend()?,
                Effect::Redraw => self.screen.redraw()?,
                Effect::Quit(status) => {
                    return Ok(Some(status));
                }
            }
        }
        Ok(None)
    }

    fn start(&mut self, run: u64, task: impl Future<Output = ()> + Send + 'static) {
        self.runs.retain(|_, run| !run.is_finished());
        self.runs.insert(run, tokio::spawn(task).abort_handle());
    }

    /// Gives the terminal to the shell until it continues this process.
    fn suspend(&mut self) -> io::Result<()> {
        self.input = None;
        self.screen.leave();
        if self.model.embedded {
            eprintln!("the embedded cluster stands still until this process goes on");
        }
        // Not SIGTSTP: in an orphaned process group that one is thrown away. The whole group, as the terminal does it.
        kill_current_process_group(Signal::STOP)?;
        self.screen.resume()?;
        self.input = Some(EventStream::new());
        let (columns, rows) = self.screen.size()?;
        update(&mut self.model, Event::Resize(columns, rows));
        Ok(())
    }
}

/// What of a mouse means something here.
fn clicked(kind: MouseEventKind) -> Option<Mouse> {
    match kind {
        MouseEventKind::Down(MouseButton::Left) => Some(Mouse::Click),
        MouseEventKind::ScrollUp => Some(Mouse::Up),
        MouseEventKind::ScrollDown => Some(Mouse::Down),
        _ => None,
    }
}

/// The next input; its end is an error.
async fn next_input(input: &mut Option<EventStream>) -> io::Result<Input> {
    match input {
        Some(stream) => stream.next().await.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into())),
        None => future::pending().await,
    }
}

async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => future::pending().await,
    }
}
