import type {
  Change,
  ClaimRecord,
  Completed,
  Enqueued,
  Item,
  JsonObject,
  Listing,
  Released,
  Report,
  Retried,
  Shown,
  Stats,
} from './types.ts';
import type { QueueStats, Task, Waited } from './types.ts';

/** Asks the WebAssembly part, and gives what it answers; throws a `CoordError`. */
export type Asked = <T>(ask: () => string) => T;

/** A `T` as the WebAssembly part tells it: times are microseconds, payloads and results are in their texts alone. */
type Raw<T> = {
  [Field in Exclude<keyof T, 'payload' | 'result'>]: Date extends T[Field] ? Exclude<T[Field], Date> | number : T[Field];
};

export type RawTask = Raw<Task>;
export type RawEnqueued = Raw<Enqueued>;
export type RawClaimRecord = Raw<ClaimRecord>;
export type RawCompleted = RawClaimRecord & { enqueued: RawEnqueued[] };
export type RawReleased = Raw<Released>;
export type RawRetried = Raw<Retried>;
export type RawReport = Raw<Report>;
export type RawItem = Raw<Item>;
export type RawShown = RawItem & { history: RawReport[]; orphanResults: RawReport[] };
export type RawListing = Omit<Listing, 'items'> & { items: RawItem[] };
export type RawWaited = { items: (RawItem | null)[]; timedOut: boolean };
export type RawChange = { taskId: string; item: RawItem | null };
export type RawStats = Omit<Stats, 'queues'> & { queues: (Raw<QueueStats> & { queue: string })[] };

export interface RawLease {
  task: RawTask;
  record: RawClaimRecord;
  orphanResults: RawReport[];
}

/** The task for people. What its payload is, is the caller's knowledge. */
export function taskOf<Payload extends object>(raw: RawTask): Task<Payload> {
  return { ...dated<Task<Payload>>(raw, ['createdAt', 'scheduledAt']), payload: JSON.parse(raw.payloadText) };
}

export function enqueuedOf<Payload extends object>(raw: RawEnqueued): Enqueued<Payload> {
  return { ...taskOf<Payload>(raw), deduplicated: raw.deduplicated };
}

export function claimRecordOf<Result extends object>(raw: RawClaimRecord): ClaimRecord<Result> {
  const times = ['claimedAt', 'expiresAt', 'heartbeatAt', 'scheduledAt'] as const;
  return { ...dated<ClaimRecord<Result>>(raw, times), result: parsed(raw.resultText) };
}

export function completedOf<Result extends object>(raw: RawCompleted): Completed<Result> {
  const enqueued = raw.enqueued.map((task) => enqueuedOf<JsonObject>(task));
  return { ...claimRecordOf<Result>(raw), enqueued };
}

export function releasedOf(raw: RawReleased): Released {
  return dated<Released>(raw, ['scheduledAt']);
}

export function retriedOf(raw: RawRetried): Retried {
  return dated<Retried>(raw, ['scheduledAt']);
}

export function reportOf<Result extends object>(raw: RawReport): Report<Result> {
  return { ...dated<Report<Result>>(raw, ['at', 'scheduledAt']), result: parsed(raw.resultText) };
}

export function itemOf<Payload extends object, Result extends object>(raw: RawItem): Item<Payload, Result> {
  const times = ['createdAt', 'scheduledAt', 'expiresAt', 'endedAt'] as const;
  const item = dated<Item<Payload, Result>>(raw, times);
  return { ...item, payload: JSON.parse(raw.payloadText), result: parsed(raw.resultText) };
}

export function shownOf<Payload extends object, Result extends object>(raw: RawShown): Shown<Payload, Result> {
  const [history, orphanResults] = [raw.history, raw.orphanResults].map((reports) => reports.map(reportOf<Result>));
  return { ...itemOf<Payload, Result>(raw), history: history!, orphanResults: orphanResults! };
}

export function waitedOf<Payload extends object, Result extends object>(raw: RawWaited): Waited<Payload, Result> {
  const items = raw.items.map((item) => (item === null ? undefined : itemOf<Payload, Result>(item)));
  return { items, timedOut: raw.timedOut };
}

export function changeOf<Payload extends object, Result extends object>(raw: RawChange): Change<Payload, Result> {
  return { taskId: raw.taskId, item: raw.item === null ? null : itemOf<Payload, Result>(raw.item) };
}

export function statsOf(raw: RawStats): Stats {
  const queues = raw.queues.map(({ queue, ...figures }) => [queue, dated<QueueStats>(figures, ['oldestPendingSince'])]);
  return { ...raw, queues: Object.fromEntries(queues) };
}

function parsed<T>(text: string | null): T | null {
  return text === null ? null : JSON.parse(text);
}

/** The same with dates where there are microseconds. What is parsed of texts is not in it yet. */
function dated<T extends object>(raw: object, times: readonly (keyof T & string)[]): T {
  const told: Record<string, unknown> = { ...raw };
  for (const name of times) {
    const micros = told[name];
    if (typeof micros === 'number') told[name] = new Date(micros / 1000);
  }
  return told as T;
}
