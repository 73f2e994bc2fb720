//! The tray app as a person starts it, beside the least Tauri app: how soon it is there, and what it keeps in memory.
//!
//! Both run on one headless desktop ([`session`]) and take turns. What they do is read from their standard error, where
//! their pages' first paints are told; their tray icons from the bus, as a panel sees them.

mod agent;
mod app;
mod session;

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::figures::{Figures, figures, median};
use crate::peer::report_of;
use crate::plan::{DESKTOP_MEMORY, DESKTOP_PROMPT, DESKTOP_TRAY, DESKTOP_WINDOW, Stack};
use agent::Agent;
use app::{App, Begin};
use session::Session;

/// Starts of each: a median of seven withstands three disturbed ones.
const STARTS: usize = 7;

/// How long memory may take to settle after something happened: the web process frees what the start needed.
const SETTLING: Duration = Duration::from_secs(4);

/// How long an app is left alone in the tray before somebody knocks: it is there all day, and its start is a row of its own.
const AT_REST: Duration = Duration::from_secs(2);

/// What is compared.
const BOTH: [Stack; 2] = [Stack::Desktop, Stack::Minimal];

/// Runs everything and prints the figures.
pub(crate) fn run(quick: bool) -> anyhow::Result<()> {
    let starts = if quick { 3 } else { STARTS };
    let session = Session::start()?;
    let agent = Agent::new(&session)?;
    // The first start of each reads its libraries from the disk, and the tray app makes its identity.
    for stack in BOTH {
        let mut app = App::start(&session, stack, Begin::WithWindow)?;
        app.painted("main")?;
        app.end()?;
    }
    let mut times = [const { [const { Vec::new() }; 2] }; 3];
    let [tray, window, prompt] = &mut times;
    for _ in 0..starts {
        for (at, stack) in BOTH.into_iter().enumerate() {
            let mut app = App::start(&session, stack, Begin::WithWindow)?;
            window[at].push(since(app.begun, app.painted("main")?));
            tray[at].push(since(app.begun, app.in_tray(&session)?));
            app.end()?;
            let mut app = App::start(&session, stack, Begin::InTray)?;
            app.in_tray(&session)?;
            std::thread::sleep(AT_REST);
            prompt[at].push(until_prompted(&mut app, stack, &session, &agent)?);
            app.end()?;
        }
    }
    for (row, times) in [DESKTOP_TRAY, DESKTOP_WINDOW, DESKTOP_PROMPT].into_iter().zip(&times) {
        for (stack, times) in BOTH.into_iter().zip(times) {
            let middle = median(times).context("nothing was started")?;
            report_of(stack.argument(), row, &figures([("p50_ms", middle)]))?;
        }
    }
    for stack in BOTH {
        report_of(stack.argument(), DESKTOP_MEMORY, &memory(&session, stack)?)?;
    }
    Ok(())
}

/// Returns the milliseconds between two moments.
fn since(begun: Instant, then: Instant) -> f64 {
    then.saturating_duration_since(begun).as_secs_f64() * 1e3
}

/// Returns the milliseconds from an agent's connection, or the order to show such a window, to what is painted in it.
fn until_prompted(app: &mut App, stack: Stack, session: &Session, agent: &Agent) -> anyhow::Result<f64> {
    if stack == Stack::Desktop {
        let knocking = agent.knock(session)?;
        return Ok(since(knocking.at, app.painted("prompt")?));
    }
    let begun = Instant::now();
    app.order("prompt")?;
    Ok(since(begun, app.painted("prompt")?))
}

/// Returns what the app and its web processes keep: in the tray only, with the main window, and after it was closed.
fn memory(session: &Session, stack: Stack) -> anyhow::Result<Figures> {
    let mut all = Figures::new();
    let mut app = App::start(session, stack, Begin::InTray)?;
    app.in_tray(session)?;
    for when in ["tray", "window", "closed"] {
        match when {
            "window" => {
                app.open_main(session)?;
                app.painted("main")?;
            }
            "closed" => app.close_main(session)?,
            _ => {}
        }
        std::thread::sleep(SETTLING);
        let memory = app.memory()?;
        all.insert(format!("{when}_rss_mb"), memory.resident_mb);
        all.insert(format!("{when}_pss_mb"), memory.proportional_mb);
    }
    app.end()?;
    Ok(all)
}
