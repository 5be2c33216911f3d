//! Connections to the endpoints, and the retry loop around each call.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use etcd_client::{Client, ConnectOptions};
use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    runtime::{Handle, Id},
    time::{Instant, sleep, timeout, timeout_at},
};
use tonic::Code;

use super::{
    CALL_DEADLINE, RegistryError, access::Credentials, endpoint::Endpoint, fault::Fault, random::backoff,
};

/// One endpoint gets this long before the next one is asked.
pub(super) const ATTEMPT: Duration = Duration::from_millis(1500);

/// How long to go on when every endpoint refuses the connection: enough for a restart, short for a console.
const REFUSED_GRACE: Duration = Duration::from_secs(2);

/// More than etcd's own limit of a request; a page of a listing holds several values.
pub(super) const MAX_MESSAGE: usize = 256 << 20;

/// One client per endpoint and runtime: a client's connection task ends with the runtime that made it.
pub(super) struct Pool {
    endpoints: Vec<Endpoint>,
    credentials: Credentials,
    /// Of the keys, for advice.
    prefix: String,
    /// The one that answered last.
    preferred: AtomicUsize,
    clients: Mutex<HashMap<(Id, usize), Client>>,
}

/// Of a call at all endpoints.
pub(super) struct Failure {
    pub(super) fault: Fault,
    /// The endpoint of `fault`.
    pub(super) endpoint: String,
    /// An attempt before the last may have run.
    pub(super) uncertain: bool,
    /// For the operator: each endpoint and what it said last.
    pub(super) detail: String,
}

impl Failure {
    /// For calls that may be repeated at will.
    pub(super) fn into_error(self) -> RegistryError {
        match self.fault {
            Fault::Refused(_, reason) | Fault::Untrusted(reason) => {
                RegistryError::Refused { endpoint: self.endpoint, reason }
            }
            Fault::Absent(_) | Fault::NotRun(_) | Fault::Uncertain(_) => {
                RegistryError::Unavailable { detail: self.detail }
            }
        }
    }
}

/// What came of a call that was answered.
pub(super) struct Answer<T> {
    pub(super) value: T,
    /// An earlier attempt may have run as well.
    pub(super) uncertain: bool,
}

impl Pool {
    pub(super) fn new(endpoints: Vec<Endpoint>, credentials: Credentials, prefix: String) -> Self {
        Self { endpoints, credentials, prefix, preferred: AtomicUsize::new(0), clients: Mutex::default() }
    }

    pub(super) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The endpoint to try first.
    pub(super) fn preferred(&self) -> usize {
        self.preferred.load(Ordering::Relaxed)
    }

    /// Steers later calls away from an endpoint, if they went there first.
    pub(super) fn demote(&self, index: usize) {
        let next = (index + 1) % self.endpoints.len();
        // Another task may have moved on already: then there is nothing to do.
        let _ = self.preferred.compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A client of the current runtime. With a login it has logged in, and does so again when its token has run out;
    /// without one it connects when it is used.
    pub(super) async fn client(&self, index: usize) -> Result<Client, Fault> {
        let slot = (Handle::current().id(), index);
        if let Some(client) = self.clients().get(&slot) {
            return Ok(client.clone());
        }
        // On the heap: a login with TLS is a large future and a rare one, and every call of the registry would hold room for it.
        let client = Box::pin(self.connect(index)).await.map_err(|fault| match fault {
            // Of the login: what was asked for was not sent.
            Fault::Uncertain(reason) => Fault::NotRun(reason),
            Fault::Refused(code, reason) => Fault::Refused(code, self.with_advice(reason)),
            other => other,
        })?;
        self.clients().insert(slot, client.clone());
        Ok(client)
    }

    async fn connect(&self, index: usize) -> Result<Client, Fault> {
        let endpoint = &self.endpoints[index];
        let unreadable = |reason| Fault::Refused(Code::Unauthenticated, reason);
        let mut options = ConnectOptions::new()
            .with_connect_timeout(ATTEMPT)
            .with_require_leader(true)
            // etcd cuts off who pings more often than every 5 s.
            .with_keep_alive(Duration::from_secs(6), Duration::from_secs(3))
            .with_keep_alive_while_idle(false);
        if endpoint.is_tls() {
            options = options.with_tls(self.credentials.tls().map_err(unreadable)?);
        }
        let Some((user, password)) = self.credentials.login().map_err(unreadable)? else {
            return Client::connect([endpoint.url()], Some(options)).await.map_err(Fault::from);
        };
        let known = options.clone().with_user(user, password).with_auto_token_refresh(true);
        match within(ATTEMPT, Client::connect([endpoint.url()], Some(known))).await {
            Err(fault) if fault.is_without_users() => {
                Client::connect([endpoint.url()], Some(options)).await.map_err(Fault::from)
            }
            connected => connected,
        }
    }

    fn with_advice(&self, reason: String) -> String {
        match self.credentials.advice(&reason, &self.prefix) {
            Some(advice) if !reason.contains(&advice) => format!("{reason}; {advice}"),
            _ => reason,
        }
    }

    /// Forgets a connection that does not answer; the next call makes a new one.
    pub(super) fn discard(&self, index: usize) {
        self.clients().remove(&(Handle::current().id(), index));
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, HashMap<(Id, usize), Client>> {
        // A panic while holding it leaves a map of clients as good as before.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls one endpoint after the other until one answers, for [`CALL_DEADLINE`]. The request must be safe to run more
    /// than once.
    pub(super) async fn call<T, F, Fut>(&self, request: F) -> Result<Answer<T>, Failure>
    where
        F: FnMut(Client) -> Fut,
        Fut: Future<Output = Result<T, etcd_client::Error>>,
    {
        self.call_for(CALL_DEADLINE, request).await
    }

    /// As [`Pool::call`], for `limit`.
    pub(super) async fn call_for<T, F, Fut>(
        &self,
        limit: Duration,
        mut request: F,
    ) -> Result<Answer<T>, Failure>
    where
        F: FnMut(Client) -> Fut,
        Fut: Future<Output = Result<T, etcd_client::Error>>,
    {
        let started = Instant::now();
        let deadline = started + limit;
        let mut said: Vec<Option<String>> = vec![None; self.endpoints.len()];
        let mut uncertain = false;
        let mut nobody = true;
        let mut untrusted = true;
        let mut logged_in_again = false;
        let mut index = self.preferred();
        for attempt in 0_u32.. {
            let result = self.attempt(index, deadline, &mut request).await;
            let fault = match result {
                Ok(value) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(Answer { value, uncertain });
                }
                // It was not run, whoever sent it is not known there any more. Once: then it is no misunderstanding.
                Err(fault) if fault.is_stale_login() && !logged_in_again && self.credentials.has_login() => {
                    logged_in_again = true;
                    self.discard(index);
                    continue;
                }
                Err(Fault::Refused(code, reason)) => Fault::Refused(code, self.with_advice(reason)),
                Err(fault) => fault,
            };
            said[index] = Some(match fault.reason() {
                // As the library says it, depending on when it was noticed.
                closed
                    if self.endpoints[index].is_tls()
                        && ["connection closed", "broken pipe", "connection reset"]
                            .iter()
                            .any(|words| closed.contains(words)) =>
                {
                    format!("{closed} ({})", self.credentials.suspicion())
                }
                closed if closed.contains("handshake eof") => {
                    format!("{closed} (it may not speak TLS: then its URL is http://)")
                }
                reason => reason.to_owned(),
            });
            tracing::debug!(endpoint = self.endpoints[index].url(), ?fault, "registry call failed");
            let refused = matches!(fault, Fault::Refused(..));
            nobody &= matches!(fault, Fault::Absent(_) | Fault::Untrusted(_));
            untrusted &= matches!(fault, Fault::Untrusted(_));
            uncertain |= matches!(fault, Fault::Uncertain(_));
            let round = attempt / u32::try_from(self.endpoints.len()).unwrap_or(u32::MAX);
            let all_asked = said.iter().all(Option::is_some);
            let pause = if all_asked { backoff(round) } else { Duration::ZERO };
            let now = Instant::now();
            let given_up =
                now + pause >= deadline || (nobody && all_asked && now + pause >= started + REFUSED_GRACE);
            if refused || given_up || (untrusted && all_asked) {
                let detail = self.explain(&said, started.elapsed());
                let endpoint = self.endpoints[index].url().to_owned();
                return Err(Failure { fault, endpoint, uncertain, detail });
            }
            self.demote(index);
            index = (index + 1) % self.endpoints.len();
            sleep(pause).await;
        }
        unreachable!("the loop above ends at its deadline")
    }

    /// Asks all endpoints at once whether they answer, and stops at the first that does. What each said, if none does.
    pub(super) async fn any_answers<T, F, Fut>(&self, limit: Duration, request: F) -> Result<(), String>
    where
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Result<T, etcd_client::Error>>,
    {
        let started = Instant::now();
        let ask = async |index| {
            let asked = async { request(self.client(index).await?).await.map_err(Fault::from) };
            match timeout(limit, asked).await {
                // Who refuses lives.
                Ok(Ok(_) | Err(Fault::Refused(..))) => Ok(()),
                Ok(Err(fault)) => Err((index, fault.reason().to_owned())),
                Err(_) => {
                    self.discard(index);
                    Err((index, format!("no answer within {limit:?}")))
                }
            }
        };
        let mut asked: FuturesUnordered<_> = (0..self.endpoints.len()).map(ask).collect();
        let mut said: Vec<Option<String>> = vec![None; self.endpoints.len()];
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(()) => return Ok(()),
                Err((index, reason)) => said[index] = Some(reason),
            }
        }
        Err(self.explain(&said, started.elapsed()))
    }

    async fn attempt<T, F, Fut>(&self, index: usize, deadline: Instant, request: &mut F) -> Result<T, Fault>
    where
        F: FnMut(Client) -> Fut,
        Fut: Future<Output = Result<T, etcd_client::Error>>,
    {
        let client = self.client(index).await?;
        let until = deadline.min(Instant::now() + ATTEMPT);
        match timeout_at(until, request(client)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Fault::from(error)),
            Err(_) => {
                self.discard(index);
                Err(Fault::Uncertain(format!("no answer within {ATTEMPT:?}")))
            }
        }
    }

    /// One line that says who was asked, what they said and what to look at.
    pub(super) fn explain(&self, said: &[Option<String>], took: Duration) -> String {
        let answers: Vec<String> = self
            .endpoints
            .iter()
            .zip(said)
            .map(|(endpoint, said)| {
                format!("etcd at {}: {}", endpoint.url(), said.as_deref().unwrap_or("not asked"))
            })
            .collect();
        format!("{}; is it running? (tried for {:.1} s)", answers.join("; "), took.as_secs_f32())
    }
}

/// A KV client that takes large answers.
pub(super) fn kv(client: &Client) -> etcd_client::KvClient {
    client.kv_client().max_decoding_message_size(MAX_MESSAGE)
}

/// Within the time for one attempt, else [`Fault::Uncertain`].
pub(super) async fn within<T>(
    limit: Duration,
    what: impl Future<Output = Result<T, etcd_client::Error>>,
) -> Result<T, Fault> {
    match timeout(limit, what).await {
        Ok(result) => result.map_err(Fault::from),
        Err(_) => Err(Fault::Uncertain(format!("no answer within {limit:?}"))),
    }
}
