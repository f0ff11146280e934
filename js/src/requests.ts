import { BadArgsError, BadPayloadError, type Code, CoordError, NotFoundError, wordsOf } from './errors.ts';
import { variable } from './grants.ts';
import { optionsOf, shown } from './options.ts';
import type { Choice, Filter, NewTask } from './types.ts';

/** Who acts, unless it is said. */
export function actor(runId: string | undefined): string | undefined {
  return runId ?? variable('MUSE_RUN_ID');
}

/** The priorities that there are: 64-bit integers. */
const [LEAST_PRIORITY, MOST_PRIORITY] = [-(2n ** 63n), 2n ** 63n - 1n];

/**
 * A task as the WebAssembly part takes it, enqueued by `by` unless it says otherwise. Its priority and payload are
 * texts already: JSON has no 64-bit integers.
 */
export function draftText(task: NewTask<object>, by: string | undefined = actor(undefined)): string {
  if (typeof task !== 'object' || task === null) throw bad(`a task is an object with a title, not ${shown(task)}`);
  const { payload, priority = 0, ...options } = optionsOf('enqueue', task);
  const texts = [`"priority":${priorityText(priority)}`];
  if (payload !== undefined) texts.push(`"payload":${jsonOf('payload', 'bad_payload', payload)}`);
  const fields = {
    title: options.title,
    queue: options.queue,
    ttl_seconds: whole(options.ttlSeconds),
    run_id: options.runId ?? by,
    tags: options.tags,
    max_attempts: whole(options.maxAttempts),
    backoff_seconds: whole(options.backoffSeconds),
    backoff_max_seconds: whole(options.backoffMaxSeconds),
    delay_seconds: whole(options.delaySeconds),
    at: timeText('at', options.at),
    after: options.after,
    if_parent_fails: options.ifParentFails,
    unique: options.unique,
  };
  return objectText(fields, texts);
}

/** The tasks that a call was given. */
export function listed<T>(call: string, tasks: Iterable<T>): T[] {
  if (typeof tasks === 'object' && tasks !== null && Symbol.iterator in tasks) return [...tasks];
  throw bad(`${call} takes an array of tasks, not ${shown(tasks)}`);
}

/** The tasks as the WebAssembly part takes them. What is refused has the `index` of its task. */
export function draftTexts(tasks: readonly NewTask<object>[], by?: string): string[] {
  return tasks.map((task, index) => {
    try {
      return draftText(task, by);
    } catch (error) {
      throw error instanceof CoordError ? Object.assign(error, { index }) : error;
    }
  });
}

/** Asks for several tasks. If one is refused, that is told with its place, as `tasks[1] ("Count b")`. */
export async function locating<T>(
  place: string,
  tasks: readonly NewTask<object>[],
  ask: () => Promise<T>,
): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const index = error instanceof CoordError ? indexOf(error, tasks) : undefined;
    throw index === undefined ? error : at(place, tasks, index, error as CoordError);
  }
}

/** Which task is refused. That another one to wait for is not there is told by the id of that one. */
function indexOf(error: CoordError, tasks: readonly NewTask<object>[]): number | undefined {
  if (!(error instanceof NotFoundError)) return error.index;
  const index = tasks.findIndex(({ after }) => after?.some((id) => error.taskId.endsWith(id)));
  return index < 0 ? undefined : index;
}

/** The error, of its class and with its facts, with the place of the task in front. */
function at(place: string, tasks: readonly NewTask<object>[], index: number, error: CoordError): CoordError {
  const title = tasks[index]?.title;
  const which = `${place}[${index}]${typeof title === 'string' ? ` (${shown(title)})` : ''}`;
  const Class = error.constructor as typeof CoordError;
  const cause = error.cause === undefined ? undefined : { cause: error.cause };
  return Object.assign(new Class(error.code, `${which}: ${error.message}`, cause), { ...error, index });
}

/** Among which tasks a claim chooses; `undefined`: among all, as most do. */
export function choiceText({ queue, queues = [], tags, anyTags, excludeTags }: Choice): string | undefined {
  const named = queue === undefined ? queues : [queue, ...queues];
  const isAny = named.length === 0 && tags === undefined && anyTags === undefined && excludeTags === undefined;
  return isAny ? undefined : objectText({ queues: named, tags, any_tags: anyTags, exclude_tags: excludeTags });
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
    limit: whole(limit),
  });
}

/**
 * The fields as JSON, each on a line of its own, by which the WebAssembly part tells which one is not as it should be.
 */
function objectText(fields: Record<string, unknown>, texts: string[] = []): string {
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) texts.push(`"${name}":${JSON.stringify(value)}`);
  }
  return `{${texts.join(',\n')}}`;
}

/** The text, or whatever was given in words. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : wordsOf(value);
}

function timeText(name: string, value: Date | string | undefined): string | undefined {
  if (!(value instanceof Date)) return value;
  if (Number.isNaN(value.getTime())) throw bad(`${name} is not a valid date`);
  return value.toISOString();
}

function priorityText(priority: number | bigint): string {
  if (typeof priority === 'number' && !Number.isSafeInteger(priority)) {
    throw bad(`priority is beyond 2^53, where numbers are rounded: give a bigint`);
  }
  if (priority >= LEAST_PRIORITY && priority <= MOST_PRIORITY) return `${priority}`;
  throw bad(`priority must be between ${LEAST_PRIORITY} and ${MOST_PRIORITY}, got ${priority}`);
}

/** The number, if it is a whole one from `least` to `most`. */
export function between(name: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw bad(`${name} must be a whole number from ${least} to ${most}, got ${shown(value)}`);
}

/**
 * A whole number so that JSON tells it in digits. One that this changes is far out of any limits, and the core says so.
 */
export function whole(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.min(Math.max(value, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
}

/** The value as JSON. */
export function jsonOf(name: string, code: Code & ('bad_args' | 'bad_payload'), value: object): string {
  const error = code === 'bad_args' ? BadArgsError : BadPayloadError;
  const refused = (why: string, options?: ErrorOptions): CoordError =>
    new error(code, `the ${name} is not a JSON object: ${why}`, options);
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw refused(wordsOf(cause), { cause });
  }
  if (text === undefined) throw refused(`it is a ${typeof value}`);
  return text;
}

function bad(message: string): BadArgsError {
  return new BadArgsError('bad_args', message);
}
