// What crosses between the pages and the shell. The host's types are made of the Rust ones (`make types`); here are the shell's
// own, and names for parts of the host's that have none there.

import type { SessionSummary, Settings as HostSettings } from './generated';

export type * from './generated';

/** How packets travel, once it was measured. */
export type PathKind = Exclude<SessionSummary['kind'], ''>;

/** Why an answer does not count. */
export type AnswerError = 'too_early' | 'wrong_nonce' | 'gone' | 'not_allowed' | 'failed';

/** The host's settings, and what the system keeps about starting with the session. */
export interface Settings extends HostSettings {
  autostart: boolean;
}

export type Screen = 'welcome' | 'overview' | 'agents' | 'servers' | 'links' | 'activity' | 'settings' | 'diagnosis';
export type ShellEvent =
  | { event: 'navigate'; screen: Screen; id: string | null }
  | { event: 'opened_link'; url: string };
