//! Which desktop is meant on a command line: a paired one by name or fingerprint, or whoever is at a link.

use gatelodge_wire::Fingerprint;

use crate::failure::{Exit, Failure};
use crate::known::KnownDesktops;
use crate::place::Place;

/// The desktop that a command names.
#[derive(Debug)]
pub(crate) struct Target {
    /// Where to look for it, in this order.
    pub(crate) places: Vec<Place>,
    /// The certificate that it has to have, if it is paired.
    pub(crate) paired: Option<Fingerprint>,
}

impl Target {
    /// Finds what is meant. A paired desktop's name goes before a link that is written without `tcp://`.
    pub(crate) fn resolve(text: &str, known: &KnownDesktops) -> Result<Self, Failure> {
        let link = text.parse::<Place>();
        let found = match (known.find(text), link) {
            (Ok(found), _) => found,
            (Err(_), Ok(place)) => return Ok(Self { places: vec![place], paired: None }),
            // What is meant as a link can be no name, and the reason why it is none is of more use.
            (Err(_), Err(error)) if text.contains("://") => return Err(Failure::of(Exit::Other, &error)),
            (Err(error), Err(_)) => {
                let message = format!(
                    "{error}. A link is https://RENDEZVOUS/#FINGERPRINT, tcp://HOST:PORT or ws://HOST:PORT/PATH; to pair \
                     with a desktop: gatelodge pair"
                );
                return Err(Failure::new(Exit::Other, message));
            }
        };
        let place = |url| Place::of_desktop(url, found.fingerprint).ok();
        let places: Vec<Place> = found.places.iter().filter_map(place).collect();
        match places.is_empty() {
            true => Err(Failure::new(
                Exit::Unreachable,
                format!(
                    "this version cannot use any of the places of {}; update it, or pair again",
                    found.name
                ),
            )),
            false => Ok(Self { places, paired: Some(found.fingerprint) }),
        }
    }
}
