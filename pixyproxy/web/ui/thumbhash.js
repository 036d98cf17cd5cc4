// Paints a ThumbHash (https://evanw.github.io/thumbhash/): what is seen before a picture has come.

const SIDE = 20;

/** @type {Map<string, Float32Array>} */
const waves = new Map();

/**
 * The cosines of a frequency, made once.
 * @param {number} frequency
 */
function wave(frequency) {
  const key = String(frequency);
  let values = waves.get(key);
  if (!values) {
    values = Float32Array.from({ length: SIDE }, (_, at) =>
      Math.cos((Math.PI / SIDE) * (at + 0.5) * frequency),
    );
    waves.set(key, values);
  }
  return values;
}

/**
 * @param {string} base64
 * @param {HTMLCanvasElement} canvas
 */
export function paint(base64, canvas) {
  const hash = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const bits = (/** @type {number} */ from, /** @type {number} */ count) => {
    let value = 0;
    for (let i = 0; i < count; i++) value |= ((hash[(from + i) >> 3] >> ((from + i) & 7)) & 1) << i;
    return value;
  };
  const hasAlpha = bits(23, 1);
  const isWide = bits(39, 1);
  const most = hasAlpha ? 5 : 7;
  const across = Math.max(3, isWide ? most : bits(24, 3));
  const down = Math.max(3, isWide ? bits(24, 3) : most);
  let at = hasAlpha ? 48 : 40;

  const channel = (/** @type {number[]} */ [mean, scale, nx, ny]) => {
    const plane = new Float32Array(SIDE * SIDE).fill(mean);
    for (let v = 0; v < ny; v++) {
      for (let u = v ? 0 : 1; u * ny < nx * (ny - v); u++, at += 4) {
        const term = (bits(at, 4) / 7.5 - 1) * scale * 2;
        const [columns, rows] = [wave(u), wave(v)];
        for (let y = 0, i = 0; y < SIDE; y++) {
          const part = term * rows[y];
          for (let x = 0; x < SIDE; x++, i++) plane[i] += part * columns[x];
        }
      }
    }
    return plane;
  };
  const light = channel([bits(0, 6) / 63, bits(18, 5) / 31, across, down]);
  const yellow = channel([bits(6, 6) / 31.5 - 1, (bits(27, 6) / 63) * 1.25, 3, 3]);
  const red = channel([bits(12, 6) / 31.5 - 1, (bits(33, 6) / 63) * 1.25, 3, 3]);

  if (canvas.width !== SIDE) canvas.width = canvas.height = SIDE;
  const context = /** @type {CanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  const pixels = context.createImageData(SIDE, SIDE);
  const { data } = pixels;
  for (let i = 0; i < light.length; i++) {
    const b = light[i] - (2 / 3) * yellow[i];
    const r = (3 * light[i] - b + red[i]) / 2;
    data[i * 4] = r * 255;
    data[i * 4 + 1] = (r - red[i]) * 255;
    data[i * 4 + 2] = b * 255;
    data[i * 4 + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}
