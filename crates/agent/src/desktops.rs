//! `gatelodge desktops` and `gatelodge forget`: the desktops that this agent knows.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::identity::Profile;
use crate::known::{KnownDesktops, KnownError};
use crate::place::Place;
use crate::terminal::harmless;

/// List the desktops that this agent is paired with or has met, or rename one
#[derive(Debug, clap::Args)]
pub(crate) struct Desktops {
    #[command(subcommand)]
    change: Option<Change>,

    #[command(flatten)]
    profile: Profile,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Give a paired desktop another name
    Rename {
        /// Its name, or the beginning of its fingerprint
        desktop: String,
        /// The new name
        name: String,
        #[command(flatten)]
        profile: Profile,
    },
}

/// Runs the command.
pub(crate) fn run(options: Desktops) -> Result<(), Failure> {
    if let Some(Change::Rename { desktop, name, profile }) = options.change {
        return load(&profile)?.rename(&desktop, &name).map_err(|error| failure(&error));
    }
    let known = load(&options.profile)?;
    if options.json {
        println!("{}", in_json(&known));
        return Ok(());
    }
    for desktop in known.desktops() {
        let places: Vec<_> = desktop.places.iter().map(|place| format!("\n  at {place}")).collect();
        let (fingerprint, words) = (desktop.fingerprint, desktop.fingerprint.words());
        let text = format!(
            "{}, paired {}\n  {fingerprint}\n  {words}{}",
            desktop.name,
            desktop.paired,
            places.concat()
        );
        println!("{}", harmless(&text));
    }
    for (link, found) in known.links() {
        println!("{}", harmless(&format!("{link}, not paired\n  {found}")));
    }
    Ok(())
}

fn in_json(known: &KnownDesktops) -> Value {
    let paired = known.desktops().iter().map(|desktop| {
        json!({
            "name": desktop.name,
            "fingerprint": desktop.fingerprint.to_string(),
            "words": desktop.fingerprint.words().to_string(),
            "places": desktop.places,
            "paired": desktop.paired.to_string(),
        })
    });
    let met = known.links().map(|(link, found)| json!({"link": link, "fingerprint": found}));
    paired.chain(met).collect()
}

/// Forgets a desktop.
pub(crate) fn forget(text: &str, profile: &Profile) -> Result<(), Failure> {
    let mut known = load(profile)?;
    // As it is kept, however it is written.
    let place = text.parse::<Place>().ok().map(|place| place.to_string());
    let met = place.filter(|place| known.links().any(|(link, _)| link == place));
    known.forget(met.as_deref().unwrap_or(text)).map_err(|error| failure(&error))
}

fn load(profile: &Profile) -> Result<KnownDesktops, Failure> {
    KnownDesktops::load(&profile.folder()?).map_err(|error| failure(&error))
}

fn failure(error: &KnownError) -> Failure {
    let exit = match error {
        KnownError::Read { .. }
        | KnownError::Damaged { .. }
        | KnownError::Newer { .. }
        | KnownError::Write { .. } => Exit::Storage,
        _ => Exit::Other,
    };
    Failure::of(exit, error)
}
