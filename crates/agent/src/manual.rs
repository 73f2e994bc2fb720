//! Writes the man pages and shell completions that the packages have, from the command's own definition.
//!
//! Only in builds with the feature `manual`; `scripts/package` runs one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::failure::{Exit, Failure};
use crate::{Command, EXIT_CODES};

/// Write man pages and shell completions
#[derive(Debug, clap::Args)]
pub(crate) struct Manual {
    /// Where: pages go into its folder man1, completions into one for each shell
    folder: PathBuf,
}

/// Writes everything, over what there is.
pub(crate) fn write(options: &Manual) -> Result<(), Failure> {
    pages(&options.folder.join("man1"))
        .and_then(|()| completions(&options.folder))
        .map_err(|error| Failure::of(Exit::Other, &error))
}

fn completions(folder: &Path) -> io::Result<()> {
    // Where bash, fish and zsh look, below /usr/share.
    for (shell, place) in [
        (Shell::Bash, "bash-completion/completions"),
        (Shell::Fish, "fish/vendor_completions.d"),
        (Shell::Zsh, "zsh/site-functions"),
    ] {
        let folder = folder.join(place);
        fs::create_dir_all(&folder)?;
        let mut command = shown();
        let file = clap_complete::generate_to(shell, &mut command, "gatelodge", &folder)?;
        // bash-completion looks for a file that is called like the command.
        if shell == Shell::Bash {
            fs::rename(file, folder.join("gatelodge"))?;
        }
    }
    Ok(())
}

/// The command without what is hidden, which completions would offer.
fn shown() -> clap::Command {
    let command = Command::command().disable_help_subcommand(true);
    let visible: Vec<clap::Command> =
        command.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    let mut shown = clap::Command::new("gatelodge")
        .version(env!("CARGO_PKG_VERSION"))
        .about(command.get_about().cloned().unwrap_or_default())
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommands(visible);
    shown.build();
    shown
}

fn pages(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    page_and_below(&shown(), None, folder)
}

fn page_and_below(command: &clap::Command, above: Option<&str>, folder: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    for below in command.get_subcommands() {
        page_and_below(below, Some(name), folder)?;
    }
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    // Written here, since an empty date would be left out, and what follows it be taken for one.
    let title = concat!("1 \"\" \"Gatelodge ", env!("CARGO_PKG_VERSION"), "\" Gatelodge");
    writeln!(page, ".TH {name} {title}")?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut closing = Roff::new();
    exit_status(&mut closing);
    environment(&mut closing);
    see_also(above, &mut closing);
    closing.to_writer(&mut page)?;
    fs::write(folder.join(man.get_filename()), page)
}

/// The exit codes, as the command's own help has them: a number and a sentence a line.
fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for line in EXIT_CODES.lines() {
        if let Some((code, meaning)) = line.strip_prefix("  ").and_then(|line| line.split_once("  ")) {
            roff.control("TP", []);
            roff.text([bold(code)]);
            roff.text([roman(meaning)]);
        }
    }
}

fn environment(roff: &mut Roff) {
    roff.control("SH", ["ENVIRONMENT"]);
    for (name, meaning) in [
        (
            "GATELODGE_HOME",
            "A folder to keep everything in, instead of the system's folders for data, state and settings.",
        ),
        ("GATELODGE_LOG", "What to log to standard error, such as debug, or mcp_webrtc=trace."),
    ] {
        roff.control("TP", []);
        roff.text([bold(name)]);
        roff.text([roman(meaning)]);
    }
}

/// The page above, and the tray app's.
fn see_also(above: Option<&str>, roff: &mut Roff) {
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    if let Some(above) = above {
        line.extend([bold(above), roman("(1), ")]);
    }
    line.extend([bold("gatelodge-desktop"), roman("(1)")]);
    roff.text(line);
}
