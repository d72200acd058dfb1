/** What Python may bring to a view: token ids, a second SAE, names that change, and recipes that are none. */

import { expect, test } from "vitest";
import type { FromKernel } from "../src/kernel/types";
import type { Widget } from "../src/page/mount";
import heatmap from "../src/widgets/heatmap";
import { asPython } from "../src/widgets/heatmap/copy";
import steering from "../src/widgets/steering";
import { complete, type Recipe } from "../src/widgets/steering/recipe/recipe";
import { answering, FakeModel, type Sent, STATE, settle } from "./fake";
import * as steer from "./fake_steering";
import { el, model, open } from "./hands";

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
} as unknown as typeof ResizeObserver;

type Answer = (m: Sent) => FromKernel | null;

function shown(widget: Widget, state: Record<string, unknown>, answer: Answer) {
  open(widget, state, answer);
  return { model, el };
}

const asked = (model: FakeModel, channel: string) => model.sent.filter((m) => m.t === "req" && m.ch === channel);

test("Python that shows the same, of a second SAE and of token ids", () => {
  const copied = (state: Record<string, unknown>) =>
    asPython(new FakeModel({ ...STATE, view: "both", theme: "auto", ...state }));
  expect(copied({ sae: "second" })).toBe('sw.TokenFeatureHeatmap(engine, text="the cat", sae="second")');
  expect(copied({ sae: "sae" })).toBe('sw.TokenFeatureHeatmap(engine, text="the cat")');
  expect(copied({ text: [1, 22, 3] })).toBe("sw.TokenFeatureHeatmap(engine, text=[1, 22, 3])");
  expect(copied({ text: [[1, 22], [3]] })).toBe("sw.TokenFeatureHeatmap(engine, text=[[1, 22], [3]])");
  expect(copied({ text: ["a", "b"] })).toBe('sw.TokenFeatureHeatmap(engine, text=["a", "b"])');
});

test("token ids stand in boxes that cannot be typed into, and are asked with as they are", async () => {
  for (const [text, boxes] of [
    [[1, 22, 3], ["1 22 3"]],
    [
      [[1, 22], [3]],
      ["1 22", "3"],
    ],
  ] as const) {
    const { model, el } = shown(heatmap, { ...STATE, text }, () => null);
    await settle();
    const areas = [...el.querySelectorAll("textarea")];
    expect(areas.map((area) => area.value)).toEqual(boxes);
    expect(areas.every((area) => area.readOnly)).toBe(true);
    expect(asked(model, "tokens")[0]?.p).toMatchObject({ text });
  }
});

test("a name that is given elsewhere is asked for", async () => {
  const { model } = shown(heatmap, STATE, answering);
  await settle();
  expect(asked(model, "tokens")).toHaveLength(1);
  model.receive({ t: "names" });
  await settle();
  expect(asked(model, "tokens")).toHaveLength(2);
  const panel = shown(steering, steer.STATE, steer.answering);
  await settle();
  const before = asked(panel.model, "scales").length;
  panel.model.receive({ t: "names" });
  await new Promise((resolve) => setTimeout(resolve, 220));
  expect(asked(panel.model, "scales")).toHaveLength(before + 1);
});

test("a new row is of the index's SAE, and each row is searched and preset in its own", async () => {
  const [first] = steer.FACTS.saes;
  if (!first) throw new Error("The facts name no SAE.");
  const facts = {
    ...steer.FACTS,
    saes: [
      { ...first, name: "a" },
      { ...first, name: "b", n: 20 },
    ],
    index_sae: "b",
  };
  const { model, el } = shown(steering, { ...steer.STATE, facts }, steer.answering);
  await settle();
  const button = (text: string) => [...el.querySelectorAll("button")].find((one) => one.textContent === text);
  button("+ Add a feature")?.click();
  await settle();
  expect(asked(model, "search").at(-1)?.p).toEqual({ q: "", sae: "b" });
  el.querySelector(".saew-found [role=option]:last-child")?.dispatchEvent(
    new Event("pointerdown", { bubbles: true, cancelable: true }),
  );
  await settle();
  const rows = (model.get("recipe") as Recipe).interventions;
  expect(rows.map((row) => row.sae)).toEqual([null, "b"]);
  el.querySelector<HTMLElement>(".saew-row .saew-feature-name")?.click();
  await settle();
  expect(asked(model, "search").at(-1)?.p).toEqual({ q: "", sae: "a" });
});

test("whatever stands in a recipe, the panel is drawn", async () => {
  const junk: unknown[] = [
    { interventions: "x" },
    { interventions: 5 },
    { interventions: [null, 3, "x", [1], {}] },
    {
      interventions: [
        { features: "abc", kind: "ad", value: "much", unit: [], positions: {}, when: 3, direction: "up" },
      ],
    },
    { interventions: [{ features: [[1]], kind: "toString", label: 5, sae: {}, positions: [{}], by: "x" }] },
    { name: 5, keep_error: "no", interventions: [{ features: { 0: 1 } }] },
  ];
  for (const recipe of junk) {
    const { el } = shown(steering, { ...steer.STATE, recipe }, () => null);
    await settle();
    expect(el.querySelector('section[aria-label="Recipe"]'), JSON.stringify(recipe)).not.toBeNull();
    const rows = (recipe as { interventions: unknown }).interventions;
    expect(el.querySelectorAll(".saew-row")).toHaveLength(Array.isArray(rows) ? rows.length : 0);
  }
  expect(complete({ interventions: [steer.ROW], name: "mine", keep_error: false })).toEqual({
    ...steer.recipeOf(steer.ROW),
    name: "mine",
    keep_error: false,
  });
});

test("a prompt of token ids is shown and not typed into; runs before a refresh say so", async () => {
  const past = { ...steer.STATE, id: 1, settings: steer.SETTINGS, baseline: ["x"], edited: ["y"], stopped: false };
  const { prompt: _, ...rest } = past;
  const history = [
    { ...rest, prompt: [4, 5], recipe: steer.recipeOf(steer.ROW) },
    { ...rest, prompt: "text", recipe: steer.recipeOf(steer.ROW), id: 2, revision: 1 },
  ];
  const { el } = shown(steering, { ...steer.STATE, prompt: [4, 5], history, revision: 1 }, () => null);
  await settle();
  const box = el.querySelector<HTMLTextAreaElement>('[aria-label="Token ids to continue"]');
  expect(box?.value).toBe("4 5");
  expect(box?.readOnly).toBe(true);
  const said = [...el.querySelectorAll(".saew-history li")].map((one) => one.textContent ?? "");
  expect(said.map((text) => text.includes("before the last refresh"))).toEqual([false, true]);
});
