// picture.js: the graph as the server laid it out, in SVG: nodes are buttons, arrows follow edges, dragging pans, Ctrl and the wheel zoom.
import { html, useMemo, useRef, useState } from '../html.js';
import { useKeys } from '../frame/keys.js';
import { useEvent } from '../frame/store.js';
import { useSize } from '../draw/chart.js';
import { Icon } from '../draw/marks.js';
import { flag } from '../draw/parts.js';
import { count, ms, rate, share } from '../draw/text.js';
import { edgeWords, isGone } from './overlay.js';
import { isStore, isUser, nameOf } from './names.js';
import { best, marked, ratio } from './numbers.js';
import { apart, clusterBoxes, fitted, headOf, placeLabels, wayOf, widthOf } from './ways.js';

const FEW = 9; /* what passes on less than one in so many of the most failures is a narrow ladder */
const LEAST = .45, MOST = 1.3, MOST_OUT = 1.6; /* px of screen for one of the picture, before anybody zooms; how far columns are drawn out */
const SMALL = '400 11px';
const paint = token => `var(${token})`;

function Edge({ d, sel, dim, pick, over }) {
  const { way, w, kind, colour } = d, passed = kind == 'p' || kind == 'w', inner = passed ? d.few ? Math.max(1.5, w * .6) : Math.max(2.4, w * 1.15) : w;
  const line = (token, width, dash, c) =>
    html`<path class=${c} d=${way.d} style=${token && { stroke: paint(token) }} stroke-width=${width} stroke-dasharray=${dash}/>`;
  const lines = !kind ? line(colour != '--edge' && colour, w, d.dash, 'base')
    : [line(colour, w + (kind == 'dbl' ? 3 : 2.4)), (passed || kind == 'dbl') && line('--bg', inner),
    passed && line(colour, inner, '1.6 3.4')];
  return html`<g class=${'edge' + (sel ? ' sel' : '') + (dim ? ' dim' : '')} onClick=${pick}
    onPointerEnter=${() => over(d)} onPointerLeave=${() => over(null)}>
    ${sel && line(null, w + 13, null, 'halo')}${lines}
      <path ...${headOf(way, kind ? 6.5 : 4.2 + w * .3)} style=${{ fill: paint(colour == '--edge' ? '--ctl' : colour), stroke: 'none' }}/>
    ${line(null, null, null, 'hit')}<title>${edgeWords(d)}</title></g>`;
}

/* ---- nodes ---- */

// What is folded from a namespace is a pile of boxes; all stores are one drum, all externals one dotted box.
const isPile = n => n.fold && !FOLDED[n.fold.name];
const isDrum = n => isStore(n) && !isPile(n);

function Shape({ n, gone, dotted }) {
  const { x, y, w, h } = n, top = y - h / 2, role = n.fold ? '' : n.node.role,
    rest = { class: 'bx', 'stroke-dasharray': gone ? '2 4' : dotted ? '1 3' : null, 'stroke-linecap': 'round' };
  if (role == 'gateway')
    return html`<path ...${rest} d=${`M${x + 10} ${top}H${x + w - 10}L${x + w} ${y}L${x + w - 10} ${top + h}H${x + 10}L${x} ${y}Z`}/>`;
  if (role == 'queue')
    return html`<path ...${rest} d=${`M${x + 6} ${top}H${x + w - 6}c8 0 8 ${h} 0 ${h}H${x + 6}c-8 0-8 ${-h} 0 ${-h}z`}/>`;
  if (isDrum(n))
    return html`<path ...${rest} d=${`M${x} ${top + 4}c0-5 ${w}-5 ${w} 0v${h - 8}c0 5 ${-w} 5 ${-w} 0zc0 5 ${w} 5 ${w} 0`}/>`;
  return html`<rect ...${rest} x=${x} y=${top} width=${w} height=${h} rx=${isUser(n) ? 21 : 6}/>`;
}

const Text = ({ c = 'nn', x, y, end, children, style }) =>
  html`<text class=${c} x=${x} y=${y} text-anchor=${end ? 'end' : null} style=${style}>${children}</text>`;

// Versions inside a node: a bar each, how much of the calls it takes, and what fails of it.
function Versions({ n, failing }) {
  const all = n.versions.reduce((sum, v) => sum + v.calls, 0);
  return n.versions.slice(0, 4).map((v, i) => {
    const y = n.y - n.h / 2 + 38 + i * 15, part = ratio(v.calls, all),
      bad = failing && (marked(v.calls, v.began) ? '◆' : marked(v.calls, v.passed) ? '◇' : ''), name = v.version || 'none';
    return [html`<${Text} x=${n.x + 14} y=${y}>${fitted(name, 34, SMALL)}</${Text}>`,
      html`<rect x=${n.x + (widthOf(name, SMALL) < 17 ? 32 : 50)} y=${y - 7} width=${Math.max(1.5, 36 * part)} height="6" rx="1"
        style=${{ fill: paint(bad ? '--fault' : '--ctl') }}/>`,
      html`<${Text} end c=${bad ? 'nf' : 'nn'} x=${n.x + n.w - 10} y=${y}>
        ${bad ? `${bad} ${share(ratio(v.errors, v.calls))}` : share(part).replace(/\.\d/, '')}</${Text}>`];
  });
}

const FOLDED = { stores: 'stores', outside: 'externals' };
const roleOf = n => isUser(n) || n.node.role == 'workload' ? '' : n.node.role.replace('load_', '');
const isLost = n => !n.fold && !n.calls && !n.out_calls;

function wordsOf(n, r) {
  if (n.fold) return `${n.fold.name}, ${n.fold.nodes} folded nodes, ${r}`;
  const failed = ratio(n.errors, n.calls), what = { began: 'failures began here', passed: 'failures passed on' }[n.mark];
  return [nameOf(n), roleOf(n) || (isUser(n) ? 'where requests come from' : 'workload'),
    n.node.namespace && `namespace ${n.node.namespace}`, isLost(n) ? 'gone' : r.replace('/s', ' calls per second'), what,
    failed > 0 && `${share(failed)} of its calls fail`].filter(Boolean).join(', ');
}

function Node({ n, seconds, overlay, versions, sel, dim, hot, first, act, key_, took, over }) {
  const failing = overlay == 'fault' || overlay == 'diff', state = failing && { began: 'began', passed: 'pass' }[n.mark] || '',
    began = state == 'began', role = roleOf(n), tall = n.h > 42, gone = isLost(n);
  const r = rate((isUser(n) ? n.out_calls : n.calls) / (seconds || 1)), top = n.y - n.h / 2, right = n.x + n.w,
    tx = n.x + (began || tall || (role == 'gateway' && !n.fold) ? 14 : 10);
  const y = (tall ? top + 19 : n.y - 2) + (isDrum(n) ? 2 : 0), quiet = failing && !state && !isUser(n) && !hot,
    failed = !tall && state && !role && !isUser(n) && share(ratio(n.errors, n.calls) || ratio(n.began, n.out_calls));
  const second = n.fold ? `${count(n.fold.nodes)} ${FOLDED[n.fold.name] || 'services'}, ${r}` : gone ? 'gone'
    : [role, !role && versions == 'always' && !tall && n.versions?.[0]?.version, r].filter(Boolean).join(', ');
  // The button holds the shape alone: its name is the whole sentence, and the texts beside it are for the eye.
  return html`<g class=${`node ${state}${sel ? ' sel' : ''}${dim ? ' dim' : ''}${isPile(n) ? ' fold' : ''}`} data-id=${n.id}
    onClick=${e => act(n, e.shiftKey)} onDblClick=${() => act(n, true)}
      onPointerEnter=${() => over(n)} onPointerLeave=${() => over(null)}>
    <g role="button" tabindex=${first ? 0 : -1} aria-label=${wordsOf(n, r)} aria-pressed=${flag(sel)} onKeyDown=${key_} onFocus=${took}>
      ${isPile(n) && [8, 4].map(k => html`<rect class="bx" x=${n.x + k} y=${top + k} width=${n.w} height=${n.h} rx="6"/>`)}
        <${Shape} n=${n} gone=${gone} dotted=${role == 'external' && !state && !isPile(n)}/></g>
    <g aria-hidden="true">
      ${began && html`<path d=${`M${n.x + 6} ${top}h-1a5 5 0 00-5 5v${n.h - 10}a5 5 0 005 5h1z`} style=${{ fill: paint('--fault') }}/>`}
      <${Text} c="nm" x=${tx} y=${y} style=${(quiet || gone) && { fontWeight: 500, fill: paint(gone ? '--ink-3' : '--ink-2') }}>
        ${fitted(nameOf(n), right - 6 - tx - (tall ? widthOf(r, SMALL) + 8 : 0), quiet && !tall ? '500 13px' : '600 13px')}</${Text}>
      ${tall ? [html`<${Text} end x=${right - 10} y=${y}>${r}</${Text}>`, html`<${Versions} n=${n} failing=${failing}/>`]
        : html`<${Text} x=${tx} y=${y + 15}>${fitted(second, right - 6 - tx, SMALL)}
          ${failed && html`<tspan class="nf" dx="6">${began ? '◆' : '◇'} ${failed}</tspan>`}</${Text}>`}</g>
    <title>${[n.node.cluster, n.node.namespace, nameOf(n)].filter(Boolean).join('/')}: ${second}</title></g>`;
}

/* ---- the whole ---- */

// What the picture shows of itself: all of it, but never too small to read, and then where failures began.
function fitBox({ width: w, height: h, nodes }, size) {
  const scale = Math.min(MOST, Math.max(LEAST, Math.min(size.w / w, size.h / h))), vw = size.w / scale, vh = size.h / scale,
    bad = nodes.find(n => n.mark == 'began') || nodes[0];
  const at = (room, all, middle) => room >= all ? (all - room) / 2 : Math.max(0, Math.min(all - room, middle));
  return { x: at(vw, w, bad.x - vw * .6), y: at(vh, h, bad.y - vh / 2), w: vw, h: vh };
}

// The picture with its columns drawn out by k, so that it fills what is higher than itself.
function drawnOut(g, k) {
  const nodes = g.nodes.map(n => ({ ...n, y: n.y * k })), byId = new Map(nodes.map(n => [n.id, n]));
  const at = (id, y) => byId.get(id).y * (1 - 1 / k) + y; /* where an edge touches its node */
  const points = ({ points: p, caller, callee }) =>
    p.map((v, i) => i % 2 == 0 ? v : i == 1 ? at(caller, v) : i == p.length - 1 ? at(callee, v) : v * k);
  return { ...g, height: g.height * k, nodes, byId, drawn: g.drawn.map(d => ({ ...d, e: { ...d.e, points: points(d.e) } })) };
}

const TOOLS = [['plus', 'Zoom in', '+', .8], ['minus', 'Zoom out', '-', 1.25], ['fit', 'Fit', '0', 0]];

/* act(node, further): one is chosen; further: its neighbourhood, or a fold opened; edge(edge): one is chosen. */
export function Picture({ graph, overlay, selected, matches, versions, act, edge, children }) {
  const box = useRef(null), svg = useRef(null), inside = useSize(box),
    size = { w: inside.w || 1000, h: Math.max(200, (inside.h || 704) - 44) }, [view, setView] = useState(null),
    [over, setOver] = useState(null), [at, setAt] = useState(null);
  const k = Math.max(1, Math.min(MOST_OUT, size.h / size.w * graph.width / graph.height));
  const { g, order, labels, boxes } = useMemo(() => {
    const g = drawnOut(graph, k), most = Math.max(...g.drawn.map(d => Math.max(d.rate.began, d.rate.passed)));
    apart(g.drawn);
    for (const d of g.drawn) {
      d.way = wayOf(d.e, g.byId.get(d.e.caller));
      d.few = d.kind == 'p' && d.rate.passed * FEW < most;
    }
    return { g, order: [...g.drawn].sort((a, b) => !!a.hot - !!b.hot), labels: placeLabels(g.drawn, g.nodes), boxes: clusterBoxes(g.nodes) };
  }, [graph, k]);
  const v = view || fitBox(g, size), onScreen = () => svg.current.getBoundingClientRect();
  const zoom = (by, x = .5, y = .5) =>
    setView(by && { w: v.w * by, h: v.h * by, x: v.x + v.w * x * (1 - by), y: v.y + v.h * y * (1 - by) });
  useEvent('wheel', e => {
    if (!e.ctrlKey && !e.metaKey) return;
    e.preventDefault();
    const r = onScreen();
    zoom(Math.exp(e.deltaY * .002), (e.clientX - r.left) / r.width, (e.clientY - r.top) / r.height);
  }, true, { passive: false }, svg.current || undefined);
  const [grip, setGrip] = useState(null);
  const drag = e => {
    if (!e.button && !e.target.closest('.node,.edge')) { svg.current.setPointerCapture(e.pointerId);
    setGrip({ ...v, from: [e.clientX, e.clientY] }); } };
  const pan = e => {
    if (grip) { const k = v.w / onScreen().width;
    setView({ w: v.w, h: v.h, x: grip.x - (e.clientX - grip.from[0]) * k, y: grip.y - (e.clientY - grip.from[1]) * k }); } };
  const isSel = n => selected?.node?.id == n.id, edgeSel = e => selected?.caller == e.caller && selected?.callee == e.callee;
  const first = g.byId.get(at) || g.byId.get(selected?.node?.id || selected?.caller) || g.nodes.find(isUser) || g.nodes[0];
  // A node that the keys go to is brought into sight.
  const goTo = n => {
    if (!n) return;
    setAt(n.id);
    svg.current.querySelector(`[data-id="${CSS.escape(n.id)}"] [role=button]`)?.focus();
    if (n.x < v.x || n.x + n.w > v.x + v.w || n.y - n.h / 2 < v.y || n.y + n.h / 2 > v.y + v.h)
      setView({ ...v, x: n.x + n.w / 2 - v.w / 2, y: n.y - v.h / 2 });
  };
  const along = (edges, end) => g.byId.get(best(edges || [], e => (e.mark ? 1e15 : 0) + e.errors * 1e3 + e.calls / 1e9)?.[end]);
  const step = (n, key) => {
    const column = g.nodes.filter(o => o.x == n.x).sort((a, b) => a.y - b.y), i = column.indexOf(n);
    return { ArrowRight: () => along(g.out.get(n.id), 'callee'), ArrowLeft: () => along(g.into.get(n.id), 'caller'),
      ArrowDown: () => column[i + 1], ArrowUp: () => column[i - 1] }[key]();
  };
  const nodeKey = n => e => {
    const chosen = e.key == 'Enter' || e.key == ' ';
    if (!chosen && !e.key.startsWith('Arrow')) return;
    e.preventDefault();
    e.stopPropagation();
    if (chosen) act(n, e.shiftKey || (n.fold && e.key == 'Enter')); else goTo(step(n, e.key));
  };
  const next = by => () => {
    const bad = g.drawn.filter(d => d.e.mark == 'began').sort((a, b) => b.e.errors_origin - a.e.errors_origin),
      d = bad[(bad.findIndex(d => edgeSel(d.e)) + by + bad.length) % bad.length];
    if (!d) return false;
    edge(d.e);
    goTo(g.byId.get(d.e.caller));
  };
  useKeys({ n: next(1), N: next(-1), ...Object.fromEntries(TOOLS.map(([, , key, by]) => [key, () => zoom(by)])) });
  const dim = (kind, x) => matches && !matches[kind].has(x.id),
    near = d => over && (over.e ? over == d : over.id == d.e.caller || over.id == d.e.callee),
    quiet = d => !d.hot && !d.keep && !d.icon && !edgeSel(d.e),
    edges = which => order.filter(which).map(d =>
      html`<${Edge} key=${d.e.id} d=${d} sel=${edgeSel(d.e)} dim=${dim('edges', d.e)} pick=${() => edge(d.e)} over=${setOver}/>`),
    calm = d => paint(d.colour == '--edge' ? '--ink-2' : d.colour);
  return html`<div class="gcanvas" ref=${box}>
    <svg ref=${svg} viewBox=${`${v.x} ${v.y} ${v.w} ${v.h * (size.h + 44) / size.h}`} preserveAspectRatio="xMinYMin meet" role="group"
      aria-label="Call graph, left to right from the users. The same facts are in the table view." onPointerDown=${drag}
        onPointerMove=${pan} onPointerUp=${() => setGrip(null)}>
      ${boxes.map(b =>
        html`<g key=${b.cluster + b.x + b.top}>
        <rect class="nsbox" x=${b.x - 8} y=${b.top - 8} width=${b.w + 16} height=${b.bottom - b.top + 16} rx="8"/>
        <text class="nslab" x=${b.x - 4} y=${b.top - 11}>cluster ${b.cluster}</text></g>`)}
      <g class="calm">${edges(quiet)}</g>${edges(d => !quiet(d))}<g class="raised">${edges(d => near(d) && quiet(d))}</g>
      ${g.nodes.map(n =>
        html`<${Node} key=${n.id} n=${n} seconds=${g.seconds} overlay=${overlay} sel=${isSel(n)} dim=${dim('nodes', n)}
        hot=${g.into.get(n.id)?.some(e => e.mark)} first=${n == first} act=${act} key_=${nodeKey(n)}
        took=${() => setAt(n.id)} over=${setOver} versions=${versions}/>`)}
      ${order.filter(d => d.icon)
        .map(d => { const [x, y] = d.way.mid;
        return html`<g key=${'i' + d.e.id} class=${dim('edges', d.e) ? 'edge dim' : ''} onClick=${() => edge(d.e)}>
        <circle cx=${x} cy=${y} r="9" style=${{ fill: 'var(--bg)', stroke: d.icon == 'lock' ? 'none' : calm(d) }}/>
          <${Icon} n=${d.icon}
          at=${{ x: x - 6, y: y - 6, width: 12, height: 12, style: { width: '12px', height: '12px', color: calm(d) } }}/></g>`; })}
      ${labels.map(({ d, words, x, y, anchor }) =>
        html`<text key=${'l' + d.e.id} class=${'elab ' + d.cls} x=${x} y=${y} text-anchor=${anchor}
        style=${dim('edges', d.e) && { opacity: .42 }}>${words}</text>`)}
      ${over?.e && !isGone(over.e)
        && html`<text class="elab up" x=${over.way.mid[0]} y=${over.way.mid[1] - over.w / 2 - 7 - (over.icon ? 9 : 0)}
        text-anchor="middle">${over.rate.text}, ${
        over.e.errors ? share(over.rate.share) + ' failed' : 'no failures'}, p95 ${ms(over.e.p95_ns)}</text>`}</svg>${children}
    <div class="gtools">
      ${TOOLS.map(([icon, words, key, by]) =>
      html`<button class="btn" aria-label=${words} title=${`${words} (${key})`} onClick=${() => zoom(by)}><${Icon} n=${icon}/></button>`)}
      </div></div>`;
}
