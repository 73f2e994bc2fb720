// The texts in the language of the window.

import { catalogues, type Catalogue } from './catalogues';
import { en } from './en';
import { formats } from './format';

export type { Catalogue } from './catalogues';

const wanted = navigator.languages.map((tag) => tag.split('-')[0] ?? '').find((tag) => tag in catalogues);
export const t: Catalogue = catalogues[wanted ?? 'en'] ?? en;

/** Numbers, sizes and times in the same language. */
export const f = formats(t.app.language);
