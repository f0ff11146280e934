// `npm run transpile -- COMPONENT` makes `generated/muse-coord.js` and the WebAssembly that it runs of the component,
// with jco.
import { transpile, writeFiles } from '@bytecodealliance/jco-transpile';
import { fileURLToPath } from 'node:url';

const [component] = process.argv.slice(2);
if (component === undefined) {
  console.error('usage: npm run transpile -- COMPONENT');
  process.exit(2);
}
const outDir = fileURLToPath(new URL('generated', import.meta.url));
// Instantiated by hand: otherwise the component would be granted the whole file system, the environment and the
// network.
const { files } = await transpile(component, { name: 'muse-coord', outDir, instantiation: 'async', noComponentErrorWrapping: false });
await writeFiles(files);
