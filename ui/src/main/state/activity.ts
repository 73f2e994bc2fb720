// The activity log as it is looked through: filtered, counted over time, kept in order. Pure.

import type { ActivityRow } from '../../platform/types';

/** What is filtered by: how a thing ended, for all kinds of entries. */
export type OutcomeFilter = 'all' | 'answered' | 'failed' | 'denied' | 'cancelled' | 'other';
export type Period = 'hour' | 'day' | 'week' | 'month' | 'all';

export interface Filter {
  readonly text: string;
  readonly agent: string;
  readonly server: string;
  readonly tool: string;
  readonly outcome: OutcomeFilter;
  /** Nothing before this. */
  readonly since: number;
}

const HOUR = 3_600_000;
const SPANS: Record<Period, number> = { hour: HOUR, day: 24 * HOUR, week: 7 * 24 * HOUR, month: 30 * 24 * HOUR, all: Infinity };
export const PERIODS = Object.keys(SPANS) as Period[];

export const since = (period: Period, now: number): number => (period === 'all' ? 0 : now - SPANS[period]);

/** How an entry ended, as the filter names it. */
export function outcomeOf(row: ActivityRow): Exclude<OutcomeFilter, 'all'> {
  if (row.kind === 'call') return row.outcome === 'interrupted' ? 'failed' : row.outcome;
  if (row.kind === 'approval-answered') return row.answer === 'denied' || row.answer === 'ended' || row.answer === 'blocked' ? 'denied' : 'answered';
  return row.kind === 'server-crashed' || row.kind === 'grants-altered' || row.kind === 'lost' ? 'failed' : 'other';
}

/** All that an entry says, for searching. `label` says what its agent and server are called. */
export function textOf(row: ActivityRow, label: (agent: string) => string): string {
  const { seq: _seq, at: _at, ...said } = row;
  return `${Object.values(said).join(' ')} ${row.agent ? label(row.agent) : ''}`.toLowerCase();
}

export function matches(row: ActivityRow, filter: Filter, label: (agent: string) => string): boolean {
  return (
    row.at >= filter.since &&
    (filter.agent === '' || row.agent === filter.agent) &&
    (filter.server === '' || row.server === filter.server) &&
    (filter.tool === '' || (row.kind === 'call' && row.target === filter.tool)) &&
    (filter.outcome === 'all' || outcomeOf(row) === filter.outcome) &&
    (filter.text === '' || textOf(row, label).includes(filter.text.toLowerCase()))
  );
}

/** Puts newly read entries before those that are there, newest first, each once. */
export function joined(newer: readonly ActivityRow[], older: readonly ActivityRow[]): ActivityRow[] {
  const newest = older[0]?.seq ?? 0;
  return [...newer.filter(({ seq }) => seq > newest), ...older];
}

export interface Bar {
  readonly from: number;
  readonly to: number;
  answered: number;
  failed: number;
  denied: number;
}

/** Counts calls over time, in equal spans. */
export function bars(rows: readonly ActivityRow[], from: number, to: number, count: number): Bar[] {
  const width = Math.max(1, (to - from) / count);
  const all = Array.from({ length: count }, (_, index): Bar => ({ from: from + index * width, to: from + (index + 1) * width, answered: 0, failed: 0, denied: 0 }));
  for (const row of rows) {
    if (row.kind !== 'call') continue;
    const bar = all[Math.min(count - 1, Math.floor((row.at - from) / width))];
    if (!bar || row.at < from) continue;
    if (row.outcome === 'denied') bar.denied += 1;
    else if (row.outcome === 'answered') bar.answered += 1;
    else bar.failed += 1;
  }
  return all;
}

/** Which rows of a long list are drawn: those in view, and some around for quick scrolling. */
export function windowOf(scrolled: number, height: number, row: number, count: number): { first: number; last: number } {
  const AROUND = 8;
  const first = Math.max(0, Math.floor(scrolled / row) - AROUND);
  return { first, last: Math.min(count, Math.ceil((scrolled + height) / row) + AROUND) };
}
