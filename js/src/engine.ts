import { clearTimeout, setTimeout } from 'node:timers';
import type { CoordQueue, Hint, Question } from '../generated/muse_coord.js';
import { BadArgsError, CoordError, refusing, toCoordError, wordsOf } from './errors.ts';
import { openEngine } from './module.ts';
import { optionsOf, shown } from './options.ts';
import type { Memory, Opener, Place, Sleeper } from './place.ts';
import type { PostgresOptions, PreparingClient, SqlAnswer, SqlClient, Store } from './types.ts';
import { pause } from './wait.ts';

/** The schema of a queue if none is named, as in the addresses of `muse coord`. */
const SCHEMA = 'coord';

/**
 * A queue on a PostgreSQL server (15 to 18), or in PGlite, for {@link OpenOptions.store}: every other face on the same
 * schema works on it at the same time.
 *
 * The client is anything with a method `query(text, values)` that resolves with rows, as those of pg and PGlite are:
 * `postgres(new pg.Pool())`. For others a line makes one: `postgres({ query: (text, values) => sql.unsafe(text, values)
 * })` for postgres.js. A pool runs several calls at once, a single client one after the other. A statement depends on
 * nothing that a session keeps, so a pooler may be in between. The connection, its encryption and its passwords are the
 * client's.
 *
 * Who waits for a task asks at most 4 times a second; `muse` on a connection of its own is told instead. All times are
 * the server's. What is not answered within 40 seconds counts as lost.
 */
export function postgres(client: SqlClient | PreparingClient, options: PostgresOptions = {}): Store {
  if (typeof (client as SqlClient | undefined)?.query !== 'function') {
    const message = `postgres takes a client with a method query(text, values), got ${shown(client)}`;
    throw new BadArgsError('bad_args', message);
  }
  const { schema = SCHEMA, prepare = false } = optionsOf('postgres', options);
  const query = prepare ? preparing(client as PreparingClient) : asking(client as SqlClient);
  const opener: Opener = { engine: 'postgres', open: (init) => EnginePlace.open(query, schema, init) };
  return opener;
}

/** Asks one statement. */
type Query = (text: string, values: (string | null)[]) => PromiseLike<SqlAnswer>;

function asking(client: SqlClient): Query {
  return (text, values) => client.query(text, values);
}

/** The names of statements, the same for all queues of this process: they may share connections. */
const names = new Map<string, string>();

/** Other copies of this package may use the same connections, too. A worker makes it when it is asked something. */
let own: string | undefined;

function preparing(client: PreparingClient): Query {
  return (text, values) => {
    // What has no values is asked once.
    if (values.length === 0) return (client as unknown as SqlClient).query(text, values);
    own ??= crypto.randomUUID().slice(0, 8);
    const name = names.get(text) ?? `muse_${own}_${names.size}`;
    names.set(text, name);
    return client.query({ name, text, values });
  };
}

/**
 * How many claims are under way at once. Each has a memory of what is at the head of the queue: two that go by the same
 * names meet at one task after the other.
 */
const CLAIMS_AT_ONCE = 2;

/** The time is not asked for again before so many milliseconds. */
const TIME_EVERY = 10_000;

/** A server that takes longer to answer is not waited for, in milliseconds: as long as `muse` waits. */
const ANSWER = 40_000;

/** What asks the engine for the calls of a queue. */
class EnginePlace implements Place {
  readonly name: string;
  readonly pace: number = 250;
  readonly #query: Query;
  readonly #engine: ReturnType<typeof openEngine>;
  readonly #claiming: Lane;
  readonly #others: Lane;
  #timeAsked = -Infinity;

  private constructor(query: Query, schema: string) {
    this.name = `schema ${JSON.stringify(schema)}`;
    this.#query = query;
    this.#engine = openEngine(schema);
    this.#claiming = new Lane(CLAIMS_AT_ONCE, () => this.#engine.queue());
    this.#others = new Lane(Infinity, () => this.#engine.queue());
  }

  /** The queue in a schema, which is made with `init`, if it is not there. */
  static async open(query: Query, schema: string, init: boolean): Promise<EnginePlace> {
    const place = new EnginePlace(query, schema);
    try {
      await place.#look().catch(async (error) => {
        if (!init || !isMissing(error)) throw error;
        await place.#ask(place.#engine.creation());
        await place.#look();
      });
      if (init && await place.run((binding) => binding.init())) await place.#look();
    } catch (error) {
      throw error instanceof CoordError ? error : place.#unopened(error);
    }
    return place;
  }

  /** Looks of which version the queue is. */
  async #look(): Promise<void> {
    const opening = this.#engine.opening();
    const sent = performance.now();
    const rows = await this.#ask(opening);
    refusing(() => this.#engine.opened(rows, sent));
  }

  #unopened(error: unknown): CoordError {
    const why = isMissing(error)
      ? 'there is no queue: name another schema, or make it by { init: true }, or by `muse coord init --store URL`'
      : told(error).words;
    const facts = { code: 'io_error', message: `cannot open the queue in ${this.name}: ${why}`, kind: 'other' };
    return Object.assign(toCoordError(JSON.stringify(facts)), { cause: error });
  }

  run<T>(call: (binding: CoordQueue) => T, memory?: Memory): Promise<T> {
    return this.#run(call, memory, this.#others);
  }

  claim<T>(call: (binding: CoordQueue) => T, memory?: Memory): Promise<T> {
    return this.#run(call, memory, this.#claiming);
  }

  /** Runs a call until no question is open. */
  async #run<T>(call: (binding: CoordQueue) => T, memory: Memory | undefined, lane: Lane): Promise<T> {
    this.#learnTime();
    const binding = await lane.take();
    let outcome: () => T;
    try {
      outcome = await this.#outcome(call, memory, binding);
    } catch (fault) {
      // The WebAssembly part has ended in the middle: this queue cannot go on, and the others can.
      lane.lose();
      throw toCoordError(fault);
    }
    lane.give(binding);
    return refusing(outcome);
  }

  async #outcome<T>(
    call: (binding: CoordQueue) => T,
    memory: Memory | undefined,
    binding: CoordQueue,
  ): Promise<() => T> {
    binding.begin(hintOf(memory));
    for (let asked = 0;; asked += 1) {
      const outcome = outcomeOf(() => call(binding));
      const question = binding.question();
      if (question === undefined) {
        const hint = binding.end();
        if (memory === undefined) hint?.free();
        else Object.assign(memory, { hint, asked });
        return outcome;
      }
      await this.#answer(binding, question);
    }
  }

  sleeper(): Sleeper {
    return { soon: Infinity, watch: () => false, sleep, close: () => {} };
  }

  /** Learns what time it is there, now and then. What was told before holds until the answer comes. */
  #learnTime(): void {
    const sent = performance.now();
    const question = sent - this.#timeAsked < TIME_EVERY ? undefined : this.#engine.time();
    if (question === undefined) return;
    this.#timeAsked = sent;
    // If the server cannot be asked, the call says so.
    void this.#ask(question).then((rows) => this.#engine.told(rows, sent), () => {});
  }

  /** Asks what a call wants to know, and tells it what came of that. */
  async #answer(binding: CoordQueue, question: Question): Promise<void> {
    const { isSeveral } = question;
    try {
      const answer = await this.#pass(question);
      if (isSeveral) binding.answeredInOne(Object.values(rowsOf(answer)[0] ?? []));
      else binding.answered(jsonOf(answer));
    } catch (error) {
      const { code, severity, words } = told(error);
      binding.failed(code, severity, words);
    }
  }

  /** The rows that answer a question, as JSON. */
  async #ask(question: Question): Promise<string> {
    return jsonOf(await this.#pass(question));
  }

  async #pass(question: Question): Promise<SqlAnswer> {
    const { text, values } = question;
    question.free();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the server has not answered in ${ANSWER / 1000} seconds`)), ANSWER);
    });
    try {
      return await Promise.race([this.#query(text, values), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Queues of which each runs one call at a time. */
class Lane {
  readonly #most: number;
  readonly #make: () => CoordQueue;
  readonly #free: CoordQueue[] = [];
  readonly #waiting: ((binding: CoordQueue) => void)[] = [];
  #made = 0;

  constructor(most: number, make: () => CoordQueue) {
    this.#most = most;
    this.#make = make;
  }

  /** One that runs no call, which is given back. */
  take(): CoordQueue | Promise<CoordQueue> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made === this.#most) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#made += 1;
    return this.#make();
  }

  give(binding: CoordQueue): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(binding);
    else next(binding);
  }

  /** One is not given back. */
  lose(): void {
    this.#made -= 1;
    if (this.#waiting.length > 0) {
      this.#made += 1;
      this.give(this.#make());
    }
  }
}

/** What is remembered of a lease. It serves once. */
function hintOf(memory: Memory | undefined): Hint | undefined {
  const hint = memory?.hint;
  if (memory !== undefined) memory.hint = undefined;
  return hint;
}

/** Sleeps for so long, or until `signal`, for whose reason it rejects. */
async function sleep(millis: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await pause(millis, signal);
  signal?.throwIfAborted();
}

/** What gives back, or throws, what a call has come to. */
function outcomeOf<T>(call: () => T): () => T {
  try {
    const value = call();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/** The rows that a client has. */
function rowsOf(answer: SqlAnswer): readonly object[] {
  return 'rows' in answer ? answer.rows : answer;
}

/** The same as JSON: an array of arrays. */
function jsonOf(answer: SqlAnswer): string {
  return JSON.stringify(rowsOf(answer).map((row) => Object.values(row).map(cellOf)));
}

/** What a client has in a column, as JSON can have it: whole numbers and bytes as the texts of the server. */
function cellOf(cell: unknown): unknown {
  if (typeof cell === 'bigint') return cell.toString();
  return cell instanceof Uint8Array ? `\\x${hexOf(cell)}` : cell;
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** True if the server says that there is no such schema, or no queue in it. */
function isMissing(error: unknown): boolean {
  const { code } = told(error);
  return code === '3F000' || code === '42P01';
}

/** What an error of a client tells: a code, of SQL or of its own, how severe it is, and its words. */
function told(error: unknown): { code: string | undefined; severity: string | undefined; words: string } {
  const { code, severity, fields, message } = (error ?? {}) as Record<string, unknown> & { fields?: object };
  const facts = { code, severity, ...fields } as Record<string, unknown>;
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  return { code: text(facts.code), severity: text(facts.severity), words: text(message) || wordsOf(error) };
}
