import type { CancelRequest, Enqueued, Status } from './types.ts';

/** The most causes of an error that its text has. */
const CAUSES = 16;

/** All error codes. They are the same words as the `status` of the command line. */
export type Code =
  | 'bad_args'
  | 'bad_payload'
  | 'bad_queue'
  | 'bad_task_id'
  | 'not_found'
  | 'not_claimed'
  | 'wrong_owner'
  | 'lease_lost'
  | 'already_terminal'
  | 'not_terminal'
  | 'key_taken'
  | 'not_a_repository'
  | 'unsupported_format'
  | 'io_error'
  | 'unknown'
  | 'error';

/** Why an operation did not do what was asked. Unless its class says otherwise, nothing changed. */
export class CoordError extends Error {
  /** The stable code for programs. It is the same on every face and in every copy of this package. */
  readonly code: Code;
  /** Of `enqueueMany`, and of `enqueue` in a completion: the place of the refused task, counted from 0. */
  declare readonly index?: number;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** A value is out of its limits. The message names the value, the limit and what to do. */
export class BadArgsError extends CoordError {}

/** The payload is not a JSON object within its limits. */
export class BadPayloadError extends CoordError {}

/** Not a valid queue name. */
export class BadQueueError extends CoordError {}

/** Not `sha256:` and 64 hexadecimal digits. */
export class BadTaskIdError extends CoordError {}

/** There is no such task. It may be a parent in `after` of a new task. */
export class NotFoundError extends CoordError {
  declare readonly taskId: string;
}

/** Nobody holds the task: it waits to be claimed, or cannot be claimed yet. */
export class NotClaimedError extends CoordError {
  declare readonly taskId: string;
  /** The state of the task: `pending`, `scheduled` or `blocked`. */
  declare readonly taskStatus: Status;
  /** When it is due; absent if it is not `scheduled`. */
  declare readonly scheduledAt?: Date;
  /** The parent that it waits for; absent if it is not `blocked`. */
  declare readonly blockedOn?: string;
}

/** Another agent holds the task. The properties say which. */
export class HeldByAnotherError extends CoordError {
  declare readonly taskId: string;
  /** `claimed`, or `timed_out` if the lease has expired and nobody has taken the task over yet. */
  declare readonly taskStatus: Status;
  /** The holder. */
  declare readonly runId: string;
  declare readonly generation: number;
  declare readonly claimedAt: Date;
  declare readonly expiresAt: Date;
}

/** Another agent holds the task, and the caller never did. Leave it alone. */
export class WrongOwnerError extends HeldByAnotherError {}

/** The caller's lease is over, and another agent holds the task. Stop this work, and claim another task. */
export class LeaseLostError extends HeldByAnotherError {}

/** The task has ended. This report is not kept, except a late result: see {@link Lease.complete}. */
export class AlreadyTerminalError extends CoordError {
  declare readonly taskId: string;
  /** How it ended: `completed`, `failed`, `cancelled` or `expired`. */
  declare readonly taskStatus: Status;
  /** The same as `taskStatus`. */
  declare readonly status: Status;
  declare readonly endedAt: Date;
  /** The agent that ended it; absent if it expired, or was cancelled because of a parent. */
  declare readonly runId?: string;
}

/** The task has not ended, so it cannot be put back. */
export class NotTerminalError extends CoordError {
  declare readonly taskId: string;
  /** The state of the task. */
  declare readonly taskStatus: Status;
  /** When it is due; absent if it is not `scheduled`. */
  declare readonly scheduledAt?: Date;
  /** The parent that it waits for; absent if it is not `blocked`. */
  declare readonly blockedOn?: string;
}

/** The task cannot be put back, since another task with its unique key has not ended. */
export class KeyTakenError extends CoordError {
  declare readonly taskId: string;
  /** How it ended: `failed`, `cancelled` or `expired`. */
  declare readonly taskStatus: Status;
  /** The id of the task that has the key. */
  declare readonly liveTaskId: string;
}

/**
 * Somebody asks the holder of a task to stop. It is only the reason of {@link Lease.signal}. It is not a {@link
 * CoordError}, as nothing was refused, and no call of this package rejects with it.
 */
export class CancelRequestedError extends Error {
  readonly code: 'cancel_requested' = 'cancel_requested';
  readonly taskId: string;
  /** The agent that asks; `null` if the text of the request was lost. */
  readonly runId: string | null;
  /** The reason, if one was given. */
  readonly reason: string | null;

  /** @internal */
  constructor(taskId: string, { runId, reason }: CancelRequest) {
    super(`${runId ?? 'somebody'} asks to stop the work on task ${taskId}${reason === null ? '' : `: ${reason}`}`);
    this.name = new.target.name;
    this.taskId = taskId;
    this.runId = runId;
    this.reason = reason;
  }
}

/** There is no `.muse` to work in. */
export class NotARepositoryError extends CoordError {}

/** The directory follows a format, or uses a feature, that this version does not know. Use a newer version. */
export class UnsupportedFormatError extends CoordError {}

/** The medium failed before the call changed anything, unless it is an {@link UnknownOutcomeError}. */
export class IoError extends CoordError {
  /** The kind of failure, as far as a program can act on it. */
  declare readonly kind: 'read-only' | 'denied' | 'full' | 'wrong-type' | 'other';
  /**
   * Of `enqueueMany`: the tasks that were enqueued before, and stay. Some of the 32 after them may have been enqueued,
   * too.
   */
  declare readonly enqueued?: Enqueued[];
}

/**
 * The medium failed during the change, or before it was durable: it may have taken effect or not. To find out, end the
 * task or send the heartbeat again. A claim, or an enqueue without a unique key, may take effect twice if it is
 * repeated.
 */
export class UnknownOutcomeError extends IoError {}

const CLASSES: Record<Code, typeof CoordError> = {
  bad_args: BadArgsError,
  bad_payload: BadPayloadError,
  bad_queue: BadQueueError,
  bad_task_id: BadTaskIdError,
  not_found: NotFoundError,
  not_claimed: NotClaimedError,
  wrong_owner: WrongOwnerError,
  lease_lost: LeaseLostError,
  already_terminal: AlreadyTerminalError,
  not_terminal: NotTerminalError,
  key_taken: KeyTakenError,
  not_a_repository: NotARepositoryError,
  unsupported_format: UnsupportedFormatError,
  io_error: IoError,
  unknown: UnknownOutcomeError,
  error: CoordError,
};

const TIMES = new Set(['claimedAt', 'expiresAt', 'endedAt', 'scheduledAt']);

/**
 * Makes the error that the WebAssembly part throws as a JSON text. Anything else is a fault of this package, and the
 * message says so.
 */
export function toCoordError(thrown: unknown): CoordError {
  if (typeof thrown !== 'string') {
    return new CoordError(
      'error',
      `@muse/coord has a fault: its WebAssembly part ended with "${
        wordsOf(thrown)
      }". Nothing in the directory is damaged: it is as if ` +
        'this process had died. Start the process anew, and report the fault',
      { cause: thrown },
    );
  }
  const { code, message, ...facts } = JSON.parse(thrown) as {
    code: keyof typeof CLASSES;
    message: string;
    [fact: string]: unknown;
  };
  const error = new CLASSES[code](code, message);
  for (const [name, fact] of Object.entries(facts)) {
    const value = TIMES.has(name) ? new Date((fact as number) / 1000) : fact;
    Object.defineProperty(error, name, { value, enumerable: true });
  }
  return error;
}

/**
 * The text of anything that was thrown, with its causes, unless the text has them already. Of a failed request often
 * only the cause says why. A program may throw any value, even one that throws when it is turned into text; this never
 * throws.
 */
export function wordsOf(thrown: unknown, told: readonly unknown[] = []): string {
  const said = ownWords(thrown);
  const cause = attempt(() => causeOf(thrown, said));
  const errors = [...told, thrown];
  // There may be a ring of them.
  if (cause === undefined || errors.includes(cause) || errors.length > CAUSES) return said;
  return `${said}: ${wordsOf(cause, errors)}`;
}

function ownWords(thrown: unknown): string {
  const kind = (): string => attempt(() => Object.prototype.toString.call(thrown)) ?? '[object]';
  return attempt(() => String(thrown)) ?? `${kind()}, which cannot be shown as text`;
}

function causeOf(thrown: unknown, said: string): Error | undefined {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  return cause instanceof Error && !said.includes(cause.message) ? cause : undefined;
}

function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}

/** @internal Turns whatever the WebAssembly part throws into a `CoordError`. */
export function refusing<T>(ask: () => T): T {
  try {
    return ask();
  } catch (thrown) {
    throw thrown instanceof CoordError ? thrown : toCoordError(thrown);
  }
}
