import { describe, expect, it } from 'vitest';
import { servers } from '../../platform/mock/samples';
import { idOf, isId, nameOfPath, readVariables, tidy } from './definitions';
import { leastGrant, ruleOf, withDefault, withExpiry, withFolder, withRule } from './grants';
import { hashOf, placeOf } from './router.svelte';

const notes = servers().find(({ id }) => id === 'notes')!; // eslint-disable-line @typescript-eslint/no-non-null-assertion
const folders = notes.kind.kind === 'files' ? notes.kind.folders : [];

describe('grants', () => {
  it('begin with the least', () => {
    expect(leastGrant('AA', notes).folders?.map(({ access }) => access)).toEqual(['read-only', 'read-only']);
  });
  it('have a rule for a tool only where it is not the default', () => {
    const asked = withRule(leastGrant('AA', notes), 'write_file', 'ask');
    expect(asked.tools).toEqual({ default: 'allow', tools: { write_file: 'ask' } });
    expect(withRule(asked, 'write_file', 'allow').tools).toEqual({ default: 'allow' });
    expect(withDefault(asked, 'ask').tools).toEqual({ default: 'ask' });
    expect(ruleOf(asked, 'toString')).toBe('allow');
  });
  it('take folders in and out, and keep those beneath', () => {
    const beneath = { ...leastGrant('AA', notes), folders: [{ path: '/home/me/notes/a', access: 'read-only' as const }] };
    expect(withFolder(beneath, folders, '/home/me/notes', 'read-only').folders?.map(({ path }) => path)).toEqual(['/home/me/notes', '/home/me/notes/a']);
    expect(withFolder(leastGrant('AA', notes), folders, '/home/me/notes', null).folders).toHaveLength(1);
  });
  it('end or do not', () => {
    expect(withExpiry(withExpiry(leastGrant('AA', notes), 5), null)).not.toHaveProperty('expires');
  });
});

describe('definitions', () => {
  it('get ids that are allowed and free', () => {
    for (const name of ['My Notes', 'Größe!', '日本', '..x', 'a'.repeat(200)]) expect(isId(idOf(name, []))).toBe(true);
    expect(idOf('My Notes', ['my-notes', 'my-notes-2'])).toBe('my-notes-3');
  });
  it('have names of paths', () => expect([nameOfPath('/a/b/'), nameOfPath('C:\\x\\y')]).toEqual(['b', 'y']));
  it('have variables a line each', () => {
    expect(readVariables('A=1\n\n B=x=y')).toEqual({ A: '1', B: 'x=y' });
    expect(readVariables('=x')).toBeNull();
  });
  it('leave empty members out', () => {
    expect(tidy({ id: 'a', name: 'A', notes: '', kind: { kind: 'stdio', command: 'x', args: [], env: {}, cwd: '' } })).toEqual({
      id: 'a', name: 'A', kind: { kind: 'stdio', command: 'x', args: [] },
    });
  });
});

it('finds places in fragments, whatever stands there', () => {
  expect(placeOf(hashOf('agents', 'AB:CD/é'))).toEqual({ screen: 'agents', id: 'AB:CD/é' });
  expect(placeOf('#/nowhere/%')).toEqual({ screen: 'overview', id: '%' });
});
