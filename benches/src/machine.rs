//! What this process uses, as the kernel counts it.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;

/// Ends this process when the one that started it is gone: every child has a pipe as its standard input.
pub(crate) fn end_with_standard_input() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
}

/// One of the two ends that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Listening,
    Dialing,
}

/// Gives this end a processor of its own, if there are two. To be called while the process has one thread at work.
pub(crate) fn settle(end: End) -> nix::Result<()> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this)?;
    let mut numbers = (0..CpuSet::count()).filter(|&number| allowed.is_set(number).unwrap_or(false));
    let (first, last) = (numbers.next(), numbers.next_back());
    if let (Some(first), Some(last)) = (first, last) {
        let mut own = CpuSet::new();
        own.set(if end == End::Dialing { first } else { last })?;
        sched_setaffinity(this, &own)?;
    }
    Ok(())
}

/// Returns the CPU time used so far, in seconds, user and system.
pub(crate) fn cpu_seconds() -> f64 {
    let micros = getrusage(UsageWho::RUSAGE_SELF)
        .map_or(0, |usage| usage.user_time().num_microseconds() + usage.system_time().num_microseconds());
    micros as f64 / 1e6
}

/// Returns the resident memory in kB.
pub(crate) fn resident_kb() -> f64 {
    status("VmRSS:")
}

/// Returns the most resident memory since [`reset_peak`], in kB.
pub(crate) fn peak_kb() -> f64 {
    status("VmHWM:")
}

/// Starts the peak anew.
pub(crate) fn reset_peak() -> std::io::Result<()> {
    // proc(5): 5 resets the peak resident set size to what is resident now.
    std::fs::write("/proc/self/clear_refs", "5")
}

fn status(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value =
        status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok());
    value.unwrap_or(0.0)
}
