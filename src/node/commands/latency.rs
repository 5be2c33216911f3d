//! `LATENCY`.

use std::fmt::Write as _;

use super::{
    help::help as help_lines,
    support::{Outcome, as_c_string},
};
use crate::{
    command::{Spec, TABLE, lookup},
    node::{
        context::{CommandError, Context, Handler},
        latency::Spike,
    },
    protocol::Request,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("latency|doctor", doctor),
    ("latency|graph", graph),
    ("latency|help", help),
    ("latency|histogram", histogram),
    ("latency|history", history),
    ("latency|latest", latest),
    ("latency|reset", reset),
];

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn latest(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let events: Vec<_> = ctx.node.monitor().latest().collect();
    ctx.reply.array(events.len());
    for (name, last, worst) in events {
        ctx.reply.array(4);
        ctx.reply.bulk(name);
        ctx.reply.integer(last.at);
        ctx.reply.integer(integer(last.took));
        ctx.reply.integer(integer(worst));
    }
    Ok(())
}

fn history(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let spikes = ctx.node.monitor().history(request.arg(2)).map_or(Vec::new(), |(spikes, _)| spikes);
    ctx.reply.array(spikes.len());
    for spike in spikes {
        ctx.reply.array(2);
        ctx.reply.integer(spike.at);
        ctx.reply.integer(integer(spike.took));
    }
    Ok(())
}

fn reset(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let events: Vec<&[u8]> = request.args_from(2).collect();
    let count = ctx.node.monitor().reset(events.into_iter());
    ctx.reply.integer(integer(count as u64));
    Ok(())
}

fn histogram(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let asked: Vec<&'static Spec> = match request.len() {
        2 => TABLE.iter().collect(),
        _ => request.args_from(2).flat_map(named).collect(),
    };
    let times: Vec<_> = asked
        .into_iter()
        .filter_map(|spec| Some((spec, ctx.node.stats.command(spec).times.steps()?)))
        .collect();
    let reply = &mut ctx.reply;
    reply.map(times.len());
    for (spec, (calls, steps)) in times {
        reply.bulk(spec.name);
        reply.map(2);
        reply.bulk("calls");
        reply.integer(integer(calls));
        reply.bulk("histogram_usec");
        reply.map(steps.len());
        for (upto, calls) in steps {
            reply.integer(integer(upto));
            reply.integer(integer(calls));
        }
    }
    Ok(())
}

/// A command, or a container and its subcommands; `container|sub` for one of those.
fn named(name: &[u8]) -> Vec<&'static Spec> {
    let name = name.to_ascii_lowercase();
    let begins = [&name[..], b"|"].concat();
    let fits = |spec: &&Spec| spec.name.as_bytes() == name || spec.name.as_bytes().starts_with(&begins);
    if lookup(&name).is_none() && !name.contains(&b'|') {
        return Vec::new();
    }
    TABLE.iter().filter(fits).collect()
}

fn graph(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let found = ctx.node.monitor().history(request.arg(2));
    let Some((spikes, worst)) = found else {
        let text = [b"ERR No samples available for event '", as_c_string(request.arg(2)), b"'"].concat();
        return Err(CommandError::Bytes(text));
    };
    let event = String::from_utf8_lossy(request.arg(2));
    let text = drawing(&event, &spikes, worst, ctx.now.seconds());
    ctx.reply.verbatim("txt", text);
    Ok(())
}

/// Bars from left to right, old to new, and below each how long ago it was.
fn drawing(event: &str, spikes: &[Spike], worst: u64, now: i64) -> String {
    const ROWS: u64 = 4;
    let (low, high) =
        spikes.iter().fold((u64::MAX, 0), |(low, high), spike| (low.min(spike.took), high.max(spike.took)));
    let mut text =
        format!("{event} - high {high} ms, low {low} ms (all time high {worst} ms)\n{}\n", "-".repeat(80));
    let height = |spike: &Spike| match high - low {
        0 => 1,
        range => (spike.took - low) * ROWS / range,
    };
    let mut line = |marks: &mut dyn Iterator<Item = char>| {
        let marks: String = marks.collect();
        let _ = writeln!(text, "{}", marks.trim_end());
    };
    for row in (0..ROWS).rev() {
        line(&mut spikes.iter().map(|spike| match height(spike) {
            tall if tall > row => '#',
            0 if row == 0 => '_',
            _ => ' ',
        }));
    }
    line(&mut std::iter::empty());
    let ages: Vec<Vec<char>> = spikes.iter().map(|spike| age(now - spike.at).chars().collect()).collect();
    for row in 0..ages.iter().map(Vec::len).max().unwrap_or(0) {
        line(&mut ages.iter().map(|age| age.get(row).copied().unwrap_or(' ')));
    }
    text
}

fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn doctor(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let threshold = ctx.node.config.latency_threshold();
    let events: Vec<_> = ctx.node.monitor().latest().collect();
    let mut text = String::new();
    match threshold {
        None => text.push_str(
            "Nothing is watched: set CONFIG SET latency-monitor-threshold MILLISECONDS to the longest time that is fine.\n",
        ),
        Some(threshold) if events.is_empty() => {
            let _ = writeln!(text, "Nothing has taken {} ms or longer.", threshold.as_millis());
        }
        Some(_) => {}
    }
    for (name, last, worst) in &events {
        let ago = age(ctx.now.seconds() - last.at);
        let _ = writeln!(text, "{name}: {} ms, {ago} ago; the worst was {worst} ms.", last.took);
    }
    if events.iter().any(|(name, ..)| name.ends_with("command")) {
        text.push_str("SLOWLOG GET shows which commands were slow; MONITOR and INFO commandstats show who asks for them.\n");
    }
    if events.iter().any(|(name, ..)| *name == "expire-cycle") {
        text.push_str("Many keys expire together: spread their times, or lower active-expire-effort.\n");
    }
    ctx.reply.verbatim("txt", text);
    Ok(())
}

fn help(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    help_lines(
        ctx,
        "LATENCY",
        &[
            ("DOCTOR", "What was slow, and what to do about it."),
            ("GRAPH <event>", "Draws the spikes of an event."),
            ("HISTORY <event>", "The spikes of an event: when, and how many milliseconds."),
            ("HISTOGRAM [<command> ...]", "How the times of commands are spread."),
            ("LATEST", "The last spike of each event, and the worst."),
            ("RESET [<event> ...]", "Forgets the spikes of some events, or of all."),
        ],
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_are_drawn_old_to_new() {
        let spikes = [(100, 10), (170, 50), (178, 30)].map(|(at, took)| Spike { at, took });
        let drawn = drawing("command", &spikes, 70, 180);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines[0], "command - high 50 ms, low 10 ms (all time high 70 ms)");
        assert_eq!(lines[2..7], [" #", " #", " ##", "_##", ""]);
        assert_eq!(lines[7..], ["112", "m0s", " s"]);
    }

    #[test]
    fn a_container_stands_for_its_subcommands() {
        let names = |name: &[u8]| named(name).iter().map(|spec| spec.name).collect::<Vec<_>>();
        assert_eq!(names(b"GET"), ["get"]);
        assert_eq!(names(b"slowlog|LEN"), ["slowlog|len"]);
        assert!(names(b"slowlog").contains(&"slowlog|get"));
        assert_eq!(names(b"nothing"), [""; 0]);
    }
}
