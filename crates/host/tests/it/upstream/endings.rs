//! However a server behaves, it ends, all of it, in time, and the reason is told.

use std::time::{Duration, Instant};

use gatelodge_host::upstream::{EndCause, Ending, UpstreamError};

use super::{Lab, closed, recv, within};

/// Revoking has this much in all.
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_good_server_exits_when_its_input_closes() {
    let lab = Lab::new();
    let upstream = lab.start(&lab.sh("cat; echo finished >&2")).await;
    let start = Instant::now();
    let reason = within(upstream.end(Ending::Gentle)).await;
    assert_eq!(reason.cause, EndCause::Ended);
    assert_eq!(reason.last_words, ["finished"], "it had the time to");
    assert!(start.elapsed() < SECOND, "nobody waits for a server that is gone");
}

#[tokio::test]
async fn dropping_an_upstream_ends_its_server() {
    let lab = Lab::new();
    let fifo = lab.fifo("alive");
    let upstream = lab.start(&lab.sh(&format!("exec 3> {}; echo '{{}}'; cat", fifo.display()))).await;
    let gone = closed(&fifo);
    drop(upstream);
    within(gone).await.unwrap();
    within(lab.launcher.shutdown()).await;
    assert_eq!(lab.launcher.running(), 0);
}

#[tokio::test]
async fn a_server_that_ignores_everything_is_killed() {
    let lab = Lab::impatient();
    let mut upstream = lab.start(&lab.sh("trap '' TERM; echo '{}'; while :; do sleep 1000; done")).await;
    assert_eq!(recv(&mut upstream).await.unwrap(), "{}");
    assert_eq!(within(upstream.end(Ending::Gentle)).await.cause, EndCause::Ended);
}

#[tokio::test]
async fn an_end_at_once_takes_less_than_a_second_and_hurries_a_gentle_one() {
    let lab = Lab::new();
    for gentle_first in [false, true] {
        let fifo = lab.fifo(&format!("alive-{gentle_first}"));
        let server =
            format!("exec 3> {}; trap '' TERM; echo '{{}}'; while :; do sleep 1000; done", fifo.display());
        let mut upstream = lab.start(&lab.sh(&server)).await;
        let gone = closed(&fifo);
        assert_eq!(recv(&mut upstream).await.unwrap(), "{}");
        if gentle_first {
            upstream.sender().start_end(Ending::Gentle);
        }
        let start = Instant::now();
        within(upstream.end(Ending::Now)).await;
        within(gone).await.unwrap();
        assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn grandchildren_end_with_their_server() {
    let lab = Lab::impatient();
    let fifo = lab.fifo("alive");
    // One that listens to signals and one that doesn't; neither reads standard input.
    let server = format!(
        "exec 3> {}; sleep 1000 & (trap '' TERM; while :; do sleep 1000; done) & echo '{{}}'; cat > /dev/null",
        fifo.display()
    );
    let mut upstream = lab.start(&lab.sh(&server)).await;
    let gone = closed(&fifo);
    assert_eq!(recv(&mut upstream).await.unwrap(), "{}");
    within(upstream.end(Ending::Gentle)).await;
    within(gone).await.unwrap();
}

#[tokio::test]
async fn grandchildren_that_hold_the_output_do_not_keep_a_dead_server_alive() {
    let lab = Lab::impatient();
    let fifo = lab.fifo("alive");
    let mut upstream =
        lab.start(&lab.sh(&format!("exec 3> {}; sleep 1000 & echo '{{}}'; exit 5", fifo.display()))).await;
    let gone = closed(&fifo);
    assert_eq!(recv(&mut upstream).await.unwrap(), "{}");
    assert_eq!(recv(&mut upstream).await, None);
    assert_eq!(within(upstream.end(Ending::Gentle)).await.cause, EndCause::Exited { code: 5 });
    within(gone).await.unwrap();
}

#[tokio::test]
async fn a_process_that_left_the_group_cannot_hang_the_channel() {
    let lab = Lab::impatient();
    let fifo = lab.fifo("go");
    // It ends when the test lets it.
    let server = format!("setsid sh -c 'read line < {}' & echo '{{}}'; exit 0", fifo.display());
    let mut upstream = lab.start(&lab.sh(&server)).await;
    assert_eq!(recv(&mut upstream).await.unwrap(), "{}");
    assert_eq!(recv(&mut upstream).await, None);
    assert_eq!(within(upstream.end(Ending::Gentle)).await.cause, EndCause::Exited { code: 0 });
    super::release(&fifo);
}

#[tokio::test]
async fn a_crash_has_its_code_and_the_last_words() {
    let lab = Lab::new();
    let server =
        lab.sh("echo '{\"a\":1}'; echo one >&2; printf '\\033[31mno such database\\033[0m' >&2; exit 3");
    let mut upstream = lab.start(&server).await;
    assert_eq!(recv(&mut upstream).await.unwrap(), "{\"a\":1}", "what it sent before is still there");
    assert_eq!(recv(&mut upstream).await, None);
    let reason = within(upstream.end(Ending::Gentle)).await;
    assert_eq!(reason.cause, EndCause::Exited { code: 3 });
    assert_eq!(reason.last_words, ["one", "no such database"]);
    assert_eq!(reason.to_string(), "the server exited with code 3; it last said: no such database");
    assert!(lab.log(&server).contains("no such database\n"), "{}", lab.log(&server));
}

#[tokio::test]
async fn everything_written_before_an_exit_arrives_however_slowly_it_is_read() {
    let lab = Lab::new();
    let mut upstream =
        lab.start(&lab.sh("i=0; while [ $i -lt 500 ]; do echo \"{$i}\"; i=$((i+1)); done")).await;
    within(upstream.sender().ended()).await;
    for number in 0..500 {
        assert_eq!(recv(&mut upstream).await.unwrap(), format!("{{{number}}}"));
    }
    assert_eq!(recv(&mut upstream).await, None);
}

#[tokio::test]
async fn a_signal_is_told_apart() {
    let lab = Lab::new();
    let mut upstream = lab.start(&lab.sh("kill -SEGV $$")).await;
    assert_eq!(recv(&mut upstream).await, None);
    assert_eq!(within(upstream.sender().ended()).await.cause, EndCause::Signaled { signal: 11 });
    assert_eq!(upstream.send("{}").await, Err(UpstreamError::Ended));
}

#[tokio::test]
async fn closing_the_output_and_staying_is_an_end() {
    let lab = Lab::impatient();
    let mut upstream = lab.start(&lab.sh("exec >&-; while :; do sleep 1000; done")).await;
    assert_eq!(recv(&mut upstream).await, None);
    assert_eq!(within(upstream.sender().ended()).await.cause, EndCause::StdoutClosed);
}

#[tokio::test]
async fn shutting_down_ends_all_and_starts_none() {
    let lab = Lab::new();
    let server = lab.sh("exec cat");
    let mut upstreams = vec![lab.start(&server).await, lab.start(&server).await];
    assert_eq!(lab.launcher.running(), 2);
    within(lab.launcher.shutdown()).await;
    for upstream in &mut upstreams {
        assert_eq!(recv(upstream).await, None);
        assert_eq!(within(upstream.sender().ended()).await.cause, EndCause::Ended);
    }
    assert!(lab.launcher.start(&server, &super::AGENT, &super::no_secrets).await.is_err());
}
