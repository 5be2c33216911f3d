//! Nodes and proxies: who is a member, what each said last, and who went.

use redis_cluster::{
    cluster::{
        loss::LossRecord,
        member::{NodeRecord, ProxyRecord},
    },
    id::{NodeId, ProxyId},
    time::Millis,
};

use crate::session::view::{ClusterView, EventKind, GoneProxy, NodeView, ProxyFigures, ProxyView, Reading};

/// While a node's figures are younger than this somebody hears of it, so it is not down, whatever one source says.
const SILENT_AFTER_MS: i64 = 1_500;
/// Readings closer together than this are the same one, told twice.
const SAME_READING_MS: i64 = 100;
/// A proxy that registers anew gives its old registration up first.
const BACK_WITHIN_MS: i64 = 3_000;

impl ClusterView {
    pub(super) fn put_node(&mut self, record: NodeRecord, revision: u64, now: Millis) {
        let id = record.id.clone();
        if let Some(node) = self.nodes.get_mut(&id) {
            if node.record.address != record.address {
                // Figures of another server say nothing about this one.
                (node.figures, node.latency) = (None, None);
                node.read_at = Millis(0);
                node.error = None;
            }
            node.record = record;
            return;
        }
        let text = format!("node {id} added  {}  by {}", record.address, record.added_by);
        self.event(now, Some(revision), EventKind::Member, text);
        self.nodes
            .insert(id, NodeView { record, figures: None, read_at: Millis(0), latency: None, error: None });
    }

    pub(super) fn put_loss(&mut self, loss: LossRecord, revision: u64) {
        self.tell_loss(&loss, revision);
        self.losses.insert(loss.node.clone(), loss);
    }

    /// Dated as it was noticed, which may be long ago.
    pub(super) fn tell_loss(&mut self, loss: &LossRecord, revision: u64) {
        let text = format!("{}; {}", loss.describe(), loss.remedy());
        self.event(Millis(loss.at_ms), Some(revision), EventKind::Loss, text);
    }

    /// One that is registered, by now, under another instance is not gone.
    pub(super) fn put_gone(&mut self, record: ProxyRecord, shut_out: bool, now: Millis) {
        if self.proxies.get(&record.id).is_none_or(|proxy| proxy.record.instance == record.instance) {
            self.gone.insert(record.id.clone(), GoneProxy { record, at: now, shut_out });
        }
    }

    pub(super) fn put_proxy(&mut self, record: ProxyRecord, revision: u64, now: Millis) {
        let id = record.id.clone();
        if self.gone.get(&id).is_some_and(|gone| gone.record.instance != record.instance) {
            self.gone.remove(&id);
        }
        match self.proxies.get_mut(&id) {
            Some(proxy) if proxy.record.instance == record.instance => {
                let begins = record.draining && !proxy.record.draining;
                proxy.record = record;
                if begins {
                    self.event(now, Some(revision), EventKind::Proxy, format!("proxy {id} drains"));
                }
            }
            known => {
                let verb = if known.is_some() { "registered anew" } else { "registered" };
                let text = format!("proxy {id} {verb} at {}", record.address);
                self.event(now, Some(revision), EventKind::Proxy, text);
                // One that lost its lease and is back at its place was heard of a moment ago; it is no stranger.
                self.left.retain(|_, (_, at)| now.0 - at.0 < BACK_WITHIN_MS);
                let left = self.left.remove(&id);
                let before = self.proxies.remove(&id).or(left.map(|(proxy, _)| proxy));
                let before = before.filter(|known| known.record.address == record.address);
                let proxy = match before {
                    Some(known) => ProxyView { record, ..known },
                    None => ProxyView { record, figures: None, read_at: Millis(0), error: None },
                };
                self.proxies.insert(id, proxy);
            }
        }
    }

    pub(super) fn put_leader(&mut self, leader: Option<ProxyId>, revision: u64, now: Millis) {
        if self.leader == leader {
            return;
        }
        let text = match &leader {
            Some(id) => format!("proxy {id} drives moves"),
            None => "no proxy drives moves".to_owned(),
        };
        self.leader = leader;
        self.event(now, Some(revision), EventKind::Proxy, text);
    }

    pub(super) fn node_reading(&mut self, id: &NodeId, reading: Reading, now: Millis) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        let mut is_newer = false;
        if let Some((figures, age_ms)) = reading.figures {
            let read_at = Millis(now.0 - age_ms.max(0));
            // The same figures told twice do not become younger, nor those of a source that lags behind another.
            if let Some(latency) = figures.latency {
                node.latency = Some((latency, read_at));
            }
            is_newer = node.figures.is_none() || read_at.0 > node.read_at.0 + SAME_READING_MS;
            if is_newer {
                (node.figures, node.read_at) = (Some(figures), read_at);
            }
        }
        let silent_ms = now.0 - node.read_at.0;
        let text = match reading.error {
            None if is_newer && silent_ms < SILENT_AFTER_MS => {
                node.error.take().map(|_| format!("node {id} answers again"))
            }
            // Another source may still hear of it: one that cannot is no outage of the node.
            Some(error) if node.figures.is_none() || silent_ms >= SILENT_AFTER_MS => {
                let text = node.error.is_none().then(|| format!("node {id} does not answer: {error}"));
                node.error = Some(error);
                text
            }
            _ => None,
        };
        if let Some(text) = text {
            self.event(now, None, EventKind::Health, text);
        }
    }

    pub(super) fn proxy_figures(&mut self, id: &ProxyId, figures: Result<ProxyFigures, String>, now: Millis) {
        let Some(proxy) = self.proxies.get_mut(id) else { return };
        let text = match figures {
            Ok(figures) => {
                proxy.figures = Some(figures);
                proxy.read_at = now;
                proxy.error.take().map(|_| format!("proxy {id} answers again"))
            }
            Err(error) => {
                // One that drains has said that it will not; its row shows the error all the same.
                let is_news = proxy.error.is_none() && !proxy.record.draining;
                let text = is_news.then(|| format!("proxy {id} does not answer: {error}"));
                proxy.error = Some(error);
                text
            }
        };
        if let Some(text) = text {
            self.event(now, None, EventKind::Health, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Change,
            tests::{node, texts},
        },
        *,
    };
    use crate::session::view::{Latency, NodeFigures, NodeState};

    #[test]
    fn figures_are_kept_with_their_age_when_a_node_goes_away() {
        let mut view = ClusterView::new("default", &[], 10);
        view.apply(Change::Reset { revision: 1, entries: vec![node("1", 8001)] }, Millis(1));
        let id: NodeId = "1".parse().unwrap();
        let figures = NodeFigures { keys: 7, ..NodeFigures::default() };
        view.apply(Change::Nodes(vec![(id.clone(), Reading::fresh(figures))]), Millis(1000));
        for at in [2000, 3000] {
            view.apply(Change::Nodes(vec![(id.clone(), Reading::failed("refused".to_owned()))]), Millis(at));
        }
        let node = &view.nodes[&id];
        assert_eq!((node.figures.as_ref().unwrap().keys, node.read_at), (7, Millis(1000)));
        assert_eq!(texts(&view), ["node 1 does not answer: refused"], "told once");
        assert_eq!(view.state_of(&id), NodeState::Down);
    }

    #[test]
    fn figures_are_as_old_as_their_source_says_and_one_blind_source_is_no_outage() {
        let mut view = ClusterView::new("default", &[], 10);
        view.apply(Change::Reset { revision: 1, entries: vec![node("1", 8001)] }, Millis(1));
        let id: NodeId = "1".parse().unwrap();
        let told = |keys, age_ms, error: Option<&str>| {
            let figures = NodeFigures { keys, ..NodeFigures::default() };
            let reading = Reading { figures: Some((figures, age_ms)), error: error.map(str::to_owned) };
            Change::Nodes(vec![(id.clone(), reading)])
        };
        let seen = |view: &ClusterView| {
            let node = &view.nodes[&id];
            (node.figures.as_ref().unwrap().keys, node.read_at.0, node.error.clone())
        };
        view.apply(told(1, 400, None), Millis(10_000));
        assert_eq!(seen(&view), (1, 9_600, None));
        // The same again, a moment later; then another source whose figures are older, and which cannot reach the node.
        view.apply(told(1, 900, None), Millis(10_500));
        view.apply(told(0, 5_000, Some("timed out")), Millis(10_600));
        assert_eq!(seen(&view), (1, 9_600, None));
        assert!(view.events.is_empty());
        // Nobody hears of it any more.
        view.apply(told(1, 1_600, Some("timed out")), Millis(11_200));
        assert_eq!(seen(&view), (1, 9_600, Some("timed out".to_owned())));
        // A source that lags says it was fine.
        view.apply(told(1, 1_700, None), Millis(11_300));
        assert_eq!(seen(&view).2.as_deref(), Some("timed out"));
        view.apply(told(2, 100, None), Millis(12_000));
        assert_eq!(seen(&view), (2, 11_900, None));
        assert_eq!(texts(&view), ["node 1 does not answer: timed out", "node 1 answers again"]);
    }

    #[test]
    fn of_two_proxies_the_one_that_asked_the_node_says_how_long_it_takes() {
        let mut view = ClusterView::new("default", &[], 10);
        view.apply(Change::Reset { revision: 1, entries: vec![node("1", 8001)] }, Millis(1));
        let id: NodeId = "1".parse().unwrap();
        let told = |latency| {
            let figures = NodeFigures { latency, ..NodeFigures::default() };
            Change::Nodes(vec![(id.clone(), Reading::fresh(figures))])
        };
        let seen = Some(Latency { p50_us: 80, p99_us: 900 });
        view.apply(told(seen), Millis(10_000));
        view.apply(told(None), Millis(10_500));
        assert_eq!(view.nodes[&id].latency(), seen);
        view.apply(told(None), Millis(13_000));
        assert_eq!(view.nodes[&id].latency(), None, "nobody asks it anything any more");
    }

    #[test]
    fn one_that_drains_is_no_news_when_it_goes() {
        let mut view = ClusterView::new("default", &[], 10);
        let mut revision = 0;
        let mut put = |view: &mut ClusterView, value: Option<&str>| {
            revision += 1;
            let changes = vec![("proxies/1".to_owned(), value.map(|json| json.as_bytes().to_vec()))];
            view.apply(Change::Keys { revision, changes }, Millis(10));
        };
        let record = r#"{"id":"1","instance":"a","address":"h:1","host":"h","version":"1","epoch":1}"#;
        put(&mut view, Some(record));
        put(&mut view, Some(&record.replace('}', r#","draining":true}"#)));
        let silent = Err("refused".to_owned());
        view.apply(Change::Proxy("1".parse().unwrap(), silent), Millis(11));
        assert_eq!(view.proxies[&"1".parse().unwrap()].error.as_deref(), Some("refused"));
        put(&mut view, None);
        assert_eq!(
            texts(&view),
            ["proxy 1 registered at h:1", "proxy 1 drains", "proxy 1 gone: it has drained"]
        );
        assert!(view.gone.is_empty());
    }

    #[test]
    fn a_proxy_that_registers_anew_at_its_place_keeps_what_was_heard_of_it() {
        let mut view = ClusterView::new("default", &[], 10);
        let register = |view: &mut ClusterView, instance: &str, port: u16| {
            let json = format!(
                r#"{{"id":"1","instance":"{instance}","address":"h:{port}","version":"1","epoch":1}}"#
            );
            let changes = vec![("proxies/1".to_owned(), Some(json.into_bytes()))];
            view.apply(Change::Keys { revision: 1, changes }, Millis(50));
        };
        let id: ProxyId = "1".parse().unwrap();
        register(&mut view, "a", 1);
        view.apply(Change::Proxy(id.clone(), Ok(ProxyFigures::default())), Millis(100));
        register(&mut view, "b", 1);
        assert_eq!((view.proxies[&id].read_at, view.proxies[&id].figures.is_some()), (Millis(100), true));
        // It gave its registration up for a moment; later it is one of which nothing is known.
        let leave = |view: &mut ClusterView, at| {
            let changes = vec![("proxies/1".to_owned(), None)];
            view.apply(Change::Keys { revision: 1, changes }, Millis(at));
        };
        leave(&mut view, 40);
        register(&mut view, "c", 1);
        assert_eq!((view.proxies[&id].read_at, view.proxies[&id].figures.is_some()), (Millis(100), true));
        leave(&mut view, 50 - BACK_WITHIN_MS);
        register(&mut view, "d", 1);
        assert_eq!((view.proxies[&id].read_at, view.proxies[&id].figures.is_some()), (Millis(0), false));
        view.apply(Change::Proxy(id.clone(), Ok(ProxyFigures::default())), Millis(100));
        register(&mut view, "c", 2);
        assert_eq!((view.proxies[&id].read_at, view.proxies[&id].figures.is_some()), (Millis(0), false));
        let told = texts(&view);
        assert_eq!(
            (told[1], told.last()),
            ("proxy 1 registered anew at h:1", Some(&"proxy 1 registered anew at h:2"))
        );
    }

    #[test]
    fn a_proxy_that_went_without_a_word_is_gone_until_it_is_back() {
        let mut view = ClusterView::new("default", &[], 10);
        let record = |instance: &str| {
            let json =
                format!(r#"{{"id":"1","instance":"{instance}","address":"h:1","version":"1","epoch":1}}"#);
            Some(json.into_bytes())
        };
        let keys = |view: &mut ClusterView, changes: &[(&str, Option<Vec<u8>>)], at| {
            let changes = changes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            view.apply(Change::Keys { revision: 1, changes }, Millis(at));
        };
        let id: ProxyId = "1".parse().unwrap();
        keys(&mut view, &[("proxies/1", record("a"))], 10);
        // Of its own accord.
        keys(&mut view, &[("proxies/1", None)], 20);
        assert!(view.gone.is_empty());
        // Shut out, in either order of the transaction.
        for changes in [
            [("proxies/1", None), ("retired/1-a", record("a"))],
            [("retired/1-a", record("a")), ("proxies/1", None)],
        ] {
            keys(&mut view, &[("proxies/1", record("a"))], 30);
            keys(&mut view, &changes, 40);
            assert_eq!(view.gone.get(&id).map(|gone| (gone.at, gone.shut_out)), Some((Millis(40), true)));
            // Back under another instance, whose old one is retired in the same transaction.
            keys(&mut view, &[("retired/1-a", record("a")), ("proxies/1", record("b"))], 50);
            assert!(view.gone.is_empty());
            keys(&mut view, &[("proxies/1", None)], 60);
            assert!(view.gone.is_empty());
        }
        // Its lease ended while it did not answer.
        keys(&mut view, &[("proxies/1", record("c"))], 70);
        view.apply(Change::Proxy(id.clone(), Err("no answer".to_owned())), Millis(80));
        keys(&mut view, &[("proxies/1", None)], 90);
        assert_eq!(view.gone.get(&id).map(|gone| (gone.at, gone.shut_out)), Some((Millis(90), false)));
    }

    #[test]
    fn a_loss_is_told_however_late_the_console_starts_until_it_is_noted() {
        let mut view = ClusterView::new("default", &[], 10);
        let loss = br#"{"node":"1","held":500,"now":0,"run_id_before":"a","run_id_after":"b","at_ms":70,
            "seen_by":"proxy 1","times":1}"#;
        let entries = vec![("losses/1".to_owned(), loss.to_vec()), node("1", 8001)];
        view.apply(Change::Reset { revision: 5, entries }, Millis(100));
        let told =
            "node 1 held 500 keys and came back empty: clients are told nil for the rest; `ack 1` takes note";
        assert_eq!(texts(&view), [told]);
        assert_eq!((view.events.iter().next().unwrap().at, view.losses.len()), (70, 1));
        view.apply(Change::Keys { revision: 6, changes: vec![("losses/1".to_owned(), None)] }, Millis(200));
        assert_eq!(texts(&view)[1], "node 1: an operator took note of 500 lost keys");
        assert!(view.losses.is_empty());
    }
}
