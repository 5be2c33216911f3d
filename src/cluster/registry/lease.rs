//! A lease, and the task that keeps it alive.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use etcd_client::{LeaseGrantOptions, LeaseKeepAliveStream, LeaseKeeper};
use tokio::sync::{oneshot, watch};
use tonic::Code;

use super::{
    Inner, RegistryError,
    fault::Fault,
    pool::{ATTEMPT, Failure, within},
    random::{backoff, random},
};
use crate::time::Uptime;

/// The number of a lease. Shown as etcdctl shows it, in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(i64);

impl LeaseId {
    /// `None` for 0, which stands for no lease.
    pub(super) fn from_wire(id: i64) -> Option<Self> {
        (id != 0).then_some(Self(id))
    }

    pub(super) fn to_wire(self) -> i64 {
        self.0
    }

    /// Chosen here, so that a grant can be sent again without making a second lease.
    fn choose() -> Self {
        Self(((random() >> 1) as i64).max(1))
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Keys put under it are deleted when it ends. Kept alive in the background; dropping it revokes it.
pub struct Lease {
    inner: Arc<Inner>,
    id: LeaseId,
    ttl: Duration,
    liveness: Liveness,
    /// Used: the task ends. Dropped: the task revokes the lease and ends.
    stop: oneshot::Sender<()>,
}

/// Until when the lease certainly lives, on a clock of this machine that runs while it sleeps.
#[derive(Debug)]
struct Validity {
    /// `None` once it counts as lost; never alive again after that.
    until: Mutex<Option<Uptime>>,
}

impl Validity {
    /// `None`, from now on, when the time is over: also if no task noticed because this process was asleep.
    fn remaining(&self) -> Option<Duration> {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Uptime::now();
        let remaining = until.map(|until| until.since(now)).filter(|left| !left.is_zero());
        if remaining.is_none() {
            *until = None;
        }
        remaining
    }

    /// False if it was lost already.
    fn extend(&self, to: Uptime) -> bool {
        let alive = self.remaining().is_some();
        if alive {
            let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
            *until = until.map(|until| until.max(to));
        }
        alive
    }

    fn end(&self) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Lease {
    /// For [`Txn::put_leased`](super::Txn::put_leased).
    #[must_use]
    pub fn id(&self) -> LeaseId {
        self.id
    }

    /// As the registry granted it.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// How long it certainly lives from now on, counted from when the last answered keep-alive was *sent*. Zero: it may have
    /// ended, and counts as lost for good.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.liveness.validity.remaining().unwrap_or_default()
    }

    /// Resolves as soon as the lease may have ended, whoever ended it. Cancel safe; may be awaited by many.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        self.liveness.lost()
    }

    /// For others who depend on the lease but must not end it.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        self.liveness.clone()
    }

    /// Ends the lease now and deletes its keys.
    ///
    /// # Errors
    /// When no endpoint confirmed it: the lease then ends by itself after its [`ttl`](Self::ttl).
    pub async fn revoke(self) -> Result<(), RegistryError> {
        self.liveness.validity.end();
        // An error means that the task has ended already.
        let _ = self.stop.send(());
        revoke(&self.inner, self.id).await
    }
}

/// Tells whether a lease lives, without keeping it alive.
#[derive(Clone, Debug)]
pub struct Liveness {
    validity: Arc<Validity>,
    /// Closes when the lease is lost.
    lost: watch::Receiver<()>,
}

impl Liveness {
    /// False once the lease may have ended; for good.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.validity.remaining().is_some()
    }

    /// Whether the lease certainly lives for at least `margin` from now on: what depends on it may be done without asking the
    /// registry. The registry counts the lease from when the keep-alive came, this from when it was sent.
    #[must_use]
    pub fn is_certain(&self, margin: Duration) -> bool {
        self.validity.remaining().is_some_and(|left| left >= margin)
    }

    /// How long the lease certainly lives; zero once it may have ended.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.validity.remaining().unwrap_or_default()
    }

    /// Resolves as soon as the lease may have ended. Cancel safe.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut lost = self.lost.clone();
        async move {
            // Nothing is ever sent: this ends when the task does, by an error.
            let _ = lost.changed().await;
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("id", &self.id)
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}

pub(super) async fn grant(inner: &Arc<Inner>, ttl: Duration) -> Result<Lease, RegistryError> {
    let seconds = i64::try_from(ttl.as_millis().div_ceil(1000)).unwrap_or(i64::MAX).max(1);
    let id = LeaseId::choose();
    // Before the first sending: an attempt that seemed to fail may have started the clock.
    let sent = Uptime::now();
    let result = inner
        .pool
        .call(|client| {
            let options = LeaseGrantOptions::new().with_id(id.to_wire());
            async move { client.lease_client().grant(seconds, Some(options)).await }
        })
        .await;
    let granted = match result {
        Ok(answer) => answer.value.ttl(),
        // An earlier attempt made it.
        Err(Failure {
            fault: Fault::Refused(Code::FailedPrecondition | Code::AlreadyExists, _),
            uncertain: true,
            ..
        }) => seconds,
        Err(failure) => return Err(failure.into_error()),
    };
    let ttl = Duration::from_secs(granted.unsigned_abs());
    let validity = Arc::new(Validity { until: Mutex::new(Some(sent + ttl)) });
    let (lost_sender, lost) = watch::channel(());
    let (stop, stopped) = oneshot::channel();
    let keeper = Keeper { inner: Arc::clone(inner), id, ttl, validity: Arc::clone(&validity) };
    tokio::spawn(async move {
        keeper.run(stopped).await;
        drop(lost_sender);
    });
    Ok(Lease { inner: Arc::clone(inner), id, ttl, liveness: Liveness { validity, lost }, stop })
}

/// The task behind a lease.
struct Keeper {
    inner: Arc<Inner>,
    id: LeaseId,
    ttl: Duration,
    validity: Arc<Validity>,
}

impl Keeper {
    async fn run(self, stopped: oneshot::Receiver<()>) {
        let dropped = tokio::select! {
            () = self.keep_alive() => false,
            () = self.run_out() => false,
            stopped = stopped => stopped.is_err(),
        };
        self.validity.end();
        if dropped && let Err(error) = revoke(&self.inner, self.id).await {
            tracing::debug!(lease = %self.id, %error, "lease not revoked, it will run out");
        }
    }

    /// Ends when no keep-alive was answered in time.
    async fn run_out(&self) {
        while let Some(remaining) = self.validity.remaining() {
            tokio::time::sleep(remaining).await;
        }
    }

    /// Ends when the registry says that there is no such lease.
    async fn keep_alive(&self) {
        let mut index = self.inner.pool.preferred();
        let mut failures = 0_u32;
        loop {
            match self.keep_alive_at(index, &mut failures).await {
                KeepAliveError::Expired => return,
                KeepAliveError::Fault(fault) => {
                    tracing::debug!(lease = %self.id, ?fault, "keep-alive failed");
                }
            }
            self.inner.pool.discard(index);
            self.inner.pool.demote(index);
            index = (index + 1) % self.inner.pool.endpoints().len();
            tokio::time::sleep(backoff(failures)).await;
            failures = failures.saturating_add(1);
        }
    }

    async fn keep_alive_at(&self, index: usize, failures: &mut u32) -> KeepAliveError {
        let mut stream = match self.open(index).await {
            Ok(stream) => stream,
            Err(error) => return error,
        };
        loop {
            *failures = 0;
            // A third of the time: two more tries before it runs out.
            tokio::time::sleep(self.ttl / 3).await;
            if let Err(error) = self.beat(&mut stream).await {
                return error;
            }
        }
    }

    /// How long one keep-alive may take: less than what two tries leave of the lease.
    fn patience(&self) -> Duration {
        ATTEMPT.min(self.ttl / 4)
    }

    /// Opens a stream; its first keep-alive is answered with it.
    async fn open(&self, index: usize) -> Result<(LeaseKeeper, LeaseKeepAliveStream), KeepAliveError> {
        let client = self.inner.pool.client(index).await.map_err(KeepAliveError::Fault)?;
        let sent = Uptime::now();
        let mut lease = client.lease_client();
        match within(self.patience(), async { Ok(lease.keep_alive(self.id.to_wire()).await) }).await {
            Ok(Ok(stream)) => self.extended(sent).map(|()| stream),
            Ok(Err(etcd_client::Error::LeaseKeepAliveError(reason))) if reason.contains("not found") => {
                Err(KeepAliveError::Expired)
            }
            Ok(Err(error)) => Err(KeepAliveError::Fault(error.into())),
            Err(fault) => Err(KeepAliveError::Fault(fault)),
        }
    }

    async fn beat(
        &self,
        (keeper, stream): &mut (LeaseKeeper, LeaseKeepAliveStream),
    ) -> Result<(), KeepAliveError> {
        let sent = Uptime::now();
        let answer = within(self.patience(), async {
            keeper.keep_alive().await?;
            stream.message().await
        });
        match answer.await.map_err(KeepAliveError::Fault)? {
            Some(answer) if answer.ttl() > 0 => self.extended(sent),
            Some(_) => Err(KeepAliveError::Expired),
            None => Err(KeepAliveError::Fault(Fault::Uncertain("the stream ended".to_owned()))),
        }
    }

    fn extended(&self, sent: Uptime) -> Result<(), KeepAliveError> {
        if self.validity.extend(sent + self.ttl) { Ok(()) } else { Err(KeepAliveError::Expired) }
    }
}

async fn revoke(inner: &Inner, id: LeaseId) -> Result<(), RegistryError> {
    let id = id.to_wire();
    let result = inner.pool.call(|client| async move { client.lease_client().revoke(id).await }).await;
    match result {
        Ok(_) | Err(Failure { fault: Fault::Refused(Code::NotFound, _), .. }) => Ok(()),
        Err(failure) => Err(failure.into_error()),
    }
}

enum KeepAliveError {
    /// The registry says that the lease is gone, or our own clock does.
    Expired,
    /// Another try may succeed.
    Fault(Fault),
}
