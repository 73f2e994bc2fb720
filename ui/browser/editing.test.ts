// The grants editor in a browser: each rule is shown as it is, also after the list of tools has grown, and is saved.

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, serve, withAgents } from './chromium.mjs';
import { AGENTS } from './samples.mjs';

let browser: Browser;
let server: Awaited<ReturnType<typeof serve>>;
let page: Page;
beforeAll(async () => {
  [browser, server] = await Promise.all([launch(), serve()]);
  page = await browser.newPage({ viewport: { width: 1024, height: 900 }, reducedMotion: 'reduce' });
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

const rules = (): Promise<Record<string, string[]>> =>
  page.locator('.tools [role=radiogroup]').evaluateAll((groups) =>
    Object.fromEntries(groups.map((group) => [group.getAttribute('aria-label'), [...group.querySelectorAll('input')].filter((input) => input.checked).map((input) => input.labels?.[0]?.textContent ?? '')])),
  );
const GRANTED = { git_commit: ['Deny'], git_diff: ['Allow'], git_log: ['Allow'], git_status: ['Allow'] };
const ASKED = { git_add: ['Ask'], git_branch: ['Ask'], git_reset: ['Ask'], git_show: ['Ask'] };

describe('the rules of tools', () => {
  it('are those of the grant, before and after the tools are listed', async () => {
    await page.goto(`${server.url}/index.html?${withAgents('screen=agents&id=BUILD', AGENTS)}&still`);
    await page.getByRole('button', { name: 'Change what is lent of Git repositories' }).click();
    await expect.poll(rules).toEqual(GRANTED);
    await page.getByRole('button', { name: 'List its tools' }).click();
    await page.getByText('git_branch').waitFor();
    expect(await rules()).toEqual({ ...GRANTED, ...ASKED });
  });

  it('follow the default only where they have none of their own', async () => {
    await page.getByRole('radiogroup', { name: 'Tools without a rule' }).getByText('Deny').click();
    expect(await rules()).toEqual({ ...GRANTED, git_add: ['Deny'], git_branch: ['Deny'], git_reset: ['Deny'], git_show: ['Deny'] });
  });

  it('are saved as they are shown', async () => {
    await page.getByRole('radiogroup', { name: 'git_show' }).getByText('Ask').click();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('3 allowed, 1 asked about, others denied').waitFor();
  });
});
