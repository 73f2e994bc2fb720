//! Copy-paste links: two people, or one, between two terminals.

use mcp_webrtc::signaling::{PasteSignaling, Signal, Signaling, SignalingError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split};

use super::{answer, candidate, not_yet, offer, receive, receive_error, soon};

type Link = PasteSignaling<BufReader<ReadHalf<DuplexStream>>, WriteHalf<DuplexStream>>;

/// A link and the person at its terminal.
fn link_and_person() -> (Link, DuplexStream) {
    let (terminal, person) = duplex(1 << 20);
    let (input, output) = split(terminal);
    (PasteSignaling::new(BufReader::new(input), output), person)
}

/// What the terminal shows up to and with some words.
async fn shown_until(person: &mut DuplexStream, words: &str) -> String {
    let mut shown = Vec::new();
    while !shown.ends_with(words.as_bytes()) {
        shown.push(soon(person.read_u8()).await.unwrap());
    }
    String::from_utf8(shown).unwrap()
}

const ASK_OFFER: &str = "Paste an offer of the other side here:\n";
const ASK_ANSWER: &str = "Paste an answer of the other side here:\n";

/// The blob of `offer()` and of `answer()`.
const OFFER_BLOB: &str = "gatelodge-offer-1:AAAABXY9MA0K5Lo3zw.\n";
const ANSWER_BLOB: &str = "gatelodge-answer-1:AAAAC3Y9MA0Kcz3DvA0KZdRs4Q.\n";

#[tokio::test]
async fn a_person_carries_the_offer_there_and_the_answer_back() {
    let (mut desktop, mut at_desktop) = link_and_person();
    let (mut agent, mut at_agent) = link_and_person();

    desktop.send(offer()).await.unwrap();
    let shown = shown_until(&mut at_desktop, ".\n\n").await;
    assert_eq!(
        shown,
        format!("Give this to the other side, all of it up to the full stop at the end:\n\n{OFFER_BLOB}\n")
    );
    // The instruction comes along, as it does when somebody copies the whole screen.
    at_agent.write_all(shown.as_bytes()).await.unwrap();
    assert_eq!(receive(&mut agent).await, Some(offer()));
    shown_until(&mut at_agent, ASK_OFFER).await;

    agent.send(answer()).await.unwrap();
    let shown = shown_until(&mut at_agent, ".\n\n").await;
    assert!(shown.ends_with(&format!("\n\n{ANSWER_BLOB}\n")), "{shown}");
    at_desktop.write_all(ANSWER_BLOB.as_bytes()).await.unwrap();
    assert_eq!(receive(&mut desktop).await, Some(answer()));

    // Nothing else comes this way, and that is no reason to end a session.
    not_yet(agent.receive()).await;
    desktop.close().await;
    not_yet(agent.receive()).await;
    assert!(!agent.is_local());
    assert_eq!(agent.describe(), "copy and paste");
}

#[tokio::test]
async fn a_large_blob_comes_in_over_many_lines_and_in_pieces() {
    let (mut link, mut person) = link_and_person();
    let offer = Signal::Offer { sdp: "a=candidate:1 1 udp 1 192.0.2.7 9 typ host\r\n".repeat(100) };
    let (mut other, mut at_other) = link_and_person();
    other.send(offer.clone()).await.unwrap();
    let blob = shown_until(&mut at_other, ".\n\n").await.replace('\n', "\r\n\r\n");
    let person = tokio::spawn(async move {
        for piece in blob.as_bytes().chunks(7) {
            person.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        person
    });
    assert_eq!(receive(&mut link).await, Some(offer));
    person.await.unwrap();
}

#[tokio::test]
async fn a_blob_is_complete_without_the_end_of_its_line() {
    let (mut link, mut person) = link_and_person();
    person.write_all(OFFER_BLOB.trim_end().as_bytes()).await.unwrap();
    assert_eq!(receive(&mut link).await, Some(offer()));
}

#[tokio::test]
async fn what_is_unusable_is_explained_and_asked_for_again() {
    let (mut link, mut person) = link_and_person();
    link.send(offer()).await.unwrap();
    let waiting = tokio::spawn(async move { receive(&mut link).await });
    shown_until(&mut person, ASK_ANSWER).await;
    for (pasted, complaint) in [
        // The person's own blob.
        (OFFER_BLOB, "this is an offer, and an answer is needed here"),
        // Cut off, and then nothing happens, so the person presses Enter.
        (
            "gatelodge-answer-1:AAAAC3Y9\n\n\n",
            "the end is cut off; copy everything up to and with the full stop at its end",
        ),
        (
            "gatelodge-answer-1:AAAAC3Y9MA0Kcz3Dva0KZdRs4Q.\n",
            "a character in it is wrong; copy the text instead of typing it",
        ),
        (
            "What should I do?\n\n\n",
            "there is no offer or answer in this text; copy everything from `gatelodge-` to the full stop at its end",
        ),
    ] {
        person.write_all(pasted.as_bytes()).await.unwrap();
        let shown = shown_until(&mut person, ASK_ANSWER).await;
        assert_eq!(shown, format!("That did not work: {complaint}.\n{ASK_ANSWER}"));
    }
    person.write_all(ANSWER_BLOB.as_bytes()).await.unwrap();
    assert_eq!(soon(waiting).await.unwrap(), Some(answer()));
}

#[tokio::test]
async fn input_that_never_gets_better_ends_the_link() {
    let (mut link, mut person) = link_and_person();
    person.write_all(ANSWER_BLOB.repeat(5).as_bytes()).await.unwrap();
    let error = receive_error(&mut link).await;
    assert!(matches!(error, SignalingError::Paste(_)), "{error:?}");
    assert_eq!(receive(&mut link).await, None);
}

#[tokio::test]
async fn input_without_an_end_is_not_kept() {
    for flood in ["x", "\n", "x\n", ".\n", " .gatelodge-offer-"] {
        let (mut link, mut person) = link_and_person();
        let waiting = tokio::spawn(async move { link.receive().await });
        // Enough for five attempts of a little over 128 KiB; then nobody reads any more.
        let chunk = flood.repeat(4096 / flood.len());
        for _ in 0..6 * 128 * 1024 / chunk.len() {
            if person.write_all(chunk.as_bytes()).await.is_err() || waiting.is_finished() {
                break;
            }
        }
        // Short lines with nothing in them that could be a blob are forgotten, and no reason to give up.
        if ["\n", ".\n"].contains(&flood) {
            person.shutdown().await.unwrap();
        }
        let outcome = soon(waiting).await.unwrap();
        match flood {
            "\n" => assert!(matches!(outcome, Ok(None)), "{outcome:?}"),
            _ => assert!(matches!(outcome, Err(SignalingError::Paste(_))), "{flood:?}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn the_end_of_the_input_is_none_or_a_blob_that_is_cut_off() {
    let (mut link, mut person) = link_and_person();
    person.shutdown().await.unwrap();
    assert_eq!(receive(&mut link).await, None);

    let (mut link, mut person) = link_and_person();
    person.write_all(&OFFER_BLOB.as_bytes()[..30]).await.unwrap();
    person.shutdown().await.unwrap();
    let error = receive_error(&mut link).await;
    assert!(matches!(error, SignalingError::Paste(_)), "{error:?}");
}

#[tokio::test]
async fn a_receive_that_is_dropped_loses_nothing_and_asks_once() {
    let (mut link, mut person) = link_and_person();
    for part in ["gatelodge-", "offer-1:AAAABXY9", "\nMA0K5Lo"] {
        person.write_all(part.as_bytes()).await.unwrap();
        not_yet(link.receive()).await;
    }
    person.write_all(b"3zw.\n").await.unwrap();
    assert_eq!(receive(&mut link).await, Some(offer()));
    drop(link);
    let mut shown = String::new();
    person.read_to_string(&mut shown).await.unwrap();
    assert_eq!(shown, ASK_OFFER);
}

#[tokio::test]
async fn closing_and_bye_write_nothing_and_candidates_are_refused() {
    let (mut link, mut person) = link_and_person();
    let error = link.send(candidate("candidate:1")).await.unwrap_err();
    assert!(matches!(error, SignalingError::NoTrickle { .. }), "{error:?}");
    link.send(Signal::Bye).await.unwrap();
    link.close().await;
    link.close().await;
    assert_eq!(receive(&mut link).await, None);
    assert!(matches!(link.send(offer()).await, Err(SignalingError::Closed)));
    drop(link);
    let mut shown = String::new();
    person.read_to_string(&mut shown).await.unwrap();
    assert_eq!(shown, "");
}
