//! `gatelodge-bench run`: all suites, round after round, and the report.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::bounds::bounds;
use crate::files;
use crate::network;
use crate::options::Options;
use crate::pair::{self, Installed, Language};
use crate::plan::{self, Place, Stack, Suite, Table};
use crate::report::{Results, all_hold};

/// Runs what the options ask for and prints the report.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    // Dropping the measurement ends its processes, so a signal must not end this one before.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let results = tokio::select! {
        results = measure(&options) => results?,
        _ = interrupt.recv() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("terminated"),
    };
    let judged: Vec<_> = bounds(options.quick).iter().map(|bound| bound.judge(&results)).collect();
    let about = about(&options);
    println!("{about}");
    print!("{}", results.text(&judged));
    if let Some(file) = &options.json {
        write(file, &format!("{:#}\n", results.json(&judged, &about)))?;
    }
    if let Some(file) = &options.markdown {
        write(file, &results.markdown(&judged, &about))?;
    }
    if options.check && !(all_hold(&judged) && results.failed.is_empty()) {
        anyhow::bail!("a bound does not hold, or something was not measured");
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("could not write {}", file.display()))
}

async fn measure(options: &Options) -> anyhow::Result<Results> {
    let mut results = Results::default();
    let wanted = |suite: &Suite| {
        let named = |word: &String| suite.name == word || suite.stack.argument() == word;
        options.only.is_empty() || options.only.iter().any(named)
    };
    let mut suites: Vec<Suite> = plan::suites(options.quick).into_iter().filter(wanted).collect();
    let foreign = |suite: &Suite| suite.stack.written_in() != Language::Rust;
    let installed = installed()?;
    if suites.iter().any(foreign)
        && let Err(error) = install(&installed)
    {
        results.skipped.insert(format!("everything foreign: {error:#}"));
        suites.retain(|suite| !foreign(suite));
    }
    if suites.iter().any(|suite| matches!(suite.place, Place::Network(_)))
        && let Some(reason) = network::why_not()
    {
        results.skipped.insert(reason);
        suites.retain(|suite| !matches!(suite.place, Place::Network(_)));
    }
    let with_files = options.only.is_empty() || options.only.iter().any(|word| word == "files");
    if with_files && let Err(error) = install(&installed) {
        results.skipped.insert(format!("server-filesystem: {error:#}"));
    }
    let folder = with_files.then(files::Prepared::new).transpose()?.map(Arc::new);
    for round in 1..=options.rounds {
        for suite in &suites {
            eprintln!("round {round} of {}: {} {}", options.rounds, suite.name, suite.stack);
            run_suite(suite, &installed, &mut results).await;
        }
        if let Some(folder) = &folder {
            run_files(options, folder, &installed, &mut results).await;
        }
        for (name, table) in [
            ("lent", Table::Product),
            ("host-idle", Table::Product),
            ("desktop", Table::Desktop),
            ("rendezvous", Table::Rendezvous),
            ("micro", Table::Functions),
        ] {
            if options.only.is_empty() || options.only.iter().any(|word| word == name) {
                eprintln!("round {round} of {}: {name}", options.rounds);
                run_alone(name, table, options.quick, &installed, &mut results).await;
            }
        }
    }
    Ok(results)
}

/// Measures both file servers. It blocks, on a thread of its own, so that it can be interrupted.
async fn run_files(
    options: &Options,
    folder: &Arc<files::Prepared>,
    installed: &Installed,
    results: &mut Results,
) {
    for stack in [Stack::Files, Stack::ServerFilesystem] {
        eprintln!("files {stack}");
        let (folder, packages, quick) = (Arc::clone(folder), installed.packages.clone(), options.quick);
        let measured =
            tokio::task::spawn_blocking(move || files::measure(stack, &folder, &packages, quick)).await;
        match measured.map_err(anyhow::Error::from).flatten() {
            Ok(measured) => {
                for (title, figures) in measured {
                    let row = files::ROWS.iter().find(|(row, ..)| *row == title);
                    let shown: Vec<_> = row.iter().map(|(_, figure, unit)| (*figure, *unit)).collect();
                    results.add(Table::Files, title, &shown, stack, figures);
                }
            }
            Err(error) => results.failed.push(format!("files {stack}: {error:#}")),
        }
    }
}

async fn run_suite(suite: &Suite, installed: &Installed, results: &mut Results) {
    let outcomes = match pair::run(suite.stack, suite.place, &suite.scenarios, installed).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            results.failed.push(format!("{} {}: {error:#}", suite.name, suite.stack));
            return;
        }
    };
    for (scenario, outcome) in outcomes {
        let title = plan::title(scenario, suite.place);
        match outcome {
            Ok(figures) => results.add(suite.table, &title, plan::shown(scenario), suite.stack, figures),
            Err(error) => results.failed.push(format!("{title}, {}: {error}", suite.stack)),
        }
    }
}

/// Runs what one process measures by itself, and shows every figure of it.
async fn run_alone(name: &str, table: Table, quick: bool, installed: &Installed, results: &mut Results) {
    let words = if quick && name != "micro" { &[name, "quick"][..] } else { &[name] };
    match pair::alone(words, installed).await {
        Ok(timed) => {
            for (title, stack, figures) in timed {
                let shown: Vec<_> =
                    figures.keys().map(|name| (name.clone(), name.replace('_', " "))).collect();
                results.add(table, &title, &shown, stack, figures);
            }
        }
        Err(error) => results.failed.push(format!("{name}: {error:#}")),
    }
}

fn installed() -> anyhow::Result<Installed> {
    let programs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers");
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    Ok(Installed { programs, packages: cache.join("gatelodge/bench") })
}

/// Installs the foreign peers, if they are not there yet.
fn install(installed: &Installed) -> anyhow::Result<()> {
    let setup = installed.programs.join("setup");
    let status = Command::new(&setup).arg(&installed.packages).status();
    let status = status.with_context(|| format!("could not run {}", setup.display()))?;
    anyhow::ensure!(status.success(), "{} failed", setup.display());
    Ok(())
}

/// One paragraph about when and where.
fn about(options: &Options) -> String {
    let output = |program: &str, arguments: &[&str]| {
        let output =
            Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
        output.map_or("?".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let processor = processor.map_or("unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{}, commit {}, {cores} cores of {processor}, Linux {}, load {} at the end; medians of {} {}rounds.",
        output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        output("git", &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"]),
        output("uname", &["-r"]),
        load.split(' ').next().unwrap_or("?"),
        options.rounds,
        if options.quick { "quick " } else { "" },
    )
}
