//! Which way a session takes between which NATs.

use std::time::{Duration, Instant};

use crate::network::{Nat, Network, ROUTER_A, ROUTER_B, TURN};
use crate::people::Desk;
use crate::servers::{Relay, coturn, rendezvous};

#[test]
fn through_two_cones_the_path_is_direct() {
    let Some(network) = Network::new(Nat::Cone, Nat::Cone) else { return };
    let (_coturn, _rendezvous) = (coturn(&network), rendezvous(&network, Relay::Offered));
    for (home, router) in [(&network.home_a, ROUTER_A), (&network.home_b, ROUTER_B)] {
        let [first, second] = Network::mappings(home);
        assert_eq!(first, second, "a cone shows every destination the same port");
        assert_eq!(first.ip(), router);
    }

    let mut desk = Desk::start(&network);
    let agent = desk.pair();
    let _client = agent.reads(&desk, "Studio");
    let path = desk.path();
    assert!(path.contains("(direct") && path.contains(&ROUTER_B.to_string()), "{path}");
}

#[test]
fn through_two_symmetric_nats_the_path_is_relayed() {
    let Some(network) = Network::new(Nat::Symmetric, Nat::Symmetric) else { return };
    let (_coturn, _rendezvous) = (coturn(&network), rendezvous(&network, Relay::Offered));
    for home in [&network.home_a, &network.home_b] {
        let [first, second] = Network::mappings(home);
        assert_ne!(first, second, "a symmetric NAT shows each destination another port");
    }

    let mut desk = Desk::start(&network);
    let agent = desk.pair();
    let _client = agent.reads(&desk, "Studio");
    let path = desk.path();
    assert!(path.contains("(relayed") && path.contains(&TURN.to_string()), "{path}");
}

#[test]
fn between_a_cone_and_a_symmetric_nat_a_relay_is_needed_and_found() {
    for (a, b) in [(Nat::Cone, Nat::Symmetric), (Nat::Symmetric, Nat::Cone)] {
        let Some(network) = Network::new(a, b) else { return };
        let (_coturn, _rendezvous) = (coturn(&network), rendezvous(&network, Relay::Offered));
        let desk = Desk::start(&network);
        let agent = desk.trust();
        let _client = agent.reads(&desk, &desk.link());
        // The symmetric side sends from a port that the other side cannot know, and the cone lets in only what it knows.
        let path = desk.path();
        assert!(path.contains("(relayed"), "{a:?} {b:?}: {path}");
    }
}

#[test]
fn without_a_relay_two_symmetric_nats_are_named_as_the_cause() {
    let Some(network) = Network::new(Nat::Symmetric, Nat::Symmetric) else { return };
    let (_coturn, _rendezvous) = (coturn(&network), rendezvous(&network, Relay::None));
    let mut desk = Desk::start(&network);
    let agent = desk.trust();
    let (link, begun) = (desk.link(), Instant::now());
    let ended = agent.gives_up(&link);
    // Half a minute is what a person waits without suspecting that nothing happens any more.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let refused = desk.terminal.shows_line("no session on link meet");
    for (side, said) in [("agent", &ended.errors), ("desktop", &refused)] {
        for part in [
            "the networks of both sides hand out a new port for each destination",
            "no relay (TURN) is set up",
            "set one up at the rendezvous",
        ] {
            assert!(said.contains(part), "{side}: {part}: {said}");
        }
    }
}

#[test]
fn a_relay_that_does_not_answer_is_named_as_the_cause() {
    let Some(network) = Network::new(Nat::Symmetric, Nat::Symmetric) else { return };
    // The rendezvous recommends a relay, and nothing runs there.
    let _rendezvous = rendezvous(&network, Relay::Offered);
    let desk = Desk::start(&network);
    let agent = desk.trust();
    let ended = agent.gives_up(&desk.link());
    assert_eq!(ended.code, Some(3), "{ended:?}");
    for part in
        ["no STUN server answered this side", "a relay (TURN) is set up, but gave this side no address"]
    {
        assert!(ended.errors.contains(part), "{part}: {}", ended.errors);
    }
}
