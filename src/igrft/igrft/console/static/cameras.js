// SPDX-License-Identifier: Apache-2.0
// Live pictures: one canvas a camera, and a plain word where none arrive.

const STALE = 1000; // [ms]
const cameras = [];

export function showCameras(names) {
  if (names.join() === cameras.map((camera) => camera.name).join()) return;
  const parent = document.getElementById('cameras');
  parent.replaceChildren();
  cameras.length = 0;
  for (const name of names) {
    const figure = document.createElement('figure');
    figure.className = 'camera';
    const canvas = document.createElement('canvas');
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', `camera ${name}`);
    const caption = document.createElement('figcaption');
    const stale = document.createElement('div');
    stale.className = 'stale';
    figure.append(canvas, caption, stale);
    parent.append(figure);
    cameras.push({ name, canvas, caption, stale, arrivals: [] });
  }
  judge();
}

/** Draws a picture; the canvas keeps its stamp [s], so that its age can be measured. */
export async function showFrame(index, stamp, blob) {
  const camera = cameras[index];
  if (!camera) return;
  const bitmap = await createImageBitmap(blob);
  const { canvas } = camera;
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  canvas.getContext('2d').drawImage(bitmap, 0, 0);
  canvas.dataset.stamp = stamp;
  bitmap.close();
  camera.arrivals.push(performance.now());
  camera.stale.hidden = true;
}

function judge() {
  const now = performance.now();
  for (const { name, caption, stale, arrivals } of cameras) {
    const last = arrivals.at(-1);
    while (arrivals.length > 1 && now - arrivals[0] > 2000) arrivals.shift();
    const rate = arrivals.length > 1 ? (1000 * (arrivals.length - 1)) / (last - arrivals[0]) : 0;
    const fresh = last !== undefined && now - last < STALE;
    caption.textContent = fresh && rate > 0 ? `${name} · ${rate.toFixed(0)} Hz` : name;
    stale.hidden = fresh;
    stale.textContent = last === undefined ? 'Waiting for pictures' : `No picture for ${Math.round((now - last) / 1000)} s`;
  }
}

setInterval(judge, 500);
