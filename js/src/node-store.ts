import {
  chmodSync,
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import process from 'node:process';
import type { Host } from '../generated/muse_coord.js';
import { Outcome } from '../generated/muse_coord.js';
import { now } from './clock.ts';
import { ordersNames } from './filesystem.ts';
import { Nonces } from './nonces.ts';
import { groupOfThisProcess } from './trust.ts';

/**
 * How what is acknowledged is synced: by one flush where the filesystem is known to order names, by the letter of
 * POSIX, or not at
 * all.
 */
export type Sync = 'on' | 'posix' | 'off';

/**
 * A real directory as the queue's store, by `node:fs` in calls that return when they are done. Node and Deno have them
 * both.
 *
 * Links, renames and exclusive creation are the system's own, so one winner is one winner here, too. No symbolic link
 * is opened
 * as a file. But these calls go by paths, where the other faces hold directories open: whoever can write in the
 * directory could
 * exchange one for a link and lead this process out of it. Let only agents write there that are trusted not to.
 */
export class NodeStore implements Host {
  readonly #prefix: string;
  readonly #sync: boolean;
  readonly #ordersNames: boolean | undefined;
  /** The mode that all that is made is given, whatever the umask is; not on Windows. */
  readonly #mode: number | undefined;
  readonly #nonces = new Nonces();
  /** What is read, until the WebAssembly part has copied it, which it does at once. */
  readonly #content = new Uint8Array(READ_AT_ONCE);

  constructor(directory: string, sync: Sync) {
    this.#prefix = `${directory}/`;
    this.#sync = sync !== 'off';
    this.#ordersNames = orderingOf(directory, sync);
    this.#mode = modeWithin(directory);
  }

  now(): number {
    return now();
  }

  nonce(): bigint {
    return this.#nonces.next();
  }

  create(path: string, content: Uint8Array): Outcome {
    return this.#create(path, content, this.#sync && content.length > 0);
  }

  createUnflushed(path: string, content: Uint8Array): Outcome {
    return this.#create(path, content, false);
  }

  #create(path: string, content: Uint8Array, flush: boolean): Outcome {
    return attempt(() => {
      const file = this.#prefix + path;
      const descriptor = openSync(file, 'wx', this.#mode === undefined ? undefined : this.#mode & 0o666);
      try {
        if (this.#mode !== undefined) this.#share(file, fstatSync(descriptor).mode, this.#mode & 0o666);
        write(descriptor, content);
        if (flush) fdatasyncSync(descriptor);
      } catch (error) {
        // Nothing points at it, so that what is left of it is harmless.
        attempt(() => unlinkSync(file));
        throw error;
      } finally {
        closeSync(descriptor);
      }
    });
  }

  append(path: string, line: Uint8Array, most: number): number {
    let descriptor: number;
    try {
      descriptor = openSync(this.#prefix + path, APPENDING);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return -1;
      throw failure(error);
    }
    try {
      const stat = fstatSync(descriptor);
      if (!stat.isFile()) throw Object.assign(new Error('ENODEV: it is no file'), { code: 'ENODEV' });
      if (stat.size + line.length > most) return -2;
      // By one call: two who add at once get between the pieces of neither.
      if (writeSync(descriptor, line) === line.length) return stat.nlink;
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    } catch (error) {
      throw failure(error);
    } finally {
      closeSync(descriptor);
    }
  }

  link(from: string, to: string): Outcome {
    return attempt(() => linkSync(this.#prefix + from, this.#prefix + to));
  }

  rename(from: string, to: string): Outcome {
    return attempt(() => renameSync(this.#prefix + from, this.#prefix + to));
  }

  read(path: string, maxBytes: number): Uint8Array | undefined {
    return unlessMissing(() => this.#read(path, maxBytes));
  }

  firstLine(path: string, maxBytes: number): Uint8Array | undefined {
    const content = unlessMissing(() => this.#read(path, maxBytes, LINE_END));
    if (content === undefined) return undefined;
    const end = content.indexOf(LINE_END);
    return end < 0 ? content : content.subarray(0, end + 1);
  }

  /** Reads up to `maxBytes`; no more once it has come to this byte. */
  #read(path: string, maxBytes: number, until?: number): Uint8Array {
    const descriptor = openSync(this.#prefix + path, READING);
    try {
      let content = this.#content;
      for (let length = 0;;) {
        if (length === content.length) content = larger(content);
        const read = readSync(descriptor, content, length, Math.min(content.length, maxBytes) - length, null);
        const isThere = until !== undefined && content.subarray(length, length + read).includes(until);
        length += read;
        if (read === 0 || length === maxBytes || isThere) return content.subarray(0, length);
      }
    } finally {
      closeSync(descriptor);
    }
  }

  links(path: string): number | undefined {
    return unlessMissing(() => lstatSync(this.#prefix + path, { throwIfNoEntry: false })?.nlink);
  }

  exists(path: string): boolean {
    return unlessMissing(() => lstatSync(this.#prefix + path, { throwIfNoEntry: false })) !== undefined;
  }

  list(dir: string): string | undefined {
    return unlessMissing(() => {
      const names = readdirSync(this.#prefix + dir);
      return names.length === 0 ? '' : `${names.join('/')}/`;
    });
  }

  stamp(dir: string): number | undefined {
    const found = unlessMissing(() => lstatSync(this.#prefix + dir, { throwIfNoEntry: false }));
    if (found?.isDirectory() === false) throw failure({ code: 'ENOTDIR', message: 'ENOTDIR: not a directory' });
    return found?.mtimeMs;
  }

  remove(path: string): Outcome {
    return attempt(() => unlinkSync(this.#prefix + path));
  }

  makeDir(dir: string): Outcome {
    return attempt(() => {
      const path = this.#prefix + dir;
      mkdirSync(path, this.#mode === undefined ? undefined : { mode: this.#mode & 0o777 });
      if (this.#mode !== undefined) this.#share(path, lstatSync(path).mode, this.#mode);
    });
  }

  /** Who may work in the directory may work with all that is in it. A filesystem that knows no modes is left alone. */
  #share(path: string, mode: number, wanted: number): void {
    if ((mode & SHARED) === wanted) return;
    try {
      chmodSync(path, wanted);
    } catch {
      // What is made is in its place all the same.
    }
  }

  removeDir(dir: string): Outcome {
    return attempt(() => rmdirSync(this.#prefix + dir));
  }

  /** With its names, where the filesystem orders them: for that `fsync`, as `fdatasync` leaves a rename out. */
  flush(path: string): Outcome {
    if (!this.#sync) return Outcome.Done;
    return attempt(() => {
      const descriptor = openSync(this.#prefix + path, FLUSHING);
      try {
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  ordersNames(): boolean | undefined {
    return this.#ordersNames;
  }

  syncDir(dir: string): Outcome {
    return this.#sync ? attempt(() => syncDirectory(this.#prefix + dir)) : Outcome.Done;
  }
}

/** The most that most files hold, in bytes. */
const READ_AT_ONCE = 8_192;

const LINE_END = 0x0a;

/**
 * How a file is opened to be read: no link is followed, and nobody is waited for. A FIFO in the directory would hold
 * this process up
 * until somebody writes into it; so it reads as empty.
 */
const READING = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0) |
  (constants.O_NOCTTY ?? 0);

/** How a file is opened to be flushed. Windows flushes only what may be written. */
const FLUSHING = process.platform === 'win32' ? constants.O_RDWR : READING;

/** How a file that is there is opened to be added to. The flag `a` would make one that is missing. */
const APPENDING = constants.O_WRONLY | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** What is taken over of a directory's mode: the rights, and that its group is that of all that is in it. */
const SHARED = 0o2777;

/**
 * The mode that what is made in a directory is to have: its owner's alone; its group's, too, or everybody's, where
 * these may write there (`mode_within` of the command line argues why). `undefined` on Windows, where there are none.
 */
export function modeWithin(directory: string): number | undefined {
  if (process.platform === 'win32') return undefined;
  const { mode, gid } = statSync(directory);
  const isSticky = (mode & 0o1002) === 0o1002;
  const isTheGroups = (mode & 0o2000) !== 0 || gid === groupOfThisProcess();
  const group = (mode & 0o020) === 0 || isSticky || !isTheGroups ? 0 : 0o2070;
  const others = (mode & 0o002) === 0 || isSticky ? 0 : 0o007;
  return 0o700 | (mode & (group | others));
}

/** Whether names are ordered, as the queue is told. */
function orderingOf(directory: string, sync: Sync): boolean | undefined {
  switch (sync) {
    case 'on':
      return ordersNames(directory);
    case 'posix':
      // This agent does not rely on it, but others may.
      return undefined;
    case 'off':
      // What is not to be durable is in no need of two flushes, nor of one.
      return false;
  }
}

/** Makes the names in a directory durable. On Windows, which cannot, it does nothing. */
export function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(directory, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0));
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function write(descriptor: number, content: Uint8Array): void {
  for (let written = 0; written < content.length;) {
    written += writeSync(descriptor, content, written);
  }
}

function larger(content: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(4 * content.length);
  copy.set(content);
  return copy;
}

/** Makes a change; tells what it came to. */
function attempt(change: () => void): Outcome {
  try {
    change();
    return Outcome.Done;
  } catch (error) {
    switch (codeOf(error)) {
      case 'ENOENT':
        return Outcome.Missing;
      case 'EEXIST':
      case 'ENOTEMPTY':
        return Outcome.InTheWay;
      default:
        throw failure(error);
    }
  }
}

/** Looks at something; `undefined` if it is not there. */
function unlessMissing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw failure(error);
  }
}

const KINDS: Record<string, string> = {
  EROFS: 'read-only',
  EACCES: 'denied',
  EPERM: 'denied',
  ENOSPC: 'full',
  EDQUOT: 'full',
  ENOTDIR: 'wrong-type',
  EISDIR: 'wrong-type',
  ELOOP: 'wrong-type',
  ENXIO: 'wrong-type',
  ENODEV: 'wrong-type',
  EMFILE: 'too-many-open',
  ENFILE: 'too-many-open',
};

/** What the WebAssembly part is thrown. */
function failure(error: unknown): string {
  return failureOf(error).join(' ');
}

/** The kind of failure, and the system's words. */
export function failureOf(error: unknown): [kind: string, words: string] {
  const { name, message } = error as Error;
  // Deno's own refusal has no code. It names the path and the flag.
  if (name === 'NotCapable') return ['denied', message];
  const code = codeOf(error);
  // `EACCES: permission denied, open '/path'`: the queue names the path and the operation itself.
  const words = /^\w+: ([^,]+)/.exec(message)?.[1] ?? message;
  return [KINDS[code ?? ''] ?? 'other', words];
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}
