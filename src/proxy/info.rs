//! `INFO` of a whole cluster: what the proxy is, and what its nodes report, added up.
//!
//! Figures that can be added are (keys, memory, commands, clients of nodes); of the rest a field is shown when all nodes agree on
//! it. `# Server`, `# Clients` and `# Cluster` are the proxy's own, but for `blocked_clients`, which is all nodes'.

use std::{borrow::Cow, collections::BTreeMap, time::Instant};

use super::{
    count::{Counted, Databases},
    observe::{Cut, sections},
    routing::{NodeIndex, Routing},
    shared::Shared,
};
use crate::{
    connection::REDIS_VERSION,
    protocol::{Value, info},
    time::Millis,
};

/// Sections the proxy writes itself; the nodes' are left out.
const OWN: [&str; 4] = ["server", "clients", "cluster", "replication"];

/// The text of an `INFO` reply.
pub(super) fn text_of(reply: &[u8]) -> Option<&[u8]> {
    match reply.first()? {
        b'$' => super::merge::elements::string(reply),
        b'=' => {
            let Some(Value::Verbatim(_, text)) = super::merge::elements::value(reply) else { return None };
            let start = memchr::memmem::find(reply, &text)?;
            reply.get(start..start + text.len())
        }
        _ => None,
    }
}

/// The member that `INFO node:ID` is about; `None` for a section, of which none is called so.
pub(super) fn node(word: &[u8]) -> Option<&[u8]> {
    let (before, id) = word.split_at_checked(b"node:".len())?;
    before.eq_ignore_ascii_case(b"node:").then_some(id)
}

/// Whether a section is asked for by these arguments of `INFO`, lowercase.
pub(super) fn wants(sections: &[Vec<u8>], section: &str) -> bool {
    let everything = ["default", "all", "everything"];
    sections.is_empty()
        || sections.iter().any(|asked| {
            asked == section.as_bytes() || everything.iter().any(|word| asked == word.as_bytes())
        })
}

/// The whole text: `parts` are the replies of nodes; `counted` is what those of them have that may hold copies, while slots
/// move.
pub(super) fn merge(
    shared: &Shared,
    routing: &Routing,
    sections: &[Vec<u8>],
    parts: &[(NodeIndex, &[u8])],
    counted: Option<&Counted>,
    now: Millis,
) -> String {
    let wanted = |section: &str| wants(sections, section);
    let mut text = String::new();
    let mut section = |name: &str, fields: &[(&str, String)]| {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        text.push_str(&format!("# {name}\r\n"));
        for (field, value) in fields {
            text.push_str(&format!("{field}:{value}\r\n"));
        }
    };
    let uptime = (now.0 - shared.started.0).max(0) / 1000;
    if wanted("server") {
        section(
            "Server",
            &[
                ("redis_version", REDIS_VERSION.to_owned()),
                ("redis_mode", "standalone".to_owned()),
                ("proxy_version", env!("CARGO_PKG_VERSION").to_owned()),
                ("proxy_id", shared.id.to_string()),
                ("proxy_cluster", shared.cluster.clone()),
                ("run_id", shared.run_id.clone()),
                ("process_id", std::process::id().to_string()),
                ("tcp_port", shared.port.to_string()),
                ("server_time_usec", (now.0 * 1000).to_string()),
                ("uptime_in_seconds", uptime.to_string()),
                ("uptime_in_days", (uptime / 86400).to_string()),
            ],
        );
    }
    if wanted("clients") {
        // Who waits does so at a node, which knows from when on; but for those whose keys are on several.
        let texts = parts.iter().map(|(_, text)| String::from_utf8_lossy(text));
        let blocked: u64 = texts.filter_map(|text| info::number(&text, "blocked_clients")).sum();
        let blocked = blocked + shared.counters().waiting;
        section(
            "Clients",
            &[
                ("connected_clients", shared.connections.connected().to_string()),
                ("maxclients", shared.max_clients.to_string()),
                ("blocked_clients", blocked.to_string()),
                ("tracking_clients", shared.clients.tracking().to_string()),
            ],
        );
    }
    if wanted("replication") {
        let fields = [("role", "master"), ("connected_slaves", "0"), ("master_repl_offset", "0")];
        section("Replication", &fields.map(|(field, value)| (field, value.to_owned())));
    }
    let texts = parts.iter().map(|&(node, text)| match counted.and_then(|counted| counted.node(node)) {
        Some(databases) => Cow::Owned(without_copies(text, databases)),
        None => Cow::Borrowed(text),
    });
    for (name, fields) in add_up(texts) {
        if OWN.contains(&name.to_ascii_lowercase().as_str()) {
            continue;
        }
        let mut fields = fields;
        if name.eq_ignore_ascii_case("stats") {
            fields
                .push(("proxy_total_commands_processed".to_owned(), shared.counters().commands.to_string()));
            fields.extend(Cut::ALL.map(|(cut, reason)| {
                (format!("proxy_clients_cut_{reason}"), shared.were_cut(cut).to_string())
            }));
        }
        let fields: Vec<(&str, String)> =
            fields.iter().map(|(field, value)| (field.as_str(), value.clone())).collect();
        section(&name, &fields);
    }
    for (name, fields) in own_sections(shared, sections) {
        let fields: Vec<(&str, String)> =
            fields.iter().map(|(field, value)| (field.as_str(), value.clone())).collect();
        section(name, &fields);
    }
    if wanted("cluster") {
        let answered = |index| parts.iter().any(|part| part.0 == index);
        let missing: Vec<&str> = routing
            .owning()
            .iter()
            .filter(|&&index| !answered(index))
            .filter_map(|&index| routing.member(index).map(|member| member.id.as_str()))
            .collect();
        section(
            "Cluster",
            &[
                ("cluster_enabled", "0".to_owned()),
                ("proxy_topology_epoch", routing.epoch().to_string()),
                ("proxy_nodes", routing.owning().len().to_string()),
                ("proxy_nodes_not_answering", missing.join(",")),
                ("proxy_slot_moves", routing.topology().moves.len().to_string()),
            ],
        );
    }
    text
}

/// Whether these are only sections that no node is asked for.
pub(super) fn are_own(sections: &[Vec<u8>]) -> bool {
    let is_own = |section: &Vec<u8>| sections::ALL.iter().any(|own| section == own.as_bytes());
    !sections.is_empty() && sections.iter().all(is_own)
}

/// Sections that are shown only by their names.
fn own_sections(shared: &Shared, asked: &[Vec<u8>]) -> Vec<(&'static str, sections::Fields)> {
    let is_asked = |name: &str| asked.iter().any(|section| section == name.as_bytes());
    let mut own = Vec::new();
    if is_asked(sections::SLOW) {
        own.push(("Slowrequests", sections::slow(shared)));
    }
    if is_asked(sections::HOT) {
        own.push(("Hotkeys", sections::hot(shared, Instant::now())));
    }
    if is_asked(sections::SLOTS) {
        own.push(("Hotslots", sections::slots(shared, Instant::now())));
    }
    own
}

type Section = (String, Vec<(String, String)>);

/// Names in their order, and the values of all nodes.
type Fields = (Vec<String>, BTreeMap<String, Vec<String>>);

/// A node's text with the numbers of keys that are its own; without any where they are not known.
fn without_copies(text: &[u8], databases: &Databases) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let mut kept = String::new();
    let mut in_keyspace = false;
    for line in text.lines() {
        in_keyspace = line.strip_prefix("# ").map_or(in_keyspace, |name| name.trim() == "Keyspace");
        let database = line.strip_prefix("db").and_then(|rest| rest.split_once(':'));
        let database = database.and_then(|(number, figures)| Some((number.parse::<u32>().ok()?, figures)));
        let Some((number, figures)) = database.filter(|_| in_keyspace) else {
            kept.push_str(line);
            kept.push_str("\r\n");
            continue;
        };
        let own = databases.iter().flatten().find(|(of, _)| *of == number);
        let Some((_, own)) = own else { continue };
        let figures: Vec<String> = figures
            .split(',')
            .map(|pair| match pair.split_once('=') {
                Some(("keys", _)) => format!("keys={}", own.keys),
                Some(("expires", _)) => format!("expires={}", own.expires),
                _ => pair.to_owned(),
            })
            .collect();
        kept.push_str(&format!("db{number}:{}\r\n", figures.join(",")));
    }
    kept.into_bytes()
}

/// Sections in the order of the first node, their fields added up.
fn add_up<'a>(texts: impl Iterator<Item = Cow<'a, [u8]>>) -> Vec<Section> {
    let mut order: Vec<String> = Vec::new();
    let mut sections: BTreeMap<String, Fields> = BTreeMap::new();
    let mut count = 0;
    for text in texts {
        count += 1;
        let text = String::from_utf8_lossy(&text);
        let mut current = String::new();
        for line in info::lines(&text) {
            match line {
                info::Line::Section(name) => {
                    name.clone_into(&mut current);
                    if !order.contains(&current) {
                        order.push(current.clone());
                    }
                }
                info::Line::Field(field, value) => {
                    let (fields, values) = sections.entry(current.clone()).or_default();
                    if !values.contains_key(field) {
                        fields.push(field.to_owned());
                    }
                    values.entry(field.to_owned()).or_default().push(value.to_owned());
                }
            }
        }
    }
    let merged = |name: &String| {
        let (fields, values) = sections.get(name).cloned().unwrap_or_default();
        let fields = fields
            .into_iter()
            .filter_map(|field| {
                let value = merge_field(&field, values.get(&field)?, count)?;
                Some((field, value))
            })
            .collect();
        (name.clone(), fields)
    };
    order.iter().map(merged).collect()
}

fn merge_field(field: &str, values: &[String], nodes: usize) -> Option<String> {
    let first = values.first()?;
    if field.ends_with("_human") || field.ends_with("_perc") || field.ends_with("_ratio") {
        return None;
    }
    if let Some(numbers) = values.iter().map(|value| value.parse::<i64>().ok()).collect::<Option<Vec<_>>>() {
        let largest = ["max", "peak", "latest", "last", "uptime", "enabled", "loading", "in_progress"];
        let value = if largest.iter().any(|word| field.contains(word)) && field != "maxmemory" {
            numbers.iter().copied().max()?
        } else {
            numbers.iter().sum()
        };
        return Some(value.to_string());
    }
    if let Some(numbers) = values.iter().map(|value| value.parse::<f64>().ok()).collect::<Option<Vec<_>>>() {
        return Some(format!("{:.2}", numbers.iter().sum::<f64>()));
    }
    if first.contains('=') {
        return Some(merge_pairs(values));
    }
    (values.len() == nodes && values.iter().all(|value| value == first)).then(|| first.clone())
}

/// `keys=1,expires=0,avg_ttl=5` of several nodes: counts are added, times are averaged by what they are times of.
fn merge_pairs(values: &[String]) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for value in values {
        let pairs: BTreeMap<&str, f64> = value
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, number)| (name, number.parse().unwrap_or(0.0)))
            .collect();
        for name in value.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for (&name, number) in &pairs {
            let weight = match name {
                "avg_ttl" => pairs.get("expires").copied().unwrap_or(1.0),
                "usec_per_call" => pairs.get("calls").copied().unwrap_or(1.0),
                _ => 1.0,
            };
            *sums.entry(name).or_default() += number * weight;
        }
    }
    let total = |name: &str| sums.get(name).copied().filter(|&sum| sum > 0.0).unwrap_or(1.0);
    let shown: Vec<String> = names
        .iter()
        .map(|&name| {
            let sum = sums.get(name).copied().unwrap_or(0.0);
            match name {
                "avg_ttl" => format!("{name}={:.0}", sum / total("expires")),
                "usec_per_call" => format!("{name}={:.2}", sum / total("calls")),
                _ => format!("{name}={sum:.0}"),
            }
        })
        .collect();
    shown.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::peer::keys::Tally;

    #[test]
    fn what_can_be_added_is_added() {
        let one = b"# Stats\r\ntotal_commands_processed:10\r\nused_memory_human:1K\r\nx:a\r\n\r\n# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=100\r\n";
        let two = b"# Stats\r\ntotal_commands_processed:5\r\nused_memory_human:2K\r\nx:b\r\n\r\n# Keyspace\r\ndb0:keys=3,expires=3,avg_ttl=300\r\ndb7:keys=1,expires=0,avg_ttl=0\r\n";
        let sections = add_up([&one[..], two].into_iter().map(Cow::Borrowed));
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            sections,
            [
                ("Stats".to_owned(), vec![field("total_commands_processed", "15")]),
                (
                    "Keyspace".to_owned(),
                    vec![
                        field("db0", "keys=5,expires=4,avg_ttl=250"),
                        field("db7", "keys=1,expires=0,avg_ttl=0")
                    ]
                ),
            ]
        );
    }

    #[test]
    fn copies_are_left_out_of_the_keyspace() {
        let text = b"# Stats\r\ndb0:x\r\n\r\n# Keyspace\r\ndb0:keys=9,expires=5,avg_ttl=7\r\ndb3:keys=2,expires=0,avg_ttl=0\r\n";
        let own = Ok(vec![(0, Tally { keys: 4, expires: 1 })]);
        let expected = "# Stats\r\ndb0:x\r\n\r\n# Keyspace\r\ndb0:keys=4,expires=1,avg_ttl=7\r\n";
        assert_eq!(String::from_utf8(without_copies(text, &own)).unwrap(), expected);
        let unknown = without_copies(text, &Err("dead".to_owned()));
        assert_eq!(String::from_utf8(unknown).unwrap(), "# Stats\r\ndb0:x\r\n\r\n# Keyspace\r\n");
    }

    #[test]
    fn one_node_is_named_where_a_section_would_stand() {
        assert_eq!(node(b"Node:a"), Some(&b"a"[..]));
        assert_eq!(node(b"node:"), Some(&b""[..]));
        assert_eq!((node(b"node"), node(b"memory"), node(b"")), (None, None, None));
    }

    #[test]
    fn the_text_of_both_reply_forms() {
        assert_eq!(text_of(b"$3\r\nabc\r\n"), Some(&b"abc"[..]));
        assert_eq!(text_of(b"=7\r\ntxt:abc\r\n"), Some(&b"abc"[..]));
        assert_eq!(text_of(b":1\r\n"), None);
    }
}
