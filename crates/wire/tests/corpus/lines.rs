//! Kinds of lines, and sections.

use gatelodge_wire::SdpError;

use super::{BASE, Case, END_LINE, FACTS, SECTION, SECTION_LINE, accepted, after, before, edit, refused};

pub(super) fn cases() -> Vec<Case> {
    let missing = |kind| SdpError::MissingLine { kind };
    let bad = |line, kind| SdpError::BadLine { line, kind };
    let unexpected = |line, kind| SdpError::UnexpectedLine { line, kind };
    let foreign = |line| SdpError::ForeignSection { line };
    let section = |by: &str| edit(SECTION, &format!("{by}\n"));
    vec![
        refused("no version line", edit("v=0\n", ""), missing('v')),
        refused("version 1", edit("v=0\n", "v=1\n"), bad(1, 'v')),
        refused("version twice", edit("s=-\n", "v=0\ns=-\n"), unexpected(3, 'v')),
        refused("no origin", edit("o=- 1234567890 2 IN IP4 127.0.0.1\n", ""), missing('o')),
        refused("origin that overflows", edit("1234567890", "18446744073709551616"), bad(2, 'o')),
        refused("origin with a sign", edit("1234567890", "+1"), bad(2, 'o')),
        refused("no name", edit("s=-\n", ""), missing('s')),
        refused("no timing", edit("t=0 0\n", ""), missing('t')),
        refused("no section", BASE.split(SECTION).next().unwrap_or_default(), missing('m')),
        refused(
            "audio only",
            edit("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "m=audio 9 UDP/TLS/RTP/SAVPF 111"),
            foreign(SECTION_LINE),
        ),
        refused(
            "audio before data",
            before(SECTION, "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=mid:1\n"),
            foreign(SECTION_LINE),
        ),
        refused("video after data", after("m=video 9 UDP/TLS/RTP/SAVPF 96\n"), foreign(END_LINE)),
        refused("rejected video after data", after("m=video 0 UDP/TLS/RTP/SAVPF 96\n"), foreign(END_LINE)),
        refused("two data sections", after(SECTION), SdpError::SecondSection { line: END_LINE }),
        refused("rejected section", edit("application 9", "application 0"), SdpError::SectionRejected),
        refused(
            "section with a port that is no number",
            edit("application 9", "application x"),
            bad(SECTION_LINE, 'm'),
        ),
        refused(
            "section with a port over 65535",
            edit("application 9", "application 65536"),
            bad(SECTION_LINE, 'm'),
        ),
        refused("section with ports", edit("application 9", "application 9/2"), bad(SECTION_LINE, 'm')),
        refused("section of another protocol", section("m=application 9 UDP/BFCP *"), bad(SECTION_LINE, 'm')),
        refused(
            "section of another format",
            section("m=application 9 UDP/DTLS/SCTP t38"),
            bad(SECTION_LINE, 'm'),
        ),
        refused(
            "section with two formats",
            section("m=application 9 UDP/DTLS/SCTP webrtc-datachannel 0"),
            bad(SECTION_LINE, 'm'),
        ),
        refused("section with two spaces", edit("application 9", "application  9"), bad(SECTION_LINE, 'm')),
        accepted("section over TCP", edit("UDP/DTLS", "TCP/DTLS"), FACTS),
        accepted("section of the older form", edit("UDP/DTLS", "DTLS"), FACTS),
        accepted("section with a port number as format", section("m=application 9 DTLS/SCTP 5000"), FACTS),
        refused(
            "section with another port number as format",
            section("m=application 9 DTLS/SCTP 5001"),
            SdpError::ConflictingAttribute { line: 14, attribute: "sctp-port" },
        ),
        refused("garbage after the end", after("garbage\n"), SdpError::NotALine { line: END_LINE }),
        refused("a session line after the section", after("t=0 0\n"), unexpected(END_LINE, 't')),
        refused("a second description after the end", after(BASE), unexpected(END_LINE, 'v')),
        refused("an empty line in the middle", edit("s=-\n", "\ns=-\n"), SdpError::NotALine { line: 3 }),
        accepted("empty lines at the end", after("\r\n\n"), FACTS),
        accepted("no line end at the end", BASE.trim_end(), FACTS),
        refused("an unknown kind of line", edit("s=-\n", "s=-\nq=1\n"), unexpected(4, 'q')),
        refused("a kind of two letters", edit("s=-\n", "ss=-\n"), SdpError::NotALine { line: 3 }),
        refused("a kind in upper case", edit("s=-\n", "S=-\n"), SdpError::NotALine { line: 3 }),
        refused("indented lines", BASE.replace('\n', "\n "), SdpError::NotALine { line: 2 }),
        refused("an HTML page", "<!DOCTYPE html><html></html>", SdpError::NotALine { line: 1 }),
        refused("JSON", r#"{"type":"offer","sdp":"v=0"}"#, SdpError::NotALine { line: 1 }),
    ]
}
