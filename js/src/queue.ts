import process from 'node:process';
import { setImmediate } from 'node:timers';
import type { CoordQueue, Waiting } from '../generated/muse_coord.js';
import type { RawChange, RawClaimRecord, RawEnqueued, RawLease, RawListing, RawRetried, RawShown, RawStats } from './answers.ts';
import { changeOf, claimRecordOf, enqueuedOf, itemOf, type RawWaited, retriedOf, shownOf, statsOf, waitedOf } from './answers.ts';
import { BadArgsError, CoordError, NotFoundError, toCoordError } from './errors.ts';
import { Lease } from './lease.ts';
import { openBinding } from './module.ts';
import { optionsOf } from './options.ts';
import { coordinationDirectory, syncing } from './repository.ts';
import { actor, between, choiceText, draftText, draftTexts, filterText, listed, locating, text, whole } from './requests.ts';
import type {
  CancelOptions,
  Change,
  ClaimOptions,
  ClaimRecord,
  ClaimsOptions,
  Collected,
  Enqueued,
  Filter,
  GcOptions,
  JsonObject,
  Listing,
  NewTask,
  OpenOptions,
  ResumeOptions,
  Retried,
  RetryOptions,
  Shown,
  Stats,
  StatsOptions,
  Waited,
  WaitOptions,
  WatchOptions,
} from './types.ts';
import { LightSleep } from './wait.ts';
import { type Handler, Worker, type WorkOptions } from './worker.ts';

/** @internal The longest that one claim waits, in seconds. Who waits for longer claims again. */
export const LONGEST_WAIT = 3600;

/** How many tasks one call may claim. */
const MOST_AT_ONCE = 100_000;

/** How long claiming many tasks keeps everything else from being done, in milliseconds. */
const LONGEST_BLOCK = 10;

/** How long somebody sleeps at most who waits for an end and is woken by it, in milliseconds. */
const LOOK_WHEN_TOLD = 250;

/** How soon somebody who follows tasks looks again, in milliseconds, if looking is cheap. */
const LOOK_AGAIN = 200;

/** How much longer than a look the pause after it is, so that following takes a twentieth of a core at most. */
const PAUSE_PER_LOOK = 20;

/** How far back `stats` looks at ended tasks, in seconds, unless it is said. */
const WINDOW_SECONDS = 3600;

/** The longest time that is asked about in seconds, which is that of a task's pending TTL. */
const LONGEST_SECONDS = 315_360_000;

/** How soon a directory is looked at again that has only just been watched, in milliseconds: something may have come before. */
const SOON = 35;

/**
 * Opens the queue of a repository, which every other face may be working on at the same time.
 *
 * Rejects with {@link NotARepositoryError} where there is no `.muse`, and with {@link UnsupportedFormatError} if the queue is of a
 * newer format.
 */
export async function openQueue(options: OpenOptions = {}): Promise<Queue> {
  const taken = optionsOf('openQueue', options);
  const sync = syncing(taken);
  const directory = coordinationDirectory(taken, sync);
  return new Queue(directory, openBinding(directory, sync));
}

/**
 * A queue in a directory.
 *
 * Of all agents that claim at once, on every face that shares the directory, exactly one gets a task. What `enqueue`, `complete`,
 * `fail` and `cancel` have acknowledged survives a power cut.
 *
 * File operations are synchronous, as is the way of short ones in Node: a claim takes a fraction of a millisecond, what is
 * acknowledged as long as the disk takes to sync. Waiting is asynchronous.
 *
 * What was not as it should be and kept nobody from their work, such as a title that was cut or a task that was quarantined because
 * its record had been altered, is told by `process.emitWarning` under the name `CoordWarning`.
 */
export class Queue {
  /** The coordination directory. */
  readonly directory: string;
  readonly #binding: CoordQueue;

  /** @internal */
  constructor(directory: string, binding: CoordQueue) {
    this.directory = directory;
    this.#binding = binding;
  }

  /** Makes the directory a queue, as the first `enqueue` does. True if this call did. */
  async init(): Promise<boolean> {
    return refusing(() => this.#binding.init());
  }

  /**
   * Adds a task, and answers it as it is stored. It survives a power cut when this resolves. If a task with the same `unique` key lives,
   * that one is answered, as `deduplicated`.
   */
  async enqueue<Payload extends object = JsonObject>(task: NewTask<Payload>): Promise<Enqueued<Payload>> {
    return enqueuedOf(this.#ask<RawEnqueued>(() => this.#binding.enqueue(draftText(task))));
  }

  /**
   * Adds tasks in their order, up to 32 at a time, whose directories are synced together. All are checked before the first is
   * written; if one is refused, so are all, and the message and {@link CoordError.index} tell which. Others are let do
   * something in between.
   *
   * If the medium fails, {@link IoError.enqueued} tells which were enqueued before.
   */
  async enqueueMany<Payload extends object = JsonObject>(tasks: Iterable<NewTask<Payload>>): Promise<Enqueued<Payload>[]> {
    const given = listed('enqueueMany', tasks);
    const ask = <T>(what: () => T): T => locating('tasks', given, () => refusing(what));
    const enqueuing = ask(() => this.#binding.enqueueMany(draftTexts(given)));
    const enqueued: Enqueued<Payload>[] = [];
    try {
      for (;;) {
        const step = ask(() => enqueuing.step(this.#binding));
        if (step === undefined) return enqueued;
        enqueued.push(...this.#answer<RawEnqueued[]>(step).map((task) => enqueuedOf<Payload>(task)));
        await new Promise(setImmediate);
      }
    } catch (error) {
      throw Object.defineProperty(error as Error, 'enqueued', { value: enqueued, enumerable: true });
    } finally {
      enqueuing.free();
    }
  }

  /**
   * Claims the task of the highest priority, the oldest among those of one priority; `undefined` if there is nothing.
   *
   * While it waits it takes less than 1 % of a core, and it notices a task within 50 ms (one that was given back or whose lease ran
   * out, within about a second).
   */
  async claim<Payload extends object = JsonObject, Result extends object = JsonObject>(
    options: ClaimOptions = {},
  ): Promise<Lease<Payload, Result> | undefined> {
    const taken = optionsOf('claim', options);
    const { runId, leaseSeconds, wait, signal } = taken;
    signal?.throwIfAborted();
    const began = performance.now();
    const choice = choiceText(taken);
    const begun = refusing(() => this.#binding.claim(actor(runId), whole(leaseSeconds), whole(wait), choice));
    const answer = typeof begun === 'string' ? begun : await this.#await(begun, began, signal);
    const claimed = this.#answer<RawLease | null>(answer);
    return claimed === null ? undefined : this.#lease(claimed);
  }

  /**
   * Claims up to `max` tasks (at most 100,000), in the order of `claim`; none if there is nothing. With `wait` it waits for the first
   * one, and then takes what there is.
   *
   * What was claimed is answered, whatever happens to the rest: that is told as a warning.
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
   * Claims one task after the other, until `signal`, or until there has been nothing for `wait` seconds.
   *
   * What the loop does not complete, fail or release stays claimed until its lease ends: `await using` releases it.
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
   * Takes up the lease of a task that this agent claimed earlier, for instance before it was started anew. It is a heartbeat, too,
   * and rejects as one does.
   */
  async resume<Payload extends object = JsonObject, Result extends object = JsonObject>(
    taskId: string,
    options: ResumeOptions = {},
  ): Promise<Lease<Payload, Result>> {
    const { runId, claimNonce } = optionsOf('resume', options);
    return this.#lease(this.#ask(() => this.#binding.resume(text(taskId), actor(runId), claimNonce)));
  }

  /** One task, where it stands, and all that was reported of it; `undefined` if there is no such task. */
  async get<Payload extends object = JsonObject, Result extends object = JsonObject>(
    taskId: string,
  ): Promise<Shown<Payload, Result> | undefined> {
    try {
      return shownOf(this.#ask<RawShown>(() => this.#binding.show(text(taskId))));
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }

  /** The tasks there are. The cost grows with the number of tasks, and more with the number shown. */
  async list<Payload extends object = JsonObject, Result extends object = JsonObject>(
    filter: Filter = {},
  ): Promise<Listing<Payload, Result>> {
    const listing = this.#ask<RawListing>(() => this.#binding.tasks(filterText(optionsOf('list', filter))));
    return { ...listing, items: listing.items.map((item) => itemOf<Payload, Result>(item)) };
  }

  /**
   * Waits until these tasks have ended, or with `any` one of them, and answers how they stand. One that was removed, or never was,
   * counts as ended. An end is noticed within 50 ms, at less than 1 % of a core.
   */
  async wait<Payload extends object = JsonObject, Result extends object = JsonObject>(
    taskIds: string | readonly string[],
    options: WaitOptions = {},
  ): Promise<Waited<Payload, Result>> {
    const { any = false, timeoutSeconds, signal } = optionsOf('wait', options);
    signal?.throwIfAborted();
    if (timeoutSeconds !== undefined) between('timeoutSeconds', timeoutSeconds, 0, LONGEST_SECONDS);
    const ids = [taskIds].flat().map(text);
    const seconds = timeoutSeconds ?? Infinity;
    const ending = refusing(() => this.#binding.wait(ids, any, seconds));
    const sleep = new LightSleep(this.directory);
    const began = performance.now();
    try {
      const pause = sleep.watch([...new Set(ending.watched())]) ? LOOK_WHEN_TOLD : 0;
      for (;;) {
        const elapsed = performance.now() - began;
        const step = refusing(() => ending.step(this.#binding, elapsed));
        if (typeof step === 'string') return waitedOf(this.#answer<RawWaited>(step));
        await sleep.sleep(Math.min(Math.max(step, pause), seconds * 1000 - elapsed), signal);
      }
    } finally {
      sleep.close();
      ending.free();
    }
  }

  /**
   * Follows what becomes of tasks: how each stands now, then each that changes, the oldest first, until `signal` or for ever.
   *
   * It looks about five times a second (less often where a look takes more than 10 ms), and compares: a task that has moved twice
   * between two looks is told once, as it stands then. What ended while nobody looked, `list({ endedSince })` tells.
   */
  async *watch<Payload extends object = JsonObject, Result extends object = JsonObject>(
    options: WatchOptions = {},
  ): AsyncGenerator<Change<Payload, Result>, void, undefined> {
    const { queue, tags = [], signal } = optionsOf('watch', options);
    const watching = refusing(() => this.#binding.watch(queue, [...tags]));
    const sleep = new LightSleep(this.directory);
    try {
      while (!signal?.aborted) {
        const began = performance.now();
        const changes = this.#ask<RawChange[]>(() => watching.step(this.#binding));
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
   * How many tasks there are, where they stand, and how long they take. Reads the records of those that have not ended, or ended in
   * the last `windowSeconds` (default 3,600).
   */
  async stats(options: StatsOptions = {}): Promise<Stats> {
    const { windowSeconds = WINDOW_SECONDS } = optionsOf('stats', options);
    between('windowSeconds', windowSeconds, 0, LONGEST_SECONDS);
    return statsOf(this.#ask<RawStats>(() => this.#binding.stats(windowSeconds)));
  }

  /**
   * Calls a task off: a waiting one, one's own, or one whose lease has run out; with `force` anybody's, whose holder learns it when it
   * next speaks, and within about a second by {@link Lease.signal}. With `request` a holder is asked to stop, by the same ways, and
   * decides; the answer's `cancelRequest` tells. If it is not heard of again, its task ends as cancelled with its lease.
   */
  async cancel(taskId: string, options: CancelOptions = {}): Promise<ClaimRecord> {
    const { runId, request = false, force = false, reason } = optionsOf('cancel', options);
    if (request && force) {
      throw new BadArgsError('bad_args', 'request asks whoever holds the task, and force takes it away: give one');
    }
    const [id, who, why] = [text(taskId), actor(runId), reason === undefined ? undefined : text(reason)];
    return claimRecordOf(this.#ask<RawClaimRecord>(() => this.#binding.cancel(id, who, force, request, why)));
  }

  /**
   * Puts a task that failed, expired or was cancelled back, with all its attempts before it. It waits again for the tasks
   * and the time that it was enqueued to wait for, unless `now` is set. What was reported of it stays. Tasks that were
   * cancelled because of it stay so, unless `cascade` is set.
   *
   * Rejects if it waits for a task that did not complete: put that one back first.
   */
  async retry(taskId: string, options: RetryOptions = {}): Promise<Retried> {
    const { now = false, cascade = false } = optionsOf('retry', options);
    return retriedOf(this.#ask<RawRetried>(() => this.#binding.retry(text(taskId), now, cascade)));
  }

  /** From now on nothing of this queue is claimed; what is claimed goes on. False if it was paused before. */
  async pause(queue: string): Promise<boolean> {
    return refusing(() => this.#binding.pause(text(queue)));
  }

  /** Ends a pause. False if there was none. */
  async resumeQueue(queue: string): Promise<boolean> {
    return refusing(() => this.#binding.resumeQueue(text(queue)));
  }

  /**
   * From now on at most so many tasks of this queue are claimed at once, on every face; with `null` any number. What is claimed
   * already stays so. A claim of a limited queue costs a look at every claimed task.
   */
  async limit(queue: string, maxInFlight: number | null): Promise<void> {
    const max = maxInFlight === null ? undefined : between('maxInFlight', maxInFlight, 1, 0xffff_ffff);
    refusing(() => this.#binding.limit(text(queue), max));
  }

  /**
   * Removes tasks that ended long ago, for good, with all that was reported of them. One that others still wait for stays. Only who
   * calls this removes anything.
   */
  async gc(options: GcOptions): Promise<Collected> {
    const { olderThanSeconds, keepLast = 0, dryRun = false } = optionsOf('gc', options);
    between('olderThanSeconds', olderThanSeconds, 0, LONGEST_SECONDS);
    between('keepLast', keepLast, 0, Number.MAX_SAFE_INTEGER);
    return this.#ask<Collected>(() => this.#binding.gc(olderThanSeconds, keepLast, dryRun));
  }

  /**
   * Claims tasks and has `handler` do them, until it is stopped: see {@link Worker}. What the handler returns completes its task,
   * what it throws fails it.
   */
  work<Payload extends object = JsonObject, Result extends object = JsonObject>(
    handler: Handler<Payload, Result>,
    options: WorkOptions = {},
  ): Worker<Payload, Result> {
    return new Worker(this, handler, options);
  }

  #lease<Payload extends object, Result extends object>(claimed: RawLease): Lease<Payload, Result> {
    return new Lease(this.#binding, (ask) => this.#ask(ask), claimed);
  }

  /** Looks again and again until there is a task or the claim's time is over: the answer. */
  async #await(waiting: Waiting, began: number, signal: AbortSignal | undefined): Promise<string> {
    const sleep = new LightSleep(this.directory);
    try {
      for (;;) {
        const { pause } = waiting;
        const dirs = waiting.newlyWatched();
        if (dirs !== undefined) waiting.toldOfChanges(sleep.watch(dirs));
        await sleep.sleep(dirs === undefined ? pause : Math.min(pause, SOON), signal);
        const answer = refusing(() => waiting.step(this.#binding, performance.now() - began));
        if (answer !== undefined) return answer;
      }
    } finally {
      sleep.close();
      waiting.free();
    }
  }

  #ask<T>(ask: () => string): T {
    return this.#answer(refusing(ask));
  }

  #answer<T>(text: string): T {
    const { answer, warnings } = JSON.parse(text) as { answer: T; warnings: string[] };
    warnings.forEach((warning) => process.emitWarning(warning, 'CoordWarning'));
    return answer;
  }
}

/** Makes an error of what the WebAssembly part throws. */
function refusing<T>(ask: () => T): T {
  try {
    return ask();
  } catch (thrown) {
    throw thrown instanceof CoordError ? thrown : toCoordError(thrown);
  }
}
