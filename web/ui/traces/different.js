// different.js: what tells the selected traces from the others, in order of the difference; then what does not, and how long they took.
import { html, useState } from '../html.js';
import { Mark } from '../draw/marks.js';
import { Block, Word } from '../draw/parts.js';
import { Table } from '../draw/table.js';
import { capital, count, msWhole, share } from '../draw/text.js';
import { toggle } from './facets.js';
import { keyWords, valueWords } from './line.js';

const WHAT = { box: 'selected', failed: 'failed', slowest: 'slowest' }, FEW = 6, FEW_SAME = 8;

const Side = ({ name, value, kind }) =>
  [html`<span>${name}</span>`,
  html`<span class="bar"><span class=${kind} style=${{ width: (value ? Math.max(.5, value * 100) : 0) + '%' }}></span></span>`,
  html`<span class=${'r' + (kind == 'a' ? ' hard' : '')}>${share(value)}</span>`];

const Difference = ({ d, q, name }) =>
  html`<div class="diffrow">
  <div class="hd">
  <span class="el" title=${`${keyWords(d)} = ${d.value}`}><span class="m2">${keyWords(d)} =</span> <b>${valueWords(d.key, d.value)}</b>
  </span>
    <span class="grow"></span><${Word} c="s plain-lnk nw" act=${() => toggle(q, d, d.value)}>only these</${Word}></div>
  <div class="sides"><${Side} name=${name} value=${d.selected} kind="a"/><${Side} name="others" value=${d.others} kind="k"/></div>
  ${d.follows && html`<p
    class="xs m3 foll">Follows from ${keyWords(d.follows)} ${d.follows.value}: with it, ${share(d.follows.selected)} against ${share(d.follows.others)}.</p>`}
    </div>`;

function tookWords(a, b, name) {
  const times = a / b, how = times < .9 ? 'are faster' : times > 1.1 ? 'are slower' : 'take as long';
  return a != null && b != null && `${capital(name)} traces ${how}: median ${msWhole(a)} against ${msWhole(b)}.`;
}
const QUANTILES = ['p50', 'p95', 'p99'].map(p => [p, 'r', x => msWhole(x[p + '_ns'])]);

export function Different({ d, q }) {
  const [all, showAll] = useState(false), [more, showMore] = useState(false);
  if (!d) return null;
  const { selected: s, others: o } = d, few = !s.sampled || !o.sampled, bad = s.sampled > 0 && s.failed == s.sampled, name = WHAT[d.what],
    of = g => g.sampled < g.count ? `a fair sample of ${count(g.sampled)} of ${count(g.count)}` : count(g.count);
  const found = d.differing
    ? `${count(d.differing)} ${d.differing == 1 ? 'differs'
    : 'differ'} (corrected for ${count(d.compared)} tests), ${count(d.compared - d.differing)} do not.${d.differing > d.different.length
    ? ` The ${d.different.length} that differ most are listed.` : ''}`
    : 'none differs by more than chance.';
  const same = d.same.map(keyWords), shown = all ? same : same.slice(0, FEW_SAME);
  return html`<header class="shead tight"><h2 id="df">What is different</h2></header>
    ${few ? html`<p class="s m2">
    ${s.sampled ? `All ${count(s.count)} traces are ${name}: nothing to compare them with.` : 'No traces to compare.'}</p>` : html`
    <p class="s m2">${capital(of(s))} ${name} against ${of(o)} others. ${count(d.compared)} attributes compared; ${found}</p>
    <div class="diffs">
      ${d.different.slice(0, more ? 99 : FEW).map(x => html`<${Difference} key=${x.scope + x.key} d=${x} q=${q} name=${name}/>`)}
      ${d.different.length > FEW && !more
        && html`<div class="diffrow s"><${Word} act=${() => showMore(true)}>${d.different.length - FEW} more that differ</${Word}></div>`}
        </div>
    ${same.length > 0
      && html`<div class="diffrow last"><h3>Not different</h3>
      <p class="s m2">${shown.join(', ')}
      ${same.length > shown.length && html` <${Word} act=${() => showAll(true)}>and ${same.length - FEW_SAME} more</${Word}>`}</p></div>`}
    <${Block} title="Took"><p class="s m2">${tookWords(s.p50_ns, o.p50_ns, d.what == 'box' && bad ? 'failed' : name)}</p>
      <${Table} c="took3" rows=${[{ ...s, name, bad }, { ...o, name: 'others' }]} id=${x => x.name}
      cols=${[['Traces', '', x => [x.bad && html`<${Mark} k="b" quiet/> `, x.name]], ...QUANTILES]}/></${Block}>`}`;
}
