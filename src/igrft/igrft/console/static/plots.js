// SPDX-License-Identifier: Apache-2.0
// The live plots: the last half minute of the robot's time.

import { draw } from './charts.js';

const WINDOW = 30; // [s]
const GAP = 1; // [s] without a sample that is not drawn over: nobody was looking
const PLOTS = [
  { name: 'potential', low: 0, high: 1 },
  { name: 'reward' },
  { name: 'probability', low: 0, high: 1, touch: true },
  { name: 'value' },
];
let samples = [];
let drawn = true;

export function addSamples(added) {
  for (const sample of added) {
    const last = samples.at(-1);
    if (last && sample.sequence <= last.sequence && sample.stamp <= last.stamp) continue; // sent twice
    if (last && (sample.stamp < last.stamp || sample.sequence < last.sequence)) samples = []; // the clock began anew
    samples.push(sample);
  }
  const oldest = (samples.at(-1)?.stamp ?? 0) - WINDOW;
  samples = samples.slice(Math.max(samples.findIndex((sample) => sample.stamp >= oldest) - 1, 0));
  redraw();
}

export function redraw() {
  if (!drawn) return;
  drawn = false;
  requestAnimationFrame(() => {
    drawn = true;
    if (document.getElementById('drive').hidden) return;
    for (const plot of PLOTS) show(plot);
  });
}

function show({ name, low, high, touch }) {
  const now = samples.at(-1)?.[name];
  document.getElementById(`${name}-now`).textContent = now == null ? '–' : now.toFixed(2);
  const end = samples.at(-1)?.stamp ?? 0;
  draw(document.getElementById(name), {
    from: end - WINDOW,
    to: end,
    low,
    high,
    xs: samples.map((sample) => sample.stamp),
    ys: samples.map((sample) => sample[name]),
    gap: GAP,
    bands: spans('human').map((span) => ({ ...span, colour: '--band' })),
    strips: touch ? spans('interacting').map((span) => ({ ...span, colour: '--touch' })) : [],
  });
}

/** Every stretch in which the flag is up. */
function spans(flag) {
  const found = [];
  let from = null;
  samples.forEach((sample, index) => {
    if (sample[flag] && from === null) from = sample.stamp;
    const after = samples[index + 1];
    const next = after && after.stamp - sample.stamp < GAP ? after : undefined;
    if (from !== null && !next?.[flag]) {
      found.push({ from, to: next?.stamp ?? sample.stamp });
      from = null;
    }
  });
  return found;
}
