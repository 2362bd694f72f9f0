// result.js: what a question gave: a table with links and readable times, a chart where there is a time and a number, the whole as CSV and JSON.
import { html } from '../html.js';
import { copyLink } from '../frame/menu.js';
import { href, setQuery } from '../frame/url.js';
import { Chart, niceMax } from '../draw/chart.js';
import { Icon } from '../draw/marks.js';
import { count, ms, parseTime, plural, when, zoneName } from '../draw/text.js';
import { asCsv } from './text.js';

const SHOWN = 1000, MOST_LINES = 8, TIME_NS = /^(at|minute|onset|opened|updated|closed|start|first_seen|last_seen)_ns$/, TIME_TEXT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;
const LINES = ['--s0', '--s5', '--s1', '--s3', '--s7', '--s2', '--s9', '--s4'], DASHES = [null, [5, 3], [2, 2], [8, 3, 2, 3], null, [5, 3], [2, 2], [8, 3, 2, 3]];

// Unix ms of a cell of a time column, else null.
const timeOf = (name, v) => typeof v == 'string' && TIME_TEXT.test(v) ? parseTime(v) : TIME_NS.test(name) && Math.abs(v) > 1e17 ? Number(v) / 1e6 : null;

function Cell({ name, v }) {
  if (v == null) return html`<span class="m3">null</span>`;
  const time = timeOf(name, v), text = typeof v == 'number' && Number.isInteger(v) && !/_ns$/.test(name) ? count(v) : String(v);
  if (/^[0-9a-f]{32}$/.test(v) && /trace/.test(name)) return html`<a class="mono" href=${href('/trace/' + v)}>${v}</a>`;
  const meant = time != null ? `${when(time, 2)} ${zoneName()}` : /_ns(_sum)?$/.test(name) && Number(v) ? ms(Number(v)) : null;
  return meant ? html`<span title=${meant}>${text}</span>` : text;
}

// What can be drawn: the column of times, those of numbers, and those that tell lines apart.
export function drawable({ columns, rows }) {
  if (rows.length < 2) return null;
  const at = k => rows.find(r => r[k] != null)?.[k], all = columns.map((c, i) => i), time = all.find(k => timeOf(columns[k].name, at(k)) != null && new Set(rows.map(r => r[k])).size > 1);
  const numbers = all.filter(k => k != time && (columns[k].type == 'integer' || columns[k].type == 'real') && !TIME_NS.test(columns[k].name)), splits = all.filter(k => k != time && columns[k].type == 'text' && timeOf(columns[k].name, at(k)) == null && new Set(rows.map(r => r[k])).size <= MOST_LINES);
  return time == null || !numbers.length ? null : { time, numbers, splits };
}

// One row a time and line: of several the last counts. Times in which a line has no row are gaps.
export function linesOf({ columns, rows }, time, number, split) {
  const at = new Map(), names = [];
  for (const r of rows) {
    const t = timeOf(columns[time].name, r[time]), name = split == null ? '' : String(r[split]);
    if (t == null) continue;
    if (!names.includes(name)) names.push(name);
    if (!at.has(t)) at.set(t, new Map());
    at.get(t).set(name, r[number]);
  }
  const x = [...at.keys()].sort((a, b) => a - b);
  return { x, lines: names.sort().slice(0, MOST_LINES).map(name => ({ name, v: x.map(t => at.get(t).get(name) ?? null) })) };
}

function Drawing({ d, can, query }) {
  const index = (list, name, or) => list.find(k => d.columns[k].name == name) ?? or, number = index(can.numbers, query.draw, can.numbers.at(-1)), split = query.by == '-' ? undefined : index(can.splits, query.by, can.splits[0]);
  const { x, lines } = linesOf(d, can.time, number, split), values = lines.flatMap(l => l.v).filter(v => v != null), [max, ticks] = niceMax(Math.max(...values, 0)), name = d.columns[number].name, below = values.some(v => v < 0);
  const options = list => list.map(k => html`<option key=${k} value=${d.columns[k].name}>${d.columns[k].name}</option>`);
  return html`<div class="row w s drawn"><label class="row m2">Draw <select value=${name} onChange=${e => setQuery({ draw: e.target.value }, { replace: true })}>${options(can.numbers)}</select></label>
      ${can.splits.length > 0 && html`<label class="row m2">by <select value=${split == null ? '-' : d.columns[split].name} onChange=${e => setQuery({ by: e.target.value }, { replace: true })}>${options(can.splits)}<option value="-">nothing</option></select></label>`}<span class="grow"></span>
      <span class="legend">${split != null && lines.map((l, i) => html`<span key=${l.name}><svg width="16" height="6" aria-hidden="true"><line x2="16" y1="3" y2="3" stroke-width="2" stroke-dasharray=${DASHES[i]?.join(' ')} style=${{ stroke: `var(${LINES[i]})` }}/></svg>${l.name || 'without a name'}</span>`)}</span></div>
    ${below ? html`<p class="m3 s">Some values are below 0: they are in the table alone.</p>` : html`<${Chart} h=${150} l=${48} x=${x} max=${max} ticks=${ticks} label=${`${name} over time${split == null ? '' : ` by ${d.columns[split].name}`}, at most ${count(Math.max(...values, 0))}`} series=${lines.map((l, i) => ({ kind: 'line', stroke: LINES[i], dash: DASHES[i], w: 2, v: l.v }))}/>`}`;
}

function save(text, type, name) {
  const a = document.createElement('a');
  a.href = URL.createObjectURL(new Blob([text], { type }));
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10000);
}

// A statement's plan as SQLite tells it: each step under the one it belongs to.
export function Plan({ d }) {
  const [id, parent, , detail] = [0, 1, 2, 3], depth = new Map([[0, -1]]);
  return html`<section class="blk" aria-labelledby="rs"><header><h2 id="rs">Plan</h2></header><ul class="plan">${d.rows.map(r => { depth.set(r[id], (depth.get(r[parent]) ?? -1) + 1); return html`<li key=${r[id]} style=${{ paddingLeft: depth.get(r[id]) * 18 + 'px' }}><code>${r[detail]}</code></li>`; })}</ul></section>`;
}

export function Result({ d, query }) {
  const can = drawable(d), table = query.view == 'table', shown = query.rows == 'all' ? d.rows : d.rows.slice(0, SHOWN), number = c => c.type == 'integer' || c.type == 'real';
  return html`<section class="blk" aria-labelledby="rs"><header style=${{ alignItems: 'center' }}><h2 id="rs">${plural(d.rows.length, 'row')}</h2><span class="m3 s">${d.elapsed_ms < 10 ? d.elapsed_ms.toFixed(1) : count(d.elapsed_ms)} ms, ${d.truncated ? html`<b class="slow">cut: there are more</b>` : 'all rows'}</span><span class="grow"></span>
      ${can && html`<div class="seg" role="group" aria-label="Result"><button aria-pressed=${table ? 'false' : 'true'} onClick=${() => setQuery({ view: null }, { replace: true })}>Chart and table</button><button aria-pressed=${table ? 'true' : 'false'} onClick=${() => setQuery({ view: 'table' }, { replace: true })}>Table</button></div>`}
      <button class="btn" onClick=${() => save(asCsv(d), 'text/csv', 'faultline.csv')}><${Icon} n="dl"/>CSV</button><button class="btn only-l" onClick=${() => save(JSON.stringify(d.rows.map(r => Object.fromEntries(d.columns.map((c, i) => [c.name, r[i]]))), null, 1), 'application/json', 'faultline.json')}>JSON</button><button class="btn only-l" onClick=${copyLink}>Link</button></header>
    ${can && !table && html`<${Drawing} d=${d} can=${can} query=${query}/>`}
    ${d.rows.length ? html`<div class="scrollx tdata" tabindex="0" role="region" aria-label="Rows"><table class="data"><thead><tr>${d.columns.map((c, i) => html`<th key=${i} scope="col" class=${number(c) ? 'r' : ''}>${c.name}</th>`)}</tr></thead><tbody>${shown.map((r, i) => html`<tr key=${i}>${r.map((v, k) => html`<td key=${k} class=${number(d.columns[k]) ? 'r' : ''}><${Cell} name=${d.columns[k].name} v=${v}/></td>`)}</tr>`)}</tbody></table></div>` : html`<p class="m2">No row fits. ${plural(d.columns.length, 'column')}: <code>${d.columns.map(c => c.name).join(', ')}</code>.</p>`}
    ${d.rows.length > shown.length && html`<p class="s m2 below">${count(shown.length)} of ${count(d.rows.length)} rows are drawn; CSV has all. <button class="lnk" onClick=${() => setQuery({ rows: 'all' }, { replace: true })}>Draw all</button></p>`}</section>`;
}
