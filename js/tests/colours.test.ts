/**
 * The colours that mean something, as they look to eyes that lack one kind of cone: simulated, and measured in a space in
 * which distances are how different colours look.
 */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Rgb } from "../src/charts/viridis";
import { background } from "../src/tokens/paint";
import { LIGHT, type Palette } from "../src/tokens/palette";
import { groupColours, type Look, levels, restColour } from "../src/widgets/map/colours";
import { markOf, shade } from "../src/widgets/subspace/colours";

type Matrix = readonly (readonly number[])[];

/** Of linear RGB: Machado, Oliveira and Fernandes 2009, table of severity 1. */
const EYES: Record<string, Matrix> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};
/** OKLab (Ottosson 2020): from linear RGB to cones, and from their cube roots to lightness and two differences. */
const CONES: Matrix = [
  [0.4122214708, 0.5363325363, 0.0514459929],
  [0.2119034982, 0.6806995451, 0.1073969566],
  [0.0883024619, 0.2817188376, 0.6299787005],
];
const SEEN: Matrix = [
  [0.2104542553, 0.793617785, -0.0040720468],
  [1.9779984951, -2.428592205, 0.4505937099],
  [0.0259040371, 0.7827717662, -0.808675766],
];
/** Some three times what is just seen as another colour, side by side (0.02); behind a token, where it is paler, twice. */
const APART = 0.06;
const APART_BEHIND = 0.035;

const times = (matrix: Matrix, v: readonly number[]) =>
  matrix.map((row) => row.reduce((sum, one, i) => sum + one * (v[i] ?? 0), 0));
const linear = (v: number) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);

function seen(rgb: Rgb, eyes: Matrix): number[] {
  const light = times(
    eyes,
    rgb.map((one) => linear(one / 255)),
  ).map((one) => Math.max(0, Math.min(1, one)));
  return times(SEEN, times(CONES, light).map(Math.cbrt));
}

const distance = (a: Rgb, b: Rgb, eyes: Matrix) => {
  const [one, other] = [seen(a, eyes), seen(b, eyes)];
  return Math.hypot(...one.map((v, i) => v - (other[i] ?? 0)));
};

/** The two of some colours that look most alike, to any eyes. */
function nearest(colours: readonly Rgb[]): number {
  const all = Object.values(EYES).flatMap((eyes) =>
    colours.flatMap((a, i) => colours.slice(i + 1).map((b) => distance(a, b, eyes))),
  );
  return Math.min(...all);
}

const rgb = (css: string): Rgb => {
  const hex = css.match(/^#(..)(..)(..)$/)?.slice(1);
  const [r = 0, g = 0, b = 0] = hex
    ? hex.map((part) => Number.parseInt(part, 16))
    : (css.match(/[\d.]+/g) ?? []).map(Number);
  return [r, g, b];
};

/** What the style sheet says, of the light theme where another says nothing. */
function theme(name: "light" | "dark"): (property: string) => string {
  const sheet = readFileSync("js/src/page/theme.css", "utf8");
  const block = (selector: string) => sheet.split(`\n${selector} {`)[1]?.split("\n}")[0] ?? "";
  const said = [...(name === "dark" ? [block('.saew[data-theme="dark"]')] : []), block(".saew")];
  return (property) => {
    for (const one of said) {
      const found = one.match(new RegExp(`--saew-${property}: ([^;]+);`));
      if (found?.[1]) return found[1];
    }
    throw new Error(`No ${property} in the theme ${name}.`);
  };
}

function lookOf(name: "light" | "dark"): Look {
  const says = theme(name);
  const palette: Palette = {
    hues: LIGHT.hues.map((_, i) => rgb(says(`h${i}`)).join(" ")),
    strength: Number(says("strength")),
    ink: says("ink"),
    neutral: says("neutral"),
    font: "",
  };
  return { paper: rgb(says("panel")), ink: rgb(says("ink")), accent: rgb(says("accent")), palette };
}

/** A colour behind a token, as it is on the ground. */
function behind(value: number, hue: number, { palette, paper }: Look): Rgb {
  const drawn = background([{ hue, values: Float32Array.of(value), scale: 1 }], 0, palette);
  const [r = 0, g = 0, b = 0, alpha = 0] = (drawn.match(/[\d.]+/g) ?? []).map(Number);
  return [r, g, b].map((one, i) => one * alpha + (paper[i] ?? 0) * (1 - alpha)) as unknown as Rgb;
}

/** Each next is darker than the one before, or each is lighter, to all eyes. */
function oneWay(colours: readonly Rgb[]): void {
  for (const [name, eyes] of Object.entries(EYES)) {
    const steps = colours.slice(1).map((one, i) => (seen(one, eyes)[0] ?? 0) - (seen(colours[i] ?? one, eyes)[0] ?? 0));
    const up = (steps[0] ?? 0) > 0;
    expect(
      steps.filter((step) => step > 0 !== up),
      name,
    ).toEqual([]);
  }
}

test("the palette of a view that is in no document yet is the light theme's", () => {
  expect(LIGHT.hues).toEqual(lookOf("light").palette.hues);
  expect(LIGHT.strength).toBe(lookOf("light").palette.strength);
});

describe.each(["light", "dark"] as const)("%s", (name) => {
  const look = lookOf(name);
  const hues = look.palette.hues.map(rgb);

  test("features are told apart, from each other and from the ground", () => {
    expect(nearest([...hues, look.paper])).toBeGreaterThan(APART);
  });

  test("and so they are behind tokens", () => {
    const strongest = hues.map((_, hue) => behind(1, hue, look));
    expect(nearest([...strongest, look.paper])).toBeGreaterThan(APART_BEHIND);
  });

  test("what is raised is not what is lowered", () => {
    const [up, down] = [behind(1, 1, look), behind(1, 4, look)];
    expect(nearest([up, down, look.paper])).toBeGreaterThan(2 * APART);
  });

  test("more activation is more colour", () => {
    for (const hue of hues.keys())
      oneWay([look.paper, ...Array.from({ length: 8 }, (_, i) => behind((i + 1) / 8, hue, look))]);
  });

  test("numbers on a map and in a subspace go from dark to light, or from light to dark", () => {
    const json = { groups: [] } as unknown as Parameters<typeof levels>[1];
    oneWay(levels(look, json).filter((_, i) => i < 255 && i % 16 === 0));
    oneWay(Array.from({ length: 16 }, (_, i) => rgb(shade(i / 15, look.palette))));
  });

  test("ten groups of a map, and what is in none", () => {
    expect(nearest([...groupColours(look), restColour(look)])).toBeGreaterThan(APART_BEHIND);
  });

  test("the second six groups of a subspace are squares, of colours of their own", () => {
    const marks = Array.from({ length: 12 }, (_, i) => markOf(i, look.palette));
    expect(marks.map(({ square }) => square)).toEqual([...Array(6).fill(false), ...Array(6).fill(true)]);
    expect(nearest(marks.slice(6).map(({ colour }) => rgb(colour)))).toBeGreaterThan(APART_BEHIND);
  });
});
