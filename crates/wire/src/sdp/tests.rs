use proptest::prelude::*;

use super::*;

/// One of everything, in an order and form that the normal form does not have.
const GIVEN: &str = "v=0
o=alice 18446744073709551615 7 IN IP6 2001:db8::7
s=A name
i=About
c=IN IP4 198.51.100.9
b=AS:30
t=0 0
a=ice-lite
a=x-mcp-fragments:1 67108864
a=ice-options:ice2,trickle renomination
a=fingerprint:SHA-256 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff
a=setup:active
m=application 50000 DTLS/SCTP 5001
a=candidate:a+/9 1 UDP 2130706431 ::ffff:192.0.2.1 50000 typ host generation 0
a=candidate:r 1 udp 16777215 2001:DB8:0:0::5 3478 typ relay raddr hidden.local rport 9
a=candidate:t 1 tcp 1518214911 192.0.2.1 9 typ host tcptype active
a=end-of-candidates
a=sctpmap:5001 webrtc-datachannel 65535
a=ice-pwd:0123456789abcdefABCD+/
a=ice-ufrag:abcd
a=mid:data
a=max-message-size:0
";

const NORMAL: &str = "v=0\r
o=- 18446744073709551615 7 IN IP4 0.0.0.0\r
s=-\r
t=0 0\r
a=group:BUNDLE data\r
a=ice-lite\r
a=x-mcp-fragments:1 67108864\r
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r
c=IN IP4 0.0.0.0\r
a=mid:data\r
a=ice-ufrag:abcd\r
a=ice-pwd:0123456789abcdefABCD+/\r
a=ice-options:trickle ice2\r
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r
a=setup:active\r
a=sctp-port:5001\r
a=max-message-size:0\r
a=candidate:a+/9 1 udp 2130706431 192.0.2.1 50000 typ host\r
a=candidate:r 1 udp 16777215 2001:db8::5 3478 typ relay raddr 0.0.0.0 rport 0\r
a=end-of-candidates\r
";

#[test]
fn exact_normal_form() {
    let sdp = Sdp::parse(GIVEN, &SdpRules::default()).unwrap();
    assert_eq!(sdp.as_str(), NORMAL);
    assert_eq!(sdp.max_message_size(), MaxMessageSize::Unlimited);
    assert_eq!(sdp.fragments(), Some(64 << 20));
    assert_eq!((sdp.candidates(), sdp.dropped_candidates()), (2, 1));
    assert_eq!(sdp.setup(), Setup::Active);
}

#[test]
fn debug_keeps_credentials_and_addresses_back() {
    let debug = format!("{:?}", Sdp::parse(GIVEN, &SdpRules::default()).unwrap());
    assert!(debug.contains("00:11:22:33"), "{debug}");
    assert!(!debug.contains("0123456789") && !debug.contains("192.0.2"), "{debug}");
}

#[test]
fn sizes_that_a_peer_takes() {
    assert!(MaxMessageSize::Limited(10).allows(10));
    assert!(!MaxMessageSize::Limited(10).allows(11));
    assert!(MaxMessageSize::Limited(0).allows(0));
    assert!(MaxMessageSize::Unlimited.allows(usize::MAX));
}

#[test]
fn fragments_are_announced_before_the_section() {
    let ours = "v=0\r\na=group:BUNDLE 0\r\nm=application 9 x y\r\na=m=1\r\n";
    let announced = "v=0\r\na=group:BUNDLE 0\r\na=x-mcp-fragments:1 5\r\nm=application 9 x y\r\na=m=1\r\n";
    assert_eq!(with_fragments(ours, 5), announced);
    assert_eq!(with_fragments(&with_fragments(ours, 4), 5), announced);
    assert_eq!(with_fragments("v=0\r\n", 5), "v=0\r\na=x-mcp-fragments:1 5\r\n");
    let sdp = Sdp::parse(&with_fragments(NORMAL, u64::MAX), &SdpRules::default()).unwrap();
    assert_eq!(sdp.fragments(), Some(u64::MAX));
}

#[test]
fn a_line_that_only_begins_like_the_announcement_stays() {
    let ours = "v=0\r\na=x-mcp-fragments-too:1\r\n";
    assert_eq!(with_fragments(ours, 5), format!("{ours}a=x-mcp-fragments:1 5\r\n"));
}

#[test]
fn trickled_candidates() {
    let rules = SdpRules::default();
    let normal = Ok(Some("candidate:1 1 udp 5 192.0.2.1 50000 typ host".to_owned()));
    for given in [
        "candidate:1 1 udp 5 192.0.2.1 50000 typ host",
        "a=candidate:1 1 udp 5 192.0.2.1 50000 typ host\r\n",
        "1 1 UDP 5 192.0.2.1 50000 typ host",
        "candidate:1 1 udp 5 192.0.2.1 50000 typ host generation 0 ufrag abcd network-id 1 network-cost 999",
    ] {
        assert_eq!(normalise_candidate(given, &rules), normal, "{given}");
    }
    for dropped in [
        "",
        "candidate:",
        "a=end-of-candidates",
        "candidate:1 1 udp 5 6b7d0945-72bb-4f2e-bf63-7d1e41947719.local 50000 typ host",
        "candidate:1 1 tcp 5 192.0.2.1 9 typ host tcptype active",
        "candidate:1 1 udp 5 127.0.0.1 50000 typ host",
        "candidate:1 1 udp 5 239.255.255.250 1900 typ host",
    ] {
        assert_eq!(normalise_candidate(dropped, &rules), Ok(None), "{dropped}");
    }
    let local =
        normalise_candidate("candidate:1 1 udp 5 127.0.0.1 50000 typ host", &SdpRules::with_loopback(true));
    assert_eq!(local.unwrap().as_deref(), Some("candidate:1 1 udp 5 127.0.0.1 50000 typ host"));
    assert!(matches!(
        normalise_candidate("candidate:1", &rules),
        Err(SdpError::BadCandidate { line: 1, .. })
    ));
    assert!(matches!(normalise_candidate("a\nb", &rules), Err(SdpError::ControlCharacter { code: 10, .. })));
    assert!(matches!(normalise_candidate("a\r", &rules), Err(SdpError::ControlCharacter { code: 13, .. })));
    assert!(matches!(
        normalise_candidate(&"a".repeat(2049), &rules),
        Err(SdpError::LineTooLong { size: 2049, .. })
    ));
}

/// Lines that make a description, or spoil one.
fn line() -> impl Strategy<Value = String> {
    let given = GIVEN.lines().chain(NORMAL.lines()).map(str::to_owned).collect::<Vec<_>>();
    let fingerprint = any::<[u8; 32]>().prop_map(|bytes| Fingerprint::from_bytes(bytes).to_string());
    prop_oneof![
        20 => prop::sample::select(given),
        2 => "[a-z]=[ -~]{0,40}",
        2 => "a=(candidate|setup|mid|sctp-port|max-message-size|ice-ufrag|x-mcp-fragments):[ -~]{0,40}",
        2 => candidate(),
        1 => fingerprint.prop_map(|pairs| format!("a=fingerprint:sha-256 {pairs}")),
        1 => any::<String>(),
    ]
}

fn candidate() -> impl Strategy<Value = String> {
    let address = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_ipv6_mapped().to_string()),
        "(127|0|224|255|10)\\.[0-9]{1,3}\\.0\\.1",
    ];
    let typ =
        prop::sample::select(vec!["host", "srflx", "prflx raddr 10.0.0.1 rport 7", "relay raddr x rport 1"]);
    ("[a-z0-9+/]{1,32}", 1..2_147_483_648_u32, address, any::<u16>(), typ).prop_map(
        |(foundation, priority, address, port, typ)| {
            format!("a=candidate:{foundation} 1 udp {priority} {address} {port} typ {typ}")
        },
    )
}

/// The given description with some lines put in, taken out or exchanged.
fn description() -> impl Strategy<Value = String> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, line()), 0..8);
    let candidates = prop::collection::vec(candidate(), 0..50);
    (edits, candidates, any::<bool>()).prop_map(|(edits, candidates, normal)| {
        let base = if normal { NORMAL } else { GIVEN };
        let mut lines: Vec<String> = base.lines().map(str::to_owned).chain(candidates).collect();
        for (place, what, line) in edits {
            let place = place.index(lines.len());
            match what {
                0 => lines.insert(place, line),
                1 => lines[place] = line,
                _ => drop(lines.remove(place)),
            }
        }
        lines.join("\n")
    })
}

proptest! {
    #[test]
    fn any_bytes_are_judged(bytes: Vec<u8>) {
        prop_assert!(Sdp::parse_bytes(&bytes, &SdpRules::default()).is_err());
    }

    #[test]
    fn what_is_accepted_is_in_its_normal_form(text in description(), loopback: bool) {
        let rules = SdpRules::with_loopback(loopback);
        let Ok(sdp) = Sdp::parse(&text, &rules) else { return Ok(()) };
        let again = Sdp::parse(sdp.as_str(), &rules).unwrap();
        prop_assert_eq!(&Sdp { dropped_candidates: sdp.dropped_candidates, ..again }, &sdp);
        let lines = |prefix: &str| sdp.as_str().split("\r\n").filter(|line| line.starts_with(prefix)).count();
        prop_assert_eq!(sdp.as_str().matches("fingerprint").count(), 1);
        prop_assert_eq!(lines(&format!("a=fingerprint:sha-256 {}", sdp.fingerprint())), 1);
        prop_assert_eq!(lines("m="), 1);
        prop_assert_eq!(lines("a=candidate:"), sdp.candidates());
        prop_assert!(sdp.candidates() <= rules.max_candidates);
        prop_assert_eq!(sdp.as_str().matches('\n').count(), sdp.as_str().matches("\r\n").count());
    }

    #[test]
    fn a_fingerprint_is_read_only_if_no_other_is_named(text in description(), other: [u8; 32], end: bool) {
        let rules = SdpRules::default();
        let Ok(sdp) = Sdp::parse(&text, &rules) else { return Ok(()) };
        let line = format!("a=fingerprint:Sha-256 {}", Fingerprint::from_bytes(other));
        let text = if end { format!("{text}\n{line}") } else { text.replacen("\nm=", &format!("\n{line}\nm="), 1) };
        let spoiled = Sdp::parse(&text, &rules);
        if sdp.fingerprint().as_bytes() == &other {
            prop_assert!(spoiled.is_ok());
        } else {
            let conflict = matches!(spoiled, Err(SdpError::ConflictingFingerprints { .. }));
            prop_assert!(conflict, "{:?}", spoiled);
        }
    }

    #[test]
    fn a_trickled_candidate_is_what_the_description_would_keep(line in candidate(), loopback: bool) {
        let rules = SdpRules::with_loopback(loopback);
        let alone = normalise_candidate(&line, &rules).unwrap();
        let within = Sdp::parse(&format!("{}{line}\n", GIVEN.replace("a=candidate", "a=x")), &rules).unwrap();
        prop_assert_eq!(within.candidates(), usize::from(alone.is_some()));
        if let Some(alone) = alone {
            let line = format!("a={alone}\r\n");
            prop_assert!(within.as_str().contains(&line));
            prop_assert_eq!(normalise_candidate(&alone, &rules), Ok(Some(alone)));
        }
    }

    #[test]
    fn no_candidate_leads_to_this_host_or_to_many(line in candidate()) {
        let Ok(Some(kept)) = normalise_candidate(&line, &SdpRules::default()) else { return Ok(()) };
        let address: std::net::IpAddr = kept.split(' ').nth(4).unwrap().parse().unwrap();
        prop_assert!(!address.is_loopback() && !address.is_multicast() && !address.is_unspecified());
        prop_assert_eq!(address, address.to_canonical());
    }
}

#[test]
fn another_max_message_size_changes_that_line_alone() {
    let sdp = Sdp::parse(NORMAL, &SdpRules::default()).unwrap();
    let changed = sdp.with_max_message_size(262_144);
    let again = Sdp::parse(&changed, &SdpRules::default()).unwrap();
    assert_eq!(again.max_message_size(), MaxMessageSize::Limited(262_144));
    let others = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with("a=max-message-size"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(others(&changed), others(sdp.as_str()));
}
