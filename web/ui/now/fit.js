// fit.js: how much of a long way is shown.

// At most five nodes: gateways go first, then the middle folds. Gives [nodes to show, folded ones, the gateway before a node].
export function fit(nodes, at) {
  const gates = nodes.map((n, i) => i).filter(i => i && i < nodes.length - 1 && nodes[i].node.role == 'gateway' && i != at);
  let show = nodes.map((n, i) => i);
  for (const i of gates) if (show.length > 4) show = show.filter(x => x != i);
  const folded = show.length > 5 ? show.splice(2, show.length - 4) : [];
  return [show, folded, i => gates.find(x => x < i && !show.some(y => y >= x && y < i))];
}
