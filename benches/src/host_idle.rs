//! What a desktop costs that has nothing to do, alone and with sessions.

use std::time::Duration;

use crate::figures::figures;
use crate::peer::report_of;
use crate::plan::{HOST_ALONE, HOST_SESSIONS, Stack};
use crate::product::{Desktop, Usage, Workplace};

/// How long memory and timers may take to settle after something happened.
const SETTLING: Duration = Duration::from_secs(3);

/// Sessions with a channel to the file server each.
const SESSIONS: usize = 50;

/// Measures and prints the figures.
pub(crate) fn run(quick: bool) -> anyhow::Result<()> {
    let seconds = if quick { 5 } else { 30 };
    let workplace = Workplace::new()?;
    let desktop = workplace.desktop()?;
    let alone = watch(&desktop, seconds)?;
    let told = figures([("rss_mb", alone.resident_kb / 1e3), ("cpu_ticks", alone.ticks)]);
    report_of(Stack::Lent.argument(), HOST_ALONE, &told)?;
    let mut clients = Vec::with_capacity(SESSIONS);
    for _ in 0..SESSIONS {
        clients.push(workplace.lent_by(&desktop)?);
    }
    let busy = watch(&desktop, seconds)?;
    let each = (busy.resident_kb - alone.resident_kb) / SESSIONS as f64;
    // A tick is a hundredth of a second.
    let percent = busy.ticks / seconds as f64;
    let told = figures([("kb_each", each), ("cpu_percent", percent)]);
    report_of(Stack::Lent.argument(), HOST_SESSIONS, &told)
}

/// Returns what is resident in the end, and the ticks of that time.
fn watch(desktop: &Desktop, seconds: u64) -> anyhow::Result<Usage> {
    std::thread::sleep(SETTLING);
    let before = desktop.usage()?;
    std::thread::sleep(Duration::from_secs(seconds));
    let after = desktop.usage()?;
    Ok(Usage { ticks: after.ticks - before.ticks, ..after })
}
