// Tells presses that were meant for the prompt from those that were on their way before it could be answered.
//
// Who types in another window, or holds a key or a mouse button down, must not approve what comes up under it. The shell
// refuses answers before the prompt is armed; this keeps a press that began before from ending after. A key counts only
// if it went down, for the first time since it was up, while the prompt was armed.

export class PressGuard {
  #armed = false;
  /** Keys that are down, each with whether it went down while the prompt was armed. */
  readonly #keys = new Map<string, boolean>();
  #pointer: boolean | null = null;

  get armed(): boolean {
    return this.#armed;
  }

  arm(): void {
    this.#armed = true;
  }

  /** Everything that is down now was pressed for something else. */
  disarm(): void {
    this.#armed = false;
    for (const key of this.#keys.keys()) this.#keys.set(key, false);
    if (this.#pointer !== null) this.#pointer = false;
  }

  /** The window lost the focus, and hears of no key that goes up. One that stays down repeats, and is seen again. */
  blur(): void {
    this.disarm();
    this.#keys.clear();
    this.#pointer = null;
  }

  /** Returns whether the key may do something. Systems that don't mark repeats send the key down again. */
  keyDown(key: string, repeat: boolean): boolean {
    const held = this.#keys.has(key);
    if (repeat || held) {
      if (!held) this.#keys.set(key, false);
      return false;
    }
    this.#keys.set(key, this.#armed);
    return this.#armed;
  }

  /** Returns whether letting go of the key may do something: a button acts on that for the space bar. */
  keyUp(key: string): boolean {
    const fresh = this.#keys.get(key) === true;
    this.#keys.delete(key);
    return fresh && this.#armed;
  }

  pointerDown(): void {
    this.#pointer = this.#armed;
  }

  /**
   * Returns whether a click may approve. One without a key or a pointer comes from assistive technology, and counts if
   * nothing old is held down.
   */
  click(trusted: boolean): boolean {
    const fresh = this.#pointer !== false && ![...this.#keys.values()].includes(false);
    this.#pointer = null;
    return trusted && this.#armed && fresh;
  }
}
