// The prompt and the pairing by keyboard alone, and what is held down before a prompt comes.

import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { launch, serve } from './chromium.mjs';

let browser: Browser;
let server: Awaited<ReturnType<typeof serve>>;
let page: Page;
beforeAll(async () => {
  [browser, server] = await Promise.all([launch(), serve()]);
});
afterAll(async () => {
  await browser.close();
  await server.close();
});
beforeEach(async () => {
  page = await browser.newPage({ viewport: { width: 480, height: 680 }, reducedMotion: 'reduce' });
});
afterEach(() => page.close());

const answers = (): Promise<unknown[]> => page.evaluate(() => (window as unknown as { answersOfPrompt: unknown[] }).answersOfPrompt);
const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');
const open = async (query: string): Promise<void> => {
  await page.goto(`${server.url}/prompt.html?${query}`);
  await page.locator('[data-refuse]').first().waitFor();
};
const armed = (): Promise<void> => page.locator('[data-approve]:enabled').waitFor();

/** Goes on with Tab, or back, until what is wanted has the focus. Beyond either end the window would lose it. */
async function tabTo(name: RegExp, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  for (let presses = 0; presses < 60; presses += 1) {
    const here = await page.evaluate(() => {
      const element = document.activeElement as HTMLInputElement | null;
      return `${element?.getAttribute('aria-label') ?? ''} ${element?.labels?.[0]?.textContent ?? element?.textContent ?? ''}`.trim();
    });
    if (name.test(here)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`nothing named ${String(name)} was reached`);
}

describe('the prompt', () => {
  it('denies with Enter, where the focus begins', async () => {
    await open('prompt=tool');
    expect(await focused()).toBe('Deny');
    await armed();
    await page.keyboard.press('Enter');
    await expect.poll(answers).toEqual([{ answer: 'deny' }]);
  });

  it('approves by keyboard, once it is armed', async () => {
    await open('prompt=tool');
    await armed();
    await tabTo(/^Allow once$/);
    await page.keyboard.press('Space');
    await expect.poll(answers).toEqual([{ answer: 'once' }]);
  });

  it('has every choice within reach of the keyboard', async () => {
    await open('prompt=tool');
    await armed();
    await tabTo(/^Once$/, 'Shift+Tab');
    await page.keyboard.press('ArrowRight');
    await tabTo(/^Allow this session$/);
    await page.keyboard.press('Enter');
    await expect.poll(answers).toEqual([{ answer: 'session', terms: { label: null, grants: [] } }]);
  });

  it.each(['Enter', 'Space'])('is not answered by %s held down since before it was armed', async (key) => {
    await open('prompt=tool');
    await page.evaluate(() => document.querySelector<HTMLButtonElement>('[data-refuse]')?.blur());
    await page.keyboard.down(key);
    await armed();
    await page.evaluate(() => document.querySelector<HTMLButtonElement>('[data-approve]')?.focus());
    for (let repeats = 0; repeats < 20; repeats += 1) await page.keyboard.down(key);
    await page.keyboard.up(key);
    expect(await answers()).toEqual([]);
    await page.keyboard.press(key);
    await expect.poll(answers).toEqual([{ answer: 'once' }]);
  });

  it('is not answered by a click that began before it was armed', async () => {
    await open('prompt=tool');
    const box = await page.locator('[data-approve]').boundingBox();
    if (!box) throw new Error('no button');
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down();
    await armed();
    await page.mouse.up();
    expect(await answers()).toEqual([]);
    await page.mouse.down();
    await page.mouse.up();
    await expect.poll(answers).toEqual([{ answer: 'once' }]);
  });

  it('does not approve the next one with the press that approved the first', async () => {
    await open('prompt=tool');
    await armed();
    await tabTo(/^Allow once$/);
    await page.keyboard.down('Enter');
    await expect.poll(answers).toHaveLength(1);
    for (let repeats = 0; repeats < 20; repeats += 1) await page.keyboard.down('Enter');
    await armed();
    for (let repeats = 0; repeats < 20; repeats += 1) await page.keyboard.down('Enter');
    await page.keyboard.up('Enter');
    expect(await answers()).toHaveLength(1);
  });
});

describe('pairing', () => {
  it('goes by keyboard: a server, a folder to write, an hour', async () => {
    await open('prompt=pairing');
    await armed();
    expect(await page.locator('[data-approve]').textContent()).toContain('Pair, lend nothing');
    await tabTo(/Your name for it/, 'Shift+Tab');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('Studio');
    await tabTo(/^Notes$/);
    await page.keyboard.press('Space');
    await tabTo(/Access to .*shared/);
    await page.keyboard.press('ArrowDown');
    await tabTo(/^This session$/);
    await page.keyboard.press('ArrowRight');
    await tabTo(/^Pair, lend 1 server$/);
    await page.keyboard.press('Enter');
    await expect.poll(answers).toMatchObject([
      {
        answer: 'always',
        terms: {
          label: 'Studio',
          grants: [{ server: 'notes', folders: [{ path: '/home/me/notes', access: 'read-only' }, { path: '/home/me/notes/shared', access: 'read-write' }] }],
        },
      },
    ]);
  });

  it('is invited by keyboard, from the first start on', async () => {
    await page.goto(`${server.url}/index.html?state=first`);
    await page.getByRole('heading', { name: 'Share a folder' }).waitFor();
    await tabTo(/^Choose a folder/);
    await page.keyboard.press('Enter');
    await page.getByText('/home/me/notes').first().waitFor();
    await tabTo(/^Save$/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Invite the agent' }).waitFor();
    await tabTo(/^Invite an agent$/);
    await page.keyboard.press('Enter');
    await page.locator('svg.qr').waitFor();
    await tabTo(/^Later$/);
    await page.keyboard.press('Enter');
    await tabTo(/^Open the overview$/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
  });
});
