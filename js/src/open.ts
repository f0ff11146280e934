import { BadArgsError } from './errors.ts';
import { hasDirectories, openBinding } from './module.ts';
import { optionsOf } from './options.ts';
import { DirectoryPlace, type Opener } from './place.ts';
import { Queue } from './queue.ts';
import { coordinationDirectory, syncing } from './repository.ts';
import type { OpenOptions } from './types.ts';

/**
 * Opens the queue of a repository. Every other face may work on it at the same time.
 *
 * With `store` the queue is on an engine: see `postgres`. Otherwise it is in a directory.
 *
 * Rejects with `NotARepositoryError` if there is no `.muse`, with `UnsupportedFormatError` if the queue has
 * a format or a feature that this version does not know, and with `IoError` if a repository found by searching is
 * not to be trusted, or an engine cannot be asked.
 */
export async function openQueue(options: OpenOptions = {}): Promise<Queue> {
  const taken = optionsOf('openQueue', options);
  if (taken.store !== undefined) return new Queue(await (taken.store as Opener).open(taken.init ?? false));
  if (!hasDirectories) {
    throw new BadArgsError(
      'bad_args',
      'a Worker has no directory: pass a store, as openQueue({ store: postgres(client) })',
    );
  }
  const sync = syncing(taken);
  const directory = coordinationDirectory(taken, sync);
  return new Queue(new DirectoryPlace(directory, openBinding(directory, sync)));
}
