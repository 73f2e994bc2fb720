//! JSON values where they stand in a message: found, checked and pointed at, never taken apart and written again.
//!
//! The gate judges a message by a few of its members and then sends on the same bytes, or the same bytes without a
//! range. Both need to know *where* a value stands, and that every reader sees the same value there: the grammar is
//! RFC 8259's, without any leniency.

use std::{borrow::Cow, fmt, ops::Range};

use thiserror::Error;

/// The deepest nesting that is read. serde_json's own readers stop at the same depth, so nothing that a typed peer
/// could take is refused; and it lets the open brackets fit into one word.
pub const MAX_DEPTH: usize = 128;

/// The most members that all objects of a message may have where names are checked to be unique: the check has to
/// remember them, and real arguments have a few dozen.
pub(super) const MAX_NAMES: usize = 1 << 18;

/// One JSON value in its place in a message. It has been checked: its text is exactly one value of RFC 8259.
#[derive(Clone, Copy)]
pub struct Json<'a> {
    whole: &'a str,
    start: usize,
    end: usize,
}

/// Equal are values of the same text in the same place, whichever way they were found.
impl PartialEq for Json<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.range() == other.range() && self.text() == other.text()
    }
}

impl Eq for Json<'_> {}

impl fmt::Debug for Json<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Contents may be somebody's files.
        write!(formatter, "Json({:?}, {} bytes)", self.range(), self.text().len())
    }
}

impl<'a> Json<'a> {
    /// Reads a text that is one JSON value.
    ///
    /// # Errors
    ///
    /// See [`JsonError`].
    pub fn parse(text: &'a str) -> Result<Self, JsonError> {
        let mut scanner = Scanner::new(text, MAX_DEPTH);
        let value = scanner.value(&mut Unchecked)?;
        scanner.end()?;
        Ok(value)
    }

    /// Returns the value as it stands there.
    pub fn text(self) -> &'a str {
        &self.whole[self.start..self.end]
    }

    /// Returns where it stands in the whole text.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// Returns the string that it is, without escapes; nothing if it is no string, or one with lone surrogates, which
    /// mean different things to different readers.
    pub fn string(self) -> Option<Cow<'a, str>> {
        unescape(self.text())
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        self.text().starts_with('{')
    }

    /// Returns the members of an object, in their order; nothing for other values.
    pub fn members(self) -> Members<'a> {
        Members(self.inside('{'))
    }

    /// Returns the member of an object that has this name. The first one, if several have it.
    pub fn member(self, name: &str) -> Option<Json<'a>> {
        self.members().find(|member| member.name == name).map(|member| member.value)
    }

    /// Returns the elements of an array, in their order; `None` for other values.
    pub fn elements(self) -> Option<Elements<'a>> {
        self.text().starts_with('[').then(|| Elements(self.inside('[')))
    }

    fn inside(self, bracket: char) -> Option<Scanner<'a>> {
        let text = &self.whole[..self.end];
        self.text()
            .starts_with(bracket)
            .then(|| Scanner { at: self.start + 1, ..Scanner::new(text, MAX_DEPTH) })
    }
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name without escapes. As it stands there if it has lone surrogates.
    pub name: Cow<'a, str>,
    /// Its value.
    pub value: Json<'a>,
    /// Where its name begins, with the quotation mark.
    pub start: usize,
}

impl Member<'_> {
    /// Returns where it stands in the whole text, from its name to the end of its value.
    pub fn range(&self) -> Range<usize> {
        self.start..self.value.end
    }
}

/// The members of an object. See [`Json::members`].
#[derive(Debug, Clone)]
pub struct Members<'a>(Option<Scanner<'a>>);

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // The text has been checked, so that errors only mean the end.
        let scanner = self.0.as_mut()?;
        let item = scanner.next_member();
        if item.is_none() {
            self.0 = None;
        }
        item
    }
}

/// The elements of an array. See [`Json::elements`].
#[derive(Debug, Clone)]
pub struct Elements<'a>(Option<Scanner<'a>>);

impl<'a> Iterator for Elements<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let scanner = self.0.as_mut()?;
        scanner.separator();
        let item = scanner.value(&mut Unchecked).ok();
        if item.is_none() {
            self.0 = None;
        }
        item
    }
}

/// Why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Something that the grammar doesn't have there.
    #[error("not JSON at byte {at}")]
    Syntax {
        /// Where.
        at: usize,
    },
    /// It ends in the middle.
    #[error("the JSON is cut off")]
    Cut,
    /// Nested too deeply.
    #[error("the JSON is nested more than {limit} levels deep")]
    Deep {
        /// The limit.
        limit: usize,
    },
    /// A name stands twice in an object.
    #[error("an object has a member twice, at byte {at}")]
    Twice {
        /// Where the object ends.
        at: usize,
    },
    /// Too many members for their names to be checked.
    #[error("the JSON has more than {MAX_NAMES} members")]
    Many,
}

/// Who wants to know the names of an object's members while it is read.
pub(super) trait Names<'a> {
    /// Whether anything is refused.
    const CHECKS: bool;

    fn open(&mut self) {}
    fn name(&mut self, quoted: &'a str) -> Result<(), JsonError>;
    fn close(&mut self, at: usize) -> Result<(), JsonError>;
}

/// Nobody.
pub(super) struct Unchecked;

impl<'a> Names<'a> for Unchecked {
    const CHECKS: bool = false;

    fn name(&mut self, _: &'a str) -> Result<(), JsonError> {
        Ok(())
    }

    fn close(&mut self, _: usize) -> Result<(), JsonError> {
        Ok(())
    }
}

/// Refuses objects that have a member twice, however it is spelled.
#[derive(Default)]
pub(super) struct Unique<'a> {
    names: Vec<Cow<'a, str>>,
    /// Where the names of each open object begin.
    opened: Vec<usize>,
    seen: usize,
}

impl<'a> Names<'a> for Unique<'a> {
    const CHECKS: bool = true;

    fn open(&mut self) {
        self.opened.push(self.names.len());
    }

    fn name(&mut self, quoted: &'a str) -> Result<(), JsonError> {
        self.seen += 1;
        if self.seen > MAX_NAMES {
            return Err(JsonError::Many);
        }
        self.names.push(unescape(quoted).unwrap_or(Cow::Borrowed(quoted)));
        Ok(())
    }

    fn close(&mut self, at: usize) -> Result<(), JsonError> {
        let from = self.opened.pop().unwrap_or(0);
        let unique = are_unique(&mut self.names[from..]);
        self.names.truncate(from);
        if unique { Ok(()) } else { Err(JsonError::Twice { at }) }
    }
}

/// Whether no name is there twice. May put them into another order.
pub(super) fn are_unique(names: &mut [Cow<'_, str>]) -> bool {
    // Below this, comparing each with each is faster than sorting.
    const FEW: usize = 12;
    if names.len() > FEW {
        names.sort_unstable();
        names.windows(2).all(|pair| pair[0] != pair[1])
    } else {
        names.iter().enumerate().all(|(index, name)| !names[..index].contains(name))
    }
}

/// Reads JSON from the left to the right.
#[derive(Debug, Clone)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// How many levels of nesting may be opened from here on.
    left: usize,
    max_depth: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str, max_depth: usize) -> Self {
        let max_depth = max_depth.min(MAX_DEPTH);
        Self { text, at: 0, left: max_depth, max_depth }
    }

    /// Reads an object member by member: `each` gets a name and where it begins, and has to read the value. Returns `None`, having read nothing, if no object begins here.
    pub(super) fn object<N: Names<'a>>(
        &mut self,
        names: &mut N,
        mut each: impl FnMut(&mut Self, &mut N, Cow<'a, str>, usize) -> Result<(), JsonError>,
    ) -> Result<Option<Json<'a>>, JsonError> {
        self.space();
        let start = self.at;
        if self.next_byte() != Some(b'{') {
            return Ok(None);
        }
        self.left = self.left.checked_sub(1).ok_or(JsonError::Deep { limit: self.max_depth })?;
        self.at += 1;
        self.space();
        if self.next_byte() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                self.space();
                let name_at = self.at;
                let quoted = self.name()?;
                let name = unescape(quoted).unwrap_or(Cow::Borrowed(quoted));
                each(self, names, name, name_at)?;
                self.space();
                match self.next_byte() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => {
                        self.at += 1;
                        break;
                    }
                    other => return Err(self.unexpected(other)),
                }
            }
        }
        self.left += 1;
        Ok(Some(Json { whole: self.text, start, end: self.at }))
    }

    /// Reads one value, with what it contains.
    pub(super) fn value<N: Names<'a>>(&mut self, names: &mut N) -> Result<Json<'a>, JsonError> {
        self.space();
        let start = self.at;
        // One bit a level, the innermost the lowest: whether it is an object.
        let (mut objects, mut depth) = (0u128, 0usize);
        'value: loop {
            self.space();
            match self.next_byte() {
                Some(b'"') => self.string()?,
                Some(bracket @ (b'{' | b'[')) => {
                    if depth == self.left {
                        return Err(JsonError::Deep { limit: self.max_depth });
                    }
                    let is_object = bracket == b'{';
                    (objects, depth) = (objects << 1 | u128::from(is_object), depth + 1);
                    self.at += 1;
                    self.space();
                    if is_object {
                        names.open();
                        if self.next_byte() != Some(b'}') {
                            names.name(self.name()?)?;
                            continue 'value;
                        }
                    } else if self.next_byte() != Some(b']') {
                        continue 'value;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal("true")?,
                Some(b'f') => self.literal("false")?,
                Some(b'n') => self.literal("null")?,
                other => return Err(self.unexpected(other)),
            }
            // A value has ended, or an empty array or object is about to.
            loop {
                if depth == 0 {
                    return Ok(Json { whole: self.text, start, end: self.at });
                }
                self.space();
                let in_object = objects & 1 == 1;
                match (self.next_byte(), in_object) {
                    (Some(b','), _) => {
                        self.at += 1;
                        if in_object {
                            self.space();
                            names.name(self.name()?)?;
                        }
                        continue 'value;
                    }
                    (Some(b'}'), true) => names.close(self.at)?,
                    (Some(b']'), false) => {}
                    (other, _) => return Err(self.unexpected(other)),
                }
                self.at += 1;
                (objects, depth) = (objects >> 1, depth - 1);
            }
        }
    }

    /// Makes sure that nothing follows.
    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        self.space();
        match self.next_byte() {
            None => Ok(()),
            other => Err(self.unexpected(other)),
        }
    }

    fn next_member(&mut self) -> Option<Member<'a>> {
        self.separator();
        let start = self.at;
        let quoted = self.name().ok()?;
        let value = self.value(&mut Unchecked).ok()?;
        Some(Member { name: unescape(quoted).unwrap_or(Cow::Borrowed(quoted)), value, start })
    }

    /// Skips what stands between two members or elements of checked text.
    fn separator(&mut self) {
        self.space();
        if self.next_byte() == Some(b',') {
            self.at += 1;
            self.space();
        }
    }

    /// Reads a name with its colon, and returns it with its quotation marks.
    fn name(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        if self.next_byte() != Some(b'"') {
            return Err(self.unexpected(self.next_byte()));
        }
        self.string()?;
        let name = &self.text[start..self.at];
        self.space();
        if self.next_byte() != Some(b':') {
            return Err(self.unexpected(self.next_byte()));
        }
        self.at += 1;
        Ok(name)
    }

    fn string(&mut self) -> Result<(), JsonError> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        loop {
            self.at = plain_until(bytes, self.at);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match bytes.get(self.at) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                        Some(b'u') => {
                            let digits = bytes.get(self.at + 1..self.at + 5).ok_or(JsonError::Cut)?;
                            if !digits.iter().all(u8::is_ascii_hexdigit) {
                                return Err(JsonError::Syntax { at: self.at });
                            }
                            self.at += 5;
                        }
                        other => return Err(self.unexpected(other.copied())),
                    }
                }
                other => return Err(self.unexpected(other.copied())),
            }
        }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.next_byte() == Some(b'-') {
            self.at += 1;
        }
        if self.next_byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.next_byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.next_byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.next_byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let count = self.text.as_bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.unexpected(self.next_byte())) } else { Ok(()) }
    }

    fn literal(&mut self, word: &str) -> Result<(), JsonError> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(JsonError::Syntax { at: self.at });
        }
        self.at += word.len();
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.next_byte() {
            self.at += 1;
        }
    }

    pub(super) fn next_byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn unexpected(&self, byte: Option<u8>) -> JsonError {
        if byte.is_none() { JsonError::Cut } else { JsonError::Syntax { at: self.at } }
    }
}

/// Returns where the next quotation mark, backslash or control character stands, from `at` on: eight bytes at a
/// time, since strings are most of what a large message is.
fn plain_until(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // The lowest marked byte is a zero byte of `word`; those above it may be marked wrongly.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let (chunks, _) = bytes.get(at..).unwrap_or_default().as_chunks::<8>();
    for chunk in chunks {
        let word = u64::from_le_bytes(*chunk);
        let quotes = zeros(word ^ (ONES * 0x22));
        let escapes = zeros(word ^ (ONES * 0x5c));
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = quotes | escapes | controls;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    at + bytes.get(at..).map_or(0, |rest| rest.iter().position(special).unwrap_or(rest.len()))
}

/// Takes the quotation marks and the escapes off a checked string. Nothing if it has lone surrogates.
fn unescape(quoted: &str) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(quoted).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests;
