// Node, as an ECMAScript module.
import { readFileSync } from 'node:fs';
import { provide } from '../module.ts';

provide(() => new WebAssembly.Module(readFileSync(new URL('./muse_coord.wasm', import.meta.url))));

export * from '../index.ts';
