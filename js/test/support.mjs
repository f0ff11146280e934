// What the tests share: a directory of their own, the built `muse`, and processes of this runtime.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openQueue, postgres } from '@muse/coord';
import { serverOf } from './agents/server.mjs';

export const isDeno = 'Deno' in globalThis;

/** A repository of its own for a test, removed when it is over. */
export function repository(context) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'muse-js-')));
  mkdirSync(join(root, '.muse'));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

/** What the queues of the tests are on: `pg` or `pglite`; `undefined`: each is in a directory. */
export const engine = process.env.MUSE_JS_STORE;

/** For a test of what only a directory has. */
export const ofDirectories = { skip: engine !== undefined && 'on an engine there is no such thing' };

/** A queue of its own for a test. */
export async function freshQueue(context) {
  return engine === undefined
    ? openQueue({ root: repository(context), sync: false })
    : openQueue({ store: postgres(await client(), { schema: freshSchema() }), init: true });
}

/** A schema that nobody else uses. */
export function freshSchema() {
  return `test-${randomUUID()}`;
}

let connected;

/** A client of the engine, one for all tests of a file. */
export function client() {
  connected ??= connect();
  return connected;
}

// PGlite keeps its process alive.
if (engine !== undefined) after(async () => await (await connected)?.[engine === 'pg' ? 'end' : 'close']());

async function connect() {
  if (engine === 'pglite') {
    const { PGlite } = await import('@electric-sql/pglite');
    return new PGlite();
  }
  const { default: pg } = await import('pg');
  return new pg.Pool({ ...serverOf(process.env.ON_POSTGRES).client, max: 8 });
}

/** Runs the built `muse coord` in a repository; its answer. */
export function muse(root, ...words) {
  const { stdout, stderr } = spawnSync(process.env.MUSE_BIN, ['coord', ...words, '--json'], {
    cwd: root,
    encoding: 'utf8',
    env: {},
  });
  return stderr === '' ? JSON.parse(stdout) : { error: stderr };
}

/**
 * Starts one of `agents/` in a runtime, by default this one, with what a user would grant it. It ends with the test.
 */
export function start(context, name, root, words = [], runtime = isDeno ? 'deno' : 'node') {
  const program = fileURLToPath(new URL(`agents/${name}`, import.meta.url));
  const queue = join(root, '.muse', 'coordination');
  mkdirSync(queue, { recursive: true });
  const [command, grants] = runtime === 'deno'
    ? [isDeno ? process.execPath : process.env.DENO, [
      'run',
      '--no-prompt',
      '--quiet',
      `--allow-read=${queue}`,
      `--allow-write=${queue}`,
    ]]
    : [isDeno ? process.env.NODE : process.execPath, []];
  const child = spawn(
    ...withNoFurtherGrants(command, [...grants, program, root, ...words], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  // Deno's `child.kill` does nothing any more once it has sent one signal.
  const kill = (signal) => child.exitCode === null && child.signalCode === null && process.kill(child.pid, signal);
  context.after(() => kill('SIGKILL'));
  const lines = [];
  let [rest, told] = ['', () => {}];
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const whole = (rest + text).split('\n');
    rest = whole.pop();
    lines.push(...whole);
    told();
  });
  return {
    kill,
    /** The next line that it prints. */
    async line() {
      while (lines.length === 0) await new Promise((resolve) => (told = resolve));
      return lines.shift();
    },
    /** Waits for its end: the code, or the signal that ended it. */
    async ended() {
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      return child.exitCode ?? child.signalCode;
    },
  };
}

/** What to spawn: Deno adds grants where it sees that it starts itself. So it must not. */
export function withNoFurtherGrants(command, words, options) {
  const env = { ...process.env, PROGRAM: command };
  return ['sh', ['-c', 'exec "$PROGRAM" "$@"', 'sh', ...words], { ...options, env }];
}

/** Every name below the coordination directory. */
export function files(queue) {
  return readdirSync(queue.directory, { recursive: true });
}

/** The `code` that a promise rejects with. */
export async function codeOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error.code;
  }
  return undefined;
}

/** Waits for a signal's abort, and holds the process meanwhile: what watches over a lease does not. */
export async function aborted(signal) {
  const held = setInterval(() => {}, 1000);
  if (!signal.aborted) await once(signal, 'abort');
  clearInterval(held);
}

/**
 * For a test of what a process takes of a core. Deno does not tell what its own process has used so far, and takes
 * 0.3 % of a core when it does nothing; PGlite works in the process of the test.
 */
export const isMeasured = {
  skip: isDeno && 'measured in Node' || engine === 'pglite' && 'the engine is in this process',
};

/**
 * Measures, second by second, what a wait of eight seconds takes of a core. The quietest second counts: the engine
 * compiles in the
 * background what is used often, and the machine has other work, which can only add. Where it takes long just to wake
 * up, so that a
 * bare timer has half of the one percent, nothing can be told and the test is skipped.
 */
export async function assertTakesLessThanOnePercent(t, waiting) {
  // The first looks compile the code.
  await sleep(1000);
  const shares = [];
  for (let second = 0; second < 6; second += 1) shares.push(await shareOfACore(1000));
  await waiting;
  t.diagnostic(`by seconds: ${shares.map((share) => (share * 100).toFixed(2)).join(', ')} % of a core`);
  if (Math.min(...shares) < 0.01) return;
  const timer = setInterval(() => {}, 35);
  const bare = await shareOfACore(3000);
  clearInterval(timer);
  if (bare > 0.005) return t.skip(`a bare timer takes ${(bare * 100).toFixed(2)} % of a core here`);
  assert.fail(`${shares}`);
}

/** What this process takes of a core in so many milliseconds from now. */
async function shareOfACore(milliseconds) {
  const [before, began] = [process.cpuUsage(), performance.now()];
  await sleep(milliseconds);
  const used = process.cpuUsage(before);
  return (used.user + used.system) / 1000 / (performance.now() - began);
}

/** What has no text, or is one only at the first sight: to be thrown. */
export const hostile = {
  'an object without a prototype': () => Object.create(null),
  'a ring of causes': () => {
    const [a, b] = [new Error('a'), new Error('b')];
    return Object.assign(a, { cause: Object.assign(b, { cause: a }) });
  },
  'a chain of 100,000 causes': () => {
    let error = new Error('first');
    for (let n = 0; n < 100_000; n += 1) error = new Error(`${n}.`, { cause: error });
    return error;
  },
  'an error whose message throws': () => throwing(new Error('a'), 'message'),
  'an error whose cause throws': () => throwing(new Error('a'), 'cause'),
  'an error whose message is a symbol': () => Object.assign(new Error('a'), { message: Symbol('b') }),
  'an error of one whose message throws': () => new Error('a', { cause: throwing(new Error('b'), 'message') }),
  'an error of one whose message is no text': () =>
    new Error('a', { cause: Object.assign(new Error(), { message: /b/ }) }),
  'a proxy whose traps throw': () => new Proxy(new Error('a'), alwaysThrowing),
  'an error of a proxy whose traps throw': () => new Error('a', { cause: new Proxy(new Error('b'), alwaysThrowing) }),
  'a revoked proxy': revoked,
  'an object whose toString throws': () => ({ toString: fail }),
  'an object whose toString gives an object': () => ({ toString: () => ({}), valueOf: () => ({}) }),
  'a symbol': () => Symbol('a'),
  'a bigint': () => 1n,
  'a function': () => fail,
  nothing: () => undefined,
  null: () => null,
};

/** What is no JSON object, each in its own way: to be given as a result. */
export const unfit = {
  'a symbol': () => Symbol('a'),
  'a function': () => fail,
  'a revoked proxy': revoked,
  'a proxy whose traps throw': () => new Proxy({}, alwaysThrowing),
  'an object with a bigint': () => ({ n: 1n }),
  'a ring': () => {
    const ring = {};
    return Object.assign(ring, { ring });
  },
  'an object with a getter that throws': () => ({ deep: throwing({}, 'a') }),
  'an object whose toJSON throws': () => ({ toJSON: fail }),
  'an object whose toJSON throws nothing': () => ({
    toJSON() {
      throw undefined;
    },
  }),
  'an object whose toJSON gives nothing': () => ({ toJSON: () => undefined }),
  'a thenable that throws': () => ({ then: fail }),
  'a thenable that rejects with an object without a prototype': () => ({
    then: (_, reject) => reject(Object.create(null)),
  }),
  'an object whose then cannot be read': () => throwing({}, 'then'),
};

function fail() {
  throw Object.create(null);
}

const alwaysThrowing = new Proxy({}, { get: () => fail });

function throwing(object, name) {
  return Object.defineProperty(object, name, { get: fail, enumerable: true });
}

function revoked() {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** What the process is warned of that looks like a leak, during a test. */
export function leakWarnings(context) {
  const warnings = [];
  const listener = ({ name, message }) => name === 'MaxListenersExceededWarning' && warnings.push(message);
  process.on('warning', listener);
  context.after(() => process.off('warning', listener));
  return warnings;
}
