//! Which face the console shows, and what it shows it with.

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _},
    os::unix::ffi::OsStringExt as _,
    sync::Arc,
    time::Duration,
};

use redis_cluster::cluster::registry::Access;

use crate::{
    arguments::Arguments,
    askpass::{self, AskError},
    assist::{self, Sought},
    embedded::{self, Embedded},
    files,
    format::{Form, Formatter, TextForm},
    language, oneshot,
    output::Output,
    paths, repl, replay,
    runner::Runner,
    screen::{self, aliases::Aliases},
    script::{self, Source},
    session::{Options, Session, StartsNodes, Status},
    signals::Signals,
};

/// A command or a script that names no cluster.
const NOWHERE: &str = "no cluster is named: give ETCD as in `redis_console http://localhost:2379 …`, or set \
                       REDIS_CLUSTER_ETCD; --embedded or --dir DIR run it on a cluster in this process";

/// How long the proxies of an embedded cluster get to read its topology before the face opens anyway.
const READY_PATIENCE: Duration = Duration::from_secs(3);

/// The faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// One command from the arguments.
    OneShot,
    /// Lines from a file or a pipe.
    Script,
    /// The line editor.
    Repl,
    /// The full screen.
    Screen,
}

/// What the program was started on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Somebody types.
    pub stdin_is_terminal: bool,
    /// Somebody looks.
    pub stdout_is_terminal: bool,
    /// The terminal can only append (`TERM=dumb`, or none set).
    pub dumb: bool,
}

impl Surroundings {
    /// As they are.
    #[must_use]
    pub fn look() -> Self {
        Self {
            stdin_is_terminal: io::stdin().is_terminal(),
            stdout_is_terminal: io::stdout().is_terminal(),
            dumb: std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb"),
        }
    }

    /// The face for these arguments.
    #[must_use]
    pub fn face(self, arguments: &Arguments) -> Face {
        if arguments.command.is_some() {
            Face::OneShot
        } else if arguments.typed.file.is_some() || !self.stdin_is_terminal {
            Face::Script
        } else if arguments.typed.repl || self.is_plain(arguments) || !self.stdout_is_terminal {
            Face::Repl
        } else {
            Face::Screen
        }
    }

    /// Whether the terminal gets lines only, each written once.
    #[must_use]
    pub fn is_plain(self, arguments: &Arguments) -> bool {
        arguments.typed.plain || self.dumb
    }

    /// How replies are written unless the arguments say so.
    #[must_use]
    pub fn formatter(self, arguments: &Arguments) -> Formatter {
        let by_surroundings = if self.stdout_is_terminal { Form::Tty } else { Form::Raw };
        Formatter {
            form: arguments.form.unwrap_or(by_surroundings),
            // Programs that read the form for people know redis-cli's.
            text: if self.stdout_is_terminal { TextForm::Both } else { TextForm::Escaped },
            between: arguments.between.clone(),
            after: arguments.after.clone(),
            labels: arguments.typed.plain,
        }
    }
}

/// What to say when the arguments cannot be used, and the exit status.
type Refused = (Status, String);

/// User and password for proxies, if there is one.
type Login = Option<(String, Vec<u8>)>;

async fn login(arguments: &Arguments, signals: &mut Signals) -> Result<Login, Refused> {
    let user = arguments.typed.user.clone();
    let password = if arguments.typed.askpass {
        match askpass::ask(&user, signals).await {
            Ok(password) => Some(password),
            Err(AskError::GivenUp(status)) => return Err((status, AskError::GivenUp(status).to_string())),
            Err(error) => return Err((Status::Usage, error.to_string())),
        }
    } else if let Some(path) = &arguments.typed.password_file {
        let text =
            std::fs::read(path).map_err(|error| (Status::Usage, format!("{}: {error}", path.display())))?;
        let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        Some(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
    } else {
        std::env::var_os("REDISCLI_AUTH").map(OsString::into_vec)
    };
    Ok(password.map(|password| (user, password)))
}

fn open(
    arguments: &Arguments,
    login: Login,
    etcd: &str,
    starter: Option<Arc<dyn StartsNodes>>,
) -> Result<Session, Refused> {
    let options = Options {
        endpoints: vec![etcd.to_owned()],
        cluster: arguments.typed.cluster.clone(),
        // An embedded registry has no users, whatever the environment says of another one.
        access: if starter.is_some() { Access::default() } else { arguments.typed.access.clone() },
        read_only: arguments.typed.read_only,
        connect_timeout: arguments.typed.connect_timeout,
        login,
        resp3: arguments.typed.resp3,
        database: arguments.typed.database,
        ..Options::default()
    };
    Session::open_with(options, starter).map_err(|error| (Status::Usage, error.to_string()))
}

/// The cluster that is worked on.
struct Place {
    session: Session,
    /// It runs in this process.
    embedded: Option<Embedded>,
}

impl Place {
    async fn open(
        arguments: &Arguments,
        face: Face,
        login: Login,
        output: &mut Output,
    ) -> Result<Self, Refused> {
        if let Some(etcd) = &arguments.etcd {
            return Ok(Self { session: open(arguments, login, etcd, None)?, embedded: None });
        }
        // A job whose variable was empty must not succeed into a cluster that ends with it.
        if matches!(face, Face::OneShot | Face::Script) && !arguments.embedded {
            return Err((Status::Usage, NOWHERE.to_owned()));
        }
        let failed = |error: embedded::StartError| (Status::Refused, error.to_string());
        let started = Embedded::start(&arguments.typed.cluster, arguments.typed.dir.as_deref()).await;
        let mut cluster = started.map_err(failed)?;
        cluster.ready().await.map_err(failed)?;
        for line in cluster.describe() {
            output.message(&line);
        }
        let session = open(arguments, login, cluster.url(), Some(cluster.starter()))?;
        // Proxies register first and read the topology afterwards; one that is late answers with errors until then.
        let mut view = session.view();
        let _ = tokio::time::timeout(READY_PATIENCE, view.wait_for(|view| cluster.is_ready(view))).await;
        Ok(Self { session, embedded: Some(cluster) })
    }

    async fn close(self) {
        drop(self.session);
        if let Some(cluster) = self.embedded {
            cluster.stop().await;
        }
    }
}

/// A shell does not wait longer for what could be typed.
const CANDIDATES_PATIENCE: Duration = Duration::from_millis(700);

/// Prints what the last word of the command could become, one on a line. A shell asks in the middle of a line: whatever is
/// wrong, it gets fewer candidates and no message.
async fn candidates(mut arguments: Arguments) -> Status {
    arguments.typed.connect_timeout = CANDIDATES_PATIENCE;
    let mut words = arguments.command.take().unwrap_or_default();
    let Some(last) = words.pop() else { return Status::Done };
    let before = if words.is_empty() { String::new() } else { language::quote_words(&words) + " " };
    let line = before + &language::lines::as_text(&last);
    let session = arguments.etcd.clone().and_then(|etcd| open(&arguments, None, &etcd, None).ok());
    let mut view = Arc::default();
    if let Some(session) = &session {
        view = session.first_look().await.unwrap_or_default();
    }
    let found = assist::complete(&line, &view);
    let mut lines: Vec<Vec<u8>> = found.candidates.into_iter().map(String::into_bytes).collect();
    match (&session, &found.sought) {
        (Some(session), Some(Sought::Key(prefix))) => lines.extend(session.keys_like(prefix).await),
        (_, Some(Sought::File(prefix))) => lines.extend(files::names_like(prefix)),
        (None, Some(Sought::Key(_))) | (_, None) => {}
    }
    // One with a line break would be two.
    lines.retain(|line| !line.contains(&b'\n'));
    let mut output = Output::new(Formatter::new(Form::Raw, TextForm::Escaped));
    for line in lines {
        if let Err(status) = output.line(&line) {
            return status;
        }
    }
    output.flush().err().unwrap_or(Status::Done)
}

/// Runs the console; the exit status of the program.
pub async fn run(arguments: Arguments) -> Status {
    if arguments.candidates {
        return candidates(arguments).await;
    }
    if let Some(path) = &arguments.replay {
        return match replay::run(path, arguments.typed.speed).await {
            Ok(status) => status,
            Err(error) => {
                say(&format!("{}: {error}", path.display()));
                Status::Usage
            }
        };
    }
    let surroundings = Surroundings::look();
    let face = surroundings.face(&arguments);
    let mut output = Output::new(surroundings.formatter(&arguments));
    output.plain = surroundings.is_plain(&arguments);
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            output.message(&format!("redis_console: cannot listen for signals: {error}"));
            return Status::ErrorReply;
        }
    };
    let place = match login(&arguments, &mut signals).await {
        Ok(login) => tokio::select! {
            place = Place::open(&arguments, face, login, &mut output) => place,
            status = signals.next() => return status,
        },
        Err(refused) => Err(refused),
    };
    let place = match place {
        Ok(place) => place,
        Err((status, text)) => {
            output.message(&format!("redis_console: {text}"));
            return status;
        }
    };
    let runner = Runner::new(place.session.clone(), output);
    let status = match face {
        Face::OneShot | Face::Script => unattended(runner, &arguments, face, &mut signals).await,
        Face::Repl => {
            // Editing would put escape sequences into a pipe.
            let plain = surroundings.is_plain(&arguments) || !surroundings.stdout_is_terminal;
            repl::run(runner, &arguments, plain, &mut signals).await
        }
        Face::Screen => {
            drop(signals);
            full_screen(&place, &arguments).await
        }
    };
    // An embedded cluster ends in order; whoever asks once more does not want to wait for that.
    match Signals::listen() {
        Err(_) => place.close().await,
        Ok(mut again) => tokio::select! {
            () = place.close() => {}
            status = again.next() => return status,
        },
    }
    status
}

/// A face that nobody sits before: `--timeout` or a signal ends it.
async fn unattended(mut runner: Runner, arguments: &Arguments, face: Face, signals: &mut Signals) -> Status {
    let work = async {
        if face == Face::OneShot {
            return oneshot::run(&mut runner, arguments).await;
        }
        let source = match &arguments.typed.file {
            Some(path) if path.as_os_str() != "-" => Source::File(path.clone()),
            _ => Source::Stdin,
        };
        script::run(&mut runner, arguments, source).await
    };
    let limit = async {
        match arguments.typed.timeout {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let status = tokio::select! {
        biased;
        status = work => return status,
        () = limit => Status::TimedOut,
        status = signals.next() => status,
    };
    runner.cut_off(status, arguments.typed.timeout)
}

async fn full_screen(place: &Place, arguments: &Arguments) -> Status {
    let aliases = match Aliases::new(&arguments.keys) {
        Ok(aliases) => aliases,
        Err(error) => {
            say(&format!("{}: {error}", paths::config_file().unwrap_or_default().display()));
            return Status::Usage;
        }
    };
    let options = screen::Options {
        theme: screen::theme::Theme::detect(arguments.typed.ascii, arguments.typed.no_color, |name| {
            std::env::var(name).ok()
        })
        .chosen(arguments.typed.theme),
        embedded: place.embedded.is_some(),
        mouse: !arguments.typed.no_mouse,
        asks_to_leave: place.session.is_fleeting() && !arguments.typed.yes,
        aliases,
        record: arguments.typed.record.clone(),
        history: paths::history_file(),
    };
    match screen::run(place.session.clone(), options).await {
        Ok(status) => status,
        Err(error) => {
            say(&format!("no full screen: {error}; --repl is the line editor"));
            Status::ErrorReply
        }
    }
}

fn say(text: &str) {
    Output::new(Formatter::new(Form::Raw, TextForm::Escaped)).message(&format!("redis_console: {text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces() {
        let parse = |line: &str| {
            let words = std::iter::once("redis_console").chain(line.split_whitespace());
            crate::arguments::parse(words.map(Into::into).collect()).unwrap()
        };
        let at =
            |stdin, stdout, dumb| Surroundings { stdin_is_terminal: stdin, stdout_is_terminal: stdout, dumb };
        for (line, surroundings, face) in [
            ("h:1 get a", at(false, false, true), Face::OneShot),
            ("h:1 get a", at(true, true, false), Face::OneShot),
            ("h:1", at(false, true, false), Face::Script),
            ("h:1 -f x", at(true, true, false), Face::Script),
            ("h:1", at(true, true, false), Face::Screen),
            ("", at(true, true, false), Face::Screen),
            ("h:1 --repl", at(true, true, false), Face::Repl),
            ("h:1", at(true, true, true), Face::Repl),
            ("h:1 --plain", at(true, true, false), Face::Repl),
            ("h:1 --eval x", at(true, true, false), Face::OneShot),
            ("h:1", at(true, false, false), Face::Repl),
        ] {
            assert_eq!(surroundings.face(&parse(line)), face, "{line} {surroundings:?}");
        }
        assert_eq!(at(true, false, false).formatter(&parse("h:1")).form, Form::Raw);
        assert_eq!(at(true, true, false).formatter(&parse("h:1")).form, Form::Tty);
        assert_eq!(at(true, false, false).formatter(&parse("--no-raw h:1")).text, TextForm::Escaped);
    }
}
