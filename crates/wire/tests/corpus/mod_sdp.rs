//! Session descriptions that peers send, by accident or on purpose, and what must become of each.
//!
//! A table for the tests of this crate, and of those that hand descriptions to the engine: include it by
//! `#[path]`. Samples of real peers are files beside this one; the others are edits of one plain description, so that
//! each shows the one thing that it is about.

use gatelodge_wire::{MaxMessageSize, SdpError, SdpRules};

mod attributes;
mod candidates;
mod fingerprints;
mod limits;
mod lines;
mod samples;

/// A plain offer with two candidates that are kept. Nothing in it is left out or defaulted.
pub(crate) const BASE: &str = "v=0
o=- 1234567890 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=mid:0
a=ice-ufrag:abcd
a=ice-pwd:0123456789abcdefABCD+/
a=ice-options:trickle
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF
a=setup:actpass
a=sctp-port:5000
a=max-message-size:262144
a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host
a=candidate:2 1 udp 1694498815 198.51.100.1 50001 typ srflx raddr 192.0.2.1 rport 50000
";

/// The fingerprint line of [`BASE`], its line number, and its value alone.
const FINGERPRINT: &str = "a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\n";
const FINGERPRINT_LINE: usize = 12;
const PAIRS: &str =
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";

/// Another fingerprint.
const OTHER: &str =
    "FF:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";

/// The section line of [`BASE`], and its number.
const SECTION: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n";
const SECTION_LINE: usize = 6;

/// The first candidate of [`BASE`], and its line number.
const CANDIDATE: &str = "a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host\n";
const CANDIDATE_LINE: usize = 16;

/// The line after the last one of [`BASE`].
const END_LINE: usize = 18;

/// One description and what must become of it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) sdp: Vec<u8>,
    pub(crate) rules: SdpRules,
    pub(crate) expect: Expect,
}

/// What must become of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expect {
    Accepted(Facts),
    Refused(SdpError),
}

/// What an accepted description says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) candidates: usize,
    pub(crate) dropped: usize,
    pub(crate) max_message_size: MaxMessageSize,
    pub(crate) fragments: Option<u64>,
}

/// What [`BASE`] says.
pub(crate) const FACTS: Facts =
    Facts { candidates: 2, dropped: 0, max_message_size: MaxMessageSize::Limited(262_144), fragments: None };

/// Every case.
pub(crate) fn cases() -> Vec<Case> {
    [
        samples::cases(),
        fingerprints::cases(),
        limits::cases(),
        lines::cases(),
        attributes::cases(),
        candidates::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn case(name: &'static str, sdp: impl Into<Vec<u8>>, expect: Expect) -> Case {
    Case { name, sdp: sdp.into(), rules: SdpRules::default(), expect }
}

fn accepted(name: &'static str, sdp: impl Into<Vec<u8>>, facts: Facts) -> Case {
    case(name, sdp, Expect::Accepted(facts))
}

fn refused(name: &'static str, sdp: impl Into<Vec<u8>>, error: SdpError) -> Case {
    case(name, sdp, Expect::Refused(error))
}

/// [`BASE`] with one part replaced. Panics if that part is not there, or more than once.
fn edit(part: &str, by: &str) -> String {
    assert_eq!(BASE.matches(part).count(), 1, "{part}");
    BASE.replace(part, by)
}

/// [`BASE`] with lines before one of its parts.
fn before(part: &str, lines: &str) -> String {
    edit(part, &format!("{lines}{part}"))
}

/// [`BASE`] with lines after it.
fn after(lines: &str) -> String {
    format!("{BASE}{lines}")
}
