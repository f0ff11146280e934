import type { CoordQueue, Ending, Waiting } from '../generated/muse_coord.js';
import { refusing } from './errors.ts';
import { LightSleep } from './wait.ts';

/** The longest sleep of `wait` if the host reports every change, in milliseconds. */
const LOOK_WHEN_TOLD = 250;

/**
 * How soon the queue is looked at again after a directory was newly watched, in milliseconds: something may have come
 * before.
 */
const SOON = 35;

/** Repeats a claim until there is a task or its time is over. Returns the answer. */
export async function untilClaimed(
  binding: CoordQueue,
  directory: string,
  waiting: Waiting,
  began: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  const sleep = new LightSleep(directory);
  try {
    for (;;) {
      const { pause } = waiting;
      const dirs = waiting.newlyWatched();
      if (dirs !== undefined) waiting.toldOfChanges(sleep.watch(dirs));
      await sleep.sleep(dirs === undefined ? pause : Math.min(pause, SOON), signal);
      const answer = refusing(() => waiting.step(binding, performance.now() - began));
      if (answer !== undefined) return answer;
    }
  } finally {
    sleep.close();
    waiting.free();
  }
}

/** Looks until the tasks have ended or `seconds` are over. Returns the answer. */
export async function untilEnded(
  binding: CoordQueue,
  directory: string,
  ending: Ending,
  seconds: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  const sleep = new LightSleep(directory);
  const began = performance.now();
  try {
    const pause = sleep.watch([...new Set(ending.watched())]) ? LOOK_WHEN_TOLD : 0;
    for (;;) {
      const elapsed = performance.now() - began;
      const step = refusing(() => ending.step(binding, elapsed));
      if (typeof step === 'string') return step;
      await sleep.sleep(Math.min(Math.max(step, pause), seconds * 1000 - elapsed), signal);
    }
  } finally {
    sleep.close();
    ending.free();
  }
}
