//! A recording of the full screen: what was written to the terminal and when, as an asciicast (version 2), which `redis_console
//! replay FILE` and other players show again. What is typed is in it only as far as the screen showed it.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Instant,
};

use redis_cluster::time::Millis;

/// The file that is written.
#[derive(Debug)]
pub(super) struct Tape {
    file: BufWriter<File>,
    began: Instant,
    size: (u16, u16),
}

impl Tape {
    /// A new file, readable by its owner: values of keys will stand in it.
    ///
    /// # Errors
    /// It is there already, or cannot be written.
    pub(super) fn create(path: &Path, size: (u16, u16)) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let mut tape = Self { file: BufWriter::new(file), began: Instant::now(), size };
        let header = serde_json::json!({
            "version": 2,
            "width": size.0,
            "height": size.1,
            "timestamp": Millis::now().seconds(),
            "title": "redis_console",
        });
        writeln!(tape.file, "{header}")?;
        tape.file.flush()?;
        Ok(tape)
    }

    /// A frame. Whatever happens next, it is in the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn frame(&mut self, size: (u16, u16), bytes: &[u8]) -> io::Result<()> {
        if self.size != size {
            self.size = size;
            self.line("r", &format!("{}x{}", size.0, size.1))?;
        }
        self.line("o", &String::from_utf8_lossy(bytes))?;
        self.file.flush()
    }

    fn line(&mut self, kind: &str, text: &str) -> io::Result<()> {
        let at = self.began.elapsed().as_micros() as f64 / 1e6;
        writeln!(self.file, "{}", serde_json::json!([at, kind, text]))
    }
}
