// operation.js: one operation of a service from near: over time and by version, from the minutes in the file.
import { html } from '../html.js';
import { useSql } from '../frame/api.js';
import { useRange } from '../frame/range.js';
import { setQuery } from '../frame/url.js';
import { Failed } from '../frame/states.js';
import { Block, Word } from '../draw/parts.js';
import { Table } from '../draw/table.js';
import { bare, count, ms, msWhole, rate, sqlText } from '../draw/text.js';
import { failed, version } from '../graph/columns.js';
import { traces } from '../graph/names.js';
import { marked, sum } from '../graph/numbers.js';
import { byVersion, Charts } from './charts.js';

const sqlOf = (node, op) => `SELECT minute_ns / 1000000 AS ms, version, sum(calls) AS calls, sum(errors) AS errors,
       histogram_quantile(histogram_merge(histogram), 0.95) AS p95_ns
FROM operation_minute WHERE minute_ns >= :from AND minute_ns < :to
  AND service = ${sqlText(node.service)} AND namespace = ${sqlText(node.namespace)} AND cluster = ${sqlText(node.cluster)} AND operation = ${sqlText(op)}
GROUP BY 1, 2 ORDER BY 1, 2`;

// d: the answer about the service; op: the operation; s: seconds of the window.
export function Operation({ d, op, s }) {
  const r = useRange(), node = d.service.node, answer = useSql(sqlOf(node, op), Math.floor(r.fromMs / 6e4) * 6e4, r.toMs),
    known = d.operations.find(o => o.operation == op);
  const rows = (answer.data?.rows || []).map(([t, version, calls, errors, p95_ns]) => ({ t: Number(t), version, calls, errors, p95_ns }));
  const times = [...new Set(rows.map(x => x.t))], names = [...new Set(rows.map(x => x.version))],
    seconds = t => Math.min(60, (r.toMs - t) / 1e3), /* of a minute; the last may have just begun */
    per = of => times.map(t => seconds(t) < 20 ? null : sum(rows.filter(x => x.t == t), of) / seconds(t)),
    total = of => bare(sum(rows, of) / (sum(times, seconds) || 1));
  const versions = names.map(version => { const all = rows.filter(x => x.version == version);
    return { version, calls: sum(all, 'calls'), errors: sum(all, 'errors'), p95_ns: Math.max(...all.map(x => x.p95_ns || 0)) }; });
  const p95 = names.map(version => ({ version,
    v: times.map(t => { const x = rows.find(y => y.t == t && y.version == version); return x?.p95_ns == null ? null : x.p95_ns / 1e6;
    }) }));
  return html`<${Block} id="op" c="rule" title=${html`<span class="brk">${op}</span>`}
    note=${known && `${rate(known.calls / s)}, p50 ${ms(known.p50_ns)}, itself ${ms(known.self_p50_ns)}`}
      right=${html`<a class="s" href=${traces(['service', node.service], ['operation', op])}>traces</a> <${Word} c="s"
        act=${() => setQuery({ op: null })}>all operations</${Word}>`}>
    ${answer.error?.status == 404 ? html`<p class="m2 s">Over time it is not shown: SQL on the web is off (<code>web.sql</code>).</p>`
      : answer.error ? html`<${Failed} what="The operation" answer=${answer}/>`
    : answer.data && !rows.length ? html`<p class="m2">No calls of it in this window.</p>` : times.length > 0 && html`
      <${Charts} time=${{ x: times.map(t => t + 3e4) }} numbers=${[total('calls'), total('errors'), msWhole(known?.p95_ns)]}
        failing=${known && marked(known.calls, known.errors)}
        rate=${[{ kind: 'line', stroke: '--ctl', v: per('calls') }]}
          failures=${[{ v: per('errors') }]} latency=${byVersion(p95)}
        words=${['Calls', 'Failures', 'p95'].map(w => w + ' of the operation over time')}/>
      ${names.length > 1
        && html`<${Table} rows=${versions} id=${v => v.version} name="By version"
        cols=${[version('Version'), ['Calls', 'r', v => count(v.calls)], failed(),
        ['Highest p95 of a minute', 'r', v => msWhole(v.p95_ns)]]}/>`}`}</${Block}>`;
}
