// What an agent is lent and for how long, as it is chosen in the prompt. The least is preset.

import type { FolderAccess, Grant, ServerDefinition, Terms, Timestamp } from '../platform/types';

export type Duration = 'session' | 'hour' | 'today' | 'forever';

export interface FolderChoice {
  readonly path: string;
  readonly most: FolderAccess;
  on: boolean;
  access: FolderAccess;
}

export interface ServerChoice {
  readonly server: ServerDefinition;
  readonly preset: Grant;
  on: boolean;
  folders: FolderChoice[];
}

/** Nothing is lent unless chosen; the only server there is, is chosen, to read. */
export function choicesOf(preset: readonly Grant[], servers: readonly ServerDefinition[]): ServerChoice[] {
  const known = preset.flatMap((grant) => {
    const server = servers.find(({ id }) => id === grant.server);
    return server ? [{ grant, server }] : [];
  });
  return known.map(({ grant, server }) => ({
    server,
    preset: grant,
    on: known.length === 1,
    folders:
      server.kind.kind === 'files'
        ? server.kind.folders.map((folder) => ({ path: folder.path, most: folder.access, on: true, access: 'read-only' }))
        : [],
  }));
}

export function expiry(duration: Duration, now: Timestamp): Timestamp | null {
  switch (duration) {
    case 'hour':
      return now + 3_600_000;
    case 'today': {
      const end = new Date(now);
      end.setHours(24, 0, 0, 0);
      return end.getTime();
    }
    case 'session':
    case 'forever':
      return null;
  }
}

export function isLent(choice: ServerChoice): boolean {
  return choice.on && (choice.folders.length === 0 || choice.folders.some((folder) => folder.on));
}

export function termsOf(label: string, choices: readonly ServerChoice[], duration: Duration, now: Timestamp): Terms {
  const expires = expiry(duration, now);
  const grants = choices.filter(isLent).map(({ preset, folders }): Grant => {
    const { folders: _all, expires: _ever, ...rest } = preset;
    return {
      ...rest,
      ...(folders.length > 0
        ? { folders: folders.filter(({ on }) => on).map(({ path, access, most }) => ({ path, access: most === 'read-only' ? most : access })) }
        : {}),
      ...(expires === null ? {} : { expires }),
    };
  });
  const name = label.trim();
  return { label: name === '' ? null : name, grants };
}
