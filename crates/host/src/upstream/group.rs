//! Process groups: signals to all of a server's processes, and whether any is left.
//!
//! A group's number is its leader's process id, and the kernel gives it to nobody else while the leader or any member
//! lives. Afterwards it may be anybody's; [`Group::is_reused`] tells, where the system lets it. Both the host
//! ([`super::child`]) and the guard ([`super::guard`]) work on groups.

#[cfg(target_os = "linux")]
use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// The process group of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    leader: Pid,
    /// When its leader started, in the kernel's own unit; `None` where the system doesn't tell.
    started: Option<u64>,
}

impl Group {
    /// Describes the group whose leader is this process, which must be alive or not reaped yet.
    pub(crate) fn of_leader(leader: u32) -> Option<Self> {
        let leader = i32::try_from(leader).ok().filter(|&id| id > 1).map(Pid::from_raw)?;
        Some(Self { leader, started: start_time(leader) })
    }

    /// Reads the form that [`Group::to_text`] writes.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (leader, started) = text.split_once(' ')?;
        let leader = leader.parse::<i32>().ok().filter(|&id| id > 1).map(Pid::from_raw)?;
        Some(Self { leader, started: started.parse().ok() })
    }

    /// Writes the group as two words: the leader's id, and when it started or `-`.
    pub(crate) fn to_text(self) -> String {
        match self.started {
            Some(started) => format!("{} {started}", self.leader),
            None => format!("{} -", self.leader),
        }
    }

    /// Returns the leader's process id.
    pub(crate) fn leader(self) -> i32 {
        self.leader.as_raw()
    }

    /// Sends a signal to every process of the group, unless the number belongs to somebody else by now.
    pub(crate) fn signal(self, signal: Signal) {
        if !self.is_reused() {
            let _ = killpg(self.leader, signal);
        }
    }

    /// Sends a signal to the group of a leader that has not been reaped. Such a leader may not have got so far as to
    /// make its group; then it is the only process there is.
    pub(crate) fn signal_with_leader(self, signal: Signal) {
        if killpg(self.leader, signal) == Err(Errno::ESRCH) {
            let _ = kill(self.leader, signal);
        }
    }

    /// Whether no process of the group is alive. Processes that have exited and only wait to be reaped don't count.
    pub(crate) fn is_empty(self) -> bool {
        if killpg(self.leader, None) == Err(Errno::ESRCH) || self.is_reused() {
            return true;
        }
        !any_alive(self.leader.as_raw())
    }

    /// Whether the leader's number is another process by now.
    fn is_reused(self) -> bool {
        match (self.started, start_time(self.leader)) {
            (Some(then), Some(now)) => then != now,
            _ => false,
        }
    }
}

/// The fields of `/proc/PID/stat` from the third on (proc(5)); the second is a name that may hold anything.
#[cfg(target_os = "linux")]
fn stat_fields(id: &str) -> Option<Vec<String>> {
    let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
    let after_name = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let fields = String::from_utf8_lossy(&stat[after_name..]);
    Some(fields.split_ascii_whitespace().map(str::to_owned).collect())
}

/// When a process started, in clock ticks since boot.
#[cfg(target_os = "linux")]
fn start_time(process: Pid) -> Option<u64> {
    // Field 22 of proc(5); the list begins with field 3.
    stat_fields(&process.to_string())?.get(22 - 3)?.parse().ok()
}

/// Whether any process of the group is alive and no zombie.
#[cfg(target_os = "linux")]
fn any_alive(group: i32) -> bool {
    let Ok(entries) = fs::read_dir("/proc") else { return true };
    let group = group.to_string();
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).any(|name| {
        name.bytes().all(|byte| byte.is_ascii_digit())
            && stat_fields(&name).is_some_and(|fields| {
                // State and process group, fields 3 and 5.
                fields.get(2) == Some(&group)
                    && !matches!(fields.first().map(String::as_str), Some("Z" | "X"))
            })
    })
}

/// Other systems tell such things through calls that are not safe Rust.
#[cfg(not(target_os = "linux"))]
fn start_time(_process: Pid) -> Option<u64> {
    None
}

/// Elsewhere a zombie counts as alive, and only costs the wait for it.
#[cfg(not(target_os = "linux"))]
fn any_alive(_group: i32) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[test]
    fn text_form_comes_back() {
        let group = Group { leader: Pid::from_raw(77), started: Some(5) };
        assert_eq!(group.to_text(), "77 5");
        assert_eq!(Group::from_text("77 5"), Some(group));
        assert_eq!(Group::from_text("77 -"), Some(Group { started: None, ..group }));
        for bad in ["", "77", "0 -", "1 -", "-5 1", "x 1"] {
            assert_eq!(Group::from_text(bad), None, "{bad:?} must not become a signal to everybody");
        }
    }

    #[test]
    fn a_number_that_became_another_process_is_left_alone() {
        let mut child =
            Command::new("cat").stdin(std::process::Stdio::piped()).process_group(0).spawn().unwrap();
        let real = Group::of_leader(child.id()).unwrap();
        let stale = Group { started: real.started.map(|started| started - 1), ..real };
        assert!(stale.is_empty() && !real.is_empty());
        stale.signal(Signal::SIGKILL);
        assert!(child.try_wait().unwrap().is_none() && !real.is_empty());
        real.signal(Signal::SIGKILL);
        child.wait().unwrap();
        assert!(real.is_empty());
    }
}
