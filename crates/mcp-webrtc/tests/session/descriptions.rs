//! Every odd description of the wire crate's table ends in a typed error or in a session that is given up; none in a
//! panic or a hang.

use std::time::Duration;

use gatelodge_wire::SdpRules;
use mcp_webrtc::SessionError;
use mcp_webrtc::signaling::{Signal, Signaling, memory};

use crate::harness::{builder, within_limit};

#[allow(dead_code, unreachable_pub)]
#[path = "../../../wire/tests/corpus/mod_sdp.rs"]
mod corpus;

use corpus::Expect;

#[tokio::test]
async fn odd_offers_and_answers_end_in_typed_errors() {
    within_limit(async {
        let mut tried = 0;
        for case in corpus::cases() {
            // A signaling object is text; what is not cannot come this far.
            let Ok(sdp) = String::from_utf8(case.sdp) else { continue };
            for offering in [false, true] {
                // Nobody is there to connect to, so what is accepted runs into this deadline.
                let builder =
                    builder().local(case.rules.loopback).handshake_deadline(Duration::from_millis(20));
                let (link, mut other) = memory();
                let sdp = sdp.clone();
                let answer = async move {
                    if offering {
                        other.receive().await.unwrap();
                        other.send(Signal::Answer { sdp }).await.unwrap();
                    } else {
                        other.send(Signal::Offer { sdp }).await.unwrap();
                    }
                    while let Ok(Some(signal)) = other.receive().await {
                        if matches!(signal, Signal::Bye) {
                            break;
                        }
                    }
                };
                let attempt = async move {
                    if offering { builder.offer(link).await } else { builder.answer(link).await }
                };
                let (session, ()) = tokio::join!(attempt, answer);
                let error = session.unwrap_err();
                // Some cases are about rules that a session does not have, and then only need an end.
                let usual = case.rules == SdpRules::with_loopback(case.rules.loopback);
                match (&case.expect, &error) {
                    (Expect::Refused(due), SessionError::Sdp(got)) if !usual || due == got => {}
                    (
                        Expect::Accepted(_),
                        SessionError::TimedOut { .. }
                        | SessionError::NoPath(_)
                        | SessionError::Handshake
                        | SessionError::Engine(_)
                        | SessionError::PassiveOffer,
                    ) => {}
                    (Expect::Accepted(_), SessionError::Sdp(_)) if !usual => {}
                    (expect, _) => panic!("{}: {error:?} instead of {expect:?}", case.name),
                }
                tried += 1;
            }
        }
        assert!(tried >= 80, "only {tried} descriptions were tried");
    })
    .await;
}
