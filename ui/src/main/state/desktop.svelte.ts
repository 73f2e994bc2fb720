// The desktop as the main window shows it: lists read from the host, kept fresh by its events.

import { getContext, setContext } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import type { MainPlatform, Stop } from '../../platform/platform';
import type { AgentSummary, Check, Grant, HostEvent, InvitationSummary, LinkDefinition, Reply, Request, ServerDefinition, Settings } from '../../platform/types';
import { setTheme } from '../../shared/theme';
import { dismiss, NOTHING, PARTS, reduce, type Part, type Shown } from './reduce';

/** How often round-trip times and bytes are looked at while the window is visible. */
const LIVE_EVERY = 2000;

/** Events come in bursts; lists are read again once for all of a burst. */
const SETTLE = 150;

export type Probe = Extract<Reply, { reply: 'probed' }> & { at: number };
type Status = Extract<Reply, { reply: 'status' }>;

export class Desktop {
  readonly platform: MainPlatform;
  shown = $state.raw<Shown>(NOTHING);
  /** Hears of each check of a diagnosis as soon as it is done. */
  checked: ((check: Check) => void) | null = null;
  status = $state.raw<Status | null>(null);
  servers = $state.raw<ServerDefinition[]>([]);
  agents = $state.raw<AgentSummary[]>([]);
  grants = $state.raw<Grant[]>([]);
  altered = $state.raw<string[]>([]);
  links = $state.raw<LinkDefinition[]>([]);
  invitations = $state.raw<InvitationSummary[]>([]);
  settings = $state.raw<Settings | null>(null);
  /** Whether everything was read once. */
  loaded = $state(false);
  /** Why the last reading failed. */
  trouble = $state<string | null>(null);
  /** The last probe of each server. */
  readonly probes = new SvelteMap<string, Probe>();

  #settling: ReturnType<typeof setTimeout> | undefined;

  constructor(platform: MainPlatform) {
    this.platform = platform;
  }

  get live() {
    return this.shown.live;
  }

  /** Starts to listen; returns what ends it. */
  start(): Stop {
    const listening = this.platform.events((event) => this.hear(event));
    void this.refresh();
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') void this.#readLive().catch(() => undefined);
    }, LIVE_EVERY);
    return () => {
      clearInterval(timer);
      clearTimeout(this.#settling);
      void listening.then((stop) => stop());
    };
  }

  hear(event: HostEvent): void {
    if (event.event === 'checked') this.checked?.(event.check);
    this.shown = reduce(this.shown, event);
    if (this.shown.stale.size === 0) return;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => void this.refresh(), SETTLE);
  }

  dismiss(id: number): void {
    this.shown = dismiss(this.shown, id);
  }

  /** Reads what is stale; all of it if `everything`. */
  async refresh(everything = false): Promise<void> {
    const parts = everything ? PARTS : [...this.shown.stale];
    this.shown = { ...this.shown, stale: new Set() };
    try {
      await Promise.all([...parts.map((part) => this.#read(part)), this.settings === null ? this.readSettings() : null]);
      this.trouble = null;
      this.loaded = true;
    } catch (error) {
      this.trouble = messageOf(error);
      this.shown = { ...this.shown, stale: new Set([...this.shown.stale, ...parts]) };
    }
  }

  async #read(part: Part): Promise<void> {
    switch (part) {
      case 'status':
        this.status = await this.ask({ request: 'status' }, 'status');
        break;
      case 'servers':
        this.servers = (await this.ask({ request: 'servers' }, 'servers')).servers;
        break;
      case 'agents':
        this.agents = (await this.ask({ request: 'agents' }, 'agents')).agents;
        break;
      case 'grants': {
        const reply = await this.ask({ request: 'grants', agent: null }, 'grants');
        this.grants = reply.grants;
        this.altered = reply.altered;
        break;
      }
      case 'links':
        this.links = (await this.ask({ request: 'links' }, 'links')).links;
        break;
      case 'invitations':
        this.invitations = (await this.ask({ request: 'invitations' }, 'invitations')).invitations;
        break;
      case 'live':
        await this.#readLive();
        break;
    }
  }

  async #readLive(): Promise<void> {
    const live = await this.platform.live();
    this.shown = { ...this.shown, live };
  }

  async readSettings(): Promise<void> {
    this.#take(await this.platform.settings());
  }

  async putSettings(settings: Settings): Promise<void> {
    await this.platform.putSettings(settings);
    this.#take(settings);
  }

  #take(settings: Settings): void {
    this.settings = settings;
    setTheme(settings.theme);
    document.documentElement.dataset['density'] = settings.density;
  }

  /** Makes a request whose reply is known to be of a kind. */
  async ask<K extends Reply['reply']>(request: Request, kind: K, signal?: AbortSignal): Promise<Extract<Reply, { reply: K }>> {
    const reply = await this.platform.request(request, signal);
    if (reply.reply !== kind) throw new Error(`unexpected reply: ${reply.reply}`);
    return reply as Extract<Reply, { reply: K }>;
  }

  async probe(server: string, signal?: AbortSignal): Promise<void> {
    const reply = await this.ask({ request: 'probe_server', server }, 'probed', signal);
    this.probes.set(server, { ...reply, at: Date.now() });
  }

  /** Whether there is nothing yet: then the first start's screens are shown. */
  get isNew(): boolean {
    return this.loaded && this.servers.length === 0 && this.agents.length === 0;
  }

  serverName(id: string): string {
    return this.servers.find((server) => server.id === id)?.name ?? id;
  }

  agentLabel(fingerprint: string): string {
    return this.agents.find((agent) => agent.fingerprint === fingerprint)?.label ?? fingerprint.slice(0, 23);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const KEY = Symbol('desktop');
export const provideDesktop = (desktop: Desktop): Desktop => setContext(KEY, desktop);
export const useDesktop = (): Desktop => getContext<Desktop>(KEY);
