// build.mjs: bundles the page into one stylesheet, a script that starts it and holds what views share, and one script a group of views, compresses all once, and prints
// what a reader of each view loads. node build.mjs OUTDIR; the folder then holds NAME-HASH.js.gz, NAME-HASH.css.gz and `list`,
// which embed.sh reads: the stylesheet and the script that starts first.
// Templates become plain calls here (babel-plugin-htm), so that nothing parses them in the browser.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync, transformFromAstSync, transformSync, traverse } from '@babel/core';
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
    : { contents: transformSync(readFileSync(path, 'utf8'), { plugins: [[htm.default || htm, { pragma: 'make_vnode', import: { module: 'preact', export: 'h' }, useNativeSpread: true }]], babelrc: false, configFile: false }).code, loader: 'js' }),
};
const result = await build({
  entryPoints: { main: join(here, 'main.js') }, bundle: true, splitting: true, write: false, metafile: true, outdir: 'out', format: 'esm', target: 'esnext', charset: 'utf8',
  entryNames: '[name]-[hash]', chunkNames: '[name]-[hash]', legalComments: 'none', logLevel: 'warning', plugins: [templates], minifySyntax: true, minifyWhitespace: true,
});

/* ---- the first script only imports the one that all share, which starts the page itself: that one is the first, as app-HASH.js ---- */
const first = text => text.replaceAll('/chunk-', '/app-');
const outputFiles = result.outputFiles.map(f => ({ path: first(f.path), text: first(f.text) })).filter(f => !/main-\w+\.js$/.test(f.path)),
  outputs = new Map(Object.entries(JSON.parse(first(JSON.stringify(result.metafile.outputs)))).map(([path, o]) => [basename(path), o]));
if (outputFiles.filter(f => /app-\w+\.js$/.test(f.path)).length != 1) throw new Error('web/ui: what views share is not one script');

/* ---- what scripts give each other has one short name in all of them, so that their lists of imports need no "as" ---- */
const bare = { babelrc: false, configFile: false }, scripts = new Map(outputFiles.filter(f => f.path.endsWith('.js')).map(f => [basename(f.path), parseSync(f.text, bare)]));
const uses = new Map(), taken = new Set(['do', 'if', 'in']); /* uses: of what is given, by script and name */
// f(key of what is given, its specifier, the field of that which others see, its binding)
function between(name, f) {
  const each = (p, from, field) => { for (const s of p.node.specifiers) if (scripts.has(from)) f(`${from}:${s[field].name}`, s, field, p.scope.getBinding(s.local.name)); };
  traverse(scripts.get(name), { ImportDeclaration: p => each(p, basename(p.node.source.value), 'imported'), ExportNamedDeclaration: p => each(p, name, 'exported'), Identifier: p => { taken.add(p.node.name); } });
}
for (const name of scripts.keys()) between(name, (key, s, field, { references }) => { if (field == 'imported') uses.set(key, (uses.get(key) || 0) + references); });
const letters = [...'abcdefghijklmnopqrstuvwxyz'], free = [...letters.map(c => c.toUpperCase()), ...letters.flatMap(a => letters.map(b => a + b))].filter(n => !taken.has(n)),
  names = new Map([...uses].sort((a, b) => b[1] - a[1]).map(([key], i) => [key, free[i]]));
for (const name of scripts.keys()) {
  between(name, (key, s, field, { scope, identifier }) => {
    if (!names.has(key)) return;
    scope.rename(identifier.name, names.get(key));
    s[field] = s.local = { type: 'Identifier', name: names.get(key) };
  });
}

const { default: zopfli } = await import('@gfx/zopfli'); /* only now: it prints itself when something else fails */
const files = new Map();
for (const file of outputFiles) {
  let name = basename(file.path), text = file.text;
  if (name.endsWith('.css')) {
    text = (await build({ stdin: { contents: text, loader: 'css' }, minify: true, write: false, target: 'esnext' })).outputFiles[0].text;
    name = `app-${createHash('sha256').update(text).digest('hex').slice(0, 8).toUpperCase()}.css`;
  } else {
    text = transformFromAstSync(scripts.get(name), undefined, bare).code;
    text = (await minify(text, { module: true, mangle: { reserved: [...names.values()] }, ecma: 2020, compress: { passes: 3, inline: 1, unsafe_arrows: true, pure_getters: true }, format: { ecma: 2020, preamble: name.startsWith('app-') ? NOTICE : undefined } })).code;
  }
  files.set(name, Buffer.from(await zopfli.gzipAsync(Buffer.from(text), { numiterations: 15 })));
}

mkdirSync(out, { recursive: true });
for (const old of readdirSync(out)) rmSync(join(out, old));
const place = name => !name.startsWith('app-') ? 2 : name.endsWith('.css') ? 0 : 1, built = [...files.keys()].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
for (const name of built) writeFileSync(join(out, name + '.gz'), files.get(name));
writeFileSync(join(out, 'list'), built.join('\n') + '\n');

/* ---- what a view loads: the start, its own script, and what both import ---- */
function loads(name, into = new Set()) {
  if (into.has(name)) return into;
  into.add(name);
  for (const i of outputs.get(name).imports) if (i.kind == 'import-statement') loads(basename(i.path), into);
  return into;
}
const size = set => [...set].reduce((n, name) => n + files.get(name).length, 0), start = loads(built[1]).add(built[0]);
let worst = 0;
for (const name of built.slice(1)) {
  const bytes = size(new Set([...start, ...loads(name)]));
  worst = Math.max(worst, bytes);
  console.log(`  ${name.replace(/-.*/, '').padEnd(10)} ${String(bytes).padStart(6)} B gzipped`);
}
console.log(`  all views together ${size(new Set(built))} B gzipped; the limit for each is ${LIMIT}`);
if (worst > LIMIT) {
  console.error(`web/ui: a view is ${worst - LIMIT} B over its ${LIMIT} B; take something out`);
  process.exit(1);
}
