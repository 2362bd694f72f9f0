// keys.js: single keys, with the page's own in front of the frame's. They do nothing inside inputs, and can be switched off.
import { useEffect, useRef } from '../html.js';
import { remember, remembered } from './memory.js';

const layers = [];
let leader = 0, on = remembered('keys') != 'off';
export const keysOn = () => on;
export const setKeys = value => remember('keys', (on = value) ? 'on' : 'off');

// useKeys({j: f, 'g t': f, ArrowDown: f}): while this component is there. A function that gives false passes the key on.
export function useKeys(map) {
  const ref = useRef(map);
  ref.current = map;
  useEffect(() => {
    layers.push(ref);
    return () => { layers.splice(layers.indexOf(ref), 1); };
  }, []);
}

// An element's own keys: f of the key, which then does nothing else anywhere.
export const keysOf = map => e => {
  const f = map[e.key];
  if (!f || f(e) === false) return;
  e.preventDefault();
  e.stopPropagation();
};

const inInput = target => target.matches?.('input:not([type=checkbox]):not([type=radio]),textarea,select,[contenteditable]');

addEventListener('keydown', e => {
  if (e.defaultPrevented || e.metaKey || e.ctrlKey || e.altKey || inInput(e.target)) return;
  if (e.key.length == 1 && !on) return;
  if (document.querySelector('dialog[open]') && e.key != '?') return; /* Escape is the dialog's own */
  if (e.key == 'g' && !leader) {
    leader = setTimeout(() => leader = 0, 900);
    return;
  }
  const name = leader ? 'g ' + e.key : e.key;
  clearTimeout(leader);
  leader = 0;
  for (let i = layers.length - 1; i >= 0; i--) {
    const f = layers[i].current[name];
    if (f && f(e) !== false) return e.preventDefault();
  }
});
