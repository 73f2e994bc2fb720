// Something that takes a while: whether it runs, how it failed, and how to stop it.

import { messageOf } from './desktop.svelte';

export class Task {
  running = $state(false);
  error = $state<string | null>(null);
  #abort: AbortController | undefined;

  /** Runs it, unless it runs already. Returns whether it was done. */
  async run(work: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
    if (this.running) return false;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.running = true;
    this.error = null;
    try {
      await work(signal);
      return !signal.aborted;
    } catch (error) {
      if (!signal.aborted) this.error = messageOf(error);
      return false;
    } finally {
      this.running = false;
    }
  }

  cancel(): void {
    this.#abort?.abort();
  }
}
