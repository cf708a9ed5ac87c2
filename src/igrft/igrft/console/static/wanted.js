// SPDX-License-Identifier: Apache-2.0
// The policy asks for a driver: a bar on every page and a sound that repeats until somebody answers.

const AGAIN = 4000; // [ms] between two calls
const NOTES = [660, 880]; // [Hz]
const at = (id) => document.getElementById(id);
let audio = null;
let timer = null;

function call() {
  if (at('sound').ariaPressed !== 'true' || audio?.state !== 'running') return;
  NOTES.forEach((pitch, index) => {
    const [tone, loudness] = [audio.createOscillator(), audio.createGain()];
    const begin = audio.currentTime + 0.22 * index;
    tone.frequency.value = pitch;
    loudness.gain.setValueAtTime(0, begin);
    loudness.gain.linearRampToValueAtTime(0.3, begin + 0.02);
    loudness.gain.linearRampToValueAtTime(0, begin + 0.2);
    tone.connect(loudness).connect(audio.destination);
    tone.start(begin);
    tone.stop(begin + 0.2);
  });
  document.body.dataset.called = String(Number(document.body.dataset.called ?? 0) + 1);
}

export function followWanted(state, live) {
  const wanted = Boolean(live && state?.help?.requested);
  at('wanted').hidden = !wanted;
  at('wanted-text').textContent = state?.help?.reason ?? '';
  document.title = wanted ? '● Driver wanted – igrft' : 'igrft console';
  if (wanted && timer === null) {
    timer = setInterval(call, AGAIN);
    call();
  } else if (!wanted && timer !== null) {
    clearInterval(timer);
    timer = null;
  }
}

export function wireWanted() {
  const button = at('sound');
  button.ariaPressed = localStorage.getItem('sound') ?? 'true';
  button.addEventListener('click', () => {
    button.ariaPressed = button.ariaPressed === 'true' ? 'false' : 'true';
    localStorage.setItem('sound', button.ariaPressed);
  });
  // Browsers let a page make sound only after somebody has touched it.
  const unlock = () => {
    audio ??= new AudioContext();
    audio.resume();
  };
  for (const kind of ['pointerdown', 'keydown']) document.addEventListener(kind, unlock, { capture: true });
}
