// path.js: the way of a failure or of slowness, from the users to where it began and one step beyond.
import { html } from '../html.js';
import { Icon, Mark } from '../draw/marks.js';
import { change, msWhole, rate, share } from '../draw/text.js';
import { codesOf, edgeHref, hasPage, isStore, isUser, nameOf, serviceHref } from '../graph/names.js';
import { best, marked, ratio } from '../graph/numbers.js';
import { fit } from './fit.js';

// The version in which failures began, when that is one of several.
const guilty = n => { const bad = (n.versions || []).filter(v => marked(v.calls, v.began));
  return n.versions?.length > 1 && bad.length == 1 ? bad[0].version : ''; };
const rise = e => e.was?.p95_ns != null && e.p95_ns > e.was.p95_ns ? (e.p95_ns - e.was.p95_ns) * e.calls : 0;

// In a graph, the way from the users to a node along what it spoilt most, and on to its peer: {nodes, edges, at}; null when nobody comes there.
export function pathTo(graph, node, peer, slow) {
  const same = (a, b) => a.node.service == b.service && a.node.namespace == b.namespace && (!b.cluster || a.node.cluster == b.cluster),
    target = graph.nodes.find(n => same(n, node));
  if (!target) return null;
  const byId = new Map(graph.nodes.map(n => [n.id, n])), weight = e => slow ? rise(e) : e.errors, nodes = [target], edges = [],
    seen = new Set([target.id]);
  while (!isUser(nodes[0])) {
    const into = best(graph.edges.filter(e => e.callee == nodes[0].id && !seen.has(e.caller) && byId.has(e.caller)), e =>
      weight(e) + e.calls / 1e12);
    if (!into) break;
    seen.add(into.caller);
    nodes.unshift(byId.get(into.caller));
    edges.unshift(into);
  }
  const at = nodes.length - 1,
    on = best(graph.edges
    .filter(e => e.caller == target.id && !seen.has(e.callee) && byId.has(e.callee)
    && (peer ? same(byId.get(e.callee), peer) : weight(e) > 0)), weight);
  if (on) { nodes.push(byId.get(on.callee)); edges.push(on); }
  return edges.length ? { nodes, edges, at } : null;
}

// Where on a counted path failures began: at its last node, or before it when that never saw the calls.
export function counted({ nodes, edges }) {
  const origin = edges.at(-1);
  return origin && { nodes, edges, at: nodes.length - (origin.unreached * 2 > origin.errors_origin ? 2 : 1) };
}

// path: what pathTo or counted gave; failed: share of requests that fail; others: of the last node's other callers;
// over: it is told in the past; version: of the node where it began; reason: why, in few words;
// began: where an example's failure did, and with which codes.
export function Path({ path: { nodes, edges, at }, seconds, keys, failed, others, slow, over, version, reason, began, query }) {
  const s = seconds || 1, fail = over ? 'failed' : 'fail', v = version || guilty(nodes[at]),
    of = nodes[at].versions?.find(x => x.version == v) || nodes[at],
    [show, folded, via] = fit(nodes, at);
  const solidAt = slow || at == nodes.length - 1 ? at : at + 1; /* the edge that is drawn solid, by the node it leads to */
  const codes = began?.callee.service == nodes[solidAt]?.node.service && codesOf(began);
  const where = (i, began, before, beyond) => i == at ? began : i < at ? before : beyond;
  const beyond = n =>
    others?.calls && !others.errors ? 'normal for others' : slow ? 'as fast as normal' : n.node.role == 'workload'
    ? 'did not see the call' : n.node.role;
  const caption = (n, i) => isUser(n) ? slow ? 'wait longer' : `${share(failed)} of requests ${fail}`
    : where(i, slow ? 'slower here' : `${share(ratio(of.errors, of.calls))} of its calls ${fail}`, slow ? 'waits' : 'nothing began here',
      beyond(n));
  const box = i => {
    const n = nodes[i],
      mark = isUser(n) ? html`<${Icon} n="user" c="m3"/>` : i <= at ? html`<${Mark} k=${slow ? where(i, 's', 'w') : where(i, 'b', 'p')}/>`
      : isStore(n) && html`<${Icon} n="db" c="m3"/>`;
    const inner = [mark, html`<span class="el" title=${nameOf(n)}>${nameOf(n)}</span>`, v && i == at && html` <span class="tag">${v}</span>`];
    return html`<li class=${'fp-n ' + (isUser(n) ? 'round pass' : where(i, 'began', 'pass', ''))} key=${n.id}>
      ${hasPage(n) ? html`<a class="box q" href=${serviceHref(n.node, query)}>${inner}</a>`
      : html`<div class="box">${inner}</div>`}<div class="cap">${caption(n, i)}</div></li>`;
  };
  const wire = i => { /* the edge into node i */
    const e = edges[i - 1], solid = i == solidAt, calm = i > at && !solid, gate = via(i);
    const text = calm ? rate(e.calls / s) : slow
      ? `p95 ${e.was?.p95_ns != null ? change(msWhole(e.was.p95_ns), msWhole(e.p95_ns)) : msWhole(e.p95_ns)}`
      : `${rate((solid && e.errors_origin || e.errors) / s)} ${solid ? 'began here' : 'passed on'}`;
    const note = solid ? reason : gate != null ? `via ${nameOf(nodes[gate])}` : e.recovered
      ? `${rate(e.recovered / s)} recovered by retry` : '';
    return html`<li class=${'fp-e' + (solid ? ' solid' : calm ? ' calm' : '')} key=${'e' + i}>
      <a class="wire" aria-label=${`${text}: edge into ${nameOf(nodes[i])}, in the graph`}
      href=${edgeHref(keys(e.caller), keys(e.callee), query)}></a>
      <div class="txt"><span class="lab only-s">${[text, solid && codes].filter(Boolean).join(', ')}</span>
        <div class="cap"><span class=${'only-l' + (solid ? ' fault hard' : '')}>${text}</span><span class="only-s m3">${note}</span></div>
        </div></li>`;
  };
  const more = html`<li class="fp-n pass" key="more"><div class="box">${folded.length} more</div>
    <div class="cap">${folded.map(f => nameOf(nodes[f])).join(', ')}</div></li>`;
  return html`<section class="blk" aria-labelledby="path">
    <h2 id="path" class="sr">Path of the ${slow ? 'slowness' : 'failure'}, from the users to where it began</h2>
    <ol class=${'fpath' + (slow ? ' late' : '')}>${
    show.map((i, k) => [k > 0 && wire(k == 2 && folded.length ? folded[0] : i), k == 2 && folded.length > 0 && [more, wire(i)], box(i)])}
      </ol></section>`;
}
