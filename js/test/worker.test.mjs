import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openQueue } from '@muse/coord';
import {
  codeOf,
  freshQueue,
  hostile,
  leakWarnings,
  muse,
  ofDirectories,
  repository,
  start,
  unfit,
} from './support.mjs';

/** What a worker tells, in order, as words. */
function heard(worker) {
  const told = [];
  for (const event of ['claimed', 'completed', 'failed', 'released', 'cancelled', 'lost']) {
    worker.on(event, (lease) => told.push(`${event} ${lease.task.title}`));
  }
  return told;
}

/** Resolves when an event has come so many times. */
function times(worker, event, count) {
  return new Promise((resolve) => worker.on(event, () => (count -= 1) === 0 && resolve()));
}

test('a worker completes with what its handler returns and fails with what it throws', async (t) => {
  const queue = await freshQueue(t);
  const tasks = await queue.enqueueMany([{ title: 'a', payload: { n: 1 } }, { title: 'b' }, { title: 'c' }]);
  const worker = queue.work(
    async ({ title, payload }) => {
      if (title === 'b') throw new RangeError('b is out of range');
      if (title === 'c') return undefined;
      return { twice: 2 * payload.n };
    },
    { runId: 'r' },
  );
  const told = heard(worker);
  await times(worker, 'claimed', 3);
  await worker.stop();
  assert.deepEqual(told, ['claimed a', 'completed a', 'claimed b', 'failed b', 'claimed c', 'completed c']);
  const [a, b, c] = await Promise.all(tasks.map(({ taskId }) => queue.get(taskId)));
  assert.deepEqual([a.result, b.error, c.result], [{ twice: 2 }, 'RangeError: b is out of range', null]);
  assert.equal(worker.active, 0);
});

test('a worker does as many tasks at once as it is told, and no more', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueueMany(Array.from({ length: 12 }, (_, n) => ({ title: `t${n}` })));
  let [now, most] = [0, 0];
  const worker = queue.work(
    async () => {
      most = Math.max(most, now += 1);
      await sleep(20);
      now -= 1;
    },
    { runId: 'r', concurrency: 4 },
  );
  await times(worker, 'completed', 12);
  await worker.stop();
  assert.equal(most, 4);
});

test('a worker waits for tasks that come later, only in its queue', async (t) => {
  const queue = await freshQueue(t);
  const worker = queue.work(() => ({}), { runId: 'r', queue: 'mine' });
  await sleep(50);
  await queue.enqueue({ title: 'other', queue: 'other' });
  await queue.enqueue({ title: 'mine', queue: 'mine' });
  const [lease] = await new Promise((resolve) => worker.on('completed', (...told) => resolve(told)));
  assert.equal(lease.task.title, 'mine');
  await worker[Symbol.asyncDispose]();
  assert.equal((await queue.stats()).counts.pending, 1);
});

test('a worker keeps a lease that is shorter than the work', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'long' });
  const worker = queue.work(() => sleep(2500), { runId: 'r', leaseSeconds: 1 });
  await times(worker, 'claimed', 1);
  assert.equal(await queue.claim({ runId: 'other', wait: 2 }), undefined);
  await times(worker, 'completed', 1);
  await worker.stop();
  const { status, generation } = await queue.get(taskId);
  assert.deepEqual([status, generation], ['completed', 1]);
});

test('what a handler returns for a task that was called off counts for nothing', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a' });
  const worker = queue.work(
    async (_, { signal }) => {
      await queue.cancel(taskId, { runId: 'boss', force: true });
      await once(signal, 'abort');
      assert.equal(signal.reason.code, 'already_terminal');
      return { late: true };
    },
    { runId: 'r' },
  );
  const told = heard(worker);
  await times(worker, 'lost', 1);
  await worker.stop();
  assert.deepEqual(told, ['claimed a', 'lost a']);
  assert.equal((await queue.get(taskId)).status, 'cancelled');
});

test('a handler that throws when somebody asks to stop has cancelled its task, one that returns has completed it', async (t) => {
  const queue = await freshQueue(t);
  const [a, b] = await queue.enqueueMany([{ title: 'a', maxAttempts: 3 }, { title: 'b' }]);
  const worker = queue.work(
    async ({ title, taskId }, { signal }) => {
      await queue.cancel(taskId, { runId: 'boss', request: true, reason: 'enough' });
      if (title === 'a') await sleep(1e9, undefined, { signal });
      await once(signal, 'abort');
      assert.deepEqual([signal.reason.code, signal.reason.reason], ['cancel_requested', 'enough']);
      return { done: true };
    },
    { runId: 'r' },
  );
  const told = heard(worker);
  await times(worker, 'completed', 1);
  await worker.stop();
  assert.deepEqual(told, ['claimed a', 'cancelled a', 'claimed b', 'completed b']);
  const [first, second] = await Promise.all([a, b].map(({ taskId }) => queue.get(taskId)));
  assert.deepEqual([first.status, first.reason, first.error], ['cancelled', 'enough', null]);
  assert.deepEqual([second.status, second.result], ['completed', { done: true }]);
});

test('a task that is taken away after its holder was asked to stop is lost', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueue({ title: 'a' });
  const worker = queue.work(
    async ({ taskId }, { signal }) => {
      await queue.cancel(taskId, { runId: 'boss', request: true });
      await once(signal, 'abort');
      await queue.cancel(taskId, { runId: 'boss', force: true });
      throw signal.reason;
    },
    { runId: 'r' },
  );
  const told = heard(worker);
  await times(worker, 'lost', 1);
  await worker.stop();
  assert.deepEqual(told, ['claimed a', 'lost a']);
});

test('a worker tries again what fails while there are attempts left, and says which failure was the last', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a', maxAttempts: 3, backoffSeconds: 0 });
  const worker = queue.work(
    async (_, { record }) => {
      if (record.attempt < 3) throw new Error(`attempt ${record.attempt}`);
      return { attempt: record.attempt };
    },
    { runId: 'r' },
  );
  const failures = [];
  worker.on('failed', (_, error, { status }) => failures.push([error.message, status === 'failed']));
  await times(worker, 'completed', 1);
  await worker.stop();
  assert.deepEqual(failures, [['attempt 1', false], ['attempt 2', false]]);
  assert.deepEqual((await queue.get(taskId)).result, { attempt: 3 });
});

test('a worker does only the tasks that it chooses', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueueMany([
    { title: 'a', tags: ['x'], queue: 'p' },
    { title: 'b', tags: ['x', 'slow'], queue: 'p' },
    { title: 'c', tags: ['y'], queue: 'q' },
    { title: 'd', tags: ['y'], queue: 'other' },
    { title: 'e', queue: 'p' },
  ]);
  const choice = { queues: ['p', 'q'], anyTags: ['x', 'y'], excludeTags: ['slow'] };
  const worker = queue.work(() => ({}), { runId: 'r', wait: 0, ...choice });
  const told = heard(worker);
  await worker.done;
  assert.deepEqual(told, ['claimed a', 'completed a', 'claimed c', 'completed c']);
});

test('a handler may end its lease itself', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a' });
  const worker = queue.work(
    async (_, lease) => {
      await lease.fail('not today');
      return { ignored: true };
    },
    { runId: 'r' },
  );
  const told = heard(worker);
  await times(worker, 'claimed', 1);
  await worker.stop();
  assert.deepEqual(told, ['claimed a']);
  assert.equal((await queue.get(taskId)).error, 'not today');
});

test('a handler that returns no JSON object has failed', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a' });
  const worker = queue.work(() => 'text', { runId: 'r' });
  await times(worker, 'failed', 1);
  await worker.stop();
  const { status, error } = await queue.get(taskId);
  assert.equal(status, 'failed');
  assert.match(error, /result.*object/);
});

test('whatever a handler throws fails its task with some words, and the worker goes on', async (t) => {
  const queue = await freshQueue(t);
  const tasks = await queue.enqueueMany([...Object.keys(hostile), 'the last one'].map((title) => ({ title })));
  const worker = queue.work(
    ({ title }) => {
      if (title in hostile) throw hostile[title]();
    },
    { runId: 'r', wait: 0 },
  );
  await worker.done;
  const items = await Promise.all(tasks.map(({ taskId }) => queue.get(taskId)));
  const last = items.pop();
  assert.equal(last.status, 'completed');
  for (const { title, status, error } of items) {
    assert.ok(status === 'failed' && error.length > 0, `${title}: ${status} ${error}`);
  }
  const errors = Object.fromEntries(items.map(({ title, error }) => [title, error]));
  assert.equal(errors['a ring of causes'], 'Error: a: Error: b');
  assert.equal(errors['an object without a prototype'], '[object Object], which cannot be shown as text');
  assert.equal(errors['an error whose message throws'], '[object Error], which cannot be shown as text');
});

test('whatever a handler returns that is no result fails its task, and the worker goes on', async (t) => {
  const queue = await freshQueue(t);
  const tasks = await queue.enqueueMany([...Object.keys(unfit), 'the last one'].map((title) => ({ title })));
  const worker = queue.work(({ title }) => (title in unfit ? unfit[title]() : {}), { runId: 'r', wait: 0 });
  await worker.done;
  const items = await Promise.all(tasks.map(({ taskId }) => queue.get(taskId)));
  const last = items.pop();
  assert.equal(last.status, 'completed');
  for (const { title, status, error } of items) {
    assert.ok(status === 'failed' && error.length > 0, `${title}: ${status} ${error}`);
  }
});

test('a worker uses every free place while another task is at hand', { timeout: 30_000 }, async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueue({ title: 'long' });
  let begin;
  const begun = new Promise((resolve) => (begin = resolve));
  const worker = queue.work(
    async ({ title }) => {
      if (title === 'short') return begin('in time');
      return { short: await Promise.race([begun, sleep(6000, 'too late')]) };
    },
    { runId: 'r', concurrency: 4, wait: 1 },
  );
  const completed = [];
  worker.on('completed', (_, { result }) => completed.push(result));
  // By then the worker has waited for longer than `wait`.
  await sleep(1500);
  await queue.enqueue({ title: 'short' });
  await worker.done;
  // On an engine they complete side by side.
  assert.deepEqual(completed.filter((result) => result !== null), [{ short: 'in time' }]);
  assert.equal(completed.length, 2);
});

test('a handler may wait for what it enqueues, where there is a place for that', { timeout: 30_000 }, async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'whole' });
  const worker = queue.work(
    async ({ title }) => {
      if (title === 'part') return { done: true };
      await sleep(100);
      const parts = await queue.enqueueMany(Array.from({ length: 3 }, () => ({ title: 'part' })));
      const { items, timedOut } = await queue.wait(parts.map((part) => part.taskId), { timeoutSeconds: 10 });
      return { timedOut, parts: items.map(({ status }) => status) };
    },
    { runId: 'r', concurrency: 2, wait: 0 },
  );
  await worker.done;
  const { result } = await queue.get(taskId);
  assert.deepEqual(result, { timedOut: false, parts: ['completed', 'completed', 'completed'] });
});

test('a worker without a task stops when there was none for as long as it waits', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueue({ title: 'a' });
  let ended;
  const worker = queue.work(() => sleep(1200), { runId: 'r', concurrency: 2, wait: 1 });
  worker.on('completed', () => (ended = performance.now()));
  await worker.done;
  const waited = performance.now() - ended;
  assert.ok(waited >= 990 && waited < 1500, `${waited}`);
});

test('a handler that waits for its worker to stop is not waited for', { timeout: 30_000 }, async (t) => {
  const queue = await freshQueue(t);
  const tasks = await queue.enqueueMany(['alone', 'a', 'b', 'long'].map((title) => ({ title })));
  const order = [];
  const handler = (worker) => async ({ title }) => {
    // Until all are at hand.
    await sleep(100);
    if (title === 'long') await sleep(300);
    else await worker().stop();
    order.push(title);
    return { done: true };
  };
  const first = queue.work(handler(() => first), { runId: 'r' });
  await first.done;
  assert.deepEqual(order, ['alone']);
  const second = queue.work(handler(() => second), { runId: 'r', concurrency: 3 });
  await second.done;
  // Two wait for each other and for the third: that one ends first.
  assert.equal(order[1], 'long');
  assert.deepEqual(order.slice(2).sort(), ['a', 'b']);
  const items = await Promise.all(tasks.map(({ taskId }) => queue.get(taskId)));
  assert.deepEqual(items.map(({ status }) => status), Array(4).fill('completed'));
});

test('a handler that has its worker release is told, and gives its task back', { timeout: 30_000 }, async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a' });
  const worker = queue.work(
    async (_, { signal }) => {
      await worker.stop('release');
      signal.throwIfAborted();
    },
    { runId: 'r' },
  );
  await worker.done;
  assert.equal((await queue.get(taskId)).status, 'pending');
});

test('whoever stops a worker from outside waits for all that is at hand', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueue({ title: 'a' });
  let ended = false;
  const worker = queue.work(async () => {
    await sleep(200);
    ended = true;
  }, { runId: 'r' });
  await times(worker, 'claimed', 1);
  await worker.stop();
  assert.equal(ended, true);
});

test('many workers heed one signal and the system without a warning', async (t) => {
  const queue = await freshQueue(t);
  const warnings = leakWarnings(t);
  const stop = new AbortController();
  const options = { runId: 'r', signal: stop.signal, stopOnSignals: true };
  const workers = Array.from({ length: 12 }, () => queue.work(() => {}, options));
  await sleep(100);
  assert.equal(process.listenerCount('SIGTERM'), 1);
  stop.abort();
  await Promise.all(workers.map(({ done }) => done));
  assert.equal(process.listenerCount('SIGTERM'), 0);
  await sleep(10);
  assert.deepEqual(warnings, []);
});

test('a worker that is to stop in no way that there is goes on', async (t) => {
  const queue = await freshQueue(t);
  const worker = queue.work(() => ({}), { runId: 'r' });
  await assert.rejects(worker.stop('relase'), (error) => {
    assert.deepEqual([error.code, error.message], ['bad_args', 'mode must be finish or release, got "relase"']);
    return true;
  });
  await queue.enqueue({ title: 'a' });
  await times(worker, 'completed', 1);
  await worker.stop();
});

test('a worker that is stopped finishes what is at hand and claims no more', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueueMany([{ title: 'a' }, { title: 'b' }]);
  const stop = new AbortController();
  const worker = queue.work(() => sleep(100), { runId: 'r', signal: stop.signal });
  const told = heard(worker);
  await times(worker, 'claimed', 1);
  stop.abort();
  await worker.done;
  assert.deepEqual(told, ['claimed a', 'completed a']);
});

test('a worker that is to release aborts its handlers, and gives back what they throw on', async (t) => {
  const queue = await freshQueue(t);
  const [a, b] = await queue.enqueueMany([{ title: 'a' }, { title: 'b' }]);
  const worker = queue.work(
    async ({ title }, { signal }) => {
      if (title === 'a') await sleep(1e9, undefined, { signal });
      await once(signal, 'abort');
      return { done: true };
    },
    { runId: 'r', concurrency: 2 },
  );
  const told = heard(worker);
  await times(worker, 'claimed', 2);
  await worker.stop('release');
  assert.deepEqual(told.slice(2).sort(), ['completed b', 'released a']);
  const [first, second] = await Promise.all([a, b].map(({ taskId }) => queue.get(taskId)));
  assert.deepEqual([first.status, first.attempt, second.status], ['pending', 0, 'completed']);
});

test('a worker that cannot claim stops, and says why', async (t) => {
  const queue = await freshQueue(t);
  assert.equal(await codeOf(queue.work(() => {}).done), 'bad_args');
  assert.equal(await codeOf(queue.work(() => {}, { runId: 'r', queue: 'a b' }).done), 'bad_queue');
  assert.equal(await codeOf(queue.work(() => {}, { runId: 'r', leaseSeconds: 0 }).done), 'bad_args');
});

test('a worker that is not to wait stops when there is nothing left, also of what its handlers enqueue', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueueMany([{ title: 'a', payload: { more: true } }, { title: 'b' }]);
  const worker = queue.work(
    async ({ payload }) => {
      await sleep(20);
      if (payload.more) await queue.enqueue({ title: 'c' });
    },
    { runId: 'r', wait: 0, concurrency: 3 },
  );
  await worker.done;
  assert.equal((await queue.stats()).counts.completed, 3);
});

test('a listener that throws stops the worker, and what is at hand is done all the same', async (t) => {
  const queue = await freshQueue(t);
  const [a] = await queue.enqueueMany([{ title: 'a' }, { title: 'b' }]);
  const worker = queue.work(() => ({ done: true }), { runId: 'r' });
  const wrong = new Error('a listener is wrong');
  worker.on('claimed', () => {
    throw wrong;
  });
  await assert.rejects(worker.done, wrong);
  assert.equal((await queue.get(a.taskId)).status, 'completed');
  assert.equal((await queue.stats()).counts.pending, 1);
});

test('a worker whose medium fails goes on if somebody listens', {
  skip: process.platform === 'win32' || ofDirectories.skip,
}, async (t) => {
  const root = repository(t);
  const queue = await openQueue({ root, sync: false });
  await queue.enqueue({ title: 'a' });
  // Whatever else is in the way is passed over.
  renameSync(queue.directory, `${root}/away`);
  assert.equal(await codeOf(queue.work(() => {}, { runId: 'r' }).done), 'io_error');
  const worker = queue.work(() => ({}), { runId: 'r' });
  const error = await new Promise((resolve) => worker.on('error', resolve));
  assert.deepEqual([error.code, error.kind], ['io_error', 'other']);
  renameSync(`${root}/away`, queue.directory);
  await times(worker, 'completed', 1);
  await worker.stop();
});

for (const runtime of ['node', 'deno']) {
  test(
    `a system signal lets a worker finish, a second one makes it give back: ${runtime}`,
    ofDirectories,
    async (t) => {
      const root = repository(t);
      const queue = await openQueue({ root });
      await queue.enqueueMany([{ title: 'a', payload: { millis: 300 } }, { title: 'b', payload: { forever: true } }]);
      const options = JSON.stringify({ stopOnSignals: true, concurrency: 2 });
      const worker = start(t, 'worker.mjs', root, ['r', options], runtime);
      assert.equal(await worker.line(), 'ready');
      assert.deepEqual([await worker.line(), await worker.line()], ['began a 1', 'began b 1']);
      worker.kill('SIGTERM');
      assert.match(await worker.line(), /^completed a/);
      worker.kill('SIGINT');
      assert.match(await worker.line(), /^released b/);
      assert.equal(await worker.line(), 'stopped');
      assert.equal(await worker.ended(), 0);
      assert.deepEqual(muse(root, 'tasks').items.map(({ title, status }) => [title, status]), [['a', 'completed'], [
        'b',
        'pending',
      ]]);
    },
  );
}
