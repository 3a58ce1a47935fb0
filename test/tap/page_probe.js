// Looks at a page in a browser and says what it saw, in an element that
// --dump-dom prints, of the page that frames it: what is wider than the window, the contrast of each text
// with what stands behind it, what was loaded, whether foreign code ran.
(function () {
  'use strict';
  const rgb = (text) => (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = (c) => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
  const contrast = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (element) => {
    const svg = element.closest('svg');
    if (svg) return rgb(getComputedStyle(svg.querySelector('.fc-paper')).fill);
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };

  const seen = { width: window.innerWidth, overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth };
  seen.wide = [...document.querySelectorAll('body *')].filter((e) => !e.closest('.scroll')
    && e.getBoundingClientRect().right > window.innerWidth + 1).length;
  seen.texts = 0;
  seen.contrast = 21;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || /^(script|style|title|desc)$/.test(element.localName)) continue;
    const style = getComputedStyle(element);
    const ratio = contrast(rgb(element.closest('svg') ? style.fill : style.color), behind(element));
    seen.texts++;
    if (ratio < seen.contrast) {
      seen.contrast = Math.round(ratio * 100) / 100;
      seen.faintest = walker.currentNode.data.slice(0, 40);
    }
  }
  seen.dark = matchMedia('(prefers-color-scheme: dark)').matches;
  seen.loaded = performance.getEntriesByType('resource').length;
  seen.scripts = document.scripts.length;
  seen.handlers = [...document.querySelectorAll('*')].filter((e) => [...e.attributes].some((a) => /^on/i.test(a.name))).length;
  seen.foreign = window.foreign === undefined ? 0 : 1;
  const out = document.createElement('pre');
  out.id = 'probe';
  out.textContent = 'PROBE' + JSON.stringify(seen) + 'EBORP';
  window.parent.document.body.appendChild(out);
}());
