// SPDX-License-Identifier: Apache-2.0
import { showCameras, showFrame } from './cameras.js';
import { connect } from './connection.js';
import { followControls, wireControls } from './controls.js';
import { openEpisodes, redrawReplay, replayKeys, wireEpisodes } from './episodes.js';
import { followHealth } from './health.js';
import { wireKeys } from './keys.js';
import { followPad, wirePad } from './pad.js';
import { addSamples, redraw } from './plots.js';
import { followStop, wireStop } from './stop.js';
import { followTrainer, openTrainer, redrawCurves, wireTrainer } from './trainer.js';
import { show } from './view.js';
import { followWanted, wireWanted } from './wanted.js';

const PAGES = { drive: redraw, episodes: openEpisodes, trainer: openTrainer, health: () => {} };
let state = null;
let link = 'connecting';

function follow() {
  const live = link === 'live' && state !== null;
  for (const part of [followControls, followStop, followPad, followTrainer, followWanted]) part(state, live);
}

/** Shows the page that the address names: `#episodes/<id>` is the page of episodes with one chosen. */
function turn() {
  const [name, detail = ''] = location.hash.slice(1).split('/');
  const page = name in PAGES ? name : 'drive';
  document.body.dataset.page = page;
  for (const other of Object.keys(PAGES)) document.getElementById(other).hidden = other !== page;
  for (const anchor of document.querySelectorAll('.rail a')) {
    if (anchor.hash === `#${page}`) anchor.setAttribute('aria-current', 'page');
    else anchor.removeAttribute('aria-current');
  }
  // STOP and the messages are on every page, and there is one of each.
  const shown = document.getElementById(page);
  (shown.querySelector('.stop-slot') ?? document.querySelector('header .stop-slot')).append(document.getElementById('stop'));
  shown.querySelector('.message-slot').append(document.getElementById('messages'));
  PAGES[page](decodeURIComponent(detail));
}

function redrawAll() {
  redraw();
  redrawReplay();
  redrawCurves();
}

document.getElementById('theme').addEventListener('click', () => {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === 'dark' ? 'light' : 'dark';
  localStorage.setItem('theme', root.dataset.theme);
  redrawAll();
});
document.getElementById('shortcuts-open').addEventListener('click', () => document.getElementById('shortcuts').showModal());
for (const wire of [wireControls, wireStop, wireWanted, wirePad, wireEpisodes, wireTrainer]) wire();
wireKeys(replayKeys);
addEventListener('resize', redrawAll);
addEventListener('hashchange', turn);
follow();
turn();

connect({
  state(next) {
    state = next;
    showCameras(state.cameras);
    show(state);
    follow();
  },
  samples: addSamples,
  health: followHealth,
  frame: showFrame,
  link(word) {
    if (word === link) return;
    link = word;
    const element = document.getElementById('link');
    element.dataset.link = word;
    element.textContent = word;
    follow();
  },
});
