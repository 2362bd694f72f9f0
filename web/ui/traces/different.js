// different.js: what tells the selected traces from the others, in order of the difference; then what does not, and how long they took.
import { html, useState } from '../html.js';
import { Mark } from '../draw/marks.js';
import { count, msWhole, share } from '../draw/text.js';
import { toggle } from './facets.js';
import { keyWords, valueWords } from './line.js';

const WHAT = { box: 'selected', failed: 'failed', slowest: 'slowest' };

const Side = ({ name, value, kind, strong }) => html`<span>${name}</span><span class="bar"><span class=${kind} style=${{ width: (value ? Math.max(.5, value * 100) : 0) + '%' }}></span></span>${strong ? html`<b class="r">${share(value)}</b>` : html`<span class="r">${share(value)}</span>`}`;

function Difference({ d, q, name }) {
  const f = d.follows;
  return html`<div class="diffrow"><div class="hd"><span class="el" title=${`${keyWords(d)} = ${d.value}`}><span class="m2">${keyWords(d)} =</span> <b>${valueWords(d.key, d.value)}</b></span><span class="grow"></span><button class="lnk s plain-lnk nw" onClick=${() => toggle(q, d, d.value)}>only these</button></div>
    <div class="two"><${Side} name=${name} value=${d.selected} kind="a" strong/><${Side} name="others" value=${d.others} kind="k"/></div>
    ${f && html`<p class="xs m3 foll">Follows from ${keyWords(f)} ${f.value}: with it, ${share(f.selected)} against ${share(f.others)}.</p>`}</div>`;
}

function sentence(d, name) {
  const a = d.selected.p50_ns, b = d.others.p50_ns, who = `${name[0].toUpperCase()}${name.slice(1)} traces`;
  if (a == null || b == null) return null;
  const ratio = a / b, how = ratio < .9 ? 'are faster' : ratio > 1.1 ? 'are slower' : 'take as long';
  return `${who} ${how}: median ${msWhole(a)} against ${msWhole(b)}.`;
}

export function Different({ d, q }) {
  const [all, showAll] = useState(false), [more, showMore] = useState(false);
  if (!d) return null;
  const few = !d.selected.sampled || !d.others.sampled, onlyFailed = d.selected.sampled > 0 && d.selected.failed == d.selected.sampled;
  const name = WHAT[d.what], took = d.what == 'box' && onlyFailed ? 'failed' : name, of = g => g.sampled < g.count ? `a fair sample of ${count(g.sampled)} of ${count(g.count)}` : count(g.count), said = `${of(d.selected)} ${name} against ${of(d.others)} others.`;
  const same = d.same.map(keyWords), shown = all ? same : same.slice(0, 8);
  return html`<header class="shead tight"><h2 id="df">What is different</h2></header>
    ${few ? html`<p class="s m2">${d.selected.sampled ? `All ${count(d.selected.count)} traces are ${name}: nothing to compare them with.` : 'No traces to compare.'}</p>` : html`
    <p class="s m2">${said[0].toUpperCase() + said.slice(1)} ${count(d.compared)} attributes compared; ${
      d.differing ? `${count(d.differing)} ${d.differing == 1 ? 'differs' : 'differ'} (corrected for ${count(d.compared)} tests), ${count(d.compared - d.differing)} do not.` : 'none differs by more than chance.'}</p>
    <div class="diffs">${d.different.slice(0, more ? 99 : 6).map(x => html`<${Difference} key=${x.scope + x.key} d=${x} q=${q} name=${name}/>`)}${d.different.length > 6 && !more && html`<div class="diffrow s"><button class="lnk" onClick=${() => showMore(true)}>${d.different.length - 6} more that differ</button></div>`}</div>
    ${same.length > 0 && html`<div class="diffrow last"><h3>Not different</h3><p class="s m2">${shown.join(', ')}${same.length > 8 && !all && html` <button class="lnk" onClick=${() => showAll(true)}>and ${same.length - 8} more</button>`}</p></div>`}
    <section class="blk"><h2>Took</h2><p class="s m2">${sentence(d, took)}</p>
      <table class="took3"><thead><tr><th>Traces</th><th class="r">p50</th><th class="r">p95</th><th class="r">p99</th></tr></thead><tbody>
        <tr><td>${onlyFailed && html`<${Mark} k="b" quiet/> `}${name}</td><td class="r">${msWhole(d.selected.p50_ns)}</td><td class="r">${msWhole(d.selected.p95_ns)}</td><td class="r">${msWhole(d.selected.p99_ns)}</td></tr>
        <tr><td class="m2">others</td><td class="r">${msWhole(d.others.p50_ns)}</td><td class="r">${msWhole(d.others.p95_ns)}</td><td class="r">${msWhole(d.others.p99_ns)}</td></tr></tbody></table></section>`}`;
}
