//! A session's path is measured for as long as the session lives.

use std::time::Duration;

use mcp_webrtc::{CandidateKind, PathKind};

use crate::harness::{builder, connect, within_limit};

#[tokio::test]
async fn round_trips_and_bytes_are_measured_until_the_end() {
    within_limit(async {
        let pair = connect(builder(), builder()).await;
        let (desktop, mut agent) = pair.channels().await;
        let mut measurements = pair.desktop.measurements();
        let first = measurements.next().await.unwrap();
        assert_eq!(first.path.kind(), PathKind::Direct);
        assert_eq!(
            (first.path.local_kind, first.path.remote_kind),
            (CandidateKind::Host, CandidateKind::Host)
        );
        assert!(
            first.round_trip.unwrap() > Duration::ZERO && first.round_trip.unwrap() < Duration::from_secs(5)
        );

        let (sent, received) = tokio::join!(desktop.send(vec![b'x'; 1 << 20]), agent.recv());
        sent.unwrap();
        assert_eq!(received.unwrap().len(), 1 << 20);
        let second = measurements.next().await.unwrap();
        assert!(second.bytes_sent >= first.bytes_sent + (1 << 20), "{first:?} {second:?}");
        assert!(second.bytes_received > first.bytes_received, "acknowledgements count: {first:?} {second:?}");

        // It neither holds up the end nor goes on after it.
        let ((), last) = tokio::join!(pair.desktop.close(), measurements.next());
        assert_eq!(last, None);
        assert_eq!(measurements.next().await, None);
    })
    .await;
}
