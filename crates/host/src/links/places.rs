//! Where agents can reach what listens here.

use std::net::{IpAddr, SocketAddr};

/// Returns the addresses under which others reach a socket that listens on `bind`: those of this machine's interfaces where
/// it listens on all of them.
///
/// Loopback is the answer only if there is nothing else, and IPv4 comes first: it is what people type, and what home
/// networks have.
pub(crate) fn reached(bind: SocketAddr) -> Vec<SocketAddr> {
    if !bind.ip().is_unspecified() {
        return vec![bind];
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "this machine's addresses cannot be read");
        Vec::new()
    });
    among(bind, interfaces.iter().map(if_addrs::Interface::ip))
}

fn among(bind: SocketAddr, own: impl Iterator<Item = IpAddr>) -> Vec<SocketAddr> {
    let of_use = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => bind.is_ipv6() && !address.is_loopback() && !address.is_unicast_link_local(),
    };
    let mut addresses: Vec<_> = own.filter(of_use).collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.dedup();
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
        among(bind.parse().unwrap(), own).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_others_can_use_is_named() {
        let own = ["127.0.0.1", "::1", "fe80::1", "2001:db8::7", "192.0.2.7", "169.254.1.1"];
        assert_eq!(shown("0.0.0.0:7424", &own), ["192.0.2.7:7424"]);
        assert_eq!(shown("[::]:7424", &own), ["192.0.2.7:7424", "[2001:db8::7]:7424"]);
        assert_eq!(shown("0.0.0.0:1", &["127.0.0.1"]), ["127.0.0.1:1"]);
        let one: SocketAddr = "127.0.0.1:5".parse().unwrap();
        assert_eq!(reached(one), [one]);
    }
}
