//! What the server has said about its tools on this channel, compared with what the person lent.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use gatelodge_wire::Json;
use unicode_normalization::UnicodeNormalization;

use super::canonical::pin_of;
use super::policy::Definition;
use crate::grant::{Grant, ToolPin, ToolRule};

/// The longest definition of a tool that is read, in bytes. Real ones have a few kilobytes.
const MAX_DEFINITION: usize = 1 << 20;

/// The tools that are known, by name.
#[derive(Debug, Default)]
pub(super) struct Listing {
    tools: HashMap<Box<str>, Definition>,
    /// The first name of each folded form.
    folded: HashMap<String, Box<str>>,
    /// Whether the server has listed all there are since they last changed.
    complete: bool,
    /// The pins of tools that were first lent on this channel.
    learned: HashMap<Box<str>, ToolPin>,
    /// The changed definitions that have been told about.
    told: HashMap<Box<str>, Option<ToolPin>>,
}

/// News about a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolNews {
    /// A tool that the grant has no pin for: it is lent with this definition from now on.
    First {
        /// Its name.
        tool: String,
        /// What to compare with from now on.
        pin: ToolPin,
        /// The definition, as the server wrote it.
        definition: Bytes,
        /// Whether the grant had pins of other tools: the tool came after the person had lent the server.
        later: bool,
    },
    /// A tool whose definition is not the one that was lent. It is suspended.
    Changed {
        /// Its name.
        tool: String,
        /// The pin of the definition that was lent.
        lent: ToolPin,
        /// The pin of the one that came now; `None` if it has no canonical form.
        now: Option<ToolPin>,
        /// The definition that came now, as the server wrote it.
        definition: Bytes,
    },
}

impl Listing {
    /// Returns what is known of a tool.
    pub(super) fn look_up(&self, tool: &str) -> Definition {
        match self.tools.get(tool) {
            Some(&definition) => definition,
            None if self.complete => Definition::Missing,
            None => Definition::Unlisted,
        }
    }

    /// Forgets what was listed: it may not be true any more.
    pub(super) fn forget(&mut self) {
        self.tools.clear();
        self.folded.clear();
        self.complete = false;
    }

    /// Forgets also what was learned, since another grant is in force.
    pub(super) fn forget_all(&mut self) {
        *self = Self::default();
    }

    /// Notes that all pages have been seen.
    pub(super) fn completed(&mut self) {
        self.complete = true;
    }

    /// Takes in one page of tools. Returns for each whether the agent may see it, and what is new.
    pub(super) fn take_in(
        &mut self,
        grant: &Grant,
        message: &Bytes,
        tools: &[Json<'_>],
        limit: usize,
    ) -> (Vec<bool>, Vec<ToolNews>) {
        let names: Vec<_> = tools.iter().map(|tool| name_of(*tool)).collect();
        let mut seen = HashSet::new();
        let twice: HashSet<_> = names.iter().flatten().filter(|name| !seen.insert(name.as_str())).collect();
        let mut news = Vec::new();
        let mut visible: Vec<_> = Vec::with_capacity(tools.len());
        for (tool, name) in tools.iter().zip(&names) {
            let Some(name) = name else {
                visible.push(false);
                continue;
            };
            if self.tools.len() >= limit && !self.tools.contains_key(name.as_str()) {
                visible.push(false);
                continue;
            }
            let definition = if twice.contains(name) || self.collides(grant, name) {
                Definition::Ambiguous
            } else if grant.tools.of(name) == ToolRule::Deny {
                // Not lent, so that there is nothing to compare.
                Definition::Lent
            } else {
                self.compare(grant, name, message.slice(tool.range()), limit, &mut news)
            };
            self.tools.insert(name.as_str().into(), definition);
            visible.push(definition == Definition::Lent && grant.tools.of(name) != ToolRule::Deny);
        }
        // A later tool may have made an earlier one of the same page ambiguous.
        for (visible, name) in visible.iter_mut().zip(&names) {
            let name = name.as_deref().unwrap_or_default();
            *visible &= self.tools.get(name) == Some(&Definition::Lent);
        }
        (visible, news)
    }

    /// Whether the name can be taken for another one: of a tool that was listed, or of one that the grant names.
    fn collides(&mut self, grant: &Grant, name: &str) -> bool {
        let folded = fold(name);
        let granted = !grant.tools.tools.contains_key(name)
            && !grant.pins.contains_key(name)
            && grant.tools.tools.keys().chain(grant.pins.keys()).any(|other| fold(other) == folded);
        let first = self.folded.entry(folded).or_insert_with(|| name.into());
        if &**first == name {
            return granted;
        }
        let first = first.clone();
        self.tools.insert(first, Definition::Ambiguous);
        true
    }

    fn compare(
        &mut self,
        grant: &Grant,
        name: &str,
        definition: Bytes,
        limit: usize,
        news: &mut Vec<ToolNews>,
    ) -> Definition {
        // An ambiguous one stays so until the next listing.
        if self.tools.get(name) == Some(&Definition::Ambiguous) {
            return Definition::Ambiguous;
        }
        let text = std::str::from_utf8(&definition).ok().filter(|text| text.len() <= MAX_DEFINITION);
        let now = text.and_then(|text| pin_of(text).ok());
        let lent = grant.pins.get(name).or_else(|| self.learned.get(name)).copied();
        match (lent, now) {
            (Some(lent), Some(now)) if lent == now => {
                // Should it change once more, to what was told before, that is news again.
                self.told.remove(name);
                Definition::Lent
            }
            (Some(lent), now) => {
                if self.told.insert(name.into(), now) != Some(now) {
                    news.push(ToolNews::Changed { tool: name.to_owned(), lent, now, definition });
                }
                Definition::Changed
            }
            // A server that comes with ever new names gets no room for them.
            (None, Some(_)) if self.learned.len() >= limit => Definition::Changed,
            (None, Some(pin)) => {
                self.learned.insert(name.into(), pin);
                let later = !grant.pins.is_empty();
                news.push(ToolNews::First { tool: name.to_owned(), pin, definition, later });
                Definition::Lent
            }
            (None, None) => Definition::Changed,
        }
    }
}

fn name_of(tool: Json<'_>) -> Option<String> {
    tool.member("name")?.string().map(std::borrow::Cow::into_owned)
}

/// A name as people and sloppy programs tell names apart: compatible forms and cases are one.
fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let folded = name.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    folded.nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn names_are_folded() {
        for (a, b) in
            [("Read", "read"), ("ｒead", "read"), ("ﬁle", "FILE"), ("straße", "STRASSE"), ("ſend", "send")]
        {
            assert_eq!(fold(a), fold(b), "{a}");
        }
        assert_ne!(fold("read_file"), fold("readfile"));
    }
}
