//! Where agents reach this desktop, for invitations: what the open links are at, seen from elsewhere.

use std::net::{IpAddr, SocketAddr};
use std::sync::PoisonError;

use gatelodge_wire::{MAX_PLACES, PlaceScheme, PlaceUrl};

use crate::desktop::{Desktop, OpenLink};
use crate::link::LinkKind;

/// Returns the places for an invitation, the best first. Those that lead to this desktop from this machine alone are in it
/// only if there is no other.
pub(crate) fn places(desktop: &Desktop) -> Vec<PlaceUrl> {
    let open = desktop.open_links.lock().unwrap_or_else(PoisonError::into_inner);
    // The links in a fixed order, rendezvous that are elsewhere first.
    let mut links: Vec<_> = open.values().collect();
    links.sort_by_key(|link| {
        (!matches!(link.definition.kind, LinkKind::Rendezvous { .. }), link.definition.id.clone())
    });
    let of_link = |link: &OpenLink| match link.definition.kind {
        LinkKind::Rendezvous { .. } | LinkKind::Embedded { .. } => link.places.clone(),
        LinkKind::Tcp { .. } | LinkKind::WebSocket { .. } => link.address.iter().cloned().collect(),
    };
    let addresses: Vec<String> = links.into_iter().flat_map(of_link).collect();
    drop(open);
    chosen(&addresses, &own_addresses())
}

/// How good a place is; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// A rendezvous: from everywhere.
    Rendezvous,
    /// A name or an address that the person chose.
    Chosen,
    /// An address of this machine, on whatever network.
    Network,
    /// From this machine alone.
    Machine,
}

fn chosen(addresses: &[String], own: &[IpAddr]) -> Vec<PlaceUrl> {
    let mut found = Vec::new();
    for place in addresses.iter().filter_map(|address| address.parse::<PlaceUrl>().ok()) {
        let scheme = place.scheme();
        let bound = place.as_str().split_once("://").and_then(|(_, rest)| rest.parse::<SocketAddr>().ok());
        match bound {
            Some(bound) if bound.ip().is_loopback() => found.push((Reach::Machine, place)),
            _ if matches!(scheme, PlaceScheme::Http | PlaceScheme::Https) => {
                found.push((Reach::Rendezvous, place));
            }
            Some(bound) if bound.ip().is_unspecified() => {
                // A socket on all IPv6 addresses takes IPv4 as well.
                let fits = |ip: &&IpAddr| bound.is_ipv6() || ip.is_ipv4();
                let urls = own.iter().filter(fits).map(|ip| SocketAddr::new(*ip, bound.port()));
                let urls = urls.filter_map(|address| format!("{}://{address}", scheme.as_str()).parse().ok());
                found.extend(urls.map(|url| (Reach::Network, url)));
                // Without a network there is still this machine.
                let loopback: IpAddr =
                    if bound.is_ipv6() { [0, 0, 0, 0, 0, 0, 0, 1].into() } else { [127, 0, 0, 1].into() };
                let here = SocketAddr::new(loopback, bound.port());
                found.extend(
                    format!("{}://{here}", scheme.as_str()).parse().ok().map(|url| (Reach::Machine, url)),
                );
            }
            _ => found.push((Reach::Chosen, place)),
        }
    }
    // Within one reach the order stays.
    found.sort_by_key(|(reach, _)| *reach);
    let beyond = found.iter().any(|(reach, _)| *reach != Reach::Machine);
    let mut places: Vec<PlaceUrl> = Vec::new();
    for (reach, place) in found {
        if places.len() < MAX_PLACES && !(beyond && reach == Reach::Machine) && !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// The machine's addresses by which others may reach it, those of real networks before those of virtual ones.
pub(crate) fn own_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "the machine's addresses are not known");
        Vec::new()
    });
    let is_virtual = |name: &str| {
        ["docker", "veth", "br-", "virbr", "vmnet", "vboxnet"].iter().any(|kind| name.starts_with(kind))
    };
    let mut addresses: Vec<(bool, bool, IpAddr)> = interfaces
        .into_iter()
        .filter(|interface| match interface.ip() {
            IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
            IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
        })
        .map(|interface| (is_virtual(&interface.name), interface.ip().is_ipv6(), interface.ip()))
        .collect();
    addresses.sort();
    addresses.into_iter().map(|(_, _, ip)| ip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(addresses: &[&str], own: &[&str]) -> Vec<String> {
        let addresses: Vec<_> = addresses.iter().map(|&address| address.to_owned()).collect();
        let own: Vec<IpAddr> = own.iter().map(|ip| ip.parse().unwrap()).collect();
        chosen(&addresses, &own).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn places_are_those_that_lead_here_from_elsewhere() {
        let own = ["192.168.1.20", "2001:db8::5"];
        assert_eq!(places(&["tcp://0.0.0.0:7420"], &own), ["tcp://192.168.1.20:7420"]);
        assert_eq!(places(&["ws://[::]:80"], &own), ["ws://192.168.1.20:80", "ws://[2001:db8::5]:80"]);
        assert_eq!(places(&["tcp://0.0.0.0:7420"], &[]), ["tcp://127.0.0.1:7420"]);
        assert_eq!(places(&["tcp://127.0.0.1:1", "tcp://127.0.0.1:1"], &own), ["tcp://127.0.0.1:1"]);
        assert_eq!(
            places(
                &["tcp://127.0.0.1:1", "tcp://0.0.0.0:2", "tcp://192.0.2.1:3", "https://meet.example"],
                &own
            ),
            ["https://meet.example", "tcp://192.0.2.1:3", "tcp://192.168.1.20:2"]
        );
        let many: Vec<String> = (1..9).map(|number| format!("tcp://192.0.2.{number}:1")).collect();
        assert_eq!(places(&many.iter().map(String::as_str).collect::<Vec<_>>(), &own).len(), MAX_PLACES);
        assert_eq!(places(&["something else"], &own), [""; 0]);
    }
}
