import process from 'node:process';
import { setImmediate } from 'node:timers';
import type { CoordQueue, Waiting } from '../generated/muse_coord.js';
import { type RawClaimRecord, type RawItem, type RawLease, type RawListing, type RawTask } from './answers.ts';
import { claimRecordOf, itemOf, taskOf } from './answers.ts';
import { CoordError, NotFoundError, toCoordError } from './errors.ts';
import { Lease } from './lease.ts';
import { openBinding } from './module.ts';
import { coordinationDirectory, syncing } from './repository.ts';
import { actor, claimText, draftText, filterText } from './requests.ts';
import type {
  ClaimOptions,
  ClaimRecord,
  ClaimsOptions,
  Filter,
  Item,
  JsonObject,
  Listing,
  NewTask,
  OpenOptions,
  Stats,
  Task,
} from './types.ts';
import { LightSleep } from './wait.ts';
import { type Handler, Worker, type WorkOptions } from './worker.ts';

/** @internal The longest that one claim waits, in seconds. Who waits for longer claims again. */
export const LONGEST_WAIT = 3600;

/** How long enqueuing many tasks keeps everything else from being done, in milliseconds. */
const LONGEST_BLOCK = 10;

/** How soon a directory is looked at again that has only just been watched, in milliseconds: something may have come before. */
const SOON = 35;

/**
 * Opens the queue of a repository, which every other face may be working on at the same time.
 *
 * Rejects with {@link NotARepositoryError} where there is no `.muse`, and with {@link UnsupportedFormatError} if the queue is of a
 * newer format.
 */
export async function openQueue(options: OpenOptions = {}): Promise<Queue> {
  const sync = syncing(options);
  const directory = coordinationDirectory(options, sync);
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
 * What was not as it should be and kept nobody from their work, such as a title that was cut or a task that was set aside because
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

  /** Adds a task, and answers it as it is stored. It survives a power cut when this resolves. */
  async enqueue<Payload extends object = JsonObject>(task: NewTask<Payload>): Promise<Task<Payload>> {
    return this.#enqueue(draftText(task));
  }

  /**
   * Adds tasks in their order. All are checked before the first is written. Others are let do something now and then.
   *
   * If the medium fails, {@link IoError.enqueued} tells which were enqueued before.
   */
  async enqueueMany<Payload extends object = JsonObject>(tasks: Iterable<NewTask<Payload>>): Promise<Task<Payload>[]> {
    const drafts = [...tasks].map(draftText);
    refusing(() => this.#binding.check(`[${drafts.join(',')}]`));
    const enqueued: Task<Payload>[] = [];
    let began = performance.now();
    try {
      for (const draft of drafts) {
        if (performance.now() - began > LONGEST_BLOCK) {
          await new Promise(setImmediate);
          began = performance.now();
        }
        enqueued.push(this.#enqueue<Payload>(draft));
      }
      return enqueued;
    } catch (error) {
      throw Object.defineProperty(error as Error, 'enqueued', { value: enqueued, enumerable: true });
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
    options.signal?.throwIfAborted();
    const waiting = refusing(() => this.#binding.claim(claimText(options)));
    try {
      const claimed = await this.#take(waiting, options.signal);
      return claimed === null ? undefined : this.#lease(claimed);
    } finally {
      waiting.free();
    }
  }

  /**
   * Claims one task after the other, until `signal`, or until there has been nothing for `wait` seconds.
   *
   * What the loop does not complete, fail or release stays claimed until its lease ends: `await using` releases it.
   */
  async *claims<Payload extends object = JsonObject, Result extends object = JsonObject>(
    options: ClaimsOptions = {},
  ): AsyncGenerator<Lease<Payload, Result>, void, undefined> {
    const { signal, wait } = options;
    while (!signal?.aborted) {
      const lease = await this.claim<Payload, Result>({ ...options, wait: wait ?? LONGEST_WAIT }).catch((error) => {
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
    { runId, claimNonce }: { runId?: string; claimNonce?: string } = {},
  ): Promise<Lease<Payload, Result>> {
    return this.#lease(this.#ask(() => this.#binding.resume(`${taskId}`, actor(runId), claimNonce)));
  }

  /** One task and where it stands; `undefined` if there is no such task. */
  async get<Payload extends object = JsonObject, Result extends object = JsonObject>(
    taskId: string,
  ): Promise<Item<Payload, Result> | undefined> {
    try {
      return itemOf(this.#ask<RawItem>(() => this.#binding.show(`${taskId}`)));
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }

  /** The tasks there are. The cost grows with the number of tasks, and more with the number shown. */
  async list<Payload extends object = JsonObject, Result extends object = JsonObject>(
    filter: Filter = {},
  ): Promise<Listing<Payload, Result>> {
    const listing = this.#ask<RawListing>(() => this.#binding.tasks(filterText(filter)));
    return { ...listing, items: listing.items.map((item) => itemOf<Payload, Result>(item)) };
  }

  /** How many tasks there are and where they stand, told from their names. */
  async stats(): Promise<Stats> {
    return this.#ask<Stats>(() => this.#binding.stats());
  }

  /**
   * Calls a task off: a waiting one, one's own, one whose lease has run out, or with `force` anybody's. A holder learns it when it
   * next speaks, and within about a second by {@link Lease.signal}.
   */
  async cancel(taskId: string, { runId, force = false }: { runId?: string; force?: boolean } = {}): Promise<ClaimRecord> {
    return claimRecordOf(this.#ask<RawClaimRecord>(() => this.#binding.cancel(`${taskId}`, actor(runId), force)));
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

  #enqueue<Payload extends object>(draft: string): Task<Payload> {
    return taskOf(this.#ask<RawTask>(() => this.#binding.enqueue(draft)));
  }

  #lease<Payload extends object, Result extends object>(claimed: RawLease): Lease<Payload, Result> {
    return new Lease(this.#binding, (ask) => this.#ask(ask), claimed);
  }

  /** Looks until there is a task or the claim's time is over. */
  async #take(waiting: Waiting, signal: AbortSignal | undefined): Promise<RawLease | null> {
    const began = performance.now();
    const sleep = new LightSleep(this.directory);
    try {
      for (;;) {
        const step = refusing(() => waiting.step(this.#binding, performance.now() - began));
        if (typeof step === 'string') return this.#answer(step);
        const dirs = waiting.newlyWatched();
        if (dirs !== undefined) waiting.toldOfChanges(sleep.watch(dirs));
        await sleep.sleep(dirs === undefined ? step : Math.min(step, SOON), signal);
      }
    } finally {
      sleep.close();
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
