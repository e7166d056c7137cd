// The portal's one script: it only adds to pages that work without it.
(() => {
  'use strict';
  const root = document.documentElement;
  const main = () => document.getElementById('main');
  const closest = (event, selector) => event.target.closest?.(selector);

  // ---- small things: menus, revealing a password, copying, busy buttons ----

  function reveal_tools(scope) {
    scope.querySelectorAll('[data-reveal], [data-copy]').forEach(button => { button.hidden = false; });
  }

  document.addEventListener('click', event => {
    document.querySelectorAll('details.menu[open]').forEach(menu => { if (!menu.contains(event.target)) menu.open = false; });
    const eye = closest(event, '[data-reveal]');
    if (eye) {
      const field = document.getElementById(eye.dataset.reveal);
      const hides = eye.getAttribute('aria-pressed') === 'true';
      if (field.localName === 'textarea') field.classList.toggle('secret', hides);
      else field.type = hides ? 'password' : 'text';
      eye.setAttribute('aria-pressed', !hides);
    }
    const copy = closest(event, '[data-copy]');
    if (copy) {
      const field = document.getElementById(copy.dataset.copy);
      field.select?.();
      navigator.clipboard?.writeText(field.value ?? field.textContent).then(() => {
        copy.querySelector('span').textContent = copy.dataset.copied;
        say(copy.dataset.copied);
      });
    }
    const more = closest(event, 'a[data-load]');
    if (more && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); load_into(more); }
    const why = closest(event, '[aria-disabled=true]');
    if (why) {
      event.preventDefault();
      document.getElementById(why.getAttribute('aria-describedby'))?.scrollIntoView({ block: 'nearest' });
    }
  });

  // A link whose page can be read in place: its part `#trace` comes below the link, a second click takes it away.
  async function load_into(link) {
    const place = document.getElementById(link.dataset.load);
    if (place.firstChild) { place.replaceChildren(); link.setAttribute('aria-expanded', 'false'); return; }
    let answer;
    try { answer = await fetch(link.href, { headers: { accept: 'text/html' } }); } catch { return; }
    const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('trace');
    if (!fresh) { location.href = link.href; return; }
    place.replaceChildren(...document.adoptNode(fresh).childNodes);
    link.setAttribute('aria-expanded', 'true');
  }

  // What a card of a run holds is read when the card is opened; `toggle` does not bubble.
  document.addEventListener('toggle', event => {
    const body = event.target.open && event.target.querySelector?.(':scope > [data-body]');
    if (body) load_body(body);
  }, true);

  async function load_body(body) {
    const link = body.querySelector('a');
    body.removeAttribute('data-body');
    body.setAttribute('aria-busy', 'true');
    let answer;
    try { answer = await fetch(link.href, { headers: { accept: 'text/html' } }); } catch { /* the link stays */ }
    const fresh = answer?.ok && new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('action');
    body.removeAttribute('aria-busy');
    if (!fresh) { body.dataset.body = ''; return; }
    body.replaceChildren(...document.adoptNode(fresh).childNodes);
    reveal_tools(body);
  }

  document.addEventListener('keydown', event => {
    if (event.key === 'Escape') {
      document.querySelectorAll('details.menu[open]').forEach(menu => { menu.open = false; menu.querySelector('summary').focus(); });
    }
    if (event.key === '/' && !event.ctrlKey && !event.metaKey && !event.altKey && !is_typing()) {
      const find = document.querySelector('.find input');
      if (find?.checkVisibility()) { event.preventDefault(); find.focus(); }
    }
  });

  // A form is sent once: a second click on Resubmit would be a second wish.
  document.addEventListener('submit', event => {
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    if (event.target.method !== 'post') return;
    event.target.dataset.sent = 'yes';
    const button = event.submitter;
    if (button?.classList.contains('btn')) { button.classList.add('is-busy'); button.setAttribute('aria-busy', 'true'); }
  });

  // A page that comes back from the browser's own memory is free again, and perhaps old.
  addEventListener('pageshow', event => {
    if (!event.persisted) return;
    document.querySelectorAll('form[data-sent]').forEach(form => { delete form.dataset.sent; });
    document.querySelectorAll('.is-busy').forEach(button => { button.classList.remove('is-busy'); button.removeAttribute('aria-busy'); });
    look_again();
  });

  document.addEventListener('change', event => {
    const form = closest(event, 'form[data-auto]');
    if (form && event.target.tagName === 'SELECT') form.requestSubmit();
  });

  // A repair link's secret stands in the fragment, which no server is sent: it goes from there into the form, and away.
  const code = document.querySelector('input[data-from-fragment]');
  if (code && location.hash.length > 1) {
    code.value = location.hash.slice(1);
    history.replaceState(null, '', location.pathname);
    code.form.requestSubmit();
  }

  // A link to a card opens it.
  function open_target() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.tagName === 'DETAILS') target.open = true;
  }
  addEventListener('hashchange', open_target);

  // ---- live: one event stream a browser, pages look again when something they show changed ----

  const LOOK_EVERY = 1500;
  let looked_at = 0, looks = 0, waiting = 0, ringing = 0, wants = false;

  function is_typing() {
    return /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? '');
  }

  function concerns(change) {
    const live = main()?.dataset.live;
    if (!live) return false;
    const ids = Object.values(change.facts ?? {});
    return live.split(' ').some(token => {
      const [topic, ...id] = token.split(':');
      return topic === change.topic && (id.length === 0 || ids.includes(id.join(':')));
    });
  }

  // What was under way when the page was made may have ended before the stream was open.
  const catch_up = () => { if (main()?.querySelector('.spin')) look_again(); };

  // The bell stands on every page, also on those that show nothing live.
  async function ring() {
    let answer;
    try { answer = await fetch('/notices', { headers: { accept: 'text/html' } }); } catch { return; }
    const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('bell');
    const bell = document.getElementById('bell');
    if (!fresh || !bell) return;
    bell.setAttribute('aria-label', fresh.getAttribute('aria-label'));
    swap(bell, fresh);
  }

  function heard(change) {
    if (change.topic === 'notice') { clearTimeout(ringing); ringing = setTimeout(ring, 300); }
    if (change.topic === 'reconnected' ? main()?.dataset.live : concerns(change)) look_again();
  }

  // At most one look in a while, the last change always seen; never under somebody's typing hands.
  function look_again() {
    if (!main()?.dataset.live || waiting) return;
    waiting = setTimeout(() => {
      waiting = 0;
      const is_choosing = main().querySelector('form[data-picks] .pick input:checked');
      if (document.hidden || is_choosing || (is_typing() && main().contains(document.activeElement))) { wants = true; return; }
      looked_at = Date.now();
      refresh();
    }, Math.max(0, looked_at + LOOK_EVERY - Date.now()));
  }
  const if_wanted = () => { if (wants) { wants = false; look_again(); } };
  document.addEventListener('visibilitychange', if_wanted);
  document.addEventListener('focusout', () => setTimeout(if_wanted, 100));

  async function refresh() {
    const asked = location.href, look = ++looks;
    let answer;
    try { answer = await fetch(asked, { headers: { accept: 'text/html' } }); } catch { return; }
    if (!answer.ok || answer.redirected || asked !== location.href) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (!fresh.getElementById('main') || look !== looks) return; // a slow answer must not undo a newer one
    const said = main().dataset.says;
    swap(document.querySelector('.nav'), fresh.querySelector('.nav'));
    swap(main(), fresh.getElementById('main'));
    document.title = fresh.title;
    if (main().dataset.says !== said) say(main().dataset.says);
  }

  function swap(old, fresh) {
    if (!old || !fresh || old.innerHTML === fresh.innerHTML) return;
    // What was chosen by hand stays: opened cards, chosen runs, the place in wide pictures, the focus.
    old.querySelectorAll('details[id]').forEach(card => {
      const same = fresh.querySelector(`#${CSS.escape(card.id)}`);
      if (same && card.dataset.touched) { same.open = card.open; same.dataset.touched = 'yes'; }
    });
    const picked = new Set([...old.querySelectorAll('.pick input:checked')].map(box => box.value));
    fresh.querySelectorAll('.pick input').forEach(box => { box.checked = picked.has(box.value); });
    const graph = old.querySelector('.graph')?.scrollLeft ?? 0;
    const focused = old.contains(document.activeElement) ? path_to(document.activeElement) : null;
    old.replaceChildren(...document.adoptNode(fresh).childNodes);
    if ('live' in fresh.dataset) old.dataset.live = fresh.dataset.live;
    if ('says' in fresh.dataset) old.dataset.says = fresh.dataset.says;
    reveal_tools(old);
    if (graph) old.querySelector('.graph').scrollLeft = graph;
    // Where it went, the keys go on from the beginning of the content, not of the page.
    if (focused) (old.querySelector(focused) ?? old).focus({ preventScroll: true });
  }

  // How to find the same thing in the fresh page: by id, address, or the button's name.
  function path_to(element) {
    const scope = element.closest('[id]');
    const inside = scope === element || scope === main() ? '' : `#${CSS.escape(scope.id)} `;
    if (scope === element) return `#${CSS.escape(element.id)}`;
    const href = element.getAttribute('href');
    if (href) return `${inside}a[href="${CSS.escape(href)}"]`;
    const told = ['name', 'value', 'form', 'aria-label'].filter(name => element.hasAttribute(name))
      .map(name => `[${name}="${CSS.escape(element.getAttribute(name))}"]`).join('');
    const action = element.form?.hasAttribute('action') ? `form[action="${CSS.escape(element.form.getAttribute('action'))}"] ` : '';
    return `${inside}${element.hasAttribute('form') ? '' : action}${element.tagName.toLowerCase()}${told}`;
  }

  document.addEventListener('click', event => {
    const summary = closest(event, 'summary');
    if (summary) summary.parentElement.dataset.touched = 'yes';
  }, true);

  function say(words) {
    const news = document.getElementById('news');
    if (news && words) { news.textContent = ''; setTimeout(() => { news.textContent = words; }, 50); }
  }

  // One tab of the browser holds the stream and tells the others; when it goes, another takes over.
  function listen(tell) {
    let was_open = false;
    const stream = new EventSource(`/events?seen=${root.dataset.changes}`);
    stream.onopen = () => { if (was_open) tell({ topic: 'reconnected' }); else catch_up(); was_open = true; };
    stream.onmessage = event => tell(JSON.parse(event.data));
    return new Promise(() => {});
  }

  if (document.querySelector('.nav')) {
    if (navigator.locks && 'BroadcastChannel' in window) {
      const channel = new BroadcastChannel('flowmend');
      channel.onmessage = event => heard(event.data);
      navigator.locks.request('flowmend-events', () => listen(change => { channel.postMessage(change); heard(change); }));
    } else {
      listen(heard);
    }
  }

  // ---- start ----

  reveal_tools(document);
  open_target();
  catch_up();
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && zone !== root.dataset.zone) {
    document.cookie = `flowmend_zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax`;
    if (main()?.dataset.live) refresh();
  }
})();
