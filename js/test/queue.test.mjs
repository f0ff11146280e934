import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import * as coord from '@muse/coord';
import { codeOf, freshQueue, muse, ofDirectories, repository } from './support.mjs';

const { openQueue } = coord;
const ID = `sha256:${'0'.repeat(64)}`;

test('a task goes from enqueue by claim to complete, with all that was said', async (t) => {
  const queue = await freshQueue(t);
  const before = Date.now();
  const { deduplicated, ...task } = await queue.enqueue({
    title: '  Refactor billing ',
    priority: 5,
    queue: 'code',
    ttlSeconds: 60,
    runId: 'orchestrator',
    tags: ['a', 'b'],
    payload: { file: 'billing.py', deep: [{ n: 1.5 }] },
  });
  assert.match(task.taskId, /^sha256:[0-9a-f]{64}$/);
  assert.ok(task.createdAt.getTime() >= before - 1 && task.createdAt.getTime() <= Date.now());
  assert.deepEqual(
    { ...task, taskId: 0, createdAt: 0 },
    {
      taskId: 0,
      createdAt: 0,
      title: 'Refactor billing',
      priority: 5,
      queue: 'code',
      ttlSeconds: 60,
      createdBy: 'orchestrator',
      tags: ['a', 'b'],
      maxAttempts: null,
      backoffSeconds: null,
      backoffMaxSeconds: null,
      scheduledAt: null,
      after: [],
      ifParentFails: null,
      unique: null,
      payload: { file: 'billing.py', deep: [{ n: 1.5 }] },
      payloadText: '{"file":"billing.py","deep":[{"n":1.5}]}',
    },
  );
  assert.equal(deduplicated, false);
  assert.equal((await queue.get(task.taskId)).status, 'pending');

  const lease = await queue.claim({ runId: 'agent-1', leaseSeconds: 10 });
  assert.deepEqual(lease.task, task);
  assert.equal(lease.expiresAt - lease.record.claimedAt, 10_000);
  assert.deepEqual([lease.generation, lease.record.attempt, lease.record.status, lease.held], [1, 1, 'claimed', true]);
  assert.equal(await queue.claim({ runId: 'agent-2' }), undefined);

  const record = await lease.complete({ pr: 42 });
  assert.deepEqual([record.status, record.result, record.resultText, lease.held], [
    'completed',
    { pr: 42 },
    '{"pr":42}',
    false,
  ]);
  const item = await queue.get(task.taskId);
  assert.deepEqual([item.status, item.claimerRunId, item.result, item.error], [
    'completed',
    'agent-1',
    { pr: 42 },
    null,
  ]);
  assert.equal((await queue.stats()).counts.completed, 1);
});

test('no text is taken for a part of the request', async (t) => {
  const queue = await freshQueue(t);
  const texts = {
    title: 'cp {,old.}file "},',
    queue: 'q',
    tags: ['{'],
    payload: { text: '{,}', more: '","priority":9' },
  };
  const task = await queue.enqueue(texts);
  assert.deepEqual([task.title, task.tags, task.payload, task.priority], [texts.title, texts.tags, texts.payload, 0]);
});

test('tasks are claimed by priority, then in the order of enqueuing, from one queue or from any', async (t) => {
  const queue = await freshQueue(t);
  const wanted = [
    ['c', 0, 'x'],
    ['b', 2n ** 62n, 'y'],
    ['d', 0, 'y'],
    ['a', 2n ** 63n - 1n, 'x'],
    ['e', -1, 'x'],
  ];
  const tasks = await queue.enqueueMany(wanted.map(([title, priority, name]) => ({ title, priority, queue: name })));
  assert.deepEqual(tasks.map((task) => task.title), ['c', 'b', 'd', 'a', 'e']);
  assert.equal((await queue.claim({ runId: 'r', queue: 'y' })).task.title, 'b');
  const titles = [];
  for (let lease; (lease = await queue.claim({ runId: 'r' }));) titles.push(lease.task.title);
  assert.deepEqual(titles, ['a', 'c', 'd', 'e']);
});

test('of many that are enqueued at once all are checked before the first is written', async (t) => {
  const queue = await freshQueue(t);
  const tasks = [{ title: 'good' }, { title: 'bad', payload: [1] }];
  await assert.rejects(queue.enqueueMany(tasks), coord.BadPayloadError);
  assert.equal((await queue.stats()).total, 0);
});

test('a failure, a release and a cancel do what they say', async (t) => {
  const queue = await freshQueue(t);
  const [a, b] = await queue.enqueueMany([{ title: 'a' }, { title: 'b' }]);
  const lease = await queue.claim({ runId: 'r' });
  await lease.release();
  assert.equal((await queue.get(a.taskId)).status, 'pending');
  const again = await queue.claim({ runId: 'r' });
  assert.deepEqual([again.task.taskId, again.generation, again.record.attempt], [a.taskId, 2, 1]);
  const failed = await again.fail(new TypeError('no such file'));
  assert.deepEqual([failed.status, failed.error], ['failed', 'TypeError: no such file']);
  assert.equal((await queue.get(a.taskId)).error, 'TypeError: no such file');
  assert.equal((await queue.cancel(b.taskId, { runId: 'boss' })).status, 'cancelled');
});

test('a reason that is too long is cut, in whole characters', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueue({ title: 'a' });
  const record = await (await queue.claim({ runId: 'r' })).fail('😀'.repeat(5000));
  assert.equal(record.error, `${'😀'.repeat(4095)}…`);
});

test('a reason tells what caused it', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueue({ title: 'a' });
  const reason = new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED', { cause: { code: 1 } }) });
  const record = await (await queue.claim({ runId: 'r' })).fail(reason);
  assert.equal(record.error, 'TypeError: fetch failed: Error: connect ECONNREFUSED');
});

test('numbers that JavaScript would round are kept in the texts', async (t) => {
  const queue = await freshQueue(t);
  const payload = '{"snowflake":12345678901234567890,"price":1.50}';
  const { taskId } = await queue.enqueue({ title: 'a', payload: { toJSON: () => JSON.parse('{"n":1}') } });
  assert.equal((await queue.get(taskId)).payloadText, '{"n":1}');
  if (JSON.rawJSON === undefined) return;
  const exact = { snowflake: JSON.rawJSON('12345678901234567890'), price: JSON.rawJSON('1.50') };
  const task = await queue.enqueue({ title: 'b', payload: exact });
  assert.deepEqual([task.payloadText, task.payload.snowflake], [payload, 12345678901234567000]);
});

test('who speaks for a task that is not theirs is told whose it is', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a' });
  const first = await queue.claim({ runId: 'first', leaseSeconds: 1 });
  await assert.rejects(queue.resume(taskId, { runId: 'other' }), (error) => {
    assert.ok(error instanceof coord.WrongOwnerError && error instanceof coord.CoordError && error instanceof Error);
    assert.deepEqual([error.name, error.code, error.taskId, error.runId], [
      'WrongOwnerError',
      'wrong_owner',
      taskId,
      'first',
    ]);
    assert.deepEqual([error.expiresAt, error.generation], [first.expiresAt, 1]);
    return true;
  });
  const second = await queue.claim({ runId: 'second', wait: 5 });
  await assert.rejects(first.complete({}), (error) => {
    assert.ok(error instanceof coord.LeaseLostError);
    assert.deepEqual([error.code, error.runId, error.generation], ['lease_lost', 'second', 2]);
    return true;
  });
  await second.complete();
  await assert.rejects(second.heartbeat(), (error) => {
    assert.ok(error instanceof coord.AlreadyTerminalError);
    assert.deepEqual([error.code, error.status, error.runId], ['already_terminal', 'completed', 'second']);
    assert.ok(error.endedAt instanceof Date);
    return true;
  });
});

test('every value out of its limits is refused by the name that it has here, and nothing changes', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a' });
  const lease = await queue.claim({ runId: 'r' });
  const title = 'a';
  const cyclic = {};
  cyclic.self = cyclic;
  const refused = [
    ['bad_args', /title/, () => queue.enqueue({ title: ' ' })],
    ['bad_args', /title/, () => queue.enqueue({})],
    ['bad_args', /queue must be a string, got 5/, () => queue.enqueue({ title, queue: 5 })],
    ['bad_queue', /a b/, () => queue.enqueue({ title, queue: 'a b' })],
    ['bad_args', /ttlSeconds must be between 1 and 315360000, got 0/, () => queue.enqueue({ title, ttlSeconds: 0 })],
    ['bad_args', /ttlSeconds must be a whole number, got 1.5/, () => queue.enqueue({ title, ttlSeconds: 1.5 })],
    ['bad_args', /ttlSeconds must be a whole number, got "60"/, () => queue.enqueue({ title, ttlSeconds: '60' })],
    ['bad_args', /priority must be a whole number, got NaN/, () => queue.enqueue({ title, priority: NaN })],
    [
      'bad_args',
      /priority must be between -9223372036854775808 and 9223372036854775807, got 9223372036854775808/,
      () => queue.enqueue({ title, priority: 2n ** 63n }),
    ],
    ['bad_args', /runId/, () => queue.enqueue({ title, runId: '' })],
    ['bad_args', /33/, () => queue.enqueue({ title, tags: Array(33).fill('t') })],
    ['bad_args', /tag/, () => queue.enqueue({ title, tags: ['a,b'] })],
    ['bad_payload', /object/, () => queue.enqueue({ title, payload: [1] })],
    ['bad_payload', /function/, () => queue.enqueue({ title, payload: () => {} })],
    ['bad_payload', /BigInt/, () => queue.enqueue({ title, payload: { n: 1n } })],
    ['bad_payload', /circular|cyclic/i, () => queue.enqueue({ title, payload: cyclic })],
    ['bad_args', /payload.*65,?536/, () => queue.enqueue({ title, payload: { text: 'x'.repeat(65_536) } })],
    ['bad_args', /runId is missing/, () => queue.claim()],
    [
      'bad_args',
      /leaseSeconds must be between 1 and 86400, got 86401/,
      () => queue.claim({ runId: 'r', leaseSeconds: 86_401 }),
    ],
    ['bad_args', /wait must be between 0 and 3600, got -1/, () => queue.claim({ runId: 'r', wait: -1 })],
    ['bad_queue', /""/, () => queue.claim({ runId: 'r', queue: '' })],
    ['bad_args', /limit must be between 1 and 10000, got 0/, () => queue.list({ limit: 0 })],
    ['bad_args', /status must be scheduled, .* or expired, got "done"/, () => queue.list({ status: 'done' })],
    ['bad_task_id', /undefined/, () => queue.get()],
    ['bad_task_id', /sha256:1/, () => queue.cancel('sha256:1', { runId: 'r' })],
    ['not_found', /sha256:0/, () => queue.cancel(ID, { runId: 'r' })],
    ['bad_args', /nonce/, () => queue.resume(taskId, { runId: 'r', claimNonce: 'x' })],
    ['bad_args', /leaseSeconds/, () => lease.heartbeat({ leaseSeconds: 0 })],
    ['bad_args', /takes an object like { leaseSeconds: 60 }, not 60/, () => lease.heartbeat(60)],
    ['bad_args', /progress must be between 0 and 1, got 1.5/, () => lease.heartbeat({ progress: 1.5 })],
    ['bad_args', /progress must be a number/, () => lease.heartbeat({ progress: '0.5' })],
    ['bad_args', /note is too long \(4097/, () => lease.heartbeat({ note: 'x'.repeat(4097) })],
    ['bad_args', /title, not undefined/, () => lease.complete({}, { enqueue: [undefined] })],
    ['bad_args', /title must be non-empty/, () => lease.complete({}, { enqueue: [{ title: '' }] })],
    ['bad_args', /delaySeconds must be between 0/, () => lease.release({ delaySeconds: -1 })],
    ['bad_args', /maxAttempts must be between 1 and 1000, got 0/, () => queue.enqueue({ title, maxAttempts: 0 })],
    ['bad_args', /maxAttempts must be a whole number, got 1.5/, () => queue.enqueue({ title, maxAttempts: 1.5 })],
    ['bad_args', /maxAttempts/, () => queue.enqueue({ title, backoffSeconds: 1 })],
    ['bad_args', /give one/, () => queue.enqueue({ title, delaySeconds: 1, at: new Date() })],
    ['bad_args', /invalid time "tomorrow"/, () => queue.enqueue({ title, at: 'tomorrow' })],
    ['bad_args', /at is not a valid date/, () => queue.enqueue({ title, at: new Date('tomorrow') })],
    ['bad_args', /after must be an array of strings, got "sha256:0/, () => queue.enqueue({ title, after: ID })],
    ['bad_task_id', /sha256:1/, () => queue.enqueue({ title, after: ['sha256:1'] })],
    ['not_found', /to wait for/, () => queue.enqueue({ title, after: [ID] })],
    ['bad_args', /block, cancel or run/, () => queue.enqueue({ title, after: [taskId], ifParentFails: 'wait' })],
    ['bad_args', /unique key must have 1 to 256/, () => queue.enqueue({ title, unique: '' })],
    ['bad_args', /ifParentFails must be a string, got 5/, () => queue.enqueue({ title, ifParentFails: 5 })],
    ['bad_args', /anyTags must be an array of strings, got "a"/, () => queue.claim({ runId: 'r', anyTags: 'a' })],
    ['bad_args', /tag/, () => queue.claim({ runId: 'r', tags: ['a,b'] })],
    ['bad_queue', /"a b"/, () => queue.claim({ runId: 'r', queues: ['a', 'a b'] })],
    ['bad_args', /max must be a whole number from 1 to 100000, got 0/, () => queue.claimMany(0, { runId: 'r' })],
    ['bad_args', /invalid order "up"/, () => queue.list({ sort: 'up' })],
    ['bad_args', /invalid cursor "x"/, () => queue.list({ cursor: 'x' })],
    ['bad_args', /invalid time "x"/, () => queue.list({ since: 'x' })],
    ['bad_args', /give one/, () => queue.cancel(taskId, { runId: 'r', force: true, request: true })],
    ['bad_args', /reason or note is too long/, () => queue.cancel(taskId, { runId: 'r', reason: 'x'.repeat(4097) })],
    ['not_terminal', /has not ended/, () => queue.retry(taskId)],
    ['not_found', /sha256:0/, () => queue.retry(ID)],
    ['bad_task_id', /sha256:1/, () => queue.wait(['sha256:1'])],
    ['bad_args', /timeoutSeconds must be a whole number from 0/, () => queue.wait(taskId, { timeoutSeconds: -1 })],
    ['bad_queue', /"a b"/, () => queue.watch({ queue: 'a b' }).next()],
    ['bad_queue', /"a b"/, () => queue.pause('a b')],
    ['bad_queue', /"a b"/, () => queue.resumeQueue('a b')],
    ['bad_args', /maxInFlight must be a whole number from 1 to 4294967295, got 0/, () => queue.limit('x', 0)],
    ['bad_args', /windowSeconds/, () => queue.stats({ windowSeconds: 0.5 })],
    ['bad_args', /olderThanSeconds .*got undefined/, () => queue.gc({})],
    ['bad_args', /result/, () => lease.complete('text')],
    ['bad_args', /result/, () => lease.complete({ text: 'x'.repeat(65_536) })],
    ['bad_args', /title, not undefined/, () => queue.enqueue()],
    ['bad_args', /priority is beyond 2\^53.*bigint/, () => queue.enqueue({ title, priority: 2 ** 60 })],
    ['bad_args', /runId must be a string, got 5/, () => queue.enqueue({ title, runId: 5 })],
    ['bad_args', /handler must be a function, got string/, async () => queue.work('x', { runId: 'r' })],
    ['bad_args', /concurrency/, async () => queue.work(() => {}, { runId: 'r', concurrency: 0 })],
  ];
  for (const [code, message, act] of refused) {
    await assert.rejects(act, (error) => {
      assert.ok(error instanceof coord.CoordError, `${act}: ${error.stack}`);
      assert.equal(error.code, code, `${act}: ${error.message}`);
      assert.match(error.message, message);
      return true;
    });
  }
  assert.equal(await queue.get(ID), undefined);
  assert.equal((await queue.stats()).total, 1);
  await lease.complete();
});

test('what was cut is told as a warning of the process', async (t) => {
  const queue = await freshQueue(t);
  const warned = new Promise((resolve) => process.once('warning', resolve));
  const task = await queue.enqueue({ title: 'x'.repeat(600) });
  assert.equal(task.title.length, 512);
  const { name, message } = await warned;
  assert.deepEqual([name, message], ['CoordWarning', 'title was cut from 600 to 512 characters']);
});

test('a repository is found as the command line finds it', ofDirectories, async (t) => {
  const root = repository(t);
  const below = join(root, 'a', 'b');
  mkdirSync(below, { recursive: true });
  const [before, directory] = [process.cwd(), join(root, '.muse', 'coordination')];
  t.after(() => process.chdir(before));
  process.chdir(below);
  assert.equal((await openQueue()).directory, directory);
  process.env.MUSE_REPO_ROOT = root;
  t.after(() => delete process.env.MUSE_REPO_ROOT);
  process.chdir(before);
  assert.equal((await openQueue()).directory, directory);
  delete process.env.MUSE_REPO_ROOT;
  assert.equal((await openQueue({ root: pathToFileURL(root) })).directory, directory);
  await assert.rejects(openQueue({ root: below }), coord.NotARepositoryError);
  assert.equal((await openQueue({ root: below, init: true })).directory, join(below, '.muse', 'coordination'));
});

test('a directory that is no queue, or of another format, is refused and left alone', ofDirectories, async (t) => {
  const root = repository(t);
  const directory = join(root, '.muse', 'coordination');
  mkdirSync(directory);
  writeFileSync(join(directory, 'format.json'), '{"format":99}');
  await assert.rejects(openQueue({ root }), coord.UnsupportedFormatError);
  writeFileSync(join(directory, 'format.json'), '{"format":4,"features":[]}');
  writeFileSync(join(directory, 'ready'), 'in the way');
  const queue = await openQueue({ root });
  await assert.rejects(queue.enqueue({ title: 'a' }), (error) => {
    assert.ok(error instanceof coord.IoError);
    assert.equal(error.kind, 'wrong-type');
    return true;
  });
  rmSync(join(directory, 'ready'));
  await queue.enqueue({ title: 'a' });
});

test(
  'what is in the place of the directory is named, and nothing is made where a link leads',
  ofDirectories,
  async (t) => {
    for (
      const [make, kind, words] of [
        [
          (directory) => symlinkSync('nowhere', directory),
          'wrong-type',
          'it is a link to "nowhere", which is not there; move what is in the way to another place',
        ],
        [
          (directory) => symlinkSync('coordination', directory),
          'wrong-type',
          'too many symbolic links encountered; move what is in the way to another place',
        ],
        [
          (directory) => writeFileSync(directory, ''),
          'other',
          'it is a file, which may lead to an engine: pass a client of that server as ' +
          'openQueue({ store: postgres(client, { schema }) })',
        ],
        [
          (directory) => writeFileSync(directory, '{"store":"postgres://muse@db/work"}'),
          'other',
          'it is a file that leads to postgres://muse@db/work: pass a client of that server as ' +
          'openQueue({ store: postgres(client, { schema }) })',
        ],
      ]
    ) {
      const root = repository(t);
      const directory = join(root, '.muse', 'coordination');
      make(directory);
      await assert.rejects(openQueue({ root }), (error) => {
        assert.deepEqual([error.code, error.kind], ['io_error', kind]);
        const what = `cannot open the coordination directory ${JSON.stringify(directory)}`;
        assert.equal(error.message, `${what}: ${words}`);
        return true;
      });
      assert.deepEqual(readdirSync(join(root, '.muse')), ['coordination']);
    }
  },
);

test(
  'what is made is open to those who may write in the directory alone, whatever the umask is',
  ofDirectories,
  async (t) => {
    for (
      const [above, directory, file] of [
        // More than any umask leaves.
        [0o2777, '2777', '666'],
        [0o2775, '2770', '660'],
        [0o755, '700', '600'],
      ]
    ) {
      const root = repository(t);
      chmodSync(join(root, '.muse'), above);
      const queue = await openQueue({ root });
      const { taskId } = await queue.enqueue({
        title: 'a',
        unique: 'k',
        tags: ['one', 'two', 'three', 'four', 'five'],
      });
      await queue.enqueue({ title: 'b', after: [taskId] });
      await (await queue.claim({ runId: 'a' })).complete({ pr: 42 });
      const made = readdirSync(join(root, '.muse'), { recursive: true, withFileTypes: true });
      for (const entry of made) {
        const mode = statSync(join(entry.parentPath, entry.name)).mode & 0o7777;
        assert.equal(mode.toString(8), entry.isDirectory() ? directory : file, entry.name);
      }
    }
  },
);

test('a queue that came with a copy is refused until somebody takes it over or names it', ofDirectories, async (t) => {
  const root = repository(t);
  await (await openQueue({ root })).enqueue({ title: 'theirs' });
  const copy = join(repository(t), 'copy');
  cpSync(root, copy, { recursive: true });
  const before = process.cwd();
  t.after(() => process.chdir(before));
  process.chdir(copy);
  await assert.rejects(openQueue(), (error) => {
    assert.deepEqual([error.code, error.kind], ['io_error', 'other']);
    assert.match(error.message, /it came with a copy of the repository, as did its tasks.*`muse coord init` in /);
    return true;
  });
  assert.equal((await (await openQueue({ root: copy })).claim({ runId: 'a' })).task.title, 'theirs');
  muse(copy, 'init');
  assert.equal(await (await openQueue()).claim({ runId: 'b' }), undefined);
});

test(
  'a repository that is a link, or that everybody may write in, is refused unless it is named',
  ofDirectories,
  async (t) => {
    const other = repository(t);
    const before = process.cwd();
    t.after(() => process.chdir(before));
    for (
      const [make, why] of [
        [(root) => symlinkSync(join(other, '.muse'), join(root, '.muse')), /it is a link to .*another project's/],
        [
          (root) => (mkdirSync(join(root, '.muse')), chmodSync(join(root, '.muse'), 0o777)),
          /everybody on this machine/,
        ],
      ]
    ) {
      const root = join(repository(t), 'inside');
      mkdirSync(root);
      make(root);
      process.chdir(root);
      await assert.rejects(openQueue(), (error) => error.code === 'io_error' && why.test(error.message));
      await openQueue({ root });
    }
  },
);

test('settings come from the environment where no option says otherwise', ofDirectories, async (t) => {
  const root = repository(t);
  process.env.MUSE_RUN_ID = 'from-the-environment';
  t.after(() => delete process.env.MUSE_RUN_ID);
  const queue = await openQueue({ root });
  assert.equal((await queue.enqueue({ title: 'a' })).createdBy, 'from-the-environment');
  assert.equal((await queue.claim()).runId, 'from-the-environment');
  process.env.MUSE_COORD_SYNC = 'of';
  t.after(() => delete process.env.MUSE_COORD_SYNC);
  assert.equal(await codeOf(openQueue({ root })), 'bad_args');
});
