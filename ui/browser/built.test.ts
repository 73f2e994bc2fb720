// What is built for the shell: no sample data in it, nothing inline, and the prompt without the main window.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CONTENT_SECURITY_POLICY } from '../csp';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const read = (name: string): string => readFileSync(dist + name, 'utf8');

describe.each(['index.html', 'prompt.html'])('%s', (name) => {
  it('has the policy and nothing inline', () => {
    const page = read(name);
    expect(page.replaceAll('&#39;', "'")).toContain(CONTENT_SECURITY_POLICY);
    expect(page).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/);
  });
});

/** All that a page loads, however far away. */
function loaded(name: string, seen = new Set<string>()): Set<string> {
  for (const [, file = ''] of read(name).matchAll(/["'`](?:\.\/|\.\.\/)?((?:assets\/)?[\w-]+-[\w-]{8}\.(?:js|css))["'`]/g)) {
    const path = file.startsWith('assets/') ? file : `assets/${file}`;
    if (!seen.has(path)) {
      seen.add(path);
      if (path.endsWith('.js')) loaded(path, seen);
    }
  }
  return seen;
}

it('the prompt calls its own commands only, and the main window never those', () => {
  const commands = (page: string): string[] =>
    [...new Set([...loaded(page)].filter((file) => file.endsWith('.js')).flatMap((file) => read(file).match(/\b(?:main|prompt)_[a-z_]+\b/g) ?? []))];
  const prompt = commands('prompt.html');
  const main = commands('index.html');
  expect(prompt.sort()).toEqual(['prompt_answer', 'prompt_events', 'prompt_shown', 'prompt_theme']);
  expect(main.filter((command) => command.startsWith('prompt_'))).toEqual([]);
  expect(main).toContain('main_request');
});

it('has no sample data', () => {
  const files = readdirSync(`${dist}assets`).filter((name) => name.endsWith('.js'));
  for (const file of files) expect(read(`assets/${file}`)).not.toContain('Nightly reports');
});
