//! `gatelodge host pair` and `gatelodge host invitations`: invitations on the terminal, as groups, link and QR code.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::time::Duration;

use clap::Subcommand;
use gatelodge_host::manage::{Reply, Request};
use gatelodge_host::{InvitationSummary, PlaceUrl};
use qrcodegen::{QrCode, QrCodeEcc};

/// What an invitation is made with.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Invite {
    /// For how long, such as 90s, 10m or 8h; ten minutes if not given
    #[arg(long = "for", value_name = "TIME", value_parser = super::manage::span)]
    span: Option<Duration>,

    /// Where the agent reaches this desktop, in place of the open links' addresses: tcp://HOST:PORT, ws(s)://... or a rendezvous' http(s)://...; may be repeated
    #[arg(long = "place", value_name = "URL")]
    places: Vec<PlaceUrl>,
}

impl Invite {
    pub(super) fn request(self) -> Request {
        Request::Invite { seconds: self.span.map(|span| span.as_secs()), places: self.places }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Invitations {
    /// List the invitations that are open
    List,
    /// Open an invitation and show it, like `gatelodge host pair`
    New(Invite),
    /// Take an invitation back
    Cancel {
        /// Its id, or the beginning of it
        id: String,
    },
}

impl Invitations {
    pub(super) fn request(self) -> Request {
        match self {
            Self::List => Request::Invitations,
            Self::New(invite) => invite.request(),
            Self::Cancel { id } => Request::CancelInvitation { invitation: id },
        }
    }
}

/// A new invitation, for the person to pass on.
pub(super) fn shown(reply: &Reply) -> Option<String> {
    let Reply::Invited { invitation, text, link } = reply else { return None };
    let mut out = String::new();
    let stdout = std::io::stdout().is_terminal();
    if stdout && let Some(code) = qr(&link.0, std::env::var_os("TERM").is_some_and(|term| term != "dumb")) {
        out += &code;
    }
    let places = invitation.places.iter().map(PlaceUrl::as_str).collect::<Vec<_>>().join(", ");
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "Invitation {} for one agent, until {}.\nOn the agent's machine run: gatelodge pair\nand type, paste or scan\n\n{}\n\nor the link\n\n{}\n\n\
         It leads to {places}.\nWhoever has it can ask to be paired; show it to nobody else. To take it back: gatelodge host \
         invitations cancel {}\n",
        invitation.id, invitation.expires, text.0, link.0, invitation.id
    );
    Some(out)
}

/// The open invitations, a line or two each.
pub(super) fn list(invitations: &[InvitationSummary]) -> String {
    if invitations.is_empty() {
        return "no invitation is open; open one with: gatelodge host pair\n".to_owned();
    }
    let line = |invitation: &InvitationSummary| {
        let places = invitation.places.iter().map(PlaceUrl::as_str).collect::<Vec<_>>().join(", ");
        let taken =
            invitation.taken_by.as_ref().map_or_else(String::new, |agent| format!("\n  taken by {agent}"));
        format!("{} until {}, at {places}{taken}\n", invitation.id, invitation.expires)
    };
    invitations.iter().map(line).collect()
}

/// Draws a text as a QR code, two modules a character. With colours it is dark on light on every terminal; without them
/// the light modules are drawn, which fits the usual dark background.
fn qr(link: &str, colours: bool) -> Option<String> {
    // In capitals all characters are of the alphanumeric mode, which makes the code a third smaller.
    let code = QrCode::encode_text(&link.to_uppercase(), QrCodeEcc::Low).ok()?;
    // Cameras need four light modules around it.
    let (from, to) = (-4, code.size() + 4);
    let mut drawn = String::new();
    for y in (from..to).step_by(2) {
        if colours {
            drawn.push_str("\u{1b}[38;5;231;48;5;16m");
        }
        for x in from..to {
            // Beyond the code everything is light, also the half line that an odd number of rows leaves.
            let light = |y: i32| !code.get_module(x, y);
            drawn.push(match (light(y), light(y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        drawn.push_str(if colours { "\u{1b}[0m\n" } else { "\n" });
    }
    Some(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the modules back from what is drawn; light is true.
    fn modules(drawn: &str) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in drawn.lines() {
            let (upper, lower) = line
                .chars()
                .map(|character| match character {
                    '█' => (true, true),
                    '▀' => (true, false),
                    '▄' => (false, true),
                    ' ' => (false, false),
                    other => panic!("{other:?}"),
                })
                .unzip();
            rows.extend::<[Vec<bool>; 2]>([upper, lower]);
        }
        rows
    }

    #[test]
    fn a_code_is_drawn_with_its_quiet_zone() {
        let link = "gatelodge://pair/25NMKMGM0D1MKT0PNB9YXJ6DCDRSGWSG2MS2WJ7M63W3D9MJDK3SYHKQ49J0A2QBQJ50008920C20A1MG7104GMR";
        let rows = modules(&qr(link, false).unwrap());
        let width = rows[0].len();
        assert!(width <= 57, "{width} columns do not fit every terminal");
        assert!(rows[..4].iter().flatten().all(|light| *light));
        assert!(
            rows.iter()
                .all(|row| row.len() == width && row[..4] == [true; 4] && row[width - 4..] == [true; 4])
        );
        // The finder pattern: a dark square of seven around a light one around a dark one of three.
        let finder: String = rows[7][4..11].iter().map(|light| if *light { '.' } else { '#' }).collect();
        assert_eq!(finder, "#.###.#");
        assert!(qr(link, true).unwrap().starts_with("\u{1b}[38;5;231;48;5;16m█"));
    }
}
