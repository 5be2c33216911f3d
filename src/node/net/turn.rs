//! Turns of the connections of one worker: none moves so much at once that the others wait for it.

use std::{future::Future as _, pin::pin, task::Context};

/// Bytes of a large request or reply that are read or written before the worker's other connections get their turn.
pub(super) const TURN: usize = 1 << 20;

/// The caller goes on after the runtime has looked at all sockets. Who only wakes itself runs some sixty times before that, and with
/// much to move the worker's other clients would wait for all of them.
pub(super) fn give_way(cx: &mut Context<'_>) {
    let first = pin!(tokio::task::yield_now()).poll(cx);
    debug_assert!(first.is_pending());
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::poll_fn, rc::Rc, task::Poll};

    use tokio::{io::AsyncReadExt as _, net::UnixStream, runtime, task::LocalSet};

    use super::*;

    /// One turn of who has much to move.
    async fn one_turn() {
        let mut gave_way = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut gave_way, true) {
                return Poll::Ready(());
            }
            give_way(cx);
            Poll::Pending
        })
        .await;
    }

    #[test]
    fn the_sockets_of_others_are_looked_at_after_every_turn() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (seen, turns) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
        let tasks = LocalSet::new();
        let _entered = runtime.enter();
        let (mut mine, theirs) = UnixStream::pair().unwrap();
        tasks.spawn_local({
            let seen = Rc::clone(&seen);
            async move { seen.set(mine.read_u8().await.is_ok()) }
        });
        let busy = tasks.spawn_local({
            let turns = Rc::clone(&turns);
            async move {
                one_turn().await;
                theirs.try_write(b"x").unwrap();
                while !seen.get() {
                    one_turn().await;
                    turns.set(turns.get() + 1);
                }
            }
        });
        tasks.block_on(&runtime, busy).unwrap();
        assert!(turns.get() <= 3, "{} turns", turns.get());
    }
}
