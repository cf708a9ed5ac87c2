// SPDX-License-Identifier: Apache-2.0
// Runs before the first paint, so that a dark room is not lit up by a white flash.
const chosen = localStorage.getItem('theme');
document.documentElement.dataset.theme =
  chosen ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
