// Listing, waiting for ends, following changes, figures, and removal.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertTakesLessThanOnePercent, freshQueue, isMeasured } from './support.mjs';

const NOBODY = `sha256:${'0'.repeat(64)}`;

/** Claims a task and completes it. */
async function finish(queue, result) {
  return (await queue.claim({ runId: 'r' })).complete(result);
}

test('a listing is in the order asked for, filtered by tags and times, and goes on behind its cursor', async (t) => {
  const queue = await freshQueue(t);
  const titles = async (filter) => (await queue.list(filter)).items.map(({ title }) => title);
  await queue.enqueueMany([{ title: 'a', tags: ['x', 'y'] }, { title: 'b', tags: ['x'] }]);
  await sleep(5);
  const between = new Date();
  await sleep(5);
  await queue.enqueueMany([{ title: 'c', priority: 9 }, { title: 'd' }]);
  assert.deepEqual(await titles({}), ['c', 'a', 'b', 'd']);
  assert.deepEqual(await titles({ sort: 'created' }), ['a', 'b', 'c', 'd']);
  assert.deepEqual(await titles({ sort: '-created' }), ['d', 'c', 'b', 'a']);
  assert.deepEqual(await titles({ tags: ['x'] }), ['a', 'b']);
  assert.deepEqual(await titles({ tags: ['x', 'y'] }), ['a']);
  assert.deepEqual(await titles({ since: between }), ['c', 'd']);
  assert.deepEqual(await titles({ since: between.toISOString(), sort: '-created' }), ['d', 'c']);
  await finish(queue);
  assert.deepEqual(await titles({ endedSince: between }), ['c']);
  assert.deepEqual(await titles({ endedSince: new Date(Date.now() + 1000) }), []);
  const paged = [];
  let cursor;
  do {
    const page = await queue.list({ sort: 'created', limit: 3, cursor });
    paged.push(page.items.map(({ title }) => title));
    cursor = page.nextCursor;
  } while (cursor !== null);
  assert.deepEqual(paged, [['a', 'b', 'c'], ['d']]);
});

test('a wait ends when all its tasks have ended, and tells how', async (t) => {
  const queue = await freshQueue(t);
  const tasks = await queue.enqueueMany([{ title: 'a' }, { title: 'b' }]);
  const ids = tasks.map(({ taskId }) => taskId);
  const waiting = queue.wait(ids);
  await sleep(100);
  await finish(queue, { n: 1 });
  await sleep(100);
  const lease = await queue.claim({ runId: 'r' });
  const ended = Date.now();
  await lease.fail('no');
  const { items: [a, b], timedOut } = await waiting;
  const late = Date.now() - ended;
  t.diagnostic(`noticed after ${late} ms`);
  assert.ok(late < 200, `${late}`);
  assert.deepEqual([a.status, a.result, b.status, b.error, timedOut], ['completed', { n: 1 }, 'failed', 'no', false]);
  const [again] = (await queue.wait(ids[0])).items;
  assert.equal(again.title, 'a');
});

test('a wait for any ends with the first, and tells how the others stand', async (t) => {
  const queue = await freshQueue(t);
  const tasks = await queue.enqueueMany([{ title: 'a' }, { title: 'b' }]);
  const waiting = queue.wait(tasks.map(({ taskId }) => taskId), { any: true });
  await finish(queue);
  const { items, timedOut } = await waiting;
  assert.deepEqual([...items.map(({ status }) => status), timedOut], ['completed', 'pending', false]);
});

test('a wait is over with its time or its signal, and at once for a task that there is not', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a' });
  const began = performance.now();
  const { items: [item], timedOut } = await queue.wait([taskId], { timeoutSeconds: 1 });
  const took = performance.now() - began;
  assert.deepEqual([item.status, timedOut], ['pending', true]);
  assert.ok(took >= 990 && took < 1300, `${took}`);
  assert.deepEqual(await queue.wait(NOBODY), { items: [undefined], timedOut: false });
  assert.deepEqual(await queue.wait([]), { items: [], timedOut: false });
  const reason = new Error('enough');
  const stop = new AbortController();
  setTimeout(() => stop.abort(reason), 20);
  await assert.rejects(queue.wait(taskId, { signal: stop.signal }), reason);
});

test('a wait ends for a task whose last holder died with its last attempt, though nobody claims any more', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a', maxAttempts: 1 });
  await queue.claim({ runId: 'r', leaseSeconds: 1 });
  const { items: [item], timedOut } = await queue.wait(taskId, { timeoutSeconds: 20 });
  assert.deepEqual([timedOut, item.status, item.attempt], [false, 'failed', 1]);
  assert.match(item.error, /lease expired/);
});

test('waiting for ends takes less than 1 % of a core', isMeasured, async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a' });
  await assertTakesLessThanOnePercent(t, queue.wait(taskId, { timeoutSeconds: 8 }));
});

test(
  'who watches is told how each task stands, then what changes, until the signal',
  { timeout: 20_000 },
  async (t) => {
    const queue = await freshQueue(t);
    const [a] = await queue.enqueueMany([{ title: 'a' }, { title: 'b' }, { title: 'other', tags: [], queue: 'other' }]);
    const stop = new AbortController();
    const told = [];
    const steps = [
      () => finish(queue, { n: 1 }),
      () => queue.gc({ olderThanSeconds: 0 }),
      () => stop.abort(),
    ];
    for await (const { taskId, item } of queue.watch({ queue: 'default', signal: stop.signal })) {
      told.push([taskId === a.taskId, item?.title, item?.status, item?.result]);
      if (told.length > 1) await steps.shift()();
    }
    assert.deepEqual(told, [
      [true, 'a', 'pending', null],
      [false, 'b', 'pending', null],
      [true, 'a', 'completed', { n: 1 }],
      [true, undefined, undefined, undefined],
    ]);
    for await (const { item } of queue.watch({ tags: ['none'], signal: AbortSignal.timeout(50) })) {
      assert.fail(
        item.title,
      );
    }
  },
);

test('figures tell by queue how many tasks there are and how long they take', async (t) => {
  const queue = await freshQueue(t);
  const [first] = await queue.enqueueMany([{ title: 'a', queue: 'x' }, { title: 'b', queue: 'y' }, {
    title: 'c',
    queue: 'x',
  }]);
  await sleep(50);
  const lease = await queue.claim({ runId: 'r', queue: 'x' });
  await sleep(50);
  await lease.complete();
  const stats = await queue.stats({ windowSeconds: 60 });
  assert.deepEqual([stats.total, stats.windowSeconds, Object.keys(stats.queues)], [3, 60, ['x', 'y']]);
  const { x, y } = stats.queues;
  assert.deepEqual([x.counts.completed, x.counts.pending, y.counts.pending, y.runSeconds], [1, 1, 1, null]);
  for (const { count, p50, p90, p99, max } of [x.waitSeconds, x.runSeconds]) {
    assert.ok(count === 1 && p50 >= 0.04 && p50 < 5 && p50 === p90 && p90 === p99 && p99 === max);
  }
  assert.ok(x.oldestPendingSince >= first.createdAt);
});
