// hues.js: the colours of services.

// A service's hue: fnv1a(cluster/namespace/name) mod 10.
const keyOf = n => `${n.cluster}/${n.namespace}/${n.service}`;
export function hueOf(node) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(keyOf(node))) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % 10;
}
// Hues of several services that stand together: a clash takes the next free hue. Gives a function of a service.
export function hues(nodes) {
  const taken = new Set(), of = new Map();
  for (const node of nodes) {
    if (of.has(keyOf(node))) continue;
    let hue = hueOf(node);
    while (taken.has(hue) && taken.size < 10) hue = (hue + 1) % 10;
    taken.add(hue);
    of.set(keyOf(node), hue);
  }
  return node => of.get(keyOf(node)) ?? hueOf(node);
}
