import process from 'node:process';
import { setImmediate } from 'node:timers';
import type { CoordQueue, Waiting } from '../generated/muse_coord.js';
import type { Raw, RawChange, RawClaimed, RawListing, RawStats, RawWaited } from './answers.ts';
import { changeOf, claimRecordOf, enqueuedOf, listingOf, retriedOf, shownOf, statsOf, waitedOf } from './answers.ts';
import { BadArgsError, NotFoundError } from './errors.ts';
import { Lease } from './lease.ts';
import { optionsOf } from './options.ts';
import type { Memory, Place } from './place.ts';
import { actor, between, choiceText, draftText, draftTexts, filterText, listed, locating, text } from './requests.ts';
import { whole } from './requests.ts';
import type { CancelOptions, Change, ClaimOptions, ClaimRecord, ClaimsOptions, Collected } from './types.ts';
import type { Enqueued, Filter, GcOptions, JsonObject, Listing, NewTask } from './types.ts';
import type { ResumeOptions, Retried, RetryOptions, Shown, Stats, StatsOptions, Waited } from './types.ts';
import type { WaitOptions, WatchOptions } from './types.ts';
import { untilClaimed, untilEnded } from './waits.ts';
import { type Handler, Worker, type WorkOptions } from './worker.ts';

/** @internal The longest that one claim waits, in seconds. For a longer wait the caller claims again. */
export const LONGEST_WAIT = 3600;

/** The most tasks that one call may claim. */
const MOST_AT_ONCE = 100_000;

/** How long `claimMany` blocks the event loop at a time, in milliseconds. */
const LONGEST_BLOCK = 10;

/** The shortest pause between two looks of `watch`, in milliseconds. */
const LOOK_AGAIN = 200;

/**
 * The pause of `watch` is at least this many times as long as its look, so that it uses at most a twentieth of a core.
 */
const PAUSE_PER_LOOK = 20;

/** The default window of `stats`, in seconds. */
const WINDOW_SECONDS = 3600;

/** The longest time that an option may give, in seconds: that of `ttlSeconds`. */
const LONGEST_SECONDS = 315_360_000;

/**
 * A queue in a directory, or on an engine.
 *
 * Of all agents that claim at once, on every face that shares the directory, exactly one gets a task. Changes that
 * `enqueue`, `complete`, `fail` and `cancel` acknowledged survive a power cut.
 *
 * File operations are synchronous and block the event loop: a claim for a fraction of a millisecond, an acknowledged
 * change as long as the disk takes to sync. Waiting is asynchronous. On an engine nothing blocks: several calls may be
 * under way at once.
 *
 * Problems that stopped no call are reported by `process.emitWarning` under the name `CoordWarning`. Examples: a title
 * that was cut, a task that was quarantined because its record was altered.
 *
 * A method that takes a task id rejects with {@link BadTaskIdError} if it is not one, and with {@link NotFoundError} if
 * there is no such task. Every method can reject with {@link IoError}, and with {@link BadArgsError} if an option is
 * unknown or out of its limits.
 */
export class Queue {
  /** The coordination directory; of a queue on an engine, what that is called, such as `schema "coord"`. */
  readonly directory: string;
  readonly #place: Place;

  /** @internal */
  constructor(place: Place) {
    this.directory = place.name;
    this.#place = place;
  }

  /** Makes the directory a queue, if it is none yet. True if this call did. The first `enqueue` does the same. */
  async init(): Promise<boolean> {
    return this.#place.run((binding) => binding.init());
  }

  /**
   * Adds a task, and returns it as it is stored. When this resolves the task survives a power cut.
   *
   * If a task with the same `unique` key has not ended, that one is returned, with `deduplicated: true`. Rejects with
   * {@link BadPayloadError} or {@link BadQueueError} if that value is not valid, and with {@link NotFoundError} if a
   * task in `after` does not exist.
   */
  async enqueue<Payload extends object = JsonObject>(task: NewTask<Payload>): Promise<Enqueued<Payload>> {
    const draft = draftText(task);
    return enqueuedOf(await this.#ask<Raw>((binding) => binding.enqueue(draft)));
  }

  /**
   * Adds tasks in their order, up to 32 at a time. The directories of 32 are synced together; between two steps the
   * event loop runs.
   *
   * All tasks are checked before the first is written. If one is refused, none is enqueued; the message and {@link
   * CoordError.index} say which. If the medium fails, {@link IoError.enqueued} has the tasks that were enqueued before.
   */
  async enqueueMany<Payload extends object = JsonObject>(
    tasks: Iterable<NewTask<Payload>>,
  ): Promise<Enqueued<Payload>[]> {
    const given = listed('enqueueMany', tasks);
    const ask = <T>(what: (binding: CoordQueue) => T): Promise<T> =>
      locating('tasks', given, async () => this.#place.run(what));
    const drafts = await locating('tasks', given, async () => draftTexts(given));
    const enqueuing = await ask((binding) => binding.enqueueMany(drafts));
    const enqueued: Enqueued<Payload>[] = [];
    try {
      for (;;) {
        const step = await ask((binding) => enqueuing.step(binding));
        if (step === undefined) return enqueued;
        enqueued.push(...this.#answer<Raw[]>(step).map((task) => enqueuedOf<Payload>(task)));
        await new Promise(setImmediate);
      }
    } catch (error) {
      throw Object.defineProperty(error as Error, 'enqueued', { value: enqueued, enumerable: true });
    } finally {
      enqueuing.free();
    }
  }

  /**
   * Claims the matching task of the highest priority; of one priority, the oldest. Resolves with `undefined` if there
   * is nothing to claim.
   *
   * While it waits it uses less than 1 % of a core. It notices a new task within 50 ms, and a released or timed-out one
   * within about a second. On an engine it asks at most 4 times a second, and notices either within about a second.
   */
  async claim<Payload extends object = JsonObject, Result extends object = JsonObject>(
    options: ClaimOptions = {},
  ): Promise<Lease<Payload, Result> | undefined> {
    const taken = optionsOf('claim', options);
    const { runId, leaseSeconds, wait, signal } = taken;
    signal?.throwIfAborted();
    const began = performance.now();
    const choice = choiceText(taken);
    const who = actor(runId);
    const memory: Memory = {};
    const claim = (binding: CoordQueue): string | Waiting =>
      binding.claim(who, whole(leaseSeconds), whole(wait), choice);
    const begun = await this.#place.claim(claim, memory);
    const answer = typeof begun === 'string'
      ? begun
      : await untilClaimed(this.#place, begun, began, wait ?? 0, memory, signal);
    const claimed = this.#answer<RawClaimed | null>(answer);
    return claimed === null ? undefined : this.#lease(claimed, memory);
  }

  /**
   * Claims up to `max` tasks (1 to 100,000), in the order of `claim`. Resolves with an empty array if there is nothing
   * to claim. With `wait` it waits only for the first task.
   *
   * If the medium fails after the first claim, it still resolves with the leases that it got, and emits a warning.
   */
  async claimMany<Payload extends object = JsonObject, Result extends object = JsonObject>(
    max: number,
    options: ClaimOptions = {},
  ): Promise<Lease<Payload, Result>[]> {
    between('max', max, 1, MOST_AT_ONCE);
    const taken = optionsOf('claimMany', options);
    const first = await this.claim<Payload, Result>(taken);
    if (first === undefined) return [];
    const leases = [first];
    const atOnce = { ...taken, wait: 0, signal: undefined };
    let began = performance.now();
    try {
      while (leases.length < max && !taken.signal?.aborted) {
        const lease = await this.claim<Payload, Result>(atOnce);
        if (lease === undefined) break;
        leases.push(lease);
        if (performance.now() - began > LONGEST_BLOCK) {
          await new Promise(setImmediate);
          began = performance.now();
        }
      }
    } catch (error) {
      process.emitWarning(`claimed no more than ${leases.length}: ${(error as Error).message}`, 'CoordWarning');
    }
    return leases;
  }

  /**
   * Claims one task after the other, until `signal` is aborted, or until there was nothing to claim for `wait` seconds.
   *
   * A task that the loop does not complete, fail or release stays claimed until its lease expires. `await using`
   * releases it.
   */
  async *claims<Payload extends object = JsonObject, Result extends object = JsonObject>(
    options: ClaimsOptions = {},
  ): AsyncGenerator<Lease<Payload, Result>, void, undefined> {
    const taken = optionsOf('claims', options);
    const { signal, wait } = taken;
    while (!signal?.aborted) {
      const lease = await this.claim<Payload, Result>({ ...taken, wait: wait ?? LONGEST_WAIT }).catch((error) => {
        if (!signal?.aborted) throw error;
      });
      if (lease) yield lease;
      else if (wait !== undefined) return;
    }
  }

  /**
   * Returns the lease of a task that this agent claimed earlier, for example before it was restarted. It also extends
   * the lease, as a heartbeat does.
   *
   * Rejects with {@link NotClaimedError}, {@link WrongOwnerError}, {@link LeaseLostError} or {@link
   * AlreadyTerminalError} if this agent does not hold the task.
   */
  async resume<Payload extends object = JsonObject, Result extends object = JsonObject>(
    taskId: string,
    options: ResumeOptions = {},
  ): Promise<Lease<Payload, Result>> {
    const { runId, claimNonce } = optionsOf('resume', options);
    const id = text(taskId);
    const memory: Memory = {};
    return this.#lease(await this.#ask((binding) => binding.resume(id, actor(runId), claimNonce), memory), memory);
  }

  /**
   * Returns one task, its state, and its reports; `undefined` if there is no such task. The cost does not depend on how
   * many tasks there are.
   */
  async get<Payload extends object = JsonObject, Result extends object = JsonObject>(
    taskId: string,
  ): Promise<Shown<Payload, Result> | undefined> {
    try {
      return shownOf(await this.#ask<Raw>((binding) => binding.show(text(taskId))));
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }

  /** Lists tasks. The cost grows with the number of tasks there are, and more with the number returned. */
  async list<Payload extends object = JsonObject, Result extends object = JsonObject>(
    filter: Filter = {},
  ): Promise<Listing<Payload, Result>> {
    const wanted = filterText(optionsOf('list', filter));
    return listingOf(await this.#ask<RawListing>((binding) => binding.tasks(wanted)));
  }

  /**
   * Waits until these tasks have ended, or with `any` until one of them has, and returns them as they stand. A task
   * that was removed, or never existed, counts as ended. It notices an end within 50 ms, and uses less than 1 % of a
   * core; on an engine it looks 4 times a second.
   */
  async wait<Payload extends object = JsonObject, Result extends object = JsonObject>(
    taskIds: string | readonly string[],
    options: WaitOptions = {},
  ): Promise<Waited<Payload, Result>> {
    const { any = false, timeoutSeconds, signal } = optionsOf('wait', options);
    signal?.throwIfAborted();
    if (timeoutSeconds !== undefined) between('timeoutSeconds', timeoutSeconds, 0, LONGEST_SECONDS);
    const ids = [taskIds].flat().map(text);
    const ending = await this.#place.run((binding) => binding.wait(ids, any, timeoutSeconds ?? Infinity));
    const answer = await untilEnded(this.#place, ending, timeoutSeconds ?? Infinity, signal);
    return waitedOf(this.#answer<RawWaited>(answer));
  }

  /**
   * Follows tasks, until `signal` is aborted: first each task as it stands now, then each one that changes. The oldest
   * comes first.
   *
   * It looks about five times a second, less often if a look takes more than 10 ms. A task that changes twice between
   * two looks is yielded once, as it stands then. For tasks that ended while nobody looked, use `list({ endedSince })`.
   */
  async *watch<Payload extends object = JsonObject, Result extends object = JsonObject>(
    options: WatchOptions = {},
  ): AsyncGenerator<Change<Payload, Result>, void, undefined> {
    const { queue, tags = [], signal } = optionsOf('watch', options);
    const watching = await this.#place.run((binding) => binding.watch(queue, [...tags]));
    const sleep = this.#place.sleeper();
    try {
      while (!signal?.aborted) {
        const began = performance.now();
        const changes = await this.#ask<RawChange[]>((binding) => watching.step(binding));
        const pause = Math.max(LOOK_AGAIN, PAUSE_PER_LOOK * (performance.now() - began));
        for (const change of changes) {
          yield changeOf(change);
          if (signal?.aborted) return;
        }
        await sleep.sleep(pause, signal).catch(() => {});
      }
    } finally {
      watching.free();
    }
  }

  /**
   * Returns how many tasks there are, how many have each status, and how long they take. Reads the records of the tasks
   * that have not ended, or that ended in the last `windowSeconds` (default 3,600).
   */
  async stats(options: StatsOptions = {}): Promise<Stats> {
    const { windowSeconds = WINDOW_SECONDS } = optionsOf('stats', options);
    between('windowSeconds', windowSeconds, 0, LONGEST_SECONDS);
    return statsOf(await this.#ask<RawStats>((binding) => binding.stats(windowSeconds)));
  }

  /**
   * Cancels a task: one that waits, one that this agent holds, or one whose lease has expired.
   *
   * If another agent holds it, this rejects with {@link WrongOwnerError}, unless one of these is set:
   *
   * - `force` cancels it all the same. The holder's next call fails with `already_terminal`, and its {@link
   *   Lease.signal} is aborted within about a second.
   * - `request` asks the holder to stop; its next heartbeat and its {@link Lease.signal} tell it. The answer has a
   *   `cancelRequest`. If the holder is not heard of again, the task ends as cancelled when the lease expires.
   *
   * Rejects with {@link AlreadyTerminalError} if the task has ended.
   */
  async cancel(taskId: string, options: CancelOptions = {}): Promise<ClaimRecord> {
    const { runId, request = false, force = false, reason } = optionsOf('cancel', options);
    if (request && force) {
      throw new BadArgsError('bad_args', 'request asks whoever holds the task, and force takes it away: give one');
    }
    const [id, who, why] = [text(taskId), actor(runId), reason === undefined ? undefined : text(reason)];
    return claimRecordOf(await this.#ask<Raw>((binding) => binding.cancel(id, who, force, request, why)));
  }

  /**
   * Puts back a task that failed, expired or was cancelled, with all its attempts unused. It waits again for its
   * parents and its start time, unless `now` is set. Its reports stay. Tasks that were cancelled because of it stay
   * cancelled, unless `cascade` is set.
   *
   * Rejects with {@link NotTerminalError} if the task has not ended, with {@link AlreadyTerminalError} if it completed,
   * with {@link KeyTakenError} if another task has its unique key, and with code `error` if a parent did not complete:
   * put that one back first.
   */
  async retry(taskId: string, options: RetryOptions = {}): Promise<Retried> {
    const { now = false, cascade = false } = optionsOf('retry', options);
    return retriedOf(await this.#ask<Raw>((binding) => binding.retry(text(taskId), now, cascade)));
  }

  /**
   * Stops new claims from the queue, on every face. Tasks that are claimed already go on. False if it was paused
   * before.
   */
  async pause(queue: string): Promise<boolean> {
    const name = text(queue);
    return this.#place.run((binding) => binding.pause(name));
  }

  /** Ends a pause. False if there was none. */
  async resumeQueue(queue: string): Promise<boolean> {
    const name = text(queue);
    return this.#place.run((binding) => binding.resumeQueue(name));
  }

  /**
   * Limits how many tasks of the queue can be claimed at once, on every face: 1 or more; `null` removes the limit.
   * Tasks that are claimed already stay claimed. A claim from a limited queue reads the name of every claimed task.
   */
  async limit(queue: string, maxInFlight: number | null): Promise<void> {
    const max = maxInFlight === null ? undefined : between('maxInFlight', maxInFlight, 1, 0xffff_ffff);
    const name = text(queue);
    await this.#place.run((binding) => binding.limit(name, max));
  }

  /**
   * Removes tasks that ended long ago, for good, with all their reports. A task that others still wait for stays.
   * Nothing else removes tasks.
   */
  async gc(options: GcOptions): Promise<Collected> {
    const { olderThanSeconds, keepLast = 0, dryRun = false } = optionsOf('gc', options);
    between('olderThanSeconds', olderThanSeconds, 0, LONGEST_SECONDS);
    between('keepLast', keepLast, 0, Number.MAX_SAFE_INTEGER);
    return this.#ask<Collected>((binding) => binding.gc(olderThanSeconds, keepLast, dryRun));
  }

  /**
   * Starts a worker, which claims tasks and calls `handler` for each until it is stopped: see {@link Worker}. The task
   * completes with the value that the handler returns, and fails with the error that it throws.
   */
  work<Payload extends object = JsonObject, Result extends object = JsonObject>(
    handler: Handler<Payload, Result>,
    options: WorkOptions = {},
  ): Worker<Payload, Result> {
    return new Worker(this, handler, options);
  }

  #lease<Payload extends object, Result extends object>(claimed: RawClaimed, memory: Memory): Lease<Payload, Result> {
    return new Lease((ask) => this.#ask(ask, memory), claimed);
  }

  async #ask<T>(ask: (binding: CoordQueue) => string, memory?: Memory): Promise<T> {
    return this.#answer(await this.#place.run(ask, memory));
  }

  #answer<T>(text: string): T {
    const { answer, warnings } = JSON.parse(text) as { answer: T; warnings: string[] };
    warnings.forEach((warning) => process.emitWarning(warning, 'CoordWarning'));
    return answer;
  }
}
