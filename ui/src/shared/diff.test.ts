import { describe, expect, it } from 'vitest';
import { differenceOf, readUnified } from './diff';

const short = (lines: ReturnType<typeof differenceOf>): string[] =>
  lines.map(({ kind, text }) => `${{ same: ' ', added: '+', removed: '-', gap: '@', file: '#' }[kind]}${text}`);

describe('the unified format', () => {
  it('is read with line numbers', () => {
    const lines = readUnified('--- a\n+++ b\n@@ -3,2 +3,3 @@\n one\n-two\n+2\n+3\n');
    expect(short(lines ?? [])).toEqual(['#--- a', '#+++ b', '@@@ -3,2 +3,3 @@', ' one', '-two', '+2', '+3']);
    expect(lines?.slice(3).map(({ before, after }) => [before, after])).toEqual([[3, 3], [4, null], [null, 4], [null, 5]]);
  });
  it('takes content that looks like headers for content', () => {
    const lines = readUnified('--- a\n+++ b\n@@ -1,2 +1,1 @@\n--- x\n+++ y\n same\n');
    expect(short(lines ?? []).slice(3)).toEqual(['--- x', '+++ y', ' same']);
  });
  it('is not anything else', () => {
    expect(readUnified('moves a to b')).toBeNull();
    expect(readUnified('')).toBeNull();
  });
});

describe('the difference of two texts', () => {
  it('keeps what is common', () => {
    expect(short(differenceOf('a\nb\nc\nd', 'a\nx\nc\ny\nd'))).toEqual([' a', '-b', '+x', ' c', '+y', ' d']);
  });
  it('shows all of both texts, whatever they are', () => {
    let state = 7;
    const next = (below: number): number => (state = (state * 1103515245 + 12345) % 2147483648) % below;
    for (let round = 0; round < 200; round += 1) {
      const make = (): string => Array.from({ length: next(12) }, () => 'abc'[next(3)]).join('\n');
      const [before, after] = [make(), make()];
      const lines = differenceOf(before, after);
      expect(lines.filter(({ kind }) => kind !== 'added').map(({ text }) => text).join('\n')).toBe(before);
      expect(lines.filter(({ kind }) => kind !== 'removed').map(({ text }) => text).join('\n')).toBe(after);
    }
  });
  it('does not take long over large ones', () => {
    const large = (mark: string): string => Array.from({ length: 20_000 }, (_, line) => `${mark}${line}`).join('\n');
    expect(differenceOf(large('a'), large('b'))).toHaveLength(40_000);
  });
});
