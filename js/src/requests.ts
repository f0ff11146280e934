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
  const { title, queue, tags, after, unique, priority = 0, payload } = task;
  if (typeof priority !== 'bigint') whole('priority', priority);
  const texts = [`"priority":${priority}`];
  if (payload !== undefined) texts.push(`"payload":${jsonOf('payload', 'bad_payload', payload)}`);
  const fields = {
    title,
    queue,
    ttl_seconds: whole('ttlSeconds', task.ttlSeconds),
    run_id: actor(task.runId),
    tags,
    max_attempts: whole('maxAttempts', task.maxAttempts),
    backoff_seconds: whole('backoffSeconds', task.backoffSeconds),
    backoff_max_seconds: whole('backoffMaxSeconds', task.backoffMaxSeconds),
    delay_seconds: whole('delaySeconds', task.delaySeconds),
    at: timeText('at', task.at),
    after,
    if_parent_fails: task.ifParentFails,
    unique,
  };
  return objectText(fields, texts);
}

export function claimText(options: ClaimOptions): string {
  const { queue, queues, tags } = options;
  return objectText({
    run_id: actor(options.runId),
    queues: queue === undefined ? queues : [queue].concat(queues ?? []),
    tags,
    any_tags: options.anyTags,
    exclude_tags: options.excludeTags,
    lease_seconds: whole('leaseSeconds', options.leaseSeconds),
    wait_seconds: whole('wait', options.wait),
  });
}

export function filterText({ status, queue, runId, tags, since, endedSince, sort, cursor, limit }: Filter): string {
  return objectText({
    status,
    queue,
    run_id: runId,
    tags,
    since: timeText('since', since),
    ended_since: timeText('endedSince', endedSince),
    sort,
    cursor,
    limit: whole('limit', limit),
  });
}

/** The fields as JSON, each on a line of its own, by which the WebAssembly part tells which one is not as it should be. */
function objectText(fields: Record<string, unknown>, texts: string[] = []): string {
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) texts.push(`"${name}":${JSON.stringify(value)}`);
  }
  return `{${texts.join(',\n')}}`;
}

/** The text, or what JavaScript makes one of. */
export function text(value: unknown): string | undefined {
  return value === undefined ? undefined : `${value}`;
}

function timeText(name: string, value: Date | string | undefined): string | undefined {
  if (!(value instanceof Date)) return value;
  if (Number.isNaN(value.getTime())) throw new BadArgsError('bad_args', `${name} is not a valid date`);
  return value.toISOString();
}

/** The number, if it is a whole one from `least` to `most`. */
export function between(name: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most && whole(name, value) !== undefined) return value;
  throw new BadArgsError('bad_args', `${name} must be a whole number from ${least} to ${most}, got ${value}`);
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
