"""Somebody who has a keyboard only: where each key press leads, and whether it can be seen."""

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page

#: More stops than any page has that is meant to be walked through.
_MOST_STOPS = 400

#: What is focused: {what: its opening tag, faults: why it could not be seen}; null for nothing.
_FOCUSED = """() => {
  const focused = document.activeElement;
  if (!focused || focused === document.body || focused === document.documentElement) return null;
  const faults = [];
  const what = focused.cloneNode(false).outerHTML.slice(0, 140);
  // A ring is drawn around the element, or around the label or card that stands for it.
  const rings = [focused, focused.parentElement, focused.nextElementSibling, focused.closest('label')].filter(Boolean);
  const has_ring = element => {
    const style = getComputedStyle(element);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1.5;
  };
  if (!rings.some(has_ring)) faults.push('no ring');
  const box = (rings.find(has_ring) ?? focused).getBoundingClientRect();
  if (box.width < 2 || box.height < 2) faults.push('too small to be seen');
  if (box.bottom < 0 || box.top > innerHeight || box.right < 0 || box.left > innerWidth) faults.push('out of the window');
  else {
    const inside = (low, high, most) => Math.min(Math.max((Math.max(low, 0) + Math.min(high, most)) / 2, 1), most - 1);
    const top = document.elementFromPoint(inside(box.left, box.right, innerWidth), inside(box.top, box.bottom, innerHeight));
    if (top && !rings.some(one => one.contains(top) || top.contains(one))) faults.push(`under ${top.className || top.localName}`);
  }
  return { what, faults };
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyboard:
    """Presses keys on a page, and collects in `faults` each stop that could not be seen."""

    page: Page
    faults: list[str]

    def tab_to(self, target: Locator, *, backwards: bool = False) -> None:
        """Press Tab until the target is focused. Errors: AssertionError with the way gone."""
        way: list[str] = []
        for _ in range(_MOST_STOPS):
            stop = self.stop_at_next(backwards=backwards)
            if stop is not None and target.evaluate("one => one === document.activeElement"):
                return
            way.append(str(stop))
        raise AssertionError(f"Tab does not lead to {target}: {way}")

    def stop_at_next(self, *, backwards: bool = False) -> str | None:
        """Press Tab once; what is focused then, None for nothing."""
        self.page.keyboard.press("Shift+Tab" if backwards else "Tab")
        focused: Any = self.page.evaluate(_FOCUSED)
        if focused is None:
            return None
        self.faults.extend(f"{fault}: {focused['what']}" for fault in focused["faults"])
        return str(focused["what"])

    def walk(self) -> int:
        """Press Tab from the skip link until it is there again; how many stops there were."""
        self.page.evaluate("() => document.activeElement.blur()")
        first = self.stop_at_next()
        assert first is not None
        assert 'class="jump"' in first, first
        stop: str | None = first
        for stops in range(1, _MOST_STOPS):
            if stop is not None and stop.startswith("<textarea"):
                self.page.keyboard.press("Escape")  # as the page tells those who write: Tab indents
            stop = self.stop_at_next()
            if stop == first:
                return stops
        raise AssertionError(f"Tab does not lead out of {self.page.url}")

    def press(self, target: Locator, key: str = "Enter") -> None:
        """Go to the target and press a key on it."""
        self.tab_to(target)
        self.page.keyboard.press(key)
