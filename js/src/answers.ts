import type { Change, ClaimRecord, Enqueued, Item, Listing, Released, Report, Retried, Shown, Stats } from './types.ts';
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
export type RawCompleted = { record: RawClaimRecord; enqueued: RawEnqueued[] };
export type RawReleased = Raw<Released>;
export type RawRetried = Raw<Retried>;
export type RawReport = Raw<Report>;
export type RawItem = Raw<Item>;
export type RawShown = RawItem & { history: RawReport[]; lateResults: RawReport[] };
export type RawListing = Omit<Listing, 'items'> & { items: RawItem[] };
export type RawWaited = { items: (RawItem | null)[]; timedOut: boolean };
export type RawChange = { taskId: string; item: RawItem | null };
export type RawStats = Omit<Stats, 'queues'> & { queues: (Raw<QueueStats> & { queue: string })[] };

export interface RawLease {
  task: RawTask;
  record: RawClaimRecord;
  lateResults: RawReport[];
}

const TASK_TIMES = ['createdAt', 'scheduledAt'] as const;
const CLAIM_TIMES = ['claimedAt', 'expiresAt', 'heartbeatAt', 'scheduledAt'] as const;
const REPORT_TIMES = ['at', 'scheduledAt'] as const;
const ITEM_TIMES = ['createdAt', 'scheduledAt', 'expiresAt', 'endedAt'] as const;

/** The task for people. What its payload is, is the caller's knowledge. */
export function taskOf<Payload extends object>(raw: RawTask): Task<Payload> {
  const task = dated<Task<Payload>>(raw, TASK_TIMES);
  task.payload = JSON.parse(task.payloadText);
  return task;
}

export function enqueuedOf<Payload extends object>(raw: RawEnqueued): Enqueued<Payload> {
  return taskOf<Payload>(raw) as Enqueued<Payload>;
}

export function claimRecordOf<Result extends object>(raw: RawClaimRecord): ClaimRecord<Result> {
  const record = dated<ClaimRecord<Result>>(raw, CLAIM_TIMES);
  record.result = parsed(record.resultText);
  return record;
}

export function releasedOf(raw: RawReleased): Released {
  return dated<Released>(raw, ['scheduledAt']);
}

export function retriedOf(raw: RawRetried): Retried {
  return dated<Retried>(raw, ['scheduledAt']);
}

export function reportOf<Result extends object>(raw: RawReport): Report<Result> {
  const report = dated<Report<Result>>(raw, REPORT_TIMES);
  report.result = parsed(report.resultText);
  return report;
}

export function itemOf<Payload extends object, Result extends object>(raw: RawItem): Item<Payload, Result> {
  const item = dated<Item<Payload, Result>>(raw, ITEM_TIMES);
  item.payload = JSON.parse(item.payloadText);
  item.result = parsed(item.resultText);
  return item;
}

export function shownOf<Payload extends object, Result extends object>(raw: RawShown): Shown<Payload, Result> {
  const [history, lateResults] = [raw.history, raw.lateResults].map((reports) => reports.map(reportOf<Result>));
  return { ...itemOf<Payload, Result>(raw), history: history!, lateResults: lateResults! };
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

/**
 * Makes dates of the microseconds, in the very object that was parsed of an answer, which nobody else has: to copy it would take as
 * long as to parse it. What is parsed of texts is not in it yet.
 */
function dated<T extends object>(raw: object, times: readonly (keyof T & string)[]): T {
  const told = raw as Record<string, unknown>;
  for (const name of times) {
    const micros = told[name];
    if (typeof micros === 'number') told[name] = new Date(micros / 1000);
  }
  return told as T;
}
