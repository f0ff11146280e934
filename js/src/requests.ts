import { BadArgsError, BadPayloadError, type Code, CoordError } from './errors.ts';
import { variable } from './repository.ts';
import type { ClaimOptions, Filter, NewTask } from './types.ts';

/** Who acts, unless it is said. */
export function actor(runId: string | undefined): string | undefined {
  return runId ?? variable('MUSE_RUN_ID');
}

/** A task as the WebAssembly part takes it. Its priority and payload are texts already: JSON has no 64-bit integers. */
export function draftText(task: NewTask<object>): string {
  if (typeof task !== 'object' || task === null) {
    throw new BadArgsError('bad_args', `a task is an object with a title, not ${task}`);
  }
  const { title, queue, ttlSeconds, runId, tags, priority = 0, payload } = task;
  if (typeof priority !== 'bigint') whole('priority', priority);
  const fields = JSON.stringify({ title, queue, ttl_seconds: whole('ttlSeconds', ttlSeconds), run_id: actor(runId), tags });
  const texts = [fields.slice(1, -1), `"priority":${priority}`];
  if (payload !== undefined) texts.push(`"payload":${jsonOf('payload', 'bad_payload', payload)}`);
  return `{${texts.filter((text) => text !== '').join(',')}}`;
}

export function claimText({ runId, queue, leaseSeconds, wait }: ClaimOptions): string {
  return JSON.stringify({
    run_id: actor(runId),
    queues: queue === undefined ? [] : [queue],
    lease_seconds: whole('leaseSeconds', leaseSeconds),
    wait_seconds: whole('wait', wait),
  });
}

export function filterText({ status, queue, runId, limit }: Filter): string {
  return JSON.stringify({ status, queue, run_id: runId, limit: whole('limit', limit) });
}

/** The number, if it is a whole one: JSON would make `null` of others, which is as if nothing had been said. */
export function whole(name: string, value: number | undefined): number | undefined {
  if (value === undefined || Number.isSafeInteger(value)) return value;
  if (Number.isInteger(value)) {
    throw new BadArgsError('bad_args', `${name} is beyond 2^53, where numbers are rounded: give a bigint`);
  }
  throw new BadArgsError('bad_args', `${name} must be a whole number, got ${value}`);
}

/** The value as JSON. */
export function jsonOf(name: string, code: Code & ('bad_args' | 'bad_payload'), value: object): string {
  const error = code === 'bad_args' ? BadArgsError : BadPayloadError;
  const bad = (why: string, options?: ErrorOptions): CoordError =>
    new error(code, `the ${name} is not a JSON object: ${why}`, options);
  try {
    const text = JSON.stringify(value);
    if (text !== undefined) return text;
  } catch (cause) {
    throw bad((cause as Error).message, { cause });
  }
  throw bad(`it is a ${typeof value}`);
}
