//! Reads an invitation from where the user has it, and helps with what was mistyped.

use std::io::{IsTerminal, Read, Write};
use std::path::Path;

use gatelodge_wire::{GroupFault, Invitation, InvitationError, MAX_INVITATION_TEXT, TextFault};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::terminal::say;

/// Reads the invitation.
pub(super) async fn invitation(link: Option<&str>, file: Option<&Path>) -> Result<Invitation, Failure> {
    let text = match (link, file) {
        (Some(link), _) => {
            say!(
                "the invitation was given on the command line, where other programs of this machine can see it; unless \
                 nobody else uses this machine, cancel it on the desktop and use: gatelodge pair"
            );
            Zeroizing::new(link.to_owned())
        }
        (None, Some(file)) => read_all(std::fs::File::open(file)).map_err(|error| {
            Failure::new(Exit::Other, format!("{} cannot be read: {error}", file.display()))
        })?,
        (None, None) if std::io::stdin().is_terminal() => return ask().await,
        (None, None) => read_all(Ok(std::io::stdin()))
            .map_err(|error| Failure::new(Exit::Other, format!("standard input cannot be read: {error}")))?,
    };
    text.parse().map_err(|error| wrong(&error))
}

fn wrong(error: &InvitationError) -> Failure {
    Failure::of(Exit::Invitation, error)
}

fn read_all(source: std::io::Result<impl Read>) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    // One more than is read as an invitation, so that a longer one is refused as such.
    let limit = u64::try_from(MAX_INVITATION_TEXT + 1).unwrap_or(u64::MAX);
    source?.take(limit).read_to_string(&mut text)?;
    Ok(text)
}

type Typed = Lines<BufReader<Stdin>>;

/// Reads from the terminal, and lets the user correct what is wrong.
async fn ask() -> Result<Invitation, Failure> {
    let mut typed = BufReader::new(tokio::io::stdin()).lines();
    say!("type or paste the invitation as the desktop shows it; an empty line ends it");
    loop {
        let mut text = read_lines(&mut typed).await?;
        loop {
            let error = match text.parse::<Invitation>() {
                Ok(invitation) => return Ok(invitation),
                Err(error) => error,
            };
            say!("{error}");
            match correct(&mut typed, &text, &error).await? {
                Some(corrected) => text = corrected,
                None => {
                    say!("please type the whole invitation again");
                    break;
                }
            }
        }
    }
}

/// Reads lines until they are an invitation, or one is empty.
async fn read_lines(typed: &mut Typed) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    loop {
        let line = Zeroizing::new(next_line(typed, "> ").await?);
        if line.trim().is_empty() && !text.is_empty() {
            return Ok(text);
        }
        text.push_str(&line);
        text.push('\n');
        if text.parse::<Invitation>().is_ok() || text.len() > MAX_INVITATION_TEXT {
            return Ok(text);
        }
    }
}

/// Lets the user type the wrong groups again; `None` where that is of no use.
async fn correct(
    typed: &mut Typed,
    text: &str,
    error: &InvitationError,
) -> Result<Option<Zeroizing<String>>, Failure> {
    let InvitationError::Text(TextFault::Groups(faults)) = error else { return Ok(None) };
    let mut groups: Vec<Zeroizing<String>> =
        text.split_whitespace().map(|group| Zeroizing::new(group.to_owned())).collect();
    for fault in faults {
        match *fault {
            GroupFault::Swapped { first, second } if groups.len() >= second => {
                groups.swap(first - 1, second - 1)
            }
            GroupFault::Character { group, .. }
            | GroupFault::Length { group, .. }
            | GroupFault::Mistyped { group }
                if group <= groups.len() =>
            {
                let line = next_line(typed, &format!("group {group} again: ")).await?;
                if line.trim().is_empty() {
                    return Ok(None);
                }
                groups[group - 1] = Zeroizing::new(line.split_whitespace().collect());
            }
            _ => return Ok(None),
        }
    }
    let joined = groups.iter().map(|group| group.as_str()).collect::<Vec<_>>().join(" ");
    Ok(Some(Zeroizing::new(joined)))
}

async fn next_line(typed: &mut Typed, prompt: &str) -> Result<String, Failure> {
    eprint!("{prompt}");
    let _ = std::io::stderr().flush();
    match typed.next_line().await {
        Ok(Some(line)) => Ok(line),
        Ok(None) => Err(Failure::new(Exit::Other, "no invitation was given")),
        Err(error) => Err(Failure::new(Exit::Other, format!("the terminal cannot be read: {error}"))),
    }
}
