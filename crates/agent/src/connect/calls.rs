//! The calls that wait for an answer, so that each gets one even when the connection does not last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gatelodge_wire::{Envelope, RawId, answered_id, peek};
use tokio::sync::Notify;

/// The JSON-RPC code of an answer that stands in for one that cannot come any more: the server error range that
/// JSON-RPC leaves to implementations.
const CONNECTION_FAILED: i32 = -32_000;

/// The client's unanswered requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls {
    waiting: Arc<Mutex<Waiting>>,
    answered: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Their ids, as JSON text, with the order in which they were made.
    by_id: HashMap<String, u64>,
    made: u64,
    /// Messages whose id nobody can read. A server answers them with the id `null`.
    unreadable: usize,
    /// Answers with the id `null`.
    anonymous: usize,
}

impl Waiting {
    /// Whether no more answers are to come. A request may be beyond the desktop's limits in a way that is not seen here, such as
    /// by its nesting; its answer has no id then.
    fn is_over(&self) -> bool {
        self.by_id.len() <= self.anonymous.saturating_sub(self.unreadable)
    }
}

impl Calls {
    /// Notes a message from the client.
    pub(super) fn asked(&self, message: &[u8]) {
        match peek(message) {
            Ok(Envelope::Request { id, .. }) => {
                let mut waiting = self.lock();
                let number = waiting.made;
                waiting.made += 1;
                waiting.by_id.insert(meaning(id), number);
            }
            Ok(_) => {}
            Err(_) => self.lock().unreadable += 1,
        }
    }

    /// Notes a message from the server.
    pub(super) fn answered(&self, message: &[u8]) {
        // What is wrong after its beginning is the client's to find out.
        if let Some(id) = answered_id(message).or_else(|| response_id(message)) {
            let mut waiting = self.lock();
            if waiting.by_id.remove(&meaning(id)).is_none() && id.as_str() == "null" {
                waiting.anonymous += 1;
            }
            if waiting.is_over() {
                self.answered.notify_waiters();
            }
        }
    }

    /// Waits until no request is unanswered.
    pub(super) async fn all_answered(&self) {
        loop {
            let answered = self.answered.notified();
            if self.lock().is_over() {
                return;
            }
            answered.await;
        }
    }

    /// Makes an error answer for every request that waits, in the order in which they were made; none waits after that.
    pub(super) fn answers(&self, reason: &str) -> Vec<Bytes> {
        let mut waiting: Vec<_> = std::mem::take(&mut self.lock().by_id).into_iter().collect();
        waiting.sort_by_key(|(_, number)| *number);
        waiting.iter().map(|(id, _)| error(id, reason)).collect()
    }

    /// Makes an error answer for one message, if it is a request.
    pub(super) fn refusal(&self, message: &[u8], reason: &str) -> Option<Bytes> {
        let Ok(Envelope::Request { id, .. }) = peek(message) else { return None };
        self.lock().by_id.remove(&meaning(id));
        Some(error(id.as_str(), reason))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the id in one spelling: a server may answer `"\u00e9"` with `"é"`.
fn meaning(id: RawId<'_>) -> String {
    let value = serde_json::from_str::<serde_json::Value>(id.as_str());
    value.map_or_else(|_| id.as_str().to_owned(), |value| value.to_string())
}

fn response_id(message: &[u8]) -> Option<RawId<'_>> {
    match peek(message) {
        Ok(Envelope::Response { id, .. }) => Some(id),
        _ => None,
    }
}

fn error(id: &str, reason: &str) -> Bytes {
    let reason = serde_json::Value::from(reason);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{CONNECTION_FAILED},"message":{reason}}}}}"#)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_may_be_spelt_in_another_way() {
        let calls = Calls::default();
        calls.asked(br#"{"jsonrpc":"2.0","id":"\u00e9\/","method":"a"}"#);
        calls.answered("{\"jsonrpc\":\"2.0\",\"id\":\"é/\",\"result\":{}}".as_bytes());
        assert!(calls.answers("again").is_empty());
    }

    #[tokio::test]
    async fn an_answer_without_an_id_leaves_nobody_waiting() {
        let calls = Calls::default();
        // Read as a request here, and not by a server that minds the nesting of its parameters.
        calls.asked(br#"{"jsonrpc":"2.0","id":1,"method":"a"}"#);
        // Nobody can read the id of this one: its answer says nothing about the other.
        calls.asked(b"{");
        let null = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}"#;
        calls.answered(null);
        assert!(!calls.lock().is_over());
        calls.answered(null);
        tokio::time::timeout(std::time::Duration::from_secs(5), calls.all_answered()).await.unwrap();
    }

    #[test]
    fn what_waits_is_answered_once() {
        let calls = Calls::default();
        calls.asked(br#"{"jsonrpc":"2.0","id":1,"method":"a"}"#);
        calls.asked(br#"{"jsonrpc":"2.0","id":"x","method":"b"}"#);
        calls.asked(br#"{"jsonrpc":"2.0","method":"n"}"#);
        calls.answered(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        let answers = calls.answers(r#"it "broke""#);
        assert_eq!(
            answers,
            [Bytes::from_static(
                br#"{"jsonrpc":"2.0","id":"x","error":{"code":-32000,"message":"it \"broke\""}}"#
            )]
        );
        assert!(calls.answers("again").is_empty());
    }
}
