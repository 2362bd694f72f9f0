// picture.js: the graph as the server laid it out, in SVG: nodes are buttons, arrows follow edges, dragging pans, Ctrl and the wheel zoom.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from '../html.js';
import { useKeys } from '../frame/keys.js';
import { Icon } from '../draw/marks.js';
import { count, ms, rate, share } from '../draw/text.js';
import { edgeWords } from './overlay.js';
import { isStore, isUser, nameOf, ratio } from './names.js';
import { marked } from './numbers.js';

const HEAD = 7; /* an arrow's head stands before the node by this */
const LEAST = .45, MOST = 1.3; /* px of screen for one of the picture, before anybody zooms */

/* ---- ways ---- */

const curve = (a, b) => { const d = (b[0] - a[0]) * .5; return `C${a[0] + d} ${a[1]} ${b[0] - d} ${b[1]} ${b[0]} ${b[1]}`; };

// The way of an edge from its points: curves between columns, straight through them. Gives {d, mid, end, to}: to −1 where it ends leftwards.
function wayOf(e, node) {
  const p = [];
  for (let i = 0; i < e.points.length; i += 2) p.push([e.points[i], e.points[i + 1]]);
  if (!p.length) { /* to itself */
    const x = node.x + node.w - 26, top = node.y - node.h / 2;
    return { d: `M${x} ${top}C${x - 6} ${top - 26} ${x + 26} ${top - 26} ${x + 18} ${top - HEAD}`, mid: [x + 6, top - 20], end: [x + 18, top - HEAD], turned: 90 };
  }
  const first = p[0], last = p.at(-1), within = p.length == 2 && first[0] == last[0], to = e.back ? -1 : 1;
  if (within) { /* in one column */
    const x = first[0] + 34, y = (first[1] + last[1]) / 2;
    return { d: `M${first[0]} ${first[1]}C${x} ${first[1]} ${x} ${last[1]} ${last[0] + HEAD} ${last[1]}`, mid: [first[0] + 26, y], end: [last[0] + HEAD, last[1]], turned: 180 };
  }
  const end = [last[0] - to * HEAD, last[1]], points = [...p.slice(0, -1), end];
  let d = `M${first[0]} ${first[1]}`, mid = null, longest = 0;
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1], b = points[i];
    if (i % 2) { d += curve(a, b); continue; }
    d += `L${b[0]} ${b[1]}`;
    if (Math.abs(b[0] - a[0]) > longest) { longest = Math.abs(b[0] - a[0]); mid = [(a[0] + b[0]) / 2, a[1]]; }
  }
  return { d, mid: mid || [(first[0] + end[0]) / 2, (first[1] + end[1]) / 2], steep: !mid && Math.abs(end[1] - first[1]) > 44, end, turned: e.back ? 180 : 0 };
}

/* ---- labels: put where they cover nothing; the important ones first ---- */

const pen = document.createElement('canvas').getContext('2d');
const widths = new Map();
export function widthOf(text, font) {
  const key = font + text;
  if (!widths.has(key)) { pen.font = `${font} ${getComputedStyle(document.documentElement).fontFamily}`; widths.set(key, pen.measureText(text).width); }
  return widths.get(key);
}
// A name cut in the middle to fit.
function fitted(text, px, font) {
  if (widthOf(text, font) <= px) return text;
  const letters = [...text];
  for (let keep = letters.length - 1; keep > 2; keep--) {
    const head = Math.ceil(keep / 2), cut = letters.slice(0, head).join('') + '…' + letters.slice(letters.length - (keep - head)).join('');
    if (widthOf(cut, font) <= px) return cut;
  }
  return letters[0] + '…';
}

const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

function placeLabels(drawn, nodes) {
  const taken = nodes.map(n => [n.x - 2, n.y - n.h / 2 - 2, n.x + n.w + 2, n.y + n.h / 2 + 2]), placed = [];
  const rank = d => (d.hot ? 2 : 0) + (d.kind == 'b' || d.kind == 's' ? 1 : 0);
  for (const d of drawn) if (d.icon) taken.push([d.way.mid[0] - 10, d.way.mid[1] - 10, d.way.mid[0] + 10, d.way.mid[1] + 10]);
  for (const d of [...drawn].filter(d => d.label).sort((a, b) => rank(b) - rank(a))) {
    const w = widthOf(d.label, d.cls ? '600 11px' : '400 11px'), [x, y] = d.way.mid, out = d.w / 2 + (d.kind ? 3 : 0), h = 11;
    const above = [x - w / 2, y - out - 5 - (d.icon ? 9 : 0), 'middle', x], below = [x - w / 2, y + out + 13 + (d.icon ? 9 : 0), 'middle', x];
    const left = [x - w - 8 - out, y + 4, 'end', x - 8 - out], right = [x + 8 + out, y + 4, 'start', x + 8 + out];
    const lifted = [x - w / 2 - 22, y - out - 18, 'middle', x - 22], lowered = [x - w / 2 - 22, y + out + 24, 'middle', x - 22], clear = [x - w / 2, y - 30, 'middle', x];
    const tries = d.icon ? [below, above, right, left] : d.way.steep ? [left, right, lifted, above, below] : [above, below, lifted, lowered, clear, left, right];
    const fit = tries.find(t => { const box = [t[0], t[1] - h, t[0] + w, t[1] + 2]; return !taken.some(b => overlap(b, box)); }) || (d.hot ? tries[0] : null);
    if (!fit) continue;
    taken.push([fit[0] - 2, fit[1] - h, fit[0] + w + 2, fit[1] + 2]);
    placed.push({ d, x: fit[3], y: fit[1], anchor: fit[2] });
  }
  return placed;
}

/* ---- pieces ---- */

const head = ([x, y], size, turned) => `M${HEAD} 0l-${size + 2} ${-size}v${2 * size}z`;

function Edge({ d, sel, dim, up, pick, over }) {
  const { way, w } = d, line = (colour, width, dash) => html`<path d=${way.d} style=${{ stroke: colour }} stroke-width=${width} stroke-dasharray=${dash || null}/>`;
  const passed = d.kind == 'p' || d.kind == 'w', thin = passed && d.few ? .6 : 1.15, size = d.kind ? 6.5 : 4.2 + w * .3;
  const quiet = !d.hot && !d.keep && !d.icon;
  return html`<g class=${'edge' + (sel ? ' sel' : '') + (dim ? ' dim' : '')} style=${quiet && !sel && !up ? { opacity: .5 } : null} onClick=${pick} onPointerEnter=${() => over(d)} onPointerLeave=${() => over(null)}>
    ${sel && html`<path class="halo" d=${way.d} stroke-width=${w + 13} stroke-linecap="round"/>`}
    ${passed ? html`${line(d.colour, w * thin + 2.4)}${line('var(--bg)', w * thin)}${line(d.colour, w * thin, '1.6 3.4')}`
      : d.kind == 'dbl' ? html`${line(d.colour, w + 3)}${line('var(--bg)', w)}`
        : d.kind ? line(d.colour, w + 2.4)
          : html`<path class="base" d=${way.d} style=${d.colour == 'var(--edge)' ? null : { stroke: d.colour }} stroke-width=${w} stroke-dasharray=${d.dash || null}/>`}
    <path d=${head(way.end, size)} transform=${`translate(${way.end[0]} ${way.end[1]})${way.turned ? ` rotate(${way.turned})` : ''}`} style=${{ fill: d.colour == 'var(--edge)' ? 'var(--ctl)' : d.colour, stroke: 'none' }}/>
    <path class="hit" d=${way.d}/><title>${edgeWords(d)}</title></g>`;
}

function Shape({ n, dotted }) {
  const { x, y, w, h } = n, top = y - h / 2, role = n.node.role;
  if (isUser(n)) return html`<rect class="bx" x=${x} y=${top} width=${w} height=${h} rx="21"/>`;
  if (role == 'gateway' && !n.fold) return html`<path class="bx" d=${`M${x + 10} ${top}H${x + w - 10}L${x + w} ${y}L${x + w - 10} ${top + h}H${x + 10}L${x} ${y}Z`}/>`;
  if (isStore(n) && !n.fold) return html`<path class="bx" d=${`M${x} ${top + 4}c0-5 ${w}-5 ${w} 0v${h - 8}c0 5 ${-w} 5 ${-w} 0z`}/><path d=${`M${x} ${top + 4}c0 5 ${w} 5 ${w} 0`} fill="none" style=${{ stroke: 'var(--line-2)' }}/>`;
  if (role == 'queue' && !n.fold) return html`<path class="bx" d=${`M${x + 6} ${top}H${x + w - 6}c8 0 8 ${h} 0 ${h}H${x + 6}c-8 0-8 ${-h} 0 ${-h}z`}/>`;
  return html`<rect class="bx" x=${x} y=${top} width=${w} height=${h} rx="6" stroke-dasharray=${dotted ? '1 3' : null} stroke-linecap="round"/>`;
}

// Versions inside a node: a bar each, how much of the calls it takes, and what fails of it.
function Versions({ n, failing }) {
  const top = n.y - n.h / 2, shown = n.versions.slice(0, 4), all = shown.reduce((sum, v) => sum + v.calls, 0);
  return shown.map((v, i) => {
    const y = top + 34 + i * 15, part = ratio(v.calls, all), bad = failing && (marked(v.calls, v.began) ? 'b' : marked(v.calls, v.passed) ? 'p' : '');
    return html`<text class="nn" x=${n.x + 14} y=${y + 4}>${fitted(v.version || 'none', 34, '400 11px')}</text>
      <rect x=${n.x + 50 - 18 * (widthOf(v.version || 'none', '400 11px') < 17 ? 1 : 0)} y=${y - 3} width=${Math.max(1.5, 42 * part)} height="6" rx="1" style=${{ fill: `var(${bad ? '--fault' : '--ctl'})` }}/>
      <text class=${bad ? 'nf' : 'nn'} x=${n.x + n.w - 10} y=${y + 4} text-anchor="end">${bad ? `${bad == 'b' ? '◆' : '◇'} ${share(ratio(v.errors, v.calls))}` : share(part).replace(/\.\d/, '')}</text>`;
  });
}

const ROLES = { user: '', workload: '', external: 'external', database: 'database', cache: 'cache', queue: 'queue', gateway: 'gateway', waypoint: 'waypoint', load_balancer: 'balancer' };

export function nodeWords(n, r) {
  if (n.fold) return `${n.fold.name}, ${n.fold.nodes} folded nodes, ${r}`;
  const failed = ratio(n.errors, n.calls);
  return [nameOf(n), ROLES[n.node.role] || (isUser(n) ? 'where requests come from' : 'workload'), n.node.namespace && `namespace ${n.node.namespace}`, r.replace('/s', ' calls per second'),
    n.mark == 'began' ? 'failures began here' : n.mark == 'passed' ? 'failures passed on' : '', failed > 0 && `${share(failed)} of its calls fail`].filter(Boolean).join(', ');
}

function Node({ n, seconds, overlay, versions, sel, dim, first, pick, focus, key_, took, over }) {
  const failing = overlay == 'fault' || overlay == 'diff', mark = failing ? n.mark : '', state = mark == 'began' ? 'began' : mark == 'passed' ? 'pass' : '';
  const calls = isUser(n) ? n.out_calls : n.calls, r = rate(calls / (seconds || 1)), role = ROLES[n.node.role], tall = n.h > 42;
  const drop = isStore(n) && !n.fold ? 2 : 0, tx = n.x + (state == 'began' || (n.node.role == 'gateway' && !n.fold) || tall ? 14 : 10), top = n.y - n.h / 2, y = tall ? top + 21 : n.y;
  const second = n.fold ? `${count(n.fold.nodes)} ${n.fold.name == 'stores' ? 'stores' : n.fold.name == 'outside' ? 'externals' : 'services'}, ${r}` : [role, !role && versions == 'always' && !tall && n.versions?.[0]?.version, r].filter(Boolean).join(', ');
  const quiet = failing && !mark && !isUser(n), failed = !tall && state && !role && !isUser(n) ? share(ratio(n.errors, n.calls) || ratio(n.began, n.out_calls)) : '';
  const rw = tall ? widthOf(r, '400 11px') + 8 : 0;
  // The button holds the shape alone: its name is the whole sentence, and the texts beside it are for the eye.
  return html`<g class=${`node ${state}${sel ? ' sel' : ''}${dim ? ' dim' : ''}${n.fold ? ' fold' : ''}`} data-id=${n.id} onClick=${pick} onDblClick=${focus} onPointerEnter=${() => over(n)} onPointerLeave=${() => over(null)}>
    <g role="button" tabindex=${first ? 0 : -1} aria-label=${nodeWords(n, r)} aria-pressed=${sel ? 'true' : 'false'} onKeyDown=${key_} onFocus=${took}>${n.fold && [8, 4].map(k => html`<rect class="bx" x=${n.x + k} y=${top + k} width=${n.w} height=${n.h} rx="6"/>`)}
      <${Shape} n=${n} dotted=${n.node.role == 'external' && !state && !n.fold}/></g>
    <g aria-hidden="true">${state == 'began' && html`<path d=${`M${n.x + 6} ${top}H${n.x + 5}a5 5 0 00-5 5V${top + n.h - 5}a5 5 0 005 5h1z`} style=${{ fill: 'var(--fault)' }}/>`}
      <text class="nm" x=${tx} y=${y - 2 + drop} style=${quiet ? { fontWeight: 500, fill: 'var(--ink-2)' } : null}>${fitted(nameOf(n), n.x + n.w - 6 - tx - rw, quiet && !tall ? '500 13px' : '600 13px')}</text>
      ${tall ? html`<text class="nn" x=${n.x + n.w - 10} y=${y - 2} text-anchor="end">${r}</text><${Versions} n=${n} failing=${failing}/>`
        : html`<text class="nn" x=${tx} y=${y + 13 + drop}>${fitted(second, n.x + n.w - 6 - tx, '400 11px')}${failed && html`<tspan class="nf" dx="6">${state == 'began' ? '◆' : '◇'} ${failed}</tspan>`}</text>`}</g>
    <title>${[n.node.cluster, n.node.namespace, nameOf(n)].filter(Boolean).join('/')}: ${second}</title></g>`;
}

// Dotted boxes round what stands in another cluster than most.
function clusterBoxes(nodes) {
  const n = new Map(), inside = nodes.filter(x => x.node.cluster && !x.fold);
  for (const x of inside) n.set(x.node.cluster, (n.get(x.node.cluster) || 0) + 1);
  const main = [...n].sort((a, b) => b[1] - a[1])[0]?.[0], boxes = [];
  for (const x of inside.filter(x => x.node.cluster != main).sort((a, b) => a.x - b.x || a.y - b.y)) {
    const last = boxes.at(-1), top = x.y - x.h / 2, next = last && last.cluster == x.node.cluster && last.x == x.x && !nodes.some(o => o.x == x.x && o.y > last.last && o.y < x.y);
    if (next) Object.assign(last, { bottom: top + x.h, last: x.y });
    else boxes.push({ cluster: x.node.cluster, x: x.x, w: x.w, top, bottom: top + x.h, last: x.y });
  }
  return boxes;
}

/* ---- the whole ---- */

// What the picture shows of itself: all of it, but never too small to read; then what the reader made of it.
function fitBox(graph, size) {
  const w = graph.width, h = graph.height, scale = Math.min(MOST, Math.max(LEAST, Math.min(size.w / w, size.h / h)));
  const vw = size.w / scale, vh = size.h / scale, bad = graph.nodes.find(n => n.mark == 'began') || graph.nodes[0];
  const x = vw >= w ? (w - vw) / 2 : Math.max(0, Math.min(w - vw, (bad?.x || 0) - vw * .6)), y = vh >= h ? (h - vh) / 2 : Math.max(0, Math.min(h - vh, (bad?.y || 0) - vh / 2));
  return { x, y, w: vw, h: vh };
}

export function Picture({ graph: g, overlay, selected, matches, versions, onSelect, onFocus, onUnfold, children }) {
  const box = useRef(null), svg = useRef(null), [size, setSize] = useState({ w: 1000, h: 660 }), [view, setView] = useState(null), [over, setOver] = useState(null), [at, setAt] = useState(null);
  useLayoutEffect(() => {
    const measure = () => { const r = box.current.getBoundingClientRect(); if (r.width) setSize({ w: r.width, h: Math.max(200, r.height - 44) }); };
    const watch = new ResizeObserver(measure);
    watch.observe(box.current);
    measure();
    return () => watch.disconnect();
  }, []);
  const drawn = useMemo(() => {
    for (const d of g.drawn) { d.way = wayOf(d.e, g.byId.get(d.e.caller)); d.few = g.seconds && d.rate.passed < 2; }
    const order = [...g.drawn].sort((a, b) => (a.hot ? 1 : 0) - (b.hot ? 1 : 0));
    return { order, labels: placeLabels(g.drawn, g.nodes), boxes: clusterBoxes(g.nodes) };
  }, [g]);
  const v = view || fitBox(g, size);
  const zoom = (by, cx = v.x + v.w / 2, cy = v.y + v.h / 2) => setView({ w: v.w * by, h: v.h * by, x: cx - (cx - v.x) * by, y: cy - (cy - v.y) * by });
  const wheel = e => {
    if (!e.ctrlKey && !e.metaKey) return;
    e.preventDefault();
    const r = svg.current.getBoundingClientRect();
    zoom(Math.exp(e.deltaY * .002), v.x + (e.clientX - r.left) / r.width * v.w, v.y + (e.clientY - r.top) / r.height * v.h);
  };
  useEffect(() => { const el = svg.current; el.addEventListener('wheel', wheel, { passive: false }); return () => el.removeEventListener('wheel', wheel); });
  const drag = e => {
    if (e.button || e.target.closest('.node,.edge')) return;
    const from = [e.clientX, e.clientY], k = v.w / svg.current.getBoundingClientRect().width;
    const move = m => setView({ ...v, x: v.x - (m.clientX - from[0]) * k, y: v.y - (m.clientY - from[1]) * k });
    const up = () => { removeEventListener('pointermove', move); removeEventListener('pointerup', up); };
    addEventListener('pointermove', move);
    addEventListener('pointerup', up);
  };
  const isSel = n => selected?.node?.id == n.id, edgeSel = e => selected?.caller == e.caller && selected?.callee == e.callee;
  const first = (at && g.byId.get(at)) || selected?.node || (selected && g.byId.get(selected.caller)) || g.nodes.find(isUser) || g.nodes[0];
  // A node that the keys go to is brought into sight.
  const goTo = n => {
    if (!n) return false;
    setAt(n.id);
    svg.current.querySelector(`[data-id="${CSS.escape(n.id)}"] [role=button]`)?.focus();
    if (n.x < v.x || n.x + n.w > v.x + v.w || n.y - n.h / 2 < v.y || n.y + n.h / 2 > v.y + v.h) setView({ ...v, x: n.x + n.w / 2 - v.w / 2, y: n.y - v.h / 2 });
    return true;
  };
  const best = (edges, end) => [...edges || []].sort((a, b) => (b.mark ? 1 : 0) - (a.mark ? 1 : 0) || b.errors - a.errors || b.calls - a.calls).map(e => g.byId.get(e[end])).find(Boolean);
  const step = (n, key) => {
    const column = g.nodes.filter(o => o.x == n.x).sort((a, b) => a.y - b.y), i = column.indexOf(n);
    return { ArrowRight: () => best(g.out.get(n.id), 'callee'), ArrowLeft: () => best(g.into.get(n.id), 'caller'), ArrowDown: () => column[i + 1], ArrowUp: () => column[i - 1] }[key]?.();
  };
  const nodeKey = n => e => {
    if (e.key == 'Enter' || e.key == ' ') { e.preventDefault(); e.stopPropagation(); if (e.shiftKey) onFocus(n); else if (n.fold && e.key == 'Enter') onUnfold(n); else onSelect(n); }
    else if (e.key.startsWith('Arrow')) { e.preventDefault(); e.stopPropagation(); goTo(step(n, e.key)); }
  };
  const next = by => {
    const bad = g.drawn.filter(d => d.e.mark == 'began').sort((a, b) => b.e.errors_origin - a.e.errors_origin);
    if (!bad.length) return false;
    const i = bad.findIndex(d => edgeSel(d.e)), d = bad[(i + by + bad.length) % bad.length];
    onSelect(null, d.e);
    goTo(g.byId.get(d.e.caller));
  };
  useKeys({ 0: () => setView(null), '+': () => zoom(.8), '-': () => zoom(1.25), n: () => next(1), N: () => next(-1) });
  const dimNode = n => matches ? !matches.nodes.has(n.id) : false, dimEdge = e => matches ? !matches.edges.has(e.id) : false;
  return html`<div class="gcanvas" ref=${box}><svg ref=${svg} viewBox=${`${v.x} ${v.y} ${v.w} ${v.h * (size.h + 44) / size.h}`} preserveAspectRatio="xMinYMin meet" role="group"
      aria-label="Call graph, left to right from the users. The same facts are in the table view." onPointerDown=${drag}>
      ${drawn.boxes.map(b => html`<g key=${b.cluster + b.x + b.top}><rect class="nsbox" x=${b.x - 8} y=${b.top - 8} width=${b.w + 16} height=${b.bottom - b.top + 16} rx="8"/><text class="nslab" x=${b.x - 4} y=${b.top - 11}>cluster ${b.cluster}</text></g>`)}
      ${drawn.order.map(d => html`<${Edge} key=${d.e.id} d=${d} sel=${edgeSel(d.e)} dim=${dimEdge(d.e)} up=${over && (over.e ? over == d : over.id == d.e.caller || over.id == d.e.callee)} pick=${() => onSelect(null, d.e)} over=${setOver}/>`)}
      ${g.nodes.map(n => html`<${Node} key=${n.id} n=${n} seconds=${g.seconds} overlay=${overlay} sel=${isSel(n)} dim=${dimNode(n)} first=${n == first}
        pick=${e => e.shiftKey ? onFocus(n) : onSelect(n)} focus=${() => n.fold ? onUnfold(n) : onFocus(n)} key_=${nodeKey(n)} took=${() => setAt(n.id)} over=${setOver} versions=${versions}/>`)}
      ${drawn.order.filter(d => d.icon).map(d => html`<g key=${'i' + d.e.id} class=${dimEdge(d.e) ? 'edge dim' : ''} onClick=${() => onSelect(null, d.e)}><circle cx=${d.way.mid[0]} cy=${d.way.mid[1]} r="9" style=${{ fill: 'var(--bg)', stroke: d.icon == 'lock' ? 'none' : d.colour == 'var(--edge)' ? 'var(--ink-2)' : d.colour }}/>
        <${Icon} n=${d.icon} at=${{ x: d.way.mid[0] - 6, y: d.way.mid[1] - 6, width: 12, height: 12, style: { width: '12px', height: '12px', color: d.colour == 'var(--edge)' ? 'var(--ink-2)' : d.colour } }}/></g>`)}
      ${drawn.labels.map(l => html`<text key=${'l' + l.d.e.id} class=${'elab ' + l.d.cls} x=${l.x} y=${l.y} text-anchor=${l.anchor} style=${dimEdge(l.d.e) ? { opacity: .42 } : null}>${l.d.label}</text>`)}
      ${over?.e && html`<text class="elab up" x=${over.way.mid[0]} y=${over.way.mid[1] - over.w / 2 - 7 - (over.icon ? 9 : 0)} text-anchor="middle">${over.rate.text}, ${over.e.errors ? share(over.rate.share) + ' failed' : 'no failures'}, p95 ${ms(over.e.p95_ns)}</text>`}
    </svg>${children}
    <div class="gtools"><button class="btn" aria-label="Zoom in" title="Zoom in (+)" onClick=${() => zoom(.8)}><${Icon} n="plus"/></button><button class="btn" aria-label="Zoom out" title="Zoom out (-)" onClick=${() => zoom(1.25)}><${Icon} n="minus"/></button><button class="btn" aria-label="Fit" title="Fit (0)" onClick=${() => setView(null)}><${Icon} n="fit"/></button></div></div>`;
}
