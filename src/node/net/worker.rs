//! What the connections of one worker thread share: buffers, because a batch is read, run and answered without waiting in between, and who
//! waits for the journal.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use super::{
    commit::Committer,
    input::{Input, READ},
};
use crate::{
    node::{Node, exec::batch::Plan},
    protocol::Output,
};

/// What the connections of one worker thread share.
pub(in crate::node) struct Worker {
    pub(super) node: Arc<Node>,
    /// Taken by the connection that is being served, and put back before it waits.
    input: Cell<Option<Box<Input>>>,
    pub(super) output: RefCell<Output>,
    pub(super) plan: RefCell<Plan>,
    pub(super) committer: Rc<Committer>,
}

impl Worker {
    /// On the thread that it is for.
    pub(in crate::node) fn new(node: Arc<Node>) -> Self {
        let committer = Committer::new(Arc::clone(&node.state.aof.shared));
        tokio::task::spawn_local(Rc::clone(&committer).run());
        Self { node, input: Cell::default(), output: RefCell::default(), plan: RefCell::default(), committer }
    }

    pub(super) fn take_input(&self) -> Box<Input> {
        self.input.take().unwrap_or_else(|| Box::new(Input::with_room()))
    }

    pub(super) fn give_back(&self, mut input: Box<Input>) {
        input.clear();
        if input.bytes.capacity() == READ {
            self.input.set(Some(input));
        }
    }
}
