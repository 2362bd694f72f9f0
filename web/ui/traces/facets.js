// facets.js: what one may narrow the search to, with counts. A click asks for only these, Alt click for all but these.
import { html, useState } from '../html.js';
import { Word, flag } from '../draw/parts.js';
import { count, plural } from '../draw/text.js';
import { setQuery } from '../frame/url.js';
import { condition, conditions, join, keyWords, same, valueWords } from './line.js';

// Adds a condition, takes it out when it is there; of a facet with one value a trace, another value replaces it.
export function toggle(q, facet, value, not) {
  const list = conditions(q), c = condition(facet, value, not ? '!=' : '='), there = list.find(x => same(x, c)),
    several = not || facet.key == 'service' || facet.attribute;
  const rest = list.filter(x => x != there && (several || x.key != c.key || x.scope != c.scope));
  setQuery({ q: join(there?.op == c.op ? rest : [...rest, c]), sel: null });
}

function Facet({ facet, q, label }) {
  const list = conditions(q), rough = facet.exact === false;
  return html`<div class="facet" role="group" aria-label=${label}><h2><span class="el">${label}</span></h2>
    ${facet.values.map(({ value, note, count: n }) => {
    const c = condition(facet, value), words = valueWords(facet.attribute ? '' : facet.key, value);
    return html`<label key=${value} title=${words}>
      <input type="checkbox" checked=${list.some(x => same(x, c) && x.op == '=')}
      onClick=${e => { e.preventDefault(); toggle(q, facet, value, e.altKey); }}/>
      <span class="el">${words}${note && html` <span class="m3">${note}</span>`}</span>
        <span class="c" title=${rough && 'estimated from a fair sample'}>${rough && '≈ '}${count(n)}</span></label>`;
  })}${facet.more > 0 && html`<p class="xs m3">${count(facet.more)} more; type to find them</p>`}</div>`;
}

export function Facets({ facets, attributes, q }) {
  const [all, showAll] = useState(false), asked = key => conditions(q).some(c => c.key == key),
    rest = attributes.filter(a => a.values.length > 1 || asked(a.key)).sort((a, b) => a.key < b.key ? -1 : 1);
  const named = facets.filter(f =>
    f.values.length && (f.key != 'version' || f.scope) && (f.key != 'flag' || f.values.length > 1 || asked('flag')));
  return html`<div class="facets" aria-label="Facets" role="group">
    ${named.map(f => html`<${Facet} key=${f.key} facet=${f} q=${q} label=${f.key == 'version' ? `${f.scope} version` : f.label}/>`)}
    ${rest.length > 0
      && html`<${Word} c="s plain-lnk" aria-expanded=${flag(all)} act=${() => showAll(!all)}>
      ${all ? 'Fewer attributes' : plural(rest.length, 'more attribute')}</${Word}>`}
    ${all && [html`<p class="xs m3">Counts in the sample that was compared.</p>`,
      rest.map(a => html`<${Facet} key=${'a' + a.key} facet=${a} q=${q} label=${keyWords(a)}/>`)]}</div>`;
}
