// What a queue on an engine is beside one in a directory. The other tests run on engines, too: `MUSE_JS_STORE`.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as coord from '@muse/coord';
import { serverOf } from './agents/server.mjs';
import { conformanceCheck, conformanceChecksOnEngine, Engine, initSync } from '../generated/conformance/muse_coord.js';
import { fileURLToPath } from 'node:url';
import { client, codeOf, engine, freshSchema, isDeno } from './support.mjs';

const { openQueue, postgres } = coord;
const onEngines = { skip: engine === undefined && 'it is on engines alone' };

/** PGlite is in this process, with its clock. */
const ofServers = { skip: engine !== 'pg' && 'it is on servers alone' };

/** A queue of its own, whose every question passes `meet` on its way. */
async function queueBy(meet, schema = freshSchema()) {
  const asked = await client();
  await openQueue({ store: postgres(asked, { schema }), init: true });
  return openQueue({
    store: postgres({
      query: (...words) => meet(() => asked.query(...words), ...words),
    }, { schema }),
  });
}

// A check with 8,000 questions is run as often: that takes half a minute.
const inNode = { skip: onEngines.skip || isDeno && 'Node does it' };

test(
  'the store conforms, by statements that a client without sessions asks',
  inNode,
  async () => {
    initSync({
      module: readFileSync(
        new URL('../generated/conformance/muse_coord_bg.wasm', import.meta.url),
      ),
    });
    const asked = await client();
    const findings = [];
    let checks = 0;
    for (; checks < conformanceChecksOnEngine(); checks += 1) {
      const opened = new Engine(freshSchema(), {
        moment: () => performance.now(),
        nonce: () => BigInt(checks),
      });
      await asked.query(opened.creation().text, []);
      const binding = opened.queue();
      binding.begin();
      for (;;) {
        const found = conformanceCheck(checks, binding);
        const question = binding.question();
        if (question === undefined) {
          if (found !== undefined) findings.push(found);
          break;
        }
        const { text, values, isSeveral } = question;
        const cell = (value) => value instanceof Uint8Array ? `\\x${Buffer.from(value).toString('hex')}` : value;
        await asked.query(text, values).then(
          ({ rows }) => {
            if (isSeveral) binding.answeredInOne(Object.values(rows[0]));
            else {binding.answered(
                JSON.stringify(rows.map((row) => Object.values(row).map(cell))),
              );}
          },
          ({ code, severity, message }) => binding.failed(code, severity, message),
        );
      }
    }
    assert.deepEqual(findings, []);
    assert.ok(checks >= 18);
  },
);

test(
  'a schema without a queue is named, and what to do',
  onEngines,
  async () => {
    const store = postgres(await client(), { schema: 'none' });
    await assert.rejects(openQueue({ store }), (error) => {
      assert.ok(error instanceof coord.IoError);
      assert.equal(
        error.message,
        'cannot open the queue in schema "none": there is no queue: name another schema, or make it by { init: true }, ' +
          'or by `muse coord init --store URL`',
      );
      return true;
    });
    const strange = freshSchema() + ` "';--$muse$`;
    const queue = await openQueue({
      store: postgres(await client(), { schema: strange }),
      init: true,
    });
    await queue.enqueue({ title: 'a' });
    assert.equal(
      (await (await queue.claim({ runId: 'r' })).complete()).status,
      'completed',
    );
  },
);

test('what is no client, no option and no schema is refused in words', async () => {
  const none = { query: () => assert.fail('nothing is to be asked') };
  for (
    const [make, words] of [
      [
        () => postgres(undefined),
        'postgres takes a client with a method query(text, values), got undefined',
      ],
      [
        () => postgres(none, { shema: 'a' }),
        'postgres has no option "shema". It has schema, prepare',
      ],
      [() => postgres(none, { schema: 5 }), 'schema must be a string, got 5'],
    ]
  ) assert.throws(make, { name: 'BadArgsError', message: words });
  for (const schema of ['', 'pg_a', 'a\nb', 'a'.repeat(64)]) {
    await assert.rejects(openQueue({ store: postgres(none, { schema }) }), {
      code: 'bad_args',
      message: /^schema must be a name of 1 to 63 bytes/,
    });
  }
  await assert.rejects(openQueue({ store: none }), {
    message: /^store must be what postgres\(client\) returns, got/,
  });
});

for (const prepare of engine === 'pg' ? [false, true] : [false]) {
  test(
    `each of many that claim at once gets a task of its own, prepare ${prepare}`,
    onEngines,
    async (t) => {
      const store = postgres(await client(), {
        schema: freshSchema(),
        prepare,
      });
      const queue = await openQueue({ store, init: true });
      const titles = Array.from({ length: 1000 }, (_, n) => `t${n}`);
      await queue.enqueueMany(titles.map((title) => ({ title })));
      const done = [];
      const began = performance.now();
      await Promise.all(Array.from({ length: 16 }, async (_, n) => {
        for await (const lease of queue.claims({ runId: `r${n}`, wait: 0 })) {
          await lease.complete({ n });
          done.push(lease.task.title);
        }
      }));
      const rate = done.length / (performance.now() - began) * 1000;
      t.diagnostic(
        `${rate.toFixed(0)} claims and completions a second, 16 in flight`,
      );
      assert.deepEqual(done.sort(), titles.sort());
      assert.equal((await queue.stats()).counts.completed, 1000);
    },
  );
}

test(
  'a claim and a completion ask as little as they can',
  onEngines,
  async () => {
    const asked = [];
    const queue = await queueBy((ask, text) => {
      asked.push(text);
      return ask();
    });
    await queue.enqueueMany(
      Array.from({ length: 3 }, (_, n) => ({ title: `t${n}` })),
    );
    const counted = async (call) => {
      asked.length = 0;
      const outcome = await call();
      return [asked.length, outcome];
    };
    const [first, lease] = await counted(() => queue.claim({ runId: 'r' }));
    const [completing] = await counted(() => lease.complete({ n: 1 }));
    // Once a second a claim also looks whether it is time to sweep.
    const [second] = await counted(() => queue.claim({ runId: 'r' }));
    const [empty] = await counted(() => queue.claim({ runId: 'r', queue: 'other' }));
    assert.ok(
      first <= 4 && completing === 2 && second <= 2 && empty <= 2,
      `${[first, completing, second, empty]}`,
    );
  },
);

test(
  'a change whose reply is lost has an unknown outcome, and one that was refused has none',
  onEngines,
  async () => {
    let meet = (ask) => ask();
    const queue = await queueBy((ask, text) => meet(ask, text));
    await queue.enqueueMany([{ title: 'a' }, { title: 'b' }]);
    const lease = await queue.claim({ runId: 'r' });
    meet = async (ask, text) => {
      const answer = await ask();
      if (text.includes('grown')) throw new Error('the line broke');
      return answer;
    };
    await assert.rejects(lease.complete({ n: 1 }), (error) => {
      assert.ok(error instanceof coord.UnknownOutcomeError, error);
      assert.match(error.message, /the line broke/);
      return true;
    });
    meet = (ask) => ask();
    // Said again, it tells what came of it.
    await assert.rejects(lease.complete({ n: 1 }), {
      code: 'already_terminal',
      status: 'completed',
      runId: 'r',
    });
    for (
      const [error, code] of [
        [{ code: 'ECONNREFUSED', message: 'no server' }, 'io_error'],
        [{ code: '53300', severity: 'FATAL', message: 'too many' }, 'unknown'],
        [
          { code: '42501', severity: 'ERROR', message: 'permission denied' },
          'io_error',
        ],
        [{ code: '57P01', message: 'terminating connection' }, 'unknown'],
        ['a word', 'unknown'],
        // Of a connection that was there, and of a server that speaks German.
        [{ code: 'EPIPE', message: 'write EPIPE' }, 'unknown'],
        [
          { code: '42501', severity: 'FEHLER', message: 'keine Berechtigung' },
          'io_error',
        ],
        [Object.create(null), 'unknown'],
      ]
    ) {
      meet = () => Promise.reject(error);
      assert.equal(
        await codeOf(queue.enqueue({ title: 'c' })),
        code,
        JSON.stringify(error),
      );
    }
    meet = (ask) => ask();
    assert.equal((await queue.stats()).counts.pending, 1);
  },
);

test(
  'what is set for a queue holds for the next claim, and a task is taken as it is when it is given',
  onEngines,
  async () => {
    const queue = await queueBy((ask) => ask());
    const task = { title: 'a' };
    const enqueuing = queue.enqueue(task);
    task.title = 'b';
    assert.equal((await enqueuing).title, 'a');
    await queue.enqueueMany([{ title: 'c' }, { title: 'd' }]);
    await queue.claim({ runId: 'r' });
    await queue.pause('default');
    assert.equal(await queue.claim({ runId: 'r' }), undefined);
    await queue.resumeQueue('default');
    assert.equal((await queue.claim({ runId: 'r' })).task.title, 'c');
  },
);

test(
  'what was cut of many tasks is told, though they wait for others',
  onEngines,
  async (t) => {
    const queue = await queueBy((ask) => ask());
    const { taskId } = await queue.enqueue({ title: 'a' });
    const told = [];
    const listener = ({ message }) => told.push(message);
    process.on('warning', listener);
    t.after(() => process.off('warning', listener));
    await queue.enqueueMany([{ title: 'x'.repeat(600), after: [taskId] }]);
    await sleep(10);
    assert.equal(
      told.filter((message) => message.includes('title')).length,
      1,
      `${told}`,
    );
  },
);

test(
  'a lease whose end is under way is not told that it is lost',
  onEngines,
  async () => {
    let meet = (ask) => ask();
    const queue = await queueBy((ask, text) => meet(ask, text));
    await queue.enqueue({ title: 'a' });
    const lease = await queue.claim({ runId: 'r' });
    const { signal } = lease;
    meet = async (ask, text) => {
      const answer = await ask();
      // The end is made, and its answer takes so long that the lease is looked at.
      if (text.includes('grown')) await sleep(1500);
      return answer;
    };
    const completing = lease.complete({ n: 1 });
    assert.equal(lease.held, false);
    assert.equal((await completing).status, 'completed');
    assert.deepEqual([signal.aborted, lease.record.status], [
      false,
      'completed',
    ]);
  },
);

test('whoever waits asks at most 4 times a second', onEngines, async () => {
  let asked = 0;
  const queue = await queueBy((ask) => {
    asked += 1;
    return ask();
  });
  const stop = new AbortController();
  const waiting = codeOf(
    queue.claim({ runId: 'r', wait: 30, signal: stop.signal }),
  );
  await sleep(500);
  asked = 0;
  await sleep(4000);
  assert.ok(asked <= 17, `${asked} in 4 s`);
  stop.abort();
  await waiting;
});

test(
  "the time is the server's, whatever the clock of this host says",
  ofServers,
  async (t) => {
    const real = Date.now;
    t.after(() => (Date.now = real));
    Date.now = () => real() + 3_600_000;
    const queue = await queueBy((ask) => ask());
    const { createdAt } = await queue.enqueue({ title: 'a' });
    assert.ok(Math.abs(createdAt.getTime() - real()) < 5_000);
  },
);

test(
  'the program in docs/engines.md prints what stands there',
  ofServers,
  async (t) => {
    const page = readFileSync(
      new URL('../../docs/engines.md', import.meta.url),
      'utf8',
    );
    const [, program, shown] = /^```js\n(.*?)^```\n\n```text\n\$ node count.mjs\n(.*?)^```$/ms.exec(
      page,
    );
    const directory = mkdtempSync(join(tmpdir(), 'muse-js-engine-'));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    symlinkSync(
      fileURLToPath(new URL('node_modules', import.meta.url)),
      join(directory, 'node_modules'),
    );
    writeFileSync(
      join(directory, 'count.mjs'),
      program.replace("'billing'", JSON.stringify(freshSchema())),
    );
    const { host, port, user, database } = serverOf(process.env.ON_POSTGRES).client;
    const env = {
      ...process.env,
      PGHOST: host,
      PGPORT: `${port}`,
      PGUSER: user,
      PGDATABASE: database,
    };
    const { stdout, stderr } = spawnSync(process.env.NODE, ['count.mjs'], {
      cwd: directory,
      env,
      encoding: 'utf8',
    });
    assert.deepEqual([stdout, stderr], [shown, '']);
  },
);

test(
  'statements are planned once, where that is asked for',
  ofServers,
  async () => {
    const names = new Set();
    const asked = await client();
    const preparing = {
      query(...words) {
        if (words.length === 1) names.add(words[0].name);
        return asked.query(...words);
      },
    };
    const queue = await openQueue({
      store: postgres(preparing, { schema: freshSchema(), prepare: true }),
      init: true,
    });
    await queue.enqueueMany(
      Array.from({ length: 20 }, (_, n) => ({ title: `t${n}` })),
    );
    for await (const lease of queue.claims({ runId: 'r', wait: 0 })) {
      await lease.complete({});
    }
    assert.equal((await queue.stats()).counts.completed, 20);
    assert.ok(names.size > 3 && names.size < 30, `${names.size}`);
  },
);
