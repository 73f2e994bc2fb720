//! Measures the transport against other stacks on the same machine.
//!
//! `gatelodge-bench run` is the program: it starts two processes of each stack in turn ([`pair`]), has one of them
//! run [`scenario`]s against the other, and judges the medians by the project's [`bounds`]. The other subcommands are
//! those processes: `listen` and `dial` are the two ends of a stack written in Rust ([`peer`]), `network` is an
//! emulated network between them ([`network`]), `micro` times pure functions ([`micro`]), `lent`, `host-idle`,
//! `desktop` and `rendezvous` measure the shipped programs ([`lent`], [`host_idle`], [`desktop`], [`rendezvous`]).

mod answering;
mod bounds;
mod desktop;
mod dialing;
mod figures;
mod files;
mod host_idle;
mod lent;
mod link;
mod machine;
mod micro;
mod network;
mod options;
mod pair;
mod peer;
mod plan;
mod product;
mod rendezvous;
mod report;
mod run;
mod scenario;
mod stack;
mod tools;

use anyhow::{Context, bail};

/// What the figures of the release profile are meant for: the system's allocator costs a tenth of the throughput.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
Measures the transport beside other stacks on this machine, in the same run.

usage: gatelodge-bench run [OPTION]..     (or benches/run [OPTION]..)
  --rounds N       rounds, interleaved over the stacks; medians are reported (default 5)
  --quick          one round of smaller sizes
  --only WORD,..   only the suites and stacks with one of these names (benches/README.md lists them)
  --json FILE      writes every figure of every round
  --markdown FILE  writes the tables
  --check          exits with 1 if a bound does not hold or something fails
  --help           shows this

The processes that it starts:
  listen STACK HOST | dial STACK HOST ADDRESS SCENARIO..    (listen-apart, dial-apart: on a processor of its own)
  network DELAY_US LOSS_PERMILLE BITS_PER_SECOND QUEUE_BYTES | micro
  lent [quick] | host-idle [quick] | desktop [quick] | rendezvous [quick]";

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("run", &[][..]),
    };
    if matches!(command, "help" | "-h" | "--help") || rest.iter().any(|word| word == "-h" || word == "--help")
    {
        println!("{USAGE}");
        return Ok(());
    }
    match command {
        "run" => current_thread()?.block_on(run::run(options::Options::parse(rest).context(USAGE)?)),
        "listen" | "listen-apart" | "dial" | "dial-apart" | "micro" | "network" | "lent" | "host-idle"
        | "desktop" | "rendezvous" => {
            machine::end_with_standard_input();
            match command {
                "listen-apart" => machine::settle(machine::End::Listening)?,
                "dial-apart" => machine::settle(machine::End::Dialing)?,
                _ => {}
            }
            match (command, rest) {
                ("listen" | "listen-apart", [stack, host]) => {
                    current_thread()?.block_on(peer::listen(stack, host.parse()?))
                }
                ("dial" | "dial-apart", [stack, host, address, scenarios @ ..]) => {
                    current_thread()?.block_on(peer::dial(stack, host.parse()?, address, scenarios))
                }
                ("micro", []) => micro::run(),
                ("lent", options @ ([] | [_])) => lent::run(options == ["quick"]),
                ("host-idle", options @ ([] | [_])) => host_idle::run(options == ["quick"]),
                ("desktop", options @ ([] | [_])) => desktop::run(options == ["quick"]),
                ("rendezvous", options @ ([] | [_])) => {
                    current_thread()?.block_on(rendezvous::run(options == ["quick"]))
                }
                ("network", link) => network::run(&network::Conditions::from_arguments(link)?),
                _ => bail!(USAGE),
            }
        }
        _ => bail!(USAGE),
    }
}

/// One thread, as the desktop runs a group of sessions: half as much again in throughput, a quarter less in latency.
fn current_thread() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
