import type { IfParentFails, JsonObject, Status } from './types.ts';

/** A task to be enqueued. */
export interface NewTask<Payload extends object = JsonObject> {
  /** For people: 1 to 512 characters after trimming. A longer one is cut, with a warning. */
  title: string;
  /** Higher is claimed first: any 64-bit integer. Default: 0. */
  priority?: number | bigint;
  /** 1 to 64 of `A-Z a-z 0-9 _ -`. Default: `default`. */
  queue?: string;
  /**
   * Seconds within which an agent must claim it, counted from when it can be claimed; otherwise it expires. 1 to
   * 315,360,000. Default: 86,400.
   */
  ttlSeconds?: number;
  /** The run id of the enqueuer. Default: `$MUSE_RUN_ID`, else `unknown`. */
  runId?: string;
  /** At most 32, each of 1 to 64 characters without commas. A longer one is cut, with a warning. */
  tags?: readonly string[];
  /** Input for the agent: at most 65,536 bytes of JSON. Default: `{}`. */
  payload?: Payload;
  /**
   * Attempts allowed: 1 to 1,000. A failed attempt and an expired lease both count. The task is retried until all
   * attempts are used; then it has failed. Default: a failed task stays failed, and a task whose lease expires can be
   * claimed again any number of times.
   */
  maxAttempts?: number;
  /**
   * Seconds to wait after the first failed attempt: 0 to 2,592,000. The time doubles with each attempt, and a random
   * part of up to half of it is taken off. Default: 1.
   */
  backoffSeconds?: number;
  /**
   * The longest wait between two attempts, in seconds: 0 to 2,592,000, and not less than `backoffSeconds`. Default:
   * 300, or `backoffSeconds` if that is more.
   */
  backoffMaxSeconds?: number;
  /** Seconds before the task can be claimed: 0 to 315,360,000. */
  delaySeconds?: number;
  /**
   * The time before which the task cannot be claimed. A text is like `2026-11-24T18:00:00Z`, with any offset. Give this
   * or `delaySeconds`.
   */
  at?: Date | string;
  /** The ids of the parents: at most 1,000 tasks that must have ended before. They must exist. */
  after?: readonly string[];
  /** What to do if a parent does not complete. Only with `after`. Default: `cancel`. */
  ifParentFails?: IfParentFails;
  /**
   * A key of 1 to 256 characters. If a task with this key has not ended in the queue, the answer is that task, and
   * nothing is enqueued.
   */
  unique?: string;
}

/** How to put a task back. */
export interface RetryOptions {
  /** Make it claimable at once. Default: it waits again for its parents (`after`) and its start time (`at`). */
  now?: boolean;
  /**
   * Also put back the tasks that were cancelled because of it, and those that were cancelled because of these. Default:
   * false.
   */
  cascade?: boolean;
}

/** Which tasks to list. A field that is left out does not restrict. */
export interface Filter {
  status?: Status;
  queue?: string;
  /** Only tasks whose claim is this agent's. Any agent's run id is allowed. */
  runId?: string;
  /** Only tasks that have all these tags. */
  tags?: readonly string[];
  /** Only tasks that were enqueued at this time or later. A text is like `2026-11-24T18:00:00Z`, with any offset. */
  since?: Date | string;
  /**
   * Only tasks that ended at this time or later. To follow all ends, ask again with the latest `endedAt` seen, and skip
   * tasks that you know.
   */
  endedSince?: Date | string;
  /**
   * The order: as they are claimed (the highest priority first, then the oldest), or by the time of enqueuing or of
   * ending. With `-` the latest comes first. Tasks that have not ended count as the latest. Default: `claim`.
   */
  sort?: 'claim' | 'created' | '-created' | 'ended' | '-ended';
  /** Where to go on: the `nextCursor` of an earlier listing in the same order. */
  cursor?: string | null;
  /** The most items to return: 1 to 10,000. Default: 200. */
  limit?: number;
}

/** What to wait for. */
export interface WaitOptions {
  /** Wait for one of the tasks, whichever ends first. Default: wait for all. */
  any?: boolean;
  /** The longest wait, in seconds: 0 to 315,360,000. Default: no limit. */
  timeoutSeconds?: number;
  /** Ends the wait. It then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Which tasks to follow. */
export interface WatchOptions {
  /** Only tasks of this queue. */
  queue?: string;
  /** Only tasks that have all these tags. */
  tags?: readonly string[];
  /** Ends the watch. */
  signal?: AbortSignal;
}

/** How to cancel a task. */
export interface CancelOptions {
  /** The agent that cancels. Default: `$MUSE_RUN_ID`. */
  runId?: string;
  /** If another agent holds the task, ask it to stop. Not together with `force`. */
  request?: boolean;
  /** Cancel even if another agent holds the task. The holder's next call fails with `already_terminal`. */
  force?: boolean;
  /** The reason: at most 4,096 characters. */
  reason?: string;
}

/** What a heartbeat tells. */
export interface HeartbeatOptions {
  /** The lease ends this many seconds from now: 1 to 86,400. Default: its previous length is used again. */
  leaseSeconds?: number;
  /** The part of the task that is done, from 0 to 1. */
  progress?: number;
  /** The same in words: at most 4,096 characters. */
  note?: string;
}

/** What to enqueue with a completion. */
export interface CompleteOptions {
  /** Follow-ups, enqueued in the same step: all of them if the completion is accepted, otherwise none. */
  enqueue?: Iterable<NewTask>;
}

/** How to fail. */
export interface FailOptions {
  /** End the task, even if it has attempts left. Default: false. */
  final?: boolean;
}

/** How to give a task back. */
export interface ReleaseOptions {
  /** Seconds before the task can be claimed again: 0 to 315,360,000. Default: 0. */
  delaySeconds?: number;
}

/** Which lease to resume. */
export interface ResumeOptions {
  /** The holder. Default: `$MUSE_RUN_ID`. */
  runId?: string;
  /** The lease's `claimNonce`. Default: any lease that this agent has on the task. */
  claimNonce?: string;
}

/** How far back to look. */
export interface StatsOptions {
  /** The window for ended tasks, in seconds: 0 to 315,360,000. Default: 3,600. */
  windowSeconds?: number;
}

/** What to remove. */
export interface GcOptions {
  /** Only tasks that ended at least this many seconds ago: 0 to 315,360,000. */
  olderThanSeconds: number;
  /** Always keep the N most recently ended tasks. Default: 0. */
  keepLast?: number;
  /** Only count them; remove nothing. Default: false. */
  dryRun?: boolean;
}

/** Which queue to open. */
export interface OpenOptions {
  /**
   * The directory that holds `.muse`. Default, as on the command line: `$MUSE_REPO_ROOT`, else the nearest directory
   * upward from the current one that holds `.muse`.
   *
   * A repository found by searching must belong to this user or root, or be shared with a group, and its queue must
   * have been made there. One that is named is trusted.
   */
  root?: string | URL;
  /** Make `.muse` if it is not there, as `muse coord init` does. Default: false. */
  init?: boolean;
  /**
   * Whether acknowledged changes survive a power cut. Switch it off for throw-away queues.
   *
   * If the filesystem is known to keep changes in their order, one sync makes a change and its name durable. With
   * `'posix'` each is synced by itself, as POSIX requires. Deno knows the filesystem only with `--allow-sys=statfs`,
   * and ext4 only with `--allow-all`; otherwise each is synced by itself, too. With `true`, `$MUSE_COORD_SYNC` may
   * still say `posix`.
   *
   * Default: `$MUSE_COORD_SYNC`, which is `on`, `posix` or `off`; else true.
   */
  sync?: boolean | 'posix';
  /**
   * The engine that the queue is on, in place of a directory: {@link postgres}. Then `root` and `sync` mean nothing, no
   * directory is looked for, and `init` makes the schema if it is not there.
   */
  store?: Store;
}

/** An engine that a queue can be on. It is opened by `openQueue`. */
export interface Store {
  readonly engine: 'postgres';
}

/** A client of a PostgreSQL server, or PGlite. */
export interface SqlClient {
  /** Asks one statement, in a transaction of its own. Values are strings, whatever type a parameter has, or null. */
  query(text: string, values: (string | null)[]): PromiseLike<SqlAnswer>;
}

/** A client that keeps statements ready by their names, as those of pg do. */
export interface PreparingClient {
  query(statement: { name: string; text: string; values: (string | null)[] }): PromiseLike<SqlAnswer>;
}

/** The rows that a client resolves with, each an object of its columns in their order, or an array. */
export type SqlAnswer = { rows: readonly object[] } | readonly object[];

/** Which queue of a server. */
export interface PostgresOptions {
  /** The schema that holds it, of 1 to 63 bytes. Default: `coord`. */
  schema?: string;
  /**
   * Have the server plan each statement once for a connection, and not each time: about half as much again is done in
   * the same time. The client must take `{ name, text, values }`, as those of pg do, and its connections must be its
   * own, with no pooler in between. Default: false.
   */
  prepare?: boolean;
}

/** Which tasks an agent claims. A field that is left out does not restrict. */
export interface Choice {
  /** Only tasks of this queue. */
  queue?: string;
  /** Only tasks of these queues, and of `queue`. */
  queues?: readonly string[];
  /** Only tasks that have all these tags. */
  tags?: readonly string[];
  /** Only tasks that have at least one of these tags. */
  anyTags?: readonly string[];
  /** Only tasks that have none of these tags. */
  excludeTags?: readonly string[];
}

/** What a claim asks for. */
export interface ClaimOptions extends Choice {
  /**
   * The run id of the agent that claims: 1 to 256 characters. Two agents must not share one. Default: `$MUSE_RUN_ID`.
   */
  runId?: string;
  /**
   * The length of the lease, in seconds: 1 to 86,400. After that another agent may take the task over, unless a
   * heartbeat extends the lease. Default: 3,600.
   */
  leaseSeconds?: number;
  /** Seconds to wait if there is no task: 0 to 3,600. Default: 0. */
  wait?: number;
  /** Ends the wait. The claim then rejects with the signal's reason, and has claimed nothing. */
  signal?: AbortSignal;
}

/** Which tasks to claim, one after the other. */
export interface ClaimsOptions extends Omit<ClaimOptions, 'wait'> {
  /** Seconds without a task after which the loop ends: 0 to 3,600. Default: the loop goes on until `signal`. */
  wait?: number;
}
