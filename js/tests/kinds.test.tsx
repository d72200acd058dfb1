import { afterEach, describe, expect, test } from "vitest";
import words from "../../src/saewidgets/interventions/recipe/kinds.json";
import widget from "../src/widgets/steering";
import {
  asKind,
  type Intervention,
  KINDS,
  kindOf,
  sayUnit,
  summary,
  UNITS,
} from "../src/widgets/steering/recipe/recipe";
import { settle } from "./fake";
import { answering, ROW, recipeOf, STATE } from "./fake_steering";
import { el, open, stop } from "./hands";

const OUT = "blocks.3.hook_mlp_out";
const AT_OUT = `norm of the value at ${OUT}`;
const DIRECTION: Intervention = { ...ROW, features: [], direction: [1, 0], hook: OUT, unit: "resid", value: 2 };

async function show(...rows: Intervention[]): Promise<void> {
  open(widget, { ...STATE, recipe: recipeOf(...rows) }, answering);
  await settle();
}

afterEach(() => stop());

const texts = (selector: string) => [...el.querySelectorAll(selector)].map((one) => one.textContent);

describe("kinds and units are those of the kernel", () => {
  test("one file for both sides", () => {
    expect(Object.keys(KINDS)).toEqual(Object.keys(words.kinds));
    expect(Object.keys(UNITS)).toEqual(["raw", "max", "resid", "own"]);
    for (const kind of Object.keys(KINDS)) expect(kindOf({ kind }).formula).not.toBe("");
  });

  test("a row changes to any kind and takes along only what the kind has", () => {
    for (const [name, kind] of Object.entries(words.kinds)) {
      const row = asKind({ ...ROW, kind: "replace", unit: "raw", by: 3, value: 5 }, name as keyof typeof KINDS);
      expect([row.kind, row.value, row.by]).toEqual([name, kind.start, name === "replace" ? 3 : null]);
      const low = asKind({ ...ROW, kind: "cap", unit: "raw", low: -1 }, name as keyof typeof KINDS).low;
      expect(low).toBe(name === "cap" ? -1 : null);
    }
  });

  test("a kind that the view was not built with", async () => {
    const row = { ...ROW, kind: "squared" as Intervention["kind"], unit: "raw" as const };
    expect(summary(row)).toBe("squared 7650 2");
    await show(row);
    expect(texts(".saew-row")).toHaveLength(1);
  });
});

describe("what a median norm is the norm of", () => {
  test("said by hook, and in a word that is true anywhere while it is not known", () => {
    expect(sayUnit("resid", "residual norm")).toBe("\u00d7 residual norm");
    expect(sayUnit("resid", AT_OUT)).toBe(`\u00d7 ${AT_OUT}`);
    expect(sayUnit("resid")).toBe("\u00d7 norm at the hook");
    expect(summary({ ...ROW, unit: "resid" })).toBe("add 7650 2 \u00d7 norm at the hook");
  });

  test("each row has its own: a direction at another hook is not measured by the SAE's", async () => {
    await show(ROW, DIRECTION);
    expect(texts(".saew-others")[0]).toContain("residual norm 41.20 (median over the prompt)");
    expect(texts(".saew-others")[1]).toBe(`= 15.00 raw${AT_OUT} 7.500 (median over the prompt)`);
    const menus = [...el.querySelectorAll(".saew-amount select")].map((menu) =>
      [...menu.children].map((option) => option.textContent),
    );
    expect(menus[0]).toContain("\u00d7 residual norm");
    expect(menus[1]).toEqual(["raw", `\u00d7 ${AT_OUT}`, "\u00d7 own activation"]);
  });
});
