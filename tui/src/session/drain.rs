//! `drain proxy ID`: asking a proxy to end in order, and waiting until it has.

use redis_cluster::{
    cluster::{drain, member::ProxyRecord},
    id::ProxyId,
    protocol::Value,
};

use super::{
    ClusterView, Session,
    operations::{operator, refused},
    outcome::{Body, Outcome, Status},
};
use crate::language::ChangeOptions;

pub(super) async fn proxy(session: &Session, id: ProxyId, options: ChangeOptions) -> Outcome {
    let words = format!("drain proxy {id}{}", if options.force { " --force" } else { "" });
    let record = match drain::ask(&session.inner.registry, &id, options.force, &operator(), &words).await {
        Ok(record) => record,
        Err(refusal) => return refused(&refusal),
    };
    let ok = Outcome::done(Body::Reply(Value::Simple("OK".into())));
    if options.no_wait {
        return ok.with_note(format!("proxy {id} is asked to drain; `show proxies` follows it"));
    }
    let mut view = session.view();
    if view.wait_for(|view| !is_there(view, &record)).await.is_err() {
        return Outcome::failure(Status::ErrorReply, "the session has ended");
    }
    ok.with_note(format!("proxy {id} at {} has drained and ended", record.address))
}

fn is_there(view: &ClusterView, record: &ProxyRecord) -> bool {
    view.proxies.get(&record.id).is_some_and(|proxy| proxy.record.instance == record.instance)
}
