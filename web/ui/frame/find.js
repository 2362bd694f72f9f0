// find.js: boxes that offer what fits while one types, and the search of the head: a trace id in any of its forms opens the trace;
// anything else lists at most eight places.
import { html, useEffect, useRef, useState } from '../html.js';
import { Icon } from '../draw/marks.js';
import { flag } from '../draw/parts.js';
import { edgeHref, serviceHref } from '../graph/names.js';
import { ask, apiUrl } from './api.js';
import { keysOf } from './keys.js';
import { range, rangeParams } from './range.js';
import { useEvent } from './store.js';
import { traceIdIn } from './traceid.js';
import { quote } from '../draw/text.js';
import { go, href } from './url.js';

/* An input with a list of what may be meant. list: the id of that; offers: [{key, …}]; words: what stands in a line of it; pick(offer) when one is chosen, with
 * null when Enter chooses none; first: the first is chosen unless another is; keys: more keys of the input; text, setText: what is typed. */
export function Offers({ list, label, offers, words, pick, first, keys, text, setText, ...more }) {
  const [at, setAt] = useState(-1), [open, setOpen] = useState(false), input = useRef(null), chosen = at < 0 && first ? 0 : at;
  const shown = open && offers.length > 0, move = by => () => shown ? setAt((chosen + by + offers.length) % offers.length) : false;
  const take = (offer, stay) => { setAt(-1); if (pick(offer, stay)) input.current.blur(); };
  useEffect(() => setAt(-1), [text]);
  const down = keysOf({ ArrowDown: move(1), ArrowUp: () => chosen < 0 ? setAt(offers.length - 1) : move(-1)(),
    Enter: () => take(shown && offers[chosen] || null),
    Escape: () => { if (shown) setOpen(false); else input.current.blur(); }, Tab: () => shown && at >= 0 ? take(offers[at]) : false,
      ...keys });
  return [html`<input ref=${input} type="search" aria-label=${label} role="combobox" autocomplete="off" spellcheck=${false}
    aria-expanded=${flag(shown)} aria-controls=${list}
      aria-activedescendant=${shown && chosen >= 0 ? list + chosen : null} value=${text}
        onInput=${e => { setText(e.target.value); setOpen(true); }}
      onFocus=${() => setOpen(true)} onBlur=${() => setTimeout(setOpen, 150, false)} onKeyDown=${down} ...${more}/>`,
    html`<ul class="pop found" id=${list} role="listbox" aria-label=${label} hidden=${!shown}>
      ${shown && offers.map((o, i) => html`<li role="option" id=${list + i} key=${o.key}
      aria-selected=${flag(i == chosen)} onPointerDown=${e => { e.preventDefault(); take(o, true); }}>${words(o)}</li>`)}</ul>`];
}

const trace = id => href('/trace/' + id);
// Where the search leads with one thing that the server found.
function place({ kind, text, node, peer, id }) {
  if (kind == 'service') return serviceHref(node);
  if (kind == 'edge') return edgeHref(`${node.namespace}/${node.service}`, `${peer.namespace}/${peer.service}`);
  if (kind == 'incident') return '/incident/' + id;
  return href('/traces', { q: `service=${quote(node.service)} operation=${quote(text)}` });
}

// A name of an unknown cluster is not told beside the same of a known one.
const isKnown = ({ kind, text, node }, all) => !node || node.cluster
  || !all.some(o => o.kind == kind && o.text == text && o.node.cluster && o.node.service == node.service && o.node.namespace == node.namespace);
const noteOf = ({ kind, note, node }) => note || kind == 'operation' && node.service || kind == 'service' && node.namespace;

export function Find() {
  const [text, setText] = useState(''), [list, setList] = useState([]), id = traceIdIn(text), words = text.trim();
  const all = id ? [{ kind: 'trace', text: id, key: trace(id) }]
    : words ? [...list.slice(0, 7).map(item => ({ ...item, key: place(item) })),
      { kind: 'traces', text: `traces for ${words}`, key: href('/traces', { q: words.split(/\s+/).map(quote).join(' ') }) }] : [];
  useEffect(() => {
    if (id || !words) return setList([]);
    const stop = new AbortController();
    ask(apiUrl('search', { q: words, ...rangeParams(range()) }), { signal: stop.signal }).then(({ data: { items } }) => setList(items.filter(o => isKnown(o, items))))
      .catch(() => {});
    return () => stop.abort();
  }, [words, id]);
  const pick = offer => {
    if (!offer) return false;
    setText('');
    go(offer.key);
    return true;
  };
  const paste = e => { const found = traceIdIn(e.clipboardData.getData('text'));
    if (found) { e.preventDefault(); pick({ key: trace(found) }); } };
  useEvent('paste', e => { /* anywhere outside an input */
    const found = !e.target.closest?.('input,textarea') && traceIdIn(e.clipboardData?.getData('text') || '');
    if (found) go(trace(found));
  });
  return html`<form class="find" role="search" onSubmit=${e => e.preventDefault()}><${Icon} n="search"/>
    <${Offers} list="found" id="find" label="Find a trace id, service, operation or incident" first offers=${all} pick=${pick} text=${text}
      setText=${setText} onPaste=${paste}
      placeholder=${innerWidth <= 720 ? 'Find' : 'Trace id or name'}
        words=${o => html`<span class="m3 xs">${o.kind} ${o.id}</span><span class="el">${o.text}</span>${
      noteOf(o) && html`<span class="m3 s el">${noteOf(o)}</span>`}`}/><kbd aria-hidden="true">/</kbd></form>`;
}
