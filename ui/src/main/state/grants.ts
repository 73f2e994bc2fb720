// What may be lent, as the editor changes it.

import type { Grant, ServerDefinition, SharedFolder, ToolRule } from '../../platform/types';

/** The least that is of use: folders to read, other servers with a question for each call. */
export function leastGrant(agent: string, server: ServerDefinition): Grant {
  const files = server.kind.kind === 'files';
  return {
    agent,
    server: server.id,
    entry: 'open',
    ...(server.kind.kind === 'files' ? { folders: server.kind.folders.map((folder) => ({ ...folder, access: 'read-only' as const })) } : {}),
    tools: { default: files ? 'allow' : 'ask' },
    sampling: false,
    elicitation: false,
  };
}

/** Puts a rule for a tool; the default's own rule needs no entry. */
export function withRule(grant: Grant, tool: string, rule: ToolRule): Grant {
  const rules = Object.entries(grant.tools.tools ?? {}).filter(([name]) => name !== tool);
  if (rule !== grant.tools.default) rules.push([tool, rule]);
  return { ...grant, tools: withTools(grant.tools.default, rules) };
}

export function withDefault(grant: Grant, rule: ToolRule): Grant {
  const rules = Object.entries(grant.tools.tools ?? {}).filter(([, other]) => other !== rule);
  return { ...grant, tools: withTools(rule, rules) };
}

function withTools(rule: ToolRule, rules: [string, ToolRule][]): Grant['tools'] {
  return rules.length === 0 ? { default: rule } : { default: rule, tools: Object.fromEntries(rules) };
}

export function ruleOf(grant: Grant, tool: string): ToolRule {
  const rules = grant.tools.tools ?? {};
  return Object.hasOwn(rules, tool) ? (rules[tool] ?? grant.tools.default) : grant.tools.default;
}

/** Puts a folder in, out, or on another access. `null` takes it out. */
export function withFolder(grant: Grant, all: readonly SharedFolder[], path: string, access: SharedFolder['access'] | null): Grant {
  const now = grant.folders ?? all;
  const folders = all.flatMap((folder) => {
    const held = now.find((other) => other.path === folder.path);
    if (folder.path !== path) return held ? [held] : [];
    return access === null ? [] : [{ path, access }];
  });
  // Folders beneath a shared one that were lent alone stay.
  const others = now.filter((held) => !all.some((folder) => folder.path === held.path));
  return { ...grant, folders: [...folders, ...others] };
}

export function withExpiry(grant: Grant, expires: number | null): Grant {
  const { expires: _before, ...rest } = grant;
  return expires === null ? rest : { ...rest, expires };
}
