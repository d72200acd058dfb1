/** Which point is where: a grid over the points, so that a mouse finds the nearest of twenty thousand in no time. */

const MOST_CELLS = 128;

export class Hits {
  readonly #x: Float32Array;
  readonly #y: Float32Array;
  readonly #side: number;
  readonly #low: [number, number];
  readonly #step: [number, number];
  /** Points cell by cell, and where each cell begins. */
  readonly #order: Uint32Array;
  readonly #start: Uint32Array;

  constructor(x: Float32Array, y: Float32Array, shown: (point: number) => boolean) {
    this.#x = x;
    this.#y = y;
    this.#side = Math.max(1, Math.min(MOST_CELLS, Math.ceil(Math.sqrt(x.length))));
    const [lowX, highX] = ends(x);
    const [lowY, highY] = ends(y);
    this.#low = [lowX, lowY];
    this.#step = [(highX - lowX) / this.#side || 1, (highY - lowY) / this.#side || 1];
    const cells = this.#side * this.#side;
    const start = new Uint32Array(cells + 1);
    const cell = new Int32Array(x.length).fill(-1);
    for (let i = 0; i < x.length; i++) {
      if (!shown(i)) continue;
      const at = this.#place(0, x[i] ?? 0) + this.#place(1, y[i] ?? 0) * this.#side;
      cell[i] = at;
      start[at + 1] = (start[at + 1] ?? 0) + 1;
    }
    for (let at = 0; at < cells; at++) start[at + 1] = (start[at + 1] ?? 0) + (start[at] ?? 0);
    const next = start.slice();
    this.#order = new Uint32Array(start[cells] ?? 0);
    cell.forEach((at, i) => {
      if (at < 0) return;
      const to = next[at] ?? 0;
      this.#order[to] = i;
      next[at] = to + 1;
    });
    this.#start = start;
  }

  #place(axis: 0 | 1, value: number): number {
    return Math.max(0, Math.min(this.#side - 1, Math.floor((value - this.#low[axis]) / this.#step[axis])));
  }

  /** The nearest point within `radius`, in the points' own units; -1: none. Of several at one place, the first. */
  nearest(x: number, y: number, radius: number): number {
    let found = -1;
    let best = radius * radius;
    for (let row = this.#place(1, y - radius); row <= this.#place(1, y + radius); row++) {
      for (let column = this.#place(0, x - radius); column <= this.#place(0, x + radius); column++) {
        const at = row * this.#side + column;
        for (let k = this.#start[at] ?? 0; k < (this.#start[at + 1] ?? 0); k++) {
          const i = this.#order[k] ?? 0;
          const far = ((this.#x[i] ?? 0) - x) ** 2 + ((this.#y[i] ?? 0) - y) ** 2;
          if (far < best || (far === best && (found < 0 || i < found))) {
            best = far;
            found = i;
          }
        }
      }
    }
    return found;
  }

  /** The nearest point in a direction (a quarter of all around it); -1: none. */
  toward(x: number, y: number, dx: number, dy: number): number {
    let found = -1;
    let best = Number.POSITIVE_INFINITY;
    for (const i of this.#order) {
      const [vx, vy] = [(this.#x[i] ?? 0) - x, (this.#y[i] ?? 0) - y];
      const along = vx * dx + vy * dy;
      if (along <= 0 || Math.abs(vx * dy - vy * dx) > along) continue;
      const far = vx * vx + vy * vy;
      if (far < best || (far === best && i < found)) {
        best = far;
        found = i;
      }
    }
    return found;
  }
}

function ends(values: Float32Array): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 0];
}
