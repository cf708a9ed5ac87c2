// SPDX-License-Identifier: Apache-2.0
// The state in words. Nothing here decides anything.

const DRIVERS = {
  autonomous: 'Policy drives',
  correcting: 'Human drives',
  paused: 'Policy paused',
  hold: 'Arm holds',
  unknown: 'No word yet',
  stopped: 'Stopped',
};
const SAFETY = {
  ok: ['Clear', 'good'],
  limited: ['Limiting', 'warn'],
  stale: ['No commands', ''],
  invalid: ['Refusing commands', 'bad'],
  e_stop: ['Emergency stop', 'bad'],
};
export const STAGES = { sft: 'Supervised', offline_rl: 'Offline RL', hil: 'Human in the loop' };
const at = (id) => document.getElementById(id);

export function say(id, text) {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
}

export function bar(id, fraction) {
  at(id).style.width = `${100 * Math.min(Math.max(fraction || 0, 0), 1)}%`;
}

export function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function isStopped(state) {
  return state?.safety?.state === 'e_stop';
}

export function show(state) {
  const mode = isStopped(state) ? 'stopped' : (state.driver?.mode ?? 'unknown');
  document.body.dataset.mode = mode;
  say('driver', DRIVERS[mode]);
  // A latched stop may carry the text of what came after it, e.g. that no command arrives.
  const stopped = state.safety?.text.startsWith('emergency') ? state.safety.text : 'latched until it is reset';
  say('driver-reason', mode === 'stopped' ? stopped : (state.driver?.reason ?? 'arbiter_node has not reported'));
  say('instruction', state.instruction);
  say('task', `${state.task.replaceAll('_', ' ')} on ${state.robot}`);
  episode(state.episode);
  subtasks(state);
  safety(state);
  trainer(state.trainer, state.checkpoint, state.serving);
  curriculum(state.loop);
}

function episode(now) {
  const pill = at('episode-state');
  pill.dataset.state = now?.state ?? 'unknown';
  say('episode-state', now?.state ?? 'no recorder');
  if (now?.elapsed != null) {
    say('clock', `${now.elapsed.toFixed(1)} s`);
    bar('clock-bar', now.elapsed / now.max_duration);
    say('episode-detail', `${now.kind}, seed ${now.seed}`);
    at('clock').title = `ends at ${now.max_duration} s`;
  } else {
    say('clock', now?.outcome || '–');
    bar('clock-bar', 0);
    say('episode-detail', now?.outcome ? 'was the last episode' : '');
  }
}

function subtasks({ subtasks: names, completed }) {
  const list = at('subtasks');
  if (list.childElementCount !== names.length || [...list.children].some((item, i) => item.textContent !== names[i])) {
    list.replaceChildren(...names.map((name) => Object.assign(document.createElement('li'), { textContent: name })));
  }
  [...list.children].forEach((item, index) => {
    item.dataset.done = index < completed;
    if (index === completed) item.setAttribute('aria-current', 'step');
    else item.removeAttribute('aria-current');
  });
  say('subtask-count', `${completed} of ${names.length}`);
}

function safety({ safety: now, driver }) {
  const recording = document.getElementById('episode-state').dataset.state === 'recording';
  let [word, level] = SAFETY[now?.state] ?? ['No safety node', 'bad'];
  if (now?.silent) [word, level] = ['Silent', 'bad'];
  if (now?.state === 'stale' && recording) level = 'bad';
  say('safety', word);
  at('safety').dataset.level = level;
  say('safety-text', !now ? 'safety_node has not reported' : now.text === 'ok' ? 'every command passes' : now.text);
  say('limited', String(now?.limited ?? '–'));
  say('rejected', String(now?.rejected ?? '–'));
  say('takeovers', String(driver?.count ?? '–'));
}

function trainer(now, checkpoint, serving) {
  const training = now?.state === 'training' || now?.state === 'saving';
  const stage = STAGES[now?.stage] ?? now?.stage ?? '';
  const round = now?.stage === 'hil' ? `, round ${now.round}` : '';
  say('trainer-word', !now ? 'No trainer' : training ? `${stage}${round}` : now.state);
  at('trainer-word').dataset.level = now?.state === 'failed' ? 'bad' : '';
  bar('trainer-bar', training ? now.step / now.total_steps : 0);
  const left = training && now.eta != null ? `, ${duration(now.eta)} left` : '';
  say('trainer-text', training ? `step ${now.step} of ${now.total_steps}${left}` : (now?.message ?? ''));
  say('loss', now?.loss == null || !now.step ? '–' : now.loss.toPrecision(3));
  say('ess', now?.effective_sample_size == null || !now.step ? '–' : `${Math.round(100 * now.effective_sample_size)} %`);
  say('checkpoint', checkpoint?.id || serving || '–');
  at('checkpoint').title = checkpoint ? `${checkpoint.policy}, ${checkpoint.stage}, step ${checkpoint.step}` : '';
}

function curriculum(now) {
  const ended = now && !now.running && now.phase !== 'done';
  say('phase', now ? (now.phase === 'done' ? 'Done' : now.phase) : 'None');
  bar('phase-bar', now?.fraction);
  const left = now?.eta != null ? `, ${duration(now.eta)} left` : '';
  say('phase-text', !now ? 'no loop is running; start episodes by hand' : ended ? 'the loop has ended here' : `${now.detail ?? ''}${left}`);
  const results = now?.results ?? [];
  const table = at('results');
  table.hidden = results.length === 0;
  const key = JSON.stringify(results);
  if (table.dataset.key === key) return;
  table.dataset.key = key;
  table.tBodies[0].replaceChildren(...results.map(intervalRow));
}

/** A stage's success as a row: its name, the interval, the number. */
export function intervalRow({ stage, successes, n, low, high }) {
  const [line, range, mark] = ['div', 'i', 'b'].map((tag) => document.createElement(tag));
  line.className = 'interval';
  range.style.left = `${100 * low}%`;
  range.style.width = `${100 * (high - low)}%`;
  mark.style.left = `${(100 * successes) / n}%`;
  line.append(range, mark);
  const cells = [stage, line, `${Math.round((100 * successes) / n)} % of ${n}`];
  const element = document.createElement('tr');
  for (const cell of cells) element.insertCell().append(cell);
  return element;
}
