// charts.js: rate, failures and latency side by side, of a service or of one of its operations.
import { html } from '../html.js';
import { Chart } from '../draw/chart.js';
import { Swatch } from '../draw/parts.js';
import { versionWord } from '../graph/names.js';

const LINES = ['--ctl', '--accent', '--s1', '--s5'];
// Lines of several versions: [{version, v}, …]
export const byVersion = (all, w) =>
  all.slice(0, LINES.length)
  .map(({ version, v }, i) => ({ kind: 'line', stroke: LINES[i], w: i ? 2 : w || 1.5, v, name: versionWord(version) }));

/* rate, failures, latency: series of Chart; of `rate` with names, when there are several; numbers: what stands above each chart; words: what each
 * shows, for screen readers; marks: lists of marks of the three; failing: the second number is loud; time: the axis ({x, from, to}). */
export function Charts({ rate, failures, latency, numbers, words, marks, failing, time, legend }) {
  const big = (i, title, series, key) =>
    html`<div><header class="shead kpi"><h2>${title}</h2><span class=${'big' + (i == 1 && failing ? ' fault' : '')}>${numbers[i]}</span>
    <span class="grow"></span>
    <span class="legend">${key}</span></header><${Chart} h=${118} ...${time} series=${series} marks=${marks?.[i]} label=${words[i]}/>
      </div>`;
  return html`<section class="blk spark3" aria-label="Rate, failures, latency">
    ${big(0, 'Calls per second', rate, rate.length > 1
      && rate.map(l => html`<span key=${l.name}><i class="sw ln" style=${{ background: `var(${l.stroke})` }}></i>${l.name}</span>`))}
    ${big(1, 'Failures per second', failures, failures.length > 1
      && [html`<${Swatch} c="ba">began here</${Swatch}>`, html`<${Swatch} c="p">passed on</${Swatch}>`])}
    ${big(2, 'Latency, p95', latency, legend)}</section>`;
}
