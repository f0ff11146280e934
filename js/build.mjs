// Makes `dist/` of `generated/` and `src/`: what is published, and nothing else. `cargo xtask js` runs it.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const WASM_FEATURES = [
  'bulk-memory',
  'mutable-globals',
  'multivalue',
  'nontrapping-float-to-int',
  'reference-types',
  'sign-ext',
].map((feature) => `--enable-${feature}`);

/** The modules whose declarations are published. */
const PUBLIC = ['index', 'open', 'queue', 'lease', 'worker', 'engine', 'errors', 'types', 'request-types'];

const BANNER = '// @muse/coord, MIT licensed. Its sources are TypeScript and Rust: see README.md.';

rmSync('dist', { recursive: true, force: true });
mkdirSync('dist');
shrink('generated/muse_coord_bg.wasm', 'dist/muse_coord.wasm');
await Promise.all([
  bundle('src/entry/node.ts', 'dist/node.js', 'esm'),
  bundle('src/entry/node.cts', 'dist/node.cjs', 'cjs'),
  bundle('src/entry/deno.js', 'dist/deno.js', 'esm'),
  bundle('src/entry/workerd.js', 'dist/workerd.js', 'esm'),
  // For the conformance suite, and not published.
  bundle('src/node-store.ts', 'generated/node-store.js', 'esm'),
]);
declare();
cpSync('../LICENSE', 'LICENSE');
report();

/** Binaryen's optimiser, which knows what no compiler of one language does. What it made is kept: it takes long. */
function shrink(input, output) {
  const [kept, note] = ['generated/shrunk.wasm', 'generated/shrunk.made-of'];
  const inputs = [readFileSync(input), readFileSync('package-lock.json'), WASM_FEATURES.join(' ')];
  const madeOf = inputs.reduce((hash, part) => hash.update(part), createHash('sha256')).digest('hex');
  if (!existsSync(kept) || !existsSync(note) || readFileSync(note, 'utf8') !== madeOf) {
    execFileSync(process.execPath, ['node_modules/binaryen/bin/wasm-opt', input, '-Oz', ...WASM_FEATURES, '-o', kept]);
    writeFileSync(note, madeOf);
  }
  cpSync(kept, output);
}

async function bundle(entry, outfile, format) {
  const target = 'es2022';
  const external = ['*.wasm'];
  const supported = { 'import-source': true };
  const banner = { js: BANNER };
  await build({
    entryPoints: [entry],
    outfile,
    format,
    target,
    supported,
    external,
    banner,
    bundle: true,
    platform: 'node',
  });
}

/** A declaration for each module that people meet, and beside it one for `require`. */
function declare() {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '--project', 'tsconfig.json'], {
    stdio: 'inherit',
  });
  for (const file of readdirSync('dist').filter((name) => name.endsWith('.d.ts'))) {
    const module = file.replace('.d.ts', '');
    const text = readFileSync(`dist/${file}`, 'utf8');
    rmSync(`dist/${file}`);
    if (!PUBLIC.includes(module)) continue;
    const importing = (extension) => text.replaceAll(/(from '\.\/[\w-]+)\.ts'/g, `$1.${extension}'`);
    writeFileSync(`dist/${module}.d.ts`, importing('js'));
    writeFileSync(`dist/${module}.d.cts`, importing('cjs'));
  }
}

function report() {
  for (const name of readdirSync('dist')) {
    console.error(`${String(statSync(`dist/${name}`).size).padStart(8)}  js/dist/${name}`);
  }
}
