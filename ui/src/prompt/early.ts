// Asks for the prompt before the rest of the page is there to show it: what comes meanwhile is kept for the component.

import { platform as shell } from '#platform/prompt';
import type { PromptPlatform } from '../platform/platform';
import type { PromptEvent } from '../platform/types';

const kept: PromptEvent[] = [];
let hear = (event: PromptEvent): void => void kept.push(event);
const stopping = shell.prompts((event) => hear(event));

/** The shell, which has been asked already. */
export const platform: PromptPlatform = {
  ...shell,
  prompts(listener) {
    hear = listener;
    kept.splice(0).forEach(listener);
    return stopping;
  },
};
