import { describe, expect, it } from 'vitest';
import { harmless, harmlessText, looksLikeAnother } from './harmless';

const marks = (text: string, lines = false): string[] =>
  harmless(text, { lines }).pieces.filter(({ kind }) => kind === 'mark').map(({ text: mark }) => mark);

describe('characters that do something other than to be seen', () => {
  it.each([
    ['turned writing', 'a\u202egnp.exe', ['U+202E']],
    ['isolates', '\u2066a\u2069', ['U+2066', 'U+2069']],
    ['zero width', 'pay\u200bpal\u200d\u2060\ufeff', ['U+200B', 'U+200D', 'U+2060', 'U+FEFF']],
    ['control', 'a\u0000b\u001b[31m\u007f\u0085', ['U+0000', 'U+001B', 'U+007F', 'U+0085']],
    ['line breaks in one line', 'a\nb\rc\u2028d\u2029', ['U+000A', 'U+000D', 'U+2028', 'U+2029']],
    ['spaces that are none', 'a\u00a0b\u3000c', ['U+00A0', 'U+3000']],
    ['blank letters', '\u3164\u115f\u2800\u034f', ['U+3164', 'U+115F', 'U+2800', 'U+034F']],
    ['tags', '\u{e0041}\u{e0100}', ['U+E0041', 'U+E0100']],
    ['private and unassigned', '\ue000\u{10ffff}', ['U+E000', 'U+10FFFF']],
    ['half a character', 'a\ud800b', ['U+D800']],
    ['a picture without a picture', 'a\ufe0f', ['U+FE0F']],
  ])('%s', (_name, text, expected) => {
    expect(marks(text)).toEqual(expected);
    expect(harmless(text).marked).toBe(true);
  });

  it('leaves what people write', () => {
    for (const text of ['Größe ñandú', '日本語のノート', 'שלום', 'ไทย', '❤️ 🚀', 'cafe\u0301', '<b>&amp;</b>']) {
      expect(harmless(text)).toEqual({ pieces: [{ kind: 'text', text }], cut: 0, marked: false });
    }
  });

  it('keeps lines and tabs where there are lines', () => {
    expect(marks('a\n\tb\r', true)).toEqual(['U+000D']);
  });

  it('stops stacks of accents', () => {
    expect(marks(`z${'\u0351'.repeat(50)}`)).toHaveLength(46);
  });
});

describe('length', () => {
  it('cuts and says by how much', () => {
    const { pieces, cut } = harmless('x'.repeat(1_048_576));
    expect(pieces).toEqual([{ kind: 'text', text: 'x'.repeat(200) }]);
    expect(cut).toBe(1_048_576 - 200);
  });

  it('takes a megabyte of the worst in one look', () => {
    const begun = performance.now();
    const { pieces, cut } = harmless('\u202e\u0430\u0351'.repeat(350_000), { cap: 2000 });
    expect(pieces.length).toBeLessThanOrEqual(2000);
    expect(cut).toBe(1_050_000 - 2000);
    // What is cut off is not looked at: a few milliseconds, and a slow machine's worth of allowance.
    expect(performance.now() - begun).toBeLessThan(500);
  });

  it('does not cut a character in two', () => {
    const { pieces, cut } = harmless('ab😀cd', { cap: 3 });
    expect(pieces).toEqual([{ kind: 'text', text: 'ab' }]);
    expect(cut).toBe(4);
  });

  it('writes marks and cuts into plain strings', () => {
    expect(harmlessText('a\u202eb', { cap: 10 })).toBe('a[U+202E]b');
    expect(harmlessText('abc', { cap: 2 })).toBe('ab…');
  });
});

describe('letters that look like others', () => {
  it.each(['p\u0430ypal', 'Вuild box', 'сосо', '\uff22uild', '𝐁uild', 'οuter'])('warns of %s', (text) => {
    expect(looksLikeAnother(text)).toBe(true);
  });
  it.each(['Build box', 'Сервер заметок', 'Αθήνα', '日本語', 'naïve', 'ноутбук 2'])('trusts %s', (text) => {
    expect(looksLikeAnother(text)).toBe(false);
  });
});
