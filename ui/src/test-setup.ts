// What jsdom lacks of a browser, and an empty page for each test.

import { cleanup } from '@testing-library/svelte';
import { afterEach, vi } from 'vitest';

afterEach(cleanup);

window.matchMedia ??= vi.fn((media: string) => ({ matches: false, media, addEventListener: vi.fn(), removeEventListener: vi.fn() }) as unknown as MediaQueryList);
window.ResizeObserver ??= class {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
};
Element.prototype.scrollTo ??= vi.fn();
