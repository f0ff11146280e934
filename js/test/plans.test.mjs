// When, how often and by whom a task is tried.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as coord from '@muse/coord';
import { codeOf, freshQueue } from './support.mjs';

const ID = `sha256:${'0'.repeat(64)}`;

/** The titles of all that can be claimed. */
async function claimable(queue, options) {
  return (await queue.claimMany(100, { runId: 'r', ...options })).map(({ task }) => task.title);
}

test('a task that fails is tried again while there are attempts left, and each failure is told', async (t) => {
  const queue = await freshQueue(t);
  const task = await queue.enqueue({ title: 'a', maxAttempts: 3, backoffSeconds: 0 });
  assert.deepEqual([task.maxAttempts, task.backoffSeconds, task.backoffMaxSeconds], [3, 0, 300]);
  for (const attempt of [1, 2, 3]) {
    const lease = await queue.claim({ runId: 'r', wait: 5 });
    assert.equal(lease.record.attempt, attempt);
    const record = await lease.fail(`no luck ${attempt}`);
    assert.equal(record.error, `no luck ${attempt}`);
    assert.equal(record.status === 'failed', attempt === 3);
  }
  assert.equal(await queue.claim({ runId: 'r' }), undefined);
  const { status, error, attempt, history } = await queue.get(task.taskId);
  assert.deepEqual([status, error, attempt], ['failed', 'no luck 3', 3]);
  assert.deepEqual(history.map((report) => [report.kind, report.attempt, report.error, report.runId]), [
    ['failed', 1, 'no luck 1', 'r'],
    ['failed', 2, 'no luck 2', 'r'],
    ['failed', 3, 'no luck 3', 'r'],
  ]);
  assert.ok(history[0].at instanceof Date && history[0].at <= history[2].at);
});

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

test('a task that was given back for later is not claimed at once, and has lost no attempt', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a' });
  const released = await (await queue.claim({ runId: 'r' })).release({ delaySeconds: 60 });
  assert.deepEqual([released.taskId, released.status, released.attempt], [taskId, 'scheduled', 0]);
  assert.ok(released.scheduledAt > new Date());
  assert.deepEqual(await claimable(queue), []);
  assert.deepEqual((await queue.get(taskId)).scheduledAt, released.scheduledAt);
});

test('a task waits for those that it comes after, and runs, waits on or is cancelled if one fails', async (t) => {
  const queue = await freshQueue(t);
  const [good, bad] = await queue.enqueueMany([{ title: 'good', priority: 1 }, { title: 'bad' }]);
  const after = [good.taskId, bad.taskId];
  const [cancelled, blocked, run] = await queue.enqueueMany([
    { title: 'cancelled', after },
    { title: 'blocked', after, ifParentFails: 'block' },
    { title: 'run', after, ifParentFails: 'run' },
  ]);
  assert.deepEqual([cancelled.after, cancelled.ifParentFails, run.ifParentFails], [after, 'cancel', 'run']);
  const { status, blockedOn } = await queue.get(cancelled.taskId);
  assert.deepEqual([status, blockedOn], ['blocked', good.taskId]);
  const [first, second] = await queue.claimMany(9, { runId: 'r' });
  await first.complete();
  assert.equal((await queue.get(cancelled.taskId)).blockedOn, bad.taskId);
  await second.fail('no');
  assert.deepEqual(await claimable(queue), ['run']);
  assert.equal((await queue.get(blocked.taskId)).blockedOn, bad.taskId);
  const end = await queue.get(cancelled.taskId);
  assert.deepEqual([end.status, end.blockedOn, end.claimerRunId], ['cancelled', null, null]);
  assert.match(end.reason, new RegExp(`waited for ${bad.taskId}`));
  assert.equal(end.history[0].runId, null);
  await queue.retry(bad.taskId);
  await (await queue.claim({ runId: 'r' })).complete();
  assert.deepEqual(await claimable(queue), ['blocked']);
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

test('of a batch, the steps before the medium failed are told, and stay', async (t) => {
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

test('what a completion enqueues is there with it', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a' });
  const lease = await queue.claim({ runId: 'r' });
  const follow = [{ title: 'b', payload: { n: 1 } }, { title: 'c', runId: 'boss' }];
  const completed = await lease.complete({ n: 2 }, { enqueue: follow });
  assert.deepEqual([completed.status, completed.result], ['completed', { n: 2 }]);
  const [b, c] = completed.enqueued;
  assert.deepEqual([b.payload, b.after, b.deduplicated, c.createdBy], [{ n: 1 }, [taskId], false, 'boss']);
  assert.deepEqual(await claimable(queue), ['b', 'c']);
  const [last] = await queue.enqueueMany([{ title: 'd' }]);
  assert.deepEqual((await (await queue.claim({ runId: 'r' })).complete()).enqueued, []);
  assert.equal((await queue.get(last.taskId)).status, 'completed');
});

test('a completion that is refused enqueues nothing, and its result is offered to the next holder', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a' });
  const late = await queue.claim({ runId: 'late', leaseSeconds: 1 });
  assert.deepEqual(late.lateResults, []);
  const second = await queue.claim({ runId: 'second', wait: 5 });
  assert.equal(await codeOf(late.complete({ n: 1 }, { enqueue: [{ title: 'never' }] })), 'lease_lost');
  assert.equal(await codeOf(late.complete({ n: 1 })), 'lease_lost');
  assert.equal((await queue.stats()).total, 1);
  assert.deepEqual((await queue.get(taskId)).lateResults.map(({ result, runId }) => [result, runId]), [[{ n: 1 }, 'late']]);
  await second.release();
  const third = await queue.claim({ runId: 'third' });
  assert.deepEqual(third.lateResults.map(({ result, resultText }) => [result, resultText]), [[{ n: 1 }, '{"n":1}']]);
  const resumed = await queue.resume(taskId, { runId: 'third', claimNonce: third.record.claimNonce });
  assert.deepEqual(resumed.lateResults, third.lateResults);
  const { result } = await third.complete(third.lateResults[0].result);
  assert.deepEqual(result, { n: 1 });
});

test('a refusal tells where the task stands, and the answer to a cancel why', async (t) => {
  const queue = await freshQueue(t);
  const later = await queue.enqueue({ title: 'a', delaySeconds: 3600 });
  const next = await queue.enqueue({ title: 'b', after: [later.taskId] });
  const stands = async (taskId) => {
    const { taskStatus, scheduledAt, blockedOn } = await queue.retry(taskId).then(assert.fail, (error) => error);
    return [taskStatus, scheduledAt instanceof Date, blockedOn];
  };
  assert.deepEqual(await stands(later.taskId), ['scheduled', true, undefined]);
  assert.deepEqual(await stands(next.taskId), ['blocked', false, later.taskId]);
  const { status, reason } = await queue.cancel(later.taskId, { runId: 'boss', reason: 'not needed' });
  assert.deepEqual([status, reason], ['cancelled', 'not needed']);
});

test('a task is put back with all its attempts before it, if it has ended and did not complete', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a' });
  await assert.rejects(queue.retry(taskId), coord.NotTerminalError);
  await (await queue.claim({ runId: 'r' })).fail('no');
  const { status, attempt, generation, scheduledAt } = await queue.retry(taskId);
  assert.deepEqual([status, attempt, generation, scheduledAt], ['pending', 0, 1, null]);
  await (await queue.claim({ runId: 'r' })).complete();
  await assert.rejects(queue.retry(taskId), coord.AlreadyTerminalError);
  assert.deepEqual((await queue.get(taskId)).history.map(({ kind, error }) => [kind, error]), [['failed', 'no']]);
});

test('a task that is put back waits again for what it waited for, unless it is not to', async (t) => {
  const queue = await freshQueue(t);
  const parent = await queue.enqueue({ title: 'parent', queue: 'first' });
  const child = await queue.enqueue({ title: 'child', after: [parent.taskId] });
  await (await queue.claim({ runId: 'r' })).fail('no');
  await assert.rejects(queue.retry(child.taskId), (error) => {
    assert.deepEqual([error.code, error.taskId], ['error', child.taskId]);
    assert.ok(error.message.includes(parent.taskId), error.message);
    return true;
  });
  const { status, dependants, left } = await queue.retry(parent.taskId);
  assert.deepEqual([status, dependants, left], ['pending', [], []]);
  assert.equal((await queue.retry(child.taskId)).status, 'blocked');
  assert.deepEqual([(await queue.get(child.taskId)).blockedOn, await claimable(queue)], [parent.taskId, ['parent']]);

  const later = await queue.enqueue({ title: 'later', delaySeconds: 60 });
  await queue.cancel(later.taskId, { runId: 'boss' });
  const again = await queue.retry(later.taskId);
  assert.deepEqual([again.status, again.scheduledAt], ['scheduled', later.scheduledAt]);
  await queue.cancel(later.taskId, { runId: 'boss' });
  assert.equal((await queue.retry(later.taskId, { now: true })).status, 'pending');
  assert.deepEqual(await claimable(queue), ['later']);
});

test('what was cancelled because of a task is put back with it, if that is asked for', async (t) => {
  const queue = await freshQueue(t);
  const [parent, other] = await queue.enqueueMany([{ title: 'parent' }, { title: 'other' }]);
  const child = await queue.enqueue({ title: 'child', after: [parent.taskId] });
  const grandchild = await queue.enqueue({ title: 'grandchild', after: [child.taskId] });
  const both = await queue.enqueue({ title: 'both', after: [parent.taskId, other.taskId] });
  for (const lease of await queue.claimMany(2, { runId: 'r' })) await lease.fail('no');
  assert.equal((await queue.stats()).counts.cancelled, 3);
  const { taskId, status, dependants, left } = await queue.retry(parent.taskId, { cascade: true });
  assert.deepEqual([taskId, status, dependants], [parent.taskId, 'pending', [child.taskId, grandchild.taskId]]);
  assert.deepEqual(left.map((each) => [each.taskId, each.code]), [[both.taskId, 'error']]);
  assert.ok(left[0].message.includes(other.taskId), left[0].message);
  for (const title of ['parent', 'child', 'grandchild']) {
    const lease = await queue.claim({ runId: 'r' });
    assert.equal(lease.task.title, title);
    await lease.complete();
  }
  assert.equal((await queue.get(both.taskId)).status, 'cancelled');
});

test('tasks are chosen by queues and by tags, in the order of priority', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueueMany([
    { title: 'plain', queue: 'x' },
    { title: 'rust', queue: 'x', tags: ['rust'], priority: 1 },
    { title: 'both', queue: 'y', tags: ['rust', 'a tag that is too long for a name'], priority: 2 },
    { title: 'js', queue: 'z', tags: ['js'], priority: 3 },
  ]);
  const wanted = [
    [{ queues: ['x', 'y'] }, ['both', 'rust', 'plain']],
    [{ queue: 'z', queues: ['y'] }, ['js', 'both']],
    [{ tags: ['rust'] }, ['both', 'rust']],
    [{ tags: ['rust', 'a tag that is too long for a name'] }, ['both']],
    [{ anyTags: ['js', 'a tag that is too long for a name'] }, ['js', 'both']],
    [{ excludeTags: ['rust'] }, ['js', 'plain']],
    [{ tags: ['rust'], excludeTags: ['a tag that is too long for a name'], queue: 'x' }, ['rust']],
    [{ anyTags: ['none'] }, []],
    [{ queues: [] }, ['js', 'both', 'rust', 'plain']],
  ];
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
  assert.deepEqual(warnings, ['queue x is paused: `muse coord resume x` ends that'], 'told once');
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
