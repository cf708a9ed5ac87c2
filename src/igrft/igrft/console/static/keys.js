// SPDX-License-Identifier: Apache-2.0
// Keys: stopping everywhere, the rest by page.

import { press } from './controls.js';
import { stop } from './stop.js';

const at = (id) => document.getElementById(id);
const PAGES = ['drive', 'episodes', 'trainer', 'health'];
const EVERYWHERE = {
  R: () => press('reset'),
  h: () => press('dismiss'),
  a: () => at('sound').click(),
  t: () => at('theme').click(),
  '?': () => at('shortcuts').showModal(),
  ...Object.fromEntries(PAGES.map((page, index) => [String(index + 1), () => (location.hash = page)])),
};
const DRIVE = { n: 'start', s: 'success', f: 'failure', m: 'mark', p: 'pause', d: 'discard' };
const REPEATABLE = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'];

function isTyping(event) {
  return Boolean(event.target.matches?.('input:not([type=range]), select'));
}

/** `replay` has the keys of the page of episodes. */
export function wireKeys(replay) {
  const byPage = {
    drive: Object.fromEntries(Object.entries(DRIVE).map(([key, id]) => [key, () => press(id)])),
    episodes: replay,
  };

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = isTyping(event);
    if (event.key === 'Escape' || (event.key === ' ' && !typing)) {
      // Space would also press the focused button, Escape close the dialog; stopping is all they do here.
      event.preventDefault();
      if (!event.repeat) stop();
      return;
    }
    if (typing || at('shortcuts').open || (event.repeat && !REPEATABLE.includes(event.key))) return;
    const keys = { ...EVERYWHERE, ...byPage[document.body.dataset.page] };
    const act = keys[event.key] ?? (event.shiftKey ? undefined : keys[event.key.toLowerCase()]);
    if (!act) return;
    event.preventDefault();
    act();
  }

  document.addEventListener('keydown', onKey, true);
  document.addEventListener('keyup', (event) => event.key === ' ' && !isTyping(event) && event.preventDefault(), true);
}
