//! Keys in and out as files: `import`, `export`, `backup`, `restore`.
//!
//! [`mod@import`] and [`mod@export`] speak with the cluster through its proxies alone, so that keys go where their slots are, whatever the
//! members are and while slots move. [`mod@backup`] is an export with a manifest beside it. [`unfinished`] has the names of files
//! that are not whole yet, [`meter`] tells faces how far it is. What a file consists of is the library's (`rdb::file`).

mod backup;
mod export;
mod import;
pub mod meter;
mod unfinished;

use redis_cluster::{
    client::{ClientError, Connection},
    protocol::{Value, info},
};

use super::{
    Session, alive,
    ask::Target,
    outcome::{Outcome, Status},
};

pub(super) use backup::{backup, restore};
pub(super) use export::export;
pub(super) use import::import;

/// A connection to a proxy that is nobody else's, and the database that it is in.
struct Line {
    connection: Connection,
    address: String,
    database: usize,
}

impl Line {
    /// In database 0.
    async fn open(session: &Session) -> Result<Self, Outcome> {
        let connected = session.connect_to(&Target::Cluster).await;
        let connection = connected.map_err(|error| Outcome::failure(Status::Unreachable, error))?;
        let address = connection.address().to_owned();
        let database = usize::try_from(session.database()).unwrap_or_default();
        Ok(Self { connection, address, database })
    }

    async fn flush(&mut self) -> Result<(), ClientError> {
        alive::reply_of(&self.address, alive::OF_PROXY, self.connection.flush()).await
    }

    async fn read(&mut self) -> Result<Value, ClientError> {
        alive::reply_of(&self.address, alive::OF_PROXY, self.connection.read()).await
    }

    /// One command; what a server answers by an error is an outcome of that.
    async fn ask(&mut self, words: &[&[u8]]) -> Result<Value, Outcome> {
        self.connection.queue(words);
        self.flush().await.map_err(|error| lost(&error))?;
        let reply = self.read().await.map_err(|error| lost(&error))?;
        match reply.as_error() {
            None => Ok(reply),
            Some(error) => {
                let name = String::from_utf8_lossy(words[0]);
                Err(Outcome::failure(Status::ErrorReply, format!("{name} is answered with: {error}")))
            }
        }
    }

    async fn select(&mut self, database: usize) -> Result<(), Outcome> {
        if self.database != database {
            self.ask(&[b"SELECT", database.to_string().as_bytes()]).await?;
            self.database = database;
        }
        Ok(())
    }

    async fn size(&mut self) -> Result<u64, Outcome> {
        match self.ask(&[b"DBSIZE"]).await? {
            Value::Integer(keys) => Ok(u64::try_from(keys).unwrap_or_default()),
            _ => Err(Outcome::failure(Status::ErrorReply, "DBSIZE is answered with no number")),
        }
    }

    /// Databases that have keys: number, keys, and those that expire.
    async fn databases(&mut self) -> Result<Vec<(usize, u64, u64)>, Outcome> {
        let reply = self.ask(&[b"INFO", b"keyspace"]).await?;
        let text = String::from_utf8_lossy(reply.as_bytes().unwrap_or_default()).into_owned();
        Ok(info::fields(&text).filter_map(|(name, value)| of_keyspace(name, value)).collect())
    }
}

/// `db0:keys=1,expires=0,…`.
fn of_keyspace(name: &str, value: &str) -> Option<(usize, u64, u64)> {
    let number = name.strip_prefix("db")?.parse().ok()?;
    let figure = |wanted: &str| {
        value
            .split(',')
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| *name == wanted)?
            .1
            .parse()
            .ok()
    };
    Some((number, figure("keys")?, figure("expires")?))
}

fn lost(error: &ClientError) -> Outcome {
    Outcome::failure(Status::Unreachable, format!("the connection to a proxy broke: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_databases() {
        assert_eq!(of_keyspace("db3", "keys=10,expires=2,avg_ttl=0"), Some((3, 10, 2)));
        assert_eq!(of_keyspace("dbx", "keys=10,expires=2"), None);
        assert_eq!(of_keyspace("db1", "keys=10"), None);
    }
}
