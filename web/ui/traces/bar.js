// bar.js: the query line with its chips and completion, the order, and copying.
import { html, useRef, useState } from '../html.js';
import { Icon } from '../draw/marks.js';
import { apiUrl, ask, curlOf } from '../frame/api.js';
import { Menu, copy, tell } from '../frame/menu.js';
import { rangeParams, useRange } from '../frame/range.js';
import { setQuery } from '../frame/url.js';
import { KEYS, conditions, join, keyWords, quoted, valueWords } from './line.js';

const ORDERS = [['', 'newest first'], ['slow', 'slowest first'], ['failed', 'failed first']];

// What may come next behind what is typed: a key, or a value of the key.
function offers(text, facets, attributes) {
  const m = /^(.*?)\s*(!=|[=><~])\s*"?([^"]*)$/.exec(text);
  if (!m) {
    const keys = [...KEYS.filter(k => k != 'complete' && k != 'reason'), ...attributes.map(a => a.key)];
    return keys.filter(k => text && k.toLowerCase().includes(text.toLowerCase()) && k != text).slice(0, 8).map(k => ({ words: k, text: (KEYS.includes(k) ? k : quoted(k)) + '=', open: true }));
  }
  const [, key, op, typed] = m, bare = key.replace(/^"|"$/g, '');
  const from = facets.find(f => f.key == bare || `${f.scope}:${f.key}` == bare) || attributes.find(a => a.key == bare);
  return (from?.values || []).filter(v => v.value.toLowerCase().includes(typed.toLowerCase())).slice(0, 8)
    .map(v => ({ words: valueWords(from.key, v.value), text: `${key}${op}${quoted(v.value)}` }));
}

function AddCondition({ list, facets, attributes }) {
  const [text, setText] = useState(''), [at, setAt] = useState(-1), [open, setOpen] = useState(false), input = useRef(null);
  const shown = open ? offers(text, facets, attributes) : [];
  const add = more => { if (more.trim()) setQuery({ q: [join(list), more.trim()].filter(Boolean).join(' '), sel: null }); setText(''); setAt(-1); };
  const pick = offer => { if (offer.open) { setText(offer.text); setAt(-1); } else add(offer.text); };
  const key = e => {
    if (e.key == 'ArrowDown' || e.key == 'ArrowUp') { if (shown.length) { e.preventDefault(); setAt((at + (e.key == 'ArrowDown' ? 1 : shown.length)) % shown.length); } }
    else if (e.key == 'Enter') { e.preventDefault(); if (shown[at]) pick(shown[at]); else add(text); }
    else if (e.key == 'Tab' && shown[at]) { e.preventDefault(); pick(shown[at]); }
    else if (e.key == 'Escape') { e.stopPropagation(); if (open && text) setOpen(false); else input.current.blur(); }
    else if (e.key == 'Backspace' && !text && list.length) setQuery({ q: join(list.slice(0, -1)), sel: null });
  };
  return html`<input ref=${input} type="text" aria-label="Add a condition" role="combobox" aria-expanded=${shown.length ? 'true' : 'false'} aria-controls="offers" autocomplete="off" spellcheck=${false}
      aria-activedescendant=${shown[at] ? 'offer' + at : null} placeholder="status = error   took > 200ms   http.route = /cart   began = cart" value=${text}
      onInput=${e => { setText(e.target.value); setOpen(true); setAt(-1); }} onFocus=${() => setOpen(true)} onBlur=${() => setTimeout(() => setOpen(false), 150)} onKeyDown=${key}/>
    <ul class="pop found" id="offers" role="listbox" aria-label="Completion" hidden=${!shown.length}>${shown.map((o, i) => html`<li key=${o.text} id=${'offer' + i} role="option" aria-selected=${i == at ? 'true' : 'false'}
      onPointerDown=${e => { e.preventDefault(); pick(o); input.current.focus(); }}><span class="el">${o.words}</span></li>`)}</ul>`;
}

export function QueryBar({ q, order, sel, facets, attributes }) {
  const r = useRange(), list = conditions(q);
  const remove = i => setQuery({ q: join(list.filter((_, k) => k != i)) || null, sel: null });
  const params = { q, order, sel }, made = async what => (await ask(apiUrl('search/sql', { ...rangeParams(r), ...params }))).data[what];
  const sql = () => made('sql').then(t => copy(t, 'SQL copied'), e => tell(e.message));
  return html`<form class="qbar" role="search" aria-label="Traces" onSubmit=${e => e.preventDefault()}>
    <div class="tok">${list.map((c, i) => html`<span class="chip" key=${i + c.raw}>${c.key && html`<span class="el">${keyWords({ ...c, attribute: c.quoted, key: c.key == 'service' ? 'service ' : c.key }).trim()} ${c.op}</span> `}<b class="el">${valueWords(c.quoted ? '' : c.key, c.value)}</b><button
        type="button" aria-label=${`Remove ${c.raw}`} onClick=${() => remove(i)}>×</button></span>`)}
      <${AddCondition} list=${list} facets=${facets} attributes=${attributes}/></div>
    <label class="row s m2 only-l">Order <select aria-label="Order" value=${order} onChange=${e => setQuery({ order: e.target.value })}>${ORDERS.map(([v, words]) => html`<option key=${v} value=${v}>${words}</option>`)}</select></label>
    <span class="time only-l"><button type="button" class="btn" onClick=${sql}><${Icon} n="copy"/>Copy as SQL</button><${Menu} label=${html`<span class="sr">Copy as</span>`} icon="down" c="thin"
      items=${[['SQL', () => made('sql')], ['curl', () => curlOf('search/traces', params)], ['Command line', () => made('command')], ['Link', () => location.href]]}/></span></form>`;
}
