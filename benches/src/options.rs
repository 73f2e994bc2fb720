//! The options of `gatelodge-bench run`.

use std::path::PathBuf;

use anyhow::{Context, bail};

/// Medians of five withstand two disturbed rounds.
const ROUNDS: usize = 5;

/// What to run, and what to write. See the usage text in [`crate`].
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
    pub(crate) only: Vec<String>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) markdown: Option<PathBuf>,
    pub(crate) check: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let mut rounds = None;
        let mut options =
            Self { rounds: ROUNDS, quick: false, only: Vec::new(), json: None, markdown: None, check: false };
        let mut arguments = arguments.iter();
        while let Some(option) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{option} needs a value"));
            match option.as_str() {
                "--rounds" => rounds = Some(value()?.parse().context("--rounds needs a number")?),
                "--quick" => options.quick = true,
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--json" => options.json = Some(value()?.into()),
                "--markdown" => options.markdown = Some(value()?.into()),
                "--check" => options.check = true,
                _ => bail!("there is no option {option}"),
            }
        }
        options.rounds = rounds.unwrap_or(if options.quick { 1 } else { ROUNDS });
        Ok(options)
    }
}
