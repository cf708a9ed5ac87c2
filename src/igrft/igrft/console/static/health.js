// SPDX-License-Identifier: Apache-2.0
// The page of health: every node's own word, the worst first.

import { say } from './view.js';

const LEVELS = ['error', 'stale', 'warn', 'ok'];
const WORDS = { error: 'failing', stale: 'silent', warn: 'warned of', ok: 'well' };
const at = (id) => document.getElementById(id);

export function followHealth(components) {
  const counts = Object.fromEntries(LEVELS.map((level) => [level, components.filter((one) => one.level === level).length]));
  const bad = components.length - counts.ok;
  say('health-word', components.length === 0 ? 'No node reports' : bad === 0 ? 'All is well' : bad === 1 ? 'One needs a look' : `${bad} need a look`);
  at('health-word').dataset.level = counts.error || counts.stale ? 'bad' : bad ? 'warn' : 'good';
  say('health-count', LEVELS.filter((level) => counts[level]).map((level) => `${counts[level]} ${WORDS[level]}`).join(', '));
  at('health-badge').hidden = bad === 0;
  at('health-badge').dataset.level = counts.error || counts.stale ? 'bad' : 'warn';
  say('health-badge', String(bad));
  if (at('health').hidden) return;
  const nodes = [...new Set(components.map(({ node }) => node))];
  at('components').replaceChildren(...nodes.map((node) => card(node, components.filter((one) => one.node === node))));
}

function card(node, parts) {
  const box = element('section', 'panel card');
  box.dataset.level = LEVELS.find((level) => parts.some((part) => part.level === level));
  box.append(element('h2', '', node));
  for (const { name, level, text, values } of parts) {
    const part = element('div', 'part');
    part.dataset.level = level;
    const facts = element('dl');
    for (const [key, value] of Object.entries(values)) facts.append(element('dt', '', key), element('dd', '', value));
    part.append(element('b', '', parts.length > 1 || name !== node ? name : ''), element('p', '', text), facts);
    box.append(part);
  }
  return box;
}

function element(tag, kind = '', text = '') {
  return Object.assign(document.createElement(tag), { className: kind, textContent: text });
}
