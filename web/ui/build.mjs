// build.mjs: bundles the page into one script and one stylesheet, compresses both once, and prints their size.
// node build.mjs OUTDIR; the folder then holds NAME-HASH.js.gz, NAME-HASH.css.gz and `list`, which embed.sh reads.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const LIMIT = 60000;
const NOTICE = '/* With preact (MIT, (c) 2015-present Jason Miller), htm (Apache-2.0, (c) 2018 Google Inc.). */';
const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];

const result = await build({
  entryPoints: { app: join(here, 'main.js') }, bundle: true, minify: true, write: false, outdir: 'out', format: 'iife', target: 'esnext',
  charset: 'utf8', legalComments: 'none', banner: { js: NOTICE }, logLevel: 'warning',
});

mkdirSync(out, { recursive: true });
for (const old of readdirSync(out)) rmSync(join(out, old));
const sizes = [];
let list = '';
for (const kind of ['css', 'js']) {
  const file = result.outputFiles.find(f => f.path.endsWith('.' + kind));
  const hash = createHash('sha256').update(file.contents).digest('hex').slice(0, 12);
  const packed = gzipSync(file.contents, { level: 9 });
  packed[9] = 255; // the header's operating system: the same bytes wherever it is built
  const name = `app-${hash}.${kind}`;
  writeFileSync(join(out, name + '.gz'), packed);
  list += `${name}\n`;
  sizes.push([name, file.contents.length, packed.length]);
}
writeFileSync(join(out, 'list'), list);
const total = sizes.reduce((sum, s) => sum + s[2], 0);
for (const [name, whole, packed] of sizes) console.log(`  ${name}  ${whole} B, gzipped ${packed} B`);
console.log(`  the page in all: ${total} of ${LIMIT} B gzipped`);
if (total > LIMIT) {
  console.error(`web/ui: the page is ${total - LIMIT} B over its ${LIMIT} B; take something out`);
  process.exit(1);
}
