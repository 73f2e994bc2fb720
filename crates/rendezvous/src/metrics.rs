//! What is counted for those who run a rendezvous, without addresses or fingerprints.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All that is counted. Each field is a counter of the text form, which explains it.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) registrations: Counter,
    pub(crate) failed_registrations: Counter,
    pub(crate) replaced: Counter,
    pub(crate) refused_connections: Counter,
    pub(crate) knocks: Counter,
    pub(crate) knocks_unreachable: Counter,
    pub(crate) knocks_limited: Counter,
    pub(crate) declined: Counter,
    pub(crate) forwards: Counter,
    pub(crate) forwarded_bytes: Counter,
    pub(crate) too_slow: Counter,
    pub(crate) tls_failures: Counter,
}

/// What there is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gauges {
    pub(crate) connections: usize,
    pub(crate) desktops: usize,
    pub(crate) agents: usize,
    pub(crate) knocks: usize,
}

impl Metrics {
    /// Writes everything in the Prometheus text format (version 0.0.4).
    pub(crate) fn text(&self, gauges: Gauges) -> String {
        let mut text = String::with_capacity(4096);
        let mut put = |name: &str, kind: &str, help: &str, value: u64| {
            let name = format!("gatelodge_rendezvous_{name}");
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        };
        let gauge = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        put("connections", "gauge", "Open connections, registered or not.", gauge(gauges.connections));
        put("desktops", "gauge", "Registered desktops.", gauge(gauges.desktops));
        put("agents", "gauge", "Registered agents.", gauge(gauges.agents));
        put("knocks", "gauge", "Knocks that are going on.", gauge(gauges.knocks));
        for (name, help, counter) in [
            ("registrations_total", "Registrations whose proof was good.", &self.registrations),
            ("failed_registrations_total", "Registrations that were refused.", &self.failed_registrations),
            ("replaced_total", "Connections that a newer one of the same identity replaced.", &self.replaced),
            ("refused_connections_total", "Connections that a limit refused.", &self.refused_connections),
            ("knocks_total", "Knocks that reached a desktop.", &self.knocks),
            ("knocks_unreachable_total", "Knocks at desktops that were not there.", &self.knocks_unreachable),
            ("knocks_limited_total", "Knocks that a limit refused.", &self.knocks_limited),
            ("knocks_declined_total", "Knocks that the desktop declined.", &self.declined),
            ("forwards_total", "Signaling objects passed on.", &self.forwards),
            ("forwarded_bytes_total", "Bytes of signaling objects passed on.", &self.forwarded_bytes),
            ("too_slow_total", "Connections closed because their client did not read.", &self.too_slow),
            ("tls_failures_total", "TLS handshakes that failed.", &self.tls_failures),
        ] {
            put(name, "counter", help, counter.get());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.forwards.add(7);
        let text = metrics.text(Gauges { connections: 3, desktops: 2, agents: 1, knocks: 0 });
        assert!(
            text.contains("# TYPE gatelodge_rendezvous_desktops gauge\ngatelodge_rendezvous_desktops 2\n")
        );
        assert!(text.contains("\ngatelodge_rendezvous_forwards_total 7\n"));
        assert!(text.ends_with('\n'));
    }
}
