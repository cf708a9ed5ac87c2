// SPDX-License-Identifier: Apache-2.0
// STOP needs nothing but the press, on every page. The bar below the header tells what is wrong.

import { command } from './connection.js';
import { report } from './messages.js';
import { isStopped } from './view.js';

const PATIENCE = 1000; // [ms] until a stop that nobody confirms is said to be unconfirmed
const at = (id) => document.getElementById(id);
let state = null;
let live = false;

export async function stop() {
  setTimeout(() => {
    if (!isStopped(state) || !live) report('The stop is not confirmed. Use the hardware stop.', 'error');
  }, PATIENCE);
  try {
    report(await command('e_stop'));
  } catch (error) {
    report(`${error.message} Use the hardware stop.`, 'error');
  }
}

export function followStop(next, isLive) {
  state = next;
  live = isLive;
  const problem = state?.episode?.problem || state?.problems[0] || '';
  let [text, level] = [problem, 'warn'];
  if (!live) [text, level] = ['No connection to the console. The robot goes on without it: use the hardware stop.', 'stop'];
  else if (isStopped(state)) [text, level] = ['Stopped. The arm stands still until the stop is reset.', 'stop'];
  else if (state?.safety?.silent) [text, level] = ['The safety node is silent. Use the hardware stop.', 'stop'];
  const element = at('banner');
  element.hidden = !text;
  element.dataset.level = level;
  if (at('banner-text').textContent !== text) at('banner-text').textContent = text;
  at('reset').hidden = !(live && isStopped(state));
}

export function wireStop() {
  // On the way down: a stop does not wait for the finger to come up again.
  at('stop').addEventListener('pointerdown', (event) => event.button === 0 && stop());
  at('stop').addEventListener('click', (event) => event.detail === 0 && stop()); // assistive technology
}
