// Node, by `require`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { provide } from '../module.ts';

provide(() => new WebAssembly.Module(readFileSync(join(__dirname, 'muse_coord.wasm'))));

export * from '../index.ts';
