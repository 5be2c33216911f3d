//! `show slow` and `show hotkeys`: what proxies saw of the requests that passed through them. Each is asked for a section of its `INFO`;
//! one that is away is named on stderr, and the others are shown.

use std::collections::BTreeMap;

use redis_cluster::{
    id::ProxyId,
    protocol::{Value, info, quote},
};
use serde_json::Value as Cell;

use super::{
    Session, Table, Target,
    outcome::{Body, Outcome, Status},
    show::timestamp,
};

/// Requests that took long, newest first.
pub(super) async fn slow(session: &Session) -> Outcome {
    answer(session, "slowrequests", |sections| {
        let mut table = Table::new(&[
            "at",
            "proxy",
            ">took_us",
            ">queue_us",
            ">node_us",
            ">write_us",
            "node",
            ">others",
            "client",
            "command",
        ]);
        let mut rows: Vec<(i64, Vec<Cell>)> = Vec::new();
        for (proxy, text) in sections {
            for (_, line) in info::fields(text).filter(|(_, line)| line.starts_with("at_ms=")) {
                let Some((figures, command)) = line.split_once(",command=") else { continue };
                let of = |name: &str| figure(figures, name).unwrap_or_default();
                let at: i64 = of("at_ms").parse().unwrap_or_default();
                let mut row = vec![timestamp(at).into(), proxy.as_str().into()];
                row.extend(["took_us", "queue_us", "node_us", "write_us"].map(|name| number(of(name))));
                row.push(text_or_null(of("node")));
                row.push(number(of("others")));
                row.push(text_or_null(of("client")));
                row.push(command.into());
                rows.push((at, row));
            }
        }
        rows.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        rows.into_iter().for_each(|(_, row)| table.push(row));
        table
    })
    .await
}

/// Keys that are asked for most, over all proxies together, and large requests and replies.
pub(super) async fn hot_keys(session: &Session) -> Outcome {
    answer(session, "hotkeys", |sections| hot_table(sections.iter().map(|(_, text)| text.as_str()))).await
}

fn hot_table<'a>(texts: impl Iterator<Item = &'a str>) -> Table {
    let mut hot: BTreeMap<&str, (f64, u64)> = BTreeMap::new();
    let mut big: BTreeMap<(&str, &str), (u64, &str)> = BTreeMap::new();
    for (field, line) in texts.flat_map(info::fields) {
        let Some((figures, key)) = line.split_once(",key=") else { continue };
        let of = |name: &str| figure(figures, name).unwrap_or_default();
        if field.starts_with("hot") {
            let (rate, samples) = hot.entry(key).or_default();
            *rate += of("per_second").parse::<f64>().unwrap_or_default();
            *samples += of("samples").parse::<u64>().unwrap_or_default();
        } else {
            let bytes = of("bytes").parse().unwrap_or_default();
            let known = big.entry((of("of"), key)).or_insert((bytes, of("command")));
            if bytes > known.0 {
                *known = (bytes, of("command"));
            }
        }
    }
    let mut table = Table::new(&["what", "key", ">per_second", ">samples", ">bytes", "command"]);
    let mut hot: Vec<_> = hot.into_iter().collect();
    hot.sort_by_key(|(_, (_, samples))| std::cmp::Reverse(*samples));
    for (key, (rate, samples)) in hot {
        table.push(vec!["hot".into(), key_cell(key), rate.into(), samples.into(), Cell::Null, Cell::Null]);
    }
    let mut big: Vec<_> = big.into_iter().collect();
    big.sort_by_key(|(_, (bytes, _))| std::cmp::Reverse(*bytes));
    for ((kind, key), (bytes, command)) in big {
        let what = format!("big {kind}").into();
        table.push(vec![what, key_cell(key), Cell::Null, Cell::Null, bytes.into(), command.into()]);
    }
    table
}

/// Asks all proxies for a section and shows what they have.
async fn answer(
    session: &Session,
    section: &str,
    table: impl FnOnce(&[(ProxyId, String)]) -> Table,
) -> Outcome {
    let proxies: Vec<ProxyId> = session.now().proxies.keys().cloned().collect();
    if proxies.is_empty() {
        return Outcome::failure(Status::Unreachable, "no proxy is registered");
    }
    let asked = proxies.into_iter().map(async |proxy| {
        let said = ask(session, &proxy, section).await;
        (proxy, said)
    });
    let (mut sections, mut troubles) = (Vec::new(), Vec::new());
    for (proxy, said) in futures::future::join_all(asked).await {
        match said {
            Ok(text) => sections.push((proxy, text)),
            Err(reason) => troubles.push(format!("proxy {proxy} is left out: {reason}")),
        }
    }
    if sections.is_empty() {
        return Outcome::failure(Status::Unreachable, troubles.join("; "));
    }
    let outcome = Outcome::done(Body::Table(table(&sections)));
    troubles.into_iter().fold(outcome, Outcome::with_note)
}

async fn ask(session: &Session, proxy: &ProxyId, section: &str) -> Result<String, String> {
    let command = vec![b"INFO".to_vec(), section.as_bytes().to_vec()];
    let mut replies = session.ask(&Target::Proxy(proxy.clone()), &[command]).await?;
    match replies.pop() {
        Some(Value::Bulk(text) | Value::Verbatim(_, text)) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Some(Value::Error(error)) => Err(String::from_utf8_lossy(&error).into_owned()),
        other => Err(format!("it answers INFO with {other:?}")),
    }
}

/// One of `a=1,b=2`.
fn figure<'a>(figures: &'a str, name: &str) -> Option<&'a str> {
    figures.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn number(text: &str) -> Cell {
    text.parse::<u64>().map_or(Cell::Null, Cell::from)
}

fn text_or_null(text: &str) -> Cell {
    if text.is_empty() { Cell::Null } else { text.into() }
}

/// The key as it is; what is no text stays as it was quoted.
fn key_cell(quoted: &str) -> Cell {
    let words = quote::split(quoted.as_bytes()).unwrap_or_default();
    let text = words.into_iter().next().and_then(|word| String::from_utf8(word).ok());
    text.unwrap_or_else(|| quoted.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_all_proxies_are_added_up() {
        let one = "# Hotkeys\r\nsampled_one_in:64\r\nhot0:per_second=100,samples=9,error=0,key=\"a,key=\\\"b\"\r\n\
                   hot1:per_second=5,samples=2,error=1,key=\"\\xff\"\r\nbig0:bytes=7,of=reply,command=get,key=\"k\"\r\n";
        let two = "# Hotkeys\r\nhot0:per_second=11,samples=3,error=0,key=\"a,key=\\\"b\"\r\n\
                   big0:bytes=9,of=reply,command=lrange,key=\"k\"\r\nbig1:bytes=8,of=request,command=set,key=\"k\"\r\n";
        let table = hot_table([one, two].into_iter());
        let mut csv = Vec::new();
        table.csv(&mut csv);
        let lines: Vec<&str> = std::str::from_utf8(&csv).unwrap().lines().collect();
        assert_eq!(
            lines,
            [
                r#""what","key","per_second","samples","bytes","command""#,
                r#""hot","a,key=""b",111.0,12,,"#,
                r#""hot","""\xff""",5.0,2,,"#,
                r#""big reply","k",,,9,"lrange""#,
                r#""big request","k",,,8,"set""#,
            ]
        );
    }
}
