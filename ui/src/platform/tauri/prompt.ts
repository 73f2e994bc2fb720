// The prompt's platform on the shell. Each method is one command of PLATFORM.md.

import { Channel, invoke } from '@tauri-apps/api/core';
import type { PromptPlatform } from '../platform';
import type { PromptEvent, Theme } from '../types';
import { failure } from './failure';

async function call<T>(command: string, args: Record<string, unknown> = {}): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (error) {
    throw failure(error);
  }
}

export const platform: PromptPlatform = {
  async prompts(listener) {
    let stopped = false;
    const channel = new Channel<PromptEvent>();
    channel.onmessage = (event) => {
      if (!stopped) listener(event);
    };
    await call('prompt_events', { channel });
    return () => {
      stopped = true;
    };
  },
  shown: (prompt) => call('prompt_shown', { id: prompt.id, nonce: prompt.nonce }),
  answer: (nonce, answer) => call('prompt_answer', { nonce, answer }),
  theme: () => call<Theme>('prompt_theme'),
};
