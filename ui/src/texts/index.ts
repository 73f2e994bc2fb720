// The texts in the language of the window. A second language is one more file of the shape of `en.ts` and a line here.

import { en } from './en';
import { formats } from './format';

/** The shape of a catalogue: what it says may be other texts, how it is asked is not. */
export type Catalogue = Widened<typeof en>;
type Widened<T> = T extends string
  ? string
  : T extends (...args: infer A) => string
    ? (...args: A) => string
    : T extends readonly (infer E)[]
      ? readonly Widened<E>[]
      : { [K in keyof T]: Widened<T[K]> };

const catalogues: Record<string, Catalogue> = { en };

const wanted = navigator.languages.map((tag) => tag.split('-')[0] ?? '').find((tag) => tag in catalogues);
export const t: Catalogue = catalogues[wanted ?? 'en'] ?? en;

/** Numbers, sizes and times in the same language. */
export const f = formats(t.app.language);
