//! Checks of the ways in that listen on this machine, and where the others lead.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use gatelodge_wire::RendezvousUrl;

use super::Check;
use crate::link::{LinkDefinition, LinkId, LinkKind};
use crate::pairing::own_addresses;

/// What the ids of a link's checks begin with.
fn id(link: &LinkDefinition) -> String {
    format!("link.{}", link.id)
}

/// Checks `links`, and `link.<id>` for each. `open` says which are open, where the desktop runs.
pub(super) fn checks(links: &[LinkDefinition], open: Option<&HashMap<LinkId, String>>) -> Vec<Check> {
    if links.iter().all(|link| !link.enabled) {
        return vec![Check::warning(
            "links",
            "no link is open, so that no agent can reach this desktop",
            "add one, such as: gatelodge host links add meet rendezvous https://HOST",
        )];
    }
    links.iter().map(|link| check(link, open)).collect()
}

fn check(link: &LinkDefinition, open: Option<&HashMap<LinkId, String>>) -> Check {
    if !link.enabled {
        return Check::skipped(id(link), "the link is disabled");
    }
    let address = open.map(|open| open.get(&link.id));
    let bind = match &link.kind {
        LinkKind::Rendezvous { url } => {
            return match address {
                Some(Some(_)) => Check::ok(id(link), format!("this desktop is registered at {url}")),
                Some(None) => Check::failed(
                    id(link),
                    format!("this desktop is not registered at {url}, and goes on trying"),
                    "the following checks say why",
                ),
                None => Check::skipped(
                    id(link),
                    "a desktop that does not run is not registered; the following checks say \
                                                  whether it could be",
                ),
            };
        }
        LinkKind::Tcp { bind } | LinkKind::WebSocket { bind } | LinkKind::Embedded { bind } => *bind,
    };
    match address {
        Some(Some(address)) => Check::ok(id(link), format!("open at {address}; {}", reached(bind))),
        _ => listening(link, bind, address.is_some()),
    }
}

/// Finds out by an attempt why a link does not listen, or whether it could.
fn listening(link: &LinkDefinition, bind: SocketAddr, running: bool) -> Check {
    let error = match TcpListener::bind(bind) {
        Ok(_) if running => {
            return Check::failed(
                id(link),
                format!("it is not open, although {bind} is free now"),
                format!("open it again: gatelodge host links disable {0}, then enable {0}", link.id),
            );
        }
        Ok(_) => return Check::ok(id(link), format!("{bind} is free to listen at; {}", reached(bind))),
        Err(error) => error,
    };
    let (found, advice) = match error.kind() {
        ErrorKind::AddrInUse => (
            format!("port {} is in use by another program", bind.port()),
            "end that program, or use another port in the link".to_owned(),
        ),
        ErrorKind::AddrNotAvailable => (
            format!("this machine does not have the address {} (any more)", bind.ip()),
            format!("use 0.0.0.0:{} in the link, for whatever address it has", bind.port()),
        ),
        ErrorKind::PermissionDenied => (
            format!("the system does not let gatelodge listen at port {}", bind.port()),
            "use a port from 1024 on in the link".to_owned(),
        ),
        _ => (format!("it cannot listen at {bind} ({error})"), "use another address in the link".to_owned()),
    };
    Check::failed(id(link), found, advice)
}

/// Says from where an address is reached.
fn reached(bind: SocketAddr) -> String {
    if bind.ip().is_loopback() {
        return "only programs on this machine reach it".to_owned();
    }
    if !bind.ip().is_unspecified() {
        return format!("whoever reaches {} reaches it", bind.ip());
    }
    let own = own_addresses().into_iter().filter(|ip| bind.is_ipv6() || ip.is_ipv4());
    let own: Vec<String> = own.take(4).map(|ip| ip.to_string()).collect();
    match own.is_empty() {
        true => "this machine has no address on any network, though".to_owned(),
        false => format!("this machine's addresses are {}", own.join(", ")),
    }
}

/// Returns the rendezvous of the links, each with what the ids of its checks begin with.
pub(super) fn rendezvous(
    links: &[LinkDefinition],
    open: Option<&HashMap<LinkId, String>>,
) -> Vec<(String, RendezvousUrl)> {
    let of_link = |link: &LinkDefinition| {
        let url = match &link.kind {
            LinkKind::Rendezvous { url } => url.clone(),
            // Where the embedded one listens is known while it runs only.
            LinkKind::Embedded { .. } => {
                let address = open?.get(&link.id)?;
                address.split("/#").next()?.parse().ok()?
            }
            LinkKind::Tcp { .. } | LinkKind::WebSocket { .. } => return None,
        };
        Some((id(link), url))
    };
    links.iter().filter(|link| link.enabled).filter_map(of_link).collect()
}
