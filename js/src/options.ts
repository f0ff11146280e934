import { BadArgsError, wordsOf } from './errors.ts';
import type {
  CancelOptions,
  ClaimOptions,
  ClaimsOptions,
  CompleteOptions,
  FailOptions,
  Filter,
  GcOptions,
} from './types.ts';
import type {
  HeartbeatOptions,
  NewTask,
  OpenOptions,
  PostgresOptions,
  ReleaseOptions,
  ResumeOptions,
  StatsOptions,
  Status,
} from './types.ts';
import type { RetryOptions, WaitOptions, WatchOptions } from './types.ts';
import type { StopMode, WorkOptions } from './worker.ts';

/** The longest text that an error message quotes, in UTF-16 units. */
const QUOTED = 100;

/** The options of each call. */
interface Calls {
  openQueue: OpenOptions;
  postgres: PostgresOptions;
  enqueue: NewTask<object>;
  claim: ClaimOptions;
  claimMany: ClaimOptions;
  claims: ClaimsOptions;
  resume: ResumeOptions;
  list: Filter;
  wait: WaitOptions;
  watch: WatchOptions;
  stats: StatsOptions;
  cancel: CancelOptions;
  gc: GcOptions;
  work: WorkOptions;
  heartbeat: HeartbeatOptions;
  complete: CompleteOptions;
  fail: FailOptions;
  release: ReleaseOptions;
  retry: RetryOptions;
}

/** The kind of an option: in words, by an example as code, and as a check. The core checks the limits. */
interface Kind {
  takes: string;
  like: string;
  fits: (value: unknown) => boolean;
}

const TEXT: Kind = { takes: 'a string', like: "'a'", fits: (value) => typeof value === 'string' };
const TEXTS: Kind = {
  takes: 'an array of strings',
  like: "['a']",
  // Spread, as `every` passes over holes.
  fits: (value) => Array.isArray(value) && [...value].every(TEXT.fits),
};
const FLAG: Kind = { takes: 'true or false', like: 'true', fits: (value) => typeof value === 'boolean' };
const SYNC: Kind = {
  takes: 'true, false or posix',
  like: 'true',
  fits: (value) => typeof value === 'boolean' || value === 'posix',
};
const FRACTION: Kind = { takes: 'a number between 0 and 1', like: '0.5', fits: (value) => typeof value === 'number' };
const WHOLE: Kind = { takes: 'a whole number', like: '60', fits: Number.isInteger };
const PRIORITY: Kind = { ...WHOLE, fits: (value) => typeof value === 'bigint' || Number.isInteger(value) };
const TIME: Kind = {
  takes: 'a Date, or a string like 2026-11-24T18:00:00Z',
  like: 'new Date()',
  fits: (value) => typeof value === 'string' || value instanceof Date,
};
const PLACE: Kind = {
  takes: 'a path or a URL',
  like: "'.'",
  fits: (value) => typeof value === 'string' || value instanceof URL,
};
/** Not by `instanceof`: a copy of this package has a class of its own. */
const STORE: Kind = {
  takes: 'what postgres(client) returns',
  like: 'postgres(new pg.Pool())',
  fits: (value) => typeof (value as { open?: unknown }).open === 'function',
};
const SIGNAL: Kind = {
  takes: 'an AbortSignal',
  like: 'AbortSignal.timeout(1000)',
  // Not by `instanceof`: test environments have a class of their own by this name.
  fits: (value) => typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value,
};
const TASKS: Kind = {
  takes: 'an array of tasks',
  like: "[{ title: 'Next' }]",
  fits: (value) => typeof value === 'object' && value !== null && Symbol.iterator in value,
};
/** Any value. It becomes text or JSON, and JSON may be refused later. */
const ANY: Kind = { takes: 'anything', like: "'a'", fits: () => true };
const MODE: Kind = oneOf<StopMode>({ finish: 1, release: 1 });
const STATUS: Kind = oneOf<Status>({
  scheduled: 1,
  blocked: 1,
  pending: 1,
  claimed: 1,
  timed_out: 1,
  completed: 1,
  failed: 1,
  cancelled: 1,
  expired: 1,
});

const CHOICE = { queue: TEXT, queues: TEXTS, tags: TEXTS, anyTags: TEXTS, excludeTags: TEXTS };
const CLAIM = { ...CHOICE, runId: TEXT, leaseSeconds: WHOLE, wait: WHOLE, signal: SIGNAL };

/**
 * The kind of each option of each call. The compiler checks that these are exactly the options that the types declare.
 */
const OPTIONS: { [Call in keyof Calls]: { [Name in keyof Required<Calls[Call]>]: Kind } } = {
  openQueue: { root: PLACE, init: FLAG, sync: SYNC, store: STORE },
  postgres: { schema: TEXT, prepare: FLAG },
  enqueue: {
    title: TEXT,
    priority: PRIORITY,
    queue: TEXT,
    ttlSeconds: WHOLE,
    runId: TEXT,
    tags: TEXTS,
    payload: ANY,
    maxAttempts: WHOLE,
    backoffSeconds: WHOLE,
    backoffMaxSeconds: WHOLE,
    delaySeconds: WHOLE,
    at: TIME,
    after: TEXTS,
    ifParentFails: TEXT,
    unique: TEXT,
  },
  claim: CLAIM,
  claimMany: CLAIM,
  claims: CLAIM,
  resume: { runId: TEXT, claimNonce: TEXT },
  list: {
    status: STATUS,
    queue: TEXT,
    runId: TEXT,
    tags: TEXTS,
    since: TIME,
    endedSince: TIME,
    sort: TEXT,
    cursor: TEXT,
    limit: WHOLE,
  },
  wait: { any: FLAG, timeoutSeconds: WHOLE, signal: SIGNAL },
  watch: { queue: TEXT, tags: TEXTS, signal: SIGNAL },
  stats: { windowSeconds: WHOLE },
  cancel: { runId: TEXT, request: FLAG, force: FLAG, reason: ANY },
  gc: { olderThanSeconds: WHOLE, keepLast: WHOLE, dryRun: FLAG },
  work: { ...CLAIM, concurrency: WHOLE, onStop: MODE, stopOnSignals: FLAG },
  heartbeat: { leaseSeconds: WHOLE, progress: FRACTION, note: ANY },
  complete: { enqueue: TASKS },
  fail: { final: FLAG },
  release: { delaySeconds: WHOLE },
  retry: { now: FLAG, cascade: FLAG },
};

/** The same as lists. */
const KINDS: Record<string, [name: string, kind: Kind][]> = Object.fromEntries(
  Object.entries(OPTIONS).map(([call, kinds]) => [call, Object.entries(kinds)]),
);

/**
 * Returns the options of a call, checked to be of their kinds. `null` counts as left out. Throws {@link BadArgsError}
 * for an option that the call does not have: ignoring it would do something else than the caller asked for.
 */
export function optionsOf<Call extends keyof Calls>(call: Call, given: Calls[Call]): Calls[Call] {
  const kinds = KINDS[call]!;
  if (typeof given !== 'object' || given === null) {
    const [[name, { like }]] = kinds as [[string, Kind]];
    throw bad(`${call} takes an object like { ${name}: ${like} }, not ${shown(given)}`);
  }
  const stranger = Object.keys(given).find((name) => !Object.hasOwn(OPTIONS[call], name));
  if (stranger !== undefined) {
    throw bad(`${call} has no option ${shown(stranger)}${hint(stranger, kinds.map(([name]) => name))}`);
  }
  const taken: Record<string, unknown> = {};
  for (const [name, kind] of kinds) {
    const value = (given as Record<string, unknown>)[name];
    if (value !== undefined && value !== null) taken[name] = fitting(name, value, kind);
  }
  return taken as object as Calls[Call];
}

/** Returns the mode of `stop`. Throws {@link BadArgsError} if there is no such mode. */
export function modeOf(given: StopMode): StopMode {
  return fitting('mode', given, MODE);
}

/** A value as an error message quotes it. */
export function shown(value: unknown): string {
  const words = wordsOf(value);
  const cut = words.length > QUOTED ? `${words.slice(0, QUOTED)}…` : words;
  return typeof value === 'string' ? JSON.stringify(cut) : cut;
}

function fitting<T>(name: string, value: T, kind: Kind): T {
  if (!kind.fits(value)) throw bad(`${name} must be ${kind.takes}, got ${shown(value)}`);
  // No UTF-8 has half a character, so the queue could not keep it.
  const broken = kind === TEXT
    ? [value].find(isBroken)
    : kind === TEXTS
    ? (value as unknown[]).find(isBroken)
    : undefined;
  if (broken !== undefined) throw bad(`${name} holds half a character (a lone surrogate): ${shown(broken)}`);
  return value;
}

function isBroken(text: unknown): boolean {
  return !(text as string).isWellFormed();
}

function oneOf<Word extends string>(words: Record<Word, 1>): Kind {
  const all = Object.keys(words);
  const takes = `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`;
  return { takes, like: `'${all[0]}'`, fits: (value) => typeof value === 'string' && Object.hasOwn(words, value) };
}

/** Says which option was probably meant, and which options there are. */
function hint(stranger: string, names: string[]): string {
  const meant = names.find((name) => isLike(name, stranger));
  return `${meant === undefined ? '. It has' : `: did you mean ${meant}? It has`} ${names.join(', ')}`;
}

/**
 * True if one is another spelling of the other, or its beginning. For example, `max_attempts` and `max` are like
 * `maxAttempts`.
 */
function isLike(name: string, other: string): boolean {
  const [one = '', two = ''] = [name, other].map((text) => text.replace(/[^a-z]/gi, '').toLowerCase());
  return two !== '' && (one.startsWith(two) || two.startsWith(one));
}

function bad(message: string): BadArgsError {
  return new BadArgsError('bad_args', message);
}
