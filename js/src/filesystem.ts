import { readFileSync, realpathSync, statfsSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import process from 'node:process';
import { isGranted } from './grants.ts';

/** Filesystems of Linux, by the numbers of `statfs`. */
const EXT4 = 0xef53;
const XFS = 0x58465342;
const BTRFS = 0x9123683e;
const TMPFS = 0x01021994;
const OVERLAYFS = 0x794c7630;
const ZFS = 0x2fc12fc1;

/** Those without a device that nobody changes without this system's knowledge. */
const LOCAL = [BTRFS, TMPFS, OVERLAYFS, ZFS];

/** Whether this system is told of every change in a directory, whoever makes it. False for what is not known. */
export function isLocal(directory: string): boolean {
  if (process.platform !== 'linux') return false;
  // A filesystem with a major number is on a block device of this machine. The others that are local have to be asked
  // for.
  const [major] = deviceOf(directory);
  return major !== 0 || LOCAL.includes(typeOf(directory) ?? 0);
}

/**
 * Whether the filesystem makes no name durable before what was done earlier (`orders_names` of the command line argues
 * it).
 * `undefined`: this process does not know, and another one may rely on it.
 */
export function ordersNames(directory: string): boolean | undefined {
  if (process.platform !== 'linux') return false;
  switch (typeOf(directory)) {
    case XFS:
    case BTRFS:
      return true;
    case EXT4:
      return journalsAll(directory);
    case TMPFS:
      return false;
    default:
      return undefined;
  }
}

/** `undefined`: this process may not know. */
function typeOf(directory: string): number | undefined {
  return isGranted({ name: 'sys', kind: 'statfs' }) ? unlessRefused(() => statfsSync(directory).type) : undefined;
}

/**
 * Whether the ext4 that a directory is on has a journal and writes all changes to it. `undefined`: this process may not
 * look, or it has
 * not always done so.
 */
function journalsAll(directory: string): boolean | undefined {
  if (!isGranted({ name: 'read', path: '/sys' })) return undefined;
  return unlessRefused(() => {
    const device = basename(realpathSync(`/sys/dev/block/${deviceOf(directory).join(':')}`));
    // The number of the thread that writes it, or `<none>`.
    if (!/^\d+\s*$/.test(readFileSync(`/sys/fs/ext4/${device}/journal_task`, 'utf8'))) return false;
    return countsFastCommits(device) ? undefined : true;
  });
}

/**
 * With `fast_commit` a flush writes less. Each is counted since the filesystem was mounted, as one, or as one that
 * could not be.
 */
function countsFastCommits(device: string): boolean {
  const counts = unlessRefused(() => readFileSync(`/proc/fs/ext4/${device}/fc_info`, 'utf8')) ?? '';
  return /^\s*[1-9]\d* (commits|ineligible)$/m.test(counts);
}

/** The major and the minor number of the device that a directory is on. */
function deviceOf(directory: string): [major: number, minor: number] {
  const { dev } = statSync(directory);
  return [(dev >>> 8) & 0xfff, (dev & 0xff) | ((dev >>> 12) & 0xfff00)];
}

/** Deno refuses what is below `/sys` without `--allow-all`, and a container may have none. */
function unlessRefused<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
