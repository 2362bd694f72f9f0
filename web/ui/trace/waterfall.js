// waterfall.js: rows of a trace with their bars. Only rows in sight exist; heights are fixed; keys walk, fold and unfold.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from '../html.js';
import { Icon, Mark } from '../draw/marks.js';
import { plural, ms } from '../draw/text.js';
import { useKeys } from '../frame/keys.js';
import { setQuery } from '../frame/url.js';
import { codeOf, markOf, nameOf, operationOf, piecesOf, rowsOf, selfOf, union } from './model.js';
import { Minimap } from './minimap.js';

const ROOM = 95.5; /* % of the bar's column that the whole takes; the rest is for words beside bars */

const pod = instance => instance ? ', pod ' + instance.split('-').pop() : '';

// Ticks of the axis: at most six, at 1, 2 or 5 times a power of ten.
function axisTicks(from, to) {
  const rough = (to - from) / 6, unit = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].find(f => f * unit >= rough) * unit, out = [];
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) out.push(t);
  return { step, out };
}
function axisWords(t, step) {
  const [div, unit] = step >= 1e9 ? [1e9, 's'] : step >= 1e6 ? [1e6, 'ms'] : step >= 1e3 ? [1e3, 'µs'] : [1, 'ns'];
  return `${+(t / div).toFixed(6)}\u00a0${unit}`;
}

function Bar({ m, i, mark, hue, P, T, hops, selected }) {
  const length = Math.max(0, m.s.duration_ns[i]), start = m.s.start_ns[i], right = start + length, self = mark ? null : selfOf(m, i, hops), colour = `var(--s${hue})`;
  const words = (m.s.duration_ns[i] < 0 ? 'unknown' : ms(length)) + (mark == 'b' ? '  began here' : ''), hop = m.s.folded[i];
  const style = P(right) < .88 * ROOM ? { left: `calc(${P(right)}% + 6px)` } : P(right) - P(start) < ROOM / 2 ? { right: `calc(${100 - P(start)}% + 6px)` } : null;
  return html`<div class="wb" style=${T.grid}><div class=${`sp${mark == 'b' ? ' began' : mark == 'p' ? ' pass' : ''}${hop ? ' hop' : ''}`} style=${{ left: P(start) + '%', width: Math.max(0, P(right) - P(start)) + '%', background: self ? `color-mix(in srgb,${colour} 32%,var(--bg))` : colour }}>
      ${self && length > 0 && self.map(([a, b]) => html`<div class="selft" key=${a} style=${{ left: a / length * 100 + '%', width: (b - a) / length * 100 + '%', background: colour }}></div>`)}</div>
    ${piecesOf(m, i, hops).map(([a, b]) => html`<div class="cp" key=${a} style=${{ left: P(a) + '%', width: Math.max(.1, P(b) - P(a)) + '%' }}></div>`)}
    <div class=${hop && !style ? 'sr' : 'du' + (mark == 'b' ? ' fault' : '') + (style ? '' : ' on')} style=${style || { left: `calc(${Math.max(0, P(start))}% + 1.3px)`, background: selected ? 'var(--accent-bg)' : 'var(--bg)' }}>${words}</div></div>`;
}

function Row({ m, row, at, hops, selected, dim, closed, P, T, hue, phone, select, toggle, top }) {
  const i = row.i, mark = row.group ? '' : markOf(m, i, hops), node = m.nodes[m.s.node[i]], code = row.group ? '' : codeOf(m, i, hops);
  const attempt = m.s.attempt[i] > 0, operation = row.group ? `${row.group.length} × ${operationOf(m, i)}` : attempt ? `attempt ${m.s.attempt[i]}${pod(m.layout.instances[i])}` : operationOf(m, i);
  const length = row.group ? row.total : m.s.duration_ns[i], hop = m.s.folded[i], holds = m.s.attempts[i] > 0 && !m.s.attempt[i], hairpin = m.layout.hairpins[i];
  return html`<div class=${`wgrid wr${dim ? ' dim' : ''}`} role="treeitem" aria-level=${row.depth + 1} aria-expanded=${row.group ? 'false' : row.kids ? String(!closed) : null} aria-selected=${selected ? 'true' : 'false'}
      tabindex=${selected ? 0 : -1} data-row=${i} style=${{ top: top + 'px' }} onClick=${() => select(i)} onDblClick=${() => toggle(row)}>
    <div class="wn" style=${{ '--d': row.depth }}><span class="tw" aria-hidden="true" onClick=${e => { e.stopPropagation(); toggle(row); }}>${row.group || (row.kids && closed) ? '▸' : row.kids ? '▾' : ''}</span><span class="sq" style=${{ background: `var(--s${hue(m.nodes[m.s.named[i]])})` }}></span>${mark && html`<${Mark} k=${mark}/>`}
      <span class="sv">${nameOf(m, i)}</span>${attempt && node.version && html`<span class="tag">${node.version}</span>`}${node.role == 'gateway' && html`<${Icon} n="gw"/>`}<span class="op">${hop ? `${sidecar(node.role, m, i)}` : operation}</span>
      ${holds && html`<span class="tag"><${Icon} n="retry"/>${m.s.attempts[i]} attempts</span>`}${hairpin != null && html`<span class="tag turn"><${Icon} n="turn"/>hairpin${hairpin > 0 ? ' +' + ms(hairpin) : ''}</span>`}${m.s.orphan[i] > 0 && html`<span class="tag">parent missing</span>`}
      <span class="grow"></span>${code && html`<span class=${'s ' + (mark == 'b' ? 'fault' : 'm2')}>${code}</span>`}${(phone || row.group) && html`<span class="s m2 nw">${length < 0 ? '' : ms(length)}${row.group ? ' in all' : ''}</span>`}</div>
    ${row.group ? html`<div class="wb" style=${T.grid}>${row.group.slice(0, 200).map(k => html`<div class="sp" key=${k} style=${{ left: P(m.s.start_ns[k]) + '%', width: Math.max(.1, P(m.s.start_ns[k] + Math.max(0, m.s.duration_ns[k])) - P(m.s.start_ns[k])) + '%', background: `var(--s${hue(m.nodes[m.s.named[i]])})` }}></div>`)}</div>`
      : html`<${Bar} m=${m} i=${i} mark=${mark} hue=${hue(m.nodes[m.s.named[i]])} P=${P} T=${T} hops=${hops} selected=${selected}/>`}</div>`;
}
const sidecar = (role, m, i) => role == 'sidecar' ? `sidecar ${m.s.kind[i] == 3 || m.s.parent[i] >= 0 && m.s.node[m.s.parent[i]] != m.s.node[i] && m.nodes[m.s.node[m.s.parent[i]]].service == m.nodes[m.s.node[i]].service ? 'out' : 'in'}` : operationOf(m, i);

// The shown part of the time axis; in the URL when the hand rests. Of the lower of two traces it is not.
function useZoom(text) {
  const [zoom, set] = useState(() => { const z = text?.split(',').map(Number); return z?.length == 2 && z[0] < z[1] ? z : null; }), timer = useRef(0);
  return [zoom, z => { set(z); clearTimeout(timer.current); if (text !== null) timer.current = setTimeout(() => setQuery({ zoom: z && z.map(Math.round).join(',') }, { replace: true }), 300); }];
}

// The element that scrolls: the waterfall itself, on a phone the page.
function useView(box, count, height) {
  const [view, set] = useState({ from: 0, to: 60 });
  useLayoutEffect(() => {
    const own = () => getComputedStyle(box.current.closest('.wf')).overflowY != 'visible';
    const look = () => {
      const r = box.current?.getBoundingClientRect(), f = box.current?.closest('.wf').getBoundingClientRect();
      if (!r) return;
      const top = own() ? f.top : 0, bottom = own() ? f.bottom : innerHeight;
      const from = Math.max(0, Math.floor((top - r.top) / height) - 8), to = Math.min(count, Math.ceil((bottom - r.top) / height) + 8);
      set(v => v.from == from && v.to == to ? v : { from, to });
    };
    look();
    addEventListener('scroll', look, { passive: true, capture: true });
    addEventListener('resize', look);
    return () => { removeEventListener('scroll', look, { capture: true }); removeEventListener('resize', look); };
  }, [count, height]);
  return view;
}

export function Waterfall({ m, hue, hops, selected, select, find, phone, legend, nameWidth, setNameWidth, title, zoomText }) {
  const [closed, setClosed] = useState(() => new Set()), [opened, setOpened] = useState(() => new Set()), [zoom, setZoom] = useZoom(zoomText);
  const box = useRef(null), rows = useMemo(() => rowsOf(m, { hops, closed, opened, brief: phone }), [m, hops, closed, opened, phone]);
  const height = phone ? 55 : 27, view = useView(box, rows.length, height), [z0, z1] = zoom || [m.from, m.to];
  const P = t => (t - z0) / (z1 - z0) * ROOM, { step, out: ticks } = axisTicks(z0, z1);
  const T = { grid: phone ? null : { backgroundSize: `${step / (z1 - z0) * ROOM}% 100%`, backgroundPositionX: `${-(z0 % step) / (z1 - z0) * ROOM / 100 * 900}px` } };
  const at = rows.findIndex(r => r.i == selected || r.group?.includes(selected));
  const flip = (set, change, key) => change(new Set(set.has(key) ? [...set].filter(k => k != key) : [...set, key]));
  const toggle = row => { if (row.group) flip(opened, setOpened, 'g' + row.group[0]); else if (row.quiet) flip(opened, setOpened, 'q' + row.parent); else if (row.kids) flip(closed, setClosed, row.i); };
  const show = i => { /* its ancestors open, its group and what is quiet around it too */
    const over = [], extra = [];
    for (let p = i; p >= 0; p = m.s.parent[p]) { if (p != i) over.push(p); extra.push('q' + p); }
    setClosed(c => over.some(p => c.has(p)) ? new Set([...c].filter(p => !over.includes(p))) : c);
    if (!rows.some(r => r.i == i)) setOpened(o => new Set([...o, ...extra, ...rows.filter(r => r.group?.includes(i)).map(r => 'g' + r.group[0])]));
    select(i);
  };
  const step1 = d => { const to = rows[Math.max(0, Math.min(rows.length - 1, (at < 0 ? -1 : at) + d))]; if (to) select(to.quiet ? to.quiet[0] : to.i); };
  const began = useMemo(() => Array.from({ length: m.n }, (_, i) => i).filter(i => (hops || !m.s.folded[i]) && markOf(m, i, hops) == 'b'), [m, hops]);
  const jump = d => { const to = d > 0 ? began.find(i => i > selected) ?? began[0] : began.findLast(i => i < selected) ?? began.at(-1); if (to == null) return false; show(to); };
  const fold = open => { const row = rows[at]; if (!row) return false; if (row.group || row.quiet) { if (open) toggle(row); } else if (row.kids && closed.has(row.i) == open) toggle(row); else if (!open && m.s.parent[row.i] >= 0) select(hops ? m.s.parent[row.i] : m.up[row.i]); else if (open) step1(1); };
  const all = () => { if (closed.size) setClosed(new Set()); else setClosed(new Set(Array.from({ length: m.n }, (_, i) => i).filter(i => m.s.depth[i] > 0 && m.end[i] > i + 1))); };
  useKeys({ j: () => step1(1), k: () => step1(-1), ArrowDown: () => step1(1), ArrowUp: () => step1(-1), n: () => jump(1), N: () => jump(-1), ArrowRight: () => fold(true), ArrowLeft: () => fold(false), e: all,
    Home: () => rows[0] && select(rows[0].i), End: () => rows.length && select(rows.at(-1).i ?? 0) });
  useLayoutEffect(() => { /* the selected row into sight, once it is there */
    if (at < 0) return;
    const scroller = phone ? null : box.current.closest('.wf'), top = box.current.offsetTop + at * height;
    if (scroller) {
      const head = scroller.querySelector('.wtop').offsetHeight;
      if (top - head < scroller.scrollTop) scroller.scrollTop = top - head - height * 2;
      else if (top + height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top - scroller.clientHeight / 2;
    }
    if (box.current.contains(document.activeElement)) box.current.querySelector('[aria-selected=true]')?.focus({ preventScroll: true });
  }, [selected, at, hops]);
  const wanted = find.trim().toLowerCase(), fits = i => `${nameOf(m, i)} ${operationOf(m, i)} ${codeOf(m, i, hops)}`.toLowerCase().includes(wanted);
  const found = useMemo(() => wanted ? Array.from({ length: m.n }, (_, i) => i).filter(i => (hops || !m.s.folded[i]) && fits(i)) : [], [m, wanted, hops]);
  const next = d => { if (found.length) show(d > 0 ? found.find(i => i > selected) ?? found[0] : found.findLast(i => i < selected) ?? found.at(-1)); };
  return html`<div class="wtop"><div class="wgrid only-l"><div class="row wfind">${title}
        <button class="btn bare" title="Next failure that began here (n)" aria-label=${`${plural(began.length, 'failure')} began here: next`} disabled=${!began.length} onClick=${() => jump(1)}><${Mark} k="b" quiet/>${began.length}</button></div>
      <${Minimap} m=${m} hue=${hue} zoom=${zoom} setZoom=${setZoom} room=${ROOM}/></div>
    <div class="wgrid only-l"><div class="m3 xs wcol">Service and operation${wanted && html`, <button class="lnk" onClick=${() => next(1)}>${plural(found.length, 'span')} found</button>`}</div><div class="waxis">${ticks.filter(t => P(t) < 95).map(t => html`<span class="xs m3" key=${t} style=${{ left: P(t) + '%' }}>${axisWords(t, step)}</span>`)}</div>
      <${Grip} width=${nameWidth} set=${setNameWidth}/></div></div>
    <div class="wrows" role="tree" aria-label="Spans" ref=${box} style=${{ height: rows.length * height + 'px' }} onFocusIn=${e => { const i = e.target.dataset?.row; if (i != null && +i != selected) select(+i); }}>
      ${rows.slice(view.from, view.to).map((row, k) => { const top = (view.from + k) * height; return row.quiet
        ? html`<div key=${'q' + row.parent} class="wr wquiet" role="treeitem" aria-level=${row.depth + 1} aria-expanded="false" aria-selected="false" tabindex="-1" style=${{ top: top + 'px' }} onClick=${() => toggle(row)}><${Icon} n="right"/> ${plural(row.quiet.length, 'span')} without failures, ${ms(union(m, row.quiet))}</div>`
        : html`<${Row} key=${row.i} m=${m} row=${row} hops=${hops} selected=${row.i == selected} dim=${wanted && !fits(row.i)} closed=${closed.has(row.i)} P=${P} T=${T} hue=${hue} phone=${phone} select=${select} toggle=${toggle} top=${top}/>`; })}</div>${legend}`;
}

// The border between names and bars: dragged, or moved with arrows.
function Grip({ width, set }) {
  const clip = w => Math.min(640, Math.max(200, w));
  const down = e => {
    const from = e.clientX, was = width;
    e.currentTarget.setPointerCapture(e.pointerId);
    e.currentTarget.onpointermove = x => set(clip(was + x.clientX - from));
    e.currentTarget.onpointerup = x => { x.currentTarget.onpointermove = null; };
  };
  return html`<div class="grip" role="separator" aria-orientation="vertical" aria-label="Width of the names" tabindex="0" aria-valuenow=${width} aria-valuemin="200" aria-valuemax="640" onPointerDown=${down}
    onKeyDown=${e => { const d = { ArrowLeft: -20, ArrowRight: 20 }[e.key]; if (d) { e.preventDefault(); e.stopPropagation(); set(clip(width + d)); } }}></div>`;
}
