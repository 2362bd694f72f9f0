// bar.js: the query line with its chips and completion, the order, and copying.
import { html, useState } from '../html.js';
import { Icon } from '../draw/marks.js';
import { Select } from '../draw/parts.js';
import { quote } from '../draw/text.js';
import { apiUrl, ask, curlOf } from '../frame/api.js';
import { Offers } from '../frame/find.js';
import { Menu, copyItem } from '../frame/menu.js';
import { rangeParams, useRange } from '../frame/range.js';
import { setQuery } from '../frame/url.js';
import { KEYS, chipWords, conditions, join, valueWords } from './line.js';

const ORDERS = [['', 'newest first'], ['slow', 'slowest first'], ['failed', 'failed first']], MOST = 8;

// What may come next behind what is typed: a key, or a value of the key.
function offersOf(text, facets, attributes) {
  const [, key, op, typed] = /^(.*?)\s*(!=|[=><~])\s*"?([^"]*)$/.exec(text) || [],
    has = (words, part) => words.toLowerCase().includes(part.toLowerCase());
  if (op == null)
    return [...KEYS.map(k => [k, k]), ...attributes.map(a => [a.key, quote(a.key)])].filter(([k]) => text && has(k, text) && k != text)
    .slice(0, MOST).map(([words, k]) => ({ words, key: k + '=', more: true }));
  const bare = key.replace(/^"|"$/g, ''),
    from = facets.find(f => f.key == bare || `${f.scope}:${f.key}` == bare) || attributes.find(a => a.key == bare);
  return (from?.values || []).filter(v => has(v.value, typed)).slice(0, MOST)
    .map(v => ({ words: valueWords(from.key, v.value), key: key + op + quote(v.value) }));
}

function AddCondition({ list, facets, attributes }) {
  const [text, setText] = useState(''), offers = offersOf(text, facets, attributes);
  const pick = offer => {
    if (offer?.more) return setText(offer.key);
    const line = offer ? offer.key : text.trim();
    if (line) setQuery({ q: [join(list), line].filter(Boolean).join(' '), sel: null });
    setText('');
  };
  const back = () => text || !list.length ? false : setQuery({ q: join(list.slice(0, -1)), sel: null });
  return html`<${Offers} list="offers" label="Add a condition" type="text" offers=${offers} pick=${pick} text=${text} setText=${setText}
    keys=${{ Backspace: back }} words=${o => html`<span class="el">${o.words}</span>`}
    placeholder="status = error   took > 200ms   http.route = /cart   began = cart"/>`;
}

export function QueryBar({ q, order, sel, facets, attributes }) {
  const r = useRange(), list = conditions(q), params = { q, order, sel },
    made = what => async () => (await ask(apiUrl('search/sql', { ...rangeParams(r), ...params }))).data[what];
  const remove = i => setQuery({ q: join(list.filter((_, k) => k != i)), sel: null });
  const chip = (c, i) => { const [key, value] = chipWords(c);
    return html`<span class="chip" key=${i + c.raw}>${key && html`<span class="el">${key}</span> `}<b class="el">${value}</b>
    <button type="button" aria-label=${`Remove ${c.raw}`} onClick=${() => remove(i)}>×</button></span>`; };
  return html`<form class="qbar" role="search" aria-label="Traces" onSubmit=${e => e.preventDefault()}>
    <div class="tok">${list.map(chip)}<${AddCondition} list=${list} facets=${facets} attributes=${attributes}/></div>
    <label class="row s m2 only-l">Order <${Select} label="Order" options=${ORDERS} value=${order} set=${v => setQuery({ order: v })}/>
      </label>
    <span class="time only-l">
      <button type="button" class="btn" onClick=${() => copyItem(['SQL', made('sql')])}><${Icon} n="copy"/>Copy as SQL</button>
      <${Menu} label=${html`<span class="sr">Copy as</span>`} icon="down" c="thin"
      items=${[['SQL', made('sql')], ['curl', () => curlOf('search/traces', params)], ['Command line', made('command')]]}/></span>
        </form>`;
}
