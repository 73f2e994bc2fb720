//! What waits to be sent to one client: bounded, and never waited for by others.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatelodge_wire::{RendezvousErrorCode, ServerMessage};
use tokio::sync::Notify;

/// How many messages wait at most, beside the limit on their bytes.
const MAX_MESSAGES: usize = 256;

/// The last word to a client before its connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Farewell {
    pub(crate) code: RendezvousErrorCode,
    pub(crate) message: &'static str,
}

impl Farewell {
    pub(crate) const fn new(code: RendezvousErrorCode, message: &'static str) -> Self {
        Self { code, message }
    }

    pub(crate) fn to_message(&self) -> ServerMessage {
        ServerMessage::Error { code: self.code, message: self.message.to_owned(), session: None }
    }
}

/// The queue towards one client. The hub fills it, the client's own task empties it.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<String>,
    bytes: usize,
    farewell: Option<Farewell>,
}

/// What the client's task gets from its queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// All that waits.
    Messages(VecDeque<String>),
    /// Nothing more is to be sent but this.
    Farewell(Farewell),
}

impl Outbox {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { queue: Mutex::default(), filled: Notify::new(), max_bytes }
    }

    /// Queues a message. A client that does not read loses its connection instead.
    pub(crate) fn push(&self, message: &ServerMessage) {
        if !self.try_push(message, 1) {
            self.part(Farewell::new(
                RendezvousErrorCode::TooSlow,
                "what is sent to you is not read fast enough",
            ));
        }
    }

    /// Queues a message of a stranger, for which there is half of the space: strangers cannot have a connection closed.
    /// Says whether there was room.
    pub(crate) fn push_of_stranger(&self, message: &ServerMessage) -> bool {
        self.try_push(message, 2)
    }

    fn try_push(&self, message: &ServerMessage, share: usize) -> bool {
        let message = message.to_json();
        let mut queue = self.queue();
        if queue.farewell.is_some() {
            // It is on its way out; what is lost now would not have been read.
            return true;
        }
        let fits = queue.messages.len() < MAX_MESSAGES / share
            && queue.bytes + message.len() <= self.max_bytes / share;
        if fits {
            queue.bytes += message.len();
            queue.messages.push_back(message);
            drop(queue);
            self.filled.notify_one();
        }
        fits
    }

    /// Ends the connection with a last word; what still waits is dropped. The first last word counts.
    pub(crate) fn part(&self, farewell: Farewell) {
        let mut queue = self.queue();
        queue.messages = VecDeque::new();
        queue.farewell.get_or_insert(farewell);
        drop(queue);
        self.filled.notify_one();
    }

    /// Waits for what is to be sent. Cancel-safe.
    pub(crate) async fn next(&self) -> Next {
        loop {
            {
                let mut queue = self.queue();
                if let Some(farewell) = &queue.farewell {
                    return Next::Farewell(farewell.clone());
                }
                if !queue.messages.is_empty() {
                    queue.bytes = 0;
                    return Next::Messages(std::mem::take(&mut queue.messages));
                }
            }
            self.filled.notified().await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> ServerMessage {
        ServerMessage::Draining { seconds: 1 }
    }

    #[tokio::test]
    async fn messages_come_in_order_and_together() {
        let outbox = Outbox::new(1000);
        outbox.push(&ServerMessage::Draining { seconds: 1 });
        outbox.push(&ServerMessage::Draining { seconds: 2 });
        let Next::Messages(messages) = outbox.next().await else { panic!("messages are waiting") };
        assert_eq!(messages, [r#"{"type":"draining","seconds":1}"#, r#"{"type":"draining","seconds":2}"#]);
    }

    #[tokio::test]
    async fn who_does_not_read_is_parted_with_and_no_stranger_can_bring_that_about() {
        let outbox = Outbox::new(200);
        let strangers = (0..100).filter(|_| outbox.push_of_stranger(&message())).count();
        assert_eq!(strangers, 3);
        let own = (0..100).take_while(|_| {
            outbox.push(&message());
            outbox.queue().farewell.is_none()
        });
        assert_eq!(own.count(), 3);
        let Next::Farewell(farewell) = outbox.next().await else { panic!("it should end") };
        assert_eq!(farewell.code, RendezvousErrorCode::TooSlow);
    }
}
