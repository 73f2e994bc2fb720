// Server definitions as forms make them.

import type { ServerDefinition } from '../../platform/types';

/** Makes an id of a name, in the characters that ids have, that no other server has. */
export function idOf(name: string, taken: readonly string[]): string {
  const plain = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+|-+$/g, '')
    .slice(0, 48);
  const base = plain === '' ? 'server' : plain;
  let id = base;
  for (let number = 2; taken.includes(id); number += 1) id = `${base}-${number}`;
  return id;
}

export const isId = (id: string): boolean => /^[a-z0-9][a-z0-9._-]{0,63}$/.test(id);

/** The last part of a path, for a name. */
export function nameOfPath(path: string): string {
  return path.split(/[/\\]/).filter((part) => part !== '').at(-1) ?? path;
}

/** Reads `NAME=value` lines; `null` if one is something else. */
export function readVariables(text: string): Record<string, string> | null {
  const variables: Record<string, string> = {};
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (line === '') continue;
    const at = line.indexOf('=');
    if (at < 1) return null;
    variables[line.slice(0, at)] = line.slice(at + 1);
  }
  return variables;
}

export const writeVariables = (variables: Record<string, string>): string =>
  Object.entries(variables).map(([name, value]) => `${name}=${value}`).join('\n');

/** Takes empty members out, which serde leaves out as well. */
export function tidy(server: ServerDefinition): ServerDefinition {
  const { notes, kind, ...rest } = server;
  const tidied =
    kind.kind === 'files'
      ? kind
      : {
          kind: kind.kind,
          command: kind.command,
          args: kind.args,
          ...(kind.env && Object.keys(kind.env).length > 0 ? { env: kind.env } : {}),
          ...(kind.cwd ? { cwd: kind.cwd } : {}),
        };
  return { ...rest, kind: tidied, ...(notes ? { notes } : {}) };
}
