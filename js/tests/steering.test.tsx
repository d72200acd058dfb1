import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Json } from "../src/kernel/types";
import { RecordedModel } from "../src/page/host";
import type { Recorded } from "../src/page/offline";
import widget from "../src/widgets/steering";
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
import { FakeModel, type Sent, settle } from "./fake";
import * as fake from "./fake_steering";

const { answering, BASELINE, EDITED, ROW, recipeOf, SETTINGS, STATE } = fake;

let model: FakeModel;
let el: HTMLElement;
let stop: () => void;

function start(state: Record<string, unknown> = {}, answer: FakeModel["answer"] = answering): void {
  model = new FakeModel({ ...STATE, ...state });
  model.answer = answer;
  el = document.createElement("div");
  document.body.replaceChildren(el);
  stop = widget.render({ model, el });
}

const find = <E extends HTMLElement>(selector: string) => el.querySelector<E>(selector);
const all = (selector: string) => [...el.querySelectorAll<HTMLElement>(selector)];
const button = (text: string) => all("button").find((one) => one.textContent === text) as HTMLButtonElement | undefined;
const named = <E extends HTMLElement>(name: string) => find<E>(`[aria-label="${name}"]`);
const panel = (name: string) => find(`section[aria-label="${name}"]`);
const requests = (channel: string) => model.sent.filter((m) => m.t === "req" && m.ch === channel);
const params = (channel: string) => requests(channel).at(-1)?.p;
const press = (target: Element | null | undefined, key: string) =>
  target?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const type = (box: HTMLElement | null | undefined, value: string) => {
  if (!box) throw new Error("There is no such box.");
  (box as HTMLInputElement).value = value;
  box.dispatchEvent(new Event("input", { bubbles: true }));
};
const choose = (box: HTMLElement | null | undefined, value: string) => {
  if (!box) throw new Error("There is no such menu.");
  (box as HTMLSelectElement).value = value;
  box.dispatchEvent(new Event("change", { bubbles: true }));
};
const rows = () => (model.get("recipe") as Recipe).interventions;
const textOf = (side: number) =>
  [...(all(".saew-pair .saew-tokens")[side]?.querySelectorAll(".saew-t") ?? [])].map((t) => t.textContent);
const asked = (extra: Record<string, unknown> = {}) => ({
  recipe: STATE.recipe,
  prompt: STATE.prompt,
  chat: false,
  messages: [],
  ...extra,
});
const failing = (channel: string, message: string) => (m: Sent) =>
  m.t === "req" && m.ch === channel
    ? ({ t: "res", id: m.id, ok: false, e: { type: "Broken", message, traceback: "tb" } } as const)
    : answering(m);
const silentOn = (channel: string) => (m: Sent) => (m.ch === channel ? null : answering(m));

async function generate(): Promise<void> {
  button("Generate")?.click();
  await settle();
}

beforeEach(async () => {
  start();
  await settle();
});
afterEach(() => stop());

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
    await pause(320);
    expect(params("scales")).toEqual(asked({ recipe: model.get("recipe") }));
    expect(model.saved.some((state) => "recipe" in state)).toBe(true);
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
    await pause(200);
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
    await pause(220);
    expect(params("search")).toEqual({ q: "sport", sae: null });
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

describe("prompt and settings", () => {
  test("traits both ways", async () => {
    const box = find<HTMLTextAreaElement>('section[aria-label="Prompt"] textarea');
    type(box, "Once");
    expect(model.get("prompt")).toBe("Once");
    button("message in a chat")?.click();
    type(named("Number of tokens to generate"), "12");
    type(named("Number of pairs of texts"), "9");
    await settle();
    expect([model.get("chat"), model.get("n_tokens"), model.get("samples")]).toEqual([true, 12, 1]);
    model.push({ prompt: "Twice", seed: 99, view: "answer" });
    await settle();
    expect(box?.value).toBe("Twice");
    expect(named<HTMLInputElement>("Seed of the random numbers")?.value).toBe("99");
    expect(find('[role="tab"][aria-selected="true"]')?.textContent).toBe("Answer");
  });

  test("a conversation is shown and can be cleared", async () => {
    start({ messages: [{ role: "user", content: "<b>why</b>\nso" }] });
    await settle();
    expect(find(".saew-messages")?.textContent).toBe("user<b>why</b>\nso");
    button("Clear the conversation")?.click();
    await settle();
    expect(model.get("messages")).toEqual([]);
    expect(find('section[aria-label="Prompt"] textarea')).not.toBeNull();
  });

  test("tabs by keyboard", async () => {
    press(find('[role="tab"][aria-selected="true"]'), "ArrowLeft");
    await settle();
    expect(model.get("view")).toBe("answer");
    press(find('[role="tab"][aria-selected="true"]'), "ArrowRight");
    await settle();
    expect(model.get("view")).toBe("text");
    expect(all('[role="tab"]').map((one) => one.tabIndex)).toEqual([0, -1, -1, -1]);
  });
});

describe("texts", () => {
  test("asked with what is on screen; the answer side by side, marked from where it differs", async () => {
    await generate();
    expect(requests("generate").map((m) => m.p)).toEqual([asked({ settings: SETTINGS })]);
    expect([textOf(0), textOf(1)]).toEqual([BASELINE, EDITED]);
    expect(all(".saew-differs").map((part) => [...part.querySelectorAll(".saew-t")].length)).toEqual([4, 4]);
    expect(find(".saew-from")?.textContent).toBe("differs from here");
    expect(all(".saew-prompt .saew-edited").length).toBe(5);
    expect(find(".saew-footer")?.textContent).toContain("Both texts draw from the same random numbers");
    expect(find(".saew-footer")?.textContent).toContain("model: tiny");
  });

  test("parts are appended as they come, and the answer changes nothing that stands", async () => {
    start({}, silentOn("generate"));
    await settle();
    await generate();
    const id = requests("generate")[0]?.id ?? "";
    expect(button("Stop")).toBeDefined();
    const [first, ...steps] = fake.partsOf(STATE.prompt);
    model.receive({ t: "part", id, r: first as unknown as Json });
    for (const step of steps.slice(0, 2)) model.receive({ t: "part", id, r: step as unknown as Json });
    await settle();
    await pause(40);
    expect([textOf(0), textOf(1)]).toEqual([BASELINE.slice(0, 2), EDITED.slice(0, 2)]);
    expect(find(".saew-differs")).toBeNull();
    const before = all(".saew-pair .saew-t");
    for (const step of steps.slice(2)) model.receive({ t: "part", id, r: step as unknown as Json });
    await pause(40);
    expect([textOf(0), textOf(1)]).toEqual([BASELINE, EDITED]);
    expect(find(".saew-differs .saew-t")?.textContent).toBe(" because");
    expect(before.every((span) => span.isConnected)).toBe(true);
    const streamed = all(".saew-pair .saew-t");
    model.receive(fake.generateAnswer(id, STATE.prompt));
    await settle();
    expect(all(".saew-pair .saew-t")).toEqual(streamed);
    expect(button("Generate")).toBeDefined();
  });

  test("stop keeps what there is", async () => {
    start({}, silentOn("generate"));
    await settle();
    await generate();
    const id = requests("generate")[0]?.id ?? "";
    button("Stop")?.click();
    expect(model.sent.at(-1)).toEqual({ t: "cancel", id });
    model.receive(fake.generateAnswer(id, STATE.prompt, BASELINE.slice(0, 3), EDITED.slice(0, 3), { stopped: true }));
    await settle();
    expect(textOf(1)).toEqual(EDITED.slice(0, 3));
    expect(find(".saew-state")?.textContent).toContain("Stopped before the end.");
    expect((model.get("history") as { stopped: boolean }[]).map(({ stopped }) => stopped)).toEqual([true]);
  });

  test("a failure stands above the texts, which stay", async () => {
    await generate();
    model.answer = failing("generate", "out of memory");
    await generate();
    expect(find(".saew-result .saew-banner-error")?.textContent).toContain("out of memory");
    expect(all(".saew-banner-error").length).toBe(1);
    expect(model.get("error")).toMatchObject({ message: "out of memory" });
    expect(textOf(0)).toEqual(BASELINE);
    model.answer = answering;
    await generate();
    expect(all(".saew-banner-error")).toEqual([]);
    expect(model.get("error")).toBeNull();
  });

  test("another view's error is shown on top", async () => {
    model.push({ error: { type: "Other", message: "elsewhere", traceback: "" } });
    await settle();
    expect(find(".saew-banner-error")?.textContent).toContain("elsewhere");
    named("Dismiss the error")?.click();
    await settle();
    expect(model.get("error")).toBeNull();
  });

  test("texts of earlier settings say so", async () => {
    await generate();
    expect(find(".saew-state")?.textContent).toBe("");
    model.push({ seed: 8 });
    await settle();
    expect(find(".saew-state")?.textContent).toContain("have changed since");
  });

  test("surprise and change as colours; change is asked of each text", async () => {
    await generate();
    button("surprise")?.click();
    await settle();
    expect(all(".saew-pair .saew-t").every((t) => t.dataset.look?.startsWith("rgb"))).toBe(true);
    expect(find(".saew-scale")?.textContent).toContain("under the model that wrote it");
    button("change")?.click();
    await settle();
    const ids = (tokens: string[]) => tokens.map(fake.idOf);
    expect(requests("effect").map((m) => m.p)).toEqual([
      asked({ continuation: ids(BASELINE), freeze: false }),
      asked({ continuation: ids(EDITED), freeze: false }),
    ]);
    const looks = all(".saew-pair .saew-t").map((t) => t.dataset.look ?? "");
    expect(looks.some((look) => look.includes("repeating-linear-gradient"))).toBe(true);
    expect(looks.some((look) => look.startsWith("rgb"))).toBe(true);
  });

  test("a token under the pointer, and under the keyboard's cursor", async () => {
    await generate();
    const [, second] = all(".saew-pair .saew-t");
    second?.dispatchEvent(new Event("pointerover", { bubbles: true }));
    await settle();
    const tip = find(".saew-tip")?.textContent;
    expect(tip).toContain("position 6, step 2");
    expect(tip).toContain(`baseline,${fake.idOf(",")}\u22121.0001.500`);
    expect(tip).toContain(`edited,${fake.idOf(",")}\u22122.0001.500`);
    const box = all(".saew-pair .saew-tokens")[1];
    for (let i = 0; i < 3; i++) press(box, "ArrowRight");
    await settle();
    const cursor = find(".saew-cursor");
    expect(cursor?.textContent).toBe(" Monday");
    expect(box?.getAttribute("aria-activedescendant")).toBe(cursor?.id);
    expect(cursor?.getAttribute("aria-label")).toContain("the texts differ from here");
    press(box, "Escape");
    await settle();
    expect(find(".saew-tip")).toBeNull();
  });

  test("hostile tokens are text nodes", async () => {
    const hostile = ["<img src=x onerror=alert(1)>", "</script>", "\u202eabc", "\u0000", "", "a\nb"];
    start({ prompt: "<b>x</b>" }, (m) =>
      m.ch === "generate" ? fake.generateAnswer(m.id, "<b>x</b>", hostile, hostile) : answering(m),
    );
    await settle();
    await generate();
    expect(find("img, script, .saew-prompt b, .saew-feature-name bdi b")).toBeNull();
    expect(textOf(0)).toEqual([
      "<img src=x onerror=alert(1)>",
      "</script>",
      "U+202Eabc",
      "U+0000",
      "\u2025",
      "a\u21b5\nb",
    ]);
    expect(find(".saew-history-text")?.textContent).toContain("<img src=x onerror=alert(1)></script>U+202Eabc");
  });
});

describe("history", () => {
  test("a run is remembered, at most twenty, and comes back with recipe and settings", async () => {
    await generate();
    expect(model.get("history")).toEqual([
      {
        id: 1,
        ...asked(),
        settings: SETTINGS,
        baseline: [BASELINE.join("")],
        edited: [EDITED.join("")],
        stopped: false,
        revision: 0,
      },
    ]);
    type(named("Value for feature 7650"), "5");
    model.push({ seed: 3, prompt: "Other" });
    await settle();
    await generate();
    expect(all(".saew-history button").map((one) => one.querySelector("b")?.textContent)).toEqual(["#2", "#1"]);
    all(".saew-history button")[1]?.click();
    await settle();
    expect([model.get("prompt"), model.get("seed"), rows()[0]?.value]).toEqual([STATE.prompt, 7, 2]);
    expect(textOf(0)).toEqual([BASELINE.join("")]);
    expect(find(".saew-state")?.textContent).toContain("its texts only");
    expect(find(".saew-history [aria-current]")?.textContent).toContain("#1");
    for (let i = 0; i < 20; i++) await generate();
    const kept = model.get("history") as { id: number }[];
    expect([kept.length, kept[0]?.id, kept.at(-1)?.id]).toEqual([20, 3, 22]);
  });

  test("a run from Python is shown; one being written here is not disturbed", async () => {
    await generate();
    const [mine] = model.get("history") as { id: number }[];
    const theirs = { ...mine, id: 7, baseline: [" from Python"], edited: [" x"] };
    model.push({ history: [mine, theirs] });
    await settle();
    expect(textOf(0)).toEqual([" from Python"]);
  });

  test("the newest run is there when the view opens", async () => {
    await generate();
    start({ history: model.get("history") });
    await settle();
    expect(textOf(0)).toEqual([BASELINE.join("")]);
    expect(requests("generate")).toEqual([]);
  });
});

describe("effect", () => {
  test("of the prompt, then of a text that was written, frozen or not", async () => {
    await generate();
    model.push({ view: "effect" });
    await settle();
    expect(params("effect")).toEqual(asked({ continuation: null, freeze: false }));
    expect(find(".saew-sums")?.textContent).toContain("3.210");
    choose(find(".saew-result select"), "edited 0");
    await pause(360);
    expect(params("effect")).toEqual(asked({ continuation: EDITED.map(fake.idOf), freeze: false }));
    expect(all(".saew-heat .saew-differs .saew-t").map((t) => t.textContent)).toEqual(EDITED);
    find<HTMLInputElement>(".saew-result input[type=checkbox]")?.click();
    await pause(360);
    expect([model.get("freeze"), params("effect")?.freeze]).toEqual([true, true]);
    expect(find(".saew-sums")?.textContent).toContain("attention frozen");
    expect(panel("Requested and realised")?.querySelectorAll("tbody tr").length).toBe(10);
    expect(panel("Side effects")?.textContent).toContain("31 time of day0.4002.900+2.500");
    all(".saew-heat .saew-t")[2]?.dispatchEvent(new Event("pointerover", { bubbles: true }));
    await settle();
    expect(find(".saew-tip")?.textContent).toContain("feature 7650: was 2.000, requested 26.80, realised 23.50");
    expect(find(".saew-tip")?.textContent).toContain("lowered most");
    const [before] = all(".saew-heat .saew-t")
      .slice(1)
      .map((t) => t.dataset.look);
    button("KL divergence")?.click();
    await settle();
    expect(all(".saew-heat .saew-t")[1]?.dataset.look).not.toBe(before);
  });

  test("a change of the recipe is followed while the tab is open, and only then", async () => {
    model.push({ view: "effect" });
    await settle();
    type(named("Value for feature 7650"), "6");
    await pause(360);
    expect((params("effect")?.recipe as Recipe | undefined)?.interventions[0]?.value).toBe(6);
    model.push({ view: "text" });
    type(named("Value for feature 7650"), "7");
    await pause(360);
    expect(requests("effect").length).toBe(2);
  });

  test("its failure stays in its tab", async () => {
    start({ view: "effect" }, failing("effect", "no effect"));
    await settle();
    expect(find(".saew-result .saew-banner-error")?.textContent).toContain("no effect");
    model.push({ view: "text" });
    await settle();
    await generate();
    expect(textOf(0)).toEqual(BASELINE);
  });
});

describe("dose-response", () => {
  beforeEach(async () => {
    start({ view: "sweep" });
    await settle();
  });

  test("asked on a click; the slider shows the text of a strength, and puts it into the recipe", async () => {
    expect(requests("sweep")).toEqual([]);
    button("Run the sweep")?.click();
    await settle();
    expect(params("sweep")).toEqual(asked({ settings: SETTINGS, row: 0, strengths: null, controls: 2, samples: 4 }));
    expect(all(".saew-figure").length).toBe(6);
    expect(all(".saew-control").length).toBe(12);
    expect(all(".saew-band").length).toBe(6);
    expect(find(".saew-figure")?.textContent).toContain("mean activation of feature 7650 in the text written");
    // It begins in the middle of the band.
    expect(find(".saew-dose output")?.textContent).toBe("2 \u00d7 max activation");
    type(named("Strength to look at"), "6");
    await settle();
    expect(find(".saew-dose output")?.textContent).toBe("4 \u00d7 max activation");
    expect(all(".saew-plain-text")[1]?.textContent).toContain(" text at 4 <i>");
    // Every text of a strength can be read, beside the unedited one with the same dice.
    choose(named("Text to look at"), "2");
    await settle();
    expect(all(".saew-plain-text").map((one) => one.textContent)).toEqual([
      expect.stringContaining("Friday, because work is over (3) <i>"),
      expect.stringContaining(" text at 4 (3) <i>"),
    ]);
    button("Use this strength")?.click();
    await settle();
    expect(rows()[0]?.value).toBe(4);
    // The value that a sweep varies is not what makes it old.
    expect(find(".saew-state")).toBeNull();
    model.push({ prompt: "Other" });
    await settle();
    expect(find(".saew-state")?.textContent).toContain("earlier");
  });

  test("how many texts, their intervals, the verdict and its rule are said", async () => {
    button("Run the sweep")?.click();
    await settle();
    const [texts, prompt] = all(".saew-sweep-part");
    expect(texts?.textContent).toContain("Texts: n = 4.");
    expect(prompt?.textContent).toContain("No sampling. Promoted: Tuesday </script>");
    expect(find(".saew-verdict")?.textContent).toBe(
      "Usable: from 1 to 3 (raises the target). A strength is usable where the interval of the mean difference lies above 0.",
    );
    // 2: 12 / (1 + e^-2) = 10.57, half a unit of interval on either side.
    expect(all(".saew-figure figcaption")[0]?.textContent).toMatch(/10\.57.*\(10\.07 to 11\.07\).*unedited 0\.3/);
    const whiskers = all(".saew-whiskers").map((one) => one.getAttribute("d")?.split("V").length ?? 0);
    expect(whiskers).toEqual([9, 9, 9, 9, 1, 1]);
  });

  test("one text a strength has no interval", async () => {
    model.answer = (message) =>
      message.t === "req" && message.ch === "sweep"
        ? fake.sweepAnswer(message.id, 0, [-2, -1, 0], 0, 1, {
            bands: [{ low: -1, high: -1, direction: "suppresses" }],
          })
        : fake.answering(message);
    type(named("Number of texts at each strength"), "1");
    await settle();
    button("Run the sweep")?.click();
    await settle();
    expect(params("sweep")).toMatchObject({ samples: 1 });
    expect(find(".saew-sweep-part")?.textContent).toContain("n = 1");
    expect(named("Text to look at")).toBeNull();
    expect(all(".saew-whiskers").map((one) => one.getAttribute("d"))).toEqual(["", "", "", "", "", ""]);
  });

  test("as many texts as are generated, if those are several", async () => {
    model.push({ samples: 6 });
    await settle();
    button("Run the sweep")?.click();
    await settle();
    expect(params("sweep")).toMatchObject({ samples: 6 });
  });

  test("strengths and controls of one's own, progress, stop", async () => {
    model.answer = silentOn("sweep");
    type(find(".saew-strengths"), "-1, 0 2.5");
    type(named("Number of controls of each kind"), "1");
    await settle();
    button("Run the sweep")?.click();
    await settle();
    const [message] = requests("sweep");
    expect(message?.p).toMatchObject({ strengths: [-1, 0, 2.5], controls: 1 });
    model.receive({ t: "progress", id: message?.id ?? "", done: 2, total: 9 });
    await settle();
    expect(find(".saew-far")?.textContent).toContain("2 of 9 texts");
    button("Stop")?.click();
    expect(model.sent.at(-1)).toEqual({ t: "cancel", id: message?.id });
    const e = { type: "Cancelled", message: "", traceback: "" };
    model.receive({ t: "res", id: message?.id ?? "", ok: false, e });
    await settle();
    expect(button("Run the sweep")).toBeDefined();
    expect(all(".saew-banner-error")).toEqual([]);
  });

  test("an ablation has no strength", async () => {
    model.push({ recipe: recipeOf({ ...ROW, kind: "ablate", value: null, unit: "raw" }) });
    await settle();
    expect(button("Run the sweep")?.disabled).toBe(true);
    expect(find(".saew-result")?.textContent).toContain("no strength to vary");
  });
});

describe("answer", () => {
  test("asked when it is typed", async () => {
    start({ view: "answer" });
    await settle();
    expect(requests("answer")).toEqual([]);
    type(find(".saew-answer"), " Tues");
    await pause(480);
    expect(params("answer")).toEqual(asked({ answer: " Tues" }));
    expect(all(".saew-answers tbody tr").length).toBe(4);
    expect(all(".saew-answers tbody tr")[2]?.textContent).toContain(
      "all of the recipe, error kept042%19.13\u22120.868",
    );
    expect(find(".saew-result")?.textContent).toContain("of its first token");
    type(find(".saew-answer"), "");
    await settle();
    expect(find(".saew-answers")).toBeNull();
  });
});

describe("a page without a kernel", () => {
  const recorded = (ch: string, p: Record<string, unknown>, made: unknown): Recorded => {
    const { r, arrays } = made as { r: Json; arrays: Recorded["arrays"] };
    return { ch, p: p as Json, r, arrays };
  };
  const past = {
    id: 1,
    ...asked({ recipe: recipeOf({ ...ROW, value: 9 }) }),
    settings: { ...SETTINGS, seed: 1 },
    baseline: ["old"],
    edited: ["older"],
    stopped: false,
  };
  const open = (state: Record<string, unknown> = {}) => {
    const facts = { ...fake.FACTS, offline: true };
    const host = new RecordedModel({
      state: { ...STATE, facts, history: [past], ...state } as unknown as Record<string, Json>,
      recorded: [
        recorded("scales", asked(), fake.scalesAnswer("", STATE.recipe)),
        recorded("generate", asked({ settings: SETTINGS }), fake.generateAnswer("", STATE.prompt)),
        recorded(
          "effect",
          asked({ continuation: null, freeze: false }),
          fake.effectAnswer("", STATE.prompt, null, false),
        ),
        recorded(
          "sweep",
          asked({ settings: SETTINGS, row: 0, strengths: null, controls: 2, samples: 4 }),
          fake.sweepAnswer("", 0, fake.AUTO, 2, 4),
        ),
      ],
    });
    el = document.createElement("div");
    document.body.replaceChildren(el);
    stop = widget.render({ model: host, el });
    return host;
  };

  test("shows what was recorded; what would need a kernel is greyed, with the reason", async () => {
    open();
    await settle();
    expect([textOf(0), textOf(1)]).toEqual([BASELINE, EDITED]);
    expect(find(".saew-others")?.textContent).toContain("24.80 raw");
    for (const name of ["Recipe", "Generate"]) {
      const set = panel(name)?.querySelector<HTMLFieldSetElement>("fieldset");
      expect([set?.disabled, set?.title]).toEqual([true, "Not recorded in this page. Run it live to compute this."]);
    }
    expect(find<HTMLTextAreaElement>('section[aria-label="Prompt"] textarea')?.readOnly).toBe(true);
    expect(button("Copy JSON")?.disabled).toBe(false);
    expect(button("Copy Python")?.disabled).toBe(true);
  });

  test("the other tabs, recorded or not", async () => {
    const host = open({ view: "effect" });
    await settle();
    expect(all(".saew-heat .saew-t").length).toBe(5);
    const options = [...(find(".saew-result select")?.children ?? [])] as HTMLOptionElement[];
    expect(options.map((one) => one.disabled)).toEqual([false, true, true]);
    host.set("view", "sweep");
    await settle();
    type(named("Strength to look at"), "7");
    await settle();
    expect(all(".saew-plain-text")[1]?.textContent).toContain(" text at 6 <i>");
    expect(button("Use this strength")?.disabled).toBe(true);
    host.set("answer", " x");
    host.set("view", "answer");
    await settle();
    expect(find(".saew-result .saew-banner")?.textContent).toContain("Not recorded in this page");
  });

  test("the history gives its texts back", async () => {
    open();
    await settle();
    all(".saew-history button")[0]?.click();
    await settle();
    await settle();
    expect([textOf(0), textOf(1)]).toEqual([["old"], ["older"]]);
    expect(find<HTMLInputElement>('[aria-label="Value for feature 7650"]')?.value).toBe("9");
  });
});

test("leaving removes every listener, also in the middle of a run", async () => {
  start({ color: "change" }, silentOn("generate"));
  await settle();
  await generate();
  expect(model.listeners()).toBeGreaterThan(0);
  stop();
  await settle();
  expect(model.listeners()).toBe(0);
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
