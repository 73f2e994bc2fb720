//! Where agents can reach what listens here.

use std::net::{IpAddr, SocketAddr};

use crate::pairing::own_addresses;

/// Returns the addresses under which others reach a socket that listens on `bind`: those of this machine's interfaces where
/// it listens on all of them, and loopback only if there is nothing else.
pub(crate) fn reached(bind: SocketAddr) -> Vec<SocketAddr> {
    if !bind.ip().is_unspecified() {
        return vec![bind];
    }
    among(bind, own_addresses())
}

fn among(bind: SocketAddr, own: Vec<IpAddr>) -> Vec<SocketAddr> {
    let mut addresses: Vec<_> = own.into_iter().filter(|own| bind.is_ipv6() || own.is_ipv4()).collect();
    if addresses.is_empty() {
        addresses.push(if bind.is_ipv6() { [0, 0, 0, 0, 0, 0, 0, 1].into() } else { [127, 0, 0, 1].into() });
    }
    addresses.into_iter().map(|address| SocketAddr::new(address, bind.port())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bind: &str, own: &[&str]) -> Vec<String> {
        let own = own.iter().map(|address| address.parse().unwrap());
        among(bind.parse().unwrap(), own.collect()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_others_can_use_is_named() {
        let own = ["192.0.2.7", "2001:db8::7"];
        assert_eq!(shown("0.0.0.0:7424", &own), ["192.0.2.7:7424"]);
        assert_eq!(shown("[::]:7424", &own), ["192.0.2.7:7424", "[2001:db8::7]:7424"]);
        assert_eq!(shown("0.0.0.0:1", &[]), ["127.0.0.1:1"]);
        let one: SocketAddr = "127.0.0.1:5".parse().unwrap();
        assert_eq!(reached(one), [one]);
    }
}
