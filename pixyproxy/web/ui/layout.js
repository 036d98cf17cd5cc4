// Where pictures stand: rows that fill the width, each page of the list by itself, so that what is
// loaded, dropped or deleted in one place moves nothing in another.

/** @typedef {{y: number, height: number, from: number, to: number}} Row */
/** @typedef {{y: number, day: string}} Heading */
/** @typedef {{rows: Row[], headings: Heading[], height: number, lastDay: string}} Layout */
/** @typedef {{width: number, gap: number, rowHeight: number, headingHeight: number}} Measures */

const MOST_STRETCHED = 1.35;

/**
 * @param {ArrayLike<number>} ratios each picture's width by its height
 * @param {string[]} days each picture's day
 * @param {string} dayBefore the day above
 * @param {Measures} measures
 * @returns {Layout}
 */
export function layOut(ratios, days, dayBefore, measures) {
  /** @type {Layout} */
  const layout = { rows: [], headings: [], height: 0, lastDay: dayBefore };
  let from = 0;
  while (from < ratios.length) {
    // Pictures from elsewhere may be older than their place: only an earlier day begins anew.
    if (!layout.lastDay || days[from] < layout.lastDay) {
      layout.lastDay = days[from];
      layout.headings.push({ y: layout.height, day: days[from] });
      layout.height += measures.headingHeight;
    }
    let to = from + 1;
    while (to < ratios.length && days[to] >= layout.lastDay) to++;
    addRows(layout, ratios, from, to, measures);
    from = to;
  }
  return layout;
}

/**
 * Break pictures into rows of about the same height.
 * @param {Layout} layout
 * @param {ArrayLike<number>} ratios
 * @param {number} from
 * @param {number} to
 * @param {Measures} measures
 */
function addRows(layout, ratios, from, to, { width, gap, rowHeight }) {
  let total = 0;
  for (let at = from; at < to; at++) total += ratios[at] + gap / rowHeight;
  const count = Math.max(1, Math.round((total * rowHeight) / width));
  let sum = 0;
  let start = from;
  for (let row = 1; row <= count && start < to; row++) {
    const target = (total * row) / count;
    let end = start;
    let ratioOfRow = 0;
    while (end < to) {
      const next = ratios[end] + gap / rowHeight;
      const isNearer = sum + next - target > target - sum;
      if (row < count && end > start && isNearer) break;
      sum += next;
      ratioOfRow += ratios[end];
      end++;
    }
    const filling = (width - gap * (end - start - 1)) / ratioOfRow;
    const height = Math.min(filling, rowHeight * MOST_STRETCHED);
    layout.rows.push({ y: layout.height, height, from: start, to: end });
    layout.height += height + gap;
    start = end;
  }
}
