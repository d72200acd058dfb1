import { describe, expect, test } from "vitest";
import {
  asKind,
  complete,
  type Intervention,
  type Recipe,
  readPositions,
  readRecipe,
  sayPositions,
  summaryOf,
} from "../src/widgets/steering/recipe/recipe";
import { nearest } from "../src/widgets/steering/sweep/linechart";
import { settle } from "./fake";
import * as fake from "./fake_steering";
import {
  all,
  asked,
  button,
  choose,
  eachStarts,
  failing,
  find,
  generate,
  model,
  named,
  panel,
  params,
  press,
  requests,
  rows,
  start,
  textOf,
  type,
  until,
} from "./panel";

const { answering, BASELINE, ROW, recipeOf, SETTINGS } = fake;

eachStarts();

describe("recipe", () => {
  test("a row with its units, and what was asked for them", () => {
    expect(requests("scales").map((m) => m.p)).toEqual([asked()]);
    expect(find(".saew-row .saew-feature-name")?.textContent).toBe("7650days of the week");
    expect(find(".saew-others")?.textContent).toBe(
      "= 24.80 raw = 0.602 \u00d7 residual norm" +
        "max activation 12.40 (from the index); residual norm 41.20 (median over the prompt)",
    );
    expect(requests("generate")).toEqual([]);
  });

  test("a value that is typed: the trait at once, the kernel after a pause, and echoes leave the box alone", async () => {
    const box = named<HTMLInputElement>("Value for feature 7650");
    type(box, "3");
    type(box, "3.");
    expect(rows()[0]?.value).toBe(3);
    const echo = model.get("recipe");
    type(box, "3.5");
    type(box, "3.5e");
    expect(rows()[0]?.value).toBe(3.5);
    model.push({ recipe: echo });
    await settle();
    expect([box?.value, box?.getAttribute("aria-invalid"), rows()[0]?.value]).toEqual(["3.5e", "true", 3.5]);
    await until(() => {
      expect(params("scales")).toEqual(asked({ recipe: model.get("recipe") }));
      expect(model.saved.some((state) => "recipe" in state)).toBe(true);
    });
    box?.dispatchEvent(new Event("blur"));
    await settle();
    expect(box?.value).toBe("3.5");
    model.push({ recipe: recipeOf({ ...ROW, value: -1 }) });
    await settle();
    expect(box?.value).toBe("-1");
  });

  test("slider, unit, arrows", async () => {
    type(named("Strength for feature 7650"), "4");
    await settle();
    expect(rows()[0]?.value).toBe(4);
    const box = named("Value for feature 7650");
    press(box, "ArrowUp");
    await settle();
    expect(rows()[0]?.value).toBe(4.1);
    await until(() => expect((params("scales")?.recipe as Recipe | undefined)?.interventions[0]?.value).toBe(4.1));
    await settle();
    // The same amount in another unit.
    choose(named("Unit of the value for feature 7650"), "raw");
    await settle();
    expect([rows()[0]?.unit, rows()[0]?.value]).toEqual(["raw", 50.8]);
  });

  test("kind, positions, options, on and off, removal", async () => {
    choose(named("What is done with feature 7650"), "ablate");
    await settle();
    expect(rows()[0]).toEqual({ ...ROW, kind: "ablate", value: null, unit: "raw" });
    expect(named("Value for feature 7650")).toBeNull();
    choose(named("What is done with feature 7650"), "replace");
    await settle();
    type(named("Feature that replaces it"), "12");
    choose(named("Positions"), "generated");
    await settle();
    expect(rows()[0]).toMatchObject({ kind: "replace", value: 1, by: 12, positions: "generated" });
    choose(named("Positions"), "list");
    await settle();
    const list = find<HTMLInputElement>(".saew-list");
    type(list, "0-5, 8, 12-");
    await settle();
    expect(rows()[0]?.positions).toEqual([[0, 6], 8, [12, null]]);
    type(list, "0-5, x");
    await settle();
    expect([list?.value, list?.getAttribute("aria-invalid")]).toEqual(["0-5, x", "true"]);
    all(".saew-row button")
      .find((one) => one.textContent?.endsWith("options"))
      ?.click();
    await settle();
    for (const box of all(".saew-options input[type=checkbox]")) box.click();
    await settle();
    expect(rows()[0]).toMatchObject({ special: true, only_active: true, when: { feature: 0, above: 0 } });
    named<HTMLInputElement>("Use the intervention on feature 7650")?.click();
    await settle();
    expect(rows()[0]?.on).toBe(false);
    named("Remove the intervention on feature 7650")?.click();
    await settle();
    expect(rows()).toEqual([]);
    expect(panel("Recipe")?.textContent).toContain("No interventions yet");
  });

  test("a feature is found: strong ones first, by label, by keyboard, or by number", async () => {
    button("+ Add a feature")?.click();
    await settle();
    expect(requests("search").map((m) => m.p)).toEqual([{ q: "", sae: null }]);
    expect(find(".saew-picker-head")?.textContent).toBe("Strongest in the prompt");
    expect(all(".saew-found [role=option]").map((one) => one.querySelector("b")?.textContent)).toEqual([
      "7650",
      "2717",
      "9",
    ]);
    const box = find(".saew-picker input");
    type(box, "sport");
    await until(() => expect(params("search")).toEqual({ q: "sport", sae: null }));
    await settle();
    press(box, "ArrowDown");
    await settle();
    expect(box?.getAttribute("aria-activedescendant")).toBe(all(".saew-found [role=option]")[1]?.id);
    press(box, "Enter");
    await settle();
    expect(rows()[1]).toEqual({ ...ROW, features: [2717] });
    button("+ Add a feature")?.click();
    await settle();
    const again = find(".saew-picker input");
    type(again, "555");
    press(again, "Enter");
    await settle();
    expect(rows()[2]).toMatchObject({ features: [555], value: 0.5, unit: "resid" });
    expect(find(".saew-picker")).toBeNull();
  });

  test("another feature in place, and a second one in the same row", async () => {
    find(".saew-row .saew-feature-name")?.click();
    await settle();
    press(find(".saew-picker input"), "Escape");
    await settle();
    expect(find(".saew-picker")).toBeNull();
    named("Add a feature to this row")?.click();
    await settle();
    all(".saew-found [role=option]")[1]?.dispatchEvent(new Event("pointerdown", { bubbles: true, cancelable: true }));
    await settle();
    expect(rows()[0]?.features).toEqual([7650, 2717]);
    named("Take feature 7650 out of this row")?.click();
    await settle();
    expect(rows()[0]?.features).toEqual([2717]);
  });

  test("a preset takes the place of a row", async () => {
    choose(named("What is done with feature 7650"), "tutorial");
    await settle();
    expect(params("preset")).toEqual({ key: "tutorial", f: 7650, sae: null });
    expect(model.get("recipe")).toEqual({ ...recipeOf({ ...ROW, value: 1, special: true }), name: "SAELens tutorial" });
  });

  test("an error stands at its row; a failure of the channel beside it leaves the panel usable", async () => {
    start({ recipe: recipeOf(ROW, { ...ROW, features: [9] }) }, (m) => {
      if (m.ch !== "scales") return answering(m);
      const [good] = recipeOf(ROW).interventions;
      const bad = {
        ok: false,
        error: "Feature 9 <b>never</b> fires.",
        error_field: "value",
        features: [],
        range: null,
      };
      const found = fake.scalesAnswer(m.id, recipeOf(good as Intervention)) as unknown as { r: { rows: unknown[] } };
      found.r.rows.push(bad);
      return found as never;
    });
    await settle();
    expect(all(".saew-row").map((row) => row.querySelector(".saew-wrong")?.textContent ?? null)).toEqual([
      null,
      "Feature 9 <b>never</b> fires.",
    ]);
    expect(named("Value for feature 9")?.getAttribute("aria-invalid")).toBe("true");
    start({}, failing("scales", "no scales"));
    await settle();
    expect(panel("Recipe")?.querySelector(".saew-banner-error")?.textContent).toContain("no scales");
    expect(all(".saew-banner-error").length).toBe(1);
    await generate();
    expect(textOf(0)).toEqual(BASELINE);
  });

  test("several SAEs, a raw direction, options of the whole", async () => {
    const [sae] = fake.FACTS.saes;
    const facts = { ...fake.FACTS, thinking: true, saes: [sae, { ...sae, name: "second" }] };
    const direction = {
      ...ROW,
      features: [],
      direction: [1, 0, 0],
      hook: "blocks.1.hook_resid_pre",
      unit: "raw" as const,
    };
    start({ facts, chat: true, recipe: recipeOf(direction, ROW) });
    await settle();
    expect(all(".saew-feature-name")[0]?.textContent).toBe("direction (3) at blocks.1.hook_resid_pre");
    expect([...(all(".saew-amount select")[0]?.children ?? [])].map((one) => one.textContent)).not.toContain(
      "\u00d7 max activation",
    );
    for (const box of all(".saew-whole input")) box.click();
    await settle();
    expect(model.get("recipe")).toMatchObject({ keep_error: false, system: false, thinking: false });
    all(".saew-row button")
      .filter((one) => one.textContent?.endsWith("options"))[1]
      ?.click();
    await settle();
    choose(find(".saew-options select"), "second");
    await settle();
    expect(rows()[1]?.sae).toBe("second");
    expect(rows()[0]?.direction).toEqual([1, 0, 0]);
  });

  test("copying, and pasting what the kernel finds valid", async () => {
    button("Copy Python")?.click();
    await settle();
    expect(params("code")).toEqual(asked({ settings: SETTINGS }));
    button("Paste JSON\u2026")?.click();
    await settle();
    const box = find<HTMLTextAreaElement>(".saew-paste textarea");
    for (const [text, wrong] of [
      ["{", "This is not JSON"],
      ["[]", "JSON object"],
      ['{"interventionz": []}', 'A recipe has no "interventionz".'],
    ]) {
      type(box, text ?? "");
      await settle();
      button("Use this recipe")?.click();
      await settle();
      expect(find(".saew-paste .saew-wrong")?.textContent).toContain(wrong);
    }
    type(box, '{"interventions": [{"features": [5], "kind": "clamp", "value": 1}]}');
    await settle();
    button("Use this recipe")?.click();
    await settle();
    const pasted = recipeOf({ ...ROW, features: [5], kind: "clamp", value: 1, unit: "raw" });
    expect(params("scales")).toEqual(asked({ recipe: pasted }));
    expect(model.get("recipe")).toEqual(pasted);
    expect(find(".saew-paste")).toBeNull();
  });
});

describe("recipes as data", () => {
  test("positions", () => {
    expect(readPositions("0-5, 8,12-")).toEqual([[0, 6], 8, [12, null]]);
    expect(sayPositions([[0, 6], 8, [12, null]])).toBe("0-5, 8, 12-");
    for (const bad of ["", "a", "5-3", "1,,2", "-4"]) expect(readPositions(bad)).toBeNull();
  });

  test("kinds take along what goes with them", () => {
    expect(asKind(ROW, "clamp")).toEqual({ ...ROW, kind: "clamp" });
    expect(asKind({ ...ROW, unit: "own" }, "clamp")).toMatchObject({ value: 1, unit: "raw" });
    expect(asKind({ ...ROW, kind: "cap", unit: "raw", low: 1 }, "add")).toMatchObject({ value: 2, low: null });
    expect(asKind(ROW, "orthogonal")).toMatchObject({ value: 0, unit: "raw" });
  });

  test("missing keys have their defaults", () => {
    expect(complete({ interventions: [{ features: [1], kind: "ablate" } as Intervention] })).toEqual(
      recipeOf({ ...ROW, features: [1], kind: "ablate", value: null, unit: "raw" }),
    );
    expect(complete(null).interventions).toEqual([]);
    expect(() => readRecipe('{"interventions": [1]}')).toThrow(/list of objects/);
    expect(summaryOf(recipeOf({ ...ROW, value: -2, on: false }))).toBe("(off) add 7650 \u22122 \u00d7 max activation");
  });

  test("the strength that is nearest", () => {
    expect(nearest([-2, 0, 1, 4], 2)).toBe(2);
    expect(nearest([-2, 0, 1, 4], 99)).toBe(3);
  });
});
