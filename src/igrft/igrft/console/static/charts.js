// SPDX-License-Identifier: Apache-2.0
// Line charts on canvases, in the colours of the theme.

const EDGE = 4; // [px] that a line keeps from the edge

/**
 * Draws a chart and returns the function from x values to pixels.
 * chart: from, to (x range); low, high (y range, else of the data); xs, ys (null breaks the line); gap (in x, breaks it);
 * bands [{from, to, colour}] behind it; strips [{from, to, colour}] at its foot; marks [x]; cursor (x).
 */
export function draw(canvas, chart) {
  const { context, width, height, colour } = surface(canvas);
  const known = chart.ys.filter((value) => value != null);
  const bottom = chart.low ?? Math.min(0, ...known);
  const top = Math.max(chart.high ?? Math.max(...known), bottom + 1e-9);
  const span = chart.to - chart.from || 1;
  const x = (value) => ((value - chart.from) / span) * width;
  const y = (value) => height - EDGE - ((value - bottom) / (top - bottom)) * (height - 2 * EDGE);

  for (const { from, to, colour: name } of chart.bands ?? []) fill(from, to, 0, height, name);
  context.strokeStyle = colour('--line');
  context.lineWidth = 1;
  for (const level of new Set([bottom, Math.min(Math.max(0, bottom), top), top])) line(0, y(level), width, y(level));
  context.setLineDash([3, 4]);
  for (const mark of chart.marks ?? []) line(x(mark), 0, x(mark), height);
  context.setLineDash([]);
  for (const { from, to, colour: name } of chart.strips ?? []) fill(from, to, height - EDGE, EDGE, name);

  context.strokeStyle = colour('--policy');
  context.lineWidth = 2.5;
  context.lineJoin = 'round';
  context.beginPath();
  let pen = null;
  chart.xs.forEach((at, index) => {
    const value = chart.ys[index];
    if (value == null) pen = null;
    else {
      if (pen !== null && at - pen < (chart.gap ?? Infinity)) context.lineTo(x(at), y(value));
      else context.moveTo(x(at), y(value));
      pen = at;
    }
  });
  context.stroke();
  if (chart.cursor != null) {
    context.strokeStyle = colour('--text');
    context.lineWidth = 2;
    line(x(chart.cursor), 0, x(chart.cursor), height);
  }
  return x;

  function line(x0, y0, x1, y1) {
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
    context.stroke();
  }

  function fill(from, to, up, tall, name) {
    context.fillStyle = colour(name);
    context.fillRect(x(from), up, Math.max(x(to) - x(from), 1), tall);
  }
}

/** A canvas in the pixels of the screen, empty, and the theme's colours. */
export function surface(canvas) {
  const scale = devicePixelRatio;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext('2d');
  context.scale(scale, scale);
  const style = getComputedStyle(document.body);
  return { context, width, height, colour: (name) => style.getPropertyValue(name) };
}

/** A figure with a title, a number and a canvas, as the plots of every page are. */
export function figure(title) {
  const [box, caption, output, canvas] = ['figure', 'figcaption', 'output', 'canvas'].map((tag) => document.createElement(tag));
  caption.textContent = title;
  output.textContent = '–';
  box.append(caption, output, canvas);
  return { box, output, canvas };
}
