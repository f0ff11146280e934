/** A task queue that lives in a directory, or on PostgreSQL. Start at {@link openQueue}. */
export { postgres } from './engine.ts';
export { openQueue } from './open.ts';
export { Queue } from './queue.ts';
export { Lease } from './lease.ts';
export { Worker } from './worker.ts';
export type { Handler, WorkerEvents, WorkOptions } from './worker.ts';
export * from './errors.ts';
export type * from './types.ts';
