// The shapes of the host's Rust types as serde writes them. Written by hand for now, in the form a generator would;
// names and members are those of Rust. What the host does not have yet is at the end, and marked so.

/** SHA-256 of a certificate: `AB:CD:...`. */
export type Fingerprint = string;
/** Milliseconds since 1970, UTC. */
export type Timestamp = number;
export type ServerId = string;
export type LinkId = string;
export type SessionId = number;
/** A URL of a place where agents reach a desktop. */
export type PlaceUrl = string;

// server.rs

export type FolderAccess = 'read-only' | 'read-write';
export interface SharedFolder {
  path: string;
  access: FolderAccess;
}
export type ServerKind =
  | { kind: 'files'; folders: SharedFolder[] }
  | { kind: 'stdio'; command: string; args: string[]; env?: Record<string, string>; cwd?: string };
export type ServerDefinition = { id: ServerId; name: string; kind: ServerKind; notes?: string };

// grant.rs

export type EntryRule = 'open' | 'ask';
export type ToolRule = 'allow' | 'ask' | 'deny';
export interface ToolRules {
  default: ToolRule;
  tools?: Record<string, ToolRule>;
}
export interface Grant {
  agent: Fingerprint;
  server: ServerId;
  entry: EntryRule;
  folders?: SharedFolder[];
  tools: ToolRules;
  sampling: boolean;
  elicitation: boolean;
  expires?: Timestamp;
  pins?: Record<string, string>;
}

// link.rs

export type LinkPolicy = 'ask-unknown' | 'paired-only';
export type LinkKind =
  | { kind: 'tcp'; bind: string }
  | { kind: 'websocket'; bind: string }
  | { kind: 'rendezvous'; url: string }
  | { kind: 'embedded'; bind: string };
export type LinkDefinition = LinkKind & {
  id: LinkId;
  name: string;
  server?: ServerId;
  enabled: boolean;
  prompt: LinkPolicy;
};

// pairing.rs

export interface InvitationSummary {
  id: string;
  created: Timestamp;
  expires: Timestamp;
  places: PlaceUrl[];
  taken_by?: Fingerprint;
}

// manage.rs

export interface AgentSummary {
  fingerprint: Fingerprint;
  words: string;
  label: string;
  state: 'trusted' | 'blocked';
  since: Timestamp | null;
  servers: ServerId[] | null;
}
export interface SessionSummary {
  id: SessionId;
  agent: Fingerprint;
  label: string;
  link: LinkId;
  path: string;
  since: Timestamp;
  channels: ServerId[];
  /** Empty until it was measured. */
  kind: PathKind | '';
  local_kind: string;
  remote_kind: string;
  rtt_ms: number | null;
  bytes_received: number;
  bytes_sent: number;
  calls: number;
  interrupted: boolean;
}

// diagnosis/check.rs

export type CheckState = 'ok' | 'warning' | 'failed' | 'skipped';
export interface Check {
  /** Such as `stun` or `server.notes`. */
  id: string;
  state: CheckState;
  found: string;
  /** Empty where there is nothing to do. */
  advice: string;
}

// manage.rs, what is asked

export type Request =
  | { request: 'status' }
  | { request: 'servers' }
  | { request: 'put_server'; server: ServerDefinition }
  | { request: 'remove_server'; server: ServerId }
  | { request: 'server_log'; server: ServerId }
  | { request: 'probe_server'; server: ServerId }
  | { request: 'agents' }
  | { request: 'trust'; agent: Fingerprint; label: string }
  | { request: 'rename_agent'; agent: Fingerprint; label: string }
  | { request: 'block'; agent: Fingerprint }
  | { request: 'forget'; agent: Fingerprint }
  | { request: 'grants'; agent: Fingerprint | null }
  | { request: 'put_grant'; grant: Grant }
  | { request: 'remove_grant'; agent: Fingerprint; server: ServerId }
  | { request: 'links' }
  | { request: 'put_link'; link: LinkDefinition }
  | { request: 'remove_link'; link: LinkId }
  | { request: 'invite'; seconds: number | null; places: PlaceUrl[] }
  | { request: 'invitations' }
  | { request: 'cancel_invitation'; invitation: string }
  | { request: 'sessions' }
  | { request: 'end_session'; session: SessionId }
  | { request: 'activity'; limit: number; before: number | null; agent: Fingerprint | null }
  | { request: 'verify_activity' }
  | { request: 'prune_activity'; days: number | null }
  | { request: 'export_activity'; path: string }
  | { request: 'put_secret'; name: string; value: string }
  | { request: 'remove_secret'; name: string }
  | { request: 'secrets' }
  | { request: 'diagnose' };

export type FailureCause = 'storage' | 'other';

export type Reply =
  | { reply: 'done' }
  | { reply: 'status'; fingerprint: Fingerprint; words: string; running: boolean; sessions: number }
  | { reply: 'servers'; servers: ServerDefinition[] }
  | { reply: 'server_log'; lines: string[] }
  | { reply: 'probed'; server: string; protocol: string; tools: string[] }
  | { reply: 'agents'; agents: AgentSummary[] }
  | { reply: 'grants'; grants: Grant[]; altered: Fingerprint[] }
  | { reply: 'links'; links: LinkDefinition[]; open: [LinkId, string][] }
  | { reply: 'invited'; invitation: InvitationSummary; text: string; link: string }
  | { reply: 'invitations'; invitations: InvitationSummary[] }
  | { reply: 'sessions'; sessions: SessionSummary[] }
  | { reply: 'activity'; entries: ActivityRow[] }
  | { reply: 'verified'; entries: number; broken: string | null }
  | { reply: 'pruned'; entries: number }
  | { reply: 'secrets'; names: string[] }
  | { reply: 'diagnosis'; checks: Check[] }
  | { reply: 'failed'; message: string; cause: FailureCause };

// activity.rs

export type CallOutcome = 'answered' | 'failed' | 'denied' | 'cancelled' | 'interrupted';
export type ActivityEvent =
  | { kind: 'session-begun'; link: string }
  | { kind: 'session-ended'; reason: string }
  | { kind: 'approval-asked'; subject: string }
  | {
      kind: 'approval-answered';
      subject: string;
      answer: 'once' | 'session' | 'always' | 'denied' | 'ended' | 'blocked';
      by: 'person' | 'timeout' | 'policy';
    }
  | {
      kind: 'call';
      method: string;
      target?: string;
      request_bytes: number;
      millis: number;
      outcome: CallOutcome;
      arguments?: string;
    }
  | { kind: 'agent-changed'; change: 'trusted' | 'granted' | 'renamed' | 'blocked' | 'forgotten' }
  | { kind: 'grants-altered' }
  | { kind: 'server-crashed'; reason: string }
  | { kind: 'lost'; entries: number };
export type ActivityRow = ActivityEvent & {
  seq: number;
  at: Timestamp;
  session?: SessionId;
  agent?: Fingerprint;
  server?: ServerId;
};

// event.rs

export type HostEvent =
  | { event: 'link_up'; link: LinkId; address: string }
  | { event: 'link_down'; link: LinkId; reason: string }
  | { event: 'refused'; link: LinkId; agent: Fingerprint | null; reason: string }
  | { event: 'connected'; session: SessionId; agent: Fingerprint; link: LinkId; path: string }
  | { event: 'invitation_opened'; invitation: string; expires: Timestamp }
  | { event: 'invitation_ended'; invitation: string; reason: string }
  | { event: 'pairing_failed'; session: SessionId; agent: Fingerprint; invitation: string; reason: string }
  | { event: 'admitted'; session: SessionId; label: string; servers: ServerId[] }
  | { event: 'ended'; session: SessionId; reason: string }
  | { event: 'channel_opened'; session: SessionId; channel: number; server: ServerId }
  | { event: 'channel_closed'; session: SessionId; channel: number; server: ServerId; reason: string }
  | {
      event: 'called';
      session: SessionId;
      server: ServerId;
      method: string;
      tool: string | null;
      outcome: string;
      millis: number;
    }
  | { event: 'tool_changed'; session: SessionId; server: ServerId; tool: string }
  | { event: 'grants_altered'; agent: Fingerprint }
  | { event: 'keychain_unavailable'; reason: string }
  | { event: 'changed' }
  | { event: 'missed'; events: number }
  | { event: 'unreachable'; session: SessionId; agent: Fingerprint }
  | { event: 'reachable'; session: SessionId }
  | { event: 'interrupted'; session: SessionId; reason: string; seconds: number }
  | { event: 'resumed'; session: SessionId; path: string }
  | { event: 'path_changed'; session: SessionId; path: string; kind: PathKind };

// approval.rs, approval/view.rs

export interface ShownText {
  text: string;
  size: number;
  is_whole: boolean;
}
export type Subject =
  | { subject: 'pairing'; preset: Grant[]; namesake: Fingerprint | null }
  | { subject: 'unknown_agent'; link: string; servers: ServerId[]; stable: boolean; namesake: Fingerprint | null }
  | { subject: 'session'; server: ServerId }
  | {
      subject: 'tool_call';
      server: ServerId;
      tool: ShownText;
      arguments: ShownText;
      detail: ShownText | null;
    }
  | { subject: 'changed_tool'; server: ServerId; tool: ShownText; before: ShownText | null; now: ShownText };
export interface Terms {
  label: string | null;
  grants: Grant[];
}

/** An answer. */
export type PromptAnswer =
  | { answer: 'once' }
  | { answer: 'session'; terms: Terms }
  | { answer: 'always'; terms: Terms }
  | { answer: 'deny' }
  | { answer: 'deny_and_end' }
  | { answer: 'block' };
export type AnswerKind = PromptAnswer['answer'];

/** The visible prompt, with all that it says. */
export interface PromptView {
  id: number;
  /** Of this showing; whoever answers gives it back. */
  nonce: string;
  agent: Fingerprint;
  words: string;
  /** By the person if `known`, else the agent's own claim. */
  name: string;
  known: boolean;
  /** The known agent that `Subject.namesake` speaks of. */
  namesake_words: string | null;
  /** The way it came: the link, and the kind of path. Empty if they are not known. */
  link: LinkId;
  path_kind: PathKind | '';
  path: string;
  subject: Subject;
  /** The servers that could be lent, for the terms. */
  servers: ServerDefinition[];
  /** The answers that count. */
  answers: AnswerKind[];
  /** How many requests this prompt decides. */
  requests: number;
  /** How many other prompts wait behind it. */
  behind: number;
  /** How long until nobody's deciding is a no, from when this was sent. */
  millis_left: number;
  /** The whole time that there is. */
  millis: number;
}

export type PromptEvent =
  | { event: 'show'; prompt: PromptView }
  | { event: 'armed'; id: number; nonce: string }
  | { event: 'disarmed'; id: number }
  | { event: 'none' };

export type AnswerError = 'too_early' | 'wrong_nonce' | 'gone' | 'not_allowed' | 'failed';

export type PathKind = 'direct' | 'reflexive' | 'relayed';
export type GateState = { gate: 'open' } | { gate: 'closed'; until: Timestamp | null };
export type GateChange = { gate: 'open' } | { gate: 'closed'; seconds: number | null };
export type KeychainState = { keychain: 'open' } | { keychain: 'locked' | 'missing' | 'failed'; reason: string };

export interface SessionLive extends SessionSummary {
  words: string;
  /** Calls in each of the last 30 spans of 2 s, the oldest first. */
  recent: number[];
}
export interface WaitingSummary {
  id: number;
  subject: Subject['subject'];
  agent: Fingerprint;
  words: string;
  name: string;
  known: boolean;
  server: ServerId | null;
  tool: string | null;
  expires: Timestamp;
}
export interface ServerLive {
  server: ServerId;
  channels: number;
  crash: { at: Timestamp; reason: string } | null;
}
export interface AgentLive {
  agent: Fingerprint;
  last_seen: Timestamp | null;
  calls: number;
}
export type LinkLive =
  | { link: LinkId; state: 'open'; address: string }
  | { link: LinkId; state: 'connecting' | 'closed' }
  | { link: LinkId; state: 'down'; reason: string };

/** What changes from second to second. */
export interface Live {
  gate: GateState;
  keychain: KeychainState;
  waiting: WaitingSummary[];
  sessions: SessionLive[];
  servers: ServerLive[];
  agents: AgentLive[];
  links: LinkLive[];
}

/** A tool as a probe found it. The host's `Probed` has the names only. */
export interface ToolSummary {
  name: string;
  title: string | null;
  description: string | null;
  read_only: boolean | null;
  destructive: boolean | null;
}

export interface IceServer {
  url: string;
  username: string;
  /** The name of a secret in the keychain. */
  secret: string;
}
export type Theme = 'system' | 'light' | 'dark';
export interface Settings {
  autostart: boolean;
  gate_at_start: 'open' | 'closed' | 'as-before';
  rendezvous: { use: 'none' } | { use: 'embedded' } | { use: 'url'; url: string };
  ice_servers: IceServer[];
  record_arguments: boolean;
  activity_days: number;
  activity_bytes: number;
  /** In seconds. */
  approval_timeout: number;
  notify: { waiting: boolean; session_began: boolean; session_ended: boolean; tool_changed: boolean };
  theme: Theme;
  density: 'comfortable' | 'compact';
}

export type Screen = 'welcome' | 'overview' | 'agents' | 'servers' | 'links' | 'activity' | 'settings' | 'diagnosis';
export type ShellEvent =
  | { event: 'navigate'; screen: Screen; id: string | null }
  | { event: 'opened_link'; url: string };
