//! Messages arrive whole and in order, of every size.

use bytes::Bytes;

use crate::harness::{builder, connect, within_limit};

#[tokio::test]
async fn small_messages_go_both_ways_in_order() {
    within_limit(async {
        let pair = connect(builder(), builder()).await;
        let (mut desktop, mut agent) = pair.channels().await;
        assert_eq!((desktop.label(), agent.label()), ("mcp", "mcp"));
        for number in 0..100 {
            desktop.send(format!("{{\"d\":{number}}}")).await.unwrap();
            agent.send(format!("{{\"a\":{number}}}")).await.unwrap();
        }
        for number in 0..100 {
            assert_eq!(agent.recv().await.unwrap(), format!("{{\"d\":{number}}}"));
            assert_eq!(desktop.recv().await.unwrap(), format!("{{\"a\":{number}}}"));
        }
        pair.desktop.close().await;
        assert_eq!(agent.recv().await, None);
    })
    .await;
}

#[tokio::test]
async fn messages_of_every_size_arrive_whole() {
    within_limit(async {
        let pair = connect(builder(), builder()).await;
        let (desktop, mut agent) = pair.channels().await;
        for size in [1, 2, 1_191, 65_535, 65_536, 65_537, 262_144, 262_145, 1 << 20, 16 << 20] {
            let message = Bytes::from(vec![b'x'; size]);
            let (sent, received) = tokio::join!(desktop.send(message.clone()), agent.recv());
            sent.unwrap();
            assert_eq!(received.unwrap(), message, "{size} bytes");
        }
    })
    .await;
}
