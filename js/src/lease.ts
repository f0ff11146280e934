import { clearInterval, setInterval } from 'node:timers';
import type { CoordQueue } from '../generated/muse_coord.js';
import { type Asked, claimRecordOf, enqueuedOf, type Raw, type RawClaimed, type RawCompleted } from './answers.ts';
import { releasedOf, reportOf, taskOf } from './answers.ts';
import { CancelRequestedError, CoordError, wordsOf } from './errors.ts';
import { optionsOf } from './options.ts';
import { draftTexts, jsonOf, locating, text } from './requests.ts';
import type { CancelRequest, ClaimRecord, Completed, CompleteOptions, FailOptions, HeartbeatOptions } from './types.ts';
import type { JsonObject, Released, ReleaseOptions, Report, Task } from './types.ts';

/** How often the task is checked once `signal` is used, in milliseconds. */
const LOOK_EVERY = 1000;

/** The codes that say that this agent does not hold the task any more, or never did. */
const LOST = new Set(['lease_lost', 'wrong_owner', 'already_terminal', 'not_claimed', 'not_found']);

/** The longest reason of a failure, in characters. */
const REASON = 4096;

/**
 * A task that this agent holds.
 *
 * A lease is bound to its nonce: it never acts on a later lease of the same task, even under the same run id. An
 * expired lease is not yet a lost one: until another agent takes the task over, its holder may still call every method.
 *
 * Every method rejects with {@link LeaseLostError} after another agent has taken the task over, with {@link
 * AlreadyTerminalError} after the task has ended, and with {@link NotClaimedError} after it was given back.
 */
export class Lease<Payload extends object = JsonObject, Result extends object = JsonObject> implements AsyncDisposable {
  readonly task: Task<Payload>;
  readonly runId: string;
  /**
   * Late results: results that earlier holders reported after they had lost the task, oldest first. They do not count,
   * but the work may already be done.
   */
  readonly lateResults: Report<Result>[];
  readonly #binding: CoordQueue;
  readonly #asked: Asked;
  /** Made at the first use, since most leases end without one. */
  #abort: AbortController | undefined;
  #record: ClaimRecord<Result>;
  #held = true;
  #lost: CoordError | undefined;
  #looking: NodeJS.Timeout | undefined;

  /** @internal */
  constructor(binding: CoordQueue, asked: Asked, { task, lateResults = [], ...record }: RawClaimed) {
    this.task = taskOf(task);
    this.lateResults = lateResults.map(reportOf<Result>);
    this.#binding = binding;
    this.#asked = asked;
    this.#record = claimRecordOf(record);
    this.runId = this.#record.claimerRunId;
    this.#heedRequest();
  }

  /** The claim, as of the last answer to this object. */
  get record(): ClaimRecord<Result> {
    return this.#record;
  }

  /** The fencing token: higher than that of any holder before. */
  get generation(): number {
    return this.#record.generation;
  }

  /** When the lease expires. From then on another agent may take the task over. */
  get expiresAt(): Date {
    return this.#record.expiresAt;
  }

  /**
   * False after this object has completed, failed or given back the task, or was told that the task is another agent's.
   */
  get held(): boolean {
    return this.#held;
  }

  /**
   * A request to stop, as far as this object knows: from a heartbeat, or, after the first use of `signal`, within a
   * second.
   */
  get cancelRequest(): CancelRequest | null {
    return this.#record.cancelRequest;
  }

  /**
   * Aborted when another agent takes the task over, when the task ends, and when somebody asks its holder to stop. The
   * reason is the error that says so.
   *
   * Only after a {@link CancelRequestedError} does this agent still hold the task. `release` then ends it as cancelled,
   * and so does the end of its lease.
   *
   * From the first use on the task is checked once a second, which costs one or two system calls.
   */
  get signal(): AbortSignal {
    if (this.#held && this.#looking === undefined) {
      this.#looking = setInterval(() => this.#look(), LOOK_EVERY);
      this.#looking.unref();
    }
    return this.#aborting().signal;
  }

  /**
   * Extends the lease. It now ends `leaseSeconds` from now; if none is given, its previous length is used again.
   * `progress` and `note` also report how far the work is, which costs a file. `cancelRequest` in the answer says
   * whether somebody asks the holder to stop.
   */
  async heartbeat(options: HeartbeatOptions = {}): Promise<ClaimRecord<Result>> {
    const { leaseSeconds, progress, note } = optionsOf('heartbeat', options);
    const said = note === undefined ? undefined : text(note);
    this.#record = claimRecordOf(
      this.#ask<Raw>(() => this.#binding.heartbeat(...this.#who(), leaseSeconds, progress, said)),
    );
    this.#heedRequest();
    return this.#record;
  }

  /**
   * Ends the task in success, and enqueues follow-ups in the same step: all of them if the completion is accepted,
   * otherwise none. When this resolves the end and the result survive a power cut.
   *
   * If the task was taken over, this rejects, and the result is kept as a late result: the next holders have it in
   * {@link Lease.lateResults}. Rejects with {@link BadArgsError} if the result is not a JSON object of at most 65,536
   * bytes.
   */
  async complete(result?: Result, options: CompleteOptions = {}): Promise<Completed<Result>> {
    const given = result === undefined ? undefined : jsonOf('result', 'bad_args', result);
    // An empty result is none, on every face.
    const resultText = given === '{}' ? undefined : given;
    const tasks = [...(optionsOf('complete', options).enqueue ?? [])];
    const { enqueued, ...record } = locating('enqueue', tasks, () => {
      const drafts = draftTexts(tasks, this.runId);
      return this.#ask<RawCompleted>(() => this.#binding.complete(...this.#who(), resultText, drafts));
    });
    this.#record = claimRecordOf({ ...record, result: resultText ?? null });
    this.#over();
    return { ...this.#record, enqueued: enqueued.map((task) => enqueuedOf<JsonObject>(task)) };
  }

  /**
   * Ends the attempt in failure. If attempts are left and `final` is not set, the task is retried after its backoff;
   * otherwise it ends as failed. `status` in the answer says which.
   *
   * The reason is an error, stored with its causes, or a text, or any other thrown value. Beyond 4,096 characters it is
   * cut.
   */
  async fail(reason: unknown, options: FailOptions = {}): Promise<ClaimRecord<Result>> {
    const { final = false } = optionsOf('fail', options);
    const raw = this.#ask<Raw>(() => this.#binding.fail(...this.#who(), cut(wordsOf(reason)), final));
    this.#record = claimRecordOf(raw);
    this.#over();
    return this.#record;
  }

  /**
   * Gives the task back. It waits in its old place, at once or after `delaySeconds` (0 to 315,360,000), and the attempt
   * does not count. If its holder was asked to stop, the task ends as cancelled.
   */
  async release(options: ReleaseOptions = {}): Promise<Released> {
    const { delaySeconds } = optionsOf('release', options);
    const raw = this.#ask<Raw>(() => this.#binding.release(...this.#who(), delaySeconds));
    this.#over();
    return releasedOf(raw);
  }

  /** Same as `release()`, unless the task was completed, failed or given back, or another agent holds it by now. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#held) await this.release();
    } catch (error) {
      if (!isLost(error, this.task.taskId)) throw error;
    }
  }

  /** @internal Aborts `signal` for a reason other than a lost task. */
  interrupt(reason: unknown): void {
    this.#aborting().abort(reason);
  }

  /** @internal The error by which this object learnt that it does not hold the task any more. */
  get lost(): CoordError | undefined {
    return this.#lost;
  }

  #who(): [string, string, string] {
    return [this.task.taskId, this.runId, this.#record.claimNonce];
  }

  /** Returns the answer. If the error says that the task is lost, it also ends this lease and aborts `signal`. */
  #ask<T>(ask: () => string): T {
    try {
      return this.#asked(ask);
    } catch (error) {
      if (this.#held && isLost(error, this.task.taskId)) {
        this.#lost = error;
        this.#over();
        this.#aborting().abort(error);
      }
      throw error;
    }
  }

  #look(): void {
    try {
      this.#record = claimRecordOf(this.#ask<Raw>(() => this.#binding.stillHeld(...this.#who())));
      this.#heedRequest();
    } catch {
      // Either `signal` was aborted, or the medium failed, and the next look may succeed.
    }
  }

  #heedRequest(): void {
    const request = this.#record.cancelRequest;
    if (request === null || this.#aborting().signal.aborted) return;
    this.#aborting().abort(new CancelRequestedError(this.task.taskId, request));
  }

  #aborting(): AbortController {
    return (this.#abort ??= new AbortController());
  }

  #over(): void {
    this.#held = false;
    clearInterval(this.#looking);
  }
}

/** The reason of a failure, cut to whole characters. */
function cut(reason: string): string {
  // A character has at most two UTF-16 units. Splitting a text of a gigabyte would take too much memory.
  const characters = [...reason.slice(0, 2 * (REASON + 1))];
  return characters.length > REASON ? `${characters.slice(0, REASON - 1).join('')}…` : reason;
}

/**
 * @internal True for an error that says that this agent does not hold this task any more. (A `not_found` may be about
 * another task.)
 */
export function isLost(error: unknown, taskId: string): error is CoordError {
  return error instanceof CoordError && LOST.has(error.code) &&
    (error as CoordError & { taskId?: string }).taskId === taskId;
}
