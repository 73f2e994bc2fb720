// The import rules hold because a file that breaks them is refused, wherever it lies.

import { ESLint } from 'eslint';
import { describe, expect, it } from 'vitest';

const eslint = new ESLint({ overrideConfig: { languageOptions: {} } });

async function refused(filePath: string, from: string): Promise<boolean> {
  const [result] = await eslint.lintText(`import { x } from '${from}';\nexport { x };\n`, { filePath });
  return (result?.messages ?? []).some(({ ruleId }) => ruleId === 'no-restricted-imports');
}

describe('imports', () => {
  it.each([
    ['src/main/x.ts', '@tauri-apps/api/core', true],
    ['src/prompt/x.ts', '@tauri-apps/api/core', true],
    ['src/shared/x.ts', '@tauri-apps/api/event', true],
    ['src/platform/mock/x.ts', '@tauri-apps/api/core', true],
    ['src/platform/tauri/x.ts', '@tauri-apps/api/core', false],
    ['src/prompt/x.ts', '../main/state/desktop.svelte', true],
    ['src/prompt/x.ts', '#platform/main', true],
    ['src/main/x.ts', '#platform/prompt', true],
    ['src/main/x.ts', '../prompt/terms', true],
    ['src/main/x.ts', '../platform/tauri/main', true],
    ['src/main/x.ts', '#platform/main', false],
  ])('%s of %s: refused is %s', { timeout: 60_000 }, async (file, from, expected) => {
    expect(await refused(file, from)).toBe(expected);
  });
});
