import process from 'node:process';

/**
 * Those who are to be told of one thing, by one listener for all of them. It is there while anybody is: Node takes more
 * than ten listeners of one thing for a leak, and says so.
 */
class Audience {
  readonly #acts = new Set<() => void>();
  readonly #listen: (listener: () => void) => void;
  readonly #unlisten: (listener: () => void) => void;

  constructor(listen: (listener: () => void) => void, unlisten: (listener: () => void) => void) {
    this.#listen = listen;
    this.#unlisten = unlisten;
  }

  /** Has `act` done each time, until what this gives back is called. */
  join(act: () => void): () => void {
    // The same function may come in twice.
    const own = (): void => act();
    if (this.#acts.size === 0) this.#listen(this.#tell);
    this.#acts.add(own);
    return () => {
      if (this.#acts.delete(own) && this.#acts.size === 0) this.#unlisten(this.#tell);
    };
  }

  readonly #tell = (): void => [...this.#acts].forEach((act) => act());
}

const aborts = new WeakMap<AbortSignal, Audience>();
const systemSignals = new Map<NodeJS.Signals, Audience>();

/** Has `act` done when the signal is aborted, unless what this gives back is called before. */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return () => {};
  const audience = aborts.get(signal) ??
    new Audience((tell) => signal.addEventListener('abort', tell), (tell) => signal.removeEventListener('abort', tell));
  aborts.set(signal, audience);
  return audience.join(act);
}

/**
 * Has `act` done at each signal of the system, until what this gives back is called. Meanwhile the signal does not end
 * the process.
 */
export function onSystemSignal(name: NodeJS.Signals, act: () => void): () => void {
  const audience = systemSignals.get(name) ??
    new Audience((tell) => process.on(name, tell), (tell) => process.off(name, tell));
  systemSignals.set(name, audience);
  return audience.join(act);
}
