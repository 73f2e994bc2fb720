// The languages there are. A second one is one more file of the shape of `en.ts`, and a line here.

import { en } from './en.ts';

/** The shape of a catalogue: what it says may be other texts, how it is asked is not. */
export type Catalogue = Widened<typeof en>;
type Widened<T> = T extends string
  ? string
  : T extends (...args: infer A) => string
    ? (...args: A) => string
    : T extends readonly (infer E)[]
      ? readonly Widened<E>[]
      : { [K in keyof T]: Widened<T[K]> };

export const catalogues: Record<string, Catalogue> = { en };
