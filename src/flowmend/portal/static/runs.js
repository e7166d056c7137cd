// Choosing runs: how many are chosen, all of the page at once, and why nothing can be done with none.
(() => {
  'use strict';
  const picks = form => [...form.querySelectorAll('.pick input')];

  function count(form) {
    const boxes = picks(form), chosen = boxes.filter(box => box.checked);
    const shown = form.querySelector('[data-count]'), all = form.querySelector('[data-all]');
    if (shown && shown.textContent !== String(chosen.length)) shown.textContent = chosen.length;
    boxes.forEach(box => box.closest('tr').classList.toggle('on', box.checked));
    if (all) {
      all.hidden = false;
      all.checked = chosen.length === boxes.length;
      all.indeterminate = chosen.length > 0 && !all.checked;
    }
  }

  document.addEventListener('change', event => {
    const form = event.target.closest?.('form[data-picks]');
    if (!form) return;
    if (event.target.matches('[data-all]')) picks(form).forEach(box => { box.checked = event.target.checked; });
    count(form);
  });

  const count_here = () => document.querySelectorAll('form[data-picks]').forEach(count);
  // The page is made anew when a run changes, and comes back from the browser's own memory with its boxes ticked.
  new MutationObserver(count_here).observe(document.getElementById('main'), { childList: true });
  addEventListener('pageshow', count_here);
  count_here();
})();
