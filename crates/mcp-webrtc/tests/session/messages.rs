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

#[tokio::test]
async fn a_burst_of_small_messages_arrives_though_silence_follows() {
    within_limit(async {
        let pair = connect(builder(), builder()).await;
        let (desktop, mut agent) = pair.channels().await;
        const COUNT: usize = 10_000;
        let send = async {
            for number in 0..COUNT {
                desktop.send(number.to_string()).await.unwrap();
            }
        };
        let receive = async {
            for number in 0..COUNT {
                assert_eq!(agent.recv().await.unwrap(), number.to_string());
            }
        };
        tokio::join!(send, receive);
    })
    .await;
}

#[tokio::test]
async fn messages_wait_for_a_reader_that_comes_late() {
    within_limit(async {
        let pair = connect(builder(), builder()).await;
        let (desktop, mut agent) = pair.channels().await;
        const COUNT: usize = 5_000;
        let sending = tokio::spawn(async move {
            for number in 0..COUNT {
                desktop.send(number.to_string()).await.unwrap();
            }
            desktop
        });
        // Everything is under way, or waits for room, before the first message is read.
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
        for number in 0..COUNT {
            assert_eq!(agent.recv().await.unwrap(), number.to_string());
        }
        sending.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn small_messages_pass_a_large_one() {
    within_limit(async {
        let pair = connect(builder(), builder()).await;
        let (mut desktop, mut agent) = pair.channels().await;
        let sender = desktop.sender();
        let large = tokio::spawn(async move { sender.send(vec![b'x'; 32 << 20]).await.unwrap() });
        let echo = tokio::spawn(async move {
            let mut pings = 0;
            loop {
                let message = agent.recv().await.unwrap();
                if message.len() > 100 {
                    return pings;
                }
                agent.send(message).await.unwrap();
                pings += 1;
            }
        });
        let mut answered = 0;
        while !large.is_finished() {
            desktop.send("ping").await.unwrap();
            tokio::select! {
                pong = desktop.recv() => assert_eq!(pong.unwrap(), "ping"),
                () = async { while !large.is_finished() { tokio::task::yield_now().await } } => break,
            }
            answered += 1;
        }
        large.await.unwrap();
        assert!(answered >= 3, "only {answered} pings were answered while 32 MiB were under way");
        assert!(echo.await.unwrap() >= answered);
    })
    .await;
}

#[tokio::test]
async fn a_dropped_send_never_leaves_half_a_message() {
    within_limit(async {
        let pair = connect(builder(), builder()).await;
        let (desktop, mut agent) = pair.channels().await;
        // More than the peer's sixteen unfinished messages, each given up in the middle.
        for _ in 0..20 {
            let send = desktop.send(vec![b'x'; 1 << 20]);
            tokio::pin!(send);
            tokio::select! {
                biased;
                sent = &mut send => { sent.unwrap(); }
                () = async { for _ in 0..5 { tokio::task::yield_now().await } } => {}
            }
        }
        let last = tokio::spawn(async move { desktop.send("last").await.map(|_| desktop) });
        let mut whole = 0;
        let mut seen_last = false;
        while whole < 1 || !seen_last {
            let message = agent.recv().await.unwrap();
            seen_last |= message == "last";
            whole += usize::from(message.len() == 1 << 20);
        }
        last.await.unwrap().unwrap();
    })
    .await;
}
