import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import { clearInterval, setInterval } from 'node:timers';
import { BadArgsError, IoError } from './errors.ts';
import { isLost, type Lease } from './lease.ts';
import { modeOf, optionsOf } from './options.ts';
import { LONGEST_WAIT, type Queue } from './queue.ts';
import { onAbort, onSystemSignal } from './signals.ts';
import type { Choice, ClaimRecord, JsonObject, Task } from './types.ts';
import { pause } from './wait.ts';

/** The default lease of a worker, in seconds. If the worker dies a task waits this long for another agent. */
const LEASE_SECONDS = 60;

/** How long a worker waits after an I/O error if there is a listener, in milliseconds. */
const PAUSE = 1000;

/**
 * Does a task. The task completes with the value that it returns, and fails with the error that it throws. After a
 * request to stop, an error cancels the task instead.
 */
export type Handler<Payload extends object = JsonObject, Result extends object = JsonObject> = (
  task: Task<Payload>,
  lease: Lease<Payload, Result>,
) => Result | void | Promise<Result | void>;

/** How a worker works. */
export interface WorkOptions extends Choice {
  /** The run id of this worker: 1 to 256 characters. Two agents must not share one. Default: `$MUSE_RUN_ID`. */
  runId?: string;
  /** How many tasks the worker does at once: 1 or more. Default: 1. */
  concurrency?: number;
  /** Seconds without any task after which the worker stops: 0 to 3,600. Default: it goes on. */
  wait?: number;
  /**
   * The length of a lease, in seconds: 1 to 86,400. If this worker dies another agent takes the task over after that. A
   * heartbeat is sent each third of it. Default: 60.
   */
  leaseSeconds?: number;
  /** Stops the worker, as `stop(onStop)` does. */
  signal?: AbortSignal;
  /** What happens to running tasks when `signal` or a system signal stops the worker. Default: `finish`. */
  onStop?: StopMode;
  /**
   * Also stop on SIGINT and SIGTERM: the first stops as `onStop` says, the second gives back running tasks, the third
   * ends the process. Default: false.
   */
  stopOnSignals?: boolean;
}

/**
 * What happens to running tasks. `finish`: the worker waits for their handlers. `release`: it aborts each lease's
 * `signal`, and gives back the tasks whose handlers then throw. A handler that returns completes its task all the same.
 */
export type StopMode = 'finish' | 'release';

/** The events of a worker. */
export interface WorkerEvents<Payload extends object = JsonObject, Result extends object = JsonObject> {
  /** A task was claimed, and its handler begins. */
  claimed: [lease: Lease<Payload, Result>];
  /** The handler returned, and the completion was acknowledged. */
  completed: [lease: Lease<Payload, Result>, record: ClaimRecord<Result>];
  /**
   * The handler threw, and the attempt failed. `status` in the record says what became of the task: with attempts left
   * it is `scheduled` or `pending`, otherwise `failed`.
   */
  failed: [lease: Lease<Payload, Result>, error: unknown, record: ClaimRecord<Result>];
  /** The task was given back, since the worker was stopped. */
  released: [lease: Lease<Payload, Result>];
  /** After a request to stop the handler threw, and the task ended as cancelled. */
  cancelled: [lease: Lease<Payload, Result>, error: unknown];
  /** The task was taken over or cancelled while the handler ran. Its return value or error is ignored. */
  lost: [lease: Lease<Payload, Result>, reason: unknown];
  /**
   * The medium failed. With a listener the worker goes on after a second; without one it stops, and `done` rejects. A
   * task whose end could not be reported stays claimed until its lease expires.
   */
  error: [error: IoError];
}

/**
 * Claims tasks and calls a handler for each, up to `concurrency` at once, until it is stopped. A listener that throws
 * stops it, too.
 *
 * While a handler runs, a heartbeat extends its lease each third of it. The task can still be lost, if it is cancelled
 * or if this process is suspended for longer than the lease. `lease.signal` is then aborted; pass it to everything that
 * the handler awaits.
 */
export class Worker<Payload extends object = JsonObject, Result extends object = JsonObject>
  implements AsyncDisposable {
  /** Resolves when the worker has stopped and no task runs any more. Rejects if it cannot go on. */
  readonly done: Promise<void>;
  readonly #queue: Queue;
  readonly #handler: Handler<Payload, Result>;
  readonly #options: WorkOptions;
  readonly #leaseSeconds: number;
  readonly #events = new EventEmitter();
  /** Aborted: no more tasks are claimed. */
  readonly #noMore = new AbortController();
  /** Aborted: what is at hand is to be given back. */
  readonly #giveBack = new AbortController();
  readonly #atHand = new Set<Lease<Payload, Result>>();
  /** Of the code that runs: the task whose handler it belongs to. */
  readonly #handled = new AsyncLocalStorage<Lease<Payload, Result>>();
  /** The tasks whose handlers wait until this worker has stopped. */
  readonly #stopping = new Set<Lease<Payload, Result>>();
  /** Those who wait until something is at hand no more. */
  #waiting: (() => void)[] = [];
  /** Aborted: the claim that waits is to be made anew, or not any more. */
  #claiming = new AbortController();
  #fault: { error: unknown } | undefined;

  /** @internal */
  constructor(queue: Queue, handler: Handler<Payload, Result>, options: WorkOptions) {
    if (typeof handler !== 'function') {
      throw new BadArgsError('bad_args', `the handler must be a function, got ${typeof handler}`);
    }
    const taken = optionsOf('work', options);
    const { concurrency = 1, leaseSeconds = LEASE_SECONDS } = taken;
    if (concurrency < 1) throw new BadArgsError('bad_args', `concurrency must be at least 1, got ${concurrency}`);
    this.#queue = queue;
    this.#handler = handler;
    this.#options = { ...taken, concurrency };
    this.#leaseSeconds = leaseSeconds;
    this.done = this.#run();
  }

  /** How many tasks run now. */
  get active(): number {
    return this.#atHand.size;
  }

  on<Event extends keyof WorkerEvents>(
    event: Event,
    listener: (...told: WorkerEvents<Payload, Result>[Event]) => void,
  ): this {
    this.#events.on(event, listener as (...told: unknown[]) => void);
    return this;
  }

  off<Event extends keyof WorkerEvents>(
    event: Event,
    listener: (...told: WorkerEvents<Payload, Result>[Event]) => void,
  ): this {
    this.#events.off(event, listener as (...told: unknown[]) => void);
    return this;
  }

  /**
   * Stops claiming, and resolves when no task runs any more. Call it again with `release` to give back tasks that were
   * to be finished.
   *
   * A handler may await it, too. There it resolves when only tasks run whose handlers also wait for it, since a
   * handler's own task ends after that. A handler must not await `done`.
   */
  async stop(mode: StopMode = 'finish'): Promise<void> {
    this.#stop(modeOf(mode));
    const own = this.#handled.getStore();
    if (own === undefined || !this.#atHand.has(own)) await this.done;
    else await this.#restDone(own);
  }

  /** As `stop()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #stop(mode: StopMode): void {
    this.#noMore.abort();
    this.#claiming.abort();
    if (mode === 'release' && !this.#giveBack.signal.aborted) {
      this.#giveBack.abort();
      this.#atHand.forEach((lease) => lease.interrupt(this.#giveBack.signal.reason));
    }
    this.#wake();
  }

  async #run(): Promise<void> {
    // Whoever has made the worker can listen before anything happens.
    await undefined;
    const forget = this.#heedSignals();
    while (!this.#noMore.signal.aborted) {
      if (this.#atHand.size < this.#options.concurrency!) await this.#claim();
      else await this.#stir();
    }
    while (this.#atHand.size > 0) await this.#stir();
    forget();
    if (this.#fault !== undefined) throw this.#fault.error;
  }

  /** Waits until nothing else is at hand that goes on by itself. */
  async #restDone(own: Lease<Payload, Result>): Promise<void> {
    const goesOn = (lease: Lease<Payload, Result>): boolean => lease !== own && !this.#stopping.has(lease);
    this.#stopping.add(own);
    // Another handler may have waited for this one.
    this.#wake();
    while ([...this.#atHand].some(goesOn)) await this.#stir();
    this.#stopping.delete(own);
  }

  /** Waits until a task is at hand no more, or the worker is to stop. */
  #stir(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const woken = this.#waiting;
    this.#waiting = [];
    woken.forEach((resolve) => resolve());
  }

  async #claim(): Promise<void> {
    const { runId, queue, queues, tags, anyTags, excludeTags, wait } = this.#options;
    const choice: Choice = { queue, queues, tags, anyTags, excludeTags };
    // What is at hand may enqueue more, so the time without a task begins when it has ended: that ends this claim.
    const isIdle = this.#atHand.size === 0;
    this.#claiming = new AbortController();
    const { signal } = this.#claiming;
    const seconds = isIdle ? wait ?? LONGEST_WAIT : LONGEST_WAIT;
    try {
      const lease = await this.#queue.claim<Payload, Result>({
        ...choice,
        runId,
        leaseSeconds: this.#leaseSeconds,
        wait: seconds,
        signal,
      });
      if (lease !== undefined) void this.#attend(lease);
      else if (isIdle && wait !== undefined) this.#stop('finish');
    } catch (error) {
      if (!signal.aborted) await this.#tolerate(error);
    }
  }

  /** Has the handler do a task, and reports what came of it. Never rejects. */
  async #attend(lease: Lease<Payload, Result>): Promise<void> {
    this.#atHand.add(lease);
    const heartbeats = setInterval(() => this.#prolong(lease), (this.#leaseSeconds * 1000) / 3);
    try {
      this.#tell('claimed', lease);
      await this.#report(lease, await this.#outcome(lease));
    } catch (error) {
      if (isLost(error, lease.task.taskId)) this.#tell('lost', lease, error);
      else await this.#tolerate(error);
    } finally {
      clearInterval(heartbeats);
      this.#atHand.delete(lease);
      if (this.#atHand.size === 0) this.#claiming.abort();
      this.#wake();
    }
  }

  async #outcome(lease: Lease<Payload, Result>): Promise<Outcome<Result>> {
    try {
      return { returned: await this.#handled.run(lease, () => this.#handler(lease.task, lease)) };
    } catch (error) {
      return { threw: error };
    }
  }

  async #report(lease: Lease<Payload, Result>, outcome: Outcome<Result>): Promise<void> {
    await lease.rest();
    if (!lease.held) {
      // If it was not told that the task is another's, the handler has ended the lease itself.
      if (lease.lost !== undefined) this.#tell('lost', lease, lease.lost);
    } else if ('returned' in outcome) {
      await this.#complete(lease, outcome.returned ?? undefined);
    } else if (lease.cancelRequest !== null || this.#giveBack.signal.aborted) {
      // Of a task whose holder was asked to stop, that is its end.
      const { status } = await lease.release();
      if (status === 'cancelled') this.#tell('cancelled', lease, outcome.threw);
      else this.#tell('released', lease);
    } else {
      await this.#fail(lease, outcome.threw);
    }
  }

  async #complete(lease: Lease<Payload, Result>, result: Result | undefined): Promise<void> {
    try {
      this.#tell('completed', lease, await lease.complete(result));
    } catch (error) {
      // What the handler returned is no result: too large, or no JSON object. To do the task again would not change
      // that.
      if (!(error instanceof BadArgsError)) throw error;
      await this.#fail(lease, error);
    }
  }

  async #fail(lease: Lease<Payload, Result>, error: unknown): Promise<void> {
    const record = await lease.fail(error);
    this.#tell('failed', lease, error, record);
  }

  #prolong(lease: Lease<Payload, Result>): void {
    lease.heartbeat().catch((error) => {
      // A lost lease is told by its signal. A medium that fails may be well at the next heartbeat, or the report will
      // say so.
      if (error instanceof IoError && this.#isListenedTo('error')) this.#tell('error', error);
    });
  }

  /** Goes on after a failure of the medium that somebody listens for; stops for anything else. */
  async #tolerate(error: unknown): Promise<void> {
    if (error instanceof IoError && this.#isListenedTo('error')) {
      this.#tell('error', error);
      // A worker that is stopped meanwhile pauses no longer.
      await pause(PAUSE, this.#noMore.signal);
    } else {
      this.#fault ??= { error };
      this.#stop('finish');
    }
  }

  #isListenedTo(event: keyof WorkerEvents): boolean {
    return this.#events.listenerCount(event) > 0;
  }

  #tell<Event extends keyof WorkerEvents>(event: Event, ...told: WorkerEvents<Payload, Result>[Event]): void {
    try {
      this.#events.emit(event, ...told);
    } catch (error) {
      // A listener threw. What is at hand is not to suffer from it.
      this.#fault ??= { error };
      this.#stop('finish');
    }
  }

  /** Stops when asked to from outside. What it gives back ends the heeding. */
  #heedSignals(): () => void {
    const { signal, onStop = 'finish', stopOnSignals = false } = this.#options;
    if (signal?.aborted) this.#stop(onStop);
    const forget = onAbort(signal, () => this.#stop(onStop));
    let signals = 0;
    const onSignal = (): void => {
      signals += 1;
      this.#stop(signals === 1 ? onStop : 'release');
      if (signals === 2) unhear();
    };
    const heard = stopOnSignals ? (['SIGINT', 'SIGTERM'] as const).map((name) => onSystemSignal(name, onSignal)) : [];
    const unhear = (): void => heard.forEach((unhearOne) => unhearOne());
    return () => {
      forget();
      unhear();
    };
  }
}

/** How a handler ended. */
type Outcome<Result> = { returned: Result | void } | { threw: unknown };
