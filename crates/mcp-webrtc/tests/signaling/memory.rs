//! The link in memory.

use mcp_webrtc::signaling::{Signal, Signaling, SignalingError, memory};

use super::{answer, candidate, offer};

#[tokio::test]
async fn objects_come_in_order_in_both_directions() {
    let (mut left, mut right) = memory();
    left.send(offer()).await.unwrap();
    left.send(candidate("candidate:1")).await.unwrap();
    right.send(answer()).await.unwrap();
    assert_eq!(right.receive().await.unwrap(), Some(offer()));
    assert_eq!(right.receive().await.unwrap(), Some(candidate("candidate:1")));
    assert_eq!(left.receive().await.unwrap(), Some(answer()));
    assert!(left.is_local() && right.is_local());
    assert_eq!(left.describe(), "memory");
}

#[tokio::test]
async fn closing_says_bye_once_and_then_nothing_more_comes() {
    let (mut left, mut right) = memory();
    left.send(offer()).await.unwrap();
    left.close().await;
    left.close().await;
    assert_eq!(right.receive().await.unwrap(), Some(offer()));
    assert_eq!(right.receive().await.unwrap(), Some(Signal::Bye));
    assert_eq!(right.receive().await.unwrap(), None);
    assert!(matches!(right.send(answer()).await, Err(SignalingError::Closed)));
    assert!(matches!(left.send(offer()).await, Err(SignalingError::Closed)));
    assert_eq!(left.receive().await.unwrap(), None);
}

#[tokio::test]
async fn an_end_that_is_dropped_leaves_without_bye() {
    let (left, mut right) = memory();
    drop(left);
    assert_eq!(right.receive().await.unwrap(), None);
}

#[tokio::test]
async fn nothing_is_sent_after_bye() {
    let (mut left, mut right) = memory();
    left.send(Signal::Bye).await.unwrap();
    assert!(matches!(left.send(offer()).await, Err(SignalingError::Closed)));
    left.close().await;
    assert_eq!(right.receive().await.unwrap(), Some(Signal::Bye));
    assert_eq!(right.receive().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn sending_to_an_end_that_does_not_read_fails_in_time() {
    let (mut left, right) = memory();
    let error = loop {
        if let Err(error) = left.send(offer()).await {
            break error;
        }
    };
    assert!(matches!(error, SignalingError::TimedOut { .. }), "{error:?}");
    left.close().await;
    drop(right);
}

#[tokio::test]
async fn a_link_can_be_used_without_knowing_its_kind() {
    let (left, mut right) = memory();
    let mut left: Box<dyn Signaling> = Box::new(left);
    left.send(offer()).await.unwrap();
    right.send(answer()).await.unwrap();
    assert_eq!(right.receive().await.unwrap(), Some(offer()));
    assert_eq!(Signaling::receive(&mut left).await.unwrap(), Some(answer()));
    assert!(Signaling::is_local(&left));
    assert_eq!(Signaling::describe(&left), "memory");
    Signaling::close(&mut left).await;
    assert_eq!(right.receive().await.unwrap(), Some(Signal::Bye));
}
