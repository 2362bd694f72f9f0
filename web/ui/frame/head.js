// head.js: logo, pages, search, time, live, theme, keys; and what hangs below it.
import { html, useEffect, useLayoutEffect, useRef, useState } from '../html.js';
import { Icon } from '../draw/marks.js';
import { clock, iso, isLocal, parseTime, setLocal, span, when, zoneName } from '../draw/text.js';
import { useApi, useBusy, useContact } from './api.js';
import { Find } from './find.js';
import { keysOn, setKeys, useKeys } from './keys.js';
import { copyLink } from './menu.js';
import { BEAT_MS, PRESETS, goLive, nowMs, pause, readTime, setRange, step, useRange } from './range.js';
import { go, href } from './url.js';

const root = document.documentElement;
try { if (localStorage.theme) root.dataset.theme = localStorage.theme; } catch { /* storage is off: as the system has it */ }
function otherTheme() {
  const dark = root.dataset.theme ? root.dataset.theme == 'dark' : matchMedia('(prefers-color-scheme:dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  try { localStorage.theme = root.dataset.theme; } catch { /* not remembered then */ }
  dispatchEvent(new Event('theme'));
}
matchMedia('(prefers-color-scheme:dark)').addEventListener('change', () => dispatchEvent(new Event('theme')));

function RangePicker({ r, close, incidents }) {
  const box = useRef(null), [text, setText] = useState(''), [wrong, setWrong] = useState(''), [local, setZone] = useState(isLocal());
  useLayoutEffect(() => { /* before anything can be typed */
    box.current.querySelector('button').focus();
    const away = e => { if (!box.current.parentNode.contains(e.target)) close(); };
    addEventListener('pointerdown', away);
    return () => removeEventListener('pointerdown', away);
  }, []);
  const typed = e => {
    e.preventDefault();
    const [a, b] = text.split(/\.\.|–|\s+to\s+/), from = readTime(a), to = b ? readTime(b) : NaN;
    if (Number.isNaN(from) || (b && !(to > from))) { setWrong('A time is 2h, 10:24 or 2026-11-23T10:24:00Z; a window is FROM..TO'); return; }
    if (b) setRange(new Date(from).toISOString(), new Date(to).toISOString());
    else setRange(/^\d+(ms|s|m|h|d)$/.test(a.trim()) ? '-' + a.trim() : new Date(from).toISOString(), /^\d+(ms|s|m|h|d)$/.test(a.trim()) ? null : new Date(nowMs()).toISOString());
    close(true);
  };
  return html`<div class="pop range" role="dialog" aria-label="Time range" ref=${box} onKeyDown=${e => { if (e.key == 'Escape') { e.stopPropagation(); close(true); } }}>
    <div class="presets">${PRESETS.map(([p, words]) => html`<button class="btn bare" key=${p} aria-pressed=${r.live && r.from == p ? 'true' : 'false'}
      onClick=${() => { setRange(p); close(true); }}>${words}</button>`)}${incidents.slice(0, 3).map(i => html`<button class="btn bare" key=${i.id} onClick=${() => { setRange(iso(Math.floor(parseTime(i.onset) / 6e4) * 6e4 - 6e5)); close(true); }}>incident ${i.id}</button>`)}</div>
    <form onSubmit=${typed}><input type="text" aria-label="A time or a window" placeholder="2h   10:24   10:12..10:42" value=${text} onInput=${e => { setText(e.target.value); setWrong(''); }}/>
      <button class="btn">Show</button></form>
    ${wrong && html`<p class="s fault" role="alert">${wrong}</p>`}
    <label class="row s m2"><input type="checkbox" checked=${local} onChange=${e => { setLocal(e.target.checked); setZone(e.target.checked); dispatchEvent(new Event('zone')); dispatchEvent(new Event('theme')); }}/>Times in local time</label></div>`;
}

function Time({ incidents }) {
  const r = useRange(), contact = useContact(), [open, setOpen] = useState(false), button = useRef(null);
  const silent = contact.lost ? Math.max(1, Math.round((nowMs() - contact.lastGood) / 1000)) : 0;
  const close = focus => { setOpen(false); if (focus) button.current.focus(); };
  return html`<div class="time" role="group" aria-label="Time range"><button class="btn step" aria-label="Earlier" title="Earlier ([)" onClick=${() => step(-1)}><${Icon} n="left"/></button>
    <span class="menu"><button ref=${button} class="btn rng" aria-haspopup="dialog" aria-expanded=${open ? 'true' : 'false'} title=${`${when(r.fromMs, 1)} to ${when(r.toMs, 1)} ${zoneName()}`}
      onClick=${() => setOpen(!open)}>${r.words ? html`${r.words} <span class="m3 abs">${span(r.fromMs, r.toMs)} ${zoneName()}</span>` : html`<span>${span(r.fromMs, r.toMs)}</span> <span class="m3 abs">${zoneName()}</span>`}</button>
    ${open && html`<${RangePicker} r=${r} close=${close} incidents=${incidents}/>`}</span>
    <button class="btn step" aria-label="Later" title="Later (])" onClick=${() => step(1)}><${Icon} n="right"/></button>
    <button class=${'btn live' + (contact.lost ? ' lost' : '')} aria-pressed=${r.live && !contact.lost ? 'true' : 'false'} title=${r.live ? 'Pause (l)' : 'Back to now (l)'}
      onClick=${r.live ? pause : goLive}>${r.live ? 'Live' : 'Paused'}</button></div>
  ${contact.lost && html`<p class="lostbar" role="status">no answer for ${silent} s, showing ${clock(contact.lastGood, 1)}</p>`}`;
}

const KEYS = [['Find', '/'], ['This list', '?'], ['Now', 'g n'], ['Graph', 'g g'], ['Traces', 'g t'], ['Services', 'g s'], ['Network', 'g w'], ['SQL', 'g q'],
  ['Next, previous row', 'j k'], ['Open, in a new tab', 'Enter o'], ['Close, clear, back', 'Esc'], ['Live or pause', 'l'], ['Earlier, later', '[ ]'],
  ['Next, previous failure that began here', 'n N'], ['Overlay, or tab of the panel', '1–5'], ['Fold, unfold, all (trace)', '← → e'], ['Flame view (trace)', 'f'],
  ['Mark two traces to compare', 'Space'], ['Copy link', 'y'], ['Run SQL', 'Ctrl Enter']];

function KeysDialog({ shown, close }) {
  const dialog = useRef(null), [on, setOn] = useState(keysOn());
  useEffect(() => {
    if (shown && !dialog.current.open) dialog.current.showModal();
    if (!shown && dialog.current.open) dialog.current.close();
  }, [shown]);
  return html`<dialog ref=${dialog} aria-label="Keys" onClose=${close} onClick=${e => { if (e.target == dialog.current) close(); }}>${shown && html`<h2>Keys</h2>
    <div class="keys">${KEYS.map(([words, keys]) => html`<div key=${words}><span>${words}</span><span>${keys.split(' ').map(k => html`<kbd>${k}</kbd> `)}</span></div>`)}</div>
    <div class="row w dlg"><label class="row s m2"><input type="checkbox" checked=${on} onChange=${e => { setKeys(e.target.checked); setOn(e.target.checked); }}/>Single keys</label><span class="grow"></span>
      <a class="s" href=${href('/status')} onClick=${close}>Status</a> <a class="s" href="/api/v1/openapi.json" target="_blank">API</a> <button class="btn" onClick=${close}>Close</button></div>`}</dialog>`;
}

// The next or previous row of any table or list of suspects on the page; a page with rows of its own has its own keys.
function toRow(step) {
  const all = [...document.querySelectorAll('#main tbody tr a.q, #main summary')].filter(e => e.offsetParent), at = all.indexOf(document.activeElement), next = all[at < 0 ? step > 0 ? 0 : all.length - 1 : at + step];
  next?.focus();
  return !!next;
}
function openRow() {
  const a = document.activeElement;
  return a.closest('#main') && a.href ? !open(a.href, '_blank', 'noopener') : false;
}

// pages: [{nav, label, path, key}] in order of the head.
export function Head({ pages, current }) {
  const [keys, showKeys] = useState(false), busy = useBusy();
  const incidents = useApi('incidents', { state: 'open' }, { timeless: true, every: BEAT_MS, optional: true });
  const n = incidents.data?.items?.length || 0;
  const map = { '/': () => document.getElementById('find').focus(), '?': () => showKeys(s => !s), l: () => document.querySelector('.time .live').click(),
    j: () => toRow(1), k: () => toRow(-1), o: openRow, '[': () => step(-1), ']': () => step(1), y: copyLink };
  for (const p of pages) map['g ' + p.key] = () => go(href(p.path));
  useKeys(map);
  return html`<header class="head"><a class="skip" href="#main" onClick=${e => { e.preventDefault(); document.getElementById('main').focus(); }}>To the content</a>
    <a class="logo" href=${href(pages[0].path)} aria-label="faultline, to the first page"><svg viewBox="0 0 20 20" aria-hidden="true"><path d="M1.5 6.5H9L7 10"/><path d="M18.5 13.5H11L13 10"/></svg><span>faultline</span></a>
    <nav class="nav" aria-label="Pages">${pages.map(p => html`<a key=${p.nav} href=${href(p.path)} aria-current=${p.nav == current ? 'page' : null}><${Icon} n=${p.nav}/>${p.label}${
      p.nav == 'now' && n ? html`<span class="n" title=${`${n} open incident${n > 1 ? 's' : ''}`}>${n}</span>` : null}</a>`)}</nav>
    <${Find}/><${Time} incidents=${incidents.data?.items || []}/>
    <button class="btn bare theme" aria-label="Light or dark" title="Light or dark" onClick=${otherTheme}><${Icon} n="theme"/></button>
    <button class="btn bare help" aria-label="Keys" title="Keys (?)" onClick=${() => showKeys(true)}><kbd>?</kbd></button>
    <div class=${'busy' + (busy ? ' on' : '')} role="progressbar" aria-label="Loading" hidden=${!busy}></div>
    <${KeysDialog} shown=${keys} close=${() => showKeys(false)}/></header>`;
}
