// When, how often and by whom a task is tried.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as coord from '@muse/coord';
import { freshQueue, ofDirectories } from './support.mjs';

const ID = `sha256:${'0'.repeat(64)}`;

/** The titles of all that can be claimed. */
async function claimable(queue, options) {
  return (await queue.claimMany(100, { runId: 'r', ...options })).map(({ task }) => task.title);
}

test('a task waits between two attempts, and not after a failure that is final', async (t) => {
  const queue = await freshQueue(t);
  const plan = { maxAttempts: 2, backoffSeconds: 100, backoffMaxSeconds: 200 };
  const [a, b] = await queue.enqueueMany([{ title: 'a', ...plan }, { title: 'b', ...plan }]);
  assert.equal(a.backoffMaxSeconds, 200);
  const [first, second] = await queue.claimMany(2, { runId: 'r' });
  const before = Date.now();
  const { status, scheduledAt } = await first.fail('not yet');
  assert.equal(status, 'scheduled');
  const seconds = (scheduledAt - before) / 1000;
  assert.ok(seconds > 49 && seconds < 101, `${seconds}`);
  assert.equal((await second.fail('never', { final: true })).status, 'failed');
  const [waiting, ended] = [await queue.get(a.taskId), await queue.get(b.taskId)];
  assert.deepEqual([waiting.status, waiting.scheduledAt, ended.status], ['scheduled', scheduledAt, 'failed']);
});

test('a task that is put off cannot be claimed before its time', async (t) => {
  const queue = await freshQueue(t);
  const at = new Date(Date.now() + 60_000);
  const tasks = await queue.enqueueMany([
    { title: 'date', at },
    { title: 'text', at: at.toISOString().replace('Z', '+00:00') },
    { title: 'past', at: new Date(0) },
    { title: 'soon', delaySeconds: 1 },
  ]);
  assert.deepEqual(tasks.slice(0, 2).map(({ scheduledAt }) => scheduledAt), [at, at]);
  assert.deepEqual(await claimable(queue), ['past']);
  assert.equal((await queue.stats()).counts.scheduled, 3);
  assert.equal((await queue.claim({ runId: 'r', wait: 5 })).task.title, 'soon');
});

test('nothing of a batch is enqueued if one of its tasks is to wait for one that there is not', async (t) => {
  const queue = await freshQueue(t);
  await assert.rejects(queue.enqueueMany([{ title: 'a' }, { title: 'b', after: [ID] }]), (error) => {
    assert.ok(error instanceof coord.NotFoundError);
    assert.equal(error.taskId, ID);
    return true;
  });
  assert.equal((await queue.stats()).total, 0);
});

test('of the tasks of a queue with one unique key one lives', async (t) => {
  const queue = await freshQueue(t);
  const first = await queue.enqueue({ title: 'a', unique: 'nightly' });
  assert.deepEqual([first.deduplicated, first.unique], [false, 'nightly']);
  const second = await queue.enqueue({ title: 'b', unique: 'nightly' });
  assert.deepEqual([second.deduplicated, second.taskId, second.title], [true, first.taskId, 'a']);
  const [again, elsewhere] = await queue.enqueueMany([
    { title: 'c', unique: 'nightly' },
    { title: 'd', unique: 'nightly', queue: 'other' },
  ]);
  assert.deepEqual([again.deduplicated, elsewhere.deduplicated], [true, false]);
  await (await queue.claim({ runId: 'r' })).fail('no');
  const next = await queue.enqueue({ title: 'e', unique: 'nightly' });
  assert.equal(next.deduplicated, false);
  await assert.rejects(queue.retry(first.taskId), (error) => {
    assert.ok(error instanceof coord.KeyTakenError);
    assert.deepEqual([error.code, error.taskId, error.liveTaskId], ['key_taken', first.taskId, next.taskId]);
    assert.equal(error.taskStatus, 'failed');
    return true;
  });
});

test('a batch that is larger than a step is enqueued in its order, and others are let do something', async (t) => {
  const queue = await freshQueue(t);
  let turns = 0;
  const ticking = setInterval(() => (turns += 1), 1);
  const titles = Array.from({ length: 600 }, (_, n) => `t${n}`);
  const tasks = await queue.enqueueMany(titles.map((title) => ({ title })));
  clearInterval(ticking);
  assert.ok(turns > 0);
  assert.deepEqual(tasks.map(({ title }) => title), titles);
  const leases = await queue.claimMany(601, { runId: 'r' });
  assert.deepEqual(leases.map(({ task }) => task.title), titles);
  assert.deepEqual(await queue.enqueueMany([]), []);
});

test('of a batch, the steps before the medium failed are told, and stay', ofDirectories, async (t) => {
  const queue = await freshQueue(t);
  await queue.init();
  writeFileSync(join(queue.directory, 'ready', 'in-the-way'), '');
  const tasks = Array.from({ length: 300 }, (_, n) => ({ title: `t${n}`, queue: n < 280 ? 'good' : 'in-the-way' }));
  await assert.rejects(queue.enqueueMany(tasks), (error) => {
    assert.ok(error instanceof coord.IoError);
    assert.deepEqual(error.enqueued.map(({ title }) => title), tasks.slice(0, 256).map(({ title }) => title));
    return true;
  });
  assert.ok((await queue.stats()).counts.pending >= 256);
});

test('a queue that is named by itself is one more, and no queues are all', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueueMany(['x', 'y', 'z'].map((title) => ({ title, queue: title })));
  const wanted = [[{ queue: 'z', queues: ['y'] }, ['y', 'z']], [{ queues: [] }, ['x', 'y', 'z']]];
  for (const [options, titles] of wanted) {
    const leases = await queue.claimMany(9, { runId: 'r', ...options });
    assert.deepEqual(leases.map(({ task }) => task.title), titles, JSON.stringify(options));
    for (const lease of leases) await lease.release();
  }
});

test('many are claimed at once: as many as there are, and no more than asked for', async (t) => {
  const queue = await freshQueue(t);
  assert.deepEqual(await queue.claimMany(3, { runId: 'r' }), []);
  const waiting = queue.claimMany(3, { runId: 'r', wait: 5 });
  await queue.enqueue({ title: 'a' });
  assert.deepEqual((await waiting).map(({ task }) => task.title), ['a']);
  await queue.enqueueMany(['b', 'c', 'd', 'e'].map((title) => ({ title })));
  const leases = await queue.claimMany(3, { runId: 'r', leaseSeconds: 10 });
  assert.deepEqual(leases.map(({ task, generation }) => [task.title, generation]), [['b', 1], ['c', 1], ['d', 1]]);
  assert.equal(leases[2].expiresAt - leases[2].record.claimedAt, 10_000);
  await Promise.all(leases.map((lease) => lease.complete()));
  assert.equal((await queue.stats()).counts.completed, 3);
});

test('nothing is claimed of a queue that is paused, and of a limited one no more than it may', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueueMany(['a', 'b', 'c'].map((title) => ({ title, queue: 'x' })));
  assert.deepEqual([await queue.pause('x'), await queue.pause('x')], [true, false]);
  const warnings = [];
  const note = (warning) => warnings.push(warning.message);
  process.on('warning', note);
  t.after(() => process.off('warning', note));
  assert.deepEqual([await claimable(queue), await claimable(queue)], [[], []]);
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(warnings, ['queue x is paused: `muse coord resume x` ends the pause'], 'told once');
  assert.equal((await queue.stats()).queues.x.paused, true);
  assert.deepEqual([await queue.resumeQueue('x'), await queue.resumeQueue('x')], [true, false]);
  await queue.limit('x', 2);
  assert.equal((await queue.stats()).queues.x.maxInFlight, 2);
  const leases = await queue.claimMany(9, { runId: 'r' });
  assert.deepEqual(leases.map(({ task }) => task.title), ['a', 'b']);
  await leases[0].complete();
  assert.equal((await queue.claim({ runId: 'r' })).task.title, 'c');
  await queue.limit('x', null);
  assert.equal((await queue.stats()).queues.x.maxInFlight, null);
});
