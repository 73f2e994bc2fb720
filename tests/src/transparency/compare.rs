//! The comparisons: what passed through, and what two runs were answered.

use std::borrow::Cow;
use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::recording::Recording;

/// Something that a server makes up anew in each run, and that cannot be the same in two of them.
#[derive(Debug, Clone, Copy)]
pub struct Normaliser {
    /// Why the server's answers differ there, whoever asks.
    pub reason: &'static str,
    /// The regular expression of what is made up, with the text around it that marks it as such.
    pub pattern: &'static str,
    /// What stands for it in the comparison; `$1` is the first group of the pattern.
    pub replacement: &'static str,
}

impl Normaliser {
    fn apply<'line>(&self, line: &'line str) -> Cow<'line, str> {
        let pattern = Regex::new(self.pattern).unwrap_or_else(|error| panic!("{}: {error}", self.reason));
        pattern.replace_all(line, self.replacement)
    }
}

/// Finds where the messages that one side of a desktop sent are not those that came out on the other, byte for byte
/// and in the same order. The permitted differences are that the agent's roots are left out, and that the desktop
/// lists the server's tools for itself, to compare their definitions with those that the user lent.
pub fn difference_in_transit(agent: &Recording, server: &Recording) -> Option<String> {
    let sent =
        agent.client.iter().filter(|line| !blank(line) && method(line) != Some(ROOTS_CHANGED.to_owned()));
    let sent: Vec<Vec<u8>> = sent.cloned().collect();
    let arrived =
        server.client.iter().filter(|line| !asked_by_the_desktop(line)).cloned().collect::<Vec<_>>();
    if let Some(found) = lines_differ("from the agent to the server", &sent, &arrived, without_roots) {
        return Some(found);
    }
    let answers = server.server.iter().filter(|line| !answers_the_desktop(line)).cloned().collect::<Vec<_>>();
    // A client that leaves does not hear what the server says after that. Answers it waits for.
    let (heard, unheard) = answers.split_at(agent.server.len().min(answers.len()));
    if let Some(missing) = unheard.iter().find(|line| matches!(kind(line), Kind::Response(_))) {
        return Some(format!("an answer of the server did not arrive: {}", shown(missing, 0)));
    }
    lines_differ("from the server to the agent", heard, &agent.server, |sent, arrived| sent == arrived)
}

/// How the ids of a desktop's own requests begin.
const OWN_ID: &str = "gatelodge-gate-";

fn has_own_id(message: &Value) -> bool {
    message["id"].as_str().is_some_and(|id| id.starts_with(OWN_ID))
}

/// Whether this is the one request that a desktop makes itself.
fn asked_by_the_desktop(line: &[u8]) -> bool {
    let message: Value = serde_json::from_slice(line).unwrap_or_default();
    has_own_id(&message) && message["method"] == "tools/list"
}

fn answers_the_desktop(line: &[u8]) -> bool {
    let message: Value = serde_json::from_slice(line).unwrap_or_default();
    has_own_id(&message) && message.get("method").is_none()
}

const ROOTS_CHANGED: &str = "notifications/roots/list_changed";

/// Whether a message arrived as it was sent, or without the roots that it offered.
fn without_roots(sent: &[u8], arrived: &[u8]) -> bool {
    if sent == arrived {
        return true;
    }
    let Ok(mut message) = serde_json::from_slice::<Value>(sent) else { return false };
    let offered = ["/params/capabilities", "/params/_meta/io.modelcontextprotocol~1clientCapabilities"];
    let offered = offered.into_iter().any(|place| {
        let capabilities = message.pointer_mut(place).and_then(Value::as_object_mut);
        capabilities.is_some_and(|capabilities| capabilities.remove("roots").is_some())
    });
    offered && serde_json::from_slice::<Value>(arrived).is_ok_and(|arrived| arrived == message)
}

fn lines_differ(
    direction: &str,
    sent: &[Vec<u8>],
    arrived: &[Vec<u8>],
    same: impl Fn(&[u8], &[u8]) -> bool,
) -> Option<String> {
    for (index, (sent, arrived)) in sent.iter().zip(arrived).enumerate() {
        if !same(sent, arrived) {
            return Some(format!("message {index} {direction} {}", sides("sent", sent, "arrived", arrived)));
        }
    }
    let next = sent.get(arrived.len()).map(|line| ("lost", line));
    let next = next.or(arrived.get(sent.len()).map(|line| ("made up", line)));
    next.map(|(what, line)| {
        let (sent, arrived) = (sent.len(), arrived.len());
        format!("{direction} {sent} messages were sent and {arrived} arrived; {what}: {}", shown(line, 0))
    })
}

/// Finds where two runs of the same client differ. Within a direction, requests keep their order, and so do the
/// notifications of each method; answers are matched by the id of what they answer.
pub fn difference_of_runs(one: &Recording, other: &Recording, normalisers: &[Normaliser]) -> Option<String> {
    let directions = [("the client", &one.client, &other.client), ("the server", &one.server, &other.server)];
    directions.into_iter().find_map(|(side, one, other)| {
        let (one, other) = (grouped(one, normalisers), grouped(other, normalisers));
        let groups = one.keys().chain(other.keys().filter(|group| !one.contains_key(*group)));
        groups.into_iter().find_map(|group| {
            let none = Vec::new();
            let (one, other) = (one.get(group).unwrap_or(&none), other.get(group).unwrap_or(&none));
            let pair = one.iter().zip(other).find(|(one, other)| one != other);
            match pair {
                Some((one, other)) => Some(sides("one run", one.as_bytes(), "the other", other.as_bytes())),
                None if one.len() != other.len() => {
                    Some(format!("{} times and {} times", one.len(), other.len()))
                }
                None => None,
            }
            .map(|difference| format!("{group} of {side}: {difference}"))
        })
    })
}

/// Returns the normalisers that have nothing to normalise in this recording.
pub fn needless<'a>(recording: &Recording, normalisers: &'a [Normaliser]) -> Vec<&'a Normaliser> {
    let lines = recording.client.iter().chain(&recording.server).map(|line| String::from_utf8_lossy(line));
    let lines: Vec<_> = lines.collect();
    let unused =
        normalisers.iter().filter(|normaliser| lines.iter().all(|line| normaliser.apply(line) == *line));
    unused.collect()
}

/// Replaces all that the normalisers know.
pub(super) fn normalised(text: &str, normalisers: &[Normaliser]) -> String {
    normalisers.iter().fold(text.to_owned(), |text, normaliser| normaliser.apply(&text).into_owned())
}

fn grouped(lines: &[Vec<u8>], normalisers: &[Normaliser]) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        let text = normalised(&String::from_utf8_lossy(line), normalisers);
        let group = match kind(line) {
            Kind::Request => "requests".to_owned(),
            Kind::Notification(method) => format!("notifications {method}"),
            Kind::Response(id) => format!("the answer to {id}"),
            Kind::Other => "other lines".to_owned(),
        };
        groups.entry(group).or_default().push(text);
    }
    groups
}

enum Kind {
    Request,
    Notification(String),
    Response(String),
    Other,
}

fn kind(line: &[u8]) -> Kind {
    let Ok(message) = serde_json::from_slice::<Value>(line) else { return Kind::Other };
    match (message.get("method").and_then(Value::as_str), message.get("id")) {
        (Some(_), Some(_)) => Kind::Request,
        (Some(method), None) => Kind::Notification(method.to_owned()),
        (None, Some(id)) => Kind::Response(id.to_string()),
        (None, None) => Kind::Other,
    }
}

fn method(line: &[u8]) -> Option<String> {
    match kind(line) {
        Kind::Notification(method) => Some(method),
        _ => None,
    }
}

fn blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

/// Shows two messages from a little before their first difference.
fn sides(one_name: &str, one: &[u8], other_name: &str, other: &[u8]) -> String {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    format!(
        "differ from byte {same}\n  {one_name}: {}\n  {other_name}: {}",
        shown(one, same),
        shown(other, same)
    )
}

fn shown(line: &[u8], place: usize) -> String {
    let (begin, end) = (place.saturating_sub(80), (place + 240).min(line.len()));
    let cut = |there: bool| if there { "..." } else { "" };
    let text = String::from_utf8_lossy(&line[begin.min(end)..end]);
    format!("{}{text}{} ({} bytes)", cut(begin > 0), cut(end < line.len()), line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(client: &[&str], server: &[&str]) -> Recording {
        let lines = |lines: &[&str]| lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        Recording { client: lines(client), server: lines(server), client_ended: true }
    }

    #[test]
    fn in_transit_only_the_roots_may_go() {
        let offers = r#"{"id":1,"method":"initialize","params":{"capabilities":{"roots":{},"x":1}}}"#;
        let without = r#"{"id":1,"method":"initialize","params":{"capabilities":{"x":1}}}"#;
        let more = r#"{"id":1,"method":"initialize","params":{"capabilities":{}}}"#;
        let changed = r#"{"method":"notifications/roots/list_changed"}"#;
        let sent = recording(&[offers, changed], &[]);
        assert_eq!(difference_in_transit(&sent, &recording(&[without], &[])), None);
        assert!(difference_in_transit(&sent, &recording(&[more], &[])).is_some());
        assert!(difference_in_transit(&recording(&[without], &[]), &recording(&[more], &[])).is_some());
    }

    #[test]
    fn in_transit_every_byte_and_every_message_counts() {
        let (a, b, answer) =
            (r#"{"id":1,"method":"m"}"#, r#"{"id":1, "method":"m"}"#, r#"{"id":1,"result":1.0}"#);
        let notice = r#"{"method":"n"}"#;
        let sent = recording(&[a], &[answer]);
        assert_eq!(difference_in_transit(&sent, &sent), None);
        for arrived in [recording(&[b], &[answer]), recording(&[], &[answer]), recording(&[a, a], &[answer])]
        {
            assert!(difference_in_transit(&sent, &arrived).is_some(), "{arrived:?}");
        }
        // What the server sends when the client has gone may stay away, unless it is an answer.
        assert_eq!(difference_in_transit(&sent, &recording(&[a], &[answer, notice])), None);
        assert!(difference_in_transit(&sent, &recording(&[a], &[answer, answer])).is_some());
        assert!(difference_in_transit(&sent, &recording(&[a], &[r#"{"id":1,"result":1}"#])).is_some());
        assert!(difference_in_transit(&sent, &recording(&[a], &[])).is_some());
    }

    #[test]
    fn in_transit_the_desktop_may_list_tools_for_itself() {
        let (ask, own) = (r#"{"id":1,"method":"m"}"#, r#"{"id":"gatelodge-gate-1","method":"tools/list"}"#);
        let (told, own_told) = (r#"{"id":1,"result":1}"#, r#"{"id":"gatelodge-gate-1","result":1}"#);
        let sent = recording(&[ask], &[told]);
        assert_eq!(difference_in_transit(&sent, &recording(&[own, ask], &[own_told, told])), None);
        let call = r#"{"id":"gatelodge-gate-1","method":"tools/call"}"#;
        assert!(difference_in_transit(&sent, &recording(&[call, ask], &[told])).is_some());
        assert!(
            difference_in_transit(&recording(&[ask], &[own_told, told]), &recording(&[ask], &[told]))
                .is_some()
        );
    }

    #[test]
    fn runs_may_differ_in_what_is_independent() {
        let (one, two) = (r#"{"id":1,"result":1}"#, r#"{"id":2,"result":2}"#);
        let (n, m) = (r#"{"method":"n","params":"12:00"}"#, r#"{"method":"m"}"#);
        let run = recording(&[], &[n, one, m, two]);
        assert_eq!(difference_of_runs(&run, &recording(&[], &[two, one, m, n]), &[]), None);
        let later = recording(&[], &[r#"{"method":"n","params":"12:01"}"#, one, m, two]);
        assert!(difference_of_runs(&run, &later, &[]).is_some());
        let clock = Normaliser { reason: "the time", pattern: r"\d\d:\d\d", replacement: "TIME" };
        assert_eq!(difference_of_runs(&run, &later, &[clock]), None);
        assert!(needless(&run, &[clock]).is_empty());
        assert_eq!(needless(&recording(&[], &[one]), &[clock]).len(), 1);
        for other in [&[n, one, m][..], &[n, one, m, two, m], &[n, two, m, two]] {
            assert!(difference_of_runs(&run, &recording(&[], other), &[clock]).is_some(), "{other:?}");
        }
    }

    #[test]
    fn requests_keep_their_order() {
        let (a, b) = (r#"{"id":1,"method":"a"}"#, r#"{"id":2,"method":"b"}"#);
        assert!(difference_of_runs(&recording(&[a, b], &[]), &recording(&[b, a], &[]), &[]).is_some());
    }
}
