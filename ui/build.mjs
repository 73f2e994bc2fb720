// Builds the windows, each by itself: what both use would otherwise be files of their own, and the prompt, for which
// somebody waits, is there the sooner the fewer files it is made of. `node build.mjs [mode]`.
import { build } from 'vite';

const mode = process.argv[2] ?? 'production';
for (const window of ['index', 'prompt']) {
  process.env.GATELODGE_WINDOW = window;
  await build({ mode });
}
