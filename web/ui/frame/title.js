// title.js: the page's title begins with the finding.
import { useEffect } from '../html.js';

export function useTitle(...parts) {
  const text = [...parts.filter(Boolean), 'faultline'].join(' · ');
  useEffect(() => { document.title = text; }, [text]);
}
