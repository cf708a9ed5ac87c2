// SPDX-License-Identifier: Apache-2.0
// The page of the trainer: what runs, what it was worth, the curves, and which checkpoint drives.

import { draw, figure } from './charts.js';
import { command, look } from './connection.js';
import { perform, report } from './messages.js';
import { bar, duration, intervalRow, say, STAGES } from './view.js';

const AGAIN = 5000; // [ms] between two looks at the disk while the page is open
const TITLES = {
  'policy/loss': 'Policy loss',
  'policy/ess': 'Effective sample size',
  'critic/value': 'Mean value',
  'critic/value_loss': 'Value loss',
  'critic/interaction_loss': 'Interaction loss',
  'critic/interaction_accuracy': 'Interaction accuracy',
  'policy/regression': 'Regression',
  'policy/anchor': 'Anchor',
  'critic/loss': 'Critic loss',
  'policy/learning_rate': 'Learning rate',
  'policy/gradient_norm': 'Gradient norm',
};
const SHARES = ['policy/ess', 'critic/interaction_accuracy'];
const SHOWN = 6;
const at = (id) => document.getElementById(id);
let state = null;
let live = false;
let curves = {};
let drawnRun = '';
let timer = null;
let serving = null;

const training = () => ['training', 'saving'].includes(state?.trainer?.state);
const free = () => live && Boolean(state?.trainer) && !training() && !state.loop?.running;

export function followTrainer(next, isLive) {
  state = next;
  live = isLive;
  const now = state?.trainer;
  const round = now?.stage === 'hil' ? `, round ${now.round}` : '';
  say('now-word', !now ? 'No trainer' : training() ? `${STAGES[now.stage] ?? now.stage}${round}` : now.state);
  at('now-word').dataset.level = now?.state === 'failed' ? 'bad' : '';
  bar('now-bar', training() && now.total_steps ? now.step / now.total_steps : 0);
  say('now-text', training() && now.total_steps ? `step ${now.step} of ${now.total_steps}, ${now.message}` : now?.message || 'trains when it is asked to');
  say('now-loss', now?.loss == null || !now.step ? '–' : now.loss.toPrecision(3));
  say('now-ess', now?.effective_sample_size == null || !now.step ? '–' : `${Math.round(100 * now.effective_sample_size)} %`);
  say('now-left', training() && now.eta != null && now.step ? duration(now.eta) : '–');
  at('train').disabled = !free();
  at('train').title = state?.loop?.running ? 'The loop starts its own trainings' : '';
  at('train-stop').disabled = !live || !training();
  at('train-round').disabled = at('train-stage').value !== 'hil';
  const used = state?.serving ?? '';
  if (used !== serving) {
    serving = used;
    say('serving', serving ? `${serving} drives` : 'the policy has not said which one drives');
    markServing();
  }
}

export async function openTrainer() {
  clearInterval(timer);
  timer = setInterval(() => {
    if (at('trainer').hidden) clearInterval(timer);
    else refresh();
  }, AGAIN);
  await refresh();
}

async function refresh() {
  let found;
  try {
    found = await look('trainer');
  } catch (error) {
    report(error.message, 'error');
    return;
  }
  const evaluated = found.stages.filter((stage) => stage.n);
  const tasks = new Set(evaluated.map(({ task }) => task));
  const named = evaluated.map((stage) => ({ ...stage, stage: tasks.size > 1 ? `${stage.task.replaceAll('_', ' ')}: ${stage.stage}` : stage.stage }));
  at('stages').tBodies[0].replaceChildren(...named.map(intervalRow));
  const problems = found.stages.map(({ problem }) => problem).filter(Boolean);
  at('stages-empty').textContent = problems.join('; ') || 'No evaluation yet';
  at('stages-empty').hidden = named.length > 0 && problems.length === 0;
  options('train-parent', found.checkpoints.map(({ id }) => id), 'the default parent');
  at('checkpoints').replaceChildren(...found.checkpoints.map(row));
  markServing();
  options('run', found.runs);
  at('curves-empty').hidden = found.runs.length > 0;
  if (at('run').value) await showRun();
}

function options(id, values, none) {
  const select = at(id);
  const kept = select.value;
  const head = none ? [new Option(none, '')] : [];
  select.replaceChildren(...head, ...values.map((value) => new Option(value, value)));
  if (values.includes(kept)) select.value = kept;
}

function row({ id, stage, round, step, policy, saved }) {
  const item = document.createElement('li');
  item.dataset.id = id;
  item.title = policy;
  const [box, name, facts, button, word] = ['div', 'b', 'span', 'button', 'span'].map((tag) => document.createElement(tag));
  name.textContent = id;
  const when = new Date(1000 * saved).toLocaleString([], { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
  facts.textContent = [STAGES[stage] ?? stage, round ? `round ${round}` : '', `${step} steps`, when].filter(Boolean).join(' · ');
  word.textContent = 'Serve';
  button.className = 'button small';
  button.append(word);
  button.addEventListener('click', () => perform(button, () => command('trainer/serve', { checkpoint: id })));
  box.append(name, facts);
  item.append(box, button);
  return item;
}

function markServing() {
  for (const item of at('checkpoints').children) {
    const here = item.dataset.id === serving;
    if (here) item.setAttribute('aria-current', 'true');
    else item.removeAttribute('aria-current');
    const button = item.lastElementChild;
    button.disabled = here || !live || Boolean(state?.loop?.running);
    button.firstChild.textContent = here ? 'Serving' : 'Serve';
  }
}

async function showRun() {
  const run = at('run').value;
  try {
    curves = await look(`trainer/${run}`);
  } catch (error) {
    report(error.message, 'error');
    return;
  }
  const tags = Object.keys(TITLES).filter((tag) => curves[tag]?.steps.length).slice(0, SHOWN);
  if (drawnRun !== `${run} ${tags}`) {
    drawnRun = `${run} ${tags}`;
    at('curves').replaceChildren(
      ...tags.map((tag) => {
        const { box } = figure(TITLES[tag]);
        box.dataset.tag = tag;
        return box;
      }),
    );
  }
  redrawCurves();
}

export function redrawCurves() {
  if (at('trainer').hidden) return;
  for (const box of at('curves').children) {
    const { steps, values } = curves[box.dataset.tag];
    const last = values.at(-1);
    box.querySelector('output').textContent = last == null ? '–' : Number(last.toPrecision(3)).toString();
    const share = SHARES.includes(box.dataset.tag);
    draw(box.querySelector('canvas'), { from: steps[0], to: steps.at(-1), low: share ? 0 : undefined, high: share ? 1 : undefined, xs: steps, ys: values });
  }
}

function start() {
  const round = at('train-stage').value === 'hil' ? Number(at('train-round').value) : 0;
  return command('trainer/start', { stage: at('train-stage').value, round, parent: at('train-parent').value });
}

export function wireTrainer() {
  at('train').addEventListener('click', () => perform(at('train'), start));
  at('train-stop').addEventListener('click', () => perform(at('train-stop'), () => command('trainer/stop'), true));
  at('train-stage').addEventListener('change', () => followTrainer(state, live));
  at('run').addEventListener('change', showRun);
}
