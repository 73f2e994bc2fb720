import { describe, expect, it } from 'vitest';
import { indented } from './json';

describe('indented JSON', () => {
  it('has a line for each member', () => {
    expect(indented('{"a":[1,{"b":null}],"c":{},"d":[]}')).toBe(
      '{\n  "a": [\n    1,\n    {\n      "b": null\n    }\n  ],\n  "c": {},\n  "d": []\n}',
    );
  });
  it('keeps every token as it was written', () => {
    const text = '{ "n": 1.0, "n": 12345678901234567890, "s": "\\u202e{[,:]} \\"", "e": 1E+2 }';
    const tokens = ['1.0', '12345678901234567890', '"\\u202e{[,:]} \\""', '1E+2'];
    for (const token of tokens) expect(indented(text)).toContain(token);
    expect(indented(text)?.match(/"n"/g)).toHaveLength(2);
  });
  it('leaves what it cannot follow', () => {
    for (const text of ['', '{"a', '}', '[[', '['.repeat(300) + ']'.repeat(300)]) expect(indented(text)).toBeNull();
  });
});
