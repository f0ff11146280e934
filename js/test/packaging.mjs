// The package as npm and its users meet it: the tarball, what its README promises, and its types. Run in one Node.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { publint } from 'publint';

const { DENO, MUSE_COORD_TARBALL: TARBALL, NODE } = process.env;
const HERE = dirname(fileURLToPath(import.meta.url));
const MODULES = join(HERE, 'node_modules');

/** The modules that have declarations: one for `import`, one for `require`. */
const DECLARED = ['engine', 'errors', 'index', 'lease', 'open', 'queue', 'request-types', 'types', 'worker'];

/**
 * Room for the WebAssembly, in bytes: what a program pays that uses the queue. An engine, and what
 * is done there by whole looks and steps, is a fifth of it. Compiled for size it would be a third smaller, and a claim
 * and a completion would take a sixth more of the processor.
 */
const WASM_ROOM = 1_450_000;

/** A block of code in Markdown: its language, and what is in it. */
const CODE = /^```(\w+)\n(.*?)^```$/gms;

const PROJECTS = realpathSync(mkdtempSync(join(tmpdir(), 'muse-js-packaging-')));
after(() => rmSync(PROJECTS, { recursive: true, force: true }));

/**
 * A project that has installed the tarball, and nothing else. There is nothing to fetch, so that no network is needed.
 */
const installed = (async () => {
  const directory = project('installed');
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  await run(directory, 'npm', ['install', '--offline', '--no-audit', '--no-fund', TARBALL]);
  return { directory, coord: join(directory, 'node_modules/@muse/coord') };
})();

test('the tarball holds what is listed here and nothing else', async () => {
  const listing = await run(HERE, 'tar', ['-tzf', TARBALL]);
  const dist = ['deno.js', 'muse_coord.wasm', 'node.cjs', 'node.js', 'workerd.js'];
  const declarations = DECLARED.flatMap((module) => [`${module}.d.ts`, `${module}.d.cts`]);
  const expected = [
    'LICENSE',
    'README.md',
    'package.json',
    ...[...dist, ...declarations].map((file) => `dist/${file}`),
  ];
  assert.deepEqual(listing.trim().split('\n').sort(), expected.map((file) => `package/${file}`).sort());
});

test('installing it brings one package, runs nothing, and takes little room', async () => {
  const { directory, coord } = await installed;
  const lock = JSON.parse(readFileSync(join(directory, 'package-lock.json'), 'utf8'));
  assert.deepEqual(Object.keys(lock.packages), ['', 'node_modules/@muse/coord']);
  const manifest = JSON.parse(readFileSync(join(coord, 'package.json'), 'utf8'));
  const unwanted = ['dependencies', 'peerDependencies', 'optionalDependencies', 'scripts'];
  assert.deepEqual(unwanted.filter((field) => field in manifest), []);
  assert.ok(statSync(join(coord, 'dist/muse_coord.wasm')).size < WASM_ROOM);
});

test('publint has nothing to say', async () => {
  const { messages } = await publint({ strict: true, pack: { tarball: readFileSync(TARBALL).buffer } });
  assert.deepEqual(messages, []);
});

test('the types are right for whichever way it is imported', async () => {
  const attw = join(MODULES, '@arethetypeswrong/cli/dist/index.js');
  const { analysis } = JSON.parse(await run(HERE, NODE, [attw, TARBALL, '--no-definitely-typed', '--format', 'json']));
  assert.equal(analysis.packageName, '@muse/coord');
  assert.deepEqual(analysis.problems, []);
});

test("the README's examples print what the README shows, in Node and in Deno", async () => {
  const { directory } = await installed;
  await typeIn(await readme(), directory);
});

test('it is no other as Deno itself installs it, and its types are found', async (t) => {
  const directory = project('deno');
  const registry = await serve(t, TARBALL, (await installed).coord);
  const env = { DENO_DIR: join(PROJECTS, 'deno-cache'), NPM_CONFIG_REGISTRY: registry };
  await run(directory, DENO, ['add', 'npm:@muse/coord'], env);
  await typeIn(await readme(), directory, { env, only: 'deno' });
  for (const file of ['types.ts', '../examples/worker.ts']) {
    cpSync(join(HERE, file), join(directory, basename(file)));
    await run(directory, DENO, ['check', basename(file)], env);
  }
});

test('in Deno it asks for its directory and its three variables, and for nothing else', async () => {
  const { directory } = await installed;
  const log = join(PROJECTS, 'permissions');
  await typeIn(await readme(), directory, { env: { DENO_AUDIT_PERMISSIONS: log }, only: 'deno' });
  const asked = readFileSync(log, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const queue = join(directory, '.muse/coordination');
  const within = (path) => path === queue || path.startsWith(`${queue}/`);
  const variables = ['MUSE_REPO_ROOT', 'MUSE_RUN_ID', 'MUSE_COORD_SYNC'];
  const isExpected = ({ permission, value }) =>
    permission === 'env' ? variables.includes(value) : ['read', 'write'].includes(permission) && within(value);
  assert.ok(asked.some(({ permission }) => permission === 'write'));
  assert.deepEqual(asked.filter((each) => !isExpected(each)), []);
});

test('what is required is what is imported, and both may be at work at once', async () => {
  const { directory } = await installed;
  const program = `
    const required = require('@muse/coord');
    import('@muse/coord').then(async (imported) => {
      const names = (module) => Object.keys(module).filter((name) => !['default', 'module.exports'].includes(name)).sort();
      console.log(names(required).length > 0 && names(required).join() === names(imported).join());
      const [one, other] = [await required.openQueue({ init: true }), await imported.openQueue()];
      const { taskId } = await one.enqueue({ title: 'Count', runId: 'a' });
      const lease = await other.claim({ runId: 'b' });
      await lease.complete();
      console.log((await one.get(taskId)).status, await one.cancel(taskId, { runId: 'a' }).catch(({ code }) => code));
    });
  `;
  assert.equal(await run(directory, NODE, ['--eval', program]), 'true\ncompleted already_terminal\n');
});

const WITH_NODE = { lib: ['es2022'], types: ['node'], typeRoots: [join(MODULES, '@types')] };
const WITHOUT = { lib: ['es2022', 'dom'], types: [] };

for (const [whose, options] of [['of a program for Node', WITH_NODE], ['that has no types of Node', WITHOUT]]) {
  test(`types flow from what is said to what is answered, and misuse is refused, in a project ${whose}`, async () => {
    const { directory } = await installed;
    const files = ['types.mts', 'types.cts'];
    files.forEach((name) => cpSync(join(HERE, 'types.ts'), join(directory, name)));
    const strictest = { strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true };
    await compile(directory, { ...options, ...strictest }, files);
  });
}

test("Deno's compiler agrees", async () => {
  const { directory } = await installed;
  cpSync(join(HERE, 'types.ts'), join(directory, 'types.ts'));
  await run(directory, DENO, ['check', 'types.ts']);
});

test("the examples and the README's other snippets use what there is", async () => {
  const { directory } = await installed;
  cpSync(join(HERE, '../examples'), join(directory, 'examples'), { recursive: true });
  const programs = examples(await readme()).map(({ program }) => program);
  assert.equal(programs.length, 2);
  const snippets = blocks(await readme(), 'js').filter((snippet) => !programs.includes(snippet));
  assert.ok(snippets.length > 0);
  const prelude = `
    import { type Queue } from '@muse/coord';
    declare const queue: Queue;
    declare function think(of: object, options?: { signal: AbortSignal }): Promise<{ answer: string }>;
  `;
  const functions = snippets.map((snippet, index) => `export async function snippet${index}() {\n${snippet}\n}`);
  writeFileSync(join(directory, 'snippets.mts'), [prelude, ...functions].join('\n'));
  // What the snippets leave out, as the types of parameters, would stand in a program.
  await compile(directory, { ...WITH_NODE, strict: false }, ['snippets.mts']);
  await compile(directory, { ...WITH_NODE, strict: true }, ['examples/worker.ts']);
});

/** The README as it is on npm. */
async function readme() {
  return readFileSync(join((await installed).coord, 'README.md'), 'utf8');
}

function project(name) {
  const directory = join(PROJECTS, name);
  mkdirSync(directory);
  return directory;
}

/** Does what the README's examples say, word for word. */
async function typeIn(text, directory, { env = {}, only = '' } = {}) {
  const [, make] = blocks(text, 'sh');
  await run(directory, 'sh', ['-c', make], env);
  const path = [dirname(NODE), dirname(DENO), process.env.PATH].join(':');
  for (const { program, session } of examples(text)) {
    const commands = session.split(/^(?=\$ )/m).filter((typed) => typed.startsWith(`$ ${only}`));
    assert.ok(commands.length > 0);
    for (const typed of commands) {
      const [command] = typed.split('\n', 1);
      writeFileSync(join(directory, command.split(' ').at(-1)), program);
      const printed = await run(directory, 'sh', ['-c', command.slice(2)], { PATH: path, ...env });
      assert.equal(`${command}\n${printed}`, typed);
    }
  }
}

/** The programs that the README shows in full: those with what they print behind them. */
function examples(text) {
  const all = [...text.matchAll(CODE)].map(([, language, code]) => ({ language, code }));
  const isProgram = (block, place) => block.language === 'js' && all[place + 1]?.language === 'console';
  return all.flatMap((block, place) =>
    isProgram(block, place) ? [{ program: block.code, session: all[place + 1].code }] : []
  );
}

/** The blocks of code in this language. */
function blocks(text, language) {
  return [...text.matchAll(CODE)].filter((block) => block[1] === language).map((block) => block[2]);
}

async function compile(directory, options, files) {
  const compilerOptions = { module: 'nodenext', target: 'es2022', noEmit: true, ...options };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  await run(directory, NODE, [join(MODULES, 'typescript/bin/tsc'), '--project', '.']);
}

/** A registry that has this one package. */
async function serve(context, tarball, coord) {
  const content = readFileSync(tarball);
  const manifest = JSON.parse(readFileSync(join(coord, 'package.json'), 'utf8'));
  const integrity = `sha512-${createHash('sha512').update(content).digest('base64')}`;
  const server = createServer(({ url }, response) => {
    const { name, version } = manifest;
    const dist = { tarball: `${address(server)}/coord.tgz`, integrity };
    const about = { name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } } };
    if (url === '/coord.tgz') response.end(content);
    else if (decodeURIComponent(url) === `/${name}`) response.end(JSON.stringify(about));
    else response.writeHead(404).end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  return address(server);
}

function address(server) {
  return `http://127.0.0.1:${server.address().port}`;
}

/** Runs a program to its end; what it printed. Fails with all that it said if it failed. */
async function run(directory, program, words, env = {}) {
  // Empty is as if it were not set: what would have another queue be opened than that of the project.
  const none = { MUSE_REPO_ROOT: '', MUSE_RUN_ID: '', MUSE_COORD_SYNC: '' };
  try {
    const options = { cwd: directory, env: { ...process.env, NO_COLOR: '1', ...none, ...env } };
    return (await promisify(execFile)(program, words, options)).stdout;
  } catch (error) {
    throw new Error(`${[program, ...words].join(' ')} ended with ${error.code}:\n${error.stdout}${error.stderr}`);
  }
}
