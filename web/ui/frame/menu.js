// menu.js: what opens and closes: the one menu ("Copy as" and every other list of a few actions), dialogs; copying, and saying that it was done.
import { html, useEffect, useLayoutEffect, useRef, useState } from '../html.js';
import { Icon } from '../draw/marks.js';
import { flag } from '../draw/parts.js';
import { keysOf } from './keys.js';
import { store, useEvent } from './store.js';

const said = store('');
let quiet = 0;
// Says something short at the bottom of the page, also to screen readers.
export function tell(words) {
  said.set(words);
  clearTimeout(quiet);
  quiet = setTimeout(said.set, 2500, '');
}
export function Status() {
  const text = said.use();
  return html`<div class=${'said' + (text ? '' : ' sr')} role="status" aria-live="polite">${text}</div>`;
}

export async function copy(text, what = 'Copied') {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'sr';
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  tell(what);
}
export const copyLink = () => copy(location.href, 'Link copied');
// One action of a menu: [name, the text or a function that gives it, or a promise of it].
export async function copyItem([name, make]) {
  try { await copy(await (make.call ? make() : make), `${name} copied`); } catch (e) { tell(`Not copied: ${e.message}`); }
}

// What hangs below a button and goes when one presses elsewhere, or Escape. `close(true)` gives the focus back to the button.
export function usePop(first) {
  const [open, setOpen] = useState(false), box = useRef(null), button = useRef(null);
  const close = back => { setOpen(false); if (back) button.current.focus(); };
  useLayoutEffect(() => { if (open) box.current.querySelector(first)?.focus(); }, [open]); /* before anything can be typed */
  useEvent('pointerdown', e => { if (!box.current?.parentNode.contains(e.target)) close(); }, open);
  return { open, box, button, close, toggle: () => setOpen(!open), show: () => setOpen(true) };
}

// items: as of copyItem(), the link always first. Without a label the icon alone is the button, and "Copy as" its name. pick(item): instead of
// copying; then there is no link.
export function Menu({ label = 'Copy as', icon = 'copy', items, c = '', pick }) {
  const { open, box, button, close, toggle, show } = usePop('[role=menuitem]');
  const to = place => () => {
    const all = [...box.current.children];
    all.at(place(all.indexOf(document.activeElement)) % all.length).focus();
  };
  const keys = keysOf({ ArrowDown: to(i => i + 1), ArrowUp: to(i => i - 1), Home: to(() => 0), End: to(() => -1),
    Escape: () => close(true), Tab: () => close(true) });
  return html`<span class="menu">
    <button ref=${button} class=${'btn ' + c} aria-haspopup="menu" aria-label=${label ? null : 'Copy as'}
    title=${label ? null : 'Copy as'}
      aria-expanded=${flag(open)} onClick=${toggle} onKeyDown=${keysOf({ ArrowDown: show })}>${icon && html`<${Icon} n=${icon}/>`}${label}
        </button>
    ${open && html`<div class="pop" role="menu" aria-label=${pick ? label : 'Copy as'} ref=${box} onKeyDown=${keys}>
      ${[...pick ? [] : [['Link', location.href]], ...items].map(item => html`<button role="menuitem" tabindex="-1" key=${item[0]}
        onClick=${() => { close(true); (pick || copyItem)(item); }}>${item[0]}</button>`)}</div>`}</span>`;
}

// A dialog while it is shown; a press beside it closes it.
export function Dialog({ shown, label, c, close, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    const d = dialog.current;
    if (d.open != !!shown) d[shown ? 'showModal' : 'close']();
  }, [!shown]);
  return html`<dialog ref=${dialog} class=${c} aria-label=${label} onClose=${close}
    onClick=${e => { if (e.target == dialog.current) close(); }}>${shown && children}</dialog>`;
}
