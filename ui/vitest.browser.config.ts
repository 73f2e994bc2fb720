// The tests in a real Chromium, against what was built.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['browser/**/*.test.ts'],
    // One browser at a time; a screen with the accessibility checks takes about a second on a busy machine.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
