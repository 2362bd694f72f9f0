// result.js: what a question gave: a table with links and readable times, a chart where there is a time and a number, the whole as CSV and JSON.
import { html } from '../html.js';
import { Menu } from '../frame/menu.js';
import { useOnsets } from '../frame/states.js';
import { showQuery } from '../frame/url.js';
import { Chart } from '../draw/chart.js';
import { Icon } from '../draw/marks.js';
import { Block, Seg, Select, Word } from '../draw/parts.js';
import { sortHead, sortWord } from '../draw/table.js';
import { asCsv, count, ms, parseTime, NB, plural, when, zoneName } from '../draw/text.js';
import { traceHref } from '../graph/names.js';

const SHOWN = 1000, MOST_LINES = 8, TIME_NS = /^(at|minute|onset|opened|updated|closed|start|first_seen|last_seen)_ns$/,
  TIME_TEXT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;
const LINES = ['--s0', '--s5', '--s1', '--s3', '--s7', '--s2', '--s9', '--s4'], DASHES = [null, '5 3', '2 2', '8 3 2 3'];
const isNumber = c => c.type == 'integer' || c.type == 'real';

// Unix ms of a cell of a time column, else null.
const timeOf = (name, v) => TIME_TEXT.test(v) ? parseTime(v) : TIME_NS.test(name) && Math.abs(v) > 1e17 ? Number(v) / 1e6 : null;

// Digits behind the point, the same for all of a column where they are few; at least one where numbers are no counts.
const MOST_DIGITS = 3;
const digitsOf = (rows, k, isReal) => {
  const most = rows.reduce((n, r) => Math.max(n, /\.(\d+)$/.exec(r[k])?.[1].length || 0), isReal);
  return most <= MOST_DIGITS ? most : 0;
};

function Cell({ name, v, digits }) {
  if (v == null) return html`<span class="m3">null</span>`;
  if (/^[0-9a-f]{32}$/.test(v) && /trace/.test(name)) return html`<a class="mono" href=${traceHref(v)}>${v}</a>`;
  const time = timeOf(name, v),
    text = TIME_TEXT.test(v) ? v.replace('T', ' ').replace(name == 'minute' ? /:\d\d\.?\d*Z$/ : /\.?0*Z$/, '')
    : digits && typeof v == 'number' ? v.toFixed(digits) : Number.isInteger(v) && !/_ns$/.test(name) ? count(v) : String(v),
    meant = time != null ? `${when(time, 2)} ${zoneName()}` : /_ns(_sum)?$/.test(name) && Number(v) ? ms(Number(v)) : null;
  return meant ? html`<span title=${meant}>${text}</span>` : text;
}

// What can be drawn: the column of times, those of numbers, and those that tell lines apart; null for nothing.
function drawable({ columns, rows }) {
  const values = k => new Set(rows.map(r => r[k])), isTime = k => timeOf(columns[k].name, rows.find(r => r[k] != null)?.[k]) != null,
    all = [...columns.keys()], time = all.find(k => isTime(k) && values(k).size > 1);
  const numbers = all.filter(k => k != time && isNumber(columns[k]) && !TIME_NS.test(columns[k].name)),
    splits = all.filter(k => columns[k].type == 'text' && !isTime(k) && values(k).size <= MOST_LINES);
  return time != null && numbers.length ? { time, numbers, splits } : null;
}

// One row a time and line: of several the last counts. Times in which a line has no row are gaps.
function linesOf({ columns, rows }, time, number, split) {
  const at = new Map(), nameOf = r => split == null ? '' : String(r[split]);
  for (const r of rows) {
    const t = timeOf(columns[time].name, r[time]);
    if (t != null) at.set(t, { ...at.get(t), ['=' + nameOf(r)]: r[number] });
  }
  const x = [...at.keys()].sort((a, b) => a - b), names = [...new Set(rows.map(nameOf))].sort().slice(0, MOST_LINES);
  return { x, lines: names.map(name => ({ name, v: x.map(t => at.get(t)['=' + name] ?? null) })) };
}

function Drawing({ d, can, query }) {
  const nameOf = k => d.columns[k]?.name, pick = (list, name, or) => list.find(k => nameOf(k) == name) ?? or,
    number = pick(can.numbers, query.draw, can.numbers.at(-1)),
    split = query.by == '-' ? null : pick(can.splits, query.by, can.splits[0]);
  const { x, lines } = linesOf(d, can.time, number, split), values = lines.flatMap(l => l.v), name = nameOf(number),
    options = list => list.map(k => [nameOf(k), nameOf(k)]), last = x.at(-1),
    step = x.length > 1 ? Math.min(...x.slice(1).map((t, i) => t - x[i])) : 0, /* what the last point stands for has begun there */
    marks = useOnsets(x[0], last + step).map(m => ({ ...m, at: Math.min(m.at, last), left: true, label: `incident ${m.id} began` })),
    line = i => ({ stroke: LINES[i], dash: DASHES[i % 4] });
  const key = (l, i) =>
    html`<span key=${l.name}>
    <svg width="16" height="6" aria-hidden="true">
    <line x2="16" y1="3" y2="3" stroke-width="2" stroke-dasharray=${line(i).dash} style=${{ stroke: `var(${LINES[i]})` }}/></svg>
    ${l.name || 'without a name'}</span>`;
  return html`<div class="row w s drawn">
    <label class="row m2">Draw <${Select} label="Draw" options=${options(can.numbers)} value=${name} set=${v => showQuery({ draw: v })}/>
    </label>
      ${can.splits.length > 0
        && html`<label
        class="row m2">by <${Select} label="by" options=${[...options(can.splits), ['-', 'nothing']]} value=${nameOf(split) || '-'}
        set=${v => showQuery({ by: v })}/></label>`}<span class="grow"></span>
      <span class="legend">${split != null && lines.map(key)}</span></div>
    ${values.some(v => v < 0) ? html`<p class="m3 s">Some values are below 0: they are in the table alone.</p>`
      : html`<${Chart} h=${150} l=${/_pct$/.test(name) ? 40 : 48} x=${x} series=${lines.map((l, i) => ({ ...line(i), kind: 'line', w: 2, v: l.v }))}
      fmt=${/_pct$/.test(name) ? v => v + NB + '%' : String}
      marks=${marks} label=${`${name} over time${split == null ? '' : ` by ${nameOf(split)}`}, at most ${count(Math.max(...values, 0))}`}/>`}`;
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
  const depth = new Map([[0, -1]]);
  return html`<${Block} id="rs" title="Plan"><ul class="plan">${d.rows.map(([id, parent, , detail]) => {
    depth.set(id, (depth.get(parent) ?? -1) + 1);
    return html`<li key=${id} style=${{ paddingLeft: depth.get(id) * 18 + 'px' }}><code>${detail}</code></li>`;
  })}</ul></${Block}>`;
}

const before = (a, b) => a == null ? b == null ? 0 : 1 : b == null ? -1 : a < b ? -1 : +(a > b);
// The column by which the rows stand in order, and which way: [its number, 1 up or -1 down]; [-1] for none.
function orderOf(rows) {
  const way = k => rows.reduce((w, r, i) => { const to = i ? before(rows[i - 1][k], r[k]) : 0;
    return w == null || to * w > 0 ? null : w || -to; }, 0);
  const k = rows.length > 2 ? rows[0].findIndex((_, k) => way(k)) : -1;
  return [k, k < 0 ? 0 : way(k)];
}

// copies: of Menu.
export function Result({ d, query, copies }) {
  const asked = /^(-?)(.*)/s.exec(query.sort || ''), by = query.sort ? d.columns.findIndex(c => c.name == asked[2]) : -1,
    [sorted, way] = by < 0 ? orderOf(d.rows) : [by, asked[1] ? -1 : 1],
    value = isNumber(d.columns[by] || {}) ? v => v == null ? v : Number(v) : v => v,
    rows = by < 0 ? d.rows : [...d.rows].sort((a, b) => before(value(a[by]), value(b[by])) * way);
  const can = drawable(d), table = query.view == 'table', shown = query.rows == 'all' ? rows : rows.slice(0, SHOWN),
    names = d.columns.map(c => c.name), c = d.columns.map(c => isNumber(c) ? 'r' : ''),
    digits = d.columns.map((x, k) => c[k] && digitsOf(d.rows, k, +(x.type == 'real')));
  const csv = () => save(asCsv([names, ...d.rows]), 'text/csv', 'faultline.csv'),
    json = () => save(JSON.stringify(d.rows.map(r => Object.fromEntries(names.map((n, i) => [n, r[i]]))), null, 1), 'application/json',
    'faultline.json');
  return html`<${Block} id="rs" at="mid" title=${plural(d.rows.length, 'row')}
    note=${[`${d.elapsed_ms < 10 ? d.elapsed_ms.toFixed(1) : count(d.elapsed_ms)} ms, `,
    d.truncated ? html`<b class="slow">cut: there are more</b>` : 'all rows shown']}
      right=${[can && html`<${Seg} label="Result" options=${[['', 'Chart and table'], ['table', 'Table']]} value=${table ? 'table' : ''}
        set=${v => showQuery({ view: v })}/>`, html`<button class="btn" onClick=${csv}><${Icon} n="dl"/>CSV</button>`,
        html`<button class="btn only-l" onClick=${json}>JSON</button>`,
          html`<${Menu} label="Link" icon="" c="only-l" items=${copies}/>`]}>
          ${can && !table && html`<${Drawing} d=${d} can=${can} query=${query}/>`}
    ${d.rows.length
      ? html`<div class="scrollx tdata" tabindex="0" role="region" aria-label="Rows">
      <table class="data"><thead><tr>${names.map((n, i) => {
        const is = i == sorted && way;
        return html`<th key=${i} scope="col" class=${c[i]} aria-sort=${sortWord(is)}>${sortHead(n, is, () =>
          showQuery({ sort: (is ? is > 0 : c[i]) ? '-' + n : n }))}</th>`; })}</tr></thead>
      <tbody>${shown.map((r, i) =>
        html`<tr key=${i}>${r.map((v, k) => html`<td key=${k} class=${c[k]}><${Cell} name=${names[k]} v=${v} digits=${digits[k]}/></td>`)}</tr>`)}</tbody>
        </table></div>`
    : html`<p class="m2">No row fits. ${plural(names.length, 'column')}: <code>${names.join(', ')}</code>.</p>`}
    ${d.rows.length > shown.length
      && html`<p class="s m2 below">
      ${count(shown.length)} of ${count(d.rows.length)} rows are drawn; CSV has all. <${Word}
      act=${() => showQuery({ rows: 'all' })}>Draw all</${Word}></p>`}</${Block}>`;
}
