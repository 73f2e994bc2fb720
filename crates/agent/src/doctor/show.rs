//! Findings on a screen, or as JSON.

use gatelodge_host::diagnosis::{Check, CheckState};

use crate::failure::{Exit, Failure};
use crate::terminal::harmless;

/// The widest column of ids; longer ones push their line to the right.
const WIDEST: usize = 26;

/// Prints findings. It is a failure if any of them is one, or a warning.
pub(crate) fn show(mut checks: Vec<Check>, json: bool) -> Result<(), Failure> {
    if let Some(home) =
        std::env::home_dir().map(|home| home.display().to_string()).filter(|home| home.len() > 1)
    {
        for check in &mut checks {
            check.found = check.found.replace(&home, "~");
            check.advice = check.advice.replace(&home, "~");
        }
    }
    if json {
        let text = serde_json::to_string_pretty(&checks).map_err(|error| Failure::of(Exit::Other, &error))?;
        println!("{text}");
    } else {
        print!("{}", harmless(&text(&checks)));
    }
    let bad = |state| checks.iter().filter(|check| check.state == state).count();
    match (bad(CheckState::Failed), bad(CheckState::Warning)) {
        (0, 0) => Ok(()),
        (failed, warnings) => {
            let message = format!("{failed} of {} checks failed, {warnings} with a warning", checks.len());
            Err(Failure::new(Exit::Other, message))
        }
    }
}

fn text(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.id.len()).filter(|width| *width <= WIDEST).max().unwrap_or(0);
    let line = |check: &Check| {
        let Check { id, found, advice, .. } = check;
        let state = match check.state {
            CheckState::Ok => "ok",
            CheckState::Warning => "warning",
            CheckState::Failed => "FAILED",
            CheckState::Skipped => "-",
        };
        let mut line = format!("{state:7}  {id:width$}  {found}\n");
        if !advice.is_empty() {
            line.push_str(&format!("{:7}  {:width$}  -> {advice}\n", "", ""));
        }
        line
    };
    checks.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_stands_below_what_was_found() {
        let checks =
            [Check::ok("udp", "it gets out"), Check::failed("rendezvous.tls", "it is old", "renew it")];
        let shown = "ok       udp             it gets out\n\
                     FAILED   rendezvous.tls  it is old\n                         -> renew it\n";
        assert_eq!(text(&checks), shown);
    }
}
