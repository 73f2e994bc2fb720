//! What the programs of Gatelodge take from the machine that they run on, the same in a terminal and in the tray.

/// The variable that names a file with certification authorities (PEM) that are trusted for rendezvous beside the public
/// ones.
pub const CA_FILE_VARIABLE: &str = "GATELODGE_CA_FILE";

/// Returns what this machine is called; `None` if it has no name.
pub fn machine_name() -> Option<String> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| std::env::var("COMPUTERNAME").ok())?;
    Some(host.trim().to_owned()).filter(|host| !host.is_empty())
}
