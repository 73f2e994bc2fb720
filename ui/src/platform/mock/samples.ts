// The sample desktop of the browser-only mode.

import type {
  ActivityRow,
  AgentSummary,
  CallOutcome,
  Fingerprint,
  Grant,
  InvitationSummary,
  LinkDefinition,
  ServerDefinition,
  SessionLive,
  ToolSummary,
} from '../types';

/** The same numbers in each run, so that two screenshots can be compared. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export function fingerprint(seed: number): Fingerprint {
  const next = random(seed * 7919 + 1);
  const byte = (): string => Math.floor(next() * 256).toString(16).toUpperCase().padStart(2, '0');
  return Array.from({ length: 32 }, byte).join(':');
}

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const HOSTILE =
  '<img src=x onerror=alert(1)>\u202egnp.exe\u200b\u2066 p\u0430ypal \u0007';

export const desktop = { fingerprint: fingerprint(1), words: 'harbor-mellow-cactus-orbit-velvet-drum' };

export const known = {
  build: { fingerprint: fingerprint(11), words: 'copper-lantern-swift-meadow-pilot-anchor', label: 'Build box' },
  research: { fingerprint: fingerprint(12), words: 'violet-timber-echo-saddle-north-grain', label: 'Research agent' },
  laptop: { fingerprint: fingerprint(13), words: 'amber-kettle-ridge-canvas-plume-stone', label: 'Travel laptop' },
  night: { fingerprint: fingerprint(14), words: 'silent-marble-otter-fable-crisp-dune', label: 'Nightly reports' },
  scraper: { fingerprint: fingerprint(15), words: 'hollow-brick-raven-spark-tunnel-moss', label: 'Old scraper' },
};
export const stranger = { fingerprint: fingerprint(21), words: 'jungle-pepper-quartz-window-elbow-tide' };

export function agents(now: number): AgentSummary[] {
  return [
    { ...known.build, state: 'trusted', since: now - 64 * DAY, servers: ['notes', 'git', 'postgres'] },
    { ...known.night, state: 'trusted', since: now - 12 * DAY, servers: null },
    { ...known.scraper, state: 'blocked', since: null, servers: [] },
    { ...known.research, state: 'trusted', since: now - 9 * DAY, servers: ['notes', 'papers'] },
    { ...known.laptop, state: 'trusted', since: now - 2 * DAY, servers: ['notes'] },
  ];
}

export function servers(): ServerDefinition[] {
  return [
    {
      id: 'git',
      name: 'Git repositories',
      kind: { kind: 'stdio', command: 'uvx', args: ['mcp-server-git', '--repository', '/home/me/src/site'] },
    },
    {
      id: 'notes',
      name: 'Notes',
      kind: {
        kind: 'files',
        folders: [
          { path: '/home/me/notes', access: 'read-only' },
          { path: '/home/me/notes/shared', access: 'read-write' },
        ],
      },
      notes: 'Meeting notes and drafts. Nothing private in here.',
    },
    { id: 'papers', name: 'Papers', kind: { kind: 'files', folders: [{ path: '/home/me/Documents/papers', access: 'read-only' }] } },
    {
      id: 'postgres',
      name: 'Reporting database',
      kind: {
        kind: 'stdio',
        command: 'npx',
        args: ['-y', '@example/mcp-postgres'],
        env: { DATABASE_URL: '${secret:reporting-db}', PGSSLMODE: 'require' },
        cwd: '/home/me/src',
      },
    },
  ];
}

export function grants(now: number): Grant[] {
  const base = { entry: 'open', sampling: false, elicitation: false } as const;
  return [
    { ...base, agent: known.build.fingerprint, server: 'notes', tools: { default: 'allow' } },
    {
      ...base,
      agent: known.build.fingerprint,
      server: 'git',
      tools: { default: 'ask', tools: { git_status: 'allow', git_log: 'allow', git_diff: 'allow', git_commit: 'deny' } },
      expires: now + 5 * HOUR + 20 * MINUTE,
    },
    { ...base, agent: known.build.fingerprint, server: 'postgres', entry: 'ask', tools: { default: 'ask' } },
    {
      ...base,
      agent: known.research.fingerprint,
      server: 'notes',
      folders: [{ path: '/home/me/notes/shared', access: 'read-write' }],
      tools: { default: 'allow', tools: { write_file: 'ask', edit_file: 'ask', move_file: 'ask' } },
    },
    { ...base, agent: known.research.fingerprint, server: 'papers', tools: { default: 'allow' }, sampling: true },
    {
      ...base,
      agent: known.laptop.fingerprint,
      server: 'notes',
      tools: { default: 'ask', tools: { read_text_file: 'allow', list_directory: 'allow' } },
    },
  ];
}

export function links(): LinkDefinition[] {
  return [
    { id: 'meet', name: 'Rendezvous', kind: 'rendezvous', url: 'https://meet.example.org', enabled: true, prompt: 'paired-only' },
    { id: 'home', name: 'Home network', kind: 'embedded', bind: '0.0.0.0:7424', enabled: true, prompt: 'paired-only' },
    { id: 'lan', name: 'Direct, for the lab', kind: 'tcp', bind: '0.0.0.0:7420', server: 'notes', enabled: true, prompt: 'ask-unknown' },
    { id: 'page', name: 'Web page', kind: 'websocket', bind: '127.0.0.1:7421', enabled: false, prompt: 'paired-only' },
  ];
}

export function invitations(now: number): InvitationSummary[] {
  return [
    { id: '25fe8c01d7aa3b92', created: now - 2 * MINUTE, expires: now + 7 * MINUTE + 42_000, places: ['https://meet.example.org', 'http://192.168.1.20:7424'] },
  ];
}

export function sessions(now: number): SessionLive[] {
  const next = random(5);
  const recent = (most: number): number[] => Array.from({ length: 30 }, () => Math.floor(next() ** 2 * most));
  return [
    {
      id: 31, agent: known.build.fingerprint, words: known.build.words, label: known.build.label, link: 'meet',
      path: 'direct 192.168.1.44:51820', kind: 'direct', local_kind: 'host', remote_kind: 'host', interrupted: false, since: now - 3 * HOUR - 12 * MINUTE, channels: ['notes', 'git', 'git'],
      rtt_ms: 4, bytes_received: 1_482_110, bytes_sent: 48_220_004, calls: 1284, recent: recent(9),
    },
    {
      id: 34, agent: known.research.fingerprint, words: known.research.words, label: known.research.label, link: 'meet',
      path: 'reflexive 203.0.113.80:40112', kind: 'reflexive', local_kind: 'host', remote_kind: 'reflexive', interrupted: false, since: now - 26 * MINUTE, channels: ['papers'],
      rtt_ms: 38, bytes_received: 88_410, bytes_sent: 9_204_771, calls: 97, recent: recent(4),
    },
    {
      id: 36, agent: known.laptop.fingerprint, words: known.laptop.words, label: known.laptop.label, link: 'meet',
      path: 'relayed 198.51.100.9:3478', kind: 'relayed', local_kind: 'host', remote_kind: 'relayed', interrupted: false, since: now - 4 * MINUTE, channels: ['notes'],
      rtt_ms: 112, bytes_received: 4110, bytes_sent: 61_337, calls: 6, recent: recent(1.3),
    },
  ];
}

const file = (name: string, description: string, read_only = true, destructive = false): ToolSummary => ({
  name, title: null, description, read_only, destructive,
});
export const tools: Record<string, ToolSummary[]> = {
  files: [
    file('read_text_file', 'Reads a file as text, whole or a range of lines.'),
    file('read_media_file', 'Reads an image or sound as base64.'),
    file('read_multiple_files', 'Reads several files at once.'),
    file('write_file', 'Creates a file or replaces what is in it.', false, true),
    file('edit_file', 'Replaces parts of a text file.', false, true),
    file('create_directory', 'Creates a folder, with those above it.', false),
    file('list_directory', 'Lists what is in a folder.'),
    file('directory_tree', 'Lists a folder with all that is below it.'),
    file('move_file', 'Moves or renames a file or folder.', false, true),
    file('search_files', 'Finds files by name.'),
    file('search_content', 'Finds text in files.'),
    file('get_file_info', 'Size, times and permissions of a file.'),
  ],
  git: [
    file('git_status', 'Shows the state of the working tree.'),
    file('git_diff', 'Shows the differences between branches or commits.'),
    file('git_log', 'Shows the commits.'),
    file('git_show', 'Shows what a commit contains.'),
    file('git_add', 'Adds files to what is committed next.', false),
    file('git_commit', 'Records changes to the repository.', false, true),
    file('git_reset', 'Takes all staged changes back.', false, true),
    file('git_branch', 'Lists branches.'),
  ],
  postgres: [
    file('query', 'Runs a read-only query.'),
    file('describe', 'Describes a table.'),
  ],
};

const calls: [string, string][] = [
  ['notes', 'read_text_file'], ['notes', 'list_directory'], ['notes', 'search_content'], ['notes', 'edit_file'],
  ['git', 'git_status'], ['git', 'git_diff'], ['git', 'git_log'], ['papers', 'read_text_file'],
  ['papers', 'search_files'], ['postgres', 'query'],
];
const outcomes: CallOutcome[] = ['answered', 'answered', 'answered', 'answered', 'answered', 'answered', 'answered', 'failed', 'denied', 'cancelled'];

/** Makes the log's entry of a number. The same number always makes the same entry. */
export function activity(seq: number, at: number): ActivityRow {
  const next = random(seq * 31 + 7);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)] as T;
  const agent = pick([known.build, known.build, known.research, known.laptop]);
  const common = { seq, at, session: 31, agent: agent.fingerprint };
  const kind = next();
  if (seq % 97 === 0) return { seq, at, server: 'postgres', kind: 'server-crashed', reason: 'the process ended with code 1: connection refused' };
  if (seq % 61 === 0) return { ...common, kind: 'agent-changed', change: pick(['trusted', 'granted', 'renamed'] as const) };
  if (kind < 0.02) return { ...common, kind: 'session-begun', link: 'meet' };
  if (kind < 0.04) return { ...common, kind: 'session-ended', reason: 'the agent said goodbye' };
  if (kind < 0.07) {
    return { ...common, server: 'notes', kind: 'approval-answered', subject: 'edit_file', answer: pick(['once', 'always', 'denied'] as const), by: pick(['person', 'person', 'timeout'] as const) };
  }
  const [server, target] = pick(calls);
  return {
    ...common, server, kind: 'call', method: 'tools/call', target: seq % 211 === 0 ? HOSTILE : target,
    request_bytes: 90 + Math.floor(next() * 900), millis: Math.floor(2 + next() ** 4 * 4000), outcome: pick(outcomes),
  };
}
