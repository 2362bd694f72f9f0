// main.js: what is loaded first: the looks, and the script that all views share, which starts the page. build.mjs leaves out this one.
import './shared.js';
import './ui.css';
import './pages.css';
import './narrow.css';
