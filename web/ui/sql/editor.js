// editor.js: a textarea over its own text in colours; Tab indents or takes the offered name, after Escape it leaves.
import { html, useLayoutEffect, useRef, useState } from '../html.js';
import { tokens, wordAt } from './text.js';

const MOST_OFFERED = 8, LONGEST_COLOURED = 20000;

// names: of views, columns and functions; wrong: the line of an error, 0 none; insert: {text, n} goes in at the caret when n changes.
export function Editor({ value, onChange, run, names, wrong, insert }) {
  const area = useRef(null), [caret, setCaret] = useState(null), [shut, setShut] = useState(true),
    memory = useRef({ inserted: insert.n }), m = memory.current; /* leave: Tab does; place: of the caret when the text is there */
  const [from, word] = caret == null ? [0, ''] : wordAt(value, caret),
    offered = shut || word.length < 2 ? [] : names.filter(n => n.startsWith(word.toLowerCase()) && n != word).slice(0, MOST_OFFERED);
  const put = (text, a = area.current.selectionStart, b = area.current.selectionEnd) => { m.place = a + text.length;
    onChange(value.slice(0, a) + text + value.slice(b)); };
  useLayoutEffect(() => {
    if (insert.n != m.inserted) { m.inserted = insert.n; put(insert.text); }
    if (m.place == null || area.current.value != value) return;
    area.current.focus();
    area.current.setSelectionRange(m.place, m.place);
    setCaret(m.place);
    m.place = null;
  });
  const take = name => { setShut(true); put(name, from, caret); };
  const key = e => {
    const leave = m.leave;
    m.leave = e.key == 'Escape';
    if (e.key == 'Enter' && (e.ctrlKey || e.metaKey)) { e.preventDefault(); setShut(true); run(); }
    else if (e.key == 'Escape') { e.stopPropagation(); setShut(true); }
    else if (e.key == 'Tab' && !e.shiftKey && !leave) { e.preventDefault(); if (offered.length) take(offered[0]); else put('  '); }
  };
  const list = value.length > LONGEST_COLOURED ? [['', value]] : tokens(value), close = () => setShut(true);
  return html`<div class="ed" role="group" aria-label="Query">
    <ol aria-hidden="true">${value.split('\n').map((_, i) => html`<li key=${i} class=${i + 1 == wrong ? 'fault' : ''}>${i + 1}</li>`)}
    </ol>
    <div class="edx">
      <div class="edt"><pre aria-hidden="true">${list.map(([c, t], i) => c ? html`<span key=${i} class=${c}>${t}</span>` : t)}${'\n'}
      </pre>
      <textarea ref=${area} aria-label="SQL" aria-describedby="edhelp" spellcheck=${false} autocapitalize="off" autocomplete="off"
        wrap="off" value=${value} onKeyDown=${key}
        onInput=${e => { setShut(false); setCaret(e.target.selectionStart); onChange(e.target.value); }} onClick=${close} onBlur=${close}>
          </textarea></div></div></div>
    <p class="s m3 offered" id="edhelp" role="status">
      ${offered.length
      ? ['Tab: ', offered.map((n, i) =>
      html`<button key=${n} tabindex="-1" class=${'lnk' + (i ? '' : ' hard')} onPointerDown=${e => { e.preventDefault(); take(n); }}>${n}
      </button> `)]
      : html`<span class="sr">Tab indents; Escape and then Tab leaves. Control Enter runs.</span>`}</p>`;
}
