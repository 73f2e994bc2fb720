//! Invitations as people see them: groups of eight characters, in which a typing error is found and located.
//!
//! The characters are those of Crockford's base32. The first seven of a group are data, the eighth is a check character
//! that depends on all of them and on the group's number: a wrong character, two that have changed places, and groups that
//! are swapped, missing or additional are told by the group's number. Eight in a row are few enough to read out, and the
//! check costs an eighth.
//!
//! With the characters `c[0]..c[7]` of group `g` (from 1) as elements of GF(32) modulo `x^5 + x^2 + 1`, where `a` is the
//! element `x`: the sum of `c[i] * a^(7-i)` is `g mod 32`. All powers differ, so that any one wrong character and any two
//! swapped ones change the sum. The data of all groups are one bit string: the binary form, then the beginning of its
//! SHA-256, at least 20 bits and as many as fill the last group.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{Invitation, InvitationError};

/// What an invitation's link begins with; the characters of the text follow, without spaces.
pub const INVITATION_LINK: &str = "gatelodge://pair/";

/// The longest text that is read, in bytes: over twice what the largest invitation has.
pub const MAX_INVITATION_TEXT: usize = 4096;

/// Crockford's digits.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a group, the check character among them.
const GROUP: usize = 8;

/// Bits of data in a group.
const GROUP_BITS: usize = 5 * (GROUP - 1);

/// The least bits of the total check: one error in a million that the groups miss is missed here as well.
const TOTAL_BITS: usize = 20;

/// Groups in a line of the text: a line fits a narrow window.
const GROUPS_IN_LINE: usize = 5;

/// How many faults a text's reader lists: with more, the text is another one.
const MAX_FAULTS: usize = 8;

/// The text forms of an invitation. They hold its secret, so they can't be printed by accident.
#[derive(Clone)]
pub struct InvitationText(Zeroizing<String>);

impl InvitationText {
    /// Writes an invitation.
    pub fn of(invitation: &Invitation) -> Self {
        let bytes = Zeroizing::new(invitation.to_bytes());
        let groups = (8 * bytes.len() + TOTAL_BITS).div_ceil(GROUP_BITS);
        let check = Sha256::digest(&bytes);
        let bit = |number: usize| {
            let byte = bytes.get(number / 8).or_else(|| check.get(number / 8 - bytes.len()));
            byte.map_or(0, |byte| byte >> (7 - number % 8) & 1)
        };
        let digit = |number: usize| (0..5).fold(0, |digit, at| digit << 1 | bit(5 * number + at));
        let mut text = Zeroizing::new(String::with_capacity(groups * GROUP));
        for group in 0..groups {
            let data: Vec<u8> = (0..GROUP - 1).map(|at| digit(group * (GROUP - 1) + at)).collect();
            let check = syndrome(&data) ^ number_element(group + 1);
            // The check character has the power zero, the data those above it.
            text.extend(data.iter().chain([&check]).map(|&digit| char::from(ALPHABET[usize::from(digit)])));
        }
        Self(text)
    }

    /// Returns the groups in lines of five, as they are shown and typed.
    pub fn groups(&self) -> String {
        let mut shown = String::new();
        for (number, group) in self.0.as_bytes().chunks(GROUP).enumerate() {
            if number > 0 {
                shown.push(if number % GROUPS_IN_LINE == 0 { '\n' } else { ' ' });
            }
            shown.extend(group.iter().map(|&byte| char::from(byte)));
        }
        shown
    }

    /// Returns the link, as browsers and chat programs take it.
    pub fn link(&self) -> String {
        format!("{INVITATION_LINK}{}", *self.0)
    }

    /// Returns the link in capitals, which mean the same and need less room in a QR code (its alphanumeric mode).
    pub fn for_qr(&self) -> String {
        format!("{}{}", INVITATION_LINK.to_ascii_uppercase(), *self.0)
    }
}

impl fmt::Debug for InvitationText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InvitationText(..)")
    }
}

/// Reads an invitation as it was typed, pasted or scanned: groups or the link, in any case, with spaces, line ends and
/// hyphens anywhere, and with the letters O, I and L in place of the digits that they look like.
impl FromStr for Invitation {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_INVITATION_TEXT {
            return Err(TextFault::Long.into());
        }
        let text = text.trim();
        let text = match text.get(..INVITATION_LINK.len()) {
            Some(start) if start.eq_ignore_ascii_case(INVITATION_LINK) => &text[INVITATION_LINK.len()..],
            _ => text,
        };
        let digits = read_groups(text)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() * 5 / 8));
        let data = || digits.chunks(GROUP).flat_map(|group| &group[..GROUP - 1]);
        let mut bits = data().flat_map(|digit| (0..5).rev().map(move |bit| digit >> bit & 1));
        loop {
            let byte: Vec<u8> = bits.by_ref().take(8).collect();
            if byte.len() < 8 {
                break;
            }
            bytes.push(byte.iter().fold(0, |byte, bit| byte << 1 | bit));
        }
        let read = Self::from_bytes(&bytes).map(|(invitation, _)| invitation);
        // A version that is not known may be written otherwise; all others have to be the very same text.
        let invitation = match read {
            Err(error @ InvitationError::Version(_)) => return Err(error),
            Err(InvitationError::Short) => {
                return Err(TextFault::Incomplete { groups: digits.len() / GROUP }.into());
            }
            Err(_) => return Err(TextFault::Total.into()),
            Ok(invitation) => invitation,
        };
        let written = InvitationText::of(&invitation);
        let same = written.0.bytes().eq(digits.iter().map(|&digit| ALPHABET[usize::from(digit)]));
        match same {
            true => Ok(invitation),
            false if written.0.len() < digits.len() => {
                Err(TextFault::Surplus { groups: written.0.len() / GROUP }.into())
            }
            false if written.0.len() > digits.len() => {
                Err(TextFault::Incomplete { groups: digits.len() / GROUP }.into())
            }
            false => Err(TextFault::Total.into()),
        }
    }
}

/// What is wrong with an invitation's text, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TextFault {
    /// There is nothing.
    #[error("there is no invitation; it is some lines of groups of {GROUP} characters, or a link")]
    Empty,
    /// Over the limit.
    #[error("this is far too long for an invitation")]
    Long,
    /// Some groups are not what was shown; in the order of their numbers.
    #[error("{}", in_words(.0))]
    Groups(Vec<GroupFault>),
    /// The end is missing.
    #[error("the invitation is not complete: something is missing after group {groups}")]
    Incomplete {
        /// How many groups there are.
        groups: usize,
    },
    /// There is more than the invitation.
    #[error("there is too much: the invitation ends with group {groups}")]
    Surplus {
        /// How many groups belong to it.
        groups: usize,
    },
    /// Every group is right on its own.
    #[error(
        "the invitation is not right as a whole; several characters are wrong, or groups of two invitations were mixed"
    )]
    Total,
}

/// A group that is not what was shown. Groups are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupFault {
    /// A character that no invitation has.
    Character {
        /// The group's number.
        group: usize,
        /// The character.
        character: char,
    },
    /// Too few or too many characters.
    Length {
        /// The group's number.
        group: usize,
        /// How many it has.
        characters: usize,
    },
    /// Its check character does not match.
    Mistyped {
        /// The group's number.
        group: usize,
    },
    /// Two groups stand in each other's place.
    Swapped {
        /// The first one's number.
        first: usize,
        /// The second one's number.
        second: usize,
    },
    /// This group and perhaps some after it are not there.
    Missing {
        /// The first missing group's number.
        group: usize,
        /// How many are missing.
        count: usize,
    },
    /// From this group on there is something that does not belong there; what follows it is right.
    Additional {
        /// The first additional group's number.
        group: usize,
        /// How many there are.
        count: usize,
    },
}

impl GroupFault {
    /// Returns the numbers of the groups to look at.
    pub fn groups(&self) -> Vec<usize> {
        match *self {
            Self::Character { group, .. } | Self::Length { group, .. } | Self::Mistyped { group } => {
                vec![group]
            }
            Self::Swapped { first, second } => vec![first, second],
            Self::Missing { group, count } | Self::Additional { group, count } => {
                (group..group + count).collect()
            }
        }
    }
}

impl fmt::Display for GroupFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Character { group, character } => {
                // What can't be seen is told by its number.
                write!(formatter, "group {group} is wrong: {character:?} is in no invitation")
            }
            Self::Length { group, characters } => {
                write!(formatter, "group {group} is wrong: it has {characters} characters and not {GROUP}")
            }
            Self::Mistyped { group } => {
                write!(
                    formatter,
                    "group {group} is wrong: a character is mistyped, or two have changed places"
                )
            }
            Self::Swapped { first, second } => {
                write!(formatter, "groups {first} and {second} have changed places")
            }
            Self::Missing { group, count: 1 } => write!(formatter, "group {group} is missing"),
            Self::Missing { group, count } => {
                write!(formatter, "groups {group} to {} are missing", group + count - 1)
            }
            Self::Additional { group, count: 1 } => {
                write!(formatter, "group {group} does not belong there; perhaps it was typed twice")
            }
            Self::Additional { group, count } => {
                write!(formatter, "groups {group} to {} do not belong there", group + count - 1)
            }
        }
    }
}

fn in_words(faults: &[GroupFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Reads the digits of all groups, each with its check character.
fn read_groups(text: &str) -> Result<Zeroizing<Vec<u8>>, TextFault> {
    let is_gap = |character: char| character.is_whitespace() || character == '-';
    let characters: Vec<char> = text.chars().filter(|&character| !is_gap(character)).collect();
    if characters.is_empty() {
        return Err(TextFault::Empty);
    }
    // Where the gaps are does not matter as long as everything else is right.
    let faults = match judge(characters.chunks(GROUP)) {
        Ok(digits) => return Ok(digits),
        Err(faults) => faults,
    };
    // With the gaps as they were shown, an error in one group does not spoil the others.
    let words: Vec<Vec<char>> =
        text.split(is_gap).filter(|word| !word.is_empty()).map(|word| word.chars().collect()).collect();
    let whole = words.iter().filter(|word| word.len() == GROUP).count();
    let faults = if whole * 2 > words.len() {
        judge(words.iter().map(Vec::as_slice)).err().unwrap_or(faults)
    } else {
        faults
    };
    Err(TextFault::Groups(faults))
}

/// What a group says about itself.
enum Seen {
    /// The number that its check character belongs to, modulo 32.
    Number(u8),
    Fault(GroupFault),
}

fn judge<'a>(groups: impl Iterator<Item = &'a [char]>) -> Result<Zeroizing<Vec<u8>>, Vec<GroupFault>> {
    let mut digits = Zeroizing::new(Vec::new());
    let mut seen = Vec::new();
    for (group, number) in groups.zip(1..) {
        let read: Result<Vec<u8>, char> =
            group.iter().map(|&character| digit(character).ok_or(character)).collect();
        seen.push(match read {
            Err(character) => Seen::Fault(GroupFault::Character { group: number, character }),
            Ok(read) if read.len() != GROUP => {
                Seen::Fault(GroupFault::Length { group: number, characters: read.len() })
            }
            Ok(read) => {
                let (data, check) = read.split_at(GROUP - 1);
                let sum = syndrome(data) ^ check[0];
                digits.extend_from_slice(&read);
                Seen::Number(sum)
            }
        });
    }
    let faults = locate(&seen);
    if faults.is_empty() { Ok(digits) } else { Err(faults) }
}

/// Explains the groups whose number is not that of their place.
fn locate(seen: &[Seen]) -> Vec<GroupFault> {
    let is_number = |at: usize, number: usize| matches!(seen.get(at), Some(Seen::Number(sum)) if *sum == number_element(number));
    // Groups from `at` on are right if they are counted from `number` on; at least two have to agree, or all to the end.
    let goes_on = |at: usize, number: usize| {
        at < seen.len() && is_number(at, number) && (at + 1 == seen.len() || is_number(at + 1, number + 1))
    };
    let mut faults = Vec::new();
    // `at` is the place in the text, `number` that of the group that should stand there.
    let (mut at, mut number) = (0, 1);
    while at < seen.len() && faults.len() < MAX_FAULTS {
        if is_number(at, number) {
            (at, number) = (at + 1, number + 1);
            continue;
        }
        // The number of a group is known modulo 32 only, so that no more than some are looked for.
        let missing = (1..16).find(|count| goes_on(at, number + count));
        let additional = (1..16).find(|count| goes_on(at + count, number));
        let swapped = (at + 1..seen.len()).find(|&other| {
            is_number(at, number + other - at)
                && is_number(other, number)
                && !is_number(other, number + other - at)
        });
        if let Some(other) = swapped.filter(|&other| is_alone(seen, at, other, number)) {
            faults.push(GroupFault::Swapped { first: at + 1, second: other + 1 });
            // What lies between the two is right.
            number += other + 1 - at;
            at = other + 1;
        } else if let (Some(count), false) = (additional, only_wrong(seen, at, number)) {
            faults.push(GroupFault::Additional { group: at + 1, count });
            at += count;
        } else if let (Some(count), false) = (missing, only_wrong(seen, at, number)) {
            faults.push(GroupFault::Missing { group: number, count });
            number += count;
        } else {
            faults.push(match &seen[at] {
                Seen::Fault(fault) => fault.clone(),
                // Nothing follows that would tell: the last group typed twice looks like this.
                Seen::Number(sum) if at + 1 == seen.len() && at > 0 && *sum == number_element(number - 1) => {
                    GroupFault::Additional { group: at + 1, count: 1 }
                }
                Seen::Number(_) => GroupFault::Mistyped { group: at + 1 },
            });
            (at, number) = (at + 1, number + 1);
        }
    }
    faults
}

/// Whether the group at `at` is wrong and what follows it is right (or nothing follows it): then nothing is shifted.
fn only_wrong(seen: &[Seen], at: usize, number: usize) -> bool {
    match seen.get(at + 1) {
        Some(Seen::Number(sum)) => *sum == number_element(number + 1),
        Some(Seen::Fault(_)) => false,
        None => true,
    }
}

/// Whether all groups between two are where they belong.
fn is_alone(seen: &[Seen], first: usize, second: usize, number: usize) -> bool {
    (first + 1..second)
        .all(|at| matches!(&seen[at], Seen::Number(sum) if *sum == number_element(number + at - first)))
}

/// The weighted sum of the data characters; the check character has the weight one and is still to be added.
fn syndrome(data: &[u8]) -> u8 {
    // Horner's rule: each step multiplies what is there by x.
    data.iter().fold(0, |sum, &digit| times_x(sum ^ digit))
}

/// Multiplies by `x` in GF(32) modulo `x^5 + x^2 + 1`.
fn times_x(element: u8) -> u8 {
    let shifted = element << 1;
    if shifted & 32 == 0 { shifted } else { shifted ^ 0b10_0101 }
}

/// The element that stands for a group's number.
fn number_element(number: usize) -> u8 {
    u8::try_from(number % 32).expect("it is below 32")
}

/// Reads a character, with those that look like others.
fn digit(character: char) -> Option<u8> {
    let character = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let at = ALPHABET.iter().position(|&known| char::from(known) == character)?;
    u8::try_from(at).ok()
}
