//! A channel may be opened right after another one was closed, by whichever side, as often as one likes.

use crate::harness::{Pair, builder, connect, within_limit};

/// How often a channel is opened: often enough that what goes wrong in one case of ten shows.
const ROUNDS: usize = 40;

/// Opens one channel after the other, and each one has to carry a message both ways.
async fn reopen(pair: &Pair, agent_opens: bool, opener_closes: bool) {
    let (opener, other) =
        if agent_opens { (&pair.agent, &pair.desktop) } else { (&pair.desktop, &pair.agent) };
    for round in 0..ROUNDS {
        let label = format!("channel {round}");
        let (mine, theirs) = tokio::join!(opener.open_channel(&label), other.next_channel());
        let (mut mine, mut theirs) = (mine.unwrap(), theirs.unwrap());
        assert_eq!(theirs.label(), label);
        mine.send("there").await.unwrap();
        assert_eq!(theirs.recv().await.unwrap(), "there", "in round {round}");
        theirs.send("and back").await.unwrap();
        assert_eq!(mine.recv().await.unwrap(), "and back", "in round {round}");
        let (closing, left) = if opener_closes { (mine, &mut theirs) } else { (theirs, &mut mine) };
        closing.close().await;
        // Every other time the next one is opened before the other side has heard of the end.
        if !opener_closes || round % 2 == 0 {
            assert_eq!(left.recv().await, None);
        }
    }
}

#[tokio::test]
async fn a_channel_can_be_opened_right_after_the_other_side_closed_one() {
    within_limit(async {
        for agent_opens in [true, false] {
            let pair = connect(builder(), builder()).await;
            let _plain = pair.channels().await;
            reopen(&pair, agent_opens, false).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_channel_can_be_opened_right_after_this_side_closed_one() {
    within_limit(async {
        for agent_opens in [true, false] {
            let pair = connect(builder(), builder()).await;
            let _plain = pair.channels().await;
            reopen(&pair, agent_opens, true).await;
        }
    })
    .await;
}
