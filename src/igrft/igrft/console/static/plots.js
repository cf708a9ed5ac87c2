// SPDX-License-Identifier: Apache-2.0
// Small live plots over the last half minute of the robot's time.

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
    for (const plot of PLOTS) draw(plot);
  });
}

function draw({ name, low, high, touch }) {
  const canvas = document.getElementById(name);
  const now = samples.at(-1)?.[name];
  document.getElementById(`${name}-now`).textContent = now == null ? '–' : now.toFixed(2);
  const scale = devicePixelRatio;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext('2d');
  context.scale(scale, scale);
  const style = getComputedStyle(document.body);
  const colour = (variable) => style.getPropertyValue(variable);

  const values = samples.map((sample) => sample[name]).filter((value) => value != null);
  const bottom = low ?? Math.min(0, ...values);
  const top = high ?? Math.max(bottom + 0.1, ...values);
  const end = samples.at(-1)?.stamp ?? 0;
  const x = (stamp) => width - ((end - stamp) / WINDOW) * width;
  const y = (value) => height - 4 - ((value - bottom) / (top - bottom)) * (height - 8);

  context.strokeStyle = colour('--line');
  context.lineWidth = 1;
  for (const level of new Set([bottom, 0, top])) {
    context.beginPath();
    context.moveTo(0, y(level));
    context.lineTo(width, y(level));
    context.stroke();
  }
  spans('human', (from, to) => fill(from, to, 0, height, '--band'));
  if (touch) spans('interacting', (from, to) => fill(from, to, height - 4, 4, '--touch'));
  context.strokeStyle = colour('--policy');
  context.lineWidth = 2.5;
  context.lineJoin = 'round';
  context.beginPath();
  let pen = null;
  for (const sample of samples) {
    const value = sample[name];
    if (value == null) pen = null;
    else {
      if (pen !== null && sample.stamp - pen < GAP) context.lineTo(x(sample.stamp), y(value));
      else context.moveTo(x(sample.stamp), y(value));
      pen = sample.stamp;
    }
  }
  context.stroke();

  function fill(from, to, up, tall, variable) {
    context.fillStyle = colour(variable);
    context.fillRect(x(from), up, Math.max(x(to) - x(from), 1), tall);
  }
}

/** Calls `each(from, to)` for every stretch in which the flag is up. */
function spans(flag, each) {
  let from = null;
  samples.forEach((sample, index) => {
    if (sample[flag] && from === null) from = sample.stamp;
    const after = samples[index + 1];
    const next = after && after.stamp - sample.stamp < GAP ? after : undefined;
    if (from !== null && !next?.[flag]) {
      each(from, next?.stamp ?? sample.stamp);
      from = null;
    }
  });
}
