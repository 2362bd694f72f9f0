// html.js: preact bound to htm. Every page takes its tools from here, so that the library has one home.
// Text in a template becomes a text node: nothing that came from the network can become markup.
import htm from 'htm';
import { h, render, Fragment } from 'preact';
import { useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback } from 'preact/hooks';

export const html = htm.bind(h);
export { h, render, Fragment, useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback };
