// SPDX-License-Identifier: Apache-2.0
// The buttons of the running episode. A command is sent once a press, and its answer is shown.

import { command } from './connection.js';
import { perform } from './messages.js';
import { isStopped } from './view.js';

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
  dismiss: [() => command('event', { event: 'dismiss_help' }), () => Boolean(state?.help?.requested)],
  discard: [() => command('episode/discard'), running, true],
  reset: [() => command('e_stop/reset'), () => isStopped(state), true],
};

export function press(id) {
  const [act, allowed, confirm] = ACTIONS[id];
  if (live && allowed()) perform(at(id), act, confirm);
}

/** Follows the state: which buttons can be pressed, and what they are called now. */
export function followControls(next, isLive) {
  state = next;
  live = isLive;
  for (const [id, [, allowed]] of Object.entries(ACTIONS)) at(id).disabled = !live || !allowed();
  const last = finished() && !recording();
  at('success').firstChild.textContent = last ? 'Last: success' : 'Success';
  at('failure').firstChild.textContent = last ? 'Last: failure' : 'Failure';
  at('pause').firstChild.textContent = state?.driver?.mode === 'paused' ? 'Resume policy' : 'Pause policy';
  at('start').title = state?.loop?.running ? 'The loop starts its own episodes' : '';
}

export function wireControls() {
  for (const id of Object.keys(ACTIONS)) at(id).addEventListener('click', () => press(id));
}
