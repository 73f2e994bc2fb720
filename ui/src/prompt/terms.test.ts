import { describe, expect, it } from 'vitest';
import { servers } from '../platform/mock/samples';
import type { Grant } from '../platform/types';
import { choicesOf, expiry, termsOf } from './terms';

const preset = (server: string, rule: Grant['tools']['default']): Grant => ({
  agent: 'AB', server, entry: 'open', tools: { default: rule }, sampling: false, elicitation: false,
});

describe('what is preset', () => {
  it('is nothing where there is a choice', () => {
    const choices = choicesOf([preset('notes', 'allow'), preset('git', 'ask')], servers());
    expect(choices.map(({ on }) => on)).toEqual([false, false]);
    expect(termsOf('', choices, 'forever', 0)).toEqual({ label: null, grants: [] });
  });
  it('is the only server, to read', () => {
    const choices = choicesOf([preset('notes', 'allow')], servers());
    expect(termsOf(' box ', choices, 'session', 0)).toEqual({
      label: 'box',
      grants: [{ ...preset('notes', 'allow'), folders: [
        { path: '/home/me/notes', access: 'read-only' },
        { path: '/home/me/notes/shared', access: 'read-only' },
      ] }],
    });
  });
});

describe('what is chosen', () => {
  it('is never more than the server has', () => {
    const choices = choicesOf([preset('notes', 'allow')], servers());
    for (const folder of choices[0]?.folders ?? []) folder.access = 'read-write';
    expect(termsOf('', choices, 'hour', 1000).grants[0]).toMatchObject({
      folders: [{ access: 'read-only' }, { access: 'read-write' }],
      expires: 3_601_000,
    });
  });
  it('is no server without a folder', () => {
    const choices = choicesOf([preset('notes', 'allow')], servers());
    for (const folder of choices[0]?.folders ?? []) folder.on = false;
    expect(termsOf('', choices, 'hour', 0).grants).toEqual([]);
  });
});

it('ends today at midnight', () => {
  const now = new Date(2026, 0, 5, 17, 30).getTime();
  expect(expiry('today', now)).toBe(new Date(2026, 0, 6).getTime());
  expect(expiry('forever', now)).toBeNull();
});
