//! Who may come in, and that nothing of theirs is read before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_webrtc::signaling::memory;
use mcp_webrtc::{Admission, Identity, Session, SessionError};

use crate::harness::{builder, connect, within_limit};

#[tokio::test]
async fn each_side_learns_the_others_fingerprint_from_the_handshake() {
    within_limit(async {
        let (desktop, agent) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let pair = connect(Session::builder(&desktop), Session::builder(&agent)).await;
        assert_eq!(pair.desktop.peer().fingerprint, agent.fingerprint());
        assert_eq!(pair.agent.peer().fingerprint, desktop.fingerprint());
        assert_eq!(&*pair.agent.peer().certificate, desktop.certificate_der());
    })
    .await;
}

#[tokio::test]
async fn the_hook_is_asked_before_a_message_is_read() {
    within_limit(async {
        let (left, right) = memory();
        let admitted = Arc::new(AtomicBool::new(false));
        let (ask, asked) = tokio::sync::oneshot::channel();
        let (verdict, wait) = tokio::sync::oneshot::channel::<()>();
        let desktop = tokio::spawn({
            let admitted = Arc::clone(&admitted);
            async move {
                let hook = move |peer| async move {
                    ask.send(peer).unwrap();
                    wait.await.unwrap();
                    admitted.store(true, Ordering::SeqCst);
                    Admission::Admit
                };
                builder().admit(hook).offer(left).await
            }
        });
        let agent = builder().answer(right).await.unwrap();
        let channel = agent.next_channel().await.unwrap();
        channel.send("early").await.unwrap();
        asked.await.unwrap();
        assert!(!desktop.is_finished());
        verdict.send(()).unwrap();
        let desktop = desktop.await.unwrap().unwrap();
        assert!(admitted.load(Ordering::SeqCst));
        // It waited unread for the verdict.
        assert_eq!(desktop.next_channel().await.unwrap().recv().await.unwrap(), "early");
    })
    .await;
}

#[tokio::test]
async fn a_denied_peer_is_cut_off() {
    within_limit(async {
        let (left, right) = memory();
        let hook = |_| async { Admission::deny("not today") };
        let (desktop, agent) = tokio::join!(builder().admit(hook).offer(left), async {
            // The denial may come before this side has seen its own success.
            let Ok(agent) = builder().answer(right).await else { return mcp_webrtc::CloseReason::Peer };
            if let Some(mut channel) = agent.next_channel().await {
                // Nobody will read it, and the channel ends.
                let _ = channel.send("let me in").await;
                assert_eq!(channel.recv().await, None);
            }
            agent.closed().await
        });
        let error = desktop.unwrap_err();
        assert!(matches!(&error, SessionError::Denied { reason } if reason == "not today"), "{error}");
        assert_eq!(agent, mcp_webrtc::CloseReason::Peer);
    })
    .await;
}

#[tokio::test]
async fn nobody_deciding_is_a_denial() {
    within_limit(async {
        let (left, right) = memory();
        let desktop =
            builder().admission_deadline(Duration::from_millis(50)).admit(|_| std::future::pending());
        let (desktop, _agent) = tokio::join!(desktop.offer(left), builder().answer(right));
        assert!(matches!(desktop.unwrap_err(), SessionError::Denied { .. }));
    })
    .await;
}

#[tokio::test]
async fn another_peer_than_the_expected_one_is_refused_by_either_side() {
    within_limit(async {
        let expected = Identity::generate().unwrap().fingerprint();
        let (left, right) = memory();
        let (desktop, agent) = tokio::join!(builder().expect(expected).offer(left), builder().answer(right));
        assert!(matches!(desktop.unwrap_err(), SessionError::WrongPeer { .. }));
        assert!(matches!(agent.unwrap_err(), SessionError::PeerLeft));

        let (left, right) = memory();
        let (desktop, agent) = tokio::join!(builder().offer(left), builder().expect(expected).answer(right));
        assert!(matches!(agent.unwrap_err(), SessionError::WrongPeer { .. }));
        assert!(matches!(desktop.unwrap_err(), SessionError::PeerLeft));
    })
    .await;
}
