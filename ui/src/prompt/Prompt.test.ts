import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PlatformError, type PromptPlatform } from '../platform/platform';
import type { PromptAnswer, PromptEvent, PromptView } from '../platform/types';
import Prompt from './Prompt.svelte';

const view = (over: Partial<PromptView> = {}): PromptView => ({
  id: 1, nonce: 'n1', agent: 'AA:BB', words: 'one-two', name: 'Box', known: true, namesake_words: null,
  link: 'meet', path_kind: 'direct', path: '192.0.2.7:5123', servers: [],
  subject: { subject: 'tool_call', server: 'notes', tool: { text: 'edit', size: 4, is_whole: true }, arguments: { text: '{"a":1}', size: 7, is_whole: true }, detail: null },
  answers: ['once', 'session', 'always', 'deny', 'deny_and_end', 'block'], requests: 1, behind: 2, millis_left: 60_000, millis: 60_000,
  ...over,
});

let tell: (event: PromptEvent) => void;
let answers: [string, PromptAnswer][];
let refuse: PlatformError | null;
const shown = vi.fn(() => Promise.resolve());
const platform: PromptPlatform = {
  prompts: (listener) => {
    tell = listener;
    return Promise.resolve(() => undefined);
  },
  shown,
  answer: (nonce, answer) => {
    answers.push([nonce, answer]);
    return refuse ? Promise.reject(refuse) : Promise.resolve();
  },
  theme: () => Promise.resolve('light'),
};
const approve = () => screen.getByRole('button', { name: 'Allow once' });
const deny = () => screen.getByRole('button', { name: 'Deny' });

beforeEach(async () => {
  answers = [];
  refuse = null;
  shown.mockClear();
  vi.spyOn(document, 'hasFocus').mockReturnValue(true);
  render(Prompt, { platform });
  tell({ event: 'show', prompt: view() });
  await screen.findByText('Allow this call?');
});
afterEach(() => vi.restoreAllMocks());

describe('the prompt', () => {
  it('begins with Deny in focus and without a way to approve', async () => {
    await waitFor(() => expect(document.activeElement).toBe(deny()));
    expect(approve()).toHaveProperty('disabled', true);
    expect(screen.getByText('1 of 3')).toBeTruthy();
    await waitFor(() => expect(shown).toHaveBeenCalledOnce());
  });
  it('is armed only for the prompt that is shown, and while it has the focus', async () => {
    tell({ event: 'armed', id: 2, nonce: 'n2' });
    vi.mocked(document.hasFocus).mockReturnValue(false);
    tell({ event: 'armed', id: 1, nonce: 'n1' });
    await Promise.resolve();
    expect(approve()).toHaveProperty('disabled', true);
    vi.mocked(document.hasFocus).mockReturnValue(true);
    tell({ event: 'armed', id: 1, nonce: 'n1' });
    await waitFor(() => expect(approve()).toHaveProperty('disabled', false));
  });
  it('stays armed and drawn when only numbers change', async () => {
    await waitFor(() => expect(shown).toHaveBeenCalled());
    tell({ event: 'armed', id: 1, nonce: 'n1' });
    await waitFor(() => expect(approve()).toHaveProperty('disabled', false));
    shown.mockClear();
    tell({ event: 'show', prompt: view({ behind: 4 }) });
    await screen.findByText('1 of 5');
    expect(approve()).toHaveProperty('disabled', false);
    tell({ event: 'show', prompt: view({ nonce: 'n2' }) });
    await waitFor(() => expect(approve()).toHaveProperty('disabled', true));
    await waitFor(() => expect(shown).toHaveBeenCalledOnce());
  });
  it('is off again when the window loses the focus', async () => {
    tell({ event: 'armed', id: 1, nonce: 'n1' });
    await waitFor(() => expect(approve()).toHaveProperty('disabled', false));
    await fireEvent.blur(window);
    expect(approve()).toHaveProperty('disabled', true);
    expect(document.activeElement).toBe(deny());
  });
  it('takes no click that a script makes', async () => {
    tell({ event: 'armed', id: 1, nonce: 'n1' });
    await waitFor(() => expect(approve()).toHaveProperty('disabled', false));
    approve().click();
    expect(answers).toEqual([]);
  });
  it('swallows a repeated Enter on its buttons', async () => {
    tell({ event: 'armed', id: 1, nonce: 'n1' });
    await waitFor(() => expect(approve()).toHaveProperty('disabled', false));
    expect(await fireEvent.keyDown(approve(), { key: 'Enter', code: 'Enter', repeat: true })).toBe(false);
  });
  it('says no at once when Escape is pressed', async () => {
    await fireEvent.keyDown(document.body, { key: 'Escape', code: 'Escape' });
    await waitFor(() => expect(answers).toEqual([['n1', { answer: 'deny' }]]));
  });
  it('sends an early no again as soon as it counts', async () => {
    refuse = new PlatformError('too_early', '');
    await fireEvent.click(deny());
    await screen.findByText('Denying…');
    refuse = null;
    tell({ event: 'armed', id: 1, nonce: 'n1' });
    await waitFor(() => expect(answers).toHaveLength(2));
    expect(answers.every(([, { answer }]) => answer === 'deny')).toBe(true);
  });
  it('says what is wrong with the terms', async () => {
    refuse = new PlatformError('not_allowed', 'another agent is known under that name');
    await fireEvent.click(deny());
    await screen.findByText('another agent is known under that name');
    refuse = new PlatformError('not_allowed', '');
    await fireEvent.click(deny());
    await screen.findByText('That answer is not possible here.');
  });
  it('forgets an early no when another prompt comes', async () => {
    refuse = new PlatformError('too_early', '');
    await fireEvent.click(deny());
    await screen.findByText('Denying…');
    tell({ event: 'show', prompt: view({ id: 2, nonce: 'n2', name: 'Other' }) });
    await screen.findByText('Other');
    tell({ event: 'armed', id: 2, nonce: 'n2' });
    await waitFor(() => expect(approve()).toHaveProperty('disabled', false));
    expect(answers).toHaveLength(1);
  });
  it('offers only the answers that count', async () => {
    tell({ event: 'show', prompt: view({ id: 3, answers: ['once', 'deny'] }) });
    await waitFor(() => expect(screen.queryByRole('button', { name: 'Block this agent' })).toBeNull());
    expect(screen.queryByRole('radio')).toBeNull();
    expect(screen.queryByRole('button', { name: 'Deny and end its session' })).toBeNull();
  });
  it('shows the arguments whole, and exactly on request', async () => {
    const group = () => screen.getByRole('group', { name: 'Arguments' });
    expect(group().textContent).toBe('{\n  "a": 1\n}');
    await fireEvent.click(screen.getByRole('checkbox', { name: 'Exactly as sent' }));
    expect(group().textContent).toBe('{"a":1}');
  });
});
