//! From lines to the parts of a description: which are known, how often they may stand, what they may say.

use super::{
    Candidate, FRAGMENTS, FRAGMENTS_VERSION, MaxMessageSize, SdpError, SdpRules, Setup,
    candidate::{is_ice_char, number},
    lines::{Line, lines},
};
use crate::{Fingerprint, FingerprintError};

/// Candidate lines that are looked at. Thirty times the usual limit on kept ones: a text with more is an attack or
/// a fault, and not a machine with many addresses.
const MAX_CANDIDATE_LINES: usize = 1000;

/// RFC 8839 section 5.4: 4 to 256 characters.
const UFRAG_LEN: std::ops::RangeInclusive<usize> = 4..=256;

/// RFC 8839 section 5.4: 22 to 256 characters, which are at least 128 random bits.
const PWD_LEN: std::ops::RangeInclusive<usize> = 22..=256;

/// RFC 8841 section 4.5 names no default; every implementation uses this port.
const SCTP_PORT: u16 = 5000;

/// A `mid` of RFC 5888 has no limit; WebRTC's own are one to three characters, a UUID has 36.
const MAX_MID: usize = 64;

/// ICE options that mean something to the engine or to the connectivity checks, in the order they are written.
const ICE_OPTIONS: [&str; 2] = ["trickle", "ice2"];

/// Everything of a description that is understood.
pub(super) struct Description {
    /// Session id and version of the `o=` line.
    pub(super) session: (u64, u64),
    pub(super) ice_lite: bool,
    pub(super) fragments: Option<u64>,
    pub(super) mid: String,
    pub(super) ufrag: String,
    pub(super) pwd: String,
    pub(super) ice_options: Vec<&'static str>,
    pub(super) fingerprint: Fingerprint,
    pub(super) setup: Setup,
    pub(super) sctp_port: u16,
    pub(super) max_message_size: MaxMessageSize,
    pub(super) candidates: Vec<Candidate>,
    pub(super) dropped_candidates: usize,
    pub(super) end_of_candidates: bool,
}

impl Description {
    pub(super) fn read(text: &str, rules: &SdpRules) -> Result<Self, SdpError> {
        let mut draft = Draft::default();
        for line in lines(text, rules) {
            draft.line(line?, rules)?;
        }
        draft.finish()
    }
}

/// What has been read so far. An attribute that may stand at the session level and in the section has one place
/// here, so that two different values meet and are refused.
#[derive(Default)]
struct Draft<'a> {
    version: bool,
    session: Option<(u64, u64)>,
    name: bool,
    timing: bool,
    section: bool,
    ice_lite: bool,
    fragments: Option<u64>,
    mid: Option<&'a str>,
    ufrag: Option<&'a str>,
    pwd: Option<&'a str>,
    ice_options: [bool; ICE_OPTIONS.len()],
    fingerprint: Option<Fingerprint>,
    setup: Option<Setup>,
    sctp_port: Option<u16>,
    max_message_size: Option<MaxMessageSize>,
    candidates: Vec<Candidate>,
    dropped_candidates: usize,
    end_of_candidates: bool,
}

impl<'a> Draft<'a> {
    fn line(&mut self, line: Line<'a>, rules: &SdpRules) -> Result<(), SdpError> {
        let unexpected = SdpError::UnexpectedLine { line: line.number, kind: line.kind };
        match line.kind {
            'v' if line.number == 1 => {
                self.version = true;
                if line.value == "0" { Ok(()) } else { Err(bad_line(line)) }
            }
            _ if !self.version => Err(SdpError::MissingLine { kind: 'v' }),
            'm' => self.media(line),
            'a' => self.attribute(line, rules),
            // Titles, connection addresses, bandwidths and keys: ICE and DTLS decide all of it.
            'i' | 'c' | 'b' | 'k' => Ok(()),
            _ if self.section => Err(unexpected),
            'o' if self.session.is_none() => {
                self.session = Some(origin(line.value).ok_or(bad_line(line))?);
                Ok(())
            }
            's' if !self.name => {
                self.name = true;
                Ok(())
            }
            't' => {
                self.timing = true;
                Ok(())
            }
            'u' | 'e' | 'p' | 'r' | 'z' => Ok(()),
            _ => Err(unexpected),
        }
    }

    /// The one section: `m=application <port> <protocol> <format>`.
    fn media(&mut self, line: Line<'a>) -> Result<(), SdpError> {
        let mut fields = line.value.split(' ');
        if fields.next() != Some("application") {
            return Err(SdpError::ForeignSection { line: line.number });
        }
        if std::mem::replace(&mut self.section, true) {
            return Err(SdpError::SecondSection { line: line.number });
        }
        let (Some(port), Some(protocol), Some(format), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(bad_line(line));
        };
        match (protocol, format) {
            ("UDP/DTLS/SCTP" | "TCP/DTLS/SCTP" | "DTLS/SCTP", "webrtc-datachannel") => {}
            // Drafts of RFC 8841 had the SCTP port here and an `a=sctpmap` for it; old peers still offer that.
            ("DTLS/SCTP", port) => {
                let port = sctp_port(port).ok_or(bad_line(line))?;
                once(&mut self.sctp_port, port, line.number, "sctp-port")?;
            }
            _ => return Err(bad_line(line)),
        }
        match number::<u16>(port) {
            Some(0) => Err(SdpError::SectionRejected),
            Some(_) => Ok(()),
            None => Err(bad_line(line)),
        }
    }

    fn attribute(&mut self, line: Line<'a>, rules: &SdpRules) -> Result<(), SdpError> {
        let number = line.number;
        let (name, value) = line.value.split_once(':').unwrap_or((line.value, ""));
        let bad = |attribute, reason| SdpError::BadAttribute { line: number, attribute, reason };
        match (name, self.section) {
            ("fingerprint", _) => self.fingerprint(number, value),
            ("ice-ufrag", _) => {
                let good = UFRAG_LEN.contains(&value.len()) && value.chars().all(is_ice_char);
                let value = good
                    .then_some(value)
                    .ok_or(bad("ice-ufrag", "is not 4 to 256 letters, digits, '+' or '/'"))?;
                once(&mut self.ufrag, value, number, "ice-ufrag")
            }
            ("ice-pwd", _) => {
                let good = PWD_LEN.contains(&value.len()) && value.chars().all(is_ice_char);
                let value = good
                    .then_some(value)
                    .ok_or(bad("ice-pwd", "is not 22 to 256 letters, digits, '+' or '/'"))?;
                once(&mut self.pwd, value, number, "ice-pwd")
            }
            ("ice-options", _) => {
                for (seen, option) in self.ice_options.iter_mut().zip(ICE_OPTIONS) {
                    // RFC 8839 section 5.6 puts spaces between them, libdatachannel commas.
                    *seen |= value.split([' ', ',']).any(|named| named == option);
                }
                Ok(())
            }
            ("setup", _) => {
                let setup = match value {
                    "actpass" => Setup::ActPass,
                    "active" => Setup::Active,
                    "passive" => Setup::Passive,
                    _ => return Err(bad("setup", "is not actpass, active or passive")),
                };
                once(&mut self.setup, setup, number, "setup")
            }
            ("ice-lite", false) => {
                self.ice_lite = true;
                Ok(())
            }
            (FRAGMENTS, false) => match value.split_once(' ') {
                Some((FRAGMENTS_VERSION, max)) => {
                    let max = self::number::<u64>(max).filter(|max| *max > 0);
                    let max = max.ok_or(bad(FRAGMENTS, "does not say how many bytes the peer holds"))?;
                    once(&mut self.fragments, max, number, FRAGMENTS)
                }
                // Versions to come are for peers that know them.
                Some((version, _)) if self::number::<u32>(version).is_some() => Ok(()),
                _ => Err(bad(FRAGMENTS, "is not a version and a number of bytes")),
            },
            ("mid", true) => {
                let good = (1..=MAX_MID).contains(&value.len()) && value.bytes().all(is_token_byte);
                let value =
                    good.then_some(value).ok_or(bad("mid", "is not a token of 1 to 64 characters"))?;
                once(&mut self.mid, value, number, "mid")
            }
            ("sctp-port", true) => {
                let port = sctp_port(value).ok_or(bad("sctp-port", "is not a number from 1 to 65535"))?;
                once(&mut self.sctp_port, port, number, "sctp-port")
            }
            ("sctpmap", true) => {
                let mut fields = value.split(' ');
                let port = fields.next().and_then(sctp_port);
                let port = port.filter(|_| fields.next() == Some("webrtc-datachannel"));
                let port = port.ok_or(bad("sctpmap", "does not map a port to webrtc-datachannel"))?;
                once(&mut self.sctp_port, port, number, "sctp-port")
            }
            ("max-message-size", true) => {
                let size =
                    max_message_size(value).ok_or(bad("max-message-size", "is not a number of bytes"))?;
                once(&mut self.max_message_size, size, number, "max-message-size")
            }
            ("candidate", true) => self.candidate(number, value, rules),
            ("end-of-candidates", true) => {
                self.end_of_candidates = true;
                Ok(())
            }
            // What is not for data channels, or not for this level, does not reach the engine.
            _ => Ok(()),
        }
    }

    /// `a=fingerprint:<algorithm> <pairs>`, possibly several times.
    fn fingerprint(&mut self, line: usize, value: &str) -> Result<(), SdpError> {
        let algorithm = value.split_once(' ').map_or("", |(algorithm, _)| algorithm);
        let is_token = !algorithm.is_empty() && algorithm.bytes().all(is_token_byte);
        if is_token && !algorithm.eq_ignore_ascii_case("sha-256") {
            // RFC 8122 section 5: others may stand beside it.
            return Ok(());
        }
        // Here, other than between people, the algorithm must be named.
        let fingerprint =
            if is_token { value.parse() } else { Err(FingerprintError::Algorithm { found: String::new() }) };
        let fingerprint = fingerprint.map_err(|source| SdpError::BadFingerprint { line, source })?;
        match self.fingerprint.replace(fingerprint) {
            Some(earlier) if earlier != fingerprint => Err(SdpError::ConflictingFingerprints { line }),
            _ => Ok(()),
        }
    }

    fn candidate(&mut self, line: usize, value: &str, rules: &SdpRules) -> Result<(), SdpError> {
        if self.candidates.len() + self.dropped_candidates == MAX_CANDIDATE_LINES {
            return Err(SdpError::TooManyCandidates { limit: MAX_CANDIDATE_LINES });
        }
        match Candidate::read(value, line, rules)? {
            Some(candidate)
                if self.candidates.len() < rules.max_candidates
                    && !self.candidates.iter().any(|earlier| earlier.repeats(&candidate)) =>
            {
                self.candidates.push(candidate);
            }
            _ => self.dropped_candidates += 1,
        }
        Ok(())
    }

    fn finish(self) -> Result<Description, SdpError> {
        let missing = |attribute| SdpError::MissingAttribute { attribute };
        for (present, kind) in
            [(self.version, 'v'), (self.name, 's'), (self.timing, 't'), (self.section, 'm')]
        {
            if !present {
                return Err(SdpError::MissingLine { kind });
            }
        }
        Ok(Description {
            session: self.session.ok_or(SdpError::MissingLine { kind: 'o' })?,
            ice_lite: self.ice_lite,
            fragments: self.fragments,
            mid: self.mid.unwrap_or("0").to_owned(),
            ufrag: self.ufrag.ok_or(missing("ice-ufrag"))?.to_owned(),
            pwd: self.pwd.ok_or(missing("ice-pwd"))?.to_owned(),
            ice_options: ICE_OPTIONS
                .into_iter()
                .zip(self.ice_options)
                .filter_map(|(option, seen)| seen.then_some(option))
                .collect(),
            fingerprint: self.fingerprint.ok_or(SdpError::NoFingerprint)?,
            setup: self.setup.ok_or(missing("setup"))?,
            sctp_port: self.sctp_port.unwrap_or(SCTP_PORT),
            max_message_size: self.max_message_size.unwrap_or(MaxMessageSize::DEFAULT),
            candidates: self.candidates,
            dropped_candidates: self.dropped_candidates,
            end_of_candidates: self.end_of_candidates,
        })
    }
}

/// Fills a place, or finds it filled with the same: repeating oneself is harmless, two meanings are not.
fn once<T: PartialEq>(
    place: &mut Option<T>,
    value: T,
    line: usize,
    attribute: &'static str,
) -> Result<(), SdpError> {
    match place {
        Some(earlier) if *earlier != value => Err(SdpError::ConflictingAttribute { line, attribute }),
        _ => {
            *place = Some(value);
            Ok(())
        }
    }
}

fn bad_line(line: Line<'_>) -> SdpError {
    SdpError::BadLine { line: line.number, kind: line.kind }
}

/// `o=<username> <sess-id> <sess-version> <nettype> <addrtype> <unicast-address>`
fn origin(value: &str) -> Option<(u64, u64)> {
    let fields: Vec<&str> = value.split(' ').collect();
    let [_, id, version, "IN", "IP4" | "IP6", _] = fields[..] else { return None };
    Some((number(id)?, number(version)?))
}

/// Port 0 would be a closed association (RFC 8841 section 9.3).
fn sctp_port(value: &str) -> Option<u16> {
    number(value).filter(|port| *port > 0)
}

/// RFC 8841 section 6 sets no upper bound; what exceeds 32 bits is as good as their maximum.
fn max_message_size(value: &str) -> Option<MaxMessageSize> {
    /// No number needs more digits than `u64::MAX` has.
    const MAX_DIGITS: usize = 20;
    if value.is_empty() || value.len() > MAX_DIGITS || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(match value.parse::<u32>() {
        Ok(0) => MaxMessageSize::Unlimited,
        Ok(max) => MaxMessageSize::Limited(max),
        Err(_) => MaxMessageSize::Limited(u32::MAX),
    })
}

/// RFC 8866 section 9, `token-char`.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'(' | b')' | b',' | b'/' | b':'..=b'@' | b'['..=b']')
}
