// A Worker with a queue, as a test of `workerd test`: its client asks by HTTP, as those of databases for Workers do.
import assert from 'node:assert/strict';
import { openQueue, postgres } from '@muse/coord';

function clientOf(database) {
  return {
    async query(text, values) {
      const answer = await database.fetch('http://database/', {
        method: 'POST',
        body: JSON.stringify({ text, values }),
      });
      const { rows, refusal } = await answer.json();
      if (refusal !== undefined) throw Object.assign(new Error(refusal.message), refusal);
      return { rows };
    },
  };
}

export default {
  async test(_, { database, schema }) {
    const queue = await openQueue({ store: postgres(clientOf(database), { schema }), init: true });
    await queue.enqueueMany([{ title: 'first' }, { title: 'second', priority: 5 }]);
    const done = [];
    const worker = queue.work(({ title }) => ({ place: done.push(title) }), { runId: 'worker-1', wait: 1 });
    await worker.done;
    assert.deepEqual(done, ['second', 'first']);
    const { items } = await queue.list();
    const told = items.map(({ title, status, result }) => `${title} ${status} ${result.place}`);
    assert.deepEqual(told.sort(), ['first completed 2', 'second completed 1']);
    await assert.rejects(openQueue({ root: '/tmp' }), /^BadArgsError: a Worker has no directory: pass a store, /);
    console.log('done');
  },
};
