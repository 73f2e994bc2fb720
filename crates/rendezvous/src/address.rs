//! Who comes from where, in numbers: connections and attempts per address. Nothing of it is logged or kept.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::bucket::{Bucket, Rate};
use crate::config::Limits;

/// How many addresses are counted at once, about 10 MB. Beyond it, those who are not known yet have to wait.
const MAX_ADDRESSES: usize = 100_000;

/// What counts as one address: an IPv4 address, or the network of an IPv6 one. Whoever has one address of a /64 has all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AddressKey {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl AddressKey {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => Self::V6(network(address)),
        }
    }
}

fn network(address: Ipv6Addr) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = address.octets();
    [a, b, c, d, e, f, g, h]
}

/// The counts of all addresses.
#[derive(Debug, Default)]
pub(crate) struct AddressBook {
    entries: Mutex<HashMap<AddressKey, Entry>>,
}

#[derive(Debug)]
struct Entry {
    open: usize,
    connects: Bucket,
    knocks: Bucket,
}

/// One connection's place among those of its address; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    book: Arc<AddressBook>,
    key: AddressKey,
}

impl AddressBook {
    /// Takes a place for a connection; `None` if the address has too many, or comes too often.
    pub(crate) fn enter(self: &Arc<Self>, key: AddressKey, limits: &Limits) -> Option<Place> {
        let now = Instant::now();
        let connects = Rate::per_minute(limits.connects_per_minute_per_address);
        let knocks = Rate::per_minute(limits.knocks_per_minute_per_address);
        let mut entries = self.entries();
        if entries.len() >= MAX_ADDRESSES && !entries.contains_key(&key) {
            entries.retain(|_, entry| !entry.is_idle(now, connects, knocks));
            if entries.len() >= MAX_ADDRESSES {
                return None;
            }
        }
        let entry = entries.entry(key).or_insert_with(|| Entry {
            open: 0,
            connects: Bucket::full(now, connects),
            knocks: Bucket::full(now, knocks),
        });
        let welcome = entry.connects.take(now, connects) && entry.open < limits.max_connections_per_address;
        entry.open += usize::from(welcome);
        drop(entries);
        welcome.then(|| Place { book: Arc::clone(self), key })
    }

    /// Forgets the addresses that have been quiet.
    pub(crate) fn sweep(&self, limits: &Limits) {
        let now = Instant::now();
        let connects = Rate::per_minute(limits.connects_per_minute_per_address);
        let knocks = Rate::per_minute(limits.knocks_per_minute_per_address);
        let mut entries = self.entries();
        entries.retain(|_, entry| !entry.is_idle(now, connects, knocks));
        if entries.capacity() > 4 * entries.len().max(256) {
            entries.shrink_to_fit();
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<AddressKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_idle(&mut self, now: Instant, connects: Rate, knocks: Rate) -> bool {
        self.open == 0 && self.connects.is_full(now, connects) && self.knocks.is_full(now, knocks)
    }
}

impl Place {
    /// Counts a knock; says whether the address may.
    pub(crate) fn may_knock(&self, limits: &Limits) -> bool {
        let rate = Rate::per_minute(limits.knocks_per_minute_per_address);
        let mut entries = self.book.entries();
        entries.get_mut(&self.key).is_none_or(|entry| entry.knocks.take(Instant::now(), rate))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(entry) = self.book.entries().get_mut(&self.key) {
            entry.open = entry.open.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_counts_as_one_address() {
        let key = |text: &str| AddressKey::of(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let book = Arc::new(AddressBook::default());
        let limits = Limits { max_connections_per_address: 2, ..Limits::default() };
        let (one, other) = (AddressKey::V4([192, 0, 2, 1]), AddressKey::V4([192, 0, 2, 2]));
        let first = book.enter(one, &limits).unwrap();
        let _second = book.enter(one, &limits).unwrap();
        assert!(book.enter(one, &limits).is_none());
        assert!(book.enter(other, &limits).is_some());
        drop(first);
        assert!(book.enter(one, &limits).is_some());
    }

    #[test]
    fn those_who_come_too_often_have_to_wait() {
        let book = Arc::new(AddressBook::default());
        let limits = Limits { connects_per_minute_per_address: 40, ..Limits::default() };
        let key = AddressKey::V4([192, 0, 2, 1]);
        assert_eq!((0..50).filter(|_| book.enter(key, &limits).is_some()).count(), 10);
        book.sweep(&limits);
        assert_eq!(book.entries().len(), 1, "what was used up is not forgotten");
    }
}
