// build.mjs: bundles the page into one script and one stylesheet, compresses both once, and prints their size.
// node build.mjs OUTDIR; the folder then holds NAME-HASH.js.gz, NAME-HASH.css.gz and `list`, which embed.sh reads.
// Templates become plain calls here (babel-plugin-htm), so that nothing parses them in the browser.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@babel/core';
import zopfli from '@gfx/zopfli';
import htm from 'babel-plugin-htm';
import { build } from 'esbuild';
import { minify } from 'terser';

const LIMIT = 60000;
const NOTICE = '/* With preact (MIT, (c) 2015-present Jason Miller). */';
const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];

const templates = {
  name: 'templates',
  setup: b => b.onLoad({ filter: /\.js$/ }, ({ path }) => path.includes('node_modules') || path.endsWith('/html.js') ? null
    : { contents: transformSync(readFileSync(path, 'utf8'), { plugins: [[htm.default || htm, { pragma: 'make_vnode', import: { module: 'preact', export: 'h' } }]], babelrc: false, configFile: false }).code, loader: 'js' }),
};
const result = await build({
  entryPoints: { app: join(here, 'main.js') }, bundle: true, write: false, outdir: 'out', format: 'iife', target: 'esnext', charset: 'utf8',
  legalComments: 'none', logLevel: 'warning', plugins: [templates], minifyWhitespace: true,
});
const contents = {};
for (const file of result.outputFiles) contents[file.path.endsWith('.css') ? 'css' : 'js'] = file.text;
const small = await minify(contents.js, { toplevel: true, ecma: 2020, compress: { passes: 3, unsafe_arrows: true, pure_getters: true }, format: { ecma: 2020, preamble: NOTICE } });
contents.js = small.code;
contents.css = (await build({ stdin: { contents: contents.css, loader: 'css' }, minify: true, write: false, target: 'esnext' })).outputFiles[0].text;

mkdirSync(out, { recursive: true });
for (const old of readdirSync(out)) rmSync(join(out, old));
let list = '', total = 0;
for (const kind of ['css', 'js']) {
  const bytes = Buffer.from(contents[kind]), name = `app-${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}.${kind}`;
  const packed = Buffer.from(await zopfli.gzipAsync(bytes, { numiterations: 15 }));
  writeFileSync(join(out, name + '.gz'), packed);
  list += `${name}\n`;
  total += packed.length;
  console.log(`  ${name}  ${bytes.length} B, gzipped ${packed.length} B`);
}
writeFileSync(join(out, 'list'), list);
console.log(`  the page in all: ${total} of ${LIMIT} B gzipped`);
if (total > LIMIT) {
  console.error(`web/ui: the page is ${total - LIMIT} B over its ${LIMIT} B; take something out`);
  process.exit(1);
}
