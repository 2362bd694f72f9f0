// store.js: a value that components watch, and what happens to the window.
import { useEffect, useState } from '../html.js';

export function store(value) {
  const watchers = new Set();
  return {
    get: () => value,
    set(next) {
      value = next;
      for (const tell of [...watchers]) tell(next);
    },
    use() {
      const [now, tell] = useState(value);
      useEffect(() => {
        tell(value);
        watchers.add(tell);
        return () => watchers.delete(tell);
      }, []);
      return now;
    },
  };
}

// Calls f with each event of the window, or of another target, while the component is there and `on`.
export function useEvent(names, f, on = true, options, target = window) {
  useEffect(() => {
    if (!on) return;
    for (const name of names.split(' ')) target.addEventListener(name, f, options);
    return () => { for (const name of names.split(' ')) target.removeEventListener(name, f, options); };
  });
}

// Draws again what depends on colours or on how times are written.
export const looks = store(0);
export const looksChanged = () => looks.set(looks.get() + 1);
matchMedia('(prefers-color-scheme:dark)').addEventListener('change', looksChanged);

const narrow = matchMedia('(max-width:720px)'), phone = store(narrow.matches);
narrow.addEventListener('change', () => phone.set(narrow.matches));
export const usePhone = phone.use;
