// Makes texts of peers fit to be shown. They are only ever shown as text; this takes care of what text itself can do:
// turn the direction of writing, hide, look like another text, or be so long that the window stops.

/** A part of a text: shown as it is, or in place of a character that does something other than to be seen. */
export interface Piece {
  readonly kind: 'text' | 'mark';
  readonly text: string;
}

export interface Harmless {
  readonly pieces: readonly Piece[];
  /** How many characters (UTF-16 units) were left out at the end. */
  readonly cut: number;
  /** Whether any character was replaced by a mark. */
  readonly marked: boolean;
}

export interface HarmlessOptions {
  /** The most UTF-16 units that are shown. Defaults to 200: a name or a sentence. */
  readonly cap?: number;
  /** Whether line breaks and tabs stay. Defaults to no. */
  readonly lines?: boolean;
}

const DEFAULT_CAP = 200;

/** The most combining characters in a row: no script needs more, and a stack of them climbs over the lines above. */
const MAX_COMBINING = 4;

/** Control, format, private, unassigned and lone surrogate characters, separators of lines, and all spaces but one. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;

/** Drawn as nothing, and yet letters or marks by category. */
const BLANK = /[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0e\u180b-\u180d\u180f\u{e0100}-\u{e01ef}]/u;

const COMBINING = /\p{M}/u;
const EMOJI = /\p{Extended_Pictographic}/u;
const PLAIN = /^[\x20-\x7e]*$/;

export function harmless(text: string, options: HarmlessOptions = {}): Harmless {
  const cap = options.cap ?? DEFAULT_CAP;
  // A character is not cut in two.
  const end = text.length <= cap ? text.length : isHighSurrogate(text, cap - 1) ? cap - 1 : cap;
  const shown = text.slice(0, end);
  const cut = text.length - end;
  if (PLAIN.test(shown)) {
    return { pieces: shown === '' ? [] : [{ kind: 'text', text: shown }], cut, marked: false };
  }
  const pieces: Piece[] = [];
  let plain = '';
  let combining = 0;
  let before = '';
  for (const character of shown) {
    combining = COMBINING.test(character) ? combining + 1 : 0;
    if (isMisleading(character, before, combining, options.lines === true)) {
      if (plain !== '') pieces.push({ kind: 'text', text: plain });
      plain = '';
      pieces.push({ kind: 'mark', text: codePoint(character) });
    } else {
      plain += character;
    }
    before = character;
  }
  if (plain !== '') pieces.push({ kind: 'text', text: plain });
  return { pieces, cut, marked: pieces.some((piece) => piece.kind === 'mark') };
}

/** The same as one string, for names in attributes, with marks in brackets. */
export function harmlessText(text: string, options: HarmlessOptions = {}): string {
  const { pieces, cut } = harmless(text, options);
  const shown = pieces.map((piece) => (piece.kind === 'mark' ? `[${piece.text}]` : piece.text)).join('');
  return cut > 0 ? `${shown}…` : shown;
}

function isMisleading(character: string, before: string, combining: number, lines: boolean): boolean {
  if (lines && (character === '\n' || character === '\t')) return false;
  // The variation that makes a picture of a character belongs to the picture, and to nothing else.
  if (character === '\ufe0f') return !EMOJI.test(before);
  return combining > MAX_COMBINING || HIDDEN.test(character) || BLANK.test(character);
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

function isHighSurrogate(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** Alphabets that have letters in common, to the eye. */
const ALIKE = [/\p{Script=Latin}/u, /\p{Script=Cyrillic}/u, /\p{Script=Greek}/u, /\p{Script=Armenian}/u, /\p{Script=Cherokee}/u];

/** Cyrillic and Greek letters that nobody can tell from Latin ones. */
const LOOKS_LATIN = /^[асеорхуіјѕԁһԛԝьАВЕЅІЈКМНОРСТУХΑΒΕΖΗΙΚΜΝΟΡΤΥΧονικ]+$/u;

/** What is looked at for letters of several alphabets; names are shorter. */
const LOOK_AT = 1000;

/** Whether a word has letters of several alphabets, or is written all in letters that only look Latin. */
export function looksLikeAnother(text: string): boolean {
  const words = text.slice(0, LOOK_AT).match(/[\p{L}\p{M}]+/gu) ?? [];
  return words.some((word) => {
    const letters = ALIKE.filter((script) => script.test(word)).length;
    return letters > 1 || LOOKS_LATIN.test(word) || /[\uff21-\uff5a\u{1d400}-\u{1d7ff}]/u.test(word);
  });
}
