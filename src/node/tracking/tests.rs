use super::*;
use crate::{
    acl::Acl,
    node::clients::Clients,
    protocol::{Encoder, Version},
    server::Addresses,
};

struct World {
    clients: Clients,
    tracking: Tracking,
    limits: Limits,
}

impl World {
    fn new() -> Self {
        Self { clients: Clients::default(), tracking: Tracking::default(), limits: Limits::default() }
    }

    fn client(&self, version: Version) -> Arc<Client> {
        let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let addresses = Addresses { remote: nowhere, local: nowhere };
        let client = self.clients.add(addresses, Acl::default().default_user().clone(), Millis(0));
        client.set_version(version);
        client
    }

    fn tracked(&mut self, options: Options) -> Arc<Client> {
        let client = self.client(Version::Resp3);
        self.tracking.enable(&client, options);
        client
    }

    fn act(&mut self, act: impl FnOnce(&mut Tracking, Sending<'_>)) {
        let sending = Sending { limits: &self.limits, now: Millis(0), others: &self.clients };
        act(&mut self.tracking, sending);
    }

    fn read(&mut self, client: &Client, key: &str) {
        if self.tracking.remembers(client.id) {
            self.act(|tracking, sending| tracking.remember(client.id, key.as_bytes(), 3, sending));
        }
    }

    fn change(&mut self, key: &str, by: Option<&Client>) {
        self.act(|tracking, sending| {
            tracking.changed(key.as_bytes(), by.map(|by| by.id), by.map(|by| by.id), sending);
        });
    }
}

fn told(client: &Client) -> String {
    let mut bytes = Vec::new();
    client.take_messages(&mut Encoder::new(&mut bytes, client.version()));
    bytes.escape_ascii().to_string().replace("\\r\\n", " ")
}

const A: &str = ">2 $10 invalidate *1 $1 a ";

#[test]
fn a_reader_is_told_once_of_each_change() {
    let mut world = World::new();
    let [reader, writer] = [(); 2].map(|()| world.tracked(Options::default()));
    world.read(&reader, "a");
    world.change("b", Some(&writer));
    assert_eq!(told(&reader), "");
    world.change("a", Some(&writer));
    world.change("a", Some(&writer));
    assert_eq!((told(&reader), told(&writer)), (A.into(), String::new()));
    // Its own change is told behind its reply.
    world.read(&reader, "a");
    world.change("a", Some(&reader));
    assert_eq!(told(&reader), "");
    assert!(world.tracking.has_own());
    world.act(|tracking, sending| tracking.send_own(reader.id, sending));
    assert_eq!(told(&reader), A);
    world.tracking.disable(reader.id);
    world.tracking.disable(writer.id);
    assert!(world.tracking.is_empty() && world.tracking.totals() == [0; 3]);
}

#[test]
fn options_decide_what_is_told() {
    let mut world = World::new();
    let quiet = world.tracked(Options { no_loop: true, ..Options::default() });
    world.read(&quiet, "a");
    world.change("a", Some(&quiet));
    assert!(!world.tracking.has_own());
    let inside = world.tracked(Options { opt_in: true, ..Options::default() });
    let outside = world.tracked(Options { opt_out: true, ..Options::default() });
    for client in [&inside, &outside] {
        world.read(client, "a");
        world.tracking.set_caching(client.id, true);
        world.read(client, "b");
    }
    world.change("a", None);
    world.change("b", None);
    assert_eq!(told(&inside), A.replace(" a ", " b "));
    assert_eq!(told(&outside), A);
    assert!(world.tracking.state(inside.id).is_some_and(|state| state.caching));
}

#[test]
fn broadcasting_gathers_what_changed_by_prefix() {
    let mut world = World::new();
    let prefixes = ["a", "b"].map(|prefix| Box::from(prefix.as_bytes())).to_vec();
    let some = world.tracked(Options { broadcast: true, prefixes, ..Options::default() });
    let all = world.tracked(Options { broadcast: true, no_loop: true, ..Options::default() });
    for (key, by) in [("b1", None), ("a2", None), ("a1", Some(&all)), ("c", None)] {
        world.change(key, by.map(AsRef::as_ref));
    }
    assert!(world.tracking.has_broadcast());
    world.act(Tracking::broadcast);
    assert!(!world.tracking.has_broadcast());
    assert_eq!(told(&some), ">2 $10 invalidate *2 $2 a1 $2 a2 >2 $10 invalidate *1 $2 b1 ");
    assert_eq!(told(&all), ">2 $10 invalidate *3 $2 a2 $2 b1 $1 c ");
}

#[test]
fn redirection_and_its_end() {
    let mut world = World::new();
    let target = world.client(Version::Resp2);
    let reader = world.tracked(Options { redirect: Some(target.id), ..Options::default() });
    world.read(&reader, "a");
    world.change("a", None);
    assert_eq!(told(&target), "", "it is not subscribed");
    target.set_subscriptions([1, 0, 0]);
    world.read(&reader, "a");
    world.change("a", None);
    assert_eq!(told(&target), "*3 $7 message $20 __redis__:invalidate *1 $1 a ");
    world.act(|tracking, sending| tracking.flushed(None, sending));
    assert_eq!(told(&target), "*3 $7 message $20 __redis__:invalidate $-1 ");
    world.clients.remove(&target);
    world.read(&reader, "a");
    world.change("a", None);
    assert_eq!(told(&reader), format!(">2 $21 tracking-redir-broken :{} ", target.id));
    assert!(world.tracking.state(reader.id).is_some_and(|state| state.broken_redirect));
}

#[test]
fn a_full_table_forgets_and_says_so() {
    let mut world = World::new();
    let reader = world.tracked(Options::default());
    for key in ["a", "b", "c", "d", "e"] {
        world.read(&reader, key);
    }
    assert_eq!(world.tracking.totals(), [3, 3, 0]);
    assert_eq!(told(&reader).matches("invalidate").count(), 2);
}
