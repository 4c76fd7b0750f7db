// A line that fills the width of its canvas: the last values, the newest at the right.

export const POINTS = 60;

/** Draws `values` in the canvas's own colour; a line at rest lies at the bottom. */
export function draw(canvas, values, { fromZero = true } = {}) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const { color } = getComputedStyle(canvas);
  if (values.length < 2) return;

  const low = fromZero ? 0 : Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const step = width / (POINTS - 1);
  const start = width - (values.length - 1) * step;
  const y = (value) => height - 3 - ((value - low) / span) * (height - 8);
  context.beginPath();
  values.forEach((value, at) => context.lineTo(start + at * step, y(value)));
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.strokeStyle = color;
  context.stroke();
  context.lineTo(width, height);
  context.lineTo(start, height);
  context.closePath();
  context.globalAlpha = 0.14;
  context.fillStyle = color;
  context.fill();
}
