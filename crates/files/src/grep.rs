//! `search_content`: lines of text files by a regular expression or a literal text.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use memchr::{memchr, memchr_iter};
use regex::bytes::{Regex, RegexBuilder};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::listing::{Kind, Next, Visited, walk};
use crate::pattern::Patterns;
use crate::place::Place;
use crate::read::READ_LIMIT;

/// What is searched for, and where.
pub(crate) struct Query<'a> {
    pub(crate) pattern: &'a str,
    pub(crate) literal: bool,
    pub(crate) ignore_case: bool,
    pub(crate) include: &'a [String],
    pub(crate) exclude: &'a [String],
    pub(crate) context: usize,
    pub(crate) limit: usize,
    /// Where the page before ended.
    pub(crate) after: Option<Position>,
}

/// A line that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// From the directory that is searched.
    pub(crate) path: PathBuf,
    /// The first line of a file is line 1.
    pub(crate) line: u64,
}

/// A line with a match.
#[derive(Debug, Serialize)]
pub(crate) struct Match {
    path: String,
    line: u64,
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    before: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after: Vec<String>,
}

/// A page of matches.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) matches: Vec<Match>,
    /// Files larger than [`READ_LIMIT`], which are not searched.
    pub(crate) too_large: u64,
    /// Where there are more: the last line of this page.
    pub(crate) last: Option<Position>,
}

/// A compiled expression may take this much memory; what people write takes a hundredth.
const EXPRESSION_LIMIT: usize = 4 << 20;

/// Lines are shown up to here; minified files have lines of megabytes.
const LINE_LIMIT: usize = 1000;

/// A NUL among so many first bytes means that a file is no text, as git and grep see it.
const TEXT_PROBE: usize = 8 << 10;

/// Searches a file, or all files beneath a directory.
pub(crate) fn search(
    place: &Place<'_>,
    query: &Query<'_>,
    cancel: &CancellationToken,
) -> Result<Found, Failure> {
    let place = place.canonical();
    let pattern = if query.literal { regex::escape(query.pattern) } else { query.pattern.to_owned() };
    let expression = RegexBuilder::new(&pattern)
        .multi_line(true)
        .case_insensitive(query.ignore_case)
        .size_limit(EXPRESSION_LIMIT)
        .build()
        .map_err(|error| Failure::Arguments {
            tool: "search_content".to_owned(),
            problem: error.to_string(),
        })?;
    let mut search =
        Search { query, expression, base: place.absolute(), found: Found::default(), last: None, cancel };
    if place.metadata()?.is_file() {
        search.file(&place, Path::new(""))?;
        return Ok(search.found);
    }
    let (dir, place) = place.open_dir()?;
    let include = Patterns::new(query.include.iter().map(String::as_str));
    let exclude = Patterns::of_names(query.exclude);
    // The file in which the page before ended is looked at again, for its further lines.
    if let Some(after) = &query.after {
        let again = place.at(place.folder, place.path.join(&after.path));
        if search.file(&again, &after.path)? == Next::Stop {
            return Ok(search.found);
        }
    }
    let after = query.after.as_ref().map(|after| after.path.as_path());
    walk(&dir, after, cancel, &mut |entry: &Visited<'_>| {
        if exclude.matches(entry.path) {
            return Ok(Next::Skip);
        }
        let wanted = query.include.is_empty()
            || include.matches(entry.path)
            || include.matches(Path::new(std::ffi::OsStr::from_bytes(entry.name)));
        if entry.kind == Kind::File && wanted {
            let file = place.at(place.folder, place.path.join(entry.path));
            return search.file(&file, entry.path);
        }
        Ok(Next::Descend)
    })?;
    Ok(search.found)
}

struct Search<'a> {
    query: &'a Query<'a>,
    expression: Regex,
    base: PathBuf,
    found: Found,
    /// The last match so far.
    last: Option<Position>,
    cancel: &'a CancellationToken,
}

impl Search<'_> {
    /// Searches one file. One that can't be read is passed over.
    fn file(&mut self, place: &Place<'_>, path: &Path) -> Result<Next, Failure> {
        if self.cancel.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        let bytes = match crate::read::whole(place) {
            Ok(bytes) => bytes,
            Err(Failure::TooLarge { .. }) => {
                self.found.too_large += 1;
                return Ok(Next::Descend);
            }
            Err(_) => return Ok(Next::Descend),
        };
        if memchr(0, &bytes[..bytes.len().min(TEXT_PROBE)]).is_some() || !self.expression.is_match(&bytes) {
            return Ok(Next::Descend);
        }
        let behind =
            self.query.after.as_ref().filter(|after| after.path == path).map_or(0, |after| after.line);
        let lines = lines(&bytes);
        let mut seen = BTreeSet::new();
        for found in self.expression.find_iter(&bytes) {
            let index = lines.partition_point(|line| line.end < found.start()).min(lines.len() - 1);
            let number = index as u64 + 1;
            if number <= behind || !seen.insert(index) {
                continue;
            }
            if self.found.matches.len() >= self.query.limit {
                self.found.last = self.last.take();
                return Ok(Next::Stop);
            }
            let show = |range: Range<usize>| {
                lines[range].iter().map(|line| shown_line(&bytes[line.clone()])).collect()
            };
            let context = self.query.context;
            let absolute = if path.as_os_str().is_empty() { self.base.clone() } else { self.base.join(path) };
            self.found.matches.push(Match {
                path: absolute.to_string_lossy().into_owned(),
                line: number,
                text: shown_line(&bytes[lines[index].clone()]),
                before: show(index.saturating_sub(context)..index),
                after: show(index + 1..(index + 1 + context).min(lines.len())),
            });
            self.last = Some(Position { path: path.to_owned(), line: number });
        }
        Ok(Next::Descend)
    }
}

impl Found {
    /// Writes the matches as grep does: `path:line:text`, and `path-line-text` for the lines around.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for found in &self.matches {
            let around = |text: &mut String, first: u64, lines: &[String]| {
                for (number, line) in (first..).zip(lines) {
                    writeln!(text, "{}-{number}-{line}", found.path).expect("writing to a string can't fail");
                }
            };
            let has_context = !(found.before.is_empty() && found.after.is_empty());
            if has_context && !text.is_empty() {
                text.push_str("--\n");
            }
            around(&mut text, found.line - found.before.len() as u64, &found.before);
            writeln!(text, "{}:{}:{}", found.path, found.line, found.text)
                .expect("writing to a string can't fail");
            around(&mut text, found.line + 1, &found.after);
        }
        if self.matches.is_empty() {
            text.push_str("No matches found\n");
        }
        if self.too_large > 0 {
            let limit = READ_LIMIT >> 20;
            writeln!(text, "{} files larger than {limit} MiB were not searched", self.too_large)
                .expect("writing to a string can't fail");
        }
        text.pop();
        text
    }
}

/// Returns where the lines of a text are, without their ends.
fn lines(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for end in memchr_iter(b'\n', bytes) {
        lines.push(start..end);
        start = end + 1;
    }
    if start < bytes.len() || lines.is_empty() {
        lines.push(start..bytes.len());
    }
    lines
}

fn shown_line(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut text = String::from_utf8_lossy(&line[..line.len().min(LINE_LIMIT)]).into_owned();
    if line.len() > LINE_LIMIT {
        text.push_str(" [...]");
    }
    text
}
