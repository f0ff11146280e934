// What the calls are told, and what becomes of what they do not take.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as coord from '@muse/coord';
import { freshQueue, repository, unfit } from './support.mjs';

const ID = `sha256:${'0'.repeat(64)}`;

/**
 * Each call that takes options, with some options. Each rejects for what is wrong with them before it looks at anything
 * else.
 */
function calls(queue, lease) {
  return {
    openQueue: (options) => coord.openQueue(options),
    enqueue: (options) => queue.enqueue({ title: 'a', ...options }),
    claim: (options) => queue.claim(options),
    claimMany: (options) => queue.claimMany(1, options),
    claims: (options) => queue.claims(options).next(),
    resume: (options) => queue.resume(ID, options),
    list: (options) => queue.list(options),
    wait: (options) => queue.wait(ID, options),
    watch: (options) => queue.watch(options).next(),
    stats: (options) => queue.stats(options),
    cancel: (options) => queue.cancel(ID, options),
    gc: (options) => queue.gc({ olderThanSeconds: 0, ...options }),
    work: async (options) => queue.work(() => {}, options),
    heartbeat: (options) => lease.heartbeat(options),
    complete: (options) => lease.complete({}, options),
    fail: (options) => lease.fail('a', options),
    release: (options) => lease.release(options),
    retry: (options) => queue.retry(ID, options),
  };
}

/** What it is refused with. */
async function refusal(act) {
  try {
    await act();
  } catch (error) {
    assert.ok(error instanceof coord.BadArgsError, `${act}: ${error.stack}`);
    assert.equal(error.code, 'bad_args');
    return error.message;
  }
  assert.fail(`${act} was not refused`);
}

test('an option that a call does not have is refused by its name, and nothing is done', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueue({ title: 'a' });
  const lease = await queue.claim({ runId: 'r' });
  for (const [name, call] of Object.entries(calls(queue, lease))) {
    assert.match(
      await refusal(() => call({ colour: 'red' })),
      new RegExp(`^${name} has no option "colour"\\. It has \\w`),
    );
    assert.match(await refusal(() => call({ colour: undefined })), /"colour"/);
  }
  assert.equal(lease.held, true);
  assert.equal((await queue.stats()).total, 1);
});

test('the option that may have been meant is named', async (t) => {
  const queue = await freshQueue(t);
  const guesses = [
    [
      /^enqueue has no option "max_attempts": did you mean maxAttempts\? It has title, /,
      () => queue.enqueue({ title: 'a', max_attempts: 3 }),
    ],
    [/"ttl": did you mean ttlSeconds\?/, () => queue.enqueue({ title: 'a', ttl: 60 })],
    [/"run-id": did you mean runId\?/, () => queue.claim({ 'run-id': 'r' })],
    [/"waitSeconds": did you mean wait\?/, () => queue.claim({ runId: 'r', waitSeconds: 5 })],
    [/"timeout": did you mean timeoutSeconds\?/, () => queue.wait(ID, { timeout: 5 })],
    [/^work has no option "leaseSecs"\. It has .*leaseSeconds/, async () => queue.work(() => {}, { leaseSecs: 60 })],
    [/"constructor"\. It/, () => queue.claim({ constructor: 1 })],
    [/"__proto__"\. It/, () => queue.claim(JSON.parse('{"__proto__":1}'))],
  ];
  for (const [message, act] of guesses) assert.match(await refusal(act), message);
});

test('a value of the wrong kind is refused in words, and so is what is no object of options', async (t) => {
  const queue = await freshQueue(t);
  const root = repository(t);
  await queue.enqueue({ title: 'a' });
  const lease = await queue.claim({ runId: 'r' });
  for (const [name, call] of Object.entries(calls(queue, lease))) {
    if (name === 'enqueue' || name === 'gc') continue;
    for (const none of ['text', 5, null, Symbol('a')]) {
      assert.match(await refusal(() => call(none)), new RegExp(`^${name} takes an object like \\{ \\w+: .* \\}, not `));
    }
  }
  const refused = [
    ['onStop must be finish or release, got "relase"', async () => queue.work(() => {}, { onStop: 'relase' })],
    ['stopOnSignals must be true or false, got 1', async () => queue.work(() => {}, { stopOnSignals: 1 })],
    ['concurrency must be a whole number, got "4"', async () => queue.work(() => {}, { concurrency: '4' })],
    ['sync must be true, false or posix, got "off"', () => coord.openQueue({ root, sync: 'off' })],
    ['root must be a path or a URL, got 5', () => coord.openQueue({ root: 5 })],
    ['title must be a string, got 5', () => queue.enqueue({ title: 5n })],
    ['title must be a string, got Symbol(a)', () => queue.enqueue({ title: Symbol('a') })],
    [
      'title must be a string, got [object Object], which cannot be shown as text',
      () => queue.enqueue({ title: Object.create(null) }),
    ],
    ['title holds half a character (a lone surrogate): "\\ud83d!"', () => queue.enqueue({ title: '\ud83d!' })],
    [
      'tags holds half a character (a lone surrogate): "\\ude00"',
      () => queue.enqueue({ title: '😀', tags: ['😀', '\ude00'] }),
    ],
    ['tags must be an array of strings, got "a,b"', () => queue.enqueue({ title: 'a', tags: 'a,b' })],
    ['tags must be an array of strings, got a,', () => queue.enqueue({ title: 'a', tags: ['a', , 'b'].slice(0, 2) })],
    ['tags must be an array of strings, got [object Set]', () => queue.claim({ runId: 'r', tags: new Set(['a']) })],
    ['at must be a Date, or a string like 2026-11-24T18:00:00Z, got 5', () => queue.enqueue({ title: 'a', at: 5 })],
    [
      'signal must be an AbortSignal, got [object AbortController]',
      () => queue.wait(ID, { signal: new AbortController() }),
    ],
    [
      'status must be scheduled, blocked, pending, claimed, timed_out, completed, failed, cancelled or expired, got "done"',
      () => queue.list({ status: 'done' }),
    ],
    ['dryRun must be true or false, got "no"', () => queue.gc({ olderThanSeconds: 0, dryRun: 'no' })],
    ['enqueueMany takes an array of tasks, not [object Object]', () => queue.enqueueMany({ title: 'a' })],
    ['enqueueMany takes an array of tasks, not undefined', () => queue.enqueueMany()],
    ['enqueue must be an array of tasks, got "Next"', () => lease.complete({}, { enqueue: 'Next' })],
    [
      'ttlSeconds must be between 1 and 315360000, got 9007199254740991',
      () => queue.enqueue({ title: 'a', ttlSeconds: 1e30 }),
    ],
  ];
  for (const [message, act] of refused) assert.equal(await refusal(act), message);
  assert.equal(lease.held, true);
  assert.equal((await queue.stats()).total, 1);
});

test('an option that is null counts as left out', async (t) => {
  const queue = await freshQueue(t);
  const plan = { maxAttempts: null, at: null, unique: null };
  const task = await queue.enqueue({ title: 'a', queue: null, tags: null, payload: null, ...plan });
  assert.deepEqual([task.queue, task.tags, task.maxAttempts], ['default', [], null]);
  const lease = await queue.claim({ runId: 'r', queue: null, leaseSeconds: null, signal: null });
  await lease.heartbeat({ note: null });
  await lease.fail('no', { final: null });
  const { note, history } = await queue.get(task.taskId);
  assert.deepEqual([note, history.map(({ kind }) => kind)], [null, ['failed']]);
});

test('of many tasks the one that is refused is named, and none is enqueued', async (t) => {
  const queue = await freshQueue(t);
  const good = { title: 'good' };
  const bad = [
    ['bad_payload', /^tasks\[1\] \("bad"\): the payload is not a JSON object/, { title: 'bad', payload: { n: 1n } }],
    ['bad_payload', /^tasks\[1\] \("bad"\): .*object/, { title: 'bad', payload: [1] }],
    ['bad_args', /^tasks\[1\] \(" "\): title must be/, { title: ' ' }],
    ['bad_args', /^tasks\[1\]: title must be/, {}],
    ['bad_args', /^tasks\[1\] \("bad"\): ttlSeconds must be between/, { title: 'bad', ttlSeconds: 0 }],
    ['bad_args', /^tasks\[1\] \("bad"\): enqueue has no option "max_attempts"/, { title: 'bad', max_attempts: 3 }],
    ['bad_queue', /^tasks\[1\] \("bad"\): .*"a b"/, { title: 'bad', queue: 'a b' }],
    ['bad_task_id', /^tasks\[1\] \("bad"\): /, { title: 'bad', after: ['sha256:1'] }],
    ['not_found', /^tasks\[1\] \("bad"\): no task sha256:0+ to wait for/, { title: 'bad', after: [ID] }],
    ['bad_args', /^tasks\[1\]: a task is an object with a title, not undefined/, undefined],
    ['bad_args', /^tasks\[1\] \("x{100}…"\): /, { title: 'x'.repeat(5000), runId: '' }],
  ];
  for (const [code, message, task] of bad) {
    await assert.rejects(queue.enqueueMany([good, task, good]), (error) => {
      assert.ok(error instanceof coord.CoordError, error.stack);
      assert.deepEqual([error.code, error.index], [code, 1]);
      assert.match(error.message, message);
      return true;
    });
  }
  assert.equal((await queue.stats()).total, 0);
});

test('of a completion that is refused for what it is to enqueue the task is still held', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueue({ title: 'a' });
  const lease = await queue.claim({ runId: 'r' });
  const { signal } = lease;
  for (const task of [{ title: 'bad', ttlSeconds: 0 }, { title: 'bad', payload: 5 }, { title: 'bad', after: [ID] }]) {
    await assert.rejects(lease.complete({}, { enqueue: [{ title: 'good' }, task] }), (error) => {
      assert.match(error.message, /^enqueue\[1\] \("bad"\): /);
      assert.equal(error.index, 1);
      return true;
    });
  }
  assert.deepEqual([lease.held, signal.aborted], [true, false]);
  assert.equal((await lease.complete({}, { enqueue: [{ title: 'good' }] })).enqueued.length, 1);
  assert.equal((await queue.stats()).total, 2);
});

test('a result that is none is refused by its own words, and the task is still held', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueue({ title: 'a' });
  const lease = await queue.claim({ runId: 'r' });
  for (const [what, make] of Object.entries(unfit)) {
    // As a value by itself; what a promise makes of it is the worker's.
    if (what.startsWith('a thenable') || what.includes('then')) continue;
    assert.match(await refusal(() => lease.complete(make())), /^the result is not a JSON object: /, what);
  }
  assert.equal(lease.held, true);
  await lease.complete({});
});

test('refusals tell where the task stands', async (t) => {
  const queue = await freshQueue(t);
  const told = async (promise) => {
    const error = await promise.then(() => assert.fail('not refused'), (refused) => refused);
    return [error.code, error.taskStatus];
  };
  const [{ taskId }] = await queue.enqueueMany([{ title: 'a' }, { title: 'b' }]);
  const lease = await queue.claim({ runId: 'r' });
  assert.deepEqual(await told(queue.resume(taskId, { runId: 'other' })), ['wrong_owner', 'claimed']);
  assert.deepEqual(await told(queue.cancel(taskId, { runId: 'other' })), ['wrong_owner', 'claimed']);
  await lease.complete();
  assert.deepEqual(await told(lease.fail('late')), ['already_terminal', 'completed']);
  assert.deepEqual(await told(queue.retry(taskId)), ['already_terminal', 'completed']);
  const second = await queue.claim({ runId: 'r' });
  await second.release();
  const third = await queue.claim({ runId: 's' });
  assert.deepEqual(await told(second.heartbeat()), ['lease_lost', 'claimed']);
  await third.heartbeat({ leaseSeconds: 1 });
  await sleep(1100);
  assert.deepEqual(await told(second.heartbeat()), ['lease_lost', 'timed_out']);
  await third.complete();
});
