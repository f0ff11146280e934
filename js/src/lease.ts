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
  readonly #asked: Asked;
  /** Made at the first use, since most leases end without one. */
  #abort: AbortController | undefined;
  #record: ClaimRecord<Result>;
  #held = true;
  /** A call that ends the lease and is under way. */
  #ending: Promise<unknown> | undefined;
  #lost: CoordError | undefined;
  #looking: NodeJS.Timeout | undefined;
  #looks = false;

  /** @internal */
  constructor(asked: Asked, { task, lateResults = [], ...record }: RawClaimed) {
    this.task = taskOf(task);
    this.lateResults = lateResults.map(reportOf<Result>);
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
   * False once this object completes, fails or gives back the task, or was told that the task is another agent's.
   */
  get held(): boolean {
    return this.#held && this.#ending === undefined;
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
      this.#looking = setInterval(() => void this.#look(), LOOK_EVERY);
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
    return this.#heed(
      await this.#ask<Raw>((binding) => binding.heartbeat(...this.#who(), leaseSeconds, progress, said)),
    );
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
    const { enqueued, ...record } = await locating('enqueue', tasks, async () => {
      const drafts = draftTexts(tasks, this.runId);
      return this.#end<RawCompleted>((binding) => binding.complete(...this.#who(), resultText, drafts));
    });
    this.#record = claimRecordOf({ ...record, result: resultText ?? null });
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
    const words = cut(wordsOf(reason));
    this.#record = claimRecordOf(await this.#end<Raw>((binding) => binding.fail(...this.#who(), words, final)));
    return this.#record;
  }

  /**
   * Gives the task back. It waits in its old place, at once or after `delaySeconds` (0 to 315,360,000), and the attempt
   * does not count. If its holder was asked to stop, the task ends as cancelled.
   */
  async release(options: ReleaseOptions = {}): Promise<Released> {
    const { delaySeconds } = optionsOf('release', options);
    return releasedOf(await this.#end<Raw>((binding) => binding.release(...this.#who(), delaySeconds)));
  }

  /** Same as `release()`, unless the task was completed, failed or given back, or another agent holds it by now. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.rest();
    try {
      if (this.held) await this.release();
    } catch (error) {
      if (!isLost(error, this.task.taskId)) throw error;
    }
  }

  /** @internal Aborts `signal` for a reason other than a lost task. */
  interrupt(reason: unknown): void {
    this.#aborting().abort(reason);
  }

  /** @internal Resolves when no call is under way any more that ends the lease. */
  async rest(): Promise<void> {
    await this.#ending?.catch(() => {});
  }

  /** @internal The error by which this object learnt that it does not hold the task any more. */
  get lost(): CoordError | undefined {
    return this.#lost;
  }

  #who(): [string, string, string] {
    return [this.task.taskId, this.runId, this.#record.claimNonce];
  }

  async #ask<T>(ask: (binding: CoordQueue) => string): Promise<T> {
    try {
      return await this.#asked(ask);
    } catch (error) {
      this.#learn(error);
      throw error;
    }
  }

  /** The same, of a call that ends the lease. What others say meanwhile is about a lease that ends. */
  async #end<T>(ask: (binding: CoordQueue) => string): Promise<T> {
    const ending = this.#asked<T>(ask);
    this.#ending = ending;
    try {
      const answer = await ending;
      this.#over();
      return answer;
    } catch (error) {
      this.#ending = undefined;
      this.#learn(error);
      throw error;
    }
  }

  /** If the error says that the task is lost, this lease is over, and `signal` is aborted. */
  #learn(error: unknown): void {
    if (!this.held || !isLost(error, this.task.taskId)) return;
    this.#lost = error;
    this.#over();
    this.#aborting().abort(error);
  }

  async #look(): Promise<void> {
    if (this.#looks || !this.held) return;
    this.#looks = true;
    try {
      this.#heed(await this.#ask<Raw>((binding) => binding.stillHeld(...this.#who())));
    } catch {
      // Either `signal` was aborted, or the medium failed, and the next look may succeed.
    } finally {
      this.#looks = false;
    }
  }

  /** Takes an answer in, unless it comes after the end. */
  #heed(raw: Raw): ClaimRecord<Result> {
    const record = claimRecordOf<Result>(raw);
    if (this.held) {
      this.#record = record;
      this.#heedRequest();
    }
    return record;
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
