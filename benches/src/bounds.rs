//! The bounds that the project set itself, mostly as ratios to other stacks in the same run: times alone say more about
//! the machine than about the code.

use std::fmt;

use crate::files;
use crate::plan::{
    DESKTOP_MEMORY, DESKTOP_PROMPT, DESKTOP_TRAY, DESKTOP_WINDOW, FAR, HOME, HOST_ALONE, HOST_SESSIONS,
    LENT_CALLS, LENT_READ, LENT_SMALL, Place, Stack, slow_reader_bytes, title,
};
use crate::report::Results;
use crate::scenario::Scenario;

/// How a figure has to be to another stack's, or by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Limit {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(formatter, "at most {}", shortened(*limit)),
            Self::AtLeast(limit) => write!(formatter, "at least {}", shortened(*limit)),
        }
    }
}

/// A bound on the median of one figure.
pub(crate) struct Bound {
    row: String,
    figure: &'static str,
    stack: Stack,
    /// Divided by this stack's figure, if any.
    against: Option<Stack>,
    limit: Limit,
}

/// What came of a bound.
pub(crate) struct Judged {
    /// The row, and the stack that it is measured by.
    pub(crate) what: String,
    pub(crate) limit: Limit,
    /// `None` if a figure is missing.
    pub(crate) value: Option<f64>,
    pub(crate) verdict: Verdict,
}

/// Whether a bound holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    Broken,
    /// A figure is missing.
    NotMeasured,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Holds => "holds",
            Self::Broken => "BROKEN",
            Self::NotMeasured => "not measured",
        })
    }
}

impl Bound {
    pub(crate) fn judge(&self, results: &Results) -> Judged {
        let own = results.median(&self.row, self.stack, self.figure);
        let value = match self.against {
            Some(other) => {
                own.zip(results.median(&self.row, other, self.figure)).map(|(own, other)| own / other)
            }
            None => own,
        };
        let verdict = match value {
            Some(value) if self.limit.holds(value) => Verdict::Holds,
            Some(_) => Verdict::Broken,
            None => Verdict::NotMeasured,
        };
        let what = match self.against {
            Some(other) => format!("{}, {} to {other}'s", self.row, self.figure),
            None => format!("{}, {}", self.row, self.figure),
        };
        Judged { what, limit: self.limit, value, verdict }
    }
}

/// Returns all bounds. A quick run offers less to the slow reader.
pub(crate) fn bounds(quick: bool) -> Vec<Bound> {
    use Limit::{AtLeast, AtMost};
    use Stack::{Aiortc, Beside, Gatelodge, Lent, NodeDatachannel, Python, Rmcp, TypeScript, Udp, Wrtc};
    let row = |scenario| title(scenario, Place::Loopback);
    let bound = |row, figure, stack, against, limit| Bound { row, figure, stack, against, limit };
    let own = |row, figure, against, limit| bound(row, figure, Gatelodge, against, limit);
    // Counts and repeats are not part of a title.
    let connect = row(Scenario::Connect { count: 1 });
    let round_trip = Scenario::RoundTrip { size: 200, count: 1 };
    let in_flight = row(Scenario::InFlight { size: 1024, window: 64, count: 1 });
    let one_way = |kib: usize| Scenario::OneWay { size: kib << 10, total: 1 };
    let large = row(Scenario::Large { total: 16 << 20, repeats: 1 });
    let pings = row(Scenario::Pings { total: 16 << 20, repeats: 1 });
    let idle = row(Scenario::Idle { sessions: 100, seconds: 1 });
    let calls = row(Scenario::Calls { count: 1 });
    let slow_reader = row(Scenario::SlowReader { total: slow_reader_bytes(quick) });
    let mut bounds = vec![
        own(connect.clone(), "p50_ms", Some(Aiortc), AtMost(1.0 / 3.0)),
        own(connect, "p50_ms", Some(Wrtc), AtMost(0.1)),
        own(title(round_trip, Place::Apart), "p50_us", Some(Udp), AtMost(2.2)),
        own(row(round_trip), "p50_us", Some(NodeDatachannel), AtMost(0.6)),
        own(in_flight, "per_s", Some(NodeDatachannel), AtLeast(3.3)),
    ];
    for kib in [1, 16, 64] {
        bounds.push(own(row(one_way(kib)), "mb_s", Some(NodeDatachannel), AtLeast(2.3)));
    }
    // The file server's share of the reference server's time and memory.
    for (title, figure, _) in files::ROWS.into_iter().filter(|(title, ..)| *title != files::LIST_OF_CHANGED) {
        let limit = match title {
            "start to initialize answered" => 0.1,
            "resident after initialize" => 1.0 / 6.0,
            _ => 1.0 / 3.0,
        };
        bounds.push(bound(
            title.to_owned(),
            figure,
            Stack::Files,
            Some(Stack::ServerFilesystem),
            AtMost(limit),
        ));
    }
    bounds.extend([
        own(large, "p50_ms", Some(NodeDatachannel), AtMost(0.4)),
        own(pings, "slower_p50_x", None, AtMost(3.0)),
        bound(calls.clone(), "per_s", Rmcp, Some(TypeScript), AtLeast(4.0)),
        bound(calls, "per_s", Rmcp, Some(Python), AtLeast(6.0)),
        own(slow_reader, "sender_growth_mib", None, AtMost(64.0)),
        own(idle.clone(), "kb_per_session", None, AtMost(450.0)),
        own(idle, "cpu_percent", None, AtMost(2.0)),
        own(title(one_way(16), Place::Network(FAR)), "mb_s", Some(NodeDatachannel), AtLeast(1.0)),
        own(title(one_way(16), Place::Network(HOME)), "mb_s", None, AtLeast(4.6)),
    ]);
    let lent = |row: &str, figure, against, limit| bound(row.to_owned(), figure, Lent, against, limit);
    bounds.extend([
        lent(LENT_SMALL, "added_p50_us", None, AtMost(300.0)),
        lent(LENT_READ, "added_p50_ms", None, AtMost(12.0)),
        lent(LENT_CALLS, "per_s", Some(Beside), AtLeast(0.5)),
        lent(HOST_ALONE, "rss_mb", None, AtMost(30.0)),
        // One tick in half a minute is what the measuring itself may cause.
        lent(HOST_ALONE, "cpu_ticks", None, AtMost(1.0)),
        lent(HOST_SESSIONS, "kb_each", None, AtMost(1_000.0)),
    ]);
    // What a person feels of the tray app may be a quarter more than what the toolkit itself takes.
    let desktop =
        |row: &str, figure| bound(row.to_owned(), figure, Stack::Desktop, Some(Stack::Minimal), AtMost(1.25));
    bounds.extend([DESKTOP_TRAY, DESKTOP_WINDOW, DESKTOP_PROMPT].map(|row| desktop(row, "p50_ms")));
    bounds.extend(
        ["tray_rss_mb", "tray_pss_mb", "window_rss_mb", "window_pss_mb", "closed_rss_mb", "closed_pss_mb"]
            .map(|figure| desktop(DESKTOP_MEMORY, figure)),
    );
    bounds
}

/// Writes a figure with about three digits.
pub(crate) fn shortened(value: f64) -> String {
    let digits = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}
