//! redis_console: see, change and use a cluster. Reads the arguments and runs a face.

use std::{io::Write as _, process::ExitCode};

use anyhow::Context as _;
use redis_cluster::server::abort_on_panic;
use redis_console::{app, arguments, format::harmless, manual};

fn main() -> anyhow::Result<ExitCode> {
    let arguments = match arguments::parse(std::env::args_os().collect()) {
        Ok(arguments) => arguments,
        Err(error) => {
            // It repeats what was typed, which may come from somewhere else.
            let text = error.render().to_string();
            let text = harmless::text(text.as_bytes());
            // Nobody to tell when neither stdout nor stderr is there.
            let _ = match error.use_stderr() {
                true => std::io::stderr().write_all(text.as_bytes()),
                false => std::io::stdout().write_all(text.as_bytes()),
            };
            return Ok(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)));
        }
    };
    if let Some(printed) = arguments.printed {
        manual::print(printed).context("cannot write to stdout")?;
        return Ok(ExitCode::SUCCESS);
    }
    // Behind this program may be a whole cluster: what a panic left half-changed is for nobody.
    abort_on_panic();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let status = runtime.block_on(app::run(arguments));
    // A thread that waits for a line of stdin must not keep the program alive.
    runtime.shutdown_background();
    let _ = std::io::stderr().flush();
    Ok(ExitCode::from(status.code()))
}
