import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

const tauri = { group: ['@tauri-apps/*'], message: 'Only src/platform/tauri talks to the shell.' };
const implementations = {
  group: ['**/platform/tauri/*', '**/platform/mock/*'],
  message: 'Import #platform/main or #platform/prompt.',
};
// A pattern that begins with # would be a comment.
const main = { group: ['**/main/**', String.raw`\#platform/main`], message: 'The prompt has nothing of the main window.' };
const prompt = { group: ['**/prompt/**', String.raw`\#platform/prompt`], message: 'The main window cannot answer prompts.' };
const windows = [main, prompt];
/** @param {{ group: string[], message: string }[]} patterns @returns {import('eslint').Linter.RulesRecord} */
const imports = (...patterns) => ({ 'no-restricted-imports': ['error', { patterns }] });

export default ts.config(
  { ignores: ['dist', 'dist-mock', 'node_modules', 'screenshots'] },
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser } },
    rules: {
      'no-console': 'error',
      'no-eval': 'error',
      'svelte/no-at-html-tags': 'error',
      'svelte/no-target-blank': 'error',
      'svelte/button-has-type': 'error',
      'svelte/no-navigation-without-resolve': 'off',
      // Spaces between elements are written so; and state is raw here, replaced as a whole.
      'svelte/no-useless-mustaches': 'off',
      'svelte/prefer-svelte-reactivity': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'], svelteConfig } },
  },
  { files: ['src/main/**'], rules: imports(tauri, implementations, prompt) },
  { files: ['src/prompt/**'], rules: imports(tauri, implementations, main) },
  { files: ['src/shared/**', 'src/texts/**'], rules: imports(tauri, implementations, ...windows) },
  { files: ['src/platform/*.ts', 'src/platform/mock/**'], rules: imports(tauri) },
  // Tests may look at the sample data.
  { files: ['src/**/*.test.ts'], rules: imports(tauri) },
  { files: ['browser/**', '*.js', '*.ts'], languageOptions: { globals: globals.node }, rules: { 'no-console': 'off' } },
);
