// The package in Cloudflare's runtime: a Worker with a queue on the engine of the tests.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { client, engine, freshSchema } from './support.mjs';

const CONFIG = fileURLToPath(new URL('workerd/config.capnp', import.meta.url));

test(
  'a Worker has a queue by a client that asks by HTTP',
  { skip: engine === undefined && 'it is on engines alone', timeout: 60_000 },
  async (context) => {
    const database = createServer(answer).listen(0, '127.0.0.1');
    context.after(() => database.close());
    await once(database, 'listening');
    // npm has no build of it for some platforms, where the others' tests are run all the same.
    const { default: workerd } = await import('workerd');
    const words = ['test', CONFIG, `--external-addr=database=127.0.0.1:${database.address().port}`];
    const worker = spawn(workerd.default, words, { env: { SCHEMA: freshSchema() }, stdio: ['ignore', 'pipe', 'pipe'] });
    const [stdout, stderr, [code]] = await Promise.all([
      textOf(worker.stdout),
      textOf(worker.stderr),
      once(worker, 'close'),
    ]);
    assert.deepEqual({ code, stdout }, { code: 0, stdout: 'done\n' }, stderr);
  },
);

/** Asks the engine what a request asks. */
async function answer(request, response) {
  const { text, values } = JSON.parse(await textOf(request));
  const asked = await client();
  const told = await asked.query(text, values).then(
    ({ rows }) => ({ rows: rows.map((row) => Object.values(row).map(inJson)) }),
    ({ code, severity, message }) => ({ refusal: { code, severity, message } }),
  );
  response.end(JSON.stringify(told));
}

/** Bytes as the server writes them. */
function inJson(value) {
  return value instanceof Uint8Array ? `\\x${Buffer.from(value).toString('hex')}` : value;
}
