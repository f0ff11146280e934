import type { CoordQueue, Hint } from '../generated/muse_coord.js';
import { refusing } from './errors.ts';
import type { Store } from './types.ts';
import { LightSleep } from './wait.ts';

/** Where a queue is: what runs its calls, and what sleeps until something may have changed there. */
export interface Place {
  /** What people call it. */
  readonly name: string;
  /** Who waits for a task pauses for so many milliseconds for each question that the last look has asked. */
  readonly pace: number;
  /**
   * Runs a call of the queue: in a directory at once. On an engine it is run again for each answer, so it must do the
   * same each time. `memory` is what earlier calls about the same lease have left.
   */
  run<T>(call: (binding: CoordQueue) => T, memory?: Memory): T | Promise<T>;
  /** The same, of a call that claims. */
  claim<T>(call: (binding: CoordQueue) => T, memory?: Memory): T | Promise<T>;
  sleeper(): Sleeper;
}

/** What a call about a lease leaves for the next one. */
export interface Memory {
  hint?: Hint | undefined;
  /** How many questions the last call has asked. */
  asked?: number;
}

/** An engine that was named, and not asked yet. */
export interface Opener extends Store {
  /** Opens the queue there, which is made with `init` if it is not there. */
  open(init: boolean): Promise<Place>;
}

/** Sleep that may end early. */
export interface Sleeper {
  /** How soon to look again after a directory was newly watched, in milliseconds. */
  readonly soon: number;
  /** From now on, changes in these directories and no others end a sleep. True if every change does. */
  watch(dirs: string[]): boolean;
  /** Sleeps for so long, or until something changes, or until `signal`, for whose reason it rejects. */
  sleep(millis: number, signal: AbortSignal | undefined): Promise<void>;
  close(): void;
}

/** A directory, in which a call returns when its file operations are done. */
export class DirectoryPlace implements Place {
  readonly name: string;
  readonly pace: number = 0;
  readonly #binding: CoordQueue;

  constructor(directory: string, binding: CoordQueue) {
    this.name = directory;
    this.#binding = binding;
  }

  run<T>(call: (binding: CoordQueue) => T): T {
    return refusing(() => call(this.#binding));
  }

  claim<T>(call: (binding: CoordQueue) => T): T {
    return this.run(call);
  }

  sleeper(): Sleeper {
    return new LightSleep(this.name);
  }
}
