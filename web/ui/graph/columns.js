// columns.js: the columns that tables of services and edges share, and what stands in them.
import { html } from '../html.js';
import { Mark } from '../draw/marks.js';
import { loud } from '../draw/table.js';
import { bare, ms, rate, share } from '../draw/text.js';
import { edgeHref, ratesOf, selOf, sampledWords, versionWord } from './names.js';
import { marked, markOf, ratio } from './numbers.js';

// What was found of a suspect, in which its peer's name leads to the calls between them.
export function toPeer(text, { node, peer }, query) {
  const name = peer?.service, at = name ? text.lastIndexOf(name) : -1;
  return at < 0 ? text
    : [text.slice(0, at), html`<a href=${edgeHref(selOf(node), selOf(peer), query)}>${name}</a>`, text.slice(at + name.length)];
}

// A mark, or the room for one.
export const MarkOr = ({ k }) => k ? html`<${Mark} k=${k}/>` : html`<span class="ok"></span>`;

// Failures by the second: loud where they began, grey where they are too few for a mark.
export const rateCell = (n, s, calls, bold) => loud(n ? rate(n / s) : '0', bold, marked(calls, n) ? 'fault' : 'm3');
export const failedCell = (failed, calls, isBad = marked(calls, failed), quiet) => loud(share(ratio(failed, calls)), isBad, quiet);

export const perSecond = (s, of = x => x.calls) => ['Calls/s', 'r', x => bare(of(x) / s)];
export const failed = (isBad, quiet) => ['Failed', 'r', x => failedCell(x.errors, x.calls, isBad?.(x), quiet)];
export const p95 = (c = 'r') => ['p95', c, x => ms(x.p95_ns)];
export const version = (head, more) => [head, '', v => html`<b>${versionWord(v.version)}</b>${more?.(v)}`];

// Edges of one node, by their other end. name(edge): of that end.
export const end = (head, name, key = id => id, query) => [head, '', e => html`<${MarkOr} k=${markOf(e)}/> <a class="q brk" href=${
  edgeHref(key(e.caller), key(e.callee), query)}>${name(e)}</a>${e.via && html` <span class="m3 s">via ${e.via}</span>`}`];
// What ≈ stands for is in the tooltip.
export const edgeRate = s => ['Calls/s', 'r', e => html`<span title=${sampledWords(e)}>${ratesOf(e, s).bare}</span>`];
