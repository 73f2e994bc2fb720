//! Sizes, and characters that no line may contain.

use gatelodge_wire::{SdpError, SdpRules};

use super::{
    BASE, CANDIDATE, Case, END_LINE, FACTS, FINGERPRINT_LINE, Facts, SECTION, accepted, after, edit, refused,
};

pub(super) fn cases() -> Vec<Case> {
    let SdpRules { max_bytes, max_line, .. } = SdpRules::default();
    let too_large = |sdp: &str| SdpError::TooLarge { size: sdp.len(), limit: max_bytes };
    let control = |line, code| SdpError::ControlCharacter { line, code };
    let large = SdpRules { max_bytes: 16 << 20, ..SdpRules::default() };
    let long_line = after(&format!("a=x:{}\n", "y".repeat(10 << 20)));
    let sections = after(&SECTION.repeat(100_000));
    let many: String = (0..10_000).map(|i| CANDIDATE.replace("50000", &(10_000 + i).to_string())).collect();
    let many = after(&many);
    let too_long = SdpError::LineTooLong { line: END_LINE, size: (10 << 20) + 4, limit: max_line };
    let too_many = SdpError::TooManyCandidates { limit: 1000 };
    vec![
        refused("line of 10 MiB", long_line.clone(), too_large(&long_line)),
        Case { rules: large, ..refused("line of 10 MiB, size allowed", long_line, too_long) },
        refused("100,000 sections", sections.clone(), too_large(&sections)),
        Case {
            rules: large,
            ..refused("100,000 sections, size allowed", sections, SdpError::SecondSection { line: END_LINE })
        },
        refused("10,000 candidates", many.clone(), too_large(&many)),
        Case { rules: large, ..refused("10,000 candidates, size allowed", many.clone(), too_many.clone()) },
        refused(
            "1,001 candidates",
            many.lines().take(END_LINE - 1 + 999).fold(String::new(), |sdp, line| sdp + line + "\n"),
            too_many,
        ),
        accepted(
            "1,000 candidates",
            many.lines().take(END_LINE - 1 + 998).fold(String::new(), |sdp, line| sdp + line + "\n"),
            Facts { candidates: 32, dropped: 968, ..FACTS },
        ),
        accepted("a line of the greatest length", after(&format!("a={}\n", "y".repeat(max_line - 2))), FACTS),
        refused(
            "a line one byte longer",
            after(&format!("a={}\n", "y".repeat(max_line - 1))),
            SdpError::LineTooLong { line: END_LINE, size: max_line + 1, limit: max_line },
        ),
        refused("empty", "", SdpError::MissingLine { kind: 'v' }),
        refused("only line ends", "\r\n\n\r\n", SdpError::MissingLine { kind: 'v' }),
        refused("only a version", "v=0\r\n", SdpError::MissingLine { kind: 's' }),
        refused("NUL in a value", edit("a=mid:0", "a=mid:0\0"), control(8, 0)),
        refused("NUL in a line that is left out", edit("s=-", "s=\0"), control(3, 0)),
        refused("lone CR", edit("\na=mid", "\ra=mid"), control(7, 0x0D)),
        refused("two CR before LF", edit("s=-\n", "s=-\r\r\n"), control(3, 0x0D)),
        refused("tab", edit("sha-256 ", "sha-256\t"), control(FINGERPRINT_LINE, 0x09)),
        refused("next-line character", edit("s=-", "s=\u{85}"), control(3, 0x85)),
        refused(
            "invalid UTF-8",
            [b"v=0\ns=\xFF".as_slice(), BASE.as_bytes()].concat(),
            SdpError::NotUtf8 { offset: 6 },
        ),
        accepted("a session name in UTF-8", edit("s=-", "s=Über"), FACTS),
        refused("a byte order mark", format!("\u{FEFF}{BASE}"), SdpError::NotALine { line: 1 }),
    ]
}
