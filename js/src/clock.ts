/** How far the two clocks may be apart before the wall clock counts as having been set, in milliseconds. */
const APART = 2;

let ahead = performance.timeOrigin;

/**
 * The wall clock in microseconds since 1970, which the order of tasks rests on. `Date` tells milliseconds only; the
 * rest is taken
 * from the clock that measures how long something takes, as long as the two agree.
 */
export function now(): number {
  const elapsed = performance.now();
  const wall = Date.now();
  if (Math.abs(elapsed + ahead - wall) > APART) ahead = wall - elapsed;
  return Math.floor((elapsed + ahead) * 1000);
}
