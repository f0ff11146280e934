import { CoordQueue, initSync } from '../generated/muse_coord.js';
import { toCoordError } from './errors.ts';
import { NodeStore, type Sync } from './node-store.ts';

let compiled: (() => WebAssembly.Module) | undefined;
let ready = false;

/** Says where the compiled queue comes from, which each environment's entry does. It is asked at the first use. */
export function provide(module: () => WebAssembly.Module): void {
  compiled = module;
}

/** The queue in a directory. */
export function openBinding(directory: string, sync: Sync): CoordQueue {
  try {
    if (!ready) initSync({ module: compiled!() });
    ready = true;
    return new CoordQueue(new NodeStore(directory, sync));
  } catch (thrown) {
    throw toCoordError(thrown);
  }
}
