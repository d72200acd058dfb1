/** Where points of a plane are on a screen, which of them is meant, and the colours of numbers: against the slowest way to find out. */

import { describe, expect, test } from "vitest";
import { nearbyOf, nearest, toward } from "../src/charts/nearby";
import { frameOf, type Look, moved, planeX, planeY, screenX, screenY, WHOLE, zoomed } from "../src/charts/plane";
import { along, VIRIDIS } from "../src/charts/viridis";

/** Numbers without a pattern, the same every time. */
function* noise(seed: number): Generator<number> {
  let state = seed;
  for (;;) {
    state = (state * 1664525 + 1013904223) % 4294967296;
    yield state / 4294967296;
  }
}
const cloud = (n: number, seed: number, wide = 1) => {
  const of = noise(seed);
  return Float32Array.from({ length: n }, () => (Number(of.next().value) - 0.5) * wide);
};

describe("the nearest point", () => {
  test("is the one that looking at all of them finds", () => {
    const [x, y] = [cloud(3000, 1, 8), cloud(3000, 2, 3)];
    const [px, py] = [cloud(200, 3, 10), cloud(200, 4, 4)];
    const shown = (i: number) => i % 3 !== 0;
    const near = nearbyOf(x, y, shown);
    for (let q = 0; q < 200; q++) {
      for (const radius of [0.02, 0.3, 50]) {
        let best = -1;
        let least = radius ** 2;
        for (let i = 0; i < 3000; i++) {
          const far = ((x[i] ?? 0) - (px[q] ?? 0)) ** 2 + ((y[i] ?? 0) - (py[q] ?? 0)) ** 2;
          if (shown(i) && far < least) [best, least] = [i, far];
        }
        expect(nearest(near, px[q] ?? 0, py[q] ?? 0, radius)).toBe(best);
      }
    }
  });

  test("of several at one place is the last, which is drawn over the others; of none there is none", () => {
    const same = new Float32Array(5).fill(2);
    const of = (points: Float32Array, shown: (i: number) => boolean) =>
      nearest(nearbyOf(points, points, shown), 2, 2, 1);
    expect(of(same, (i) => i < 3)).toBe(2);
    expect(of(same, () => false)).toBe(-1);
    expect(of(new Float32Array(0), () => true)).toBe(-1);
  });

  test("in a direction is the nearest of a quarter, and there is none at the edge", () => {
    const [x, y] = [cloud(400, 5), cloud(400, 6)];
    const near = nearbyOf(x, y, () => true);
    const ways: [number, number][] = [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ];
    for (let from = 0; from < 400; from++) {
      for (const [dx, dy] of ways) {
        const found = Array.from({ length: 400 }, (_, i) => {
          const [vx, vy] = [(x[i] ?? 0) - (x[from] ?? 0), (y[i] ?? 0) - (y[from] ?? 0)];
          const [along, across] = [vx * dx + vy * dy, Math.abs(vx * dy) + Math.abs(vy * dx)];
          return { i, far: Math.hypot(vx, vy), there: along > 0 && across <= along };
        }).filter(({ there }) => there);
        found.sort((one, other) => one.far - other.far);
        expect(toward(near, x[from] ?? 0, y[from] ?? 0, dx, dy)).toBe(found[0]?.i ?? -1);
      }
    }
    const right = x.indexOf(Math.max(...x));
    expect(toward(near, x[right] ?? 0, y[right] ?? 0, 1, 0)).toBe(-1);
  });
});

describe("from coordinates to pixels", () => {
  const box = { left: -10, right: 10, bottom: 0, top: 5 };
  const room = { width: 260, height: 180 };

  test("both axes have the same units, and the whole takes its room", () => {
    const frame = frameOf(box, 300, 200, WHOLE, room);
    expect(screenX(frame, 1) - screenX(frame, 0)).toBeCloseTo(13);
    expect(screenY(frame, 0) - screenY(frame, 1)).toBeCloseTo(13);
    expect([screenX(frame, -10), screenX(frame, 10)]).toEqual([20, 280]);
    expect([screenX(frame, 0), screenY(frame, 2.5)]).toEqual([150, 100]);
    const tall = frameOf({ left: 0, right: 1, bottom: 0, top: 9 }, 300, 200, WHOLE, room);
    expect([screenY(tall, 0), screenY(tall, 9)]).toEqual([190, 10]);
    const point = frameOf({ left: 3, right: 3, bottom: 4, top: 4 }, 300, 200, WHOLE, room);
    expect([screenX(point, 3), screenY(point, 4)]).toEqual([150, 100]);
    expect(point.scale).toBeGreaterThan(0);
  });

  test("what is under a pixel stays there when it comes nearer, and goes along with a hand", () => {
    let look: Look = WHOLE;
    const frame = () => frameOf(box, 300, 200, look, room);
    const [x, y] = [planeX(frame(), 40), planeY(frame(), 120)];
    look = zoomed(frame(), 40, 4, 40, 120);
    expect(frame().scale).toBeCloseTo(4 * 13);
    expect([screenX(frame(), x), screenY(frame(), y)].map(Math.round)).toEqual([40, 120]);
    look = moved(frame(), -15, 25);
    expect([screenX(frame(), x), screenY(frame(), y)].map(Math.round)).toEqual([55, 95]);
    expect(zoomed(frame(), 40, 0.01, 0, 0)).toEqual(WHOLE);
    expect(zoomed(frame(), 40, 1e9, 0, 0).zoom).toBe(40);
  });
});

test("a scale has its colours at even steps, and even mixtures between them", () => {
  VIRIDIS.forEach((colour, i) => {
    expect(along(VIRIDIS, i / (VIRIDIS.length - 1))).toEqual(colour);
  });
  const two = [
    [0, 100, 200],
    [100, 0, 200],
  ] as const;
  expect(along(two, 0.25)).toEqual([25, 75, 200]);
  expect([along(two, -1), along(two, 2)]).toEqual([two[0], two[1]]);
});
