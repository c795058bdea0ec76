/* Runs inside the browser, read as text by browser.test.ts: an object of the questions that only a page can answer. */
({
  /** How far the page sticks out sideways, and what does. */
  sideways() {
    const out = document.documentElement.scrollWidth - window.innerWidth;
    const names = [...document.querySelectorAll('body *')]
      .filter((element) => element.getBoundingClientRect().right > window.innerWidth + 1)
      .slice(0, 4)
      .map((element) => `${element.tagName.toLowerCase()}.${element.className}`);
    const huge = [...document.querySelectorAll('svg:not(.chart)')].filter(
      (svg) => svg.getBoundingClientRect().width > 48,
    );
    if (huge.length > 0) return [`a sign is drawn ${huge[0].getBoundingClientRect().width} px wide`];
    return out > 0 ? [`scrolls sideways by ${out} px: ${names.join(', ')}`] : [];
  },

  /** How many controls can be seen and are meant to be reached by the Tab key. */
  controls() {
    const all = [...document.querySelectorAll('a[href],button,input:not([type=hidden]),select,textarea,summary')];
    return all.filter(
      (element) =>
        element.checkVisibility({ visibilityProperty: true }) &&
        element.tabIndex >= 0 &&
        // The arrow keys move within a group of radio buttons; Tab stops at the chosen one.
        !(element.type === 'radio' && !element.checked) &&
        !element.closest('details:not([open]) > :not(summary)'),
    ).length;
  },

  /** What has the focus, and whether one can see that it has. */
  focused() {
    const element = document.activeElement;
    if (!element || element === document.body) return undefined;
    element.dataset.seen ??= String(Math.random());
    const shown =
      getComputedStyle(element).outlineStyle !== 'none' || getComputedStyle(element, '::after').outlineStyle !== 'none';
    return { seen: element.dataset.seen, shown, what: element.outerHTML.slice(0, 120) };
  },

  /** Texts whose colour is too close to what lies behind them: WCAG 2.2, 1.4.3. */
  contrast() {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const parse = (colour) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      return [r, g, b, a / 255];
    };
    const part = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    const behind = (element) => {
      let mixed = [0, 0, 0];
      let left = 1;
      for (let at = element; at && left > 0.01; at = at.parentElement) {
        const [r, g, b, a] = parse(getComputedStyle(at).backgroundColor);
        mixed = [r, g, b].map((value, index) => mixed[index] + value * a * left);
        left *= 1 - a;
      }
      return mixed.map((value) => value + 255 * left);
    };
    const faults = new Map();
    for (const element of document.querySelectorAll('body *')) {
      const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
      const seen = element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
      if (!words || !seen || element.closest('.sr, svg')) continue;
      const style = getComputedStyle(element);
      const [front, back] = [light(parse(style.color)), light(behind(element))];
      const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
      const size = Number.parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      const name = `${element.tagName.toLowerCase()}.${element.className}`;
      if (ratio < (large ? 3 : 4.5))
        faults.set(name, `contrast ${ratio.toFixed(2)} of ${name} "${element.textContent.trim().slice(0, 30)}"`);
    }
    return [...faults.values()];
  },
});
