// facets.js: what one may narrow the search to, with counts. A click asks for only these, Alt click for all but these.
import { html, useState } from '../html.js';
import { count } from '../draw/text.js';
import { setQuery } from '../frame/url.js';
import { condition, conditions, join, keyWords, same, valueWords } from './line.js';

// Adds a condition, takes it out when it is there; of a facet with one value a trace, another value replaces it.
export function toggle(q, facet, value, not = false) {
  const list = conditions(q), c = condition(facet, value, not ? '!=' : '=');
  const there = list.find(x => same(x, c));
  const rest = list.filter(x => x != there && (not || facet.key == 'service' || facet.attribute || !(x.key == c.key && x.scope == c.scope)));
  setQuery({ q: join(there && there.op == c.op ? rest : [...rest, c]) || null, sel: null });
}

const LABELS = { version: f => f.scope ? `${f.scope} version` : null };

function Facet({ facet, q, label, more }) {
  const list = conditions(q);
  return html`<div class="facet" role="group" aria-label=${label}><h2><span class="el">${label}</span></h2>${facet.values.map(v => {
    const c = condition(facet, v.value), on = list.some(x => same(x, c) && x.op == '=');
    const words = valueWords(facet.attribute ? '' : facet.key, v.value), note = v.note;
    return html`<label key=${v.value} title=${words}><input type="checkbox" checked=${on} onClick=${e => { e.preventDefault(); toggle(q, facet, v.value, e.altKey); }}/><span class="el">${words}${note && html` <span class="m3">${note}</span>`}</span><span class="c"
      title=${facet.exact === false ? 'estimated from a fair sample' : null}>${facet.exact === false ? '≈ ' : ''}${count(v.count)}</span></label>`;
  })}${more > 0 && html`<p class="xs m3">${count(more)} more; type to find them</p>`}</div>`;
}

export function Facets({ facets, attributes, q }) {
  const [all, showAll] = useState(false);
  const asked = conditions(q);
  const named = facets.filter(f => f.values.length && (f.key != 'version' || f.scope) && !(f.key == 'flag' && f.values.length < 2 && !asked.some(c => c.key == 'flag')) && !(f.key == 'service' && !f.values.length))
    .map(f => ({ ...f, words: LABELS[f.key]?.(f) || f.label }));
  const rest = attributes.filter(a => a.values.length > 1 || asked.some(c => c.key == a.key)).sort((a, b) => a.key < b.key ? -1 : 1);
  return html`<div class="facets" aria-label="Facets" role="group">${named.map(f => html`<${Facet} key=${f.key} facet=${f} q=${q} label=${f.words} more=${f.more}/>`)}
    ${rest.length > 0 && html`<button class="lnk s plain-lnk" aria-expanded=${all ? 'true' : 'false'} onClick=${() => showAll(!all)}>${all ? 'Fewer attributes' : `${rest.length} more attribute${rest.length > 1 ? 's' : ''}`}</button>`}
    ${all && html`<p class="xs m3">Counts in the sample that was compared.</p>`}${all && rest.map(a => html`<${Facet} key=${'a' + a.key} facet=${a} q=${q} label=${keyWords(a)} more=${a.more}/>`)}</div>`;
}
