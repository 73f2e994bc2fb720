import { beforeEach, describe, expect, it } from 'vitest';
import { PressGuard } from './press-guard';

let guard: PressGuard;
beforeEach(() => {
  guard = new PressGuard();
});

describe('a press that may approve', () => {
  it('begins and ends while the prompt is armed', () => {
    guard.arm();
    expect(guard.keyDown('Enter', false)).toBe(true);
    expect(guard.click(true)).toBe(true);
    expect(guard.keyUp('Enter')).toBe(true);
    guard.pointerDown();
    expect(guard.click(true)).toBe(true);
  });
  it('may come from assistive technology', () => {
    guard.arm();
    expect(guard.click(true)).toBe(true);
  });
});

describe('a press that may not', () => {
  it('is one before arming', () => {
    expect(guard.keyDown('Enter', false)).toBe(false);
    expect(guard.click(true)).toBe(false);
  });
  it('is a key held since before', () => {
    guard.keyDown('Enter', false);
    guard.arm();
    expect(guard.keyDown('Enter', true)).toBe(false);
    // Some systems don't mark repeats.
    expect(guard.keyDown('Enter', false)).toBe(false);
    expect(guard.click(true)).toBe(false);
    expect(guard.keyUp('Enter')).toBe(false);
    expect(guard.keyDown('Enter', false)).toBe(true);
  });
  it('is a key whose first sign is a repeat', () => {
    guard.arm();
    expect(guard.keyDown('Space', true)).toBe(false);
    expect(guard.click(true)).toBe(false);
    expect(guard.keyUp('Space')).toBe(false);
    expect(guard.click(true)).toBe(true);
  });
  it('is the letting go of a key that went down elsewhere', () => {
    guard.arm();
    expect(guard.keyUp('Space')).toBe(false);
  });
  it('is a button of the mouse held since before', () => {
    guard.pointerDown();
    guard.arm();
    expect(guard.click(true)).toBe(false);
    guard.pointerDown();
    expect(guard.click(true)).toBe(true);
  });
  it('is one that was under way when the prompt was disarmed', () => {
    guard.arm();
    guard.keyDown('Space', false);
    guard.pointerDown();
    guard.disarm();
    guard.arm();
    expect(guard.keyUp('Space')).toBe(false);
    expect(guard.click(true)).toBe(false);
  });
  it('is one of a key that repeats after the focus came back', () => {
    guard.arm();
    guard.keyDown('Enter', false);
    guard.blur();
    expect(guard.keyDown('Enter', false)).toBe(false);
    guard.arm();
    expect(guard.keyDown('Enter', false)).toBe(false);
    expect(guard.click(true)).toBe(false);
  });
  it('is one that a script made', () => {
    guard.arm();
    expect(guard.click(false)).toBe(false);
  });
});
