// What the desktop's events change of what is shown. Pure: state and event in, state out.

import type { HostEvent, Live, SessionLive } from '../../platform/types';

/** The lists that are read from the host, and read again when they are stale. */
export type Part = 'status' | 'servers' | 'agents' | 'grants' | 'links' | 'invitations' | 'live';
export const PARTS: readonly Part[] = ['status', 'servers', 'agents', 'grants', 'links', 'invitations', 'live'];

/** Something that the person should hear of while the window is open. */
export interface News {
  readonly id: number;
  readonly tone: 'info' | 'warn' | 'bad';
  readonly event: HostEvent;
}

/** The most that is kept unread; older ones are in the activity log. */
const MAX_NEWS = 4;

export interface Shown {
  readonly live: Live;
  /** What has to be read again. */
  readonly stale: ReadonlySet<Part>;
  readonly news: readonly News[];
  /** Rises with each thing that the activity log has a new entry for. */
  readonly activity: number;
  /** Names the next piece of news. */
  readonly next: number;
}

export const NOTHING: Shown = {
  live: { gate: { gate: 'open' }, keychain: { keychain: 'open' }, waiting: [], sessions: [], servers: [], agents: [], links: [] },
  stale: new Set(PARTS),
  news: [],
  activity: 0,
  next: 1,
};

export function reduce(shown: Shown, event: HostEvent): Shown {
  switch (event.event) {
    case 'called':
      return {
        ...changeSession(shown, event.session, (session) => ({
          ...session,
          calls: session.calls + 1,
          recent: [...session.recent.slice(0, -1), (session.recent.at(-1) ?? 0) + 1],
        })),
        activity: shown.activity + 1,
      };
    case 'channel_opened':
      return changeSession(shown, event.session, (session) => ({ ...session, channels: [...session.channels, event.server] }));
    case 'channel_closed':
      return stale(
        changeSession(shown, event.session, (session) => {
          const at = session.channels.indexOf(event.server);
          return at < 0 ? session : { ...session, channels: session.channels.toSpliced(at, 1) };
        }),
        'live',
      );
    case 'admitted':
      return stale(bump(changeSession(shown, event.session, (session) => ({ ...session, label: event.label }))), 'live', 'agents');
    case 'connected':
      return stale(bump(shown), 'live');
    case 'ended': {
      const sessions = shown.live.sessions.filter(({ id }) => id !== event.session);
      return stale(bump({ ...shown, live: { ...shown.live, sessions } }), 'live');
    }
    case 'link_up':
      return changeLink(shown, { link: event.link, state: 'open', address: event.address });
    case 'link_down':
      return changeLink(shown, { link: event.link, state: 'down', reason: event.reason });
    case 'invitation_opened':
    case 'invitation_ended':
      return stale(shown, 'invitations');
    case 'pairing_failed':
      return news(stale(shown, 'invitations'), 'warn', event);
    case 'refused':
      return bump(shown);
    case 'tool_changed':
      return news(stale(shown, 'live'), 'warn', event);
    case 'grants_altered':
      return news(stale(bump(shown), 'agents', 'grants'), 'bad', event);
    case 'keychain_unavailable':
      return {
        ...shown,
        live: { ...shown.live, keychain: { keychain: 'failed', reason: event.reason } },
        stale: new Set([...shown.stale, 'live']),
      };
    case 'keychain_available':
      return { ...shown, live: { ...shown.live, keychain: { keychain: 'open' } }, stale: new Set(PARTS) };
    case 'gate_changed':
      return stale({ ...shown, live: { ...shown.live, gate: event.state } }, 'live');
    case 'checked':
      // Whoever diagnoses listens to it.
      return shown;
    case 'unreachable':
    case 'interrupted':
      return bump(changeSession(shown, event.session, (session) => ({ ...session, interrupted: true })));
    case 'reachable':
      return changeSession(shown, event.session, (session) => ({ ...session, interrupted: false }));
    case 'resumed':
      return bump(changeSession(shown, event.session, (session) => ({ ...session, interrupted: false, path: event.path })));
    case 'path_changed':
      return changeSession(shown, event.session, (session) => ({ ...session, path: event.path, kind: event.kind }));
    case 'changed':
      return stale(shown, 'servers', 'agents', 'grants', 'links', 'live');
    case 'missed':
      return stale(bump(shown), ...PARTS);
  }
}

const bump = (shown: Shown): Shown => ({ ...shown, activity: shown.activity + 1 });
const stale = (shown: Shown, ...parts: Part[]): Shown => ({ ...shown, stale: new Set([...shown.stale, ...parts]) });

function changeSession(shown: Shown, id: number, change: (session: SessionLive) => SessionLive): Shown {
  const { live } = shown;
  return { ...shown, live: { ...live, sessions: live.sessions.map((session) => (session.id === id ? change(session) : session)) } };
}

function changeLink(shown: Shown, link: Live['links'][number]): Shown {
  const { live } = shown;
  return { ...shown, live: { ...live, links: [...live.links.filter((other) => other.link !== link.link), link] } };
}

function news(shown: Shown, tone: News['tone'], event: HostEvent): Shown {
  return { ...shown, news: [...shown.news, { id: shown.next, tone, event }].slice(-MAX_NEWS), next: shown.next + 1 };
}

export function dismiss(shown: Shown, id: number): Shown {
  return { ...shown, news: shown.news.filter((item) => item.id !== id) };
}
