// SPDX-License-Identifier: Apache-2.0
// The stream from the console, and the commands to it.

const SILENCE = 3000; // [ms]; the console says something every second
const RETRY = 1000;
const HEADER = 16; // bytes before a picture: kind, camera index, padding, stamp [s]

/** Keeps one WebSocket open for ever. `on` has state, samples, frame(index, stamp, blob) and link(word). */
export function connect(on) {
  let socket;
  let heard = 0;

  function open() {
    heard = performance.now();
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    socket = new WebSocket(`${scheme}://${location.host}/api/stream`);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => {
      heard = performance.now();
      on.link('live');
      if (typeof data === 'string') {
        const message = JSON.parse(data);
        on[message.type](message[message.type]);
      } else {
        const view = new DataView(data);
        on.frame(view.getUint8(1), view.getFloat64(8, true), new Blob([data.slice(HEADER)], { type: 'image/jpeg' }));
      }
    };
    socket.onclose = () => {
      on.link('lost');
      setTimeout(open, RETRY);
    };
  }

  open();
  setInterval(() => {
    if (performance.now() - heard > SILENCE && socket.readyState !== WebSocket.CLOSED) {
      on.link('lost');
      socket.close();
    }
  }, 500);
}

/** Sends a command; resolves to its message, rejects with what the operator should know. */
export async function command(path, body = {}) {
  const patience = path === 'trainer/serve' ? 65000 : 8000; // [ms]; a policy is read and warmed up
  const answer = await ask(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(patience),
  });
  return answer.message;
}

/** What the console knows of episodes and trainings. */
export function look(path) {
  return ask(path, { signal: AbortSignal.timeout(60000) });
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(`/api/${path}`, options);
  } catch {
    throw new Error('The console does not answer.');
  }
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error(text || `The console answered ${response.status}.`);
  }
  if (!response.ok) throw new Error(answer.message ?? `The console answered ${response.status}.`);
  return answer;
}
