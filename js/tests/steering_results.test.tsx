import { beforeEach, describe, expect, test } from "vitest";
import type { Json } from "../src/kernel/types";
import { RecordedModel } from "../src/page/host";
import type { Recorded } from "../src/page/offline";
import type { Recipe } from "../src/widgets/steering/recipe/recipe";
import { settle } from "./fake";
import * as fake from "./fake_steering";
import { lookOf } from "./looks";
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
  pause,
  requests,
  rows,
  show,
  silentOn,
  start,
  textOf,
  type,
  until,
} from "./panel";

const { BASELINE, EDITED, ROW, recipeOf, SETTINGS, STATE } = fake;

eachStarts();

describe("effect", () => {
  test("of the prompt, then of a text that was written, frozen or not", async () => {
    await generate();
    model.push({ view: "effect" });
    await settle();
    expect(params("effect")).toEqual(asked({ continuation: null, freeze: false }));
    expect(find(".saew-sums")?.textContent).toContain("3.210");
    choose(find(".saew-result select"), "edited 0");
    await until(() => expect(all(".saew-heat .saew-differs .saew-t").map((t) => t.textContent)).toEqual(EDITED));
    expect(params("effect")).toEqual(asked({ continuation: EDITED.map(fake.idOf), freeze: false }));
    find<HTMLInputElement>(".saew-result input[type=checkbox]")?.click();
    await until(() => expect(find(".saew-sums")?.textContent).toContain("attention frozen"));
    expect([model.get("freeze"), params("effect")?.freeze]).toEqual([true, true]);
    expect(panel("Requested and realised")?.querySelectorAll("tbody tr").length).toBe(10);
    expect(panel("Side effects")?.textContent).toContain("31 time of day0.4002.900+2.500");
    all(".saew-heat .saew-t")[2]?.dispatchEvent(new Event("pointerover", { bubbles: true }));
    await settle();
    expect(find(".saew-tip")?.textContent).toContain("feature 7650: was 2.000, requested 26.80, realised 23.50");
    expect(find(".saew-tip")?.textContent).toContain("lowered most");
    const [before] = all(".saew-heat .saew-t")
      .slice(1)
      .map((t) => lookOf(t) ?? "");
    button("KL divergence")?.click();
    await settle();
    expect(lookOf(all(".saew-heat .saew-t")[1])).not.toBe(before);
  });

  test("a change of the recipe is followed while the tab is open, and only then", async () => {
    model.push({ view: "effect" });
    await settle();
    type(named("Value for feature 7650"), "6");
    await until(() => expect((params("effect")?.recipe as Recipe | undefined)?.interventions[0]?.value).toBe(6));
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
    await until(() => expect(all(".saew-answers tbody tr").length).toBe(4));
    expect(params("answer")).toEqual(asked({ answer: " Tues" }));
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
    show(host);
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
