import type { Ending, Waiting } from '../generated/muse_coord.js';
import type { Memory, Place } from './place.ts';

/** The longest sleep of `wait` if the host reports every change, in milliseconds. */
const LOOK_WHEN_TOLD = 250;

/** Repeats a claim until there is a task or its time is over. Returns the answer. */
export async function untilClaimed(
  place: Place,
  waiting: Waiting,
  began: number,
  seconds: number,
  memory: Memory,
  signal: AbortSignal | undefined,
): Promise<string> {
  const sleep = place.sleeper();
  try {
    for (;;) {
      const { pause } = waiting;
      const dirs = waiting.newlyWatched();
      if (dirs !== undefined) waiting.toldOfChanges(sleep.watch(dirs));
      const left = seconds * 1000 - (performance.now() - began);
      const pace = Math.min(place.pace * (memory.asked ?? 0), left);
      await sleep.sleep(Math.max(dirs === undefined ? pause : Math.min(pause, sleep.soon), pace), signal);
      const elapsed = performance.now() - began;
      const answer = await place.claim((binding) => waiting.step(binding, elapsed), memory);
      if (answer !== undefined) return answer;
    }
  } finally {
    sleep.close();
    waiting.free();
  }
}

/** Looks until the tasks have ended or `seconds` are over. Returns the answer. */
export async function untilEnded(
  place: Place,
  ending: Ending,
  seconds: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  const sleep = place.sleeper();
  const began = performance.now();
  try {
    const pause = sleep.watch([...new Set(ending.watched())]) ? LOOK_WHEN_TOLD : 0;
    for (;;) {
      const elapsed = performance.now() - began;
      const step = await place.run((binding) => ending.step(binding, elapsed));
      if (typeof step === 'string') return step;
      await sleep.sleep(Math.min(Math.max(step, pause), seconds * 1000 - elapsed), signal);
    }
  } finally {
    sleep.close();
    ending.free();
  }
}
