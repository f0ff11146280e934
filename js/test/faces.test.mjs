import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openQueue } from '@muse/coord';
import { codeOf, isDeno, muse, repository, start, withNoFurtherGrants } from './support.mjs';

/** The other runtime than the one that runs this. */
const OTHER = isDeno ? 'node' : 'deno';

test('what the command line enqueues is claimed here, and what is completed here it shows', async (t) => {
  const root = repository(t);
  const enqueued = muse(
    root,
    'enqueue',
    'Fix it',
    '--priority',
    '7',
    '--payload',
    '{"big":12345678901234567890}',
    '--tags',
    'a,b',
  );
  const queue = await openQueue({ root });
  const lease = await queue.claim({ runId: 'js' });
  assert.deepEqual(
    [lease.task.taskId, lease.task.title, lease.task.priority, lease.task.tags, lease.task.payloadText],
    [enqueued.task_id, 'Fix it', 7, ['a', 'b'], '{"big":12345678901234567890}'],
  );
  assert.equal(muse(root, 'claim', '--run-id', 'other').status, 'empty');
  assert.equal(muse(root, 'complete', enqueued.task_id, '--run-id', 'other').status, 'wrong_owner');
  await lease.complete({ pr: 42 });
  const [item] = muse(root, 'tasks').items;
  assert.deepEqual([item.status, item.claimer_run_id, item.result], ['completed', 'js', { pr: 42 }]);
});

test('what is enqueued here is claimed by the command line, with the same id of the same content', async (t) => {
  const root = repository(t);
  const queue = await openQueue({ root });
  const task = await queue.enqueue({ title: 'Ünïcödé 😀', payload: { z: 1, a: [1.5, 'ä'] }, runId: 'js' });
  const claim = muse(root, 'claim', '--run-id', 'cli');
  assert.deepEqual([claim.task_id, claim.task.title, claim.task.payload], [task.taskId, task.title, task.payload]);
  muse(root, 'fail-task', task.taskId, '--run-id', 'cli', '--error', 'no');
  const item = await queue.get(task.taskId);
  assert.deepEqual([item.status, item.error, item.claimerRunId], ['failed', 'no', 'cli']);
  assert.equal(muse(root, 'doctor').healthy, true);
});

test('what one face plans and asks for the other keeps to, and both tell of it alike', async (t) => {
  const root = repository(t);
  const planned = muse(root, 'enqueue', 'a', '--max-attempts', '3', '--backoff', '0s', '--unique', 'k', '--tags', 'x');
  const queue = await openQueue({ root });
  const { deduplicated, taskId } = await queue.enqueue({ title: 'b', unique: 'k' });
  assert.deepEqual([deduplicated, taskId], [true, planned.task_id]);
  const [child] = await queue.enqueueMany([{ title: 'c', after: [taskId], delaySeconds: 60 }]);

  const lease = await queue.claim({ runId: 'js', tags: ['x'] });
  await lease.heartbeat({ progress: 0.5, note: 'half' });
  await lease.fail('no');
  const { attempt } = muse(root, 'claim', '--run-id', 'cli', '--any-tag', 'x,y');
  assert.equal(attempt, 2);
  await queue.cancel(taskId, { runId: 'boss', request: true, reason: 'enough' });
  const { cancel_requested: requested, cancel_reason: reason } = muse(root, 'heartbeat', taskId, '--run-id', 'cli');
  assert.deepEqual([requested, reason], [true, 'enough']);
  assert.equal(muse(root, 'release', taskId, '--run-id', 'cli').status, 'cancelled');

  for (const id of [taskId, child.taskId]) {
    const [here, there] = [await queue.get(id), muse(root, 'show', id)];
    const outline = ({ status, attempt, generation, history }) => ({
      ...{ status, attempt, generation },
      history: history.map((report) => [report.kind, report.attempt, report.error ?? null, report.reason ?? null]),
    });
    assert.deepEqual(outline(here), outline(there));
    const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
    const envelope = ['museVersion', 'schema', 'exitCode', 'durationMs', 'timestamp', 'warnings'];
    // Here it is one object, or null.
    const flat = ['cancelRequested', 'cancelRequestedBy', 'cancelReason'];
    const names = Object.keys(there).map(camel).filter((name) => ![...envelope, ...flat].includes(name));
    assert.deepEqual(names.filter((name) => !(name in here)), []);
  }
  assert.equal((await queue.get(child.taskId)).status, 'cancelled');
  assert.deepEqual((await queue.retry(taskId)).status, 'pending');
  const asked = await queue.claim({ runId: 'js' });
  muse(root, 'cancel-task', taskId, '--request', '--run-id', 'boss');
  assert.deepEqual((await asked.heartbeat()).cancelRequest, { runId: 'boss', reason: null });
  await asked.release();
  assert.equal(muse(root, 'doctor').healthy, true);
});

test('a worker that is killed in the middle of a task loses it to the other runtime after the lease', async (t) => {
  const root = repository(t);
  const queue = await openQueue({ root });
  const { taskId } = await queue.enqueue({ title: 'a', payload: { forever: true } });
  const options = JSON.stringify({ leaseSeconds: 1 });
  const first = start(t, 'worker.mjs', root, ['first', options]);
  assert.deepEqual([await first.line(), await first.line()], ['ready', 'began a 1']);
  const record = await queue.list({ runId: 'first' });
  first.kill('SIGKILL');
  assert.equal(await first.ended(), 'SIGKILL');
  const second = start(t, 'worker.mjs', root, ['second', options], OTHER);
  assert.deepEqual([await second.line(), await second.line()], ['ready', 'began a 2']);
  assert.equal(record.items[0].generation, 1);
  // What the first would have been told, had it lived.
  assert.equal(await codeOf(queue.resume(taskId, { runId: 'first' })), 'lease_lost');
  second.kill('SIGKILL');
  await second.ended();
  assert.equal(muse(root, 'complete', taskId, '--run-id', 'second').status, 'completed');
});

test(
  'a worker that sleeps for longer than its lease is told so when it wakes',
  { skip: process.platform === 'win32' },
  async (t) => {
    const root = repository(t);
    const queue = await openQueue({ root });
    const { taskId } = await queue.enqueue({ title: 'a', payload: { millis: 500 } });
    const options = JSON.stringify({ leaseSeconds: 1 });
    const first = start(t, 'worker.mjs', root, ['first', options]);
    assert.deepEqual([await first.line(), await first.line()], ['ready', 'began a 1']);
    first.kill('SIGSTOP');
    const second = start(t, 'worker.mjs', root, ['second', options], OTHER);
    assert.deepEqual([await second.line(), await second.line()], ['ready', 'began a 2']);
    assert.match(await second.line(), /^completed a/);
    first.kill('SIGCONT');
    assert.match(await first.line(), /^lost a .*completed/);
    [first, second].forEach(({ kill }) => kill('SIGKILL'));
    assert.equal((await queue.get(taskId)).result.by, 'second');
  },
);

test('agents of every runtime work off one queue, each task once', async (t) => {
  const root = repository(t);
  const queue = await openQueue({ root });
  const options = JSON.stringify({ concurrency: 3 });
  const workers = ['node', 'deno', 'node', 'deno'].map((runtime, n) =>
    start(t, 'worker.mjs', root, [`${runtime}-${n}`, options], runtime)
  );
  await Promise.all(workers.map((worker) => worker.line()));
  const tasks = await (await openQueue({ root, sync: false })).enqueueMany(
    Array.from({ length: 200 }, (_, n) => ({ title: `t${n}`, payload: { millis: 40 } })),
  );
  const done = {};
  while ((await queue.stats()).counts.completed < tasks.length) {
    const claim = muse(root, 'claim', '--run-id', 'cli', '--wait', '0');
    if (claim.task_id === undefined) continue;
    assert.equal(
      muse(root, 'complete', claim.task_id, '--run-id', 'cli', '--result', '{"by":"cli"}').status,
      'completed',
    );
  }
  workers.forEach(({ kill }) => kill('SIGKILL'));
  const { items } = await queue.list({ limit: 1000 });
  for (const { result } of items) done[result.by] = (done[result.by] ?? 0) + 1;
  t.diagnostic(JSON.stringify(done));
  assert.ok(items.every(({ generation, status }) => generation === 1 && status === 'completed'));
  assert.equal(Object.keys(done).length, 5, 'somebody was left out');
  assert.equal(muse(root, 'doctor').healthy, true);
});

test('Deno says which grant is missing, and needs no other than for the directory', async (t) => {
  const root = repository(t);
  await (await openQueue({ root })).init();
  const deno = isDeno ? process.execPath : process.env.DENO;
  const here = new URL('.', import.meta.url);
  const program = `import { openQueue } from '@muse/coord';
    try {
      const queue = await openQueue({ root: ${JSON.stringify(root)} });
      await queue.enqueue({ title: 'a' });
      const lease = await queue.claim({ runId: 'r', wait: 1 });
      await lease.complete({ n: 1 });
      console.log((await queue.stats()).counts.completed);
    } catch (error) {
      console.log(error.code, error.message);
    }`;
  const run = (...grants) => {
    const words = ['run', '--no-prompt', '--quiet', '--ext=js', ...grants, '-'];
    return spawnSync(...withNoFurtherGrants(deno, words, { input: program, encoding: 'utf8', cwd: here }));
  };
  const directory = `${root}/.muse/coordination`;
  const [read, write] = [`--allow-read=${directory}`, `--allow-write=${directory}`];
  assert.match(run().stdout, new RegExp(`^io_error .*${read} and ${write}`));
  assert.match(run(read).stdout, /^io_error .*write access/);
  const granted = run(read, write);
  assert.equal(granted.stdout, '1\n', granted.stderr);
});

test(
  'Deno asks nobody at a terminal for more than was granted',
  { skip: process.platform !== 'linux' && 'for script(1)' },
  async (t) => {
    const root = repository(t);
    await (await openQueue({ root })).enqueue({ title: 'a' });
    const deno = isDeno ? process.execPath : process.env.DENO;
    const worker = fileURLToPath(new URL('agents/worker.mjs', import.meta.url));
    const directory = join(root, '.muse', 'coordination');
    const words = [
      'run',
      '--quiet',
      `--allow-read=${directory}`,
      `--allow-write=${directory}`,
      worker,
      root,
      'r',
      '{"wait":1}',
    ];
    const command = [deno, ...words].map((word) => `'${word}'`).join(' ');
    const { stdout } = spawnSync('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      input: '',
      encoding: 'utf8',
      timeout: 20_000,
    });
    assert.deepEqual(stdout.trim().split(/\s*\n/), ['ready', 'began a 1', 'completed a', 'stopped']);
  },
);
