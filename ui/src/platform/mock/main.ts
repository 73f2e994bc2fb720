// The main window's platform without a shell: a sample desktop that lives in this page.

import { PlatformError, type MainPlatform } from '../platform';
import type {
  Check,
  GateState,
  HostEvent,
  KeychainState,
  Live,
  Reply,
  Request,
  Screen,
  Settings,
  Theme,
  WaitingSummary,
} from '../types';
import { pause, wanted } from './query';
import * as samples from './samples';

const start = Date.now();
const bare = wanted.state === 'first' || wanted.state === 'empty';
const hostile = wanted.state === 'hostile';
const LOG_LENGTH = 100_000;

const world = {
  servers: bare ? [] : samples.servers(),
  agents: bare ? [] : samples.agents(start),
  grants: bare ? [] : samples.grants(start),
  links: wanted.state === 'first' ? samples.links().slice(1, 2) : bare ? [] : samples.links(),
  invitations: bare ? [] : samples.invitations(start),
  sessions: bare || wanted.state === 'closed' ? [] : samples.sessions(start),
  gate: (wanted.state === 'closed' ? { gate: 'closed', until: start + 42 * samples.MINUTE } : { gate: 'open' }) as GateState,
  keychain: (wanted.state === 'locked'
    ? { keychain: 'locked', reason: 'the keychain is locked; unlock it in your password manager, then retry' }
    : wanted.state === 'missing'
      ? { keychain: 'missing', reason: 'no secret service answers on the session bus; install one, such as gnome-keyring' }
      : { keychain: 'open' }) as KeychainState,
  newest: bare ? 0 : LOG_LENGTH,
  secrets: ['reporting-db'],
  settings: {
    autostart: false,
    gate_at_start: 'as-before',
    rendezvous: { use: 'url', url: 'https://meet.example.org' },
    ice_servers: [{ url: 'stun:stun.example.org:3478', username: '', secret: '' }],
    record_arguments: false,
    activity_days: 90,
    activity_bytes: 64 * 1024 * 1024,
    approval_timeout: 60,
    notify: { waiting: true, session_began: true, session_ended: false, tool_changed: true },
    theme: (wanted.theme ?? 'system') as Theme,
    density: 'comfortable',
  } as Settings,
};
if (hostile) {
  for (const agent of world.agents) agent.label = samples.HOSTILE + agent.label;
  for (const session of world.sessions) session.label = samples.HOSTILE;
  for (const server of world.servers) server.name = samples.HOSTILE;
}

const listeners = new Set<(event: HostEvent) => void>();
const tell = (event: HostEvent): void => listeners.forEach((listener) => listener(event));

const waiting = (): WaitingSummary[] =>
  bare || wanted.state === 'closed'
    ? []
    : [
        {
          id: 7, subject: 'tool_call', agent: samples.known.research.fingerprint, words: samples.known.research.words,
          name: hostile ? samples.HOSTILE : samples.known.research.label, known: true, server: 'notes', tool: 'edit_file', expires: start + 48_000,
        },
        {
          id: 8, subject: 'unknown_agent', agent: samples.stranger.fingerprint, words: samples.stranger.words,
          name: hostile ? samples.HOSTILE : 'Build box', known: false, server: null, tool: null, expires: start + 55_000,
        },
      ];

function live(): Live {
  return {
    gate: world.gate,
    keychain: world.keychain,
    waiting: waiting(),
    sessions: world.sessions.map((session) => ({ ...session, recent: [...session.recent] })),
    servers: world.servers.map(({ id }) => ({
      server: id,
      channels: world.sessions.flatMap((session) => session.channels).filter((server) => server === id).length,
      crash: id === 'postgres' ? { at: start - 18 * samples.MINUTE, reason: 'the process ended with code 1: connection refused (127.0.0.1:5432)' } : null,
    })),
    agents: world.agents.map(({ fingerprint, state }, index) => ({
      agent: fingerprint,
      last_seen: state === 'blocked' ? null : start - ([20_000, 31 * samples.HOUR, 0, 45_000, 60_000][index % 5] ?? 0) - 1000,
      calls: [48_211, 312, 0, 2044, 6][index % 5] ?? 0,
    })),
    links: world.links.map((link) =>
      !link.enabled
        ? { link: link.id, state: 'closed' }
        : link.id === 'lan' && wanted.state !== 'first'
          ? { link: link.id, state: 'down', reason: 'address already in use: another program listens on port 7420' }
          : { link: link.id, state: 'open', address: 'url' in link ? link.url : `http://192.168.1.20:${link.bind.split(':').at(-1) ?? ''}` },
    ),
  };
}

function beat(): void {
  for (const session of world.sessions) {
    const calls = Math.random() < 0.7 ? Math.floor(Math.random() ** 2 * 5) : 0;
    session.recent = [...session.recent.slice(1), calls];
    session.calls += calls;
    session.bytes_sent += calls * 9000;
    session.bytes_received += calls * 400;
    session.rtt_ms = Math.max(2, (session.rtt_ms ?? 10) + Math.round(Math.random() * 4 - 2));
    for (let call = 0; call < calls; call += 1) {
      world.newest += 1;
      tell({ event: 'called', session: session.id, server: session.channels[0] ?? 'notes', method: 'tools/call', tool: 'read_text_file', outcome: 'answered', millis: 12 });
    }
  }
}
if (!wanted.still) setInterval(beat, 2000);

const checks: Check[] = [
  { id: 'keychain', state: 'ok', found: 'the keychain is open and has this desktop’s identity', advice: '' },
  { id: 'database', state: 'ok', found: 'the activity log’s chain of 100,000 entries is whole', advice: '' },
  { id: 'login-shell', state: 'ok', found: 'uvx and npx are on the login shell’s PATH', advice: '' },
  { id: 'link.meet', state: 'ok', found: 'registered at https://meet.example.org in 41 ms', advice: '' },
  { id: 'stun', state: 'warning', found: 'STUN answers, but this network gives another port to each destination, so that direct paths will often fail', advice: 'add a TURN server in Settings, or choose a rendezvous that offers one' },
  { id: 'server.postgres', state: 'failed', found: 'the process ended with code 1: connection refused (127.0.0.1:5432)', advice: 'start the database, then probe the server again' },
  { id: 'turn', state: 'skipped', found: 'no TURN server is configured', advice: '' },
];

/** Some hours are busier than others. */
function busy(age: number): number {
  const wave = (hours: number, depth: number): number => ((depth * hours * samples.HOUR) / (2 * Math.PI)) * Math.sin((age / (hours * samples.HOUR)) * 2 * Math.PI);
  return age + wave(8, 0.55) + wave(2.3, 0.35);
}

const failed = (message: string): Reply => ({ reply: 'failed', message, cause: 'other' });
const done: Reply = { reply: 'done' };

async function perform(request: Request, signal?: AbortSignal): Promise<Reply> {
  const now = Date.now();
  if (wanted.state === 'errors' && !['status', 'servers', 'agents', 'grants', 'links', 'invitations'].includes(request.request)) {
    await pause(300, signal);
    return failed('the database is locked by another process; end it, then try again');
  }
  switch (request.request) {
    case 'status':
      return { reply: 'status', ...samples.desktop, running: true, sessions: world.sessions.length };
    case 'servers':
      return { reply: 'servers', servers: [...world.servers] };
    case 'put_server':
      world.servers = [...world.servers.filter(({ id }) => id !== request.server.id), request.server].sort((a, b) => a.id.localeCompare(b.id));
      tell({ event: 'changed' });
      return done;
    case 'remove_server':
      world.servers = world.servers.filter(({ id }) => id !== request.server);
      tell({ event: 'changed' });
      return done;
    case 'server_log':
      return {
        reply: 'server_log',
        lines: request.server === 'postgres' ? ['starting on stdio', 'connecting to 127.0.0.1:5432', 'Error: connect ECONNREFUSED 127.0.0.1:5432', '    at TCPConnectWrap.afterConnect (node:net:1636:16)', hostile ? samples.HOSTILE : 'exit 1'] : [],
      };
    case 'probe_server': {
      await pause(2500, signal);
      if (request.server === 'postgres') return failed('the server ended before it answered: connection refused (127.0.0.1:5432)');
      const server = world.servers.find(({ id }) => id === request.server);
      const list = samples.tools[server?.kind.kind === 'files' ? 'files' : request.server] ?? [];
      return { reply: 'probed', server: server?.kind.kind === 'files' ? 'gatelodge-files 0.1.0' : 'mcp-git 1.26.0', protocol: '2025-11-25', tools: [...list] };
    }
    case 'agents':
      return { reply: 'agents', agents: [...world.agents] };
    case 'rename_agent':
      world.agents = world.agents.map((agent) => (agent.fingerprint === request.agent ? { ...agent, label: request.label } : agent));
      tell({ event: 'changed' });
      return done;
    case 'trust':
    case 'block':
      world.agents = world.agents.map((agent) => (agent.fingerprint === request.agent ? { ...agent, state: request.request === 'block' ? 'blocked' : 'trusted', servers: [] } : agent));
      if (request.request === 'block') world.sessions = world.sessions.filter(({ agent }) => agent !== request.agent);
      tell({ event: 'changed' });
      return done;
    case 'forget':
      world.agents = world.agents.filter(({ fingerprint }) => fingerprint !== request.agent);
      world.sessions = world.sessions.filter(({ agent }) => agent !== request.agent);
      tell({ event: 'changed' });
      return done;
    case 'grants':
      return { reply: 'grants', grants: world.grants.filter(({ agent }) => request.agent === null || agent === request.agent), altered: bare ? [] : [samples.known.night.fingerprint] };
    case 'put_grant':
      world.grants = [...world.grants.filter(({ agent, server }) => agent !== request.grant.agent || server !== request.grant.server), request.grant];
      tell({ event: 'changed' });
      return done;
    case 'remove_grant':
      world.grants = world.grants.filter(({ agent, server }) => agent !== request.agent || server !== request.server);
      tell({ event: 'changed' });
      return done;
    case 'links':
      return { reply: 'links', links: [...world.links], open: [] };
    case 'put_link':
      world.links = [...world.links.filter(({ id }) => id !== request.link.id), request.link];
      tell({ event: 'changed' });
      return done;
    case 'remove_link':
      world.links = world.links.filter(({ id }) => id !== request.link);
      tell({ event: 'changed' });
      return done;
    case 'invite': {
      await pause(300, signal);
      if (world.links.length === 0) return failed('no link is open by which an agent could reach this desktop; open one that it can reach');
      const invitation = { id: 'a83bd2f01c55e972', created: now, expires: now + (request.seconds ?? 600) * 1000, places: ['https://meet.example.org'] };
      world.invitations = [...world.invitations, invitation];
      tell({ event: 'invitation_opened', invitation: invitation.id, expires: invitation.expires });
      return {
        reply: 'invited', invitation,
        text: '04G7Q-9M2KD-R0X4H-ZB1TA-5\n6PNWE-3VC8J-KQ72M-D0RHX-A\n1T9BZ-5GEYN-8WP4C-JM6VQ-3\nK7R2D-0XHAT-9BZ5G-E1YNP-W',
        link: 'gatelodge://pair/04G7Q9M2KDR0X4HZB1TA56PNWE3VC8JKQ72MD0RHXA1T9BZ5GEYN8WP4CJM6VQ3K7R2D0XHAT9BZ5GE1YNPW',
      };
    }
    case 'invitations':
      return { reply: 'invitations', invitations: world.invitations.filter(({ expires }) => expires > now) };
    case 'cancel_invitation':
      world.invitations = world.invitations.filter(({ id }) => id !== request.invitation);
      tell({ event: 'invitation_ended', invitation: request.invitation, reason: 'cancelled' });
      return done;
    case 'sessions':
      return { reply: 'sessions', sessions: world.sessions };
    case 'end_session':
      world.sessions = world.sessions.filter(({ id }) => id !== request.session);
      tell({ event: 'ended', session: request.session, reason: 'ended by the person' });
      return done;
    case 'activity': {
      await pause(60, signal);
      const entries = [];
      for (let seq = Math.min(world.newest, (request.before ?? Infinity) - 1); seq > 0 && entries.length < request.limit; seq -= 1) {
        const entry = samples.activity(seq, start - busy((LOG_LENGTH - seq) * 47_000) + Math.floor(samples.random(seq)() * 40_000) - 45_000);
        if ((request.agent ?? entry.agent) === entry.agent) entries.push(entry);
      }
      return { reply: 'activity', entries };
    }
    case 'activity_counts':
      return { reply: 'activity_counts', counts: Array.from({ length: request.buckets }, () => ({ answered: 0, failed: 0, denied: 0 })) };
    case 'gate':
      return { reply: 'gate', state: world.gate };
    case 'set_gate':
      await platform.setGate(request.change);
      return { reply: 'gate', state: world.gate };
    case 'settings':
      return { reply: 'settings', settings: world.settings };
    case 'put_settings':
      world.settings = { ...world.settings, ...request.settings };
      return done;
    case 'verify_activity':
      await pause(1500, signal);
      return { reply: 'verified', entries: world.newest, broken: null };
    case 'prune_activity':
      return { reply: 'pruned', entries: 1204 };
    case 'export_activity':
      await pause(1500, signal);
      return { reply: 'verified', entries: world.newest, broken: null };
    case 'diagnose':
      for (const check of checks) {
        await pause(4000 / checks.length, signal);
        tell({ event: 'checked', check });
      }
      return { reply: 'diagnosis', checks };
    case 'secrets':
      return { reply: 'secrets', names: [...world.secrets] };
    case 'put_secret':
    case 'remove_secret':
      world.secrets = [...world.secrets.filter((name) => name !== request.name), ...(request.request === 'put_secret' ? [request.name] : [])].sort();
      return done;
  }
}

export const platform: MainPlatform = {
  async request(request, signal) {
    await pause(20, signal);
    const reply = await perform(request, signal);
    if (reply.reply === 'failed') throw new PlatformError(reply.cause, reply.message);
    return reply;
  },
  events(listener) {
    listeners.add(listener);
    return Promise.resolve(() => void listeners.delete(listener));
  },
  shell: () => Promise.resolve(() => undefined),
  live: () => Promise.resolve(live()),
  setGate(change) {
    const seconds = change.gate === 'closed' ? change.seconds : null;
    world.gate = change.gate === 'open' ? change : { gate: 'closed', until: seconds === null ? null : Date.now() + seconds * 1000 };
    if (change.gate !== 'open') world.sessions = [];
    tell({ event: 'gate_changed', state: world.gate });
    return Promise.resolve();
  },
  showPrompt() {
    window.open('prompt.html', 'prompt', 'popup,width=480,height=680');
    return Promise.resolve();
  },
  settings: () => Promise.resolve(structuredClone(world.settings)),
  putSettings(settings) {
    world.settings = structuredClone(settings);
    return Promise.resolve();
  },
  async retryKeychain() {
    await pause(900);
    if (wanted.state === 'missing') throw new PlatformError('storage', 'still no secret service answers on the session bus');
    world.keychain = { keychain: 'open' };
    tell({ event: 'changed' });
  },
  pickFolder: () => Promise.resolve('/home/me/notes'),
  pickNewFile: (suggested) => Promise.resolve(`/home/me/${suggested}`),
  copy: (text) => navigator.clipboard.writeText(text),
  ready: () => Promise.resolve(),
  start: () => Promise.resolve({ screen: (wanted.screen ?? (wanted.state === 'first' ? 'welcome' : null)) as Screen | null, id: wanted.id }),
  version: () => Promise.resolve('0.1.0'),
};
