import { describe, expect, it } from 'vitest';
import { sessions } from '../../platform/mock/samples';
import type { HostEvent } from '../../platform/types';
import { dismiss, NOTHING, PARTS, reduce, type Shown } from './reduce';

const shown: Shown = { ...NOTHING, stale: new Set(), live: { ...NOTHING.live, sessions: sessions(0) } };
const after = (...events: HostEvent[]): Shown => events.reduce(reduce, shown);

describe('events', () => {
  it('count calls where they were made', () => {
    const call: HostEvent = { event: 'called', session: 34, server: 'papers', method: 'tools/call', tool: 'x', outcome: 'answered', millis: 1 };
    const [first, second] = after(call, call).live.sessions;
    expect(first?.calls).toBe(1284);
    expect(second?.calls).toBe(99);
    expect(second?.recent).toHaveLength(30);
    expect(after(call).activity).toBe(shown.activity + 1);
  });
  it('open and close one channel at a time', () => {
    expect(after({ event: 'channel_closed', session: 31, channel: 1, server: 'git', reason: '' }).live.sessions[0]?.channels).toEqual(['notes', 'git']);
    expect(after({ event: 'channel_opened', session: 36, channel: 9, server: 'git' }).live.sessions[2]?.channels).toEqual(['notes', 'git']);
  });
  it('take an ended session away', () => {
    expect(after({ event: 'ended', session: 31, reason: '' }).live.sessions.map(({ id }) => id)).toEqual([34, 36]);
  });
  it('say of a session that its connection is lost, and that it is back', () => {
    const lost = after({ event: 'interrupted', session: 31, reason: 'gone', seconds: 60 });
    expect(lost.live.sessions[0]?.interrupted).toBe(true);
    expect(reduce(lost, { event: 'resumed', session: 31, path: 'x' }).live.sessions[0]).toMatchObject({ interrupted: false, path: 'x' });
  });
  it('lock the window when the keychain is gone', () => {
    expect(after({ event: 'keychain_unavailable', reason: 'locked' }).live.keychain).toEqual({ keychain: 'failed', reason: 'locked' });
  });
  it('unlock it when the keychain is back, and read everything', () => {
    const back = reduce(after({ event: 'keychain_unavailable', reason: 'locked' }), { event: 'keychain_available' });
    expect(back.live.keychain).toEqual({ keychain: 'open' });
    expect([...back.stale].sort()).toEqual([...PARTS].sort());
  });
  it('show the gate as it is', () => {
    expect(after({ event: 'gate_changed', state: { gate: 'closed', until: null } }).live.gate).toEqual({ gate: 'closed', until: null });
  });
  it('make everything stale when some were missed', () => {
    expect([...after({ event: 'missed', events: 3 }).stale].sort()).toEqual([...PARTS].sort());
  });
  it('keep few pieces of news, the newest', () => {
    const changed = (tool: string): HostEvent => ({ event: 'tool_changed', session: 31, server: 'git', tool });
    const { news } = after(...['a', 'b', 'c', 'd', 'e'].map(changed));
    expect(news.map(({ event }) => 'tool' in event && event.tool)).toEqual(['b', 'c', 'd', 'e']);
    expect(dismiss({ ...shown, news }, news[0]?.id ?? 0).news).toHaveLength(3);
  });
  it('tell of links that went down and came up', () => {
    const down = after({ event: 'link_down', link: 'meet', reason: 'gone' });
    expect(down.live.links).toEqual([{ link: 'meet', state: 'down', reason: 'gone' }]);
    expect(reduce(down, { event: 'link_up', link: 'meet', address: 'x' }).live.links).toEqual([{ link: 'meet', state: 'open', address: 'x' }]);
  });
});
