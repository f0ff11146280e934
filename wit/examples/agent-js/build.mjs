// Makes a component of agent.js: `npm ci && node build.mjs [OUTPUT]`. Takes 10 to 30 seconds; the engine in it has 11
// MB.
//
// componentize-js is pinned to 0.19.3, and its jco by `overrides` to 1.15.1: the lock of anything newer names optional
// packages for other platforms without a version, and `npm ci` refuses it.

import { componentize } from '@bytecodealliance/componentize-js';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;
const wit = join(here, '../..');
const output = process.argv[2] ?? join(here, 'agent-js.wasm');

const packages = await mkdtemp(join(tmpdir(), 'agent-js-'));
try {
  await layOut(packages);
  const { component } = await componentize({
    sourcePath: join(here, 'agent.js'),
    witPath: packages,
    worldName: 'agent-js',
    // What is left imports what the world names, and nothing else: no files, no network, no clock.
    disableFeatures: ['stdio', 'random', 'clocks', 'http', 'fetch-event'],
  });
  await writeFile(output, component);
} finally {
  await rm(packages, { recursive: true });
}

// The world, and beside it in `deps/` what it includes: the package `muse:coord`, and what that needs of WASI.
async function layOut(directory) {
  await cp(join(here, 'wit'), directory, { recursive: true });
  await cp(join(wit, 'deps'), join(directory, 'deps'), { recursive: true });
  await mkdir(join(directory, 'deps/muse-coord'));
  const ours = (await readdir(wit)).filter((file) => file.endsWith('.wit'));
  await Promise.all(ours.map((file) => cp(join(wit, file), join(directory, 'deps/muse-coord', file))));
}
