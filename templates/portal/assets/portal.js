/*
 * Improvements only: every page works without this file. Copy buttons, speech, live refresh, live preview of templates.
 * No markup is built from data here; fragments come from the server, rendered and escaped there.
 */
document.documentElement.classList.add('js');

const say = (button, text) => {
  const before = button.dataset.label ?? button.textContent;
  button.dataset.label = before;
  button.textContent = text;
  setTimeout(() => {
    button.textContent = before;
  }, 1600);
};

document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copy],[data-speak]');
  if (!button) return;
  const source = document.getElementById(button.dataset.copy ?? button.dataset.speak);
  if (!source) return;
  const text = (source.value ?? source.textContent).trim();
  if (button.dataset.copy) {
    try {
      await navigator.clipboard.writeText(text);
      say(button, 'Copied');
    } catch {
      getSelection()?.selectAllChildren(source);
      say(button, 'Press Ctrl+C');
    }
    return;
  }
  if (speechSynthesis.speaking) {
    speechSynthesis.cancel();
    return;
  }
  const utterance = new SpeechSynthesisUtterance(text);
  if (button.dataset.language) utterance.lang = button.dataset.language;
  speechSynthesis.speak(utterance);
});

// A browser that cannot speak shows no play button.
if (!('speechSynthesis' in window)) for (const button of document.querySelectorAll('[data-speak]')) button.remove();

// A second press of a button that sends something does nothing while the first is under way.
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.method !== 'post' || event.submitter?.formTarget) return;
  if (form.dataset.busy) event.preventDefault();
  form.dataset.busy = '1';
  setTimeout(() => delete form.dataset.busy, 4000);
});
addEventListener('pageshow', () => {
  for (const form of document.querySelectorAll('form[data-busy]')) delete form.dataset.busy;
});

// A file that is too large is not even sent.
const picker = document.querySelector('input[data-max-mb]');
picker?.addEventListener('change', () => {
  const large = (picker.files[0]?.size ?? 0) > Number(picker.dataset.maxMb) * 1_048_576;
  document.getElementById('file-size').hidden = !large;
  picker.setCustomValidity(large ? 'This file is too large for this page.' : '');
});

// Live pages: the part marked data-live is fetched again while the page is looked at and nobody is in the middle of it,
// until it says that it is over.
const live = document.querySelector('[data-live]');
if (live) {
  let every = Number(live.dataset.live) * 1000;
  let over = 'over' in live.dataset;
  const idle = () =>
    !document.hidden &&
    !live.contains(document.activeElement) &&
    !live.querySelector('details[open]') &&
    getSelection()?.isCollapsed !== false;
  const refresh = async () => {
    if (idle()) {
      try {
        const answer = await fetch(location.href, { headers: { 'x-fragment': 'live' }, redirect: 'error' });
        if (answer.ok) {
          const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
          const fresh = page.querySelector('[data-live]');
          if (fresh && idle()) {
            every = Number(fresh.dataset.live) * 1000;
            over = 'over' in fresh.dataset;
            if (fresh.innerHTML !== live.innerHTML) live.replaceChildren(...fresh.childNodes);
          }
        }
      } catch {
        // The next round tries again; the refresh link stays where it is.
      }
    }
    if (!over) setTimeout(refresh, every);
  };
  if (!over) setTimeout(refresh, every);
}

// Live preview: the form is sent to the same address its Preview button uses, and the answer's preview replaces ours.
const editor = document.querySelector('form[data-preview]');
const pane = document.getElementById('preview');
if (editor && pane) {
  let timer;
  let running;
  // The HTML goes into its frame by the same button that works without us, and only when there is some.
  const drawLetter = () => {
    const button = document.getElementById('draw-letter');
    const html = [...editor.querySelectorAll('textarea.code')].some(
      (area) => area.name !== 'data' && area.value.trim(),
    );
    document.getElementById('letter-box')?.toggleAttribute('hidden', !html);
    if (button && html) editor.requestSubmit(button);
  };
  drawLetter();
  const draw = async () => {
    running?.abort();
    running = new AbortController();
    try {
      const answer = await fetch(editor.dataset.preview, {
        method: 'POST',
        body: new URLSearchParams([...new FormData(editor), ['preview', '1']]),
        signal: running.signal,
      });
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const fresh = page.getElementById('preview');
      if (fresh) pane.replaceChildren(...fresh.childNodes);
      drawLetter();
    } catch {
      // Overtaken by the next keystroke, or offline: the last preview stays.
    }
  };
  editor.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(draw, 350);
  });
}
