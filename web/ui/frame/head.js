// head.js: logo, pages, search, time, live, theme, keys; and what hangs below it.
import { html, useState } from '../html.js';
import { Icon } from '../draw/marks.js';
import { flag } from '../draw/parts.js';
import { clock, iso, isLocal, parseTime, plural, setLocal, span, when, zoneName } from '../draw/text.js';
import { useApi, useBusy, useContact } from './api.js';
import { Find } from './find.js';
import { keysOf, keysOn, setKeys, useKeys } from './keys.js';
import { Dialog, copyLink, usePop } from './menu.js';
import { BEAT_MS, PRESETS, lengthWords, nowMs, pauseOrLive, readTime, setRange, step, useRange } from './range.js';
import { remember, remembered } from './memory.js';
import { looksChanged } from './store.js';
import { go, href } from './url.js';

const root = document.documentElement;
if (remembered('theme')) root.dataset.theme = remembered('theme');
function otherTheme() {
  const dark = root.dataset.theme ? root.dataset.theme == 'dark' : matchMedia('(prefers-color-scheme:dark)').matches;
  remember('theme', root.dataset.theme = dark ? 'light' : 'dark');
  looksChanged();
}

const Check = ({ words, on, set }) =>
  html`<label class="row s m2"><input type="checkbox" checked=${on} onChange=${e => set(e.target.checked)}/>${words}</label>`;

// "2h", "10:24" or "FROM..TO" as typed: moves the range; false when it is neither.
function typedRange(text) {
  const [a, b] = text.split(/\.\.|–|\s+to\s+/).map(t => t.trim()), from = readTime(a), to = b ? readTime(b) : nowMs();
  if (!(from < to)) return false;
  if (!b && /^\d+(ms|s|m|h|d)$/.test(a)) setRange('-' + a, null);
  else setRange(iso(from), iso(to));
  return true;
}

function RangePicker({ r, pop, incidents }) {
  const [text, setText] = useState(''), [wrong, setWrong] = useState(false), choose = from => { setRange(from, null); pop.close(true); };
  const typed = e => { e.preventDefault(); if (typedRange(text)) pop.close(true); else setWrong(true); };
  const choice = (from, words) =>
    html`<button class="btn bare" key=${words} aria-pressed=${flag(r.live && r.from == from)} onClick=${() => choose(from)}>${words}
    </button>`;
  return html`<div class="pop range" role="dialog" aria-label="Time range" ref=${pop.box}
    onKeyDown=${keysOf({ Escape: () => pop.close(true) })}>
    <div class="presets">${PRESETS.map(p => choice(p, lengthWords(p)))}
      ${incidents.slice(0, 3).map(i => choice(iso(Math.floor(parseTime(i.onset) / 6e4) * 6e4 - 6e5), `incident ${i.id}`))}</div>
    <form onSubmit=${typed}><input type="text" aria-label="A time or a window" placeholder="2h   10:24   10:12..10:42" value=${text}
      onInput=${e => { setText(e.target.value); setWrong(false); }}/><button class="btn">Show</button></form>
    ${wrong && html`<p class="s fault" role="alert">A time is 2h, 10:24 or 2026-11-23T10:24:00Z; a window is FROM..TO</p>`}
    <${Check} words="Times in local time" on=${isLocal()} set=${on => { setLocal(on); looksChanged(); }}/></div>`;
}

function Time({ incidents }) {
  const r = useRange(), { lost, lastGood } = useContact(), pop = usePop('button'),
    exact = `${when(r.fromMs, 1)} to ${when(r.toMs, 1)} ${zoneName()}${
      isLocal() ? '' : `; ${[r.fromMs, r.toMs].map(t => new Date(t).toLocaleString()).join(' to ')} local`}`;
  const move = (icon, words, key, by) =>
    html`<button class="btn step" aria-label=${words} title=${`${words} (${key})`} onClick=${() => step(by)}><${Icon} n=${icon}/>
    </button>`;
  return html`<div class="time" role="group" aria-label="Time range">${move('left', 'Earlier', '[', -1)}
    <span class="menu">
      <button ref=${pop.button} class="btn rng" aria-haspopup="dialog" aria-expanded=${flag(pop.open)} title=${exact}
      onClick=${pop.toggle}>
      ${r.words || span(r.fromMs, r.toMs)} <span class="m3 abs">${r.words && span(r.fromMs, r.toMs)} ${zoneName()}</span></button>
    ${pop.open && html`<${RangePicker} r=${r} pop=${pop} incidents=${incidents}/>`}</span>${move('right', 'Later', ']', 1)}
    <button class=${'btn live' + (lost ? ' lost' : '')} aria-pressed=${flag(r.live && !lost)}
      title=${r.live ? 'Pause (l)' : 'Back to now (l)'}
      onClick=${pauseOrLive}>${r.live ? 'Live' : 'Paused'}</button></div>
  ${lost && html`<p class="lostbar"
    role="status">no answer for ${Math.max(1, Math.round((nowMs() - lastGood) / 1000))} s, showing ${clock(lastGood, 1)}</p>`}`;
}

const KEYS = `Find: /; This list: ?; Now: g n; Graph: g g; Traces: g t; Services: g s; Network: g w; SQL: g q; Next, previous row: j k;
  Open, in a new tab: Enter o; Close, clear, back: Esc; Live or pause: l; Earlier, later: [ ]; Next, previous failure that began here: n N;
  Overlay, or tab of the panel: 1–5; Fold, unfold, all (trace): ← → e; Flame view (trace): f; Caller, callee (graph): ← →; Fit, zoom (graph): 0 + -;
  Mark two traces to compare: Space c; Copy link: y; Run SQL: Ctrl Enter`.split(/;\s+/).map(line => line.split(': '));

function Keys({ shown, close }) {
  const [on, setOn] = useState(keysOn());
  return html`<${Dialog} label="Keys" shown=${shown} close=${close}><h2>Keys</h2>
    <div class="keys">
      ${KEYS.map(([words, keys]) =>
      html`<div key=${words}><span>${words}</span><span>${keys.split(' ').map(k => html`<kbd>${k}</kbd> `)}</span></div>`)}</div>
    <div class="row w dlg"><${Check} words="Single keys" on=${on} set=${v => { setKeys(v); setOn(v); }}/><span class="grow"></span>
      <a class="s" href=${href('/status')} onClick=${close}>Status</a> <a class="s" href="/api/v1/openapi.json" target="_blank">API</a>
      <button class="btn" onClick=${close}>Close</button></div></${Dialog}>`;
}

// The next or previous row of any table or list of suspects on the page; a page with rows of its own has its own keys.
function toRow(by, anew = true) {
  const all = [...document.querySelectorAll('#main tbody tr a.q, #main summary')].filter(e => e.offsetParent),
    at = all.indexOf(document.activeElement);
  if (at < 0 && !anew) return false;
  const next = all[at < 0 && by < 0 ? all.length - 1 : at + by];
  next?.focus();
  return !!next;
}
function openRow() {
  const a = document.activeElement;
  return a.closest('#main') && a.href ? void open(a.href, '_blank', 'noopener') : false;
}

// pages: those that stand in the head, in order; current: the `nav` of the one on show.
export function Head({ pages, current }) {
  const [keys, showKeys] = useState(false), busy = useBusy(),
    open = useApi('incidents', { state: 'open' }, { timeless: true, every: BEAT_MS }).data?.items || [];
  useKeys({ '/': () => document.querySelector('.find input').focus(), '?': () => showKeys(!keys), l: pauseOrLive, j: () => toRow(1),
    k: () => toRow(-1), ArrowDown: () => toRow(1, false), ArrowUp: () => toRow(-1, false), o: openRow,
    '[': () => step(-1), ']': () => step(1), y: copyLink,
      ...Object.fromEntries(pages.map(p => ['g ' + p.key, () => go(href(p.path))])) });
  return html`<header class="head">
    <a class="skip" href="#main" onClick=${e => { e.preventDefault(); document.getElementById('main').focus(); }}>To the content</a>
    <a class="logo" href=${href('/')} aria-label="faultline, to the first page">
      <svg viewBox="0 0 20 20" aria-hidden="true"><path d="M1.5 6.5H9L7 10M18.5 13.5H11L13 10"/></svg><span>faultline</span></a>
    <nav class="nav" aria-label="Pages">
      ${pages.map(p =>
      html`<a key=${p.nav} href=${href(p.path)} aria-current=${p.nav == current ? 'page' : null}><${Icon} n=${p.nav}/>${p.label}${
      p.nav == 'now' && open.length > 0 && html`<span class="n" title=${plural(open.length, 'open incident')}>${open.length}</span>`}
        </a>`)}</nav>
    <${Find}/><${Time} incidents=${open}/>
    <button class="btn bare theme" aria-label="Light or dark" title="Light or dark" onClick=${otherTheme}><${Icon} n="theme"/></button>
    <button class="btn bare help" aria-label="Keys" title="Keys (?)" onClick=${() => showKeys(true)}><kbd>?</kbd></button>
    <div class="busy" role="progressbar" aria-label="Loading" hidden=${!busy}></div>
    <${Keys} shown=${keys} close=${() => showKeys(false)}/></header>`;
}
