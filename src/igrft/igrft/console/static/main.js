// SPDX-License-Identifier: Apache-2.0
import { showCameras, showFrame } from './cameras.js';
import { connect } from './connection.js';
import { follow, wire } from './controls.js';
import { addSamples, redraw } from './plots.js';
import { show } from './view.js';

let state = null;
let link = 'connecting';

wire();
follow(state, link);
document.addEventListener('themechange', redraw);
addEventListener('resize', redraw);

connect({
  state(next) {
    state = next;
    showCameras(state.cameras);
    show(state);
    follow(state, link);
  },
  samples: addSamples,
  frame: (index, stamp, blob) => showFrame(index, blob),
  link(word) {
    if (word === link) return;
    link = word;
    const element = document.getElementById('link');
    element.dataset.link = word;
    element.textContent = word;
    follow(state, link);
  },
});
