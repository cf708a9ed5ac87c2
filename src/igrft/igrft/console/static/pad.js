// SPDX-License-Identifier: Apache-2.0
// The on-screen pad. A finger on it is the dead-man: while it is held its deflection is sent again and again, and the
// robot's side takes silence for an operator who is gone.

import { report } from './messages.js';

const PERIOD = 30; // [ms] between two words while the pad is held
const at = (id) => document.getElementById(id);
// What up and right mean on each pad, as axis and sign (x forward, y left, z up); the left one has a second meaning.
const MEANINGS = {
  'pad-move': { up: ['x', 1], right: ['y', -1] },
  'pad-tilt': { up: ['pitch', 1], right: ['roll', 1] },
  'pad-lift': { up: ['z', 1], right: ['yaw', -1] },
};
const touches = new Map(); // pointer → {pad, up, right}
let socket = null;
let timer = null;
let gripping = false;
let told = '';

function send(held) {
  if (socket?.readyState !== WebSocket.OPEN) return;
  const axes = {};
  for (const { pad, up, right } of touches.values()) {
    const tilted = pad.id === 'pad-move' && at('tilt').ariaPressed === 'true';
    const meaning = MEANINGS[tilted ? 'pad-tilt' : pad.id];
    axes[meaning.up[0]] = up * meaning.up[1];
    axes[meaning.right[0]] = right * meaning.right[1];
  }
  socket.send(JSON.stringify({ held, axes, pressed: gripping ? ['gripper'] : [] }));
}

function hear({ data }) {
  const { problem } = JSON.parse(data);
  at('pad-word').textContent = problem || (touches.size ? 'You drive.' : 'Hold a pad to drive.');
  if (problem && problem !== told) report(problem, 'error');
  told = problem;
}

function place(event) {
  const touch = touches.get(event.pointerId);
  if (!touch) return;
  const box = touch.pad.getBoundingClientRect();
  const clip = (value) => Math.min(Math.max(value, -1), 1);
  touch.right = clip((2 * (event.clientX - box.left)) / box.width - 1);
  touch.up = clip(1 - (2 * (event.clientY - box.top)) / box.height);
  knob(touch.pad, touch.right, touch.up);
}

function knob(pad, right, up) {
  pad.firstElementChild.style.translate = `${50 * right * 0.7}cqw ${-50 * up * 0.7}cqh`;
}

function hold(event) {
  if (event.button !== 0 || at('pad-move').closest('.pads').hidden) return;
  const pad = event.currentTarget;
  pad.setPointerCapture(event.pointerId);
  touches.set(event.pointerId, { pad, up: 0, right: 0 });
  pad.dataset.held = 'true';
  place(event);
  send(true);
  timer ??= setInterval(() => send(true), PERIOD);
}

function release(event) {
  const touch = touches.get(event.pointerId);
  if (!touch) return;
  touches.delete(event.pointerId);
  delete touch.pad.dataset.held;
  knob(touch.pad, 0, 0);
  if (touches.size === 0) letGo();
}

function letGo() {
  for (const { pad } of touches.values()) {
    delete pad.dataset.held;
    knob(pad, 0, 0);
  }
  touches.clear();
  clearInterval(timer);
  timer = null;
  send(false);
}

function open() {
  if (socket && socket.readyState <= WebSocket.OPEN) return;
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  socket = new WebSocket(`${scheme}://${location.host}/api/pad`);
  socket.onmessage = hear;
  socket.onclose = letGo;
}

export function followPad(state, live) {
  const on = Boolean(live && state?.pad);
  document.querySelector('.pads').hidden = !on;
  document.body.dataset.pad = on ? 'on' : 'off';
  if (on) open();
  else if (touches.size) letGo();
}

export function wirePad() {
  for (const id of ['pad-move', 'pad-lift']) {
    const pad = at(id);
    pad.addEventListener('pointerdown', hold);
    pad.addEventListener('pointermove', place);
    for (const kind of ['pointerup', 'pointercancel', 'lostpointercapture']) pad.addEventListener(kind, release);
    pad.addEventListener('contextmenu', (event) => event.preventDefault());
  }
  // Whoever looks at something else does not drive.
  addEventListener('blur', () => touches.size && letGo());
  addEventListener('hashchange', () => touches.size && letGo());
  document.addEventListener('visibilitychange', () => document.hidden && touches.size && letGo());
  const grip = (down) => {
    gripping = down;
    if (touches.size) send(true);
  };
  at('grip').addEventListener('pointerdown', () => grip(true));
  for (const kind of ['pointerup', 'pointercancel', 'pointerleave']) at('grip').addEventListener(kind, () => grip(false));
  document.addEventListener('keydown', (event) => event.key === 'g' && touches.size && grip(true));
  document.addEventListener('keyup', (event) => event.key === 'g' && grip(false));
  at('tilt').addEventListener('click', () => (at('tilt').ariaPressed = at('tilt').ariaPressed !== 'true'));
}
