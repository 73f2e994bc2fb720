//! From text to lines: the limits and the characters, before any meaning.

use super::{SdpError, SdpRules};

/// One line of a description, without its ending.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: usize,
    /// The letter in front of `=`.
    pub(super) kind: char,
    pub(super) value: &'a str,
}

pub(super) fn check_size(size: usize, rules: &SdpRules) -> Result<(), SdpError> {
    if size > rules.max_bytes { Err(SdpError::TooLarge { size, limit: rules.max_bytes }) } else { Ok(()) }
}

/// Splits a text at CRLF or LF. Empty lines are let pass at the end only, where copying by hand leaves them.
pub(super) fn lines<'a>(text: &'a str, rules: &SdpRules) -> impl Iterator<Item = Result<Line<'a>, SdpError>> {
    let text = text.trim_end_matches(['\r', '\n']);
    text.split('\n').enumerate().take_while(|_| !text.is_empty()).map(|(index, line)| {
        let number = index + 1;
        let line = line.strip_suffix('\r').unwrap_or(line);
        check_line(line, number, rules)?;
        let (kind, value) = line.split_once('=').ok_or(SdpError::NotALine { line: number })?;
        match kind.as_bytes() {
            [letter @ b'a'..=b'z'] => Ok(Line { number, kind: char::from(*letter), value }),
            _ => Err(SdpError::NotALine { line: number }),
        }
    })
}

/// Length and characters of one line.
pub(super) fn check_line(line: &str, number: usize, rules: &SdpRules) -> Result<(), SdpError> {
    if line.len() > rules.max_line {
        return Err(SdpError::LineTooLong { line: number, size: line.len(), limit: rules.max_line });
    }
    match line.chars().find(|c| c.is_control()) {
        Some(c) => Err(SdpError::ControlCharacter { line: number, code: u32::from(c) }),
        None => Ok(()),
    }
}
