import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { conformanceChecks, conformanceFindings, initSync } from '../generated/conformance/muse_coord.js';
import { NodeStore } from '../generated/node-store.js';
import { repository } from './support.mjs';

initSync({ module: readFileSync(new URL('../generated/conformance/muse_coord_bg.wasm', import.meta.url)) });

for (const sync of ['on', 'posix', 'off']) {
  test(`the store of node:fs conforms, sync ${sync}`, (t) => {
    const root = repository(t);
    let stores = 0;
    const emptyStore = () => {
      const directory = join(root, `store-${(stores += 1)}`);
      mkdirSync(directory);
      return new NodeStore(directory, sync);
    };
    assert.deepEqual(conformanceFindings(emptyStore), []);
    assert.ok(stores >= 18 && stores === conformanceChecks());
  });
}

test('a store that goes by the letter of POSIX relies on no order of names, and leaves it to others whether they do', (t) => {
  const told = (sync) => new NodeStore(repository(t), sync).ordersNames();
  assert.equal(told('posix'), undefined);
  assert.equal(told('off'), false);
});
