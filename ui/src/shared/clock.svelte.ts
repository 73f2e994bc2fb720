// The time as something that components can depend on: one timer for all of them, while anybody looks.

import { createSubscriber } from 'svelte/reactivity';

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, 1000);
  return () => clearInterval(timer);
});

export const clock = {
  /** Now, renewed each second. */
  get now(): number {
    subscribe();
    return Date.now();
  },
};
