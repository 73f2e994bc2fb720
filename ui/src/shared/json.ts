// Indents JSON without reading it: numbers, escapes and doubled members stay as they were written, since what is
// shown is what is decided about.

/** Deeper nesting is shown as it came. */
const MAX_DEPTH = 256;

/** Returns the text indented, or `null` if it has no structure that could be. */
export function indented(text: string): string | null {
  let out = '';
  let depth = 0;
  let index = 0;
  const line = (): string => `\n${'  '.repeat(depth)}`;
  while (index < text.length) {
    const character = text.charAt(index);
    if (character === '"') {
      const end = endOfString(text, index);
      if (end < 0) return null;
      out += text.slice(index, end);
      index = end;
      continue;
    }
    if (character === '{' || character === '[') {
      const close = character === '{' ? '}' : ']';
      const next = skipSpace(text, index + 1);
      if (text.charAt(next) === close) {
        out += character + close;
        index = next + 1;
        continue;
      }
      depth += 1;
      if (depth > MAX_DEPTH) return null;
      out += character + line();
    } else if (character === '}' || character === ']') {
      depth -= 1;
      if (depth < 0) return null;
      out += line() + character;
    } else if (character === ',') {
      out += character + line();
    } else if (character === ':') {
      out += ': ';
    } else if (!/\s/.test(character)) {
      out += character;
    }
    index += 1;
  }
  return depth === 0 && out !== '' ? out : null;
}

function skipSpace(text: string, from: number): number {
  let index = from;
  while (index < text.length && /\s/.test(text.charAt(index))) index += 1;
  return index;
}

function endOfString(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (character === '\\') index += 1;
    else if (character === '"') return index + 1;
  }
  return -1;
}
