//! What a desktop behind a NAT gets over: a rendezvous that is restarted, and a router that forgets.

use std::time::Duration;

use crate::network::{Nat, Network};
use crate::people::Desk;
use crate::servers::{Relay, coturn, rendezvous};

#[test]
fn a_desktop_registers_again_when_the_rendezvous_was_restarted() {
    let Some(network) = Network::new(Nat::Cone, Nat::Cone) else { return };
    let (_coturn, first) = (coturn(&network), rendezvous(&network, Relay::None));
    let mut desk = Desk::start(&network);
    let agent = desk.trust();
    let link = desk.link();
    // A session that is up needs no rendezvous.
    let client = agent.reads(&desk, &link);
    drop(first);
    desk.terminal.shows("link meet is not open");
    agent.reads_more(&desk, client);
    let gone = agent.gives_up(&link);
    assert_eq!(gone.code, Some(3), "{gone:?}");

    let _second = rendezvous(&network, Relay::None);
    desk.terminal.shows("(link meet)");
    agent.reads(&desk, &link);
}

#[test]
fn a_session_goes_on_when_a_router_has_forgotten_its_mappings() {
    let Some(network) = Network::new(Nat::Cone, Nat::Cone) else { return };
    let (_coturn, _rendezvous) = (coturn(&network), rendezvous(&network, Relay::None));
    let desk = Desk::start(&network);
    let agent = desk.trust();
    let client = agent.reads(&desk, &desk.link());
    network.forget_mappings();
    agent.reads_more(&desk, client);
}

#[test]
fn a_desktop_registers_again_when_its_address_has_changed() {
    let Some(network) = Network::new(Nat::Symmetric, Nat::Cone) else { return };
    let (_coturn, _rendezvous) = (coturn(&network), rendezvous(&network, Relay::Offered));
    let mut desk = Desk::start(&network);
    let agent = desk.trust();
    let link = desk.link();
    agent.reads(&desk, &link);
    // The router gives the connection to the rendezvous another port from now on, where nobody knows it.
    network.forget_mappings();
    // The desktop asks after 40 s of silence, and counts the connection as lost after 60 s.
    desk.terminal.shows_within(Duration::from_secs(75), "link meet is not open");
    desk.terminal.shows("(link meet)");
    agent.reads(&desk, &link);
}
