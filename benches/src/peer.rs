//! The two processes of a stack that is written in Rust: `listen` answers, `dial` measures.
//!
//! What they print is what the foreign peers in `peers/` print too, one JSON object a line: the listening end
//! `{"listening":"HOST:PORT"}`, the dialing end `{"scenario":..,"figures":{..}}` or `{"scenario":..,"error":..}`.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use serde_json::json;

use crate::figures::Figures;
use crate::link::Stack;
use crate::scenario::Scenario;
use crate::stack::{Gatelodge, Tcp, Udp};
use crate::{answering, dialing, tools};

/// No scenario takes this long where the stack works; the slowest paths move a few megabytes in 20 s.
const SCENARIO_LIMIT: Duration = Duration::from_secs(90);

/// Runs the listening end of a stack until the process is ended.
pub(crate) async fn listen(stack: &str, host: IpAddr) -> anyhow::Result<()> {
    match stack {
        "gatelodge" => answer::<Gatelodge>(host).await,
        "udp" => answer::<Udp>(host).await,
        "tcp" => answer::<Tcp>(host).await,
        "rmcp" => tools::listen(host).await,
        _ => bail!("no stack is called {stack}"),
    }
}

/// Runs scenarios against a listening end.
pub(crate) async fn dial(
    stack: &str,
    host: IpAddr,
    address: &str,
    scenarios: &[String],
) -> anyhow::Result<()> {
    let scenarios: Vec<Scenario> = scenarios.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    match stack {
        "gatelodge" => measure::<Gatelodge>(host, address, &scenarios).await,
        "udp" => measure::<Udp>(host, address, &scenarios).await,
        "tcp" => measure::<Tcp>(host, address, &scenarios).await,
        "rmcp" => tools::dial(host, address, &scenarios).await,
        _ => bail!("no stack is called {stack}"),
    }
}

/// Prints where this end listens.
pub(crate) fn announce(address: SocketAddr) -> std::io::Result<()> {
    print_line(&json!({ "listening": address.to_string() }))
}

/// Prints what a scenario came to.
pub(crate) fn report(scenario: Scenario, outcome: anyhow::Result<Figures>) -> std::io::Result<()> {
    let scenario = scenario.to_string();
    print_line(&match outcome {
        Ok(figures) => json!({ "scenario": scenario, "figures": figures }),
        Err(error) => json!({ "scenario": scenario, "error": format!("{error:#}") }),
    })
}

/// Prints the figures of one stack, for processes that measure several.
pub(crate) fn report_of(stack: &str, scenario: &str, figures: &Figures) -> anyhow::Result<()> {
    Ok(print_line(&json!({ "scenario": scenario, "stack": stack, "figures": figures }))?)
}

fn print_line(value: &serde_json::Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}

async fn answer<S: Stack>(host: IpAddr) -> anyhow::Result<()> {
    let stack = Arc::new(S::new(host)?);
    let (listener, address) = stack.listen().await?;
    announce(address)?;
    loop {
        let arriving = stack.accept(&listener).await?;
        let stack = Arc::clone(&stack);
        tokio::spawn(async move {
            let outcome = async { answering::answer(&mut stack.establish(arriving).await?).await };
            if let Err(error) = outcome.await {
                eprintln!("answering: {error:#}");
            }
        });
    }
}

async fn measure<S: Stack>(host: IpAddr, address: &str, scenarios: &[Scenario]) -> anyhow::Result<()> {
    let stack = S::new(host)?;
    let mut link = None;
    for &scenario in scenarios {
        let measuring = dialing::measure(&stack, address, &mut link, scenario);
        let outcome = match tokio::time::timeout(SCENARIO_LIMIT, measuring).await {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow::anyhow!("not done after {} s", SCENARIO_LIMIT.as_secs())),
        };
        if outcome.is_err() {
            // Whatever is left in it would be taken for the next scenario's.
            link = None;
        }
        report(scenario, outcome)?;
    }
    Ok(())
}
