// ways.js: the drawing of edges: their lines through the points of the layout, and where their labels cover nothing.
import { sum } from './numbers.js';

const HEAD = 7; /* an arrow's head stands before the node by this */
const BETWEEN = 5, DOCK = 28; /* px: from one edge of a lane to the next; of a node's side, for all that arrive out of one */

const curve = ([x, y], [u, v]) => `C${x + (u - x) * .5} ${y} ${u - (u - x) * .5} ${v} ${u} ${v}`;

/* The way of an edge: curves between columns, straight through them. {d, mid: where its words and icon stand, end, turned: of the arrow's head, degrees,
 * steep: its words stand beside it} */
export function wayOf(e, node) {
  const p = e.points.flatMap((x, i) => i % 2 ? [] : [[x, e.points[i + 1]]]);
  if (!p.length) { /* to itself */
    const x = node.x + node.w - 26, top = node.y - node.h / 2, end = [x + 18, top - HEAD];
    return { d: `M${x} ${top}C${x - 6} ${top - 26} ${x + 26} ${top - 26} ${end.join(' ')}`, mid: [x + 6, top - 20], end, turned: 90 };
  }
  const first = p[0], last = p.at(-1), [x0, y0] = first, [x1, y1] = last;
  if (p.length == 2 && x0 == x1) { /* in one column */
    const end = [x1 + HEAD, y1];
    return { d: `M${x0} ${y0}C${x0 + 34} ${y0} ${x0 + 34} ${y1} ${end.join(' ')}`, mid: [x0 + 26, (y0 + y1) / 2], end, turned: 180 };
  }
  const end = [x1 + (e.back ? HEAD : -HEAD), y1], points = [...p.slice(0, -1), end],
    lengthOf = i => Math.abs(points[i][0] - points[i - 1][0]);
  let d = `M${x0} ${y0}`, through = 0; /* the longest straight piece */
  for (let i = 1; i < points.length; i++) {
    d += i % 2 ? curve(points[i - 1], points[i]) : `L${points[i].join(' ')}`;
    if (i % 2 == 0 && lengthOf(i) > (through && lengthOf(through))) through = i;
  }
  const [a, b] = through ? [points[through - 1], points[through]] : [first, end];
  return { d, mid: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], steep: !through && Math.abs(end[1] - y0) > 44, end,
    turned: e.back ? 180 : 0 };
}

// Edges that stand out and share a lane run beside each other in it, in the order in which they come, and arrive so: moves their points.
// Quiet ones stay one line.
export function apart(drawn) {
  const lanes = new Map();
  for (const d of drawn) {
    for (let p = d.e.points, i = 2; d.hot && i < p.length - 2; i += 2) {
      const key = `${p[i]} ${p[i + 1]}`;
      lanes.set(key, [...lanes.get(key) || [], { d, p, i, w: d.w + BETWEEN }]);
    }
  }
  for (const all of lanes.values()) {
    const whole = all.length > 1 && sum(all, 'w');
    let at = -whole / 2;
    for (const { p, i, w } of whole ? all.sort((a, b) => a.p[1] - b.p[1]) : []) {
      const by = at + w / 2;
      at += w;
      p[i + 1] += by;
      if (i == p.length - 4) p[i + 3] += by * Math.min(1, DOCK / whole);
    }
  }
}
export const headOf = ({ end: [x, y], turned }, size) => ({ d: `M${HEAD} 0l-${size + 2} ${-size}v${2 * size}z`,
  transform: `translate(${x} ${y}) rotate(${turned})` });

/* ---- texts ---- */

const pen = document.createElement('canvas').getContext('2d'), widths = new Map();
export function widthOf(text, font) {
  const key = font + text;
  if (!widths.has(key)) {
    pen.font = `${font} ${getComputedStyle(document.documentElement).fontFamily}`;
    widths.set(key, pen.measureText(text).width);
  }
  return widths.get(key);
}
// A name cut in the middle to fit.
export function fitted(text, px, font) {
  const letters = [...text],
    cut = keep => letters.slice(0, Math.ceil(keep / 2)).join('') + '…' + letters.slice(letters.length - Math.floor(keep / 2)).join('');
  let keep = letters.length, shown = text;
  while (keep > 1 && widthOf(shown, font) > px) shown = cut(--keep);
  return shown;
}

const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

// Where the words of an edge may stand, the best place first: [x, y, anchor, left end from x].
function placesOf(d, w) {
  const [x, y] = d.way.mid, out = d.w / 2 + (d.kind ? 3 : 0), off = d.icon ? 9 : 0, side = Math.max(8 + out, off + 5),
    centred = (dx, dy) => [x + dx, y + dy, 'middle', -w / 2], above = centred(0, -out - 5 - off), below = centred(0, out + 13 + off),
    left = [x - side, y + 4, 'end', -w], right = [x + side, y + 4, 'start', 0], lifted = centred(-22, -out - 18),
    lowered = centred(-22, out + 24), further = [-30, 38, -46, 54, -62].map(dy => centred(0, dy)),
    beside = [[-1, -16], [1, -16], [-1, 24], [1, 24]].map(([side, dy]) => centred(side * (w / 2 + 14), dy));
  return d.icon ? [...d.way.steep ? [right, left, below, above] : [below, above, right, left], ...further, ...beside] : d.way.steep ? [left, right, lifted, above, below, ...further]
    : [above, below, lifted, lowered, ...further, left, right];
}

// Edges between the same two nodes, told apart by how they cross.
export const isTwin = ({ e: a }, { e: b }) => a.caller == b.caller && a.callee == b.callee;

// Words of edges, where they cover nothing; the important ones first: [{d, words, x, y, anchor}]. An important one of which not even the
// brief words have room covers something.
export function placeLabels(drawn, nodes) {
  const taken = nodes.map(n => [n.x - 2, n.y - n.h / 2 - 2, n.x + n.w + 2, n.y + n.h / 2 + 2]), placed = [],
    rank = d => (d.hot ? 2 : 0) + /b|s/.test(d.kind);
  for (const { icon, way: { mid: [x, y] } } of drawn) if (icon) taken.push([x - 10, y - 10, x + 10, y + 10]);
  for (const d of drawn.filter(d => d.label).sort((a, b) => rank(b) - rank(a))) {
    if (placed.some(p => p.d.label == d.label && isTwin(p.d, d))) continue; /* both say it */
    const [tries, brief = tries] = [d.label, d.brief].filter(Boolean).map(words => {
      const w = widthOf(words, d.cls ? '600 11px' : '400 11px');
      return placesOf(d, w).map(([x, y, anchor, from]) => ({ d, words, x, y, anchor, box: [x + from - 2, y - 11, x + from + w + 2, y + 2] }));
    });
    const fit = [...tries, ...brief].find(t => !taken.some(b => overlap(b, t.box))) || d.hot && brief[0];
    if (!fit) continue;
    taken.push(fit.box);
    placed.push(fit);
  }
  return placed;
}

// Dotted boxes round what stands in another cluster than most.
export function clusterBoxes(nodes) {
  const n = new Map(), inside = nodes.filter(x => x.node.cluster && !x.fold), boxes = [];
  for (const x of inside) n.set(x.node.cluster, (n.get(x.node.cluster) || 0) + 1);
  const main = [...n].sort((a, b) => b[1] - a[1])[0]?.[0];
  for (const x of inside.filter(x => x.node.cluster != main).sort((a, b) => a.x - b.x || a.y - b.y)) {
    const box = boxes.at(-1), top = x.y - x.h / 2, bottom = top + x.h,
      goesOn = box?.cluster == x.node.cluster && box.x == x.x && !nodes.some(o => o.x == x.x && o.y > box.last && o.y < x.y);
    if (goesOn) Object.assign(box, { bottom, last: x.y });
    else boxes.push({ cluster: x.node.cluster, x: x.x, w: x.w, top, bottom, last: x.y });
  }
  return boxes;
}
