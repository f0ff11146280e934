import { clearInterval, setInterval } from 'node:timers';
import type { CoordQueue } from '../generated/muse_coord.js';
import { type Asked, claimRecordOf, enqueuedOf, type RawClaimRecord, type RawCompleted, type RawLease } from './answers.ts';
import { type RawReleased, releasedOf, reportOf, taskOf } from './answers.ts';
import { CancelRequestedError, CoordError, wordsOf } from './errors.ts';
import { optionsOf } from './options.ts';
import { draftTexts, jsonOf, locating, text } from './requests.ts';
import type { CancelRequest, ClaimRecord, Completed, CompleteOptions, FailOptions, HeartbeatOptions } from './types.ts';
import type { JsonObject, Released, ReleaseOptions, Report, Task } from './types.ts';

/** How often somebody who holds `signal` is told at the latest that the task is theirs no more, in milliseconds. */
const LOOK_EVERY = 1000;

/** What tells a holder that the task is theirs no more, or never was. */
const LOST = new Set(['lease_lost', 'wrong_owner', 'already_terminal', 'not_claimed', 'not_found']);

/** Longest reason of a failure, in characters. */
const REASON = 4096;

/**
 * A task that this agent holds.
 *
 * What a lease does is bound to its nonce: it never acts on a later lease of the same task, even under the same run id. Until
 * another agent takes over, a holder is still obeyed after its lease ran out.
 *
 * Every method rejects with {@link LeaseLostError} once another agent has taken the task over, with {@link AlreadyTerminalError} once
 * it ended, and with {@link NotClaimedError} once it was given back.
 */
export class Lease<Payload extends object = JsonObject, Result extends object = JsonObject> implements AsyncDisposable {
  readonly task: Task<Payload>;
  readonly runId: string;
  /** Results that earlier holders reported too late, the oldest first: the work may be done already. */
  readonly lateResults: Report<Result>[];
  readonly #binding: CoordQueue;
  readonly #asked: Asked;
  /** Made when it is asked for: most leases end without. */
  #abort: AbortController | undefined;
  #record: ClaimRecord<Result>;
  #held = true;
  #lost: CoordError | undefined;
  #looking: NodeJS.Timeout | undefined;

  /** @internal */
  constructor(binding: CoordQueue, asked: Asked, { task, record, lateResults }: RawLease) {
    this.task = taskOf(task);
    this.runId = record.claimerRunId;
    this.lateResults = lateResults.map(reportOf<Result>);
    this.#binding = binding;
    this.#asked = asked;
    this.#record = claimRecordOf(record);
    this.#heedRequest();
  }

  /** The claim as it was when this object last got an answer. */
  get record(): ClaimRecord<Result> {
    return this.#record;
  }

  /** The fencing token: higher than that of any holder before. */
  get generation(): number {
    return this.#record.generation;
  }

  /** When another agent may take the task over. */
  get expiresAt(): Date {
    return this.#record.expiresAt;
  }

  /** False once the task was completed, failed or given back by this object, or it was told that the task is another's. */
  get held(): boolean {
    return this.#held;
  }

  /** Who asks the holder to stop, as far as this object has been told: by a heartbeat, or from the first use of `signal` on. */
  get cancelRequest(): CancelRequest | null {
    return this.#record.cancelRequest;
  }

  /**
   * Aborted when the task is taken over by another agent, cancelled, or ended otherwise, and when somebody asks its holder to stop;
   * its reason is the error that says so. Only after a {@link CancelRequestedError} is the task still this agent's: `release` then
   * ends it as cancelled, and so does its lease if it runs out.
   *
   * From the first use on the task is looked at once a second, at the cost of a system call or two.
   */
  get signal(): AbortSignal {
    if (this.#held && this.#looking === undefined) {
      this.#looking = setInterval(() => this.#look(), LOOK_EVERY);
      this.#looking.unref();
    }
    return this.#aborting().signal;
  }

  /**
   * Tells that the holder is alive: the lease is as long again from now, or `leaseSeconds`. With `progress` or `note` it tells how far
   * the work is, too, at the cost of a file. The answer's `cancelRequest` says whether somebody asks to stop.
   */
  async heartbeat(options: HeartbeatOptions = {}): Promise<ClaimRecord<Result>> {
    const { leaseSeconds, progress, note } = optionsOf('heartbeat', options);
    const said = note === undefined ? undefined : text(note);
    this.#record = claimRecordOf(
      this.#ask<RawClaimRecord>(() => this.#binding.heartbeat(...this.#who(), leaseSeconds, progress, said)),
    );
    this.#heedRequest();
    return this.#record;
  }

  /**
   * Ends the task in success, and enqueues further ones in the same step: all of them if this is accepted, else none. Survives a
   * power cut when it resolves, result and all.
   *
   * If the task was taken over, the result is kept for whoever holds it now, in {@link Lease.lateResults}.
   */
  async complete(result?: Result, options: CompleteOptions = {}): Promise<Completed<Result>> {
    const resultText = result === undefined ? undefined : jsonOf('result', 'bad_args', result);
    const tasks = [...(optionsOf('complete', options).enqueue ?? [])];
    const raw = locating('enqueue', tasks, () => {
      const drafts = draftTexts(tasks);
      return this.#ask<RawCompleted>(() => this.#binding.complete(...this.#who(), resultText, drafts));
    });
    const enqueued = raw.enqueued.map((task) => enqueuedOf<JsonObject>(task));
    raw.record.resultText = resultText ?? null;
    this.#record = claimRecordOf(raw.record);
    this.#over();
    return { ...this.#record, enqueued };
  }

  /**
   * Ends the attempt in failure, and the task, unless there are attempts left; with `final` in any case. The reason is an error, told
   * with its causes, a text, or whatever was thrown; beyond 4,096 characters it is cut. The answer's `status` says what
   * became of the task.
   */
  async fail(reason: unknown, options: FailOptions = {}): Promise<ClaimRecord<Result>> {
    const { final = false } = optionsOf('fail', options);
    const raw = this.#ask<RawClaimRecord>(() => this.#binding.fail(...this.#who(), cut(wordsOf(reason)), final));
    this.#record = claimRecordOf(raw);
    this.#over();
    return this.#record;
  }

  /**
   * Gives the task back: it waits again, where it waited before, and the attempt does not count. With `delaySeconds` (0 to
   * 315,360,000) nobody is to claim it so long. If its holder was asked to stop, it ends as cancelled.
   */
  async release(options: ReleaseOptions = {}): Promise<Released> {
    const { delaySeconds } = optionsOf('release', options);
    const raw = this.#ask<RawReleased>(() => this.#binding.release(...this.#who(), delaySeconds));
    this.#over();
    return releasedOf(raw);
  }

  /** As `release()`, unless the task was completed, failed or given back, or is another's by now. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#held) await this.release();
    } catch (error) {
      if (!isLost(error, this.task.taskId)) throw error;
    }
  }

  /** @internal Aborts `signal` for another reason than that the task is lost. */
  interrupt(reason: unknown): void {
    this.#aborting().abort(reason);
  }

  /** @internal The answer by which this object learnt that the task is another's. */
  get lost(): CoordError | undefined {
    return this.#lost;
  }

  #who(): [string, string, string] {
    return [this.task.taskId, this.runId, this.#record.claimNonce];
  }

  /** Passes on what is answered, and takes notice if it is that the task is another's. */
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
      this.#record = claimRecordOf(this.#ask<RawClaimRecord>(() => this.#binding.stillHeld(...this.#who())));
      this.#heedRequest();
    } catch {
      // Who holds the signal has been told, or the medium fails and the next look may not.
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

/** The reason of a failure, in whole characters. */
function cut(reason: string): string {
  // A character has two units at most. To take apart a text of a gigabyte would take too much memory.
  const characters = [...reason.slice(0, 2 * (REASON + 1))];
  return characters.length > REASON ? `${characters.slice(0, REASON - 1).join('')}…` : reason;
}

/**
 * @internal True for an error that tells the holder of a task that it is theirs no more. Another task may be what is
 * not there.
 */
export function isLost(error: unknown, taskId: string): error is CoordError {
  return error instanceof CoordError && LOST.has(error.code) && (error as CoordError & { taskId?: string }).taskId === taskId;
}
