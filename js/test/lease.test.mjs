import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AlreadyTerminalError, CancelRequestedError, LeaseLostError } from '@muse/coord';
import { aborted, codeOf, freshQueue } from './support.mjs';

async function held(queue, options) {
  await queue.enqueue({ title: 'a' });
  return queue.claim({ runId: 'r', ...options });
}

test('the signal of a lease tells within about a second that the task was called off', async (t) => {
  const queue = await freshQueue(t);
  const lease = await held(queue);
  const told = aborted(lease.signal);
  await queue.cancel(lease.task.taskId, { runId: 'boss', force: true });
  const began = performance.now();
  await told;
  assert.ok(performance.now() - began < 1500);
  assert.ok(lease.signal.reason instanceof AlreadyTerminalError);
  assert.deepEqual([lease.signal.reason.status, lease.held], ['cancelled', false]);
});

test('the signal of a lease tells that another agent took the task over', async (t) => {
  const queue = await freshQueue(t);
  const lease = await held(queue, { leaseSeconds: 1 });
  const told = aborted(lease.signal);
  const second = await queue.claim({ runId: 'second', wait: 5 });
  await told;
  assert.ok(lease.signal.reason instanceof LeaseLostError);
  assert.equal(lease.signal.reason.runId, 'second');
  await second.complete();
});

test('a refused call aborts the signal at once, whoever looks', async (t) => {
  const queue = await freshQueue(t);
  const lease = await held(queue);
  await queue.cancel(lease.task.taskId, { runId: 'boss', force: true });
  assert.equal(await codeOf(lease.heartbeat()), 'already_terminal');
  assert.equal(lease.signal.aborted, true);
});

test('the signal of a lease tells within about a second that somebody asks to stop, and the task is still held', async (t) => {
  const queue = await freshQueue(t);
  const lease = await held(queue);
  const { taskId } = lease.task;
  const told = aborted(lease.signal);
  assert.equal(lease.cancelRequest, null);
  const asked = await queue.cancel(taskId, { runId: 'boss', request: true, reason: 'not needed' });
  assert.deepEqual([asked.status, asked.cancelRequest], ['claimed', { runId: 'boss', reason: 'not needed' }]);
  const began = performance.now();
  await told;
  assert.ok(performance.now() - began < 1500);
  const { reason } = lease.signal;
  assert.ok(reason instanceof CancelRequestedError);
  assert.deepEqual([reason.code, reason.taskId, reason.runId, reason.reason], [
    'cancel_requested',
    taskId,
    'boss',
    'not needed',
  ]);
  assert.equal(reason.message, `boss asks to stop the work on task ${taskId}: not needed`);
  assert.deepEqual([lease.held, lease.cancelRequest], [true, { runId: 'boss', reason: 'not needed' }]);
  assert.deepEqual((await queue.get(taskId)).cancelRequest, lease.cancelRequest);
  const released = await lease.release();
  assert.deepEqual([released.status, lease.held], ['cancelled', false]);
  const { status, reason: why, history } = await queue.get(taskId);
  assert.deepEqual([status, why], ['cancelled', 'not needed']);
  assert.deepEqual(history.map(({ kind, runId }) => [kind, runId]), [['cancel_requested', 'boss']]);
});

test('a heartbeat tells of a request at once, and so does a lease that is taken up again', async (t) => {
  const queue = await freshQueue(t);
  const lease = await held(queue);
  await queue.cancel(lease.task.taskId, { runId: 'boss', request: true });
  const { cancelRequest } = await lease.heartbeat();
  assert.deepEqual([cancelRequest, lease.signal.aborted], [{ runId: 'boss', reason: null }, true]);
  const resumed = await queue.resume(lease.task.taskId, { runId: 'r', claimNonce: lease.record.claimNonce });
  assert.equal(resumed.signal.reason.code, 'cancel_requested');
  const { status } = await resumed.complete({ n: 1 });
  assert.equal(status, 'completed');
});

test('a task that nobody holds is called off by a request, and the reason is told', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a' });
  assert.equal((await queue.cancel(taskId, { runId: 'boss', request: true, reason: 'no' })).status, 'cancelled');
  assert.equal((await queue.get(taskId)).reason, 'no');
});

test('a heartbeat prolongs the lease, for as long again or for what it says', async (t) => {
  const queue = await freshQueue(t);
  const lease = await held(queue, { leaseSeconds: 10 });
  const first = lease.expiresAt;
  await new Promise((resolve) => setTimeout(resolve, 5));
  const record = await lease.heartbeat();
  assert.ok(lease.expiresAt > first);
  assert.equal(record.expiresAt - record.heartbeatAt, 10_000);
  assert.equal((await lease.heartbeat({ leaseSeconds: 60 })).expiresAt - lease.record.heartbeatAt, 60_000);
  assert.equal(lease.generation, 1);
});

test('a lease that is disposed of gives its task back, unless it is over', async (t) => {
  const queue = await freshQueue(t);
  const lease = await held(queue);
  await lease[Symbol.asyncDispose]();
  assert.equal((await queue.get(lease.task.taskId)).status, 'pending');
  const second = await queue.claim({ runId: 'r' });
  await second.complete();
  await second[Symbol.asyncDispose]();
  assert.equal((await queue.get(second.task.taskId)).status, 'completed');
  const third = await held(queue);
  await queue.cancel(third.task.taskId, { runId: 'boss', force: true });
  await third[Symbol.asyncDispose]();
  assert.equal((await queue.get(third.task.taskId)).status, 'cancelled');
});

test('a lease never acts on a later lease of the same task under the same run id', async (t) => {
  const queue = await freshQueue(t);
  const first = await held(queue);
  await first.release();
  const second = await queue.claim({ runId: 'r' });
  assert.equal(second.task.taskId, first.task.taskId);
  assert.equal(await codeOf(first.complete()), 'lease_lost');
  await second.complete();
});

test('claims are gone through until there has been nothing for a while, or until the signal', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueueMany(Array.from({ length: 3 }, (_, n) => ({ title: `t${n}` })));
  const titles = [];
  for await (const lease of queue.claims({ runId: 'r', wait: 0 })) {
    titles.push(lease.task.title);
    await lease.complete();
  }
  assert.deepEqual(titles, ['t0', 't1', 't2']);
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 50);
  for await (const lease of queue.claims({ runId: 'r', signal: stop.signal })) assert.fail(lease.task.title);
});
