//! Which way a session takes between which NATs.

use crate::network::{Nat, Network, ROUTER_A, ROUTER_B};
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
