import { CoordQueue, Engine, initSync } from '../generated/muse_coord.js';
import { toCoordError } from './errors.ts';
import { NodeStore, type Sync } from './node-store.ts';
import { Nonces } from './nonces.ts';

let compiled: (() => WebAssembly.Module) | undefined;

/** True where there are directories. */
export let hasDirectories = true;
let ready = false;
const nonces = new Nonces();

/** Says where the compiled queue comes from, which each environment's entry does. It is asked at the first use. */
export function provide(module: () => WebAssembly.Module): void {
  compiled = module;
}

/** Says that there are no directories. */
export function withoutDirectories(): void {
  hasDirectories = false;
}

/** The queue in a directory. */
export function openBinding(directory: string, sync: Sync): CoordQueue {
  try {
    getReady();
    return new CoordQueue(new NodeStore(directory, sync));
  } catch (thrown) {
    throw toCoordError(thrown);
  }
}

/** The schema of an engine. */
export function openEngine(schema: string): Engine {
  try {
    getReady();
    return new Engine(schema, { moment: () => performance.now(), nonce: () => nonces.next() });
  } catch (thrown) {
    throw toCoordError(thrown);
  }
}

function getReady(): void {
  if (!ready) initSync({ module: compiled!() });
  ready = true;
}
