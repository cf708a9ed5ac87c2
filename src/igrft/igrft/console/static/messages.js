// SPDX-License-Identifier: Apache-2.0
// What came of the operator's presses, in the words of whoever was asked.

const KEPT = 3;
const list = () => document.getElementById('messages');

export function report(text, level = 'good') {
  const item = document.createElement('li');
  item.textContent = text;
  item.className = level;
  list().prepend(item);
  while (list().childElementCount > KEPT) list().lastElementChild.remove();
  setTimeout(() => item.remove(), level === 'error' ? 15000 : 5000);
}

const CONFIRM = 3000; // [ms] in which the second press counts

/** Runs what a button does: once at a time, after a second press where one is asked for, and tells what came of it. */
export async function perform(button, act, confirm = false) {
  if (button.ariaBusy === 'true') return;
  if (confirm && !button.dataset.confirm) {
    button.dataset.confirm = 'true';
    setTimeout(() => delete button.dataset.confirm, CONFIRM);
    report(`Press again: ${button.firstChild.textContent.trim().toLowerCase()}`);
    return;
  }
  delete button.dataset.confirm;
  button.ariaBusy = 'true';
  try {
    report(await act());
  } catch (error) {
    report(error.message, 'error');
  } finally {
    button.ariaBusy = 'false';
  }
}
