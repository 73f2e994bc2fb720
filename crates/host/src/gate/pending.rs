//! The requests that wait for an answer, by id.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use gatelodge_wire::{Json, RawId};

use super::record::Call;

/// A request's id, or a progress token, as every reader understands it: `"a"` and `"\u0061"` are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Id {
    Number(i64),
    Text(Box<str>),
}

impl Id {
    /// Reads an id. Nothing if it is `null`, too large for an integer, or a string with lone surrogates.
    pub(super) fn of(raw: RawId<'_>) -> Option<Self> {
        Self::read(raw.as_str())
    }

    /// Reads a string or an integer.
    pub(super) fn read(json: &str) -> Option<Self> {
        if json.starts_with('"') {
            return Json::parse(json).ok()?.string().map(|text| Self::Text(text.into()));
        }
        json.parse().ok().map(Self::Number)
    }
}

/// A request that waits for an answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) call: Call,
    pub(super) since: Instant,
    pub(super) token: Option<Id>,
    pub(super) stage: Stage,
    pub(super) approved: bool,
    /// Whether it lists tools from the first page on.
    pub(super) first_page: bool,
}

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The gate holds it; the receiver does not know of it.
    Held,
    /// It has been forwarded.
    Sent,
    /// It has been forwarded, and whoever made it has withdrawn it. An answer may still come.
    Cancelled,
}

/// The requests of one side that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Pending {
    calls: HashMap<Id, Waiting>,
    tokens: HashSet<Id>,
}

impl Pending {
    pub(super) fn contains(&self, id: &Id) -> bool {
        self.calls.contains_key(id)
    }

    pub(super) fn has_token(&self, token: &Id) -> bool {
        self.tokens.contains(token)
    }

    /// Whether there is no room for another one. Makes room where withdrawn requests were never answered, which the
    /// receiver is free to do.
    pub(super) fn is_full(&mut self, limit: usize) -> bool {
        if self.calls.len() >= limit {
            let oldest = self.calls.iter().filter(|(_, waiting)| waiting.stage == Stage::Cancelled);
            if let Some(id) = oldest.min_by_key(|(_, waiting)| waiting.since).map(|(id, _)| id.clone()) {
                self.remove(&id);
            }
        }
        self.calls.len() >= limit
    }

    pub(super) fn insert(&mut self, id: Id, waiting: Waiting) {
        self.tokens.extend(waiting.token.clone());
        self.calls.insert(id, waiting);
    }

    pub(super) fn get_mut(&mut self, id: &Id) -> Option<&mut Waiting> {
        self.calls.get_mut(id)
    }

    pub(super) fn remove(&mut self, id: &Id) -> Option<Waiting> {
        let waiting = self.calls.remove(id)?;
        if let Some(token) = &waiting.token {
            self.tokens.remove(token);
        }
        Some(waiting)
    }

    /// Takes out the request with this id if it has been forwarded.
    pub(super) fn answered(&mut self, id: &Id) -> Option<Waiting> {
        if self.calls.get(id)?.stage == Stage::Held {
            return None;
        }
        self.remove(id)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Waiting> {
        self.tokens.clear();
        self.calls.drain().map(|(_, waiting)| waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_what_readers_understand() {
        assert_eq!(Id::read("\"a\""), Id::read(r#""\u0061""#));
        assert_ne!(Id::read("\"1\""), Id::read("1"));
        assert_eq!(Id::read("-0"), Id::read("0"));
        for none in ["null", "1.5", "9223372036854775808", r#""\ud800""#, "1e3", "true"] {
            assert_eq!(Id::read(none), None, "{none}");
        }
    }
}
