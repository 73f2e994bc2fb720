// Made of the desktop's Rust types by `make types`. Changes belong there.

/** A row of the log. */
export type ActivityRow = { seq: number; at: Timestamp; session?: number; agent?: Fingerprint; server?: ServerId } & ({ kind: 'session-begun'; link: BoundedText } | { kind: 'session-ended'; reason: BoundedText } | { kind: 'approval-asked'; subject: BoundedText } | { kind: 'approval-answered'; subject: BoundedText; answer: AnswerInLog; by: DecidedBy } | { kind: 'call'; method: BoundedText; target?: BoundedText; request_bytes: number; millis: number; outcome: CallOutcome; arguments?: BoundedText } | { kind: 'more-refused'; calls: number } | { kind: 'agent-changed'; change: AgentChange } | { kind: 'grants-altered' } | { kind: 'server-crashed'; reason: BoundedText } | { kind: 'lost'; entries: number });

/** What the person changed about an agent. */
export type AgentChange = 'trusted' | 'granted' | 'renamed' | 'blocked' | 'forgotten';

/** An agent, as it was last seen. */
export type AgentLive = { agent: Fingerprint; last_seen: Timestamp | null; calls: number };

/** An agent as it is shown. */
export type AgentSummary = {
  fingerprint: string;
  words: string;
  label: string;
  state: 'trusted' | 'blocked';
  since: Timestamp | null;
  servers: ServerId[] | null;
};

/** How a question was answered. */
export type AnswerInLog = 'once' | 'session' | 'always' | 'denied' | 'ended' | 'blocked';

/** An answer, in a word. */
export type AnswerKind = 'once' | 'session' | 'always' | 'deny' | 'deny_and_end' | 'block';

/** A text of at most so many bytes. */
export type BoundedText = string;

/** Calls in one span of time, by how they ended. */
export type CallCounts = { answered: number; failed: number; denied: number };

/** How a call ended. */
export type CallOutcome = 'answered' | 'failed' | 'denied' | 'cancelled' | 'interrupted';

/** One finding. */
export type Check = { id: string; state: CheckState; found: string; advice: string };

/** What came of a check. */
export type CheckState = 'ok' | 'warning' | 'failed' | 'skipped';

/** That a server ended by itself. */
export type Crash = { at: Timestamp; reason: string };

/** Who answered a question. */
export type DecidedBy = 'person' | 'timeout' | 'policy';

/** How much room things take in the window. */
export type Density = 'comfortable' | 'compact';

/** Whether the person is asked when the agent opens a connection to the server. */
export type EntryRule = 'open' | 'ask';

/** Why a request was not carried out, for programs to branch on. */
export type FailureCause = 'storage' | 'other';

/** The SHA-256 of a certificate's DER encoding, as WebRTC puts it into `a=fingerprint`. */
export type Fingerprint = string;

/** What may be done in a folder. */
export type FolderAccess = 'read-only' | 'read-write';

/** How the gate is when the desktop starts. */
export type GateAtStart = 'open' | 'closed' | 'as-before';

/** What the person makes of the gate. */
export type GateChange =
  | { gate: 'open' }
  | { gate: 'closed'; seconds: number | null }
  | { gate: 'closed_until_restart' };

/** How the gate is. */
export type GateState = { gate: 'open' } | { gate: 'closed'; until: Timestamp | null };

/** What one agent may do with one server. */
export type Grant = {
  agent: Fingerprint;
  server: ServerId;
  entry: EntryRule;
  folders?: SharedFolder[];
  tools: ToolRules;
  sampling: boolean;
  elicitation: boolean;
  expires?: Timestamp;
  pins?: Record<string, ToolPin>;
};

/** Something that happened. */
export type HostEvent =
  | { event: 'link_up'; link: LinkId; address: string }
  | { event: 'link_down'; link: LinkId; reason: string }
  | { event: 'refused'; link: LinkId; agent: Fingerprint | null; reason: string }
  | { event: 'connected'; session: SessionId; agent: Fingerprint; link: LinkId; path: string }
  | { event: 'invitation_opened'; invitation: string; expires: Timestamp }
  | { event: 'invitation_ended'; invitation: string; reason: string }
  | { event: 'pairing_failed'; session: SessionId; agent: Fingerprint; invitation: string; reason: string }
  | { event: 'admitted'; session: SessionId; label: string; servers: ServerId[] }
  | { event: 'unreachable'; session: SessionId; agent: Fingerprint }
  | { event: 'reachable'; session: SessionId }
  | { event: 'interrupted'; session: SessionId; reason: string; seconds: number }
  | { event: 'resumed'; session: SessionId; path: string }
  | { event: 'path_changed'; session: SessionId; path: string; kind: 'direct' | 'reflexive' | 'relayed' }
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
  | { event: 'keychain_available' }
  | { event: 'gate_changed'; state: GateState }
  | { event: 'checked'; check: Check }
  | { event: 'changed' }
  | { event: 'missed'; events: number };

/** A STUN or TURN server that the person chose. */
export type IceServer = { url: string; username: string; secret: string };

/** An invitation as it is listed. */
export type InvitationSummary = {
  id: string;
  created: Timestamp;
  expires: Timestamp;
  places: PlaceUrl[];
  taken_by?: string;
};

/** Whether the keychain can be used. */
export type KeychainState =
  | { keychain: 'open' }
  | { keychain: 'locked'; reason: string }
  | { keychain: 'missing'; reason: string }
  | { keychain: 'failed'; reason: string };

/** One way in. */
export type LinkDefinition = { id: LinkId; name: string; server?: ServerId; enabled: boolean; prompt: LinkPolicy } & ({ kind: 'tcp'; bind: string } | { kind: 'websocket'; bind: string } | { kind: 'rendezvous'; url: RendezvousUrl } | { kind: 'embedded'; bind: string });

/** The short name of a link, made like a server's: lower-case letters, digits, `-`, `_` and `.`, beginning with a letter or a digit, up to 64 characters. */
export type LinkId = string;

/** How signaling comes. */
export type LinkKind =
  | { kind: 'tcp'; bind: string }
  | { kind: 'websocket'; bind: string }
  | { kind: 'rendezvous'; url: RendezvousUrl }
  | { kind: 'embedded'; bind: string };

/** A link, as it is now. */
export type LinkLive = { link: LinkId } & ({ state: 'open'; address: string } | { state: 'connecting' } | { state: 'closed' } | { state: 'down'; reason: string });

/** Who may come in through a link. */
export type LinkPolicy = 'ask-unknown' | 'paired-only';

/** What changes from second to second. */
export type Live = {
  gate: GateState;
  keychain: KeychainState;
  waiting: WaitingSummary[];
  sessions: SessionLive[];
  servers: ServerLive[];
  agents: AgentLive[];
  links: LinkLive[];
};

/** Names one showing of one prompt. */
export type Nonce = string;

/** What the person is notified of. */
export type NotifyChoice = { waiting: boolean; session_began: boolean; session_ended: boolean; tool_changed: boolean };

/** Where a desktop can be reached: `tcp://HOST:PORT` and `ws(s)://HOST[:PORT][/PATH]` are signaling links, `http(s)://HOST[:PORT]` is a rendezvous. */
export type PlaceUrl = string;

/** An answer as a window gives it. */
export type PromptAnswer =
  | { answer: 'once' }
  | { answer: 'session'; terms: Terms }
  | { answer: 'always'; terms: Terms }
  | { answer: 'deny' }
  | { answer: 'deny_and_end' }
  | { answer: 'block' };

/** What a prompt's window is told. */
export type PromptEvent =
  | { event: 'show'; prompt: PromptView }
  | { event: 'armed'; id: PromptId; nonce: Nonce }
  | { event: 'disarmed'; id: PromptId }
  | { event: 'none' };

/** Names a prompt. */
export type PromptId = number;

/** The visible prompt, with all that it says. */
export type PromptView = {
  id: PromptId;
  nonce: Nonce;
  agent: string;
  words: string;
  name: string;
  known: boolean;
  namesake_words: string | null;
  link: string;
  path_kind: 'direct' | 'reflexive' | 'relayed' | '';
  path: string;
  subject: Subject;
  servers: ServerDefinition[];
  answers: AnswerKind[];
  requests: number;
  behind: number;
  millis_left: number;
  millis: number;
};

/** The rendezvous that the person chose. */
export type RendezvousChoice = { use: 'none' } | { use: 'embedded' } | { use: 'url'; url: string };

/** The URL of a rendezvous, such as `https://meet.example.org` or `http://192.0.2.7:7424`. */
export type RendezvousUrl = string;

/** What came of a `Request`. */
export type Reply =
  | { reply: 'done' }
  | { reply: 'status'; fingerprint: string; words: string; running: boolean; sessions: number }
  | { reply: 'servers'; servers: ServerDefinition[] }
  | { reply: 'server_log'; lines: string[] }
  | { reply: 'probed'; server: string; protocol: string; tools: ToolSummary[] }
  | { reply: 'agents'; agents: AgentSummary[] }
  | { reply: 'grants'; grants: Grant[]; altered: string[] }
  | { reply: 'links'; links: LinkDefinition[]; open: [LinkId, string][] }
  | { reply: 'invited'; invitation: InvitationSummary; text: SecretText; link: SecretText }
  | { reply: 'invitations'; invitations: InvitationSummary[] }
  | { reply: 'sessions'; sessions: SessionSummary[] }
  | { reply: 'activity'; entries: ActivityRow[] }
  | { reply: 'activity_counts'; counts: CallCounts[] }
  | { reply: 'verified'; entries: number; broken: string | null }
  | { reply: 'pruned'; entries: number }
  | { reply: 'secrets'; names: string[] }
  | { reply: 'diagnosis'; checks: Check[] }
  | { reply: 'gate'; state: GateState }
  | { reply: 'settings'; settings: Settings }
  | { reply: 'failed'; message: string; cause: FailureCause };

/** Something to do. */
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
  | {
      request: 'activity';
      limit: number;
      before: number | null;
      agent?: Fingerprint | null;
      server?: ServerId | null;
      kind?: string | null;
      tool?: string | null;
      outcome?: CallOutcome | null;
      from?: Timestamp | null;
      to?: Timestamp | null;
      text?: string | null;
      named?: Fingerprint[];
    }
  | {
      request: 'activity_counts';
      buckets: number;
      agent?: Fingerprint | null;
      server?: ServerId | null;
      kind?: string | null;
      tool?: string | null;
      outcome?: CallOutcome | null;
      from?: Timestamp | null;
      to?: Timestamp | null;
      text?: string | null;
      named?: Fingerprint[];
    }
  | { request: 'verify_activity' }
  | { request: 'prune_activity'; days: number | null }
  | {
      request: 'export_activity';
      path: string;
      agent?: Fingerprint | null;
      server?: ServerId | null;
      kind?: string | null;
      tool?: string | null;
      outcome?: CallOutcome | null;
      from?: Timestamp | null;
      to?: Timestamp | null;
      text?: string | null;
      named?: Fingerprint[];
    }
  | { request: 'put_secret'; name: string; value: SecretText }
  | { request: 'remove_secret'; name: string }
  | { request: 'secrets' }
  | { request: 'diagnose' }
  | { request: 'gate' }
  | { request: 'set_gate'; change: GateChange }
  | { request: 'settings' }
  | { request: 'put_settings'; settings: Settings };

/** A time in milliseconds, to a hundredth. */
export type RoundTrip = number;

/** A secret on its way to the keychain. */
export type SecretText = string;

/** One local MCP server that may be lent. */
export type ServerDefinition = { id: ServerId; name: string; kind: ServerKind; notes?: string };

/** The short name of a server: lower-case letters, digits, `-`, `_` and `.`, beginning with a letter or a digit, up to 64 characters. */
export type ServerId = string;

/** What runs a server. */
export type ServerKind =
  | { kind: 'files'; folders: SharedFolder[] }
  | { kind: 'stdio'; command: string; args: string[]; env?: Record<string, string>; cwd?: string };

/** A server, as it is now. */
export type ServerLive = { server: ServerId; channels: number; crash: Crash | null };

/** Names a session within one run of the desktop. */
export type SessionId = number;

/** A session, with how busy it is. */
export type SessionLive = {
  words: string;
  recent: number[];
  id: number;
  agent: string;
  label: string;
  link: LinkId;
  path: string;
  kind: 'direct' | 'reflexive' | 'relayed' | '';
  local_kind: string;
  remote_kind: string;
  rtt_ms: RoundTrip | null;
  bytes_received: number;
  bytes_sent: number;
  calls: number;
  interrupted: boolean;
  since: Timestamp;
  channels: ServerId[];
};

/** A session as it is shown. */
export type SessionSummary = {
  id: number;
  agent: string;
  label: string;
  link: LinkId;
  path: string;
  kind: 'direct' | 'reflexive' | 'relayed' | '';
  local_kind: string;
  remote_kind: string;
  rtt_ms: RoundTrip | null;
  bytes_received: number;
  bytes_sent: number;
  calls: number;
  interrupted: boolean;
  since: Timestamp;
  channels: ServerId[];
};

/** What the person decided about the application itself. */
export type Settings = {
  gate_at_start: GateAtStart;
  rendezvous: RendezvousChoice;
  ice_servers: IceServer[];
  record_arguments: boolean;
  activity_days: number;
  activity_bytes: number;
  approval_timeout: number;
  notify: NotifyChoice;
  theme: Theme;
  density: Density;
};

/** A folder and what may be done in it. */
export type SharedFolder = { path: string; access: FolderAccess };

/** A text as it is shown to the person: whole up to 8 MiB, and with its size, if that is more. */
export type ShownText = { text: string; size: number; is_whole: boolean };

/** What is asked. */
export type Subject =
  | { subject: 'pairing'; preset: Grant[]; namesake: string | null }
  | { subject: 'unknown_agent'; link: string; servers: ServerId[]; stable: boolean; namesake: string | null }
  | { subject: 'session'; server: ServerId }
  | { subject: 'tool_call'; server: ServerId; tool: ShownText; arguments: ShownText; detail: ShownText | null }
  | { subject: 'changed_tool'; server: ServerId; tool: ShownText; before: ShownText | null; now: ShownText };

/** What is asked, in a word. */
export type SubjectKind = 'pairing' | 'unknown_agent' | 'session' | 'tool_call' | 'changed_tool';

/** Terms as a window gives them. */
export type Terms = { label: string | null; grants: Grant[] };

/** Light or dark. */
export type Theme = 'system' | 'light' | 'dark';

/** A point in time, in milliseconds since the beginning of 1970 (UTC). */
export type Timestamp = number;

/** The definition of a tool as it was when the person lent it: SHA-256 of its canonical JSON (RFC 8785). */
export type ToolPin = string;

/** What happens when an agent calls a tool. */
export type ToolRule = 'allow' | 'ask' | 'deny';

/** Which tools an agent may call. */
export type ToolRules = { default: ToolRule; tools?: Record<string, ToolRule> };

/** A tool as a probe found it. */
export type ToolSummary = {
  name: string;
  title: string | null;
  description: string | null;
  read_only: boolean | null;
  destructive: boolean | null;
};

/** A prompt of the queue in short, for a menu or a list. */
export type WaitingSummary = {
  id: PromptId;
  subject: SubjectKind;
  agent: string;
  words: string;
  name: string;
  known: boolean;
  server: ServerId | null;
  tool: string | null;
  expires: Timestamp;
};
