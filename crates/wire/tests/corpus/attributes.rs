//! Attributes other than fingerprints and candidates.

use gatelodge_wire::{MaxMessageSize, SdpError};

use super::{Case, END_LINE, FACTS, Facts, SECTION, SECTION_LINE, accepted, after, before, edit, refused};

pub(super) fn cases() -> Vec<Case> {
    let missing = |attribute| SdpError::MissingAttribute { attribute };
    let conflict = |line, attribute| SdpError::ConflictingAttribute { line, attribute };
    let bad = |line, attribute, reason| SdpError::BadAttribute { line, attribute, reason };
    let ufrag = |line| bad(line, "ice-ufrag", "is not 4 to 256 letters, digits, '+' or '/'");
    let pwd = |line| bad(line, "ice-pwd", "is not 22 to 256 letters, digits, '+' or '/'");
    let port = |line| bad(line, "sctp-port", "is not a number from 1 to 65535");
    let size = |line| bad(line, "max-message-size", "is not a number of bytes");
    let limited = |max| Facts { max_message_size: MaxMessageSize::Limited(max), ..FACTS };
    let max = "a=max-message-size:262144\n";
    let fragments = |value: &str| before(SECTION, &format!("a=x-mcp-fragments:{value}\n"));
    let no_bytes = bad(SECTION_LINE, "x-mcp-fragments", "does not say how many bytes the peer holds");
    let no_pair = bad(SECTION_LINE, "x-mcp-fragments", "is not a version and a number of bytes");
    vec![
        refused("no ufrag", edit("a=ice-ufrag:abcd\n", ""), missing("ice-ufrag")),
        refused("no pwd", edit("a=ice-pwd:0123456789abcdefABCD+/\n", ""), missing("ice-pwd")),
        refused("short ufrag", edit("abcd\n", "abc\n"), ufrag(9)),
        refused("long ufrag", edit("abcd\n", &format!("{}\n", "a".repeat(257))), ufrag(9)),
        refused("ufrag with a space", edit("abcd\n", "ab cd\n"), ufrag(9)),
        accepted("ufrag of the greatest length", edit("abcd\n", &format!("{}\n", "a".repeat(256))), FACTS),
        refused("short pwd", edit("ABCD+/", "ABCD+"), pwd(10)),
        refused("long pwd", edit("ABCD+/", &"a".repeat(241)), pwd(10)),
        refused("pwd with a colon", edit("ABCD+/", "ABCD:/"), pwd(10)),
        refused("pwd that is not ASCII", edit("ABCD+/", "ABCDü/"), pwd(10)),
        accepted("ufrag at both levels, the same", before(SECTION, "a=ice-ufrag:abcd\n"), FACTS),
        refused(
            "ufrag at both levels, different",
            before(SECTION, "a=ice-ufrag:abce\n"),
            conflict(10, "ice-ufrag"),
        ),
        refused(
            "pwd twice, different",
            after("a=ice-pwd:0123456789abcdefABCD+0\n"),
            conflict(END_LINE, "ice-pwd"),
        ),
        refused("no setup", edit("a=setup:actpass\n", ""), missing("setup")),
        refused(
            "setup holdconn",
            edit("actpass", "holdconn"),
            bad(13, "setup", "is not actpass, active or passive"),
        ),
        accepted("setup twice, the same", after("a=setup:actpass\n"), FACTS),
        refused("setup twice, different", after("a=setup:active\n"), conflict(END_LINE, "setup")),
        refused(
            "setup at both levels, different",
            before(SECTION, "a=setup:passive\n"),
            conflict(14, "setup"),
        ),
        accepted("no mid", edit("a=mid:0\n", "").replace("a=group:BUNDLE 0\n", ""), FACTS),
        refused(
            "empty mid",
            edit("a=mid:0", "a=mid:"),
            bad(8, "mid", "is not a token of 1 to 64 characters"),
        ),
        refused(
            "mid with a space",
            edit("a=mid:0", "a=mid:0 1"),
            bad(8, "mid", "is not a token of 1 to 64 characters"),
        ),
        refused("mid twice, different", after("a=mid:1\n"), conflict(END_LINE, "mid")),
        accepted("no sctp-port", edit("a=sctp-port:5000\n", ""), FACTS),
        accepted("another sctp-port", edit("sctp-port:5000", "sctp-port:5001"), FACTS),
        refused("sctp-port 0", edit("sctp-port:5000", "sctp-port:0"), port(14)),
        refused("sctp-port over 65535", edit("sctp-port:5000", "sctp-port:65536"), port(14)),
        refused("sctp-port negative", edit("sctp-port:5000", "sctp-port:-1"), port(14)),
        refused("sctp-port empty", edit("sctp-port:5000", "sctp-port:"), port(14)),
        refused(
            "sctpmap of another port",
            after("a=sctpmap:5001 webrtc-datachannel 16\n"),
            conflict(END_LINE, "sctp-port"),
        ),
        refused(
            "sctpmap of another protocol",
            after("a=sctpmap:5000 t38 16\n"),
            bad(END_LINE, "sctpmap", "does not map a port to webrtc-datachannel"),
        ),
        accepted("no max-message-size", edit(max, ""), limited(65_536)),
        accepted(
            "max-message-size 0",
            edit("262144", "0"),
            Facts { max_message_size: MaxMessageSize::Unlimited, ..FACTS },
        ),
        accepted("max-message-size over 32 bits", edit("262144", "4294967296"), limited(u32::MAX)),
        accepted("max-message-size over 64 bits", edit("262144", "99999999999999999999"), limited(u32::MAX)),
        refused("max-message-size of a thousand digits", edit("262144", &"9".repeat(1000)), size(15)),
        refused("max-message-size negative", edit("262144", "-1"), size(15)),
        refused("max-message-size with a sign", edit("262144", "+1"), size(15)),
        refused("max-message-size empty", edit("262144", ""), size(15)),
        refused("max-message-size with text", edit("262144", "256k"), size(15)),
        accepted("max-message-size twice, the same", after(max), FACTS),
        refused(
            "max-message-size twice, different",
            after("a=max-message-size:0\n"),
            conflict(END_LINE, "max-message-size"),
        ),
        accepted(
            "max-message-size at the session level means nothing",
            before(SECTION, "a=max-message-size:x\n"),
            FACTS,
        ),
        accepted("fragments", fragments("1 67108864"), Facts { fragments: Some(67_108_864), ..FACTS }),
        accepted("fragments in the section mean nothing", after("a=x-mcp-fragments:1 67108864\n"), FACTS),
        accepted("fragments of a later version", fragments("2 whatever"), FACTS),
        accepted(
            "fragments of two versions",
            fragments("2 x\na=x-mcp-fragments:1 5"),
            Facts { fragments: Some(5), ..FACTS },
        ),
        refused("fragments without a size", fragments("1"), no_pair.clone()),
        refused("fragments without anything", fragments(""), no_pair.clone()),
        refused("fragments without a version", fragments("x 5"), no_pair),
        refused("fragments of size 0", fragments("1 0"), no_bytes.clone()),
        refused("fragments of negative size", fragments("1 -5"), no_bytes.clone()),
        refused("fragments over 64 bits", fragments("1 18446744073709551616"), no_bytes.clone()),
        refused("fragments with more text", fragments("1 5 6"), no_bytes),
        refused(
            "fragments twice, different",
            fragments("1 5\na=x-mcp-fragments:1 6"),
            conflict(SECTION_LINE + 1, "x-mcp-fragments"),
        ),
        accepted("attributes of other uses", after("a=rtcp-mux\na=inactive\na=\na=:\na=a:b:c\n"), FACTS),
    ]
}
