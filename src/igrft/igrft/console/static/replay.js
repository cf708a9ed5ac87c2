// SPDX-License-Identifier: Apache-2.0
// One recorded episode: pictures, who drove, the curves, and a scrubber over all of it.

import { draw, figure, surface } from './charts.js';

const AHEAD = 12; // pictures that are fetched before they are shown
const PLOTS = [
  { name: 'potential', title: 'Potential Φ', low: 0, high: 1 },
  { name: 'reward', title: 'Reward' },
  { name: 'probability', title: 'P(interaction)', low: 0, high: 1, touch: true },
  { name: 'value', title: 'Value' },
];
const COLOURS = { policy: '--policy', human: '--human', hold: '--line' };
const DRIVERS = { policy: 'policy drives', human: 'human drives', hold: 'arm holds' };
const at = (id) => document.getElementById(id);
const fetched = new Map();
let episode = null;
let step = 0;
let images = [];
let plots = [];
let playing = null;

export function show(next) {
  const same = next.id === episode?.id;
  pause();
  episode = next;
  at('replay-title').textContent = `${episode.kind} ${episode.seed}`;
  at('replay-title').title = episode.instruction;
  const facts = [
    episode.task.replaceAll('_', ' '),
    `${episode.outcome}${episode.labelled_by ? ` says ${episode.labelled_by}` : ''}`,
    episode.checkpoint,
    episode.lost ? `${episode.lost} messages lost` : '',
    episode.problem,
  ];
  at('replay-facts').textContent = facts.filter(Boolean).join(' · ');
  at('replay-facts').title = episode.path;
  for (const outcome of ['success', 'failure']) at(`label-${outcome}`).ariaPressed = String(episode.outcome === outcome);
  at('scrub').max = episode.steps - 1;
  if (!same) build();
  jump(same ? step : 0);
  redraw();
}

function build() {
  fetched.clear();
  images = episode.cameras.map((camera) => {
    const [box, image, caption] = ['figure', 'img', 'figcaption'].map((tag) => document.createElement(tag));
    box.className = 'camera';
    image.alt = `camera ${camera}`;
    caption.textContent = camera;
    box.append(image, caption);
    at('replay-cameras').append(box);
    return { camera, image, box };
  });
  at('replay-cameras').replaceChildren(...images.map(({ box }) => box));
  plots = PLOTS.map((plot) => ({ ...plot, ...figure(plot.title) }));
  at('replay-plots').replaceChildren(...plots.map(({ box }) => box));
  for (const { canvas } of plots) canvas.addEventListener('pointerdown', seek);
  at('replay-subtasks').replaceChildren(
    ...episode.subtask_times.map(({ name, time }) => {
      const item = document.createElement('li');
      item.textContent = time == null ? name.replaceAll('_', ' ') : `${name.replaceAll('_', ' ')} ${time.toFixed(1)} s`;
      item.dataset.done = time != null;
      if (time != null) item.addEventListener('click', () => jump(Math.round(time / episode.dt)));
      return item;
    }),
  );
}

function picture(camera, at_) {
  const url = `/api/episodes/${episode.id}/${camera}/${at_}.jpg`;
  if (!fetched.has(url)) {
    const image = new Image();
    image.src = url;
    fetched.set(url, image);
    if (fetched.size > 400) fetched.delete(fetched.keys().next().value);
  }
  return url;
}

function jump(to) {
  step = Math.min(Math.max(to, 0), episode.steps - 1);
  at('scrub').value = step;
  at('when').textContent = `${(step * episode.dt).toFixed(1)} s`;
  const span = episode.sources.find(({ start, end }) => step * episode.dt >= start - 1e-6 && step * episode.dt < end - 1e-6);
  at('who').textContent = DRIVERS[span?.what] ?? '';
  at('who').dataset.who = span?.what ?? '';
  for (const { camera, image } of images) {
    image.src = picture(camera, step);
    for (let ahead = 1; ahead <= AHEAD && step + ahead < episode.steps; ahead += 1) picture(camera, step + ahead);
  }
  drawPlots();
}

function seek(event) {
  const box = event.currentTarget.getBoundingClientRect();
  jump(Math.round(((event.clientX - box.left) / box.width) * (episode.steps - 1)));
}

export function move(by) {
  if (episode === null) return;
  pause();
  jump(step + by);
}

export function toggle() {
  if (episode === null) return;
  if (playing !== null) pause();
  else play();
}

function play() {
  if (step >= episode.steps - 1) jump(0);
  at('play').dataset.playing = 'true';
  let [from, began] = [step, performance.now()];
  let speed = Number(at('speed').value);
  const tick = (now) => {
    if (Number(at('speed').value) !== speed) [from, began, speed] = [step, now, Number(at('speed').value)];
    const to = from + Math.floor((((now - began) / 1000) * speed) / episode.dt);
    if (to > step) jump(to);
    playing = step < episode.steps - 1 ? requestAnimationFrame(tick) : pause();
  };
  playing = requestAnimationFrame(tick);
}

function pause() {
  if (playing !== null) cancelAnimationFrame(playing);
  playing = null;
  delete at('play').dataset.playing;
  return null;
}

export function redraw() {
  if (episode === null || at('episodes').hidden || at('replay').hidden) return;
  const { context, width, height, colour } = surface(at('sources'));
  const x = (time) => (time / (episode.steps * episode.dt)) * width;
  for (const { what, start, end } of episode.sources) {
    context.fillStyle = colour(COLOURS[what]);
    context.fillRect(x(start), 0, Math.max(x(end) - x(start), 1), height);
  }
  context.fillStyle = colour('--text');
  for (const { time } of episode.subtask_times) if (time != null) context.fillRect(x(time) - 1, 0, 3, height);
  drawPlots();
}

function drawPlots() {
  if (at('episodes').hidden) return;
  const times = Array.from({ length: episode.steps }, (_, index) => index * episode.dt);
  const human = episode.sources.filter(({ what }) => what === 'human');
  const span = (colour) => (found) => ({ from: found.start, to: found.end, colour });
  for (const { name, low, high, touch, canvas, output } of plots) {
    const now = episode.series[name][step];
    output.textContent = now == null ? '–' : now.toFixed(2);
    draw(canvas, {
      from: 0,
      to: (episode.steps - 1) * episode.dt,
      low,
      high,
      xs: times,
      ys: episode.series[name],
      bands: human.map(span('--band')),
      strips: touch ? episode.interaction.map(span('--touch')) : [],
      marks: episode.subtask_times.map(({ time }) => time).filter((time) => time != null),
      cursor: step * episode.dt,
    });
  }
}

export function wire() {
  at('play').addEventListener('click', toggle);
  at('scrub').addEventListener('input', () => {
    pause();
    jump(Number(at('scrub').value));
  });
}
