import { type FSWatcher, watch } from 'node:fs';
import { basename, join } from 'node:path';
import { clearTimeout, setTimeout } from 'node:timers';
import { isLocal } from './filesystem.ts';
import { onAbort } from './signals.ts';

/**
 * How soon the queue is looked at again after a directory was newly watched, in milliseconds: something may have come
 * before.
 */
const SOON = 35;

/** Whoever waits for a task in more directories than this is not told of changes, and finds them by looking. */
const WATCHED = 64;

/**
 * Sleep that ends early when something changes in one of some directories.
 *
 * A network filesystem does not tell what others do in it. So being told is relied on only where it is known to be
 * complete;
 * elsewhere it is a gain now and then.
 */
export class LightSleep {
  readonly soon: number = SOON;
  readonly #root: string;
  readonly #watchers = new Map<string, FSWatcher>();
  #wanted: string[] = [];
  #wake: () => void = () => {};

  constructor(root: string) {
    this.#root = root;
  }

  /** From now on, changes in these directories and no others end a sleep. True if every change does. */
  watch(dirs: string[]): boolean {
    this.#wanted = dirs.length <= WATCHED ? dirs : [];
    for (const [dir, watcher] of this.#watchers) {
      if (!this.#wanted.includes(dir)) this.#forget(dir, watcher);
    }
    this.#watchWanted();
    return dirs.every((dir) => this.#watchers.has(dir)) && isLocal(this.#root);
  }

  /** Sleeps for so long, or until something changes, or until `signal`, for whose reason it rejects. */
  async sleep(millis: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.#watchWanted();
    await pause(millis, signal, (wake) => (this.#wake = wake));
    signal?.throwIfAborted();
  }

  close(): void {
    for (const [dir, watcher] of this.#watchers) this.#forget(dir, watcher);
  }

  #watchWanted(): void {
    for (const dir of this.#wanted) {
      if (!this.#watchers.has(dir)) this.#watchOne(dir);
    }
  }

  #watchOne(dir: string): void {
    try {
      const watcher = watch(join(this.#root, dir), (_, name) => {
        // The directory itself has gone. One that comes in its place has to be watched anew.
        if (name === basename(dir)) this.#forget(dir, watcher);
        this.#wake();
      });
      watcher.on('error', () => this.#forget(dir, watcher));
      this.#watchers.set(dir, watcher);
    } catch {
      // Gone by now, or no more can be watched: it is looked at all the same.
    }
  }

  #forget(dir: string, watcher: FSWatcher): void {
    this.#watchers.delete(dir);
    watcher.close();
  }
}

/** Sleeps for so long, or until `signal` is aborted, or until what `wakeable` is given is called. */
export async function pause(
  millis: number,
  signal: AbortSignal | undefined,
  wakeable: (wake: () => void) => void = () => {},
): Promise<void> {
  if (signal?.aborted) return;
  const { promise, resolve } = withResolvers();
  wakeable(resolve);
  const timer = setTimeout(resolve, millis);
  const forget = onAbort(signal, resolve);
  await promise;
  forget();
  clearTimeout(timer);
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}
