// Paints a ThumbHash, as a page would with the package `thumbhash`: this machine may be offline.
function paintThumbHash(base64, canvas) {
  const hash = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
  const bits = (from, count) => {
    let value = 0;
    for (let i = 0; i < count; i++) value |= (hash[(from + i) >> 3] >> ((from + i) & 7) & 1) << i;
    return value;
  };
  const hasAlpha = bits(23, 1), isWide = bits(39, 1), count = bits(24, 3);
  const most = hasAlpha ? 5 : 7;
  const across = Math.max(3, isWide ? most : count), down = Math.max(3, isWide ? count : most);
  let at = hasAlpha ? 48 : 40;
  const channel = (mean, scale, nx, ny) => {
    const terms = [[0, 0, mean]];
    for (let y = 0; y < ny; y++)
      for (let x = y ? 0 : 1; x * ny < nx * (ny - y); x++, at += 4)
        terms.push([x, y, (bits(at, 4) / 7.5 - 1) * scale]);
    return terms;
  };
  const light = channel(bits(0, 6) / 63, bits(18, 5) / 31, across, down);
  const yellow = channel(bits(6, 6) / 31.5 - 1, bits(27, 6) / 63 * 1.25, 3, 3);
  const red = channel(bits(12, 6) / 31.5 - 1, bits(33, 6) / 63 * 1.25, 3, 3);
  const {width, height} = canvas, context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  const value = (terms, x, y) => terms.reduce((sum, [fx, fy, term]) => sum + term *
    Math.cos(Math.PI / width * (x + 0.5) * fx) * Math.cos(Math.PI / height * (y + 0.5) * fy) *
    (fx || fy ? 2 : 1), 0);
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i += 4) {
      const l = value(light, x, y), p = value(yellow, x, y), q = value(red, x, y);
      const b = l - 2 / 3 * p, r = (3 * l - b + q) / 2, g = r - q;
      pixels.data.set([r * 255, g * 255, b * 255, 255], i);
    }
  context.putImageData(pixels, 0, 0);
}
