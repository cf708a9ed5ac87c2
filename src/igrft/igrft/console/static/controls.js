// SPDX-License-Identifier: Apache-2.0
// Buttons and keys. A command is sent once a press, its answer is shown, and STOP needs nothing but the press.

import { command } from './connection.js';
import { isStopped } from './view.js';

const CONFIRM = 3000; // [ms] in which the second press counts
const STOP_PATIENCE = 1000; // [ms] until a stop that nobody confirms is said to be unconfirmed
const at = (id) => document.getElementById(id);
let state = null;
let live = false;

const recording = () => state?.episode?.state === 'recording';
const running = () => ['recording', 'resetting'].includes(state?.episode?.state);
const idle = () => state?.episode?.state === 'idle';
const finished = () => idle() && Boolean(state.episode.path);

function judge(outcome) {
  return recording() ? command('episode/stop', { outcome }) : command('episode/label', { outcome, episode_id: '' });
}

function start() {
  const seed = at('seed').value.trim();
  const body = { kind: at('kind').value };
  if (seed !== '') body.seed = /^\d+$/.test(seed) ? Number(seed) : seed; // what is not a number is for the server to refuse
  return command('episode/start', body);
}

// id: [what it does, when it can be pressed, whether a second press is asked for]
const ACTIONS = {
  start: [start, () => idle() && !state.loop?.running],
  success: [() => judge('success'), () => recording() || finished()],
  failure: [() => judge('failure'), () => recording() || finished()],
  mark: [() => command('event', { event: 'mark_subtask' }), recording],
  pause: [() => command('event', { event: 'pause' }), () => recording() && !isStopped(state)],
  discard: [() => command('episode/discard'), running, true],
  reset: [() => command('e_stop/reset'), () => isStopped(state), true],
};
const KEYS = { n: 'start', s: 'success', f: 'failure', m: 'mark', p: 'pause', d: 'discard', R: 'reset' };

export function report(text, level = 'good') {
  const item = document.createElement('li');
  item.textContent = text;
  item.className = level;
  at('messages').prepend(item);
  while (at('messages').childElementCount > 3) at('messages').lastElementChild.remove();
  setTimeout(() => item.remove(), level === 'error' ? 15000 : 5000);
}

async function press(id) {
  const button = at(id);
  const [act, allowed, confirm] = ACTIONS[id];
  if (!live || !allowed() || button.ariaBusy === 'true') return;
  if (confirm && !button.dataset.confirm) {
    button.dataset.confirm = 'true';
    setTimeout(() => delete button.dataset.confirm, CONFIRM);
    report(`Press again: ${button.firstChild.textContent.trim().toLowerCase()}`);
    return;
  }
  delete button.dataset.confirm;
  button.ariaBusy = 'true';
  try {
    report(await act());
  } catch (error) {
    report(error.message, 'error');
  } finally {
    button.ariaBusy = 'false';
  }
}

async function stop() {
  setTimeout(() => {
    if (!isStopped(state) || !live) report('The stop is not confirmed. Use the hardware stop.', 'error');
  }, STOP_PATIENCE);
  try {
    report(await command('e_stop'));
  } catch (error) {
    report(`${error.message} Use the hardware stop.`, 'error');
  }
}

function banner() {
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

/** Follows the state: which buttons can be pressed, and what they are called now. */
export function follow(next, link) {
  state = next;
  live = link === 'live' && state !== null;
  for (const [id, [, allowed]] of Object.entries(ACTIONS)) at(id).disabled = !live || !allowed();
  const last = finished() && !recording();
  at('success').firstChild.textContent = last ? 'Last: success' : 'Success';
  at('failure').firstChild.textContent = last ? 'Last: failure' : 'Failure';
  at('pause').firstChild.textContent = state?.driver?.mode === 'paused' ? 'Resume policy' : 'Pause policy';
  at('start').title = state?.loop?.running ? 'The loop starts its own episodes' : '';
  banner();
}

export function wire() {
  for (const id of Object.keys(ACTIONS)) at(id).addEventListener('click', () => press(id));
  // On the way down: a stop does not wait for the finger to come up again.
  at('stop').addEventListener('pointerdown', (event) => event.button === 0 && stop());
  at('stop').addEventListener('click', (event) => event.detail === 0 && stop()); // assistive technology
  at('help-open').addEventListener('click', () => at('help').showModal());
  at('theme').addEventListener('click', toggleTheme);
  document.addEventListener('keydown', onKey, true);
  document.addEventListener('keyup', (event) => event.key === ' ' && !isTyping(event) && event.preventDefault(), true);
}

function toggleTheme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === 'dark' ? 'light' : 'dark';
  localStorage.setItem('theme', root.dataset.theme);
  document.dispatchEvent(new Event('themechange'));
}

function isTyping(event) {
  return Boolean(event.target.matches?.('input, select'));
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = isTyping(event);
  if (event.key === 'Escape' || (event.key === ' ' && !typing)) {
    // Space would also press the focused button, Escape close the dialog; stopping is all they do here.
    event.preventDefault();
    if (!event.repeat) stop();
    return;
  }
  if (event.repeat || typing || at('help').open) return;
  const action = KEYS[event.key] ?? KEYS[event.shiftKey ? event.key : event.key.toLowerCase()];
  if (action) press(action);
  else if (event.key === '?') at('help').showModal();
  else if (event.key === 't') toggleTheme();
}
