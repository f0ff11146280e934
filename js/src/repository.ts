import { chmodSync, lstatSync, mkdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import process from 'node:process';
import { BadArgsError, IoError, NotARepositoryError } from './errors.ts';
import { variable } from './grants.ts';
import { failureOf, modeWithin, type Sync, syncDirectory } from './node-store.ts';
import { distrust } from './trust.ts';
import type { OpenOptions } from './types.ts';

/** The repository's coordination directory, which is made if `.muse` is there, or with `init` also if it is not. */
export function coordinationDirectory({ root, init = false }: OpenOptions, sync: Sync): string {
  const named = root ?? variable('MUSE_REPO_ROOT');
  const start = resolve(named instanceof URL ? fileURLToPath(named) : (named ?? process.cwd()));
  try {
    const found = (named === undefined ? upward(start) : repositoryAt(start)) ?? (init ? start : undefined);
    const why = found === undefined || named !== undefined ? undefined : distrust(found, variable('SUDO_UID'));
    if (why !== undefined) throw new Untrusted(why);
    if (found !== undefined) return made(found, sync);
  } catch (error) {
    throw notUsable(start, named !== undefined, error);
  }
  throw new NotARepositoryError(
    'not_a_repository',
    `${start} is not a muse repository${
      named === undefined ? ' (nor is any directory above it)' : ''
    }: run \`muse coord init\` ` +
      'where the repository is to be, or open it with { init: true }',
  );
}

function upward(start: string): string | undefined {
  for (let directory = start;; directory = dirname(directory)) {
    if (repositoryAt(directory) !== undefined) return directory;
    if (directory === dirname(directory)) return undefined;
  }
}

/**
 * The directory, if it is a repository. Where the queue is there already nothing else is looked at, or need be granted.
 */
function repositoryAt(directory: string): string | undefined {
  const [queue, muse] = [join(directory, '.muse', 'coordination'), join(directory, '.muse')];
  return isDirectory(queue) || isDirectory(muse) ? directory : undefined;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Makes what is missing, unless something else is in its place. Another process may be doing the same. */
function made(root: string, sync: Sync): string {
  const directory = join(root, '.muse', 'coordination');
  const found = statSync(directory, { throwIfNoEntry: false });
  if (found === undefined) {
    if (lstatSync(directory, { throwIfNoEntry: false })?.isSymbolicLink()) {
      throw new InTheWay(`it is a link to ${JSON.stringify(readlinkSync(directory))}, which is not there`);
    }
    mkdirSync(root, { recursive: true });
    [join(root, '.muse'), directory].forEach(makeOne);
    // The queue syncs what it makes inside. The names `coordination` and `.muse` are outside its reach.
    if (sync !== 'off') [join(root, '.muse'), root].forEach(syncDirectory);
  } else if (found.isFile()) {
    throw new Elsewhere(leadingTo(directory));
  } else if (!found.isDirectory()) {
    throw new InTheWay('not a directory');
  }
  return directory;
}

/** What to do where a file leads to an engine: this package has no client of its own. */
function leadingTo(file: string): string {
  const advice = 'pass a client of that server as openQueue({ store: postgres(client, { schema }) })';
  try {
    const { store } = JSON.parse(readFileSync(file, 'utf8')) as { store?: unknown };
    if (typeof store === 'string') return `it is a file that leads to ${store}: ${advice}`;
  } catch {
    // Then it leads nowhere, or that is not known.
  }
  return `it is a file, which may lead to an engine: ${advice}`;
}

/** Something else than a directory is where the coordination directory should be. */
class InTheWay extends Error {}

/** A file is there, which says that the queue is on an engine. */
class Elsewhere extends Error {}

/** A repository that was found by searching, and that somebody else may have put there. */
class Untrusted extends Error {}

/** Nobody else may look into it, not for a moment, unless it is for those who may write above it. */
function makeOne(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if ((error as { code?: string }).code === 'EEXIST') return;
    throw error;
  }
  try {
    const wanted = modeWithin(dirname(directory));
    if (wanted !== undefined && wanted !== 0o700) chmodSync(directory, wanted);
  } catch {
    // Of a directory whose mode cannot be set nothing more can be wanted.
  }
}

/** What the queue says, too, of what it meets further below. */
const ADVICE: Record<string, string> = {
  'wrong-type': '; move what is in the way to another place',
  'too-many-open': '; raise the limit on open files (`ulimit -n`)',
};

function notUsable(root: string, isNamed: boolean, error: unknown): Error {
  if (error instanceof Untrusted) return withKind(new IoError('io_error', error.message), 'other');
  const { name } = error as Error;
  const directory = join(root, '.muse', 'coordination');
  const grant =
    `grant --allow-read=${directory} and --allow-write=${directory}, which is all that is needed once the queue is there`;
  const elsewhere = isNamed ? '' : ', or say by { root } which other directory holds .muse';
  const how = name === 'NotCapable' ? `: ${grant}${elsewhere}` : '';
  const [kind, words] = error instanceof InTheWay
    ? (['wrong-type', error.message] as const)
    : error instanceof Elsewhere
    ? (['other', error.message] as const)
    : failureOf(error);
  const advice = ADVICE[kind] ?? how;
  const message = `cannot open the coordination directory ${JSON.stringify(directory)}: ${words}${advice}`;
  return withKind(new IoError('io_error', message, { cause: error }), kind === 'too-many-open' ? 'other' : kind);
}

function withKind(failure: IoError, kind: string): Error {
  return Object.defineProperty(failure, 'kind', { value: kind, enumerable: true });
}

/**
 * How what is acknowledged is to be synced. The option says whether; if it is, the variable may say that by the letter
 * of POSIX.
 */
export function syncing({ sync }: OpenOptions): Sync {
  if (sync === 'posix') return sync;
  if (sync === false) return 'off';
  const value = variable('MUSE_COORD_SYNC') ?? 'on';
  if (sync === true) return value === 'posix' ? value : 'on';
  if (value === 'on' || value === 'posix' || value === 'off') return value;
  throw new BadArgsError('bad_args', `MUSE_COORD_SYNC must be on, posix or off, not ${JSON.stringify(value)}`);
}
