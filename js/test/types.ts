// What a compiler has to accept, and below each `@ts-expect-error` what it has to refuse. Checked as an ECMAScript
// module and as a CommonJS one by tsc, and by Deno; never run. `packaging.mjs` does it.
import {
  AlreadyTerminalError,
  BadArgsError,
  type CancelRequest,
  CancelRequestedError,
  type Change,
  type ClaimRecord,
  type Completed,
  CoordError,
  type Enqueued,
  type Handler,
  type Item,
  type JsonObject,
  KeyTakenError,
  type Lease,
  LeaseLostError,
  NotClaimedError,
  NotTerminalError,
  openQueue,
  type Queue,
  type Released,
  type Report,
  type Retried,
  type Shown,
  type Task,
  type Worker,
  WrongOwnerError,
} from '@muse/coord';

interface Page {
  url: string;
}

interface Words {
  words: number;
}

/** True if the two are the very same type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Accepts what has this type, and nothing that has only a similar one. */
declare function is<Wanted>(): <Given>(given: Given, same: Same<Given, Wanted>) => void;

export async function opening(): Promise<void> {
  is<Queue>()(await openQueue(), true);
  await openQueue({ root: new URL('file:///repository'), init: true, sync: false });
  // @ts-expect-error: a root is a path or a URL
  await openQueue({ root: 1 });
  // @ts-expect-error: there is no such option
  await openQueue({ path: '.' });
}

export async function enqueuing(queue: Queue): Promise<void> {
  is<Enqueued<{ url: string }>>()(await queue.enqueue({ title: 'Count', payload: { url: '/' } }), true);
  is<Enqueued<Page>>()(await queue.enqueue<Page>({ title: 'Count', priority: 5n, tags: ['a'] as const }), true);
  const task: Task = await queue.enqueue({ title: 'Count' });
  is<number | null>()(task.maxAttempts, true);
  const pages: readonly string[] = ['/a', '/b'];
  const tasks = await queue.enqueueMany(pages.map((url) => ({ title: url, payload: { url } })));
  is<Enqueued<{ url: string }>[]>()(tasks, true);
  is<Date>()(tasks[0]!.createdAt, true);
  is<boolean>()(tasks[0]!.deduplicated, true);
  const after = tasks.map(({ taskId }) => taskId);
  await queue.enqueue({
    title: 'a',
    maxAttempts: 3,
    backoffSeconds: 1,
    backoffMaxSeconds: 60,
    after,
    ifParentFails: 'run',
  });
  await queue.enqueueMany([{ title: 'a', at: new Date() }, { title: 'b', at: '2026-11-24T18:00:00Z' }, {
    title: 'c',
    unique: 'k',
  }]);
  // @ts-expect-error: there is no such thing to do
  await queue.enqueue({ title: 'Count', ifParentFails: 'wait' });
  // @ts-expect-error: a time is a date or a text
  await queue.enqueue({ title: 'Count', at: 5 });
  await queue.enqueueMany(new Set([{ title: 'a' }]));
  // @ts-expect-error: a task has a title
  await queue.enqueue({ payload: {} });
  // @ts-expect-error: it is not what was said that the payload is
  await queue.enqueue<Page>({ title: 'Count', payload: { uri: '/' } });
  // @ts-expect-error: a payload is an object
  await queue.enqueue({ title: 'Count', payload: 'text' });
  // @ts-expect-error: the unit comes last
  await queue.enqueue({ title: 'Count', ttl: 60 });
}

export async function claiming(queue: Queue): Promise<void> {
  const lease = await queue.claim<Page, Words>({ runId: 'agent-1', leaseSeconds: 60, wait: 10 });
  is<Lease<Page, Words> | undefined>()(lease, true);
  // @ts-expect-error: there may have been nothing to claim
  lease.task;
  if (lease === undefined) return;
  is<Page>()(lease.task.payload, true);
  is<AbortSignal>()(lease.signal, true);
  is<ClaimRecord<Words>>()(await lease.heartbeat(), true);
  is<Completed<Words>>()(
    await lease.complete({ words: 2 }, { enqueue: [{ title: 'Next', payload: { url: '/' } }] }),
    true,
  );
  is<ClaimRecord<Words>>()(await lease.fail(new Error('no such page'), { final: true }), true);
  is<Released>()(await lease.release({ delaySeconds: 60 }), true);
  is<Report<Words>[]>()(lease.lateResults, true);
  is<CancelRequest | null>()(lease.cancelRequest, true);
  await lease.heartbeat({ leaseSeconds: 60, progress: 0.5, note: 'half of it' });
  // @ts-expect-error: the unit is said
  await lease.heartbeat(60);
  const choice = { queues: ['a', 'b'], tags: ['x'], anyTags: ['y'], excludeTags: ['z'] } as const;
  is<Lease<Page, Words>[]>()(await queue.claimMany<Page, Words>(10, { runId: 'agent-1', ...choice }), true);
  // @ts-expect-error: it is not what was said that the result is
  await lease.complete({ lines: 2 });
  // @ts-expect-error: the lease tells whose it is
  lease.generation = 1;
  for await (const next of queue.claims<Page>({ runId: 'agent-1', signal: new AbortController().signal })) {
    await using held = next;
    is<Page>()(held.task.payload, true);
    // What is not known of a result is unknown, and not any.
    is<unknown>()((await held.complete()).result?.['words'], true);
  }
  is<Lease<Page, Words>>()(
    await queue.resume<Page, Words>(lease.task.taskId, { claimNonce: lease.record.claimNonce }),
    true,
  );
}

export async function working(queue: Queue): Promise<void> {
  await using worker = queue.work<Page, Words>(async ({ payload }, lease) => {
    is<Page>()(payload, true);
    is<Lease<Page, Words>>()(lease, true);
    return { words: payload.url.length };
  });
  is<Worker<Page, Words>>()(worker, true);
  worker.on('completed', (lease, record) => {
    is<Page>()(lease.task.payload, true);
    is<Words | null>()(record.result, true);
  });
  worker.on('failed', (_, error, record) => {
    is<unknown>()(error, true);
    is<ClaimRecord<Words>>()(record, true);
  });
  worker.on('cancelled', (lease, error) => is<unknown>()(lease.held && error, true));
  worker.on('error', (error) => is<'read-only' | 'denied' | 'full' | 'wrong-type' | 'other'>()(error.kind, true));
  const handler: Handler<Page, Words> = ({ payload }) => ({ words: payload.url.length });
  queue.work(handler, {
    runId: 'agent-1',
    stopOnSignals: true,
    onStop: 'release',
    queues: ['a'],
    excludeTags: ['slow'],
  });
  // The types follow from the handler, where it says them; and a handler may return nothing.
  is<Worker<Page, { size: number }>>()(
    queue.work(async (task: Task<Page>) => ({ size: task.payload.url.length })),
    true,
  );
  queue.work(() => {});
  // @ts-expect-error: it is not what was said that the result is
  queue.work<Page, Words>(async () => ({ lines: 2 }));
  // @ts-expect-error: a result is an object
  queue.work(() => 2);
  // @ts-expect-error: the payload has no such field
  queue.work<Page, Words>(async ({ payload }) => ({ words: payload.uri.length }));
  // @ts-expect-error: there is no such event
  worker.on('finished', () => {});
  // @ts-expect-error: there is no such way to stop
  await worker.stop('kill');
}

export async function asking(queue: Queue, id: string): Promise<void> {
  const item = await queue.get<Page, Words>(id);
  is<Shown<Page, Words> | undefined>()(item, true);
  is<Words | null | undefined>()(item?.result, true);
  is<Words | null | undefined>()(item?.history[0]?.result, true);
  is<string | null | undefined>()(item?.blockedOn, true);
  const { items, counts, nextCursor } = await queue.list<Page, Words>({
    status: 'timed_out',
    limit: 10,
    sort: '-ended',
  });
  is<Item<Page, Words>[]>()(items, true);
  is<number>()(counts.blocked, true);
  await queue.list({ cursor: nextCursor, since: new Date(), endedSince: '2026-11-24T18:00:00Z', tags: ['a'] });
  const waited = await queue.wait<Page, Words>([id], { any: true, timeoutSeconds: 5 });
  is<(Item<Page, Words> | undefined)[]>()(waited.items, true);
  for await (const change of queue.watch<Page, Words>({ queue: 'a', tags: ['b'] })) {
    is<Change<Page, Words>>()(change, true);
  }
  is<number | undefined>()((await queue.stats({ windowSeconds: 60 })).queues['a']?.runSeconds?.p99, true);
  is<Retried>()(await queue.retry(id, { now: true, cascade: false }), true);
  is<string[]>()((await queue.retry(id)).dependants, true);
  is<CodeWord[]>()((await queue.retry(id)).left.map(({ code }) => code), true);
  is<ClaimRecord<JsonObject>>()(await queue.cancel(id, { runId: 'a', request: true, reason: 'b' }), true);
  is<boolean>()(await queue.pause('a'), true);
  is<boolean>()(await queue.resumeQueue('a'), true);
  await queue.limit('a', null);
  is<number>()((await queue.gc({ olderThanSeconds: 60, keepLast: 5, dryRun: true })).removed, true);
  // @ts-expect-error: it has to be said how old they are
  await queue.gc({});
  // @ts-expect-error: there is no such order
  await queue.list({ sort: 'priority' });
  // @ts-expect-error: there is no such status
  await queue.list({ status: 'running' });
}

/** Each of these is a slip of the pen that a run would refuse, too. */
export async function misspelling(queue: Queue, lease: Lease, id: string): Promise<void> {
  // @ts-expect-error: the name is another
  await queue.enqueue({ title: 'Count', max_attempts: 3 });
  // @ts-expect-error: the name is another
  await queue.enqueue<Page>({ title: 'Count', payload: { url: '/' }, max_attempts: 3 });
  // @ts-expect-error: the name is another, in one of several
  await queue.enqueueMany([{ title: 'Count' }, { title: 'Count', max_attempts: 3 }]);
  // @ts-expect-error: the name is another
  await queue.claim({ run_id: 'a' });
  // @ts-expect-error: the name is another
  await queue.claim({ runId: 'a', leaseSecs: 60 });
  // @ts-expect-error: the name is another
  await queue.claimMany(5, { runId: 'a', waitSeconds: 60 });
  // @ts-expect-error: the name is another
  queue.claims({ runId: 'a', timeout: 60 });
  // @ts-expect-error: the name is another
  await queue.resume(id, { runId: 'a', nonce: 'b' });
  // @ts-expect-error: the name is another
  await queue.list({ state: 'failed' });
  // @ts-expect-error: the unit is said
  await queue.wait(id, { timeout: 5 });
  // @ts-expect-error: one queue is followed, or all
  queue.watch({ queues: ['a'] });
  // @ts-expect-error: the unit is said
  await queue.stats({ window: 60 });
  // @ts-expect-error: the name is another
  await queue.cancel(id, { runId: 'a', requested: true });
  // @ts-expect-error: the name is another
  await queue.gc({ olderThanSeconds: 60, keep: 5 });
  // @ts-expect-error: the name is another
  queue.work(() => {}, { runId: 'a', parallel: 4 });
  // @ts-expect-error: there is no such way to stop
  queue.work(() => {}, { runId: 'a', onStop: 'relase' });
  // @ts-expect-error: the name is another
  await lease.heartbeat({ lease: 60 });
  // @ts-expect-error: the name is another
  await lease.complete({}, { enqueueMany: [] });
  // @ts-expect-error: the name is another, of what is to follow
  await lease.complete({}, { enqueue: [{ title: 'Next', max_attempts: 3 }] });
  // @ts-expect-error: the name is another
  await lease.fail('no', { isFinal: true });
  // @ts-expect-error: the unit is said
  await lease.release({ delay: 60 });
  // @ts-expect-error: the name is another
  await queue.retry(id, { cascading: true });
}

/** The words there are for what went wrong: these and no others. */
type CodeWord =
  | 'bad_args'
  | 'bad_payload'
  | 'bad_queue'
  | 'bad_task_id'
  | 'not_found'
  | 'not_claimed'
  | 'wrong_owner'
  | 'lease_lost'
  | 'already_terminal'
  | 'not_terminal'
  | 'key_taken'
  | 'not_a_repository'
  | 'unsupported_format'
  | 'io_error'
  | 'unknown'
  | 'error';

export function telling(error: unknown): string | undefined {
  if (error instanceof CoordError) is<CodeWord>()(error.code, true);
  if (error instanceof BadArgsError) is<number | undefined>()(error.index, true);
  if (error instanceof CancelRequestedError) is<'cancel_requested'>()(error.code, true);
  if (error instanceof NotClaimedError) return error.taskStatus;
  if (error instanceof NotTerminalError) return error.taskStatus;
  if (error instanceof KeyTakenError) return error.taskStatus;
  if (error instanceof WrongOwnerError) return error.taskStatus;
  if (error instanceof LeaseLostError) return error.taskStatus;
  if (error instanceof AlreadyTerminalError) return error.taskStatus;
  return undefined;
}

export function refused(error: unknown): number | undefined {
  if (error instanceof LeaseLostError) return error.generation;
  if (error instanceof CoordError && error.code === 'already_terminal') return 0;
  if (error instanceof CancelRequestedError) is<string | null>()(error.reason, true);
  // @ts-expect-error: there is no such code
  if (error instanceof CoordError && error.code === 'gone') return 1;
  return undefined;
}
