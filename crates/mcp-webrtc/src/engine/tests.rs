//! Two engines, joined by hand.

use super::*;

async fn gathered(events: &mut mpsc::Receiver<EngineEvent>) {
    while !matches!(events.recv().await, Some(EngineEvent::Gathered)) {}
}

async fn connected(events: &mut mpsc::Receiver<EngineEvent>) {
    while !matches!(events.recv().await, Some(EngineEvent::State(EngineState::Connected))) {}
}

#[tokio::test]
async fn own_peers_agree_on_a_suite_whose_key_needs_no_limit() {
    let (left_identity, right_identity) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let config =
        |identity| EngineConfig { identity, ice_servers: &[], relay_only: false, local: true, bind: &[] };
    let (left, mut left_events) = Engine::new(config(&left_identity)).await.unwrap();
    let (right, mut right_events) = Engine::new(config(&right_identity)).await.unwrap();
    left.open_channel("mcp").await.unwrap();
    left.start_offer().await.unwrap();
    gathered(&mut left_events).await;
    right.start_answer(&left.local_description().await.unwrap()).await.unwrap();
    gathered(&mut right_events).await;
    left.accept_answer(&right.local_description().await.unwrap()).await.unwrap();
    // Before the handshake nothing is known, and the careful answer is given.
    assert_eq!(left.key_limit().await, Some(MAX_GCM_RECORDS));
    tokio::join!(connected(&mut left_events), connected(&mut right_events));

    for engine in [&left, &right] {
        assert_eq!(engine.key_limit().await, None);
        assert!(engine.datagrams_sent() > 0);
    }
    let certificate = left.peer_certificate().await.unwrap();
    assert_eq!(certificate, right_identity.certificate_der());
    left.close().await;
    right.close().await;
}
