// Claim and complete, cycles per second: @muse/coord against a queue in better-sqlite3, and against the native queue,
// side by side in one run.
//
//     node bench.mjs [--goals] [--dir DIRECTORY] [--rounds 5] [--seconds 1.5] [--processes 1,8] [--only REGEXP]
// [--native PROGRAM]
//
// `--dir` says which filesystem is measured. With `--goals` only what the goals need is, and how far they are reached
// is told at the end. `--native` is a built `coord-bench`, whose agents are the native queue; without it that is left
// out.
//
// Each batch is a fresh backlog that fresh processes work off: wall time from the signal to start, which all get at
// once, to the last completion. The contenders of a comparison take turns, A B C A B C …; what counts is the ratio of
// their medians, for both then had the same disk and the same neighbours. A backlog has so many tasks that the fastest
// contender works for `--seconds`, and each batch is checked to have ended every task once.
import { execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CONTENDERS, tasks } from './contenders.mjs';

const AGENT = fileURLToPath(new URL('agent.mjs', import.meta.url));

/** The smallest backlog, and what it is before it is known how fast the contenders are. */
const FEWEST = 2_000;

/** What is to be reached: a ratio of the queue's cycles per second to those of another. */
const GOALS = [
  { processes: 1, withResult: true, other: 'sqlite', least: 1 },
  { processes: 8, withResult: true, other: 'sqlite', least: 1.3 },
  { processes: 1, withResult: true, other: 'native-unsynced', least: 1 / 3 },
];

/** What is compared with what: equal durability, the queue first. */
const COMPARISONS = [
  {
    synced: 'yes',
    queue: 'coord',
    others: {
      'sqlite': 'better-sqlite3, every transaction synced',
      'sqlite-completions-synced': 'better-sqlite3, completions synced, claims not',
    },
  },
  {
    synced: 'no',
    queue: 'coord-unsynced',
    others: { 'sqlite-unsynced': 'better-sqlite3, nothing synced', 'native-unsynced': 'the native queue' },
  },
];

const { values: options } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1.5' },
    processes: { type: 'string', default: '1,8' },
    only: { type: 'string', default: '' },
    goals: { type: 'boolean', default: false },
    native: { type: 'string' },
  },
});

const cases = COMPARISONS.flatMap((comparison) =>
  options.processes.split(',').flatMap((processes) =>
    [false, true].map((withResult) => ({ ...comparison, processes: Number(processes), withResult }))
  )
);
const chosen = cases.map(measurable).filter((it) =>
  Object.keys(it.others).length > 0 && new RegExp(options.only).test(nameOf(it))
);
const reached = [];

heading();
// Nothing is deleted before the end: a filesystem has work with what was deleted for a while, and the next batch would
// pay for it.
const everything = mkdtempSync(join(options.dir, 'coord-bench-'));
try {
  for (const each of chosen) report(each, await compare(each));
} finally {
  rmSync(everything, { recursive: true });
}
if (reached.length > 0) {
  console.log(['', '| Goal | At least | Measured |', '| --- | ---: | ---: |', ...reached].join('\n'));
}

/** The same with those of the others that can be measured and are asked for. */
function measurable(each) {
  const wanted = (other) =>
    (other !== 'native-unsynced' || options.native !== undefined) &&
    (!options.goals || goalOf(each, other) !== undefined);
  return { ...each, others: Object.fromEntries(Object.entries(each.others).filter(([other]) => wanted(other))) };
}

function goalOf({ processes, withResult }, other) {
  return GOALS.find((goal) => goal.processes === processes && goal.withResult === withResult && goal.other === other);
}

/** All batches of one case: the cycles per second of each contender, round by round. */
async function compare(each) {
  const names = [each.queue, ...Object.keys(each.others)];
  const first = {};
  for (const name of names) first[name] = await batch(each, name, FEWEST);
  const count = Math.max(FEWEST, Math.ceil(Number(options.seconds) * Math.max(...Object.values(first))));
  const rates = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const name of names) rates[name].push(await batch(each, name, count));
    const latest = names.map((name) => `${name} ${rates[name].at(-1).toFixed(0)}`);
    console.error(`${nameOf(each)}, ${count} tasks: ${latest.join(', ')} (load ${loadavg()[0].toFixed(1)})`);
  }
  return rates;
}

/** One backlog worked off; cycles per second. */
async function batch({ processes, withResult }, name, count) {
  const root = mkdtempSync(join(everything, 'batch-'));
  const directory = join(root, 'queue');
  const { fill, command } = CONTENDERS[name];
  const started = (n) =>
    command === undefined
      ? startedHere([name, directory, join(root, `warm-up-${n}`), `agent-${n}`, `${withResult}`])
      : startedNatively(...command(options.native, directory, `agent-${n}`, withResult));
  await fill(directory, tasks(count));
  const agents = await Promise.all(Array.from({ length: processes }, (_, n) => started(n)));
  // What the backlog left for the disk to do is done before, not by the first completion.
  execFileSync('sync');
  const beganAt = process.hrtime.bigint();
  const told = await Promise.all(agents.map((work) => work()));
  await check(name, directory, count, told);
  const finishedAt = told.map((it) => BigInt(it.finishedAt)).reduce((one, other) => (one > other ? one : other));
  return count / (Number(finishedAt - beganAt) / 1e9);
}

/** An agent that has warmed up: what has it work, and tells how many tasks it completed and when the last one was. */
async function startedHere(words) {
  const agent = fork(AGENT, words);
  await message(agent);
  return async () => {
    const exited = once(agent, 'exit');
    agent.send('start');
    const told = await message(agent);
    await exited;
    return told;
  };
}

/** The same of a program that is compiled. */
async function startedNatively(program, words) {
  const agent = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: agent.stdout })[Symbol.asyncIterator]();
  const line = async () => {
    const { done, value } = await lines.next();
    if (done) throw new Error(`${program} ended early`);
    return value;
  };
  await line();
  return async () => {
    const exited = once(agent, 'exit');
    agent.stdin.end('start\n');
    const completed = Number(await line());
    const finishedAt = `${process.hrtime.bigint()}`;
    await exited;
    return { completed, finishedAt };
  };
}

/** The next message of a process, which must not end before. */
function message(agent) {
  return new Promise((resolve, reject) => {
    const ended = (code) => reject(new Error(`an agent ended with ${code}`));
    agent.once('exit', ended);
    agent.once('message', (told) => {
      agent.off('exit', ended);
      resolve(told);
    });
  });
}

/** A batch counts only if the queue did its work. */
async function check(name, directory, count, told) {
  const queue = await CONTENDERS[name].open(directory, 'checker');
  const sums = [told.reduce((sum, { completed }) => sum + completed, 0), await queue.completed()];
  queue.close();
  if (sums.some((sum) => sum !== count)) {
    throw new Error(`${name}: of ${count} tasks ${sums.join(' and ')} were completed`);
  }
}

function nameOf({ processes, withResult, synced }) {
  return `${processes} ${processes === 1 ? 'process' : 'processes'}, result ${
    withResult ? 'yes' : 'no'
  }, synced ${synced}`;
}

function heading() {
  const { model } = cpus()[0];
  console.log(
    `Node ${process.version}, ${cpus().length} × ${model.trim()}. Cycles per second: median (lowest–highest of ${options.rounds}).\n`,
  );
  console.log('| Processes | Result | Synced | `@muse/coord` | the other | which other | Ratio |');
  console.log('| ---: | --- | --- | ---: | ---: | --- | ---: |');
}

/** A row for each of the others. */
function report({ processes, withResult, synced, queue, others }, rates) {
  for (const [other, words] of Object.entries(others)) {
    const ratios = rates[queue].map((rate, round) => rate / rates[other][round]);
    const ratio = median(rates[queue]) / median(rates[other]);
    const spread = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`;
    const cells = [processes, withResult ? 'yes' : 'no', synced, told(rates[queue]), told(rates[other]), words];
    console.log(`| ${cells.join(' | ')} | **${ratio.toFixed(2)}** (${spread}) |`);
    const goal = goalOf({ processes, withResult }, other);
    if (goal === undefined) continue;
    const name = `${nameOf({ processes, withResult, synced })}, against ${words}`;
    const mark = ratio >= goal.least ? 'reached' : 'not reached';
    reached.push(`| ${name} | ${goal.least.toFixed(2)} | ${ratio.toFixed(2)}, ${mark} |`);
  }
}

function told(rates) {
  const [lowest, middle, highest] = [Math.min(...rates), median(rates), Math.max(...rates)].map((rate) =>
    rate.toFixed(0)
  );
  return `${middle} (${lowest}–${highest})`;
}

function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
