// An agent in the shape of those that have a language model: it asks the model, does the tool call that the model
// answers with, tells it the outcome, and so on until there is an answer.
//
//     node llm-agent.mjs URL
//     deno run --allow-read=.muse/coordination --allow-write=.muse/coordination --allow-net=HOST:PORT llm-agent.mjs URL
//
// Run it where `.muse` is. It does the tasks of the queue `questions`, with a payload of `{ "question": "…" }`. Behind
// URL is a service of two JSON endpoints (put the API of your model in `ask`, your tools in `callTool`):
//
//     POST URL/model        { messages }    ->  { answer }, or { tool, input } for a tool call
//     POST URL/tools/NAME   { input }       ->  { output }
//
// Heartbeats are the worker's business: they go on while the handler waits, however long a step takes. The other side
// of that is that the handler has to bound its steps in number and in time, as nobody else does. When somebody asks to
// stop (`muse coord cancel-task ID --request`), the task is called off (`--force`) or taken over, `lease.signal` ends
// the request at hand within about a second.
import process from 'node:process';
import { openQueue } from '@muse/coord';

const MAX_STEPS = 8;
const STEP_TIMEOUT = 120_000;

/** The tools that the model may name. What it answers has been led by what it has read, and is not to be trusted. */
const TOOLS = new Set(['search', 'fetch']);

const url = process.argv[2] ?? usage();
const queue = await openQueue();
const worker = queue.work(answer, {
  runId: `llm-agent-${process.pid}`,
  queue: 'questions',
  concurrency: 8,
  stopOnSignals: true,
  // A step can take minutes: at Ctrl-C another agent shall have the task at once.
  onStop: 'release',
});
worker.on('claimed', ({ task }) => console.log(`claimed ${task.taskId}`));
worker.on('completed', ({ task }) => console.log(`completed ${task.taskId}`));
worker.on('failed', ({ task }) => console.log(`failed ${task.taskId}`));
worker.on('cancelled', ({ task }, reason) => console.log(`cancelled ${task.taskId}: ${reason.message}`));
worker.on('released', ({ task }) => console.log(`released ${task.taskId}`));
worker.on('lost', ({ task }, reason) => console.log(`lost ${task.taskId}: ${reason.code}`));
await worker.done;

function usage() {
  console.error('usage: llm-agent.mjs URL');
  process.exit(2);
}

async function answer({ payload }, lease) {
  if (typeof payload.question !== 'string') throw new Error('the payload has no question');
  // The question is what a user says, never a part of the instructions: whoever may enqueue must not be able to give
  // those.
  const messages = [
    { role: 'system', content: 'Answer the question. You may use the tools search and fetch.' },
    { role: 'user', content: payload.question },
  ];
  for (let step = 1; step <= MAX_STEPS; step += 1) {
    const reply = await ask(messages, lease.signal);
    if (typeof reply.answer === 'string') return { answer: reply.answer, steps: step };
    const output = await callTool(reply.tool, reply.input, lease.signal);
    messages.push({ role: 'assistant', content: reply }, { role: 'tool', content: output });
  }
  throw new Error(`no answer after ${MAX_STEPS} steps`);
}

function ask(messages, signal) {
  return post('model', { messages }, signal);
}

async function callTool(name, input, signal) {
  if (!TOOLS.has(name)) throw new Error(`the model asked for a tool that there is not: ${JSON.stringify(name)}`);
  const { output } = await post(`tools/${name}`, { input }, signal);
  return output;
}

/** Throws errors that tell whoever reads why the task failed: which request it was, and what became of it. */
async function post(endpoint, body, signal) {
  const timeout = AbortSignal.timeout(STEP_TIMEOUT);
  try {
    const response = await fetch(`${url}/${endpoint}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, timeout]),
    });
    if (!response.ok) throw new Error(`HTTP ${response.status}: ${(await response.text()).slice(0, 200)}`);
    return await response.json();
  } catch (error) {
    signal.throwIfAborted();
    // What Node's `fetch` says is "fetch failed"; why it did is in the cause.
    throw new Error(`${endpoint}: ${error.cause?.message ?? error.message}`, { cause: error });
  }
}
