// SPDX-License-Identifier: Apache-2.0
// The page of episodes: the list, its filters, and the labels of the chosen one.

import { command, look } from './connection.js';
import { perform, report } from './messages.js';
import * as replay from './replay.js';

const FILTERS = ['task', 'kind', 'outcome'];
const at = (id) => document.getElementById(id);
const words = (name) => name.replaceAll('_', ' ');
let episodes = [];
let chosen = '';

export const redrawReplay = replay.redraw;
export const replayKeys = {
  k: replay.toggle,
  ArrowLeft: () => replay.move(-1),
  ArrowRight: () => replay.move(1),
  ArrowUp: () => beside(-1),
  ArrowDown: () => beside(1),
  s: () => label('success'),
  f: () => label('failure'),
};

/** Reads the list anew; `id` is the episode that the address names. */
export async function openEpisodes(id = '') {
  try {
    const { root, episodes: found, unfinished } = await look('episodes');
    episodes = found;
    at('shelf-count').title = root;
    at('shelf-count').dataset.unfinished = unfinished;
  } catch (error) {
    report(error.message, 'error');
    return;
  }
  for (const name of FILTERS) fillFilter(name);
  list();
  if (id) choose(id);
}

function fillFilter(name) {
  const select = at(`filter-${name}`);
  const kept = select.value;
  const values = [...new Set(episodes.map((episode) => episode[name]).filter(Boolean))].sort();
  select.replaceChildren(new Option(`all ${name}s`, ''), ...values.map((value) => new Option(words(value), value)));
  select.value = values.includes(kept) ? kept : '';
}

function shown() {
  return episodes.filter((episode) => FILTERS.every((name) => !at(`filter-${name}`).value || episode[name] === at(`filter-${name}`).value));
}

function list() {
  const found = shown();
  const successes = found.filter((episode) => episode.outcome === 'success').length;
  const unfinished = Number(at('shelf-count').dataset.unfinished);
  at('shelf-count').textContent = `${found.length} shown, ${successes} successful${unfinished ? `, ${unfinished} unfinished` : ''}`;
  at('shelf').replaceChildren(...found.map(row));
}

function row(episode) {
  const item = document.createElement('li');
  item.dataset.id = episode.id;
  item.dataset.outcome = episode.outcome ?? 'unreadable';
  if (episode.id === chosen) item.setAttribute('aria-current', 'true');
  const link = document.createElement('a');
  link.href = `#episodes/${episode.id}`;
  if (episode.outcome === undefined) {
    link.append(line('b', episode.id.slice(-8)), line('span', episode.problem));
  } else {
    const takeovers = episode.takeovers ? `, ${episode.takeovers} takeover${episode.takeovers > 1 ? 's' : ''}` : '';
    link.append(
      line('b', `${episode.kind} ${episode.seed}`),
      line('em', `${episode.duration.toFixed(1)} s`),
      line('span', `${words(episode.task)}${takeovers}`),
      line('span', `${episode.completed} of ${episode.subtasks}`),
    );
  }
  item.append(link);
  return item;
}

function line(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}

async function choose(id) {
  chosen = id;
  for (const item of at('shelf').children) {
    if (item.dataset.id === id) {
      item.setAttribute('aria-current', 'true');
      item.scrollIntoView({ block: 'nearest' });
    } else item.removeAttribute('aria-current');
  }
  at('replay-empty').textContent = 'Reading the bag';
  at('replay').hidden = true;
  at('replay-empty').hidden = false;
  try {
    const episode = await look(`episodes/${id}`);
    if (id !== chosen) return; // another one was chosen meanwhile
    at('replay').hidden = false;
    at('replay-empty').hidden = true;
    replay.show(episode);
  } catch (error) {
    at('replay-empty').textContent = error.message;
  }
}

function beside(by) {
  const found = shown();
  const next = found[Math.min(Math.max(found.findIndex((episode) => episode.id === chosen) + by, 0), found.length - 1)];
  if (next) location.hash = `episodes/${next.id}`;
}

function label(outcome) {
  if (!chosen || at('replay').hidden) return;
  perform(at(`label-${outcome}`), async () => {
    const message = await command('episode/label', { episode_id: chosen, outcome });
    await openEpisodes(chosen);
    return message;
  });
}

export function wireEpisodes() {
  for (const name of FILTERS) at(`filter-${name}`).addEventListener('change', list);
  for (const outcome of ['success', 'failure']) at(`label-${outcome}`).addEventListener('click', () => label(outcome));
  replay.wire();
}
