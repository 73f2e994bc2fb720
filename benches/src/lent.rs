//! The built-in file server lent over a session, beside the same server as the client's child: what the way costs.
//!
//! Both are there at once, and take turns many times within a round, so that what else the machine does meets both.

use std::path::Path;

use crate::figures::{Figures, figures, percentile};
use crate::peer::report_of;
use crate::plan::{LENT_CALLS, LENT_READ, LENT_SMALL, Stack};
use crate::product::{Client, Workplace};

/// How often the two take turns.
const TURNS: usize = 8;

/// A small file: a note, or a line of settings.
const SMALL: usize = 200;

/// A large one.
const LARGE: usize = 1 << 20;

/// Calls in flight at any time.
const WINDOW: usize = 64;

/// Calls before the clock runs.
const WARM_UP: usize = 200;

/// How many calls are made in one turn.
struct Counts {
    small: usize,
    large: usize,
    in_flight: usize,
}

/// Runs everything and prints the figures.
pub(crate) fn run(quick: bool) -> anyhow::Result<()> {
    let counts = if quick {
        Counts { small: 100, large: 3, in_flight: 500 }
    } else {
        Counts { small: 400, large: 10, in_flight: 2_500 }
    };
    let workplace = Workplace::new()?;
    let (small, large) = (workplace.put("small.txt", SMALL)?, workplace.put("large.txt", LARGE)?);
    let desktop = workplace.desktop()?;
    let mut both = [workplace.beside()?, workplace.lent_by(&desktop)?];
    for client in &mut both {
        client.read_in_turn(&small, WARM_UP, SMALL)?;
    }

    let [beside, lent] = in_turn(&mut both, &small, counts.small, SMALL)?;
    pair(LENT_SMALL, "us", 1e6, beside, lent)?;

    for client in &mut both {
        client.read_in_turn(&large, 1, LARGE)?;
    }
    let [beside, lent] = in_turn(&mut both, &large, counts.large, LARGE)?;
    pair(LENT_READ, "ms", 1e3, beside, lent)?;

    let mut seconds = [0.0; 2];
    for _ in 0..TURNS {
        for (client, seconds) in both.iter_mut().zip(&mut seconds) {
            *seconds += client.read_at_once(&small, counts.in_flight, WINDOW)?.as_secs_f64();
        }
    }
    let calls = (TURNS * counts.in_flight) as f64;
    for (stack, seconds) in [Stack::Beside, Stack::Lent].into_iter().zip(seconds) {
        report_of(stack.argument(), LENT_CALLS, &figures([("per_s", calls / seconds)]))?;
    }
    Ok(())
}

/// Returns the times of both in seconds.
fn in_turn(both: &mut [Client; 2], file: &Path, count: usize, least: usize) -> anyhow::Result<[Vec<f64>; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        for (client, times) in both.iter_mut().zip(&mut times) {
            times.extend(client.read_in_turn(file, count, least)?);
        }
    }
    Ok(times)
}

fn pair(title: &str, unit: &str, scale: f64, beside: Vec<f64>, lent: Vec<f64>) -> anyhow::Result<()> {
    let shown = |mut times: Vec<f64>| {
        let (p50, p99) = (percentile(&mut times, 0.5) * scale, percentile(&mut times, 0.99) * scale);
        (p50, Figures::from([(format!("p50_{unit}"), p50), (format!("p99_{unit}"), p99)]))
    };
    let ((p50_beside, beside), (p50_lent, mut lent)) = (shown(beside), shown(lent));
    lent.insert(format!("added_p50_{unit}"), p50_lent - p50_beside);
    report_of(Stack::Beside.argument(), title, &beside)?;
    report_of(Stack::Lent.argument(), title, &lent)
}
