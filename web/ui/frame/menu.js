// menu.js: the one menu. "Copy as" and every other list of a few actions.
import { html, useEffect, useLayoutEffect, useRef, useState } from '../html.js';
import { Icon } from '../draw/marks.js';

let say = () => {};
export function Status() {
  const [text, set] = useState('');
  useEffect(() => {
    let timer;
    say = words => { set(words); clearTimeout(timer); timer = setTimeout(() => set(''), 2500); };
    return () => { say = () => {}; };
  }, []);
  return html`<div class=${'said' + (text ? '' : ' sr')} role="status" aria-live="polite">${text}</div>`;
}
// Says something short at the bottom of the page, also to screen readers.
export const tell = words => say(words);

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
  say(what);
}
export const copyLink = () => copy(location.href, 'Link copied');

// items: [['SQL', () => text or a promise of it], …]; a string in second place is a link to go to.
// Without a label the icon alone is the button, and `title` its name.
export function Menu({ label = 'Copy as', icon = 'copy', items, c = '', title }) {
  const [open, setOpen] = useState(false), box = useRef(null), button = useRef(null);
  useLayoutEffect(() => {
    if (!open) return;
    box.current.querySelector('[role=menuitem]')?.focus();
    const away = e => { if (!box.current?.parentNode.contains(e.target)) setOpen(false); };
    addEventListener('pointerdown', away);
    return () => removeEventListener('pointerdown', away);
  }, [open]);
  const close = () => { setOpen(false); button.current.focus(); };
  const move = e => {
    const all = [...box.current.querySelectorAll('[role=menuitem]')], at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[e.key];
    if (e.key == 'Escape' || e.key == 'Tab') { if (e.key == 'Escape') e.preventDefault(); e.stopPropagation(); close(); }
    else if (to != null) { e.preventDefault(); all.at(to % all.length).focus(); }
  };
  const pick = async get => {
    close();
    const [name, make] = get;
    try { await copy(await make(), `${name} copied`); } catch (e) { say(`Not copied: ${e.message}`); }
  };
  return html`<span class="menu">
    <button ref=${button} class=${'btn ' + c} aria-haspopup="menu" aria-label=${label ? null : title} title=${title} aria-expanded=${open ? 'true' : 'false'} onClick=${() => setOpen(!open)}
      onKeyDown=${e => { if (e.key == 'ArrowDown') { e.preventDefault(); setOpen(true); } }}>${icon && html`<${Icon} n=${icon}/>`}${label}</button>
    ${open && html`<div class="pop" role="menu" aria-label=${label || title} ref=${box} onKeyDown=${move}>
      ${items.map(item => html`<button role="menuitem" tabindex="-1" key=${item[0]} onClick=${() => pick(item)}>${item[0]}</button>`)}</div>`}</span>`;
}
