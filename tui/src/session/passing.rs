//! What proxies saw of the requests that passed through them, each in a section of its `INFO`: how such a section is read, and the words
//! `show slow` and `show hotkeys`. A proxy that is away is named on stderr, and the others are shown.

use std::collections::BTreeMap;

use redis_cluster::{
    id::ProxyId,
    protocol::{Value, info, quote},
    slot::SlotId,
    time::Millis,
};
use serde_json::Value as Cell;

use super::{
    Session, Table, Target,
    outcome::{Body, Outcome, Status},
    show::timestamp,
};

/// The section with requests that took long.
pub const SLOW: &str = "slowrequests";
/// The section with keys that are asked for most.
const HOT_KEYS: &str = "hotkeys";
/// The section with how often each slot is asked for something.
pub const HOT_SLOTS: &str = "hotslots";

/// A request that took long. Times are in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlowRequest {
    /// Never used twice by its proxy.
    pub number: u64,
    /// When it was answered.
    pub at: Millis,
    /// In all.
    pub took_us: u64,
    /// Of that: until it was the oldest that its node had to answer.
    pub queue_us: u64,
    /// Of that: from then on to the node's reply.
    pub node_us: u64,
    /// Of that: from then on until its client had taken all replies.
    pub write_us: u64,
    /// Which node; empty: the client took long.
    pub node: String,
    /// So many more were answered with it, as late.
    pub others: u64,
    /// Address of the client.
    pub client: String,
    /// With its arguments, as far as they are kept.
    pub command: String,
}

/// Those of a proxy, by its section.
#[must_use]
pub fn slow_requests(text: &str) -> Vec<SlowRequest> {
    let request = |(field, line): (&str, &str)| {
        // The command stands last: it may hold any sign.
        let (figures, command) = line.split_once(",command=")?;
        let word = |name: &str| figure(figures, name).unwrap_or_default().to_owned();
        let number = |name: &str| figure(figures, name)?.parse().ok();
        Some(SlowRequest {
            number: field.strip_prefix("slow")?.parse().ok()?,
            at: Millis(figure(figures, "at_ms")?.parse().ok()?),
            took_us: number("took_us")?,
            queue_us: number("queue_us")?,
            node_us: number("node_us")?,
            write_us: number("write_us")?,
            node: word("node"),
            others: number("others")?,
            client: word("client"),
            command: command.to_owned(),
        })
    };
    info::fields(text).filter_map(request).collect()
}

/// How often a second a proxy is asked for keys of each slot, about, by its section; slots that are seldom asked for are left out.
#[must_use]
pub fn slot_rates(text: &str) -> BTreeMap<SlotId, f64> {
    let number = |name: &str| info::number(text, name).unwrap_or(0) as f64;
    let per_sample = number("sampled_one_in") * 1_000.0 / number("sampled_over_ms").max(1_000.0);
    let counts = info::field(text, "slots").unwrap_or_default().split(',');
    let rate = |count: &str| {
        let (slot, count) = count.split_once('=')?;
        Some((SlotId::new(slot.parse().ok()?)?, count.parse::<f64>().ok()? * per_sample))
    };
    counts.filter_map(rate).collect()
}

/// Requests that took long, newest first.
pub(super) async fn slow(session: &Session) -> Outcome {
    answer(session, SLOW, |sections| {
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
        let requests = |(proxy, text): &(ProxyId, String)| {
            slow_requests(text).into_iter().map(|request| (proxy.clone(), request)).collect::<Vec<_>>()
        };
        let mut requests: Vec<_> = sections.iter().flat_map(requests).collect();
        requests.sort_by_key(|(_, request)| std::cmp::Reverse(request.at));
        for (proxy, request) in requests {
            table.push(vec![
                timestamp(request.at.0).into(),
                proxy.as_str().into(),
                request.took_us.into(),
                request.queue_us.into(),
                request.node_us.into(),
                request.write_us.into(),
                text_or_null(&request.node),
                request.others.into(),
                text_or_null(&request.client),
                request.command.into(),
            ]);
        }
        table
    })
    .await
}

/// Keys that are asked for most, over all proxies together, and large requests and replies.
pub(super) async fn hot_keys(session: &Session) -> Outcome {
    answer(session, HOT_KEYS, |sections| hot_table(sections.iter().map(|(_, text)| text.as_str()))).await
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
    fn slow_requests_and_slots_are_read() {
        let text = "# Slowrequests\r\nslow_threshold_us:10000\r\n\
                    slow7:at_ms=50,took_us=12000,queue_us=1,node_us=11000,write_us=999,node=n 2,others=3,client=h:1,\
                    command=set a \"x,command=y\"\r\nslow8:at_ms=x,command=get a\r\n";
        let expected = SlowRequest {
            number: 7,
            at: Millis(50),
            took_us: 12_000,
            queue_us: 1,
            node_us: 11_000,
            write_us: 999,
            node: "n 2".to_owned(),
            others: 3,
            client: "h:1".to_owned(),
            command: "set a \"x,command=y\"".to_owned(),
        };
        assert_eq!(slow_requests(text), [expected]);
        let text = "# Hotslots\r\nsampled_one_in:64\r\nsampled_requests:9\r\nsampled_over_ms:32000\r\n\
                    slots:12=5,16383=1,16384=9,x\r\n";
        let rates: Vec<(usize, f64)> =
            slot_rates(text).into_iter().map(|(slot, rate)| (slot.index(), rate)).collect();
        assert_eq!(rates, [(12, 10.0), (16_383, 2.0)]);
        assert!(slot_rates("# Hotslots\r\nslots:\r\n").is_empty() && slow_requests("").is_empty());
    }

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
