import type { ClaimRecord, Item, Stats, Status, Task } from './types.ts';

/** Asks the WebAssembly part, and gives what it answers; throws a `CoordError`. */
export type Asked = <T>(ask: () => string) => T;

/** A task as the WebAssembly part tells it: times are microseconds, payloads texts. */
export interface RawTask extends Omit<Task, 'createdAt' | 'payload'> {
  createdAt: number;
}

export interface RawClaimRecord extends Omit<ClaimRecord, 'claimedAt' | 'expiresAt' | 'heartbeatAt' | 'result'> {
  claimedAt: number;
  expiresAt: number;
  heartbeatAt: number;
}

export interface RawLease {
  task: RawTask;
  record: RawClaimRecord;
}

export interface RawItem extends RawTask {
  status: Status;
  claimerRunId: string | null;
  expiresAt: number | null;
  generation: number;
  attempt: number;
  resultText: string | null;
  error: string | null;
}

export interface RawListing extends Stats {
  limit: number;
  truncated: boolean;
  items: RawItem[];
}

/** The task for people. What its payload is, is the caller's knowledge. */
export function taskOf<Payload extends object>(raw: RawTask): Task<Payload> {
  return { ...raw, createdAt: date(raw.createdAt), payload: JSON.parse(raw.payloadText) };
}

export function claimRecordOf<Result extends object>(raw: RawClaimRecord): ClaimRecord<Result> {
  const { claimedAt, expiresAt, heartbeatAt } = raw;
  const times = { claimedAt: date(claimedAt), expiresAt: date(expiresAt), heartbeatAt: date(heartbeatAt) };
  return { ...raw, ...times, result: parsed(raw.resultText) };
}

export function itemOf<Payload extends object, Result extends object>(raw: RawItem): Item<Payload, Result> {
  const expiresAt = raw.expiresAt === null ? null : date(raw.expiresAt);
  return { ...raw, ...taskOf<Payload>(raw), expiresAt, result: parsed(raw.resultText) };
}

function parsed<T>(text: string | null): T | null {
  return text === null ? null : JSON.parse(text);
}

function date(micros: number): Date {
  return new Date(micros / 1000);
}
