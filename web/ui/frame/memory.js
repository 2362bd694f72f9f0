// memory.js: small things that the browser remembers. Storage may be switched off: then nothing is.
export const remembered = key => { try { return localStorage[key]; } catch { return null; } };
export const remember = (key, value) => { try { localStorage[key] = value; } catch { /* not remembered then */ } };
