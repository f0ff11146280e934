// Deno, which imports WebAssembly by itself: so the package's own files need no --allow-read.
import source compiled from './muse_coord.wasm';
import { provide } from '../module.ts';

provide(() => compiled);

export * from '../index.ts';
