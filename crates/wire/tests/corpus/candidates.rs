//! Candidates: which are kept, left out, refused.

use gatelodge_wire::{SdpError, SdpRules};

use super::{
    BASE, CANDIDATE, CANDIDATE_LINE, Case, FACTS, Facts, SECTION, accepted, after, before, edit, refused,
};

pub(super) fn cases() -> Vec<Case> {
    let line = CANDIDATE_LINE;
    let bad = |reason| SdpError::BadCandidate { line, reason };
    let address = |address: &str| edit("192.0.2.1 50000", &format!("{address} 50000"));
    let dropped = Facts { candidates: 1, dropped: 1, ..FACTS };
    let loopback = SdpRules::with_loopback(true);
    let port = "the port is not a number from 0 to 65535";
    vec![
        accepted(
            "no candidates",
            BASE.split(CANDIDATE).next().unwrap_or_default(),
            Facts { candidates: 0, ..FACTS },
        ),
        accepted("a candidate twice", after(CANDIDATE), Facts { dropped: 1, ..FACTS }),
        accepted("a candidate at the session level", before(SECTION, CANDIDATE), FACTS),
        accepted("IPv6 candidate", address("2001:db8::1"), FACTS),
        accepted("IPv4-mapped candidate", address("::ffff:192.0.2.1"), FACTS),
        accepted("multicast candidate", address("224.0.0.251"), dropped),
        accepted("IPv6 multicast candidate", address("ff02::fb"), dropped),
        accepted("IPv4-mapped multicast candidate", address("::ffff:224.0.0.251"), dropped),
        accepted("broadcast candidate", address("255.255.255.255"), dropped),
        accepted("unspecified candidate", address("0.0.0.0"), dropped),
        accepted("candidate in 0.0.0.0/8", address("0.0.0.1"), dropped),
        accepted("IPv6 unspecified candidate", address("::"), dropped),
        accepted("IPv4-mapped unspecified candidate", address("::ffff:0.0.0.0"), dropped),
        accepted("IPv4-compatible candidate", address("::127.0.0.1"), dropped),
        accepted("loopback candidate", address("127.0.0.1"), dropped),
        accepted("another loopback candidate", address("127.8.9.10"), dropped),
        accepted("IPv6 loopback candidate", address("::1"), dropped),
        accepted("IPv4-mapped loopback candidate", address("::ffff:127.0.0.1"), dropped),
        Case { rules: loopback, ..accepted("loopback candidate, allowed", address("127.0.0.1"), FACTS) },
        Case { rules: loopback, ..accepted("IPv6 loopback candidate, allowed", address("::1"), FACTS) },
        Case {
            rules: loopback,
            ..accepted("multicast candidate, loopback allowed", address("224.0.0.251"), dropped)
        },
        accepted("IPv6 link-local candidate", address("fe80::1"), dropped),
        accepted("candidate with a zone", address("fe80::1%eth0"), dropped),
        accepted("mDNS candidate", address("6b7d0945-72bb-4f2e-bf63-7d1e41947719.local"), dropped),
        accepted("host name candidate", address("example.com"), dropped),
        accepted("octal address candidate", address("0300.0.2.1"), dropped),
        accepted("decimal address candidate", address("3221225985"), dropped),
        accepted(
            "TCP candidate",
            edit("1 1 udp", "1 1 tcp").replace("typ host\n", "typ host tcptype passive\n"),
            dropped,
        ),
        accepted("candidate for RTCP", edit("1 1 udp", "1 2 udp"), dropped),
        accepted("candidate of an unknown type", edit("typ host", "typ carrier-pigeon"), dropped),
        accepted("candidate with port 0", edit(" 50000 typ host", " 0 typ host"), dropped),
        accepted(
            "candidate in upper case",
            edit(
                "1 1 udp 2130706431 192.0.2.1 50000 typ host",
                "1 1 UDP 2130706431 192.0.2.1 50000 TYP HOST",
            ),
            FACTS,
        ),
        accepted(
            "candidate with extensions",
            edit("typ host", "typ host generation 0 ufrag abcd network-id 1"),
            FACTS,
        ),
        accepted("candidate with a hidden related address", edit("raddr 192.0.2.1", "raddr x.local"), FACTS),
        refused("candidate with port 65536", edit(" 50000 typ host", " 65536 typ host"), bad(port)),
        refused("candidate with a negative port", edit(" 50000 typ host", " -1 typ host"), bad(port)),
        refused("candidate with a port that is no number", edit(" 50000 typ host", " x typ host"), bad(port)),
        refused(
            "candidate with priority 0",
            edit("2130706431", "0"),
            bad("the priority is not a number from 1 to 2147483647"),
        ),
        refused(
            "candidate with priority over 31 bits",
            edit("2130706431", "2147483648"),
            bad("the priority is not a number from 1 to 2147483647"),
        ),
        refused(
            "candidate with component 0",
            edit("1 1 udp", "1 0 udp"),
            bad("the component is not a number from 1 to 256"),
        ),
        refused(
            "candidate with component 257",
            edit("1 1 udp", "1 257 udp"),
            bad("the component is not a number from 1 to 256"),
        ),
        refused(
            "candidate with a bad foundation",
            edit("candidate:1 1", "candidate:a_b 1"),
            bad("the foundation is not 1 to 32 letters, digits, '+' or '/'"),
        ),
        refused(
            "candidate with a long foundation",
            edit("candidate:1 1", &format!("candidate:{} 1", "a".repeat(33))),
            bad("the foundation is not 1 to 32 letters, digits, '+' or '/'"),
        ),
        refused("candidate without a type", edit(" typ host", ""), bad("it has fewer than eight fields")),
        refused(
            "candidate without anything",
            edit("candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host", "candidate"),
            bad("it has fewer than eight fields"),
        ),
        refused(
            "candidate with another seventh field",
            edit("typ host", "type host"),
            bad("the seventh field is not 'typ'"),
        ),
        refused(
            "related address without a port",
            edit(" rport 50000", ""),
            SdpError::BadCandidate { line: line + 1, reason: "the related address has no port" },
        ),
    ]
}
