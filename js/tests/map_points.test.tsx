/** Where the points of a map are: against the slowest way to find out. */

import { describe, expect, test } from "vitest";
import { nearest } from "../src/charts/nearby";
import { planeX, planeY, screenX, screenY, WHOLE } from "../src/charts/plane";
import { decode } from "../src/kernel/arrays";
import { scaleTicks } from "../src/widgets/map/legend";
import { CLOSEST, frameOf, moved, zoomed } from "../src/widgets/map/look";
import { inside, pointsOf } from "../src/widgets/map/points";
import { DIM, FAINT, FOUND, inkOf, ordered, PLAIN, pixel, radiusOf, raster, SELECTED } from "../src/widgets/map/raster";
import { statesOf } from "../src/widgets/map/state";
import type { LayoutJson } from "../src/widgets/map/wire";
import { dice, kernelOf, MISSING, steps } from "./fake_map";

const WIDTH = 700;
const HEIGHT = 400;

const mapOf = (n: number) => {
  const answer = kernelOf(n + MISSING.length)({ t: "req", id: "v:1", ch: "layout", p: {} });
  if (answer?.t !== "res" || !answer.ok) throw new Error("no answer");
  return pointsOf({ r: answer.r as unknown as LayoutJson, arrays: decode(answer.arrays, []) });
};

describe("points off the wire", () => {
  const points = mapOf(500);
  const { x, y } = steps(500);

  test("are where Python put them", () => {
    for (let row = 0; row < 500; row++) {
      expect(points.x[row]).toBeCloseTo((2 * (x[row] ?? 0)) / 65535 - 1, 6);
      expect(points.y[row]).toBeCloseTo((2 * (y[row] ?? 0)) / 65535 - 1, 6);
    }
    expect(points.box.left).toBeCloseTo((2 * Math.min(...x)) / 65535 - 1, 6);
    expect(points.box.top).toBeCloseTo((2 * Math.max(...y)) / 65535 - 1, 6);
  });

  test("are of all features but those without a place", () => {
    const features = Array.from({ length: 502 }, (_, f) => f).filter((f) => !MISSING.includes(f));
    expect([...points.features]).toEqual(features);
    features.forEach((f, row) => {
      expect(points.rowOf[f]).toBe(row);
    });
    for (const f of MISSING) expect(points.rowOf[f]).toBe(-1);
  });
});

describe("the window", () => {
  const { box } = mapOf(500);

  test("shows the whole, and nothing is distorted", () => {
    const frame = frameOf(box, WIDTH, HEIGHT, WHOLE);
    for (const [x, y] of [
      [box.left, box.top],
      [box.right, box.bottom],
    ] as const) {
      expect(screenX(frame, x)).toBeGreaterThanOrEqual(0);
      expect(screenX(frame, x)).toBeLessThanOrEqual(WIDTH);
      expect(screenY(frame, y)).toBeGreaterThanOrEqual(0);
      expect(screenY(frame, y)).toBeLessThanOrEqual(HEIGHT);
    }
    expect(screenX(frame, 0.1) - screenX(frame, 0)).toBeCloseTo(screenY(frame, 0) - screenY(frame, 0.1), 6);
  });

  test("what is under the pointer stays there", () => {
    const before = frameOf(box, WIDTH, HEIGHT, { zoom: 3, at: { x: 0.1, y: 0.05 } });
    const after = frameOf(box, WIDTH, HEIGHT, zoomed(before, box, 1.7, 200, 150));
    expect(after.zoom).toBeCloseTo(5.1, 6);
    expect(screenX(after, planeX(before, 200))).toBeCloseTo(200, 3);
    expect(screenY(after, planeY(before, 150))).toBeCloseTo(150, 3);
  });

  test("closer has an end, and farther is the whole", () => {
    const frame = frameOf(box, WIDTH, HEIGHT, { zoom: 50, at: null });
    expect(zoomed(frame, box, 9, 0, 0).zoom).toBe(CLOSEST);
    expect(zoomed(frame, box, 1e-3, 0, 0)).toEqual(WHOLE);
  });

  test("is moved by pixels, and never off the map", () => {
    const frame = frameOf(box, WIDTH, HEIGHT, { zoom: 4, at: null });
    const after = frameOf(box, WIDTH, HEIGHT, moved(frame, box, 30, -20));
    expect(screenX(frame, 0) - screenX(after, 0)).toBeCloseTo(30, 3);
    expect(screenY(after, 0) - screenY(frame, 0)).toBeCloseTo(20, 3);
    expect(moved(frame, box, 1e9, 1e9).at).toEqual({ x: box.right, y: box.bottom });
  });
});

describe("what is near, and what is inside", () => {
  const points = mapOf(3000);

  test.each([1, 4, 17, 64])("at a zoom of %d the nearest is the one that a look at all finds", (zoom) => {
    const next = dice(zoom);
    let hits = 0;
    for (let k = 0; k < 300; k++) {
      const middle = {
        x: points.x[Math.floor(next() * points.n)] ?? 0,
        y: points.y[Math.floor(next() * points.n)] ?? 0,
      };
      const frame = frameOf(points.box, WIDTH, HEIGHT, { zoom, at: middle });
      const [px, py] = [next() * WIDTH, next() * HEIGHT];
      let best = -1;
      let least = 8;
      for (let row = 0; row < points.n; row++) {
        const far = Math.hypot(screenX(frame, points.x[row] ?? 0) - px, screenY(frame, points.y[row] ?? 0) - py);
        if (far < least) [best, least] = [row, far];
      }
      expect(nearest(points.near, planeX(frame, px), planeY(frame, py), 8 / frame.scale)).toBe(best);
      hits += Number(best >= 0);
    }
    if (zoom < 10) expect(hits).toBeGreaterThan(3);
  });

  test.each([1, 9, 64])("a point itself is found on its place, at a zoom of %d", (zoom) => {
    for (let row = 0; row < points.n; row += 7) {
      const found = nearest(points.near, points.x[row] ?? 0, points.y[row] ?? 0, 8 / (300 * zoom));
      expect([points.x[found], points.y[found]]).toEqual([points.x[row], points.y[row]]);
    }
  });

  test("those that cannot be meant are passed over", () => {
    const row = 11;
    const found = nearest(points.near, points.x[row] ?? 0, points.y[row] ?? 0, 1, (one) => one !== row);
    let best = -1;
    for (let other = 0; other < points.n; other++) {
      const far = (r: number) =>
        Math.hypot((points.x[r] ?? 9) - (points.x[row] ?? 0), (points.y[r] ?? 9) - (points.y[row] ?? 0));
      if (other !== row && (best < 0 || far(other) < far(best))) best = other;
    }
    expect(found).toBe(best);
  });

  test("a lasso takes what turns around it, also of a line that crosses itself", () => {
    const next = dice(3);
    let some = 0;
    for (let k = 0; k < 40; k++) {
      const line = Array.from({ length: 2 * (3 + Math.floor(next() * 9)) }, () => next() * 1.6 - 0.8);
      // Crossings of a ray to the right, corner by corner.
      const wanted: number[] = [];
      for (let row = 0; row < points.n; row++) {
        const [x, y] = [points.x[row] ?? 0, points.y[row] ?? 0];
        let crossings = 0;
        for (let i = 0; i < line.length; i += 2) {
          const [ax, ay] = [line[i] ?? 0, line[i + 1] ?? 0];
          const [bx, by] = [line[(i + 2) % line.length] ?? 0, line[(i + 3) % line.length] ?? 0];
          const crosses = (ay <= y && by > y) || (by <= y && ay > y);
          if (crosses && ax + ((y - ay) / (by - ay)) * (bx - ax) > x) crossings += 1;
        }
        if (crossings % 2 === 1) wanted.push(row);
      }
      expect(inside(points, line)).toEqual(wanted);
      some += wanted.length;
    }
    expect(some).toBeGreaterThan(1000);
    expect(inside(points, [0, 0, 1, 1])).toEqual([]);
  });
});

describe("what stands out", () => {
  const points = mapOf(20);
  const marks = { json: { found: 1, capped: false, among: 2 }, found: Uint32Array.of(5), among: Uint32Array.of(5, 6) };
  const of = (state: Uint8Array, feature: number) => state[points.rowOf[feature] ?? -1];

  test("found before listed, selected before both", () => {
    expect([...statesOf(points, null, false, [])].every((one) => one === PLAIN)).toBe(true);
    const searched = statesOf(points, { ...marks, among: new Uint32Array(0) }, false, [8]);
    expect([of(searched, 5), of(searched, 8), of(searched, 6)]).toEqual([FOUND, SELECTED, DIM]);
    const listed = statesOf(points, marks, true, [5]);
    expect([of(listed, 5), of(listed, 6), of(listed, 9)]).toEqual([SELECTED, DIM, FAINT]);
    // Nothing has a place that has none.
    expect(statesOf(points, null, false, MISSING).every((one) => one === PLAIN)).toBe(true);
  });

  test("is drawn last", () => {
    const next = dice(5);
    const state = Uint8Array.from({ length: 200 }, () => Math.floor(next() * 5));
    const order = [
      ...ordered(
        state,
        Uint32Array.from({ length: 200 }, (_, row) => (7 * row) % 200),
      ),
    ];
    expect(new Set(order).size).toBe(200);
    expect(order.map((row) => state[row])).toEqual([...state].sort());
  });

  test.each([true, false])("every point has its colour in the middle, on paper; smooth: %s", (smooth) => {
    const colours = Array.from({ length: 256 }, (_, i) => [i, 2, 255 - i]);
    const ink = inkOf(colours, [
      [250, 250, 250],
      [1, 1, 1],
      [2, 2, 2],
    ]);
    const state = new Uint8Array(points.n).fill(PLAIN);
    const level = Uint8Array.from({ length: points.n }, (_, row) => row);
    const frame = frameOf(points.box, 300, 200, WHOLE);
    const pixels = new Uint32Array(600 * 400);
    const drawn = { points, state, order: ordered(state, points.near.rows), level, ink };
    raster(pixels, { width: 600, height: 400, dense: 2, smooth }, frame, drawn);
    for (let row = 0; row < points.n; row++) {
      const x = Math.floor(2 * screenX(frame, points.x[row] ?? 0));
      const y = Math.floor(2 * screenY(frame, points.y[row] ?? 0));
      expect(pixels[y * 600 + x]).toBe(pixel([row, 2, 255 - row]));
    }
    expect(pixels[0]).toBe(pixel([250, 250, 250]));
    const near = radiusOf(frame, points.n, PLAIN) * 2 + 2;
    let painted = 0;
    pixels.forEach((value, at) => {
      if (value === pixel([250, 250, 250])) return;
      painted += 1;
      const [px, py] = [at % 600, Math.floor(at / 600)];
      const far = Math.min(
        ...[...points.x].map((x, row) =>
          Math.hypot(2 * screenX(frame, x) - px, 2 * screenY(frame, points.y[row] ?? 0) - py),
        ),
      );
      expect(far).toBeLessThan(near);
    });
    expect(painted).toBeGreaterThan(points.n * 9);
  });
});

test("a scale has round numbers inside", () => {
  expect(scaleTicks(1e-5, 1, true)).toEqual([0.001, 0.01]);
  expect(scaleTicks(0, 10, false).every((tick) => tick >= 2 && tick <= 8)).toBe(true);
  expect(scaleTicks(1, 1, true)).toEqual([]);
});
