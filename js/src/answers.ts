import type { CoordQueue } from '../generated/muse_coord.js';
import type {
  CancelRequest,
  Change,
  ClaimRecord,
  Enqueued,
  Item,
  Listing,
  QueueStats,
  Released,
  Report,
  Retried,
} from './types.ts';
import type { Shown, Stats, Status, Task, Waited } from './types.ts';

/** Asks the WebAssembly part, and resolves with what it answers; rejects with a `CoordError`. */
export type Asked = <T>(ask: (binding: CoordQueue) => string) => Promise<T>;

/**
 * An answer as the WebAssembly part tells it: that of the command line, with names in camel case. A time is a text, and
 * so are a
 * `payload` and a `result`. A field that there is nothing to say of may be left out.
 */
export interface Raw {
  [name: string]: unknown;
}

export interface RawCompleted extends Raw {
  enqueued: Raw[];
}

export interface RawClaimed extends Raw {
  task: Raw;
  lateResults?: Raw[];
}

export interface RawListing extends Raw {
  items: Raw[];
}

export interface RawWaited {
  items: { item: Raw | null }[];
  timedOut: boolean;
}

export interface RawChange {
  taskId: string;
  item: Raw | null;
}

export interface RawStats extends Raw {
  queues: (Raw & { queue: string; counts: Raw })[];
}

/** What there may be nothing to say of: the compiler asks for every such field of `T`. */
type Absent<T> = { readonly [Field in keyof T as null extends T[Field] ? Field : never]: null };

const NO_PLAN: Absent<Task> = {
  maxAttempts: null,
  backoffSeconds: null,
  backoffMaxSeconds: null,
  scheduledAt: null,
  ifParentFails: null,
  unique: null,
};
const NO_END: Absent<ClaimRecord> = {
  result: null,
  resultText: null,
  error: null,
  reason: null,
  cancelRequest: null,
  scheduledAt: null,
};
const NO_STATE: Absent<Item> = {
  ...NO_PLAN,
  ...NO_END,
  blockedOn: null,
  claimerRunId: null,
  expiresAt: null,
  progress: null,
  note: null,
  endedAt: null,
};
const SAYS_NOTHING: Absent<Report> = {
  runId: null,
  result: null,
  resultText: null,
  error: null,
  reason: null,
  progress: null,
  note: null,
  scheduledAt: null,
};
const NOT_IMPORTED: Absent<Shown> = { ...NO_STATE, importedAt: null };

const STATUSES: readonly Status[] = [
  'scheduled',
  'blocked',
  'pending',
  'claimed',
  'timed_out',
  'completed',
  'failed',
  'cancelled',
  'expired',
];

/** The task for people. What its payload is, is the caller's knowledge. */
export function taskOf<Payload extends object>(raw: Raw): Task<Payload> {
  return { after: [], ...told<Omit<Task<Payload>, 'after'>>(raw, NO_PLAN) };
}

export function enqueuedOf<Payload extends object>(raw: Raw): Enqueued<Payload> {
  return taskOf<Payload>(raw) as Enqueued<Payload>;
}

export function claimRecordOf<Result extends object>(raw: Raw): ClaimRecord<Result> {
  return requested(told<ClaimRecord<Result>>(raw, NO_END));
}

export function releasedOf(raw: Raw): Released {
  return told<Released>(raw, { scheduledAt: null });
}

export function retriedOf(raw: Raw): Retried {
  return told<Retried>(raw, { scheduledAt: null });
}

export function reportOf<Result extends object>(raw: Raw): Report<Result> {
  return { imported: false, ...told<Omit<Report<Result>, 'imported'>>(raw, SAYS_NOTHING) };
}

export function itemOf<Payload extends object, Result extends object>(raw: Raw): Item<Payload, Result> {
  return { after: [], ...requested(told<Omit<Item<Payload, Result>, 'after'>>(raw, NO_STATE)) };
}

export function shownOf<Payload extends object, Result extends object>(raw: Raw): Shown<Payload, Result> {
  const shown = { after: [], ...requested(told<Omit<Shown<Payload, Result>, 'after'>>(raw, NOT_IMPORTED)) };
  shown.history = (shown.history as unknown as Raw[]).map(reportOf<Result>);
  shown.lateResults = (shown.lateResults as unknown as Raw[]).map(reportOf<Result>);
  return shown;
}

export function listingOf<Payload extends object, Result extends object>(raw: RawListing): Listing<Payload, Result> {
  const { total, limit, truncated, nextCursor = null, pausedQueues = [] } = raw as unknown as Listing;
  const items = raw.items.map(itemOf<Payload, Result>);
  return { total, counts: countsOf(raw), items, limit, truncated, nextCursor, pausedQueues };
}

export function waitedOf<Payload extends object, Result extends object>(raw: RawWaited): Waited<Payload, Result> {
  const items = raw.items.map(({ item }) => (item === null ? undefined : itemOf<Payload, Result>(item)));
  return { items, timedOut: raw.timedOut };
}

export function changeOf<Payload extends object, Result extends object>(raw: RawChange): Change<Payload, Result> {
  return { taskId: raw.taskId, item: raw.item === null ? null : itemOf<Payload, Result>(raw.item) };
}

export function statsOf(raw: RawStats): Stats {
  const { total, windowSeconds } = raw as unknown as Stats;
  const queues = raw.queues.map((
    { queue, counts, ...figures },
  ) => [queue, { ...dated(figures), counts: countsOf(counts) }]);
  return {
    total,
    counts: countsOf(raw),
    windowSeconds,
    queues: Object.fromEntries(queues) as Record<string, QueueStats>,
  };
}

/** How many tasks have each status. */
function countsOf(raw: Raw): Record<Status, number> {
  const counts = STATUSES.map((status) => [status, raw[status === 'timed_out' ? 'timedOut' : status]]);
  return Object.fromEntries(counts) as Record<Status, number>;
}

/**
 * What is told, times as dates, a payload and a result as what they are and as their texts, with `null` for what is
 * left out.
 */
function told<T>(raw: Raw, absent: { readonly [name: string]: null }): T {
  const told: Raw = { ...absent, ...dated(raw) };
  const { payload, result } = told;
  if (typeof payload === 'string') {
    told.payload = JSON.parse(payload);
    told.payloadText = payload;
  }
  if (typeof result === 'string') {
    told.result = JSON.parse(result);
    told.resultText = result;
  }
  return told as T;
}

/** Makes dates of the times, in the very object that was parsed of an answer, which nobody else has. */
function dated(raw: Raw): Raw {
  for (const name in raw) {
    const value = raw[name];
    if (typeof value === 'string' && (name === 'at' || name.endsWith('At') || name.endsWith('Since'))) {
      raw[name] = new Date(value);
    }
  }
  return raw;
}

/** The three fields of a request to stop, as one. */
function requested<T extends { cancelRequest: CancelRequest | null }>(told: T): T {
  const { cancelRequested, cancelRequestedBy, cancelReason, ...rest } = told as T & Raw;
  const cancelRequest = cancelRequested === true
    ? { runId: cancelRequestedBy ?? null, reason: cancelReason ?? null }
    : null;
  return { ...rest, cancelRequest } as unknown as T;
}
