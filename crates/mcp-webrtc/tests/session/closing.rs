//! Either side ends a session cleanly, the other one notices, and nothing is left.

use std::time::{Duration, Instant};

use mcp_webrtc::{CloseReason, SessionEvent};

use crate::harness::{builder, connect, within_limit};

#[tokio::test]
async fn the_other_side_notices_a_close_at_once() {
    within_limit(async {
        for desktop_closes in [true, false] {
            let pair = connect(builder(), builder()).await;
            let (mut desktop_channel, mut agent_channel) = pair.channels().await;
            let (closing, other, channel) = if desktop_closes {
                (&pair.desktop, &pair.agent, &mut agent_channel)
            } else {
                (&pair.agent, &pair.desktop, &mut desktop_channel)
            };
            let start = Instant::now();
            closing.close().await;
            assert_eq!(closing.closed().await, CloseReason::Local);
            assert_eq!(other.closed().await, CloseReason::Peer);
            assert_eq!(channel.recv().await, None);
            // Not a benchmark: without a goodbye the path would count as lost only after half a minute.
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        }
    })
    .await;
}

#[tokio::test]
async fn without_signaling_the_data_path_alone_tells_of_a_close() {
    within_limit(async {
        let (mut left, right) = mcp_webrtc::signaling::memory();
        let (relay_left, mut relay_right) = mcp_webrtc::signaling::memory();
        let relay = async {
            use mcp_webrtc::signaling::Signaling;
            let offer = left.receive().await.unwrap().unwrap();
            relay_right.send(offer).await.unwrap();
            let answer = relay_right.receive().await.unwrap().unwrap();
            left.send(answer).await.unwrap();
            // From here on the link carries nothing, and does not end either.
            (left, relay_right)
        };
        let (desktop, agent, _silent) =
            tokio::join!(builder().offer(right), builder().answer(relay_left), relay);
        let (desktop, agent) = (desktop.unwrap(), agent.unwrap());
        let start = Instant::now();
        desktop.close().await;
        assert_eq!(agent.closed().await, CloseReason::Peer);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    })
    .await;
}

#[tokio::test]
async fn what_was_sent_before_a_close_arrives() {
    within_limit(async {
        let pair = connect(builder(), builder()).await;
        let (desktop, mut agent) = pair.channels().await;
        let message = vec![b'x'; 200_000];
        desktop.send(message.clone()).await.unwrap();
        desktop.send("last").await.unwrap();
        let close = tokio::spawn({
            let desktop = pair.desktop.clone();
            async move { desktop.close().await }
        });
        assert_eq!(agent.recv().await.unwrap(), message);
        assert_eq!(agent.recv().await.unwrap(), "last");
        assert_eq!(agent.recv().await, None);
        close.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn dropping_every_handle_ends_the_session() {
    within_limit(async {
        let pair = connect(builder(), builder()).await;
        let (desktop, agent) = pair.channels().await;
        let crate::harness::Pair { desktop: desktop_session, agent: agent_session } = pair;
        drop(desktop_session);
        // The channel alone keeps it.
        let mut agent = agent;
        desktop.send("still here").await.unwrap();
        assert_eq!(agent.recv().await.unwrap(), "still here");
        drop(desktop);
        assert_eq!(agent_session.closed().await, CloseReason::Peer);
    })
    .await;
}

#[tokio::test]
async fn closing_one_channel_leaves_the_others() {
    within_limit(async {
        let pair = connect(builder().channel("one").channel("two"), builder()).await;
        let (one, mut agent_one) = pair.channels().await;
        let (two, mut agent_two) = pair.channels().await;
        assert_eq!((one.label(), two.label()), ("one", "two"));
        // The peer may learn of them in either order.
        if agent_one.label() == "two" {
            std::mem::swap(&mut agent_one, &mut agent_two);
        }
        one.send("goodbye").await.unwrap();
        one.close().await;
        assert_eq!(agent_one.recv().await.unwrap(), "goodbye");
        assert_eq!(agent_one.recv().await, None);
        two.send("hello").await.unwrap();
        assert_eq!(agent_two.recv().await.unwrap(), "hello");
        let three = pair.agent.open_channel("three").await.unwrap();
        let mut desktop_three = pair.desktop.next_channel().await.unwrap();
        three.send("from the other side").await.unwrap();
        assert_eq!(desktop_three.label(), "three");
        assert_eq!(desktop_three.recv().await.unwrap(), "from the other side");
    })
    .await;
}

#[tokio::test]
async fn events_are_kept_for_the_first_subscriber_and_end_with_the_reason() {
    within_limit(async {
        let pair = connect(builder(), builder()).await;
        pair.agent.close().await;
        let mut events = pair.agent.events();
        assert!(matches!(events.recv().await, Some(SessionEvent::Connected { path: Some(_) })));
        assert_eq!(events.recv().await, Some(SessionEvent::Closed(CloseReason::Local)));
    })
    .await;
}

#[test]
fn no_task_outlives_its_session() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let before = tasks();
        for round in 0..3 {
            let pair = connect(builder(), builder()).await;
            let (desktop, agent) = pair.channels().await;
            desktop.send("hello").await.unwrap();
            // One side closes in the middle of a large message that nobody reads.
            let large = tokio::spawn(async move {
                let _ = desktop.send(vec![b'x'; 8 << 20]).await;
            });
            tokio::task::yield_now().await;
            if round == 0 {
                pair.desktop.close().await;
            } else if round == 1 {
                pair.agent.close().await;
            }
            drop(agent);
            let crate::harness::Pair { desktop, agent } = pair;
            drop(desktop);
            agent.close().await;
            within_limit(large).await.unwrap();
            // The other side's task ends by itself; tasks that have ended are counted until they are polled out.
            within_limit(async {
                while tasks() > before {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
    });
}

#[tokio::test]
async fn a_dropped_attempt_leaves_nothing() {
    let metrics = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = metrics();
    let (left, mut right) = mcp_webrtc::signaling::memory();
    {
        use mcp_webrtc::signaling::Signaling;
        let attempt = builder().offer(left);
        tokio::pin!(attempt);
        tokio::select! {
            _ = &mut attempt => panic!("nobody answered"),
            offer = right.receive() => assert!(offer.unwrap().is_some()),
        }
    }
    within_limit(async {
        while metrics() > before {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
