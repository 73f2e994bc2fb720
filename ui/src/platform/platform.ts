// What the two windows need of whatever they run on. The main window has no way to answer a prompt, not even a type
// for it, and the prompt has nothing but prompts.

import type {
  GateChange,
  HostEvent,
  Live,
  PromptAnswer,
  PromptEvent,
  PromptView,
  Reply,
  Request,
  Screen,
  Settings,
  ShellEvent,
  Theme,
} from './types';

export type Stop = () => void;

/** What a command failed with. Codes exist only where something branches on them. */
export class PlatformError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'PlatformError';
    this.code = code;
  }
}

export interface MainPlatform {
  /** Carries out a request of the host. `failed` replies are thrown, as is `cancelled` after the signal. */
  request(request: Request, signal?: AbortSignal): Promise<Exclude<Reply, { reply: 'failed' }>>;
  /** What happens on the desktop, from now on. */
  events(listener: (event: HostEvent) => void): Promise<Stop>;
  /** What the shell wants of the window. */
  shell(listener: (event: ShellEvent) => void): Promise<Stop>;
  live(): Promise<Live>;
  setGate(change: GateChange): Promise<void>;
  /** Brings the prompt to the front. It decides nothing. */
  showPrompt(id: number | null): Promise<void>;
  settings(): Promise<Settings>;
  putSettings(settings: Settings): Promise<void>;
  /** Tries the keychain again. */
  retryKeychain(): Promise<void>;
  pickFolder(): Promise<string | null>;
  pickNewFile(suggested: string): Promise<string | null>;
  /** Puts text onto the clipboard; after `seconds` it is taken off again if it is still there. */
  copy(text: string, seconds: number | null): Promise<void>;
  /** The first paint is done. */
  ready(): Promise<void>;
  /** Where a window that was just made begins; `null` for where it likes. */
  start(): Promise<{ screen: Screen | null; id: string | null }>;
  version(): Promise<string>;
}

export interface PromptPlatform {
  /** The prompt that is visible now, and from then on what becomes of it. */
  prompts(listener: (event: PromptEvent) => void): Promise<Stop>;
  /** The prompt has been drawn. The time until it is armed is counted by the shell, from this and from focus. */
  shown(prompt: PromptView): Promise<void>;
  /** Throws a `PlatformError` whose code is an `AnswerError`. */
  answer(nonce: string, answer: PromptAnswer): Promise<void>;
  theme(): Promise<Theme>;
}
