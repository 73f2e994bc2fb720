//! An MCP connection goes on over one session after another, whatever was on its way when the earlier one ended.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mcp_webrtc::{Acknowledgements, ResumableChannel, ResumableReceiver, SendError, Source};
use tokio::sync::{Notify, mpsc};

use crate::harness::{builder, connect, within_limit};

/// Messages from a queue, with those that cannot be sent.
struct Queue {
    messages: mpsc::Receiver<Bytes>,
    refused: Arc<Mutex<Vec<usize>>>,
}

impl Source for Queue {
    async fn next(&mut self) -> Bytes {
        match self.messages.recv().await {
            Some(message) => message,
            None => std::future::pending().await,
        }
    }

    async fn refused(&mut self, message: Bytes, _: SendError) {
        self.refused.lock().unwrap().push(message.len());
    }
}

/// The number of a message is in its id; its size goes from nothing to several fragments.
fn message(number: usize) -> String {
    let size = [0, 10, 3_000, 70_000, 600_000][number % 5];
    format!(r#"{{"jsonrpc":"2.0","id":{number},"result":"{}"}}"#, "x".repeat(size))
}

fn number(message: &[u8]) -> usize {
    let value: serde_json::Value = serde_json::from_slice(message).unwrap();
    value["id"].as_u64().unwrap().try_into().unwrap()
}

/// One side: what it sends, and what it takes until it has so many.
async fn side(
    channel: ResumableChannel,
    mut receiver: ResumableReceiver,
    count: usize,
    taken: Arc<Mutex<Vec<usize>>>,
    news: Arc<Notify>,
) {
    let (sender, messages) = mpsc::channel(4);
    let queue = Queue { messages, refused: Arc::default() };
    let feeding = async {
        for number in 0..count {
            sender.send(message(number).into()).await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let taking = async {
        while taken.lock().unwrap().len() < count {
            let message = receiver.recv().await.unwrap();
            assert_eq!(message.len(), self::message(number(&message)).len(), "a message is whole");
            taken.lock().unwrap().push(number(&message));
            news.notify_one();
        }
        // The other side may not have everything yet.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = channel.pump(queue) => {}
        () = feeding => {}
        () = taking => {}
    }
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_comes_twice_over_ten_sessions() {
    const MESSAGES: usize = 200;
    const SESSIONS: usize = 10;
    within_limit(async {
        let acknowledgements = Acknowledgements::default();
        let (left, left_receiver) = ResumableChannel::new(&acknowledgements);
        let (right, right_receiver) = ResumableChannel::new(&acknowledgements);
        assert!(left.is_untouched());
        let taken: [Arc<Mutex<Vec<usize>>>; 2] = Default::default();
        let news = Arc::new(Notify::new());
        let sides = [
            tokio::spawn(side(
                left.clone(),
                left_receiver,
                MESSAGES,
                Arc::clone(&taken[0]),
                Arc::clone(&news),
            )),
            tokio::spawn(side(
                right.clone(),
                right_receiver,
                MESSAGES,
                Arc::clone(&taken[1]),
                Arc::clone(&news),
            )),
        ];
        // Both sides' counts are told at once here; that they may come late is the business of the wire's own tests.
        let telling = tokio::spawn({
            let (left, right) = (left.clone(), right.clone());
            async move {
                loop {
                    acknowledgements.due().await;
                    if left.is_attached() && right.is_attached() {
                        left.news().into_iter().for_each(|count| right.acknowledge(count).unwrap());
                        right.news().into_iter().for_each(|count| left.acknowledge(count).unwrap());
                    }
                }
            }
        });
        let total = || taken.iter().map(|taken| taken.lock().unwrap().len()).sum::<usize>();
        for session in 1..=SESSIONS {
            let pair = connect(builder(), builder()).await;
            let (desktop, agent) = pair.channels().await;
            left.attach(desktop);
            right.attach(agent);
            while total() < session * 2 * MESSAGES / SESSIONS {
                news.notified().await;
            }
            let (left_taken, right_taken) = (left.detach(), right.detach());
            assert_eq!([left_taken, right_taken].map(|count| count as usize).iter().sum::<usize>(), total());
            left.rewind(right_taken).unwrap();
            right.rewind(left_taken).unwrap();
            pair.desktop.close().await;
        }
        for taken in &taken {
            let mut taken = taken.lock().unwrap().clone();
            taken.sort_unstable();
            assert_eq!(taken, (0..MESSAGES).collect::<Vec<_>>());
        }
        sides.iter().for_each(tokio::task::JoinHandle::abort);
        telling.abort();
    })
    .await;
}
