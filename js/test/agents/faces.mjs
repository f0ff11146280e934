// A face for `tests/tests/faces`: `faces.mjs ROOT`. Makes the call that each line of standard input asks for, and
// answers by a line what the package answered, as JSON, or what it refused. What is called and what it should come to
// is decided and compared there; here it is done, by the public API alone.
import { writeSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { CoordError, openQueue } from '@muse/coord';

const queue = await openQueue({ root: process.argv[2] });

/** The leases that this process was given, by task id and run id. */
const leases = new Map();

const CALLS = {
  enqueue: (task) => queue.enqueue(task),
  enqueue_all: ({ tasks }) => queue.enqueueMany(tasks),
  claim: async (options) => told(await queue.claim(choice(options))),
  claim_many: async ({ max, ...options }) => (await queue.claimMany(max, choice(options))).map(told),
  take_up: async ({ taskId, runId, claimNonce }) => told(await queue.resume(taskId, { runId, claimNonce })),
  heartbeat: async ({ taskId, runId, claimNonce, ...options }) =>
    (await leaseOf(taskId, runId, claimNonce)).heartbeat(options),
  complete: async ({ taskId, runId, claimNonce, result, followUps: enqueue }) =>
    (await leaseOf(taskId, runId, claimNonce)).complete(result, { enqueue }),
  fail: async ({ taskId, runId, claimNonce, reason, isFinal: final }) =>
    (await leaseOf(taskId, runId, claimNonce)).fail(reason, { final }),
  release: async ({ taskId, runId, claimNonce, ...options }) =>
    (await leaseOf(taskId, runId, claimNonce)).release(options),
  cancel: ({ taskId, runId, ifHeld, reason }) =>
    queue.cancel(taskId, { runId, reason, request: ifHeld === 'request', force: ifHeld === 'force' }),
  retry: ({ taskId, ...options }) => queue.retry(taskId, options),
  show,
  tasks: (filter) => queue.list(filter),
  wait,
  pause: (name) => queue.pause(name.queue),
  resume: (name) => queue.resumeQueue(name.queue),
  limit: ({ queue: name, maxInFlight = null }) => queue.limit(name, maxInFlight),
  stats: (options) => queue.stats(options),
  gc: (options) => queue.gc(options),
};

function choice({ waitSeconds: wait, ...options }) {
  return { ...options, wait };
}

/** A claim as the other faces tell it, and its lease kept. */
function told(lease) {
  if (lease === undefined) return null;
  const { record, task, lateResults } = lease;
  leases.set(`${task.taskId} ${lease.runId}`, lease);
  return { ...record, task, lateResults };
}

/** The lease that was given here, else one that is taken up again. */
async function leaseOf(taskId, runId, claimNonce) {
  return leases.get(`${taskId} ${runId}`) ?? await queue.resume(taskId, { runId, claimNonce });
}

/** That there is no such task is an answer here, and no error. */
async function show({ taskId }) {
  const shown = await queue.get(taskId);
  if (shown === undefined) throw new CoordError('not_found', '');
  return shown;
}

/** The items alone are told here, in the order of the ids. */
async function wait({ taskIds, until, timeoutSeconds }) {
  const { items, timedOut } = await queue.wait(taskIds, { any: until === 'any', timeoutSeconds });
  return { timedOut, items: items.map((item, place) => ({ taskId: taskIds[place], item: item ?? null })) };
}

/** The arguments with their names as they are spelt here; a payload and a result are the caller's own. */
function spelt(value) {
  if (Array.isArray(value)) return value.map(spelt);
  if (typeof value !== 'object' || value === null) return value;
  const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
  const own = (name) => name === 'payload' || name === 'result';
  return Object.fromEntries(Object.entries(value).map(([name, of]) => [camel(name), own(name) ? of : spelt(of)]));
}

function refused(error) {
  if (!(error instanceof CoordError)) return { broken: error?.stack ?? `${error}` };
  const { code, message, name: _, ...facts } = error;
  return { refused: { code, message: message || null, facts } };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { call, with: given } = JSON.parse(line);
  const answer = await Promise.resolve()
    .then(() => CALLS[call](spelt(given)))
    .then((answer) => ({ answer: answer ?? null }), refused);
  writeSync(1, `${JSON.stringify(answer)}\n`);
}
