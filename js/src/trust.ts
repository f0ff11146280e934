import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { isGranted } from './grants.ts';

/**
 * Whose queue it is: what is looked at once, when a repository was found by searching, as the command line does
 * (`trust.rs` there argues why). Whoever names the repository has decided it, and so has whoever runs Deno with grants
 * for a few directories.
 *
 * Says why it is not to be trusted; `undefined`: it is. `sudoer` is the user who called `sudo`.
 */
export function distrust(root: string, sudoer: string | undefined): string | undefined {
  const users = usersOfThisProcess(sudoer);
  if (users === undefined) return undefined;
  const coordination = join(root, '.muse', 'coordination');
  let groupsCount = true;
  for (const directory of [root, join(root, '.muse'), coordination]) {
    const found = look(directory);
    // What may not be looked at here is not granted, or not there: what is below is looked at all the same.
    if (found === undefined) continue;
    const why = found.isSymbolicLink()
      ? `it is a link to ${JSON.stringify(readlinkSync(directory))}, which may be another project's`
      : found.isDirectory()
      ? distrustOf(found, groupsCount ? users : { ...users, groups: [] })
      : undefined;
    // In a place such as /tmp anybody may make a directory, and share it with a group that all are in.
    groupsCount &&= (Number(found.mode) & 0o002) === 0;
    if (why !== undefined) {
      return `cannot trust ${JSON.stringify(directory)}: ${why}; if you trust it, name it: { root } or MUSE_REPO_ROOT=${
        JSON.stringify(root)
      }; if not, name the directory that is to have a queue of its own`;
    }
  }
  const why = notOriginal(coordination);
  return why === undefined
    ? undefined
    : `cannot trust the queue in ${JSON.stringify(coordination)}: ${why}: look at it by \`muse coord doctor\`; ` +
      `to take it over as it is: \`muse coord init\` in ${
        JSON.stringify(root)
      }, or name it: { root } or MUSE_REPO_ROOT`;
}

type Look = NonNullable<ReturnType<typeof lstatSync>>;

/** Whose directories are trusted, and the groups by which others share theirs. */
interface Users {
  self: number;
  owners: number[];
  groups: number[];
}

/** `undefined`: on Windows, and in a Deno that may not know them. */
function usersOfThisProcess(sudoer: string | undefined): Users | undefined {
  if (process.geteuid === undefined || process.getegid === undefined || !mayAskWhoItIs()) return undefined;
  const self = process.geteuid();
  const owners = self === 0 && sudoer !== undefined ? [0, Number(sudoer)] : [self, 0];
  return { self, owners, groups: [process.getegid(), ...(process.getgroups?.() ?? [])] };
}

/** The group of what this process makes, where the directory does not say; `undefined`: it may not know. */
export function groupOfThisProcess(): number | undefined {
  return mayAskWhoItIs() ? process.getegid?.() : undefined;
}

function mayAskWhoItIs(): boolean {
  return ['uid', 'gid'].every((kind) => isGranted({ name: 'sys', kind }));
}

function mayRead(path: string): boolean {
  return isGranted({ name: 'read', path });
}

/** `undefined`: it is not there, or may not be looked at; whoever opens it will be told. */
function look(path: string): Look | undefined {
  if (!mayRead(path)) return undefined;
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function distrustOf({ uid, gid, mode }: Look, { self, owners, groups }: Users): string | undefined {
  const bits = Number(mode);
  if ((bits & 0o002) !== 0 && (bits & 0o1000) === 0) return 'everybody on this machine may exchange what is in it';
  if (owners.includes(Number(uid)) || ((bits & 0o020) !== 0 && groups.includes(Number(gid)))) return undefined;
  return `it belongs to user ${uid}, and this is user ${self}, whom no group shares it with`;
}

function notOriginal(coordination: string): string | undefined {
  const format = join(coordination, 'format.json');
  const found = look(format);
  if (found !== undefined) {
    return Number(found.nlink) === 1
      ? 'it came with a copy of the repository, as did its tasks, or its anchor.json was removed'
      : undefined;
  }
  // A queue that is just being made has no `format.json`, and its directories are empty until it has.
  const holdsTasks = names(coordination).some((name) =>
    !/^(sweep|tmp)$|\./.test(name) && names(join(coordination, name)).length > 0
  );
  return holdsTasks && look(format) === undefined ? 'it holds tasks, but no format.json' : undefined;
}

function names(directory: string): string[] {
  if (!mayRead(directory)) return [];
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
