// The editor's help: line numbers, indenting, and the checker while one writes. The page works without it.
(() => {
  'use strict';
  const form = document.getElementById('editor');
  const text = document.getElementById('text');
  const problems = document.getElementById('problems');
  const CHECK_AFTER = 600;
  const saved = text.value;
  let shown_lines = 0, leaving = false, may_leave = false, timer = 0, asked = null;

  // ---- line numbers ----

  const numbers = document.createElement('pre');
  numbers.className = 'lines-of';
  numbers.setAttribute('aria-hidden', 'true');
  text.before(numbers);
  const along = () => { numbers.scrollTop = text.scrollTop; };
  text.addEventListener('scroll', along);

  function add_line(number) {
    const line = document.createElement('span'), digits = document.createElement('b');
    digits.textContent = number;
    line.append(digits);
    numbers.append(line);
  }

  function count_lines() {
    const count = text.value.split('\n').length;
    while (shown_lines < count) add_line(++shown_lines);
    while (shown_lines > count) { numbers.lastChild.remove(); shown_lines -= 1; }
    along();
  }
  new ResizeObserver(count_lines).observe(text);

  function mark_problems() {
    numbers.querySelectorAll('.bad, .warn').forEach(line => line.classList.remove('bad', 'warn'));
    problems.querySelectorAll('[data-first]').forEach(one => {
      const tone = one.dataset.severity;
      if (tone !== 'idle') numbers.children[one.dataset.first - 1]?.classList.add(tone);
    });
  }

  // ---- going to a line ----

  function offset_of(line) {
    let at = 0;
    for (let number = 1; number < line; number += 1) {
      const next = text.value.indexOf('\n', at);
      if (next < 0) return at;
      at = next + 1;
    }
    return at;
  }

  function show_lines(first, last) {
    numbers.querySelectorAll('.here').forEach(line => line.classList.remove('here'));
    for (let number = first; number <= last; number += 1) numbers.children[number - 1]?.classList.add('here');
    text.focus({ preventScroll: true });
    // Marked, not selected: the next key is not to wipe out an action.
    const start = offset_of(first) + text.value.split('\n')[first - 1].search(/\S|$/);
    text.setSelectionRange(start, start);
    const height = parseFloat(getComputedStyle(text).lineHeight);
    text.scrollTop = Math.max(0, (first - 4) * height);
    text.scrollLeft = 0;
    along();
  }

  problems.addEventListener('click', event => {
    const link = event.target.closest('[data-line]');
    if (!link) return;
    event.preventDefault();
    show_lines(Number(link.dataset.line), Number(link.dataset.last));
    text.scrollIntoView({ block: 'nearest' });
  });

  // ---- indenting ----

  // Typed this way, the browser's own undo takes it back.
  const type = words => document.execCommand('insertText', false, words);

  function indent(back) {
    const from = text.value.lastIndexOf('\n', text.selectionStart - 1) + 1;
    const chosen = text.value.slice(from, text.selectionEnd);
    if (!back && !chosen.includes('\n')) { type('  '); return; }
    const moved = chosen.replace(back ? /^ {1,2}/gm : /^(?=.)/gm, back ? '' : '  ');
    if (moved === chosen) return;
    text.setSelectionRange(from, text.selectionEnd);
    type(moved);
    text.setSelectionRange(from, from + moved.length);
  }

  text.addEventListener('keydown', event => {
    if (event.key === 'Escape') { leaving = true; return; }
    if (event.key === 'Tab' && !leaving && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      indent(event.shiftKey);
    } else if (event.key === 'Enter' && !event.isComposing) {
      const line = text.value.slice(text.value.lastIndexOf('\n', text.selectionStart - 1) + 1, text.selectionStart);
      event.preventDefault();
      type(`\n${line.match(/^ */)[0]}${/[{[]\s*$/.test(line) ? '  ' : ''}`);
    }
    if (event.key !== 'Shift') leaving = false;
  });

  // ---- the checker ----

  text.addEventListener('input', () => { count_lines(); clearTimeout(timer); timer = setTimeout(check, CHECK_AFTER); });

  async function check() {
    asked?.abort();
    const mine = asked = new AbortController();
    const body = new FormData();
    body.append('text', text.value);
    problems.setAttribute('aria-busy', 'true');
    try {
      const answer = await fetch(form.dataset.check, { method: 'POST', body, signal: mine.signal });
      if (!answer.ok || answer.redirected) return;
      const before = problems.querySelector('[data-summary]')?.textContent;
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
      problems.replaceChildren(...document.adoptNode(fresh.body).childNodes);
      mark_problems();
      const now = problems.querySelector('[data-summary]')?.textContent;
      if (now !== before) document.getElementById('news').textContent = now;
    } catch { /* the next keystroke asks again */ } finally {
      if (asked === mine) problems.removeAttribute('aria-busy');
    }
  }

  // ---- leaving ----

  form.addEventListener('submit', () => { may_leave = true; });
  addEventListener('beforeunload', event => { if (!may_leave && text.value !== saved) event.preventDefault(); });

  count_lines();
  mark_problems();
  if (form.dataset.mark) requestAnimationFrame(() => show_lines(Number(form.dataset.mark), Number(form.dataset.markLast)));
})();
