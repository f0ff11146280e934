import { clearInterval, setInterval } from 'node:timers';
import type { CoordQueue } from '../generated/muse_coord.js';
import { type Asked, claimRecordOf, type RawLease, taskOf } from './answers.ts';
import { CoordError } from './errors.ts';
import { jsonOf, whole } from './requests.ts';
import type { ClaimRecord, JsonObject, Task } from './types.ts';

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
  readonly #binding: CoordQueue;
  readonly #asked: Asked;
  readonly #abort = new AbortController();
  #record: ClaimRecord<Result>;
  #held = true;
  #looking: NodeJS.Timeout | undefined;

  /** @internal */
  constructor(binding: CoordQueue, asked: Asked, { task, record }: RawLease) {
    this.task = taskOf(task);
    this.runId = record.claimerRunId;
    this.#binding = binding;
    this.#asked = asked;
    this.#record = claimRecordOf(record);
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

  /**
   * Aborted when the task is taken over by another agent, cancelled, or ended otherwise; its reason is the error that says so.
   *
   * From the first use on the task is looked at once a second, at the cost of a system call or two.
   */
  get signal(): AbortSignal {
    if (this.#held && this.#looking === undefined) {
      this.#looking = setInterval(() => this.#look(), LOOK_EVERY);
      this.#looking.unref();
    }
    return this.#abort.signal;
  }

  /** Tells that the holder is alive: the lease now ends `leaseSeconds` (1 to 86,400) from now; left out: it is as long again. */
  async heartbeat(leaseSeconds?: number): Promise<ClaimRecord<Result>> {
    const seconds = whole('leaseSeconds', leaseSeconds);
    return this.#act(() => this.#binding.heartbeat(...this.#who(), seconds));
  }

  /** Ends the task in success. Survives a power cut when it resolves, result and all. */
  async complete(result?: Result): Promise<ClaimRecord<Result>> {
    const text = result === undefined ? undefined : jsonOf('result', 'bad_args', result);
    return this.#end(() => this.#binding.complete(...this.#who(), text));
  }

  /** Ends the task in failure. The reason is an error, told with its causes, or a text; beyond 4,096 characters it is cut. */
  async fail(reason: unknown): Promise<ClaimRecord<Result>> {
    const text = [...described(reason)];
    const cut = text.length > REASON ? [...text.slice(0, REASON - 1), '…'] : text;
    return this.#end(() => this.#binding.fail(...this.#who(), cut.join('')));
  }

  /** Gives the task back: it waits again, where it waited before, and the attempt does not count. */
  async release(): Promise<void> {
    this.#told(() => this.#asked(() => this.#binding.release(...this.#who())));
    this.#over();
  }

  /** Gives the task back, unless it was completed, failed or given back, or is another's by now. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#held) await this.release();
    } catch (error) {
      if (!isLost(error)) throw error;
    }
  }

  /** @internal Aborts `signal` for another reason than that the task is lost. */
  interrupt(reason: unknown): void {
    this.#abort.abort(reason);
  }

  #who(): [string, string, string] {
    return [this.task.taskId, this.runId, this.#record.claimNonce];
  }

  #act(ask: () => string): ClaimRecord<Result> {
    this.#record = claimRecordOf(this.#told(() => this.#asked(ask)));
    return this.#record;
  }

  #end(ask: () => string): ClaimRecord<Result> {
    const record = this.#act(ask);
    this.#over();
    return record;
  }

  /** Passes on what is answered, and takes notice if it is that the task is another's. */
  #told<T>(ask: () => T): T {
    try {
      return ask();
    } catch (error) {
      if (this.#held && isLost(error)) {
        this.#over();
        this.#abort.abort(error);
      }
      throw error;
    }
  }

  #look(): void {
    try {
      this.#told(() => this.#asked(() => this.#binding.stillHeld(...this.#who())));
    } catch {
      // Who holds the signal has been told, or the medium fails and the next look may not.
    }
  }

  #over(): void {
    this.#held = false;
    clearInterval(this.#looking);
  }
}

/** An error in words, with what caused it unless it says so itself: of a request that failed often only the cause says why. */
function described(reason: unknown): string {
  const said = String(reason);
  const cause = reason instanceof Error ? reason.cause : undefined;
  return cause instanceof Error && !said.includes(cause.message) ? `${said}: ${described(cause)}` : said;
}

/** @internal True for an error that tells a holder that the task is theirs no more. */
export function isLost(error: unknown): error is CoordError {
  return error instanceof CoordError && LOST.has(error.code);
}
