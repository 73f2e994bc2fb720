import { describe, expect, it } from 'vitest';
import { activity } from '../../platform/mock/samples';
import type { ActivityRow } from '../../platform/types';
import { bars, joined, matches, windowOf, type Filter } from './activity';

const call = (seq: number, at: number, outcome: 'answered' | 'denied' | 'failed' | 'interrupted' = 'answered'): ActivityRow => ({
  seq, at, agent: 'AA', server: 'notes', kind: 'call', method: 'tools/call', target: 'read_text_file', request_bytes: 1, millis: 1, outcome,
});
const all: Filter = { text: '', agent: '', server: '', tool: '', outcome: 'all', since: 0 };
const label = (): string => 'Build box';

describe('filters', () => {
  const row = call(1, 100);
  it.each<[Partial<Filter>, boolean]>([
    [{}, true], [{ text: 'READ_text' }, true], [{ text: 'build' }, true], [{ text: 'nothing' }, false],
    [{ agent: 'AA' }, true], [{ agent: 'BB' }, false], [{ server: 'git' }, false], [{ tool: 'read_text_file' }, true],
    [{ outcome: 'denied' }, false], [{ outcome: 'answered' }, true], [{ since: 101 }, false],
  ])('%o', (filter, expected) => expect(matches(row, { ...all, ...filter }, label)).toBe(expected));
  it('counts what was interrupted as failed', () => {
    expect(matches(call(1, 1, 'interrupted'), { ...all, outcome: 'failed' }, label)).toBe(true);
  });
});

it('joins new entries without doubles', () => {
  expect(joined([call(5, 5), call(4, 4), call(3, 3)], [call(3, 3), call(2, 2)]).map(({ seq }) => seq)).toEqual([5, 4, 3, 2]);
});

it('counts calls over time', () => {
  const counted = bars([call(1, 0), call(2, 49, 'denied'), call(3, 50), call(4, 100, 'failed'), call(5, -1)], 0, 100, 2);
  expect(counted.map(({ answered, failed, denied }) => [answered, failed, denied])).toEqual([[1, 0, 1], [1, 1, 0]]);
});

it('draws only what is in view, of however many', () => {
  const { first, last } = windowOf(2_000_000, 600, 40, 100_000);
  expect(first).toBeLessThan(50_000);
  expect(last).toBeGreaterThan(50_015);
  expect(last - first).toBeLessThan(40);
  expect(windowOf(0, 600, 40, 3)).toEqual({ first: 0, last: 3 });
});

it('filters 100,000 entries between two frames of a slow machine', () => {
  const rows = Array.from({ length: 100_000 }, (_, seq) => activity(seq, seq));
  const begun = performance.now();
  const found = rows.filter((row) => matches(row, { ...all, text: 'git_diff' }, label));
  expect(found.length).toBeGreaterThan(1000);
  expect(performance.now() - begun).toBeLessThan(1500);
});
