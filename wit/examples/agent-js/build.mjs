// Makes a component of agent.js: `npm ci && node build.mjs [OUTPUT]`. Takes 10 to 30 seconds; the engine in it has 11
// MB.
//
// componentize-js is pinned to 0.19.3, and its jco by `overrides` to 1.15.1: the lock of anything newer names optional
// packages for other platforms without a version, and `npm ci` refuses it.

import { componentize } from '@bytecodealliance/componentize-js';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;
const wit = join(here, '../..');
const output = process.argv[2] ?? join(here, 'agent-js.wasm');

const packages = await mkdtemp(join(tmpdir(), 'agent-js-'));
try {
  await layOut(packages);
  const { component } = await componentize({
    sourcePath: join(packages, 'agent.js'),
    witPath: join(packages, 'wit'),
    worldName: 'agent-js',
    // What is left imports what the world names, and nothing else: no files, no network, no clock.
    disableFeatures: ['stdio', 'random', 'clocks', 'http', 'fetch-event'],
  });
  await writeFile(output, component);
} finally {
  await rm(packages, { recursive: true });
}

// The program, its world, and beside that in `deps/` what it includes: the package `muse:coord`, and what that needs of
// WASI.
async function layOut(directory) {
  const world = join(directory, 'wit');
  await cp(join(wit, 'deps'), join(world, 'deps'), { recursive: true });
  await mkdir(join(world, 'deps/muse-coord'));
  const ours = (await readdir(wit)).filter((file) => file.endsWith('.wit'));
  await Promise.all(ours.map((file) => cp(join(wit, file), join(world, 'deps/muse-coord', file))));
  const version = /^package muse:coord@(.+);$/m.exec(await readFile(join(wit, 'world.wit'), 'utf8'))[1];
  await writeVersioned(join(here, 'agent.js'), join(directory, 'agent.js'), version);
  await writeVersioned(join(here, 'wit/world.wit'), join(world, 'world.wit'), version);
}

// An interface's name holds the package's version, which stands in one place: its `package` line.
async function writeVersioned(from, to, version) {
  const text = await readFile(from, 'utf8');
  await writeFile(to, text.replace(/muse:coord\/[a-z-]+(?=[';])/g, `$&@${version}`));
}
