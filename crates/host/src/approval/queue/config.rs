//! How the queue asks: its times and its limits.

use std::time::Duration;

use super::super::shown::MAX_SHOWN;

/// How the broker asks.
#[derive(Debug, Clone)]
pub struct QueueConfig {
    /// How long a prompt is visible before nobody's deciding becomes a no. Defaults to 60 s.
    pub time_limit: Duration,
    /// How long a prompt waits to become visible before it becomes a no; at least as long as two others may be visible.
    /// Defaults to 120 s.
    pub wait_limit: Duration,
    /// How long a prompt must have been shown and focused before an answer other than a plain no counts. Defaults to 1 s: a
    /// person who types or clicks while the prompt comes up has stopped by then.
    pub arming_delay: Duration,
    /// The most prompts, the visible one included. Defaults to 16.
    pub prompts: usize,
    /// The most prompts of one agent. Defaults to 4, what a model calls at a time, so that several agents always find
    /// room.
    pub prompts_per_agent: usize,
    /// The most prompts of agents that the person has not let in yet. Defaults to 4, so that those let in find room.
    pub prompts_of_strangers: usize,
    /// The most bytes of text that all prompts of one agent hold. Defaults to 24 MiB, what a single one can have at most:
    /// a tool's name, its arguments and a difference.
    pub bytes_per_agent: usize,
    /// The most requests that one prompt decides. Defaults to 32.
    pub requests_per_prompt: usize,
    /// How long an agent that the person has not let in waits after a no; doubled with each further one. Defaults to
    /// 30 s.
    pub backoff: Duration,
    /// The longest such wait. Defaults to 24 h.
    pub max_backoff: Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            time_limit: Duration::from_secs(60),
            wait_limit: Duration::from_secs(120),
            arming_delay: Duration::from_secs(1),
            prompts: 16,
            prompts_per_agent: 4,
            prompts_of_strangers: 4,
            bytes_per_agent: 3 * MAX_SHOWN,
            requests_per_prompt: 32,
            backoff: Duration::from_secs(30),
            max_backoff: Duration::from_secs(24 * 60 * 60),
        }
    }
}
