// Cloudflare Workers, which take a compiled module for an import. They have no directory: the queue is on an engine.
import compiled from './muse_coord.wasm';
import { provide, withoutDirectories } from '../module.ts';

provide(() => compiled);
withoutDirectories();

export * from '../index.ts';
