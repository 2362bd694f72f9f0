// html.js: preact and its templates. Every page takes its tools from here, so that the library has one home.
// Text in a template becomes a text node: nothing that came from the network can become markup. `html` is what the build
// turns into plain calls; it is never called itself.
import { h, render } from 'preact';
import { useState, useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';

export const html = h;
export { render, useState, useEffect, useLayoutEffect, useMemo, useRef };
