import type { CancelRequest, Enqueued, Status } from './types.ts';

/** How many causes of an error are told. */
const CAUSES = 16;

/** What went wrong: all the words that there are, which are those of the command line's `status`, too. */
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
  /** The stable word for programs. It is the same on every face, and does not depend on which copy of this package threw. */
  readonly code: Code;
  /** Of `enqueueMany`, and of `enqueue` in a completion: which of the tasks was refused, counted from 0. */
  declare readonly index?: number;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** A value is out of its limits. The message names the value, the limit and the way out. */
export class BadArgsError extends CoordError {}

/** The payload is no JSON object. */
export class BadPayloadError extends CoordError {}

/** Not a name of a queue. */
export class BadQueueError extends CoordError {}

/** Not `sha256:` and 64 hexadecimal digits. */
export class BadTaskIdError extends CoordError {}

/** There is no such task, or none of those that one was to wait for. */
export class NotFoundError extends CoordError {
  declare readonly taskId: string;
}

/** Nobody holds the task: it waits to be claimed, or cannot be claimed yet. */
export class NotClaimedError extends CoordError {
  declare readonly taskId: string;
  /** Where the task stands: `pending`, `scheduled` or `blocked`. */
  declare readonly taskStatus: Status;
  /** When it is due; absent if it is not `scheduled`. */
  declare readonly scheduledAt?: Date;
  /** The task that it waits for; absent if it is not `blocked`. */
  declare readonly blockedOn?: string;
}

/** Who has the task that was asked about. */
export class HeldByAnotherError extends CoordError {
  declare readonly taskId: string;
  /** `claimed`, or `timed_out` if the lease has run out and nobody has taken the task over. */
  declare readonly taskStatus: Status;
  /** Who has it now. */
  declare readonly runId: string;
  declare readonly generation: number;
  declare readonly claimedAt: Date;
  declare readonly expiresAt: Date;
}

/** Another agent holds the task, and it never was the caller's. Leave it alone. */
export class WrongOwnerError extends HeldByAnotherError {}

/** The lease is over and another agent holds the task. Drop this work, and claim anew. */
export class LeaseLostError extends HeldByAnotherError {}

/** The task has ended. What was reported now is not kept. */
export class AlreadyTerminalError extends CoordError {
  declare readonly taskId: string;
  /** How it ended: `completed`, `failed`, `cancelled` or `expired`. */
  declare readonly taskStatus: Status;
  /** The same. */
  declare readonly status: Status;
  declare readonly endedAt: Date;
  /** Who ended it; absent if its time ran out. */
  declare readonly runId?: string;
}

/** The task has not ended, so it cannot be put back. */
export class NotTerminalError extends CoordError {
  declare readonly taskId: string;
  /** Where the task stands. */
  declare readonly taskStatus: Status;
  /** When it is due; absent if it is not `scheduled`. */
  declare readonly scheduledAt?: Date;
  /** The task that it waits for; absent if it is not `blocked`. */
  declare readonly blockedOn?: string;
}

/** The task cannot be put back, as another one that has not ended has its unique key. */
export class KeyTakenError extends CoordError {
  declare readonly taskId: string;
  /** How it ended: `failed`, `cancelled` or `expired`. */
  declare readonly taskStatus: Status;
  /** The one that has the key. */
  declare readonly liveTaskId: string;
}

/**
 * Somebody asks the holder of a task to stop. It is the reason of {@link Lease.signal}. It is no {@link CoordError}, as
 * nothing was refused: no call of this package rejects with it.
 */
export class CancelRequestedError extends Error {
  readonly code: 'cancel_requested' = 'cancel_requested';
  readonly taskId: string;
  /** Who asks; `null` if the text of the request was lost. */
  readonly runId: string | null;
  /** Why, if they said so. */
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

/** The directory follows a protocol that this version does not know. Use a newer one. */
export class UnsupportedFormatError extends CoordError {}

/** The medium failed before anything was changed that was asked for, unless it is an {@link UnknownOutcomeError}. */
export class IoError extends CoordError {
  /** What is wrong, as far as a program would act on it. */
  declare readonly kind: 'read-only' | 'denied' | 'full' | 'wrong-type' | 'other';
  /** Of `enqueueMany`: the tasks that had been enqueued before, and stay. Of the 256 after them some may have been, too. */
  declare readonly enqueued?: Enqueued[];
}

/**
 * The medium failed at the very step that was asked for, or before that was durable: it may have taken effect or not. Who asks again for
 * a task's end or heartbeat learns it; who enqueues without a unique key, or claims, again may have done it twice.
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

/** The error for what the WebAssembly part throws: a JSON text. Anything else is a fault of this package, and said to be one. */
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
 * Anything that was thrown in words, with what caused it unless it says so itself: of a request that failed often only
 * the cause says why. A program may throw whatever there is, also what throws in turn when it is asked for its text.
 * This never throws.
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
