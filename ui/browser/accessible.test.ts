// Every screen of both windows, in both themes and three widths: no violation that axe finds, nothing wider than the
// window, nothing that the policy refuses, and no error.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, MAIN_SCREENS, PROMPTS, serve, settle, THEMES, withAgents } from './chromium.mjs';
import { AGENTS } from './samples.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WIDTHS = [[320, 640], [1024, 700], [1920, 1080]] as const;
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

let browser: Browser;
let server: Awaited<ReturnType<typeof serve>>;
beforeAll(async () => {
  [browser, server] = await Promise.all([launch(), serve()]);
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

/** Also what is out of view: a copy of the page's axe is put in by the debugger, past the policy. */
async function violations(page: Page): Promise<string[]> {
  // Text that is out of view is not styled until it comes into view.
  await page.evaluate(() => document.querySelectorAll<HTMLElement>('.part').forEach((part) => (part.style.contentVisibility = 'visible')));
  await page.evaluate(axe);
  const results = await page.evaluate(
    (rules) => (window as unknown as { axe: { run: (context: Document, options: object) => Promise<AxeResults> } }).axe.run(document, { runOnly: rules }),
    RULES,
  );
  return results.violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}\n${failureSummary ?? ''}`));
}

const screens = [
  ...MAIN_SCREENS.map(([name = '', query = '']) => ({ name, url: `index.html?${withAgents(query, AGENTS)}&still` })),
  ...PROMPTS.flatMap((prompt) => [
    { name: `prompt-${prompt}`, url: `prompt.html?prompt=${prompt}&still&armed` },
    { name: `unarmed-${prompt}`, url: `prompt.html?prompt=${prompt}&still` },
  ]),
  { name: 'no-prompt', url: 'prompt.html?state=empty&still' },
];

describe.each(THEMES)('%s', (theme) => {
  describe.each(WIDTHS)('%i wide', (width, height) => {
    let page: Page;
    const troubles: string[] = [];
    beforeAll(async () => {
      page = await browser.newPage({ viewport: { width, height }, colorScheme: theme, reducedMotion: 'reduce' });
      page.on('pageerror', (error) => troubles.push(error.message));
      page.on('console', (message) => {
        if (message.type() === 'error' && !message.location().url.endsWith('/favicon.ico')) troubles.push(message.text());
      });
      page.on('dialog', (dialog) => {
        troubles.push(`a text of a peer was run: ${dialog.message()}`);
        void dialog.dismiss();
      });
    });
    afterAll(() => page.close());

    it.each(screens)('$name', async ({ name, url }) => {
      troubles.length = 0;
      await page.goto(`${server.url}/${url}&theme=${theme}`);
      await settle(page, name);
      expect(await violations(page)).toEqual([]);
      const wider = await page.evaluate(() => {
        const boxes = [document.documentElement, document.body, ...document.querySelectorAll('main, .page, .dialog, .body')];
        return boxes.filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => `${box.tagName} ${box.className}: ${box.scrollWidth} > ${box.clientWidth}`);
      });
      expect(wider).toEqual([]);
      expect(troubles).toEqual([]);
    });
  });
});
