/** Bars of an estimate: the line from the least to the most that one can be is drawn to scale, and whole. */

import { render } from "preact";
import { expect, test } from "vitest";
import { HEIGHT } from "../src/charts/frame";
import { Bars } from "../src/feature/bars";
import type { HistogramData } from "../src/feature/wire";
import { LIGHT } from "../src/tokens/palette";

test("the most that the highest bar can be is the top of the chart", () => {
  const histogram: HistogramData = {
    low: 1,
    high: 3,
    counts: Uint32Array.of(30, 10),
    sums: Float32Array.of(45, 25),
    bound: Uint32Array.of(10, 5),
    sumsBound: Float32Array.of(5, 5),
  };
  document.body.innerHTML = "<svg></svg>";
  const host = document.body.firstElementChild as SVGElement;
  const props = { histogram, weighted: false, log: false, inner: 200, palette: LIGHT, scale: 3, prefix: "p" };
  render(<Bars {...props} />, host);
  const lines = [...host.querySelectorAll(".saew-hbar-within")].map((line) => line.getAttribute("d"));
  const y = (size: number) => -Math.round((size / 40) * HEIGHT);
  expect(lines.map((d) => d?.split(" ")[1])).toEqual([`${y(20)}V${y(40)}`, `${y(5)}V${y(15)}`]);
  expect(y(40)).toBe(-HEIGHT);
});
