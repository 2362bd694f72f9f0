// waterfall.js: rows of a trace with their bars. Only rows in sight exist; heights are fixed; keys walk, fold and unfold.
import { html, useLayoutEffect, useMemo, useRef, useState } from '../html.js';
import { Icon, Mark } from '../draw/marks.js';
import { Word, flag } from '../draw/parts.js';
import { plural, ms } from '../draw/text.js';
import { keysOf, useKeys } from '../frame/keys.js';
import { useEvent } from '../frame/store.js';
import { showQuery } from '../frame/url.js';
import { codeOf, endOf, hairpinOf, lengthOf, markOf, nameOf, nodeOf, operationOf, parentOf, piecesOf, rowsOf, rowsShown, selfOf, titleOf,
  union } from './model.js';
import { Minimap, drag } from './minimap.js';

const ROOM = 95.5; /* % of the bar's column that the whole takes; the rest is for words beside bars */
const UNITS = [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs'], [1, 'ns']];

// Ticks of the axis: at most six, at 1, 2 or 5 times a power of ten: {step, ticks: [[t, words]]}.
function axisOf(from, to) {
  const rough = (to - from) / 6, unit = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].find(f => f * unit >= rough) * unit,
    ticks = [], [div, name] = UNITS.find(([u]) => step >= u) || UNITS[3];
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) ticks.push([t, `${+(t / div).toFixed(6)}\u00a0${name}`]);
  return { step, ticks };
}
const hueVar = (hue, m, i) => `var(--s${hue(nodeOf(m, i))})`;

// P: of a time, % of the column; width(a, b): of a stretch.
function Bar({ m, i, mark, colour, P, grid, hops, selected }) {
  const length = lengthOf(m, i), start = m.s.start_ns[i], self = mark ? null : selfOf(m, i, hops), hop = m.s.folded[i],
    at = (a, b, least = 0) => ({ left: P(a) + '%', width: Math.max(least, P(b) - P(a)) + '%' });
  const p0 = P(start), p1 = P(start + length),
    beside = p1 < (mark == 'b' ? .8 : .88) * ROOM ? { left: `calc(${p1}% + 6px)` } : p1 - p0 < ROOM / 2 && { right: `calc(${100 - p0}% + 6px)` };
  const words = (m.s.duration_ns[i] < 0 ? 'unknown' : ms(length)) + (mark == 'b' ? '  began here' : ''),
    within = { left: `calc(${Math.max(0, p0)}% + 1.3px)`, background: `var(${selected ? '--accent-bg' : '--bg'})` };
  return html`<div class="wb" style=${grid}>
    <div class=${`sp ${{ b: 'began', p: 'pass' }[mark] || ''}${hop ? ' hop' : ''}`}
    style=${{ ...at(start, start + length), background: self ? `color-mix(in srgb,${colour} 32%,var(--bg))` : colour }}>
      ${length > 0 && self?.map(([a, b]) =>
        html`<div class="selft" key=${a}
        style=${{ left: a / length * 100 + '%', width: (b - a) / length * 100 + '%', background: colour }}></div>`)}</div>
    ${piecesOf(m, i, hops).map(([a, b]) => html`<div class="cp" key=${a} style=${at(a, b, .1)}></div>`)}
    <div class=${hop && !beside ? 'sr' : 'du' + (mark == 'b' ? ' fault' : '') + (beside ? '' : ' on')} style=${beside || within}>${words}
      </div></div>`;
}

const CALL = /^[\w.]+\.\w+\/(?=\w+$)/; /* "shop.Cart/" of "shop.Cart/GetCart", for which a phone has no room */

// A sidecar's span stands before the call that it carries, or behind it.
function sidecarWords(m, i) {
  const p = m.s.parent[i], near = p >= 0 && m.s.node[p] != m.s.node[i] && m.nodes[m.s.node[p]].service == m.nodes[m.s.node[i]].service;
  return `sidecar ${m.s.kind[i] == 3 || near ? 'out' : 'in'}`;
}

function Row({ m, row, hops, selected, dim, closed, P, grid, hue, phone, select, toggle, top }) {
  const { i, group, kids, depth } = row, mark = group ? '' : markOf(m, i, hops), node = m.nodes[m.s.node[i]],
    code = group ? '' : codeOf(m, i, hops), colour = hueVar(hue, m, i), attempt = m.s.attempt[i];
  const pod = m.layout.instances[i], hairpin = hairpinOf(m, i, hops), length = group ? row.total : m.s.duration_ns[i];
  const operation = group ? `${group.length} × ${operationOf(m, i)}` : m.s.folded[i] && node.role == 'sidecar' ? sidecarWords(m, i)
    : attempt > 0 ? `attempt ${attempt}${pod ? ', pod ' + pod.split('-').pop() : ''}` : operationOf(m, i);
  return html`<div class=${`wgrid wr${dim ? ' dim' : ''}`} role="treeitem" aria-level=${depth + 1}
    aria-expanded=${group || kids ? flag(!group && !closed) : null} aria-selected=${flag(selected)}
      tabindex=${selected ? 0 : -1} data-row=${i} style=${{ top: top + 'px' }} onClick=${() => select(i)} onDblClick=${() => toggle(row)}>
    <div class="wn" style=${{ '--d': depth }}>
      <span class="tw" aria-hidden="true" onClick=${e => { e.stopPropagation(); toggle(row); }}>
      ${group || (kids && closed) ? '▸' : kids ? '▾' : ''}</span>
      <span class="sq" style=${{ background: colour }}></span>${mark && html`<${Mark} k=${mark}/>`}<span class="sv">${nameOf(m, i)}</span>
        ${attempt > 0 && node.version && html`<span class="tag">${node.version}</span>`}
      ${node.role == 'gateway' && html`<${Icon} n="gw"/>`}<span class="op">${phone ? operation.replace(CALL, '') : operation}</span>
        ${m.s.attempts[i] > 0 && !attempt && html`<span class="tag"><${Icon} n="retry"/>${m.s.attempts[i]} attempts</span>`}
      ${hairpin != null && html`<span class="tag turn"><${Icon} n="turn"/>hairpin${hairpin > 0 && ' +' + ms(hairpin)}</span>`}
        ${m.s.orphan[i] > 0 && html`<span class="tag">parent missing</span>`}
      <span class="grow"></span>${code && html`<span class=${'s ' + (mark == 'b' ? 'fault' : 'm2')}>${code}</span>`}
        ${(phone || group) && html`<span class="s m2 nw">${length < 0 ? '' : ms(length)}${group && ' in all'}</span>`}</div>
    ${group ? html`<div class="wb" style=${grid}>
      ${group.slice(0, 200)
      .map(k => html`<div class="sp" key=${k}
      style=${{ left: P(m.s.start_ns[k]) + '%', width: Math.max(.1, P(endOf(m, k)) - P(m.s.start_ns[k])) + '%', background: colour }}>
      </div>`)}</div>`
      : html`<${Bar} m=${m} i=${i} mark=${mark} colour=${colour} P=${P} grid=${grid} hops=${hops} selected=${selected}/>`}</div>`;
}

// The shown part of the time axis; in the URL when the hand rests. Of the lower of two traces (`text` null) it is not.
function useZoom(text) {
  const [zoom, set] = useState(() => { const z = text?.split(',').map(Number); return z?.[0] < z?.[1] ? z : null; }), timer = useRef(0);
  return [zoom, z => {
    set(z);
    clearTimeout(timer.current);
    if (text !== null) timer.current = setTimeout(() => showQuery({ zoom: z?.map(Math.round).join(',') }), 300);
  }];
}

// The rows in sight, [from, to): what scrolls is the waterfall itself, on a phone the page.
function useInSight(box, n, height) {
  const [[from, to], set] = useState([0, 60]), look = () => {
    const r = box.current?.getBoundingClientRect(), wf = box.current?.closest('.wf');
    if (!r) return;
    const own = getComputedStyle(wf).overflowY != 'visible' && wf.getBoundingClientRect(), row = y => Math.floor((y - r.top) / height);
    const a = Math.max(0, row(own ? own.top : 0) - 8), b = Math.min(n, row(own ? own.bottom : innerHeight) + 9);
    set(was => was[0] == a && was[1] == b ? was : [a, b]);
  };
  useLayoutEffect(look, [n, height]);
  useEvent('scroll resize', look, true, { passive: true, capture: true });
  return [from, to];
}

/* title: before the count of failures; legend: below; zoomText: ?zoom=, null where it has none of its own. */
export function Waterfall({ m, hue, hops, selected, select, find, phone, legend, nameWidth, setNameWidth, title, zoomText }) {
  const [closed, setClosed] = useState(() => new Set()), [opened, setOpened] = useState(() => new Set()),
    [zoom, setZoom] = useZoom(zoomText), box = useRef(null), height = phone ? 55 : 27;
  const rows = useMemo(() => rowsOf(m, { hops, closed, opened, brief: phone }), [m, hops, closed, opened, phone]),
    [from, to] = useInSight(box, rows.length, height), [z0, z1] = zoom || [m.from, m.to];
  const P = t => (t - z0) / (z1 - z0) * ROOM, { step, ticks } = axisOf(z0, z1),
    grid = !phone
    && { backgroundSize: `${step / (z1 - z0) * ROOM}% 100%`, backgroundPositionX: `${-(z0 % step) / (z1 - z0) * ROOM * 9}px` };
  const at = rows.findIndex(r => r.i == selected || r.group?.includes(selected)),
    flip = (set, change, key) => change(set.has(key) ? new Set([...set].filter(k => k != key)) : new Set([...set, key]));
  const toggle = r =>
    r.group ? flip(opened, setOpened, 'g' + r.group[0]) : r.quiet ? flip(opened, setOpened, 'q' + r.parent)
    : r.kids && flip(closed, setClosed, r.i);
  const show = i => { /* its ancestors open, its group and what is quiet around it too */
    const over = [];
    for (let p = m.s.parent[i]; p >= 0; p = m.s.parent[p]) over.push(p);
    if (over.some(p => closed.has(p))) setClosed(new Set([...closed].filter(p => !over.includes(p))));
    if (!rows.some(r => r.i == i))
      setOpened(new Set([...opened, ...[i, ...over].map(p => 'q' + p),
      ...rows.filter(r => r.group?.includes(i)).map(r => 'g' + r.group[0])]));
    select(i);
  };
  const walk = d =>
    () => { const to = rows[Math.max(0, Math.min(rows.length - 1, (at < 0 ? -1 : at) + d))];
    if (to) select(to.quiet ? to.quiet[0] : to.i); };
  // From the selected on, the next or previous of some rows.
  const jump = (list, d) =>
    () => { const to = d > 0 ? list.find(i => i > selected) ?? list[0] : list.findLast(i => i < selected) ?? list.at(-1);
    return to == null ? false : show(to); };
  const began = useMemo(() => rowsShown(m, hops).filter(i => markOf(m, i, hops) == 'b'), [m, hops]), parent = i => parentOf(m, i, hops);
  const fold = open => () => {
    const row = rows[at];
    if (!row) return false;
    if (row.group || row.quiet ? open : row.kids && closed.has(row.i) == open) toggle(row);
    else if (open) walk(1)();
    else if (row.i != null && parent(row.i) >= 0) select(parent(row.i));
  };
  const all = () => setClosed(new Set(closed.size ? [] : rowsShown(m, true).filter(i => m.s.depth[i] > 0 && m.end[i] > i + 1)));
  useKeys({ j: walk(1), k: walk(-1), ArrowDown: walk(1), ArrowUp: walk(-1), n: jump(began, 1), N: jump(began, -1), ArrowRight: fold(true),
    ArrowLeft: fold(false), e: all,
    Home: () => select(rows[0]?.i), End: () => select(rows.at(-1)?.i ?? 0) });
  useLayoutEffect(() => { /* the selected row into sight, once it is there */
    const scroller = box.current.closest('.wf'), top = box.current.offsetTop + at * height;
    if (at >= 0 && !phone) {
      const head = scroller.querySelector('.wtop').offsetHeight;
      if (top - head < scroller.scrollTop) scroller.scrollTop = top - head - height * 2;
      else if (top + height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top - scroller.clientHeight / 2;
    }
    if (box.current.contains(document.activeElement)) box.current.querySelector('[aria-selected=true]')?.focus({ preventScroll: true });
  }, [selected, at, hops]);
  const wanted = find.trim().toLowerCase(), fits = i => `${titleOf(m, i)} ${codeOf(m, i, hops)}`.toLowerCase().includes(wanted),
    found = useMemo(() => wanted ? rowsShown(m, hops).filter(fits) : [], [m, wanted, hops]);
  const row = (r, top) =>
    r.quiet ? html`<div key=${'q' + r.parent} class="wr wquiet" role="treeitem" aria-level=${r.depth + 1} aria-expanded="false"
    aria-selected="false" tabindex="-1" style=${{ top: top + 'px' }}
      onClick=${() => toggle(r)}><${Icon} n="right"/> ${plural(r.quiet.length, 'span')} without failures, ${ms(union(m, r.quiet))}</div>`
    : html`<${Row} key=${r.i} m=${m} row=${r} hops=${hops} selected=${r.i == selected} dim=${wanted && !fits(r.i)}
      closed=${closed.has(r.i)} P=${P} grid=${grid} hue=${hue} phone=${phone} select=${select} toggle=${toggle} top=${top}/>`;
  return [html`<div class="wtop">
    <div class="wgrid only-l">
    <div class="row wfind">${title}
    <button class="btn bare" title="Next failure that began here (n)" aria-label=${`${plural(began.length, 'failure')} began here: next`}
        disabled=${!began.length} onClick=${jump(began, 1)}><${Mark} k="b" quiet/>${began.length}</button></div>
          <${Minimap} m=${m} hue=${hue} zoom=${zoom} setZoom=${setZoom} room=${ROOM}/></div>
    <div class="wgrid only-l">
      <div class="m3 xs wcol">Service and operation${wanted
      && [', ', html`<${Word} act=${jump(found, 1)}>${plural(found.length, 'span')} found</${Word}>`]}</div>
      <div class="waxis">
        ${ticks.filter(([t]) => P(t) < 94)
        .map(([t, words]) => html`<span class="xs m3" key=${t} style=${{ left: P(t) + '%' }}>${words}</span>`)}</div>
        <${Grip} width=${nameWidth} set=${setNameWidth}/></div></div>`,
  html`<div class="wrows" role="tree" aria-label="Spans" ref=${box} style=${{ height: rows.length * height + 'px' }}
    onFocusIn=${e => { const i = e.target.dataset.row; if (i != null && +i != selected) select(+i); }}>
    ${rows.slice(from, to).map((r, k) => row(r, (from + k) * height))}</div>`, legend];
}

// The border between names and bars: dragged, or moved with arrows.
function Grip({ width, set }) {
  const to = w => set(Math.min(640, Math.max(200, w)));
  return html`<div class="grip" role="separator" aria-orientation="vertical" aria-label="Width of the names" tabindex="0"
    aria-valuenow=${width} aria-valuemin="200" aria-valuemax="640"
    onPointerDown=${e => { const from = e.clientX; drag(e, x => to(width + x.clientX - from)); }}
      onKeyDown=${keysOf({ ArrowLeft: () => to(width - 20), ArrowRight: () => to(width + 20) })}></div>`;
}
