// An agent for `tests/tests/beyond`: `beyond.mjs RUN_ID ADDRESS`. Completes tasks on a server, four at a time, until
// there is none, and prints how many it was given.
import process from 'node:process';
import { openQueue, postgres } from '@muse/coord';
import pg from 'pg';
import { serverOf } from './server.mjs';

const [runId, address] = process.argv.slice(2);
const { client, schema } = serverOf(address);
const pool = new pg.Pool({ ...client, max: 4 });
const queue = await openQueue({ store: postgres(pool, { schema }) });

let count = 0;
const worker = queue.work(() => ({ by: runId }), { runId, concurrency: 4, wait: 0 });
worker.on('completed', () => (count += 1));
await worker.done;
await pool.end();
console.log(count);
