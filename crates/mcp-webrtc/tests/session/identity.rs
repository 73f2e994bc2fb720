//! What a link in the middle can do to the descriptions, and that the handshake's certificate decides.

use std::time::Duration;

use mcp_webrtc::signaling::{MemorySignaling, Signal, Signaling, memory};
use mcp_webrtc::{CloseReason, Identity, Session, SessionError, Stage};

use crate::harness::{builder, connect, within_limit};

/// Passes everything on in both directions, changed by `change`.
async fn relay(mut left: MemorySignaling, mut right: MemorySignaling, change: impl Fn(Signal) -> Signal) {
    loop {
        tokio::select! {
            signal = left.receive() => match signal {
                Ok(Some(signal)) => if right.send(change(signal)).await.is_err() { return },
                _ => return,
            },
            signal = right.receive() => match signal {
                Ok(Some(signal)) => if left.send(change(signal)).await.is_err() { return },
                _ => return,
            },
        }
    }
}

fn with_fingerprint(sdp: &str, identity: &Identity) -> String {
    let lines = sdp.lines().map(|line| {
        if line.starts_with("a=fingerprint:") {
            format!("a=fingerprint:sha-256 {}\r\n", identity.fingerprint())
        } else {
            format!("{line}\r\n")
        }
    });
    lines.collect()
}

#[tokio::test]
async fn the_right_description_with_the_wrong_certificate_never_connects() {
    within_limit(async {
        let stranger = Identity::generate().unwrap();
        let (desktop_link, left) = memory();
        let (right, agent_link) = memory();
        let change = |signal| match signal {
            Signal::Answer { sdp } => Signal::Answer { sdp: with_fingerprint(&sdp, &stranger) },
            other => other,
        };
        let short = Duration::from_secs(2);
        let (desktop, agent, ()) = tokio::join!(
            builder().handshake_deadline(short).offer(desktop_link),
            builder().answer(agent_link),
            relay(left, right, change),
        );
        let error = desktop.unwrap_err();
        assert!(
            matches!(
                error,
                SessionError::TimedOut { stage: Stage::Handshake, .. }
                    | SessionError::FingerprintMismatch { .. }
                    | SessionError::Handshake
            ),
            "{error}"
        );
        // The agent saw the true description, so it may have come as far as a session that then ended.
        if let Ok(agent) = agent {
            assert!(matches!(agent.closed().await, CloseReason::Peer | CloseReason::PathLost));
        }
    })
    .await;
}

#[tokio::test]
async fn a_link_that_reflects_is_refused() {
    within_limit(async {
        let (left, mut right) = memory();
        let reflect = async {
            let Ok(Some(Signal::Offer { sdp })) = right.receive().await else { panic!("no offer") };
            right.send(Signal::Answer { sdp }).await.unwrap();
            right.receive().await
        };
        let (desktop, rest) = tokio::join!(builder().offer(left), reflect);
        assert!(matches!(desktop.unwrap_err(), SessionError::OwnFingerprint));
        assert!(matches!(rest, Ok(Some(Signal::Bye))));
    })
    .await;
}

#[tokio::test]
async fn an_offer_for_an_offer_is_refused() {
    within_limit(async {
        let (left, right) = memory();
        let (desktop, agent) = tokio::join!(builder().offer(left), builder().offer(right));
        for error in [desktop.unwrap_err(), agent.unwrap_err()] {
            assert!(
                matches!(
                    error,
                    SessionError::UnexpectedSignal { got: "offer", due: "answer" } | SessionError::PeerLeft
                ),
                "{error}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_later_description_with_another_fingerprint_ends_the_session() {
    within_limit(async {
        let stranger = Identity::generate().unwrap();
        let (left, mut right) = memory();
        let (to_agent, agent_link) = memory();
        let middle = async {
            let mut to_agent = to_agent;
            let Ok(Some(Signal::Offer { sdp: offer })) = right.receive().await else { panic!("no offer") };
            to_agent.send(Signal::Offer { sdp: offer }).await.unwrap();
            let Ok(Some(Signal::Answer { sdp })) = to_agent.receive().await else { panic!("no answer") };
            right.send(Signal::Answer { sdp: sdp.clone() }).await.unwrap();
            (right, to_agent, sdp)
        };
        let (desktop, agent, (mut right, _to_agent, sdp)) =
            tokio::join!(builder().offer(left), builder().answer(agent_link), middle);
        let (desktop, _agent) = (desktop.unwrap(), agent.unwrap());
        right.send(Signal::Offer { sdp: with_fingerprint(&sdp, &stranger) }).await.unwrap();
        assert_eq!(desktop.closed().await, CloseReason::ChangedFingerprint);
    })
    .await;
}

#[tokio::test]
async fn silence_on_the_link_ends_at_the_deadline() {
    within_limit(async {
        let (left, _right) = memory();
        let error = builder().signaling_deadline(Duration::from_millis(200)).offer(left).await.unwrap_err();
        assert!(matches!(error, SessionError::TimedOut { stage: Stage::Signaling, .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn the_fingerprint_is_the_same_over_restarts() {
    within_limit(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.pem");
        let mut seen = Vec::new();
        for _ in 0..2 {
            let desktop = Identity::load_or_create(&path).unwrap();
            let pair = connect(Session::builder(&desktop), builder()).await;
            seen.push(pair.agent.peer().fingerprint);
            pair.desktop.close().await;
        }
        assert_eq!(seen[0], seen[1]);
    })
    .await;
}

#[tokio::test]
async fn bye_at_any_step_ends_the_attempt() {
    within_limit(async {
        // Before the offer, to a side that waits for it.
        let (left, mut right) = memory();
        right.close().await;
        assert!(matches!(builder().answer(left).await.unwrap_err(), SessionError::PeerLeft));
        // After the offer, in place of the answer.
        let (left, mut right) = memory();
        let leave = async {
            right.receive().await.unwrap();
            right.send(Signal::Bye).await.unwrap();
        };
        let (desktop, ()) = tokio::join!(builder().offer(left), leave);
        assert!(matches!(desktop.unwrap_err(), SessionError::PeerLeft));
        // During the handshake: the descriptions are exchanged, but nobody is there.
        let (left, mut right) = memory();
        let (agent_left, mut agent_right) = memory();
        let leave = async {
            let offer = right.receive().await.unwrap().unwrap();
            agent_right.send(offer).await.unwrap();
            let answer = agent_right.receive().await.unwrap().unwrap();
            // The agent is gone before a packet reaches it.
            agent_right.close().await;
            right.send(answer).await.unwrap();
            right.send(Signal::Bye).await.unwrap();
        };
        let (desktop, agent, ()) = tokio::join!(builder().offer(left), builder().answer(agent_left), leave);
        assert!(matches!(agent.unwrap_err(), SessionError::PeerLeft));
        assert!(matches!(desktop.unwrap_err(), SessionError::PeerLeft));
    })
    .await;
}
