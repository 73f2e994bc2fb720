//! A channel may be opened at any time once the session is up: at once, while the engines still agree on how to carry
//! channels, and after a while in which nothing was done.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::harness::{Pair, builder, connect, within_limit};

/// How many sessions of each kind are set up at once: on a busy machine they are in every state of their set-up when the channels
/// are opened.
const AT_ONCE: usize = 10;

/// What is opened beside the one channel that the offer names.
const LABEL: &str = "another";

/// Sets up a session, opens a channel after a while, and carries a message both ways. The other side waits for channels all
/// the time, and keeps the one of the offer only if `kept`.
async fn open(agent_opens: bool, kept: bool, idle: Duration) {
    let Pair { desktop, agent } = connect(builder(), builder()).await;
    let (opener, other) = if agent_opens { (agent, desktop) } else { (desktop, agent) };
    let opening = async {
        if !idle.is_zero() {
            tokio::time::sleep(idle).await;
        }
        let mut channel = opener.open_channel(LABEL).await.unwrap();
        channel.send("there").await.unwrap();
        assert_eq!(channel.recv().await.unwrap(), "and back");
        channel
    };
    let waiting = async {
        let mut offered = Vec::new();
        loop {
            let mut channel = other.next_channel().await.unwrap();
            if channel.label() == LABEL {
                assert_eq!(channel.recv().await.unwrap(), "there");
                channel.send("and back").await.unwrap();
                return (channel, offered);
            }
            if kept {
                offered.push(channel);
            }
        }
    };
    let _channels = tokio::join!(opening, waiting);
    // Both at once, so that nobody waits for the other's goodbye.
    tokio::join!(opener.close(), other.close());
}

async fn open_in_many(idle: Duration) {
    let mut sessions = JoinSet::new();
    for (agent_opens, kept) in [(true, true), (true, false), (false, true), (false, false)] {
        for _ in 0..AT_ONCE {
            sessions.spawn(open(agent_opens, kept, idle));
        }
    }
    within_limit(sessions.join_all()).await;
}

#[tokio::test]
async fn a_channel_can_be_opened_as_soon_as_the_session_is_up() {
    open_in_many(Duration::ZERO).await;
}

/// Longer than an engine stays awake for what is set up, and than it takes to count as quiet.
#[tokio::test]
async fn a_channel_can_be_opened_after_a_while() {
    open_in_many(Duration::from_millis(3_500)).await;
}
