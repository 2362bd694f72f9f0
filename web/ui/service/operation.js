// operation.js: one operation of a service from near: over time and by version, from the minutes in the file.
import { html } from '../html.js';
import { useSql } from '../frame/api.js';
import { setQuery } from '../frame/url.js';
import { Failed } from '../frame/states.js';
import { Chart, niceMax } from '../draw/chart.js';
import { cell, Table } from '../draw/table.js';
import { count, ms, msWhole, rate, share, sqlText } from '../draw/text.js';
import { bare, ratio, traces } from '../graph/names.js';
import { marked } from '../graph/numbers.js';

const where = (node, op) => `FROM operation_minute WHERE minute_ns >= :from AND minute_ns < :to\n  AND service = ${sqlText(node.service)} AND namespace = ${sqlText(node.namespace)} AND cluster = ${sqlText(node.cluster)} AND operation = ${sqlText(op)}`;
export const operationSql = (node, op) => `SELECT minute_ns / 1000000 AS ms, version, sum(calls) AS calls, sum(errors) AS errors,\n       histogram_quantile(histogram_merge(histogram), 0.95) AS p95_ns\n${where(node, op)}\nGROUP BY 1, 2 ORDER BY 1, 2`;

export function Operation({ d, op, r, s }) {
  const node = d.service.node, known = d.operations.find(o => o.operation == op), from = Math.floor(r.fromMs / 6e4) * 6e4, { data, error, again } = useSql(operationSql(node, op), from, r.toMs);
  const close = html`<button class="lnk s" onClick=${() => setQuery({ op: null })}>all operations</button>`, rows = data?.rows || [], times = [...new Set(rows.map(x => Number(x[0])))], versions = [...new Set(rows.map(x => x[1]))];
  const sum = (k, f) => times.map(t => rows.filter(x => x[0] == t && f(x)).reduce((n, x) => n + (x[k] || 0), 0) / 60), calls = sum(2, () => true), failed = sum(3, () => true), nice = v => { const [max, ticks] = niceMax(Math.max(...v, 0)); return { max, ticks: [0, ticks.at(-1) / 2, ticks.at(-1)] }; };
  const p95 = versions.slice(0, 4).map(v => times.map(t => { const x = rows.find(y => y[0] == t && y[1] == v); return x?.[4] == null ? null : x[4] / 1e6; })), tokens = ['--ctl', '--accent', '--s1', '--s5'], x = times.map(t => t + 3e4);
  const plot = (title, value, chart, c = '') => html`<div><header class="shead kpi"><h3>${title}</h3><span class=${'big ' + c}>${value}</span></header><${Chart} h=${104} x=${x} ...${chart}/></div>`;
  const of = v => rows.filter(y => y[1] == v), total = (v, k) => of(v).reduce((n, y) => n + y[k], 0);
  return html`<section class="blk rule" aria-labelledby="op"><header><h2 id="op" class="brk">${op}</h2>${known && html`<span class="m2 s">${rate(known.calls / s)}, p50 ${ms(known.p50_ns)}, itself ${ms(known.self_p50_ns)}</span>`}<span class="grow"></span><a class="s" href=${traces(['service', node.service], ['operation', op])}>traces</a> ${close}</header>
    ${error ? error.status == 404 ? html`<p class="m2 s">Over time it is not shown: SQL on the web is off (<code>web.sql</code>).</p>` : html`<${Failed} what="The operation" error=${error} again=${again}/>` : data && !rows.length ? html`<p class="m2">No calls of it in this window.</p>` : times.length > 0 && html`
      <div class="spark3">${plot('Calls per second', bare(rate(calls.reduce((a, b) => a + b, 0) / times.length)), { ...nice(calls), label: 'Calls of the operation per second', series: [{ kind: 'line', stroke: '--ctl', v: calls }] })}
        ${plot('Failures per second', bare(rate(failed.reduce((a, b) => a + b, 0) / times.length)), { ...nice(failed), label: 'Failures of the operation per second', series: [{ v: failed }] }, known && marked(known.calls, known.errors) ? 'fault' : '')}
        ${plot('Latency, p95', known ? msWhole(known.p95_ns) : '', { ...nice(p95.flat()), label: 'p95 of the operation by version', series: p95.map((v, i) => ({ kind: 'line', stroke: tokens[i], v })) })}</div>
      ${versions.length > 1 && html`<${Table} rows=${versions} id=${v => v} head="By version" cols=${[['Version', '', v => v || 'unknown'], ['Calls', 'r', v => count(total(v, 2))], ['Failed', 'r', v => marked(total(v, 2), total(v, 3)) ? cell(html`<b>${share(ratio(total(v, 3), total(v, 2)))}</b>`, 'fault') : cell(share(ratio(total(v, 3), total(v, 2))), 'm3')], ['Highest p95 of a minute', 'r', v => msWhole(Math.max(...of(v).map(y => y[4] || 0)))]]}/>`}`}</section>`;
}
