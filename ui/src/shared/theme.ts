// Puts the setting for light and dark onto the document; the tokens follow it.

import type { Theme } from '../platform/types';

const dark = (): MediaQueryList => window.matchMedia('(prefers-color-scheme: dark)');
let wanted: Theme = 'system';

function apply(): void {
  const theme = wanted === 'system' ? (dark().matches ? 'dark' : 'light') : wanted;
  document.documentElement.dataset['theme'] = theme;
}

export function setTheme(theme: Theme): void {
  wanted = theme;
  apply();
}

export function followSystemTheme(): void {
  dark().addEventListener('change', apply);
  apply();
}
