// Differences of texts, by lines: read from the unified format, or found.

export interface DiffLine {
  readonly kind: 'same' | 'added' | 'removed' | 'gap' | 'file';
  readonly text: string;
  /** The line's number before and after, where it has one. */
  readonly before: number | null;
  readonly after: number | null;
}

const HUNK = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/;

/** Reads a difference in the unified format; `null` if the text is something else. */
export function readUnified(text: string): DiffLine[] | null {
  const lines: DiffLine[] = [];
  let before = 0;
  let after = 0;
  let within = false;
  const all = text.split('\n');
  if (all.at(-1) === '') all.pop();
  for (const [index, line] of all.entries()) {
    const hunk = HUNK.exec(line);
    if (hunk) {
      before = Number(hunk[1]);
      after = Number(hunk[2]);
      within = true;
      lines.push({ kind: 'gap', text: line, before: null, after: null });
    } else if (isHeader(all, index, within)) {
      // These say what the pair of file names after them says.
      if (/^(Index: |={3,}$)/.test(line)) continue;
      lines.push({ kind: 'file', text: line, before: null, after: null });
    } else if (!within) {
      return null;
    } else if (line.startsWith('+')) {
      lines.push({ kind: 'added', text: line.slice(1), before: null, after: after++ });
    } else if (line.startsWith('-')) {
      lines.push({ kind: 'removed', text: line.slice(1), before: before++, after: null });
    } else if (line.startsWith(' ') || line === '') {
      lines.push({ kind: 'same', text: line.slice(1), before: before++, after: after++ });
    } else {
      // "\ No newline at end of file", or a headline of the next file.
      lines.push({ kind: 'file', text: line, before: null, after: null });
      if (!line.startsWith('\\')) within = false;
    }
  }
  return within || lines.some((line) => line.kind === 'gap') ? lines : null;
}

/** A removed line may itself begin with dashes: a header is one only before a hunk, and as a pair. */
function isHeader(lines: readonly string[], index: number, within: boolean): boolean {
  const line = lines[index] ?? '';
  if (/^(diff |index |Index: |={3,}$)/.test(line)) return !within;
  if (line.startsWith('--- ')) return !within && (lines[index + 1] ?? '').startsWith('+++ ');
  if (line.startsWith('+++ ')) return !within && (lines[index - 1] ?? '').startsWith('--- ');
  return false;
}

/** The most pairs of lines that are compared: some tens of milliseconds. Above that all is shown as replaced. */
const MAX_PAIRS = 4_000_000;

/** Finds the difference of two texts. */
export function differenceOf(before: string, after: string): DiffLine[] {
  const a = before.split('\n');
  const b = after.split('\n');
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;

  const lines: DiffLine[] = [];
  const same = (i: number, j: number): void => void lines.push({ kind: 'same', text: a[i] ?? '', before: i + 1, after: j + 1 });
  const removed = (i: number): void => void lines.push({ kind: 'removed', text: a[i] ?? '', before: i + 1, after: null });
  const added = (j: number): void => void lines.push({ kind: 'added', text: b[j] ?? '', before: null, after: j + 1 });

  for (let i = 0; i < start; i += 1) same(i, i);
  const rows = a.length - start - end;
  const columns = b.length - start - end;
  if (rows * columns > MAX_PAIRS) {
    for (let i = 0; i < rows; i += 1) removed(start + i);
    for (let j = 0; j < columns; j += 1) added(start + j);
  } else {
    const common = longestCommon(a.slice(start, start + rows), b.slice(start, start + columns));
    let i = 0;
    let j = 0;
    while (i < rows || j < columns) {
      if (i < rows && j < columns && a[start + i] === b[start + j]) same(start + i++, start + j++);
      else if (i < rows && (j >= columns || common(i + 1, j) >= common(i, j + 1))) removed(start + i++);
      else added(start + j++);
    }
  }
  for (let k = end; k > 0; k -= 1) same(a.length - k, b.length - k);
  return lines;
}

/** Returns the length of the longest common part from each pair of places on. */
function longestCommon(a: readonly string[], b: readonly string[]): (i: number, j: number) => number {
  const width = b.length + 1;
  const table = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number): number => table[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  return at;
}
