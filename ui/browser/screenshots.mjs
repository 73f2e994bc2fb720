// Takes a picture of every screen in both themes at three sizes, into screenshots/. Arguments choose by name.
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { launch, MAIN_SCREENS, PROMPTS, serve, settle, THEMES, withAgents } from './chromium.mjs';
import { AGENTS } from './samples.mjs';

const out = fileURLToPath(new URL('../screenshots/', import.meta.url));
const SIZES = [[320, 640], [1024, 700], [1920, 1080]];
const PROMPT_SIZES = [[320, 560], [480, 680], [760, 760]];
const wanted = process.argv.slice(2);
const is = (/** @type {string} */ name) => wanted.length === 0 || wanted.some((part) => name.includes(part));

await mkdir(out, { recursive: true });
const server = await serve();
const browser = await launch();
for (const theme of THEMES) {
  for (const [names, sizes] of /** @type {const} */ ([[MAIN_SCREENS, SIZES], [PROMPTS.map((prompt) => [`prompt-${prompt}`, `prompt=${prompt}&armed`]), PROMPT_SIZES]])) {
    for (const [width = 0, height = 0] of sizes) {
      const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme });
      for (const [name = '', query = ''] of names) {
        const file = `${name}.${theme}.${width}.png`;
        if (!is(file)) continue;
        const path = name.startsWith('prompt-') ? 'prompt.html' : 'index.html';
        await page.goto(`${server.url}/${path}?${withAgents(query, AGENTS)}&still&theme=${theme}`);
        await settle(page, name);
        await page.screenshot({ path: out + file });
      }
      await page.close();
    }
  }
}
await browser.close();
await server.close();
