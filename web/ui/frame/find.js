// find.js: the search box of the head. A trace id in any of its forms opens the trace; anything else lists at most eight places.
import { html, useEffect, useRef, useState } from '../html.js';
import { Icon } from '../draw/marks.js';
import { ask, apiUrl } from './api.js';
import { traceIdIn } from './traceid.js';
import { range, rangeParams } from './range.js';
import { go, href, quote } from './url.js';

// One thing that the search offers, with where it leads.
function place(item) {
  const { kind, text, node, peer } = item;
  const where = n => [n.cluster, n.namespace, n.service].map(part => encodeURIComponent(part || '-')).join('/');
  if (kind == 'service') return { ...item, to: href(`/service/${where(node)}`) };
  if (kind == 'edge') return { ...item, to: href('/graph', { sel: `${node.namespace}/${node.service}>${peer.namespace}/${peer.service}` }) };
  if (kind == 'incident') return { ...item, to: `/incident/${item.id}` };
  return { ...item, to: href('/traces', { q: `service=${quote(node.service)} operation=${quote(text)}` }) };
}

export function Find() {
  const [text, setText] = useState(''), [list, setList] = useState([]), [at, setAt] = useState(0), [open, setOpen] = useState(false);
  const input = useRef(null), stop = useRef(null);
  const id = traceIdIn(text), words = text.trim();
  const all = id ? [{ kind: 'trace', text: id, to: href(`/trace/${id}`) }]
    : words ? [...list.slice(0, 7).map(place), { kind: 'traces', text: `traces for ${words}`, to: href('/traces', { q: words.split(/\s+/).map(quote).join(' ') }) }] : [];
  useEffect(() => {
    stop.current?.abort();
    setAt(0);
    if (id || !words) { setList([]); return; }
    stop.current = new AbortController();
    ask(apiUrl('search', { q: words, ...rangeParams(range()) }), { signal: stop.current.signal })
      .then(({ data }) => setList(data.items)).catch(() => {});
  }, [words, id]);
  const pick = item => { if (!item) return; setText(''); setOpen(false); input.current.blur(); go(item.to); };
  const key = e => {
    if (e.key == 'ArrowDown' || e.key == 'ArrowUp') { e.preventDefault(); setAt((at + (e.key == 'ArrowDown' ? 1 : all.length - 1)) % (all.length || 1)); }
    else if (e.key == 'Enter') { e.preventDefault(); pick(all[at]); }
    else if (e.key == 'Escape') { e.stopPropagation(); if (open && words) { setText(''); setOpen(false); } else input.current.blur(); }
  };
  const paste = e => { const found = traceIdIn(e.clipboardData.getData('text')); if (found) { e.preventDefault(); pick({ to: href(`/trace/${found}`) }); } };
  const shown = open && all.length > 0;
  return html`<form class="find" role="search" onSubmit=${e => e.preventDefault()}><${Icon} n="search"/>
    <input ref=${input} type="search" id="find" autocomplete="off" spellcheck=${false} aria-label="Find a trace id, service or operation" role="combobox"
      aria-expanded=${shown ? 'true' : 'false'} aria-controls="found" aria-activedescendant=${shown ? 'found' + at : null}
      placeholder=${innerWidth <= 720 ? 'Find' : 'Trace id or name'} value=${text} onInput=${e => { setText(e.target.value); setOpen(true); }}
      onFocus=${() => setOpen(true)} onBlur=${() => setTimeout(() => setOpen(false), 150)} onKeyDown=${key} onPaste=${paste}/><kbd aria-hidden="true">/</kbd>
    <ul class="pop found" id="found" role="listbox" aria-label="Found" hidden=${!shown}>${all.map((item, i) => html`
      <li role="option" id=${'found' + i} aria-selected=${i == at ? 'true' : 'false'} key=${item.to + i}
        onPointerDown=${e => { e.preventDefault(); pick(item); }}><span class="m3 xs">${item.kind}</span><span class="el">${item.text}</span>${item.note && html`<span class="m3 s el">${item.note}</span>`}</li>`)}</ul></form>`;
}

// Pasting a trace id anywhere outside an input opens the trace.
addEventListener('paste', e => {
  if (e.target.closest?.('input,textarea')) return;
  const found = traceIdIn(e.clipboardData?.getData('text') || '');
  if (found) go(href(`/trace/${found}`));
});
