// Which screen is shown, by the URL's fragment, so that going back works.

import type { Screen } from '../../platform/types';

export const SCREENS: readonly Screen[] = ['overview', 'agents', 'servers', 'links', 'activity', 'settings', 'diagnosis', 'welcome'];

export interface Place {
  readonly screen: Screen;
  readonly id: string | null;
}

export function placeOf(hash: string): Place {
  const [name = '', id] = hash.replace(/^#\/?/, '').split('/');
  const screen = SCREENS.find((known) => known === name) ?? 'overview';
  return { screen, id: id === undefined || id === '' ? null : decode(id) };
}

export function hashOf(screen: Screen, id?: string | null): string {
  return id === undefined || id === null ? `#/${screen}` : `#/${screen}/${encodeURIComponent(id)}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

class Router {
  place = $state.raw<Place>(placeOf(window.location.hash));

  constructor() {
    window.addEventListener('hashchange', () => {
      this.place = placeOf(window.location.hash);
    });
  }

  go(screen: Screen, id?: string | null): void {
    window.location.hash = hashOf(screen, id);
  }
}

export const router = new Router();
