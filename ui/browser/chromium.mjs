// The system's Chromium, and a server for what was built. Used by the tests and for the screenshots.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const built = fileURLToPath(new URL('../dist-mock', import.meta.url));
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.woff2': 'font/woff2', '.svg': 'image/svg+xml' };

/** Serves the browser-only build on a free port of this machine. */
export async function serve() {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const file = normalize(join(built, pathname === '/' ? 'index.html' : pathname));
    if (!file.startsWith(built)) return void response.writeHead(404).end();
    try {
      const body = await readFile(file);
      response.writeHead(200, { 'content-type': types[/** @type {keyof typeof types} */ (extname(file))] ?? 'application/octet-stream' }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, close: () => new Promise((resolve) => server.close(resolve)) };
}

/** Starts Chromium. CHROMIUM names another program than the one on the PATH. */
export function launch() {
  return chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    // In containers there is often no user namespace for the sandbox; the pages are our own.
    args: ['--no-sandbox', '--disable-gpu', '--force-color-profile=srgb', '--font-render-hinting=none'],
  });
}

/** Every screen of both windows: a name, and the URL's query. */
export const MAIN_SCREENS = [
  ['overview', 'screen=overview'],
  ['overview-empty', 'screen=overview&state=empty'],
  ['overview-closed', 'screen=overview&state=closed'],
  ['overview-hostile', 'screen=overview&state=hostile'],
  ['agents', 'screen=agents'],
  ['agents-empty', 'screen=agents&state=empty'],
  ['agents-hostile', 'screen=agents&state=hostile'],
  ['agent', 'screen=agents&id=BUILD'],
  ['agent-altered', 'screen=agents&id=NIGHT'],
  ['servers', 'screen=servers'],
  ['servers-empty', 'screen=servers&state=empty'],
  ['server-files', 'screen=servers&id=notes'],
  ['server-program', 'screen=servers&id=postgres'],
  ['links', 'screen=links'],
  ['links-empty', 'screen=links&state=empty'],
  ['invite', 'screen=links&id=invite'],
  ['activity', 'screen=activity'],
  ['activity-empty', 'screen=activity&state=empty'],
  ['activity-error', 'screen=activity&state=errors'],
  ['settings', 'screen=settings'],
  ['diagnosis', 'screen=diagnosis'],
  ['welcome-folder', 'state=first'],
  ['welcome-agent', 'state=first&screen=welcome&id=agent'],
  ['welcome-done', 'state=first&screen=welcome&id=done'],
  ['keychain-locked', 'state=locked'],
  ['keychain-missing', 'state=missing'],
  ['grant-editor', 'screen=agents&id=BUILD'],
  ['block-question', 'screen=agents&id=BUILD'],
  ['server-probed', 'screen=servers&id=notes'],
  ['server-log', 'screen=servers&id=postgres'],
  ['folder-form', 'screen=servers'],
  ['program-form', 'screen=servers'],
  ['link-form', 'screen=links'],
  ['activity-entry', 'screen=activity'],
  ['menu', 'screen=overview'],
];

/** What is clicked on a screen to see the rest of it. @type {Record<string, (page: import('playwright-core').Page) => Promise<void>>} */
const CLICKS = {
  'grant-editor': async (page) => {
    await page.getByRole('button', { name: 'Change what is lent of Git repositories' }).click();
    await page.getByRole('button', { name: 'List its tools' }).click();
    await page.getByText('git_branch').waitFor();
  },
  'block-question': (page) => page.getByRole('button', { name: 'Block' }).click(),
  'server-probed': async (page) => {
    await page.getByRole('button', { name: 'Start a probe' }).click();
    await page.getByText('directory_tree').waitFor();
  },
  'server-log': async (page) => {
    await page.getByRole('tab', { name: 'Log' }).click();
    await page.locator('.log').waitFor();
  },
  'folder-form': async (page) => {
    await page.getByRole('button', { name: 'Share a folder' }).click();
    await page.getByRole('button', { name: 'Choose a folder' }).click();
  },
  'program-form': (page) => page.getByRole('button', { name: 'Add a program' }).click(),
  'link-form': async (page) => {
    await page.getByRole('button', { name: 'Add a way in' }).click();
    await page.getByRole('radio', { name: 'TCP' }).click();
  },
  'activity-entry': (page) => page.locator('.scroll li button').first().click(),
  menu: async (page) => {
    const button = page.getByRole('button', { name: 'Open the menu' });
    if (await button.isVisible()) await button.click();
  },
};

export const PROMPTS = ['tool', 'edit', 'pairing', 'unknown', 'session', 'changed', 'hostile'];
export const THEMES = /** @type {const} */ (['light', 'dark']);

/** The name of a sample agent becomes its fingerprint; the samples know it. */
export const withAgents = (/** @type {string} */ query, /** @type {Record<string, string>} */ agents) =>
  query.replace(/id=([A-Z]{2,})/, (_, name) => `id=${encodeURIComponent(agents[name] ?? '')}`);

/** What must happen on a screen before it is complete. */
export async function settle(/** @type {import('playwright-core').Page} */ page, /** @type {string} */ name) {
  await page.locator('h1').first().waitFor();
  if (name === 'diagnosis') await page.getByRole('button', { name: 'Copy the report' }).waitFor();
  if (name === 'invite' || name === 'welcome-agent') {
    await page.getByRole('button', { name: 'Invite an agent' }).last().click();
    await page.locator('svg.qr').waitFor();
  }
  if (name.startsWith('prompt-')) await page.locator('[data-approve]:not(:disabled)').waitFor();
  if (name === 'activity') await page.locator('.scroll li').first().waitFor();
  await CLICKS[name]?.(page);
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  await page.waitForFunction(() => document.getAnimations().every((animation) => animation.playState !== 'running' || animation.effect?.getComputedTiming().iterations === Infinity));
}
