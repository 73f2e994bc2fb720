// The main window's platform on the shell. Each method is one command of PLATFORM.md.

import { Channel, invoke } from '@tauri-apps/api/core';
import { PlatformError, type MainPlatform, type Stop } from '../platform';
import type { HostEvent, Live, Reply, Screen, Settings, ShellEvent } from '../types';
import { failure } from './failure';

async function call<T>(command: string, args: Record<string, unknown> = {}): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (error) {
    throw failure(error);
  }
}

let operations = 0;

/** Runs a command that takes long; the signal cancels it by its number. */
async function cancellable<T>(
  command: string,
  args: Record<string, unknown>,
  signal: AbortSignal | undefined,
): Promise<T> {
  signal?.throwIfAborted();
  const operation = (operations += 1);
  const cancel = (): void => void call('main_cancel', { operation }).catch(() => undefined);
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await call<T>(command, { ...args, operation });
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

/** Listens until stopped; the shell forgets a channel when the window is gone. */
async function listen<T>(command: string, listener: (event: T) => void): Promise<Stop> {
  let stopped = false;
  const channel = new Channel<T>();
  channel.onmessage = (event) => {
    if (!stopped) listener(event);
  };
  await call(command, { channel });
  return () => {
    stopped = true;
  };
}

export const platform: MainPlatform = {
  async request(request, signal) {
    const reply = await cancellable<Reply>('main_request', { request }, signal);
    if (reply.reply === 'failed') throw new PlatformError(reply.cause, reply.message);
    return reply;
  },
  events: (listener) => listen<HostEvent>('main_events', listener),
  shell: (listener) => listen<ShellEvent>('main_shell', listener),
  live: () => call<Live>('main_live'),
  setGate: (change) => call('main_set_gate', { change }),
  showPrompt: (id) => call('main_show_prompt', { id }),
  settings: () => call<Settings>('main_settings'),
  putSettings: (settings) => call('main_put_settings', { settings }),
  retryKeychain: () => call('main_retry_keychain'),
  pickFolder: () => call<string | null>('main_pick_folder'),
  pickNewFile: (suggested) => call<string | null>('main_pick_new_file', { suggested }),
  copy: (text, seconds) => call('main_copy', { text, seconds }),
  ready: () => call('main_ready'),
  start: () => call<{ screen: Screen | null; id: string | null }>('main_start'),
  version: () => call<string>('main_version'),
};
