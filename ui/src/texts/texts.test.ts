// What the sources must be: texts only in the catalogue, the shell only in one folder, no way around the policy.

import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parse } from 'svelte/compiler';
import { describe, expect, it } from 'vitest';
import { en } from './en';
import { formats } from './format';

const root = join(process.cwd(), 'src');
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(svelte|ts)$/.test(name) && !name.includes('.test.'))
  .map((name) => ({ name: relative('.', name), text: readFileSync(join(root, name), 'utf8') }));
const components = sources.filter(({ name }) => name.endsWith('.svelte'));

const SPOKEN = ['alt', 'aria-label', 'aria-description', 'aria-roledescription', 'placeholder', 'title', 'label', 'hint', 'text'];
const LETTERS = /\p{L}{2,}/u;
/** What stands for itself in every language. */
const NAMES = new Set(['https://', 'turn:turn.example.org:3478']);

interface Node {
  type?: string;
  name?: string;
  data?: string;
  value?: unknown;
  [key: string]: unknown;
}

function literals(node: unknown, found: string[] = [], within = ''): string[] {
  if (Array.isArray(node)) for (const one of node) literals(one, found, within);
  else if (typeof node === 'object' && node !== null) {
    const here = node as Node;
    // What is compared with is not shown, nor is a key of an object, nor what stands in a style.
    if (here.type === 'BinaryExpression' || here.type === 'StyleDirective' || here.type === 'MemberExpression') return found;
    const attribute = here.type === 'Attribute' ? (here.name ?? '') : within;
    if (here.type === 'Text' && LETTERS.test(here.data ?? '') && (attribute === '' || SPOKEN.includes(attribute))) found.push(here.data ?? '');
    if (here.type === 'Literal' && typeof here.value === 'string' && SPOKEN.includes(attribute) && LETTERS.test(here.value)) found.push(here.value);
    for (const [key, value] of Object.entries(here)) if (!['instance', 'module', 'css', 'parent', 'loc'].includes(key)) literals(value, found, attribute);
  }
  return found;
}

describe('components', () => {
  it.each(components.map(({ name, text }) => [name, text] as const))('%s has no text of its own', (_name, text) => {
    const { fragment } = parse(text, { modern: true });
    expect(literals(fragment).filter((literal) => !NAMES.has(literal.trim()))).toEqual([]);
  });
  it('would be caught', () => {
    expect(literals(parse('<p title={x ? "Some text" : y}>And some</p>', { modern: true }).fragment)).toHaveLength(2);
  });
});

describe('sources', () => {
  it('talk to the shell in one folder only', () => {
    const outside = sources.filter(({ name, text }) => text.includes('@tauri-apps/') && !name.startsWith(join('platform', 'tauri')));
    expect(outside.map(({ name }) => name)).toEqual([]);
  });
  it('make nothing of strings: no HTML, no code, no inline styles', () => {
    const forbidden = /\{@html|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function\(|\sstyle=/;
    expect(sources.filter(({ text }) => forbidden.test(text)).map(({ name }) => name)).toEqual([]);
  });
  it('name nothing remote', () => {
    // The generated types have examples in their comments, and nothing that runs.
    const remote = sources.filter(({ name, text }) => !name.includes('mock') && !name.endsWith('generated.ts') && /https?:\/\/[a-z]/.test(text));
    expect(remote.map(({ name }) => name)).toEqual([]);
  });
});

describe('the catalogue', () => {
  it('says every text that it is asked for', () => {
    const empty: string[] = [];
    const walk = (part: unknown, path: string): void => {
      if (typeof part === 'string' && part.trim() === '') empty.push(path);
      else if (typeof part === 'object' && part !== null) for (const [key, value] of Object.entries(part)) walk(value, `${path}.${key}`);
    };
    walk(en, 'en');
    expect(empty).toEqual([]);
  });
  it('has no text that nobody asks for', () => {
    const all = sources.filter(({ name }) => !name.startsWith('texts')).map(({ text }) => text).join('\n');
    const unused: string[] = [];
    // Those of the shell are used there, and its own tests read each of them.
    const { shell: _shell, ...own } = en;
    for (const [section, texts] of Object.entries(own))
      for (const key of Object.keys(texts)) if (!all.includes(`t.${section}.${key}`) && !new RegExp(`t\\.${section}\\[`).test(all)) unused.push(`${section}.${key}`);
    expect(unused).toEqual([]);
  });
  it('counts', () => {
    expect([en.gate.live(1), en.gate.live(1200)]).toEqual(['1 live session', '1,200 live sessions']);
  });
});

describe('formats', () => {
  const f = formats('en');
  it('of durations have two units', () => {
    expect([0, 59_000, 3_600_000, 11_520_000, 90_061_000].map(f.duration)).toEqual(['0s', '59s', '1h', '3h 12m', '1d 1h']);
  });
  it('of countdowns never go below nothing', () => {
    expect([-5, 1, 52_000, 600_000, 3_661_000].map(f.countdown)).toEqual(['0:00', '0:01', '0:52', '10:00', '1:01:01']);
  });
  it('of sizes', () => expect([0, 1023, 1024, 48_220_004].map(f.bytes)).toEqual(['0 B', '1,023 B', '1 KiB', '46 MiB']));
  it('of times past', () => {
    const now = Date.now();
    expect([f.ago(now, now), f.ago(now - 120_000, now), f.ago(now + 7_200_000, now)]).toEqual(['now', '2 minutes ago', 'in 2 hours']);
  });
});
