//! Why a request is not fulfilled, in sentences for the model that made it. No path in them is outside of the shared
//! folders, unless the request itself named it.

use std::io;

/// Why a tool call or the reading of a resource fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    #[error("Access denied - path outside allowed directories: {asked} not in {shared}")]
    Outside { asked: String, shared: String },
    #[error("Access denied - a symbolic link on the way to {asked} leads outside of the allowed directories")]
    LinkLeaves { asked: String },
    #[error("Access denied - Windows-style path received on a POSIX host: {asked}")]
    WindowsPath { asked: String },
    #[error("Access denied - {folder} is shared read-only, so {asked} can't be changed")]
    ReadOnly { asked: String, folder: String },
    #[error(
        "Access denied - {folder} was moved or replaced since it was shared; it has to be shared again before it can be used"
    )]
    Replaced { folder: String },
    #[error("the path holds a NUL character")]
    Nul,
    #[error("the path has {length} bytes and the limit is {limit}; use a shorter one")]
    PathTooLong { length: usize, limit: usize },
    #[error("no such file or directory: {asked}")]
    NotFound { asked: String },
    #[error("the parent directory of {asked} does not exist; make it with create_directory")]
    NoParent { asked: String },
    #[error("not a directory: {asked}")]
    NotADirectory { asked: String },
    #[error("{asked} is a directory; list it with list_directory")]
    IsADirectory { asked: String },
    #[error("{asked} is {what}; only regular files and directories are served")]
    Special { asked: String, what: &'static str },
    #[error("{asked} is a shared folder itself and stays where it is")]
    FolderItself { asked: String },
    #[error("Destination already exists: {asked}")]
    Exists { asked: String },
    #[error("Ambiguous Unicode path component in {asked}: more than one name has this text in another form")]
    Ambiguous { asked: String },
    #[error(
        "{asked} is marked as not writable; its permissions have to be changed before it can be replaced"
    )]
    NotWritable { asked: String },
    #[error("{asked} is not UTF-8 text and can't be edited as text")]
    NotText { asked: String },
    #[error("{what} would be {size} bytes and the limit is {limit}; {instead}")]
    TooLarge { what: String, size: u64, limit: u64, instead: &'static str },
    #[error("{what} exceeds the limit of {limit} {unit}; {instead}")]
    TooMany { what: String, limit: u64, unit: &'static str, instead: &'static str },
    #[error("Could not find exact match for edit:\n{old_text}")]
    NoMatch { old_text: String },
    #[error("Invalid arguments for tool {tool}: {problem}")]
    Arguments { tool: String, problem: String },
    #[error("{0}")]
    Request(String),
    #[error("cancelled")]
    Cancelled,
    #[error("{asked}: {source}")]
    Io { asked: String, source: io::Error },
}

impl Failure {
    /// Says what an error of the system means for the path that was asked for.
    pub(crate) fn from_io(asked: &str, source: io::Error) -> Self {
        use io::ErrorKind;
        let asked = asked.to_owned();
        match source.kind() {
            ErrorKind::NotFound => Self::NotFound { asked },
            ErrorKind::NotADirectory => Self::NotADirectory { asked },
            ErrorKind::IsADirectory => Self::IsADirectory { asked },
            ErrorKind::AlreadyExists => Self::Exists { asked },
            _ if is_escape(&source) => Self::LinkLeaves { asked },
            _ => Self::Io { asked, source },
        }
    }
}

/// Whether a path led out of the directory that it was to be resolved beneath. cap-std makes this error itself, so it
/// has no number of the system's.
pub(crate) fn is_escape(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}
