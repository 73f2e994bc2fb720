// Builds one of the windows; build.mjs has both built. The mode `mock` builds them for a browser, on sample data, into
// another folder.
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';
import { CONTENT_SECURITY_POLICY } from './csp.ts';
import { catalogues } from './src/texts/catalogues.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The policy goes into what is built; the development server needs inline styles for its reloading. */
function contentSecurityPolicy(): Plugin {
  return {
    name: 'content-security-policy',
    apply: 'build',
    transformIndexHtml: () => [
      {
        tag: 'meta',
        attrs: { 'http-equiv': 'Content-Security-Policy', content: CONTENT_SECURITY_POLICY },
        injectTo: 'head-prepend',
      },
    ],
  };
}

/** The font is there before the first text is drawn: what stands in for it would be looked up at length, and seen. */
function fontAtOnce(): Plugin {
  return {
    name: 'font-at-once',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler: (_html, { bundle }) =>
        Object.keys(bundle ?? {})
          .filter((file) => file.endsWith('.woff2'))
          .map((file) => ({
            tag: 'link',
            attrs: { rel: 'preload', as: 'font', type: 'font/woff2', href: `./${file}`, crossorigin: true },
            injectTo: 'head' as const,
          })),
    },
  };
}

/** What the tray and notifications say, for the shell; see `shell` in the catalogues. */
function shellTexts(): Plugin {
  return {
    name: 'shell-texts',
    apply: 'build',
    generateBundle() {
      const texts = Object.entries(catalogues).map(([language, { shell }]) => [language, shell]);
      this.emitFile({ type: 'asset', fileName: 'shell-texts.json', source: JSON.stringify(Object.fromEntries(texts)) });
    },
  };
}

export default defineConfig(({ mode }) => {
  const window = process.env.GATELODGE_WINDOW ?? 'index';
  const platform = mode === 'mock' || mode === 'test' ? 'mock' : 'tauri';
  return {
    plugins: [svelte(), fontAtOnce(), contentSecurityPolicy(), shellTexts()],
    base: './',
    resolve: {
      alias: {
        '#platform/main': here(`./src/platform/${platform}/main.ts`),
        '#platform/prompt': here(`./src/platform/${platform}/prompt.ts`),
      },
      ...(mode === 'test' ? { conditions: ['browser'] } : {}),
    },
    build: {
      outDir: mode === 'mock' ? 'dist-mock' : 'dist',
      target: 'es2022',
      // Fonts as data: URLs would be refused by the policy.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      emptyOutDir: window === 'index',
      rolldownOptions: { input: { [window]: here(`./${window}.html`) } },
    },
    server: { host: '127.0.0.1', port: 1420, strictPort: true },
  };
});
