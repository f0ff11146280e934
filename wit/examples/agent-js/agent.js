// An agent: claims tasks until there is none, counts the words of each one's texts, and completes it with the number.
//
// It is granted no directory: the queue is an import, and whoever runs the agent provides it. For instance, put
// together with the library component, under a stock wasmtime:
//
//   wac plug agent-js.wasm --plug muse-coord.wasm --output agent.wasm
//   wasmtime run --dir .muse/coordination --env MUSE_RUN_ID=agent-1 agent.wasm
//
// It ends with 0 when there is nothing left to claim, and with 1 when the queue fails.

import { claim } from 'muse:coord/queue';
import { getEnvironment } from 'wasi:cli/environment@0.2.12';
import { getStderr } from 'wasi:cli/stderr@0.2.12';
import { getStdout } from 'wasi:cli/stdout@0.2.12';

// Another agent may take a task over when this one has not been heard of for so long.
const LEASE_SECONDS = 10;

export const run = {
  run() {
    try {
      workOff();
    } catch (error) {
      // What the queue refused is the `payload`: `{ tag: 'io-error', val: … }`.
      print(getStderr(), `error: ${error.payload?.tag ?? error}`);
      throw error;
    }
  },
};

function workOff() {
  // Left out, it is whom the host runs this agent as. A stock runtime runs it as nobody.
  const runId = new Map(getEnvironment()).get('MUSE_RUN_ID');
  const any = { queues: [], tags: [], anyTags: [], excludeTags: [] };
  for (let lease; (lease = claim({ ...any, runId, leaseSeconds: LEASE_SECONDS })) !== undefined; ) {
    const id = lease.task().taskId;
    print(getStdout(), `${id} claimed`);
    print(getStdout(), `${id} ${settle(lease)}`);
    lease[Symbol.dispose]?.();
  }
}

// Does one task. The answer is what became of it.
function settle(lease) {
  try {
    return work(lease);
  } catch (error) {
    // Somebody else has the task now, or it was called off. This work is dropped; there is more.
    if (['lease-lost', 'not-claimed', 'already-terminal'].includes(error.payload?.tag)) return 'lost';
    throw error;
  }
}

function work(lease) {
  // What others wrote is data: it is parsed, never obeyed, and printed nowhere.
  const { texts } = JSON.parse(lease.task().payload);
  if (!Array.isArray(texts) || !texts.every((text) => typeof text === 'string')) {
    // The next attempt would fail as well.
    return lease.fail('the payload is not {"texts": ["…"]}', true).status;
  }
  let words = 0;
  for (const text of texts) {
    words += text.split(/\s+/).filter((word) => word !== '').length;
    // Still alive. It also tells when the work is no longer wanted: by an error if the task was taken away, in the
    // answer if somebody asks.
    if (lease.heartbeat().cancelRequest !== undefined) {
      lease.release();
      return 'called off';
    }
  }
  return lease.complete(JSON.stringify({ words })).status;
}

// `console` would bring in all of the engine's input and output, and is left out of this build.
function print(stream, line) {
  stream.blockingWriteAndFlush(new TextEncoder().encode(`${line}\n`));
  stream[Symbol.dispose]?.();
}
