import { describe, expect, test } from "vitest";
import { bar, heights, tickLabel, ticks } from "../src/charts/axis";
import { LIGHT } from "../src/tokens/palette";
import { line } from "../src/widgets/dashboard/examples/runs";
import { binsOf, rangeOf } from "../src/widgets/dashboard/panels/histogram";
import { all, button, eachStarts, find, model, panel, press, requests, rows, start, type, until } from "./board";
import { settle } from "./fake";
import { answering, effectsAnswer, examplesAnswer, featureAnswer, LINES } from "./fake_dashboard";

eachStarts();

describe("the histogram", () => {
  const plot = () => find(".saew-hist .saew-plot");
  const at = (type: string, x: number) =>
    plot()?.dispatchEvent(new PointerEvent(type, { bubbles: true, button: 0, clientX: x, pointerId: 1 }));
  // 360 px wide without a layout: 38 px for the axis, 6 px at the end.
  const x = (value: number) => 38 + (value / 10) * (360 - 38 - 6);

  test("a drag sets the range, snapped to bins, and asks for its examples", async () => {
    at("pointerdown", x(2.05));
    at("pointermove", x(3.5));
    at("pointermove", x(3.95));
    at("pointerup", x(3.95));
    await settle();
    expect(find(".saew-hist .saew-panel-foot")?.textContent).toContain("31 tokens");
    at("pointerleave", 0);
    await settle();
    expect(model.get("activation_range")).toEqual([2, 4]);
    expect(requests("examples").at(-1)?.p).toMatchObject({ range: [2, 4] });
    expect(find(".saew-hist .saew-panel-foot")?.textContent).toContain("Examples from 2.000 to 4.000");
    at("pointerdown", x(8));
    at("pointerup", x(8));
    await settle();
    expect(model.get("activation_range")).toEqual([]);
  });

  test("by keyboard", async () => {
    press(plot(), "ArrowRight");
    await settle();
    expect(model.get("activation_range")).toEqual([0, 0.2]);
    press(plot(), "ArrowRight", { shiftKey: true });
    await settle();
    press(plot(), "ArrowRight");
    await settle();
    const [low, high] = model.get("activation_range") as number[];
    expect([low, high]).toEqual([0.2, 0.6]);
    press(plot(), "Escape");
    await settle();
    expect(model.get("activation_range")).toEqual([]);
  });

  test("the range goes with the feature", async () => {
    model.push({ activation_range: [2, 4], token_filter: "the" });
    await settle();
    button("Clear the range")?.click();
    await settle();
    expect(model.get("activation_range")).toEqual([]);
    model.push({ activation_range: [2, 4] });
    button("Next \u203a")?.click();
    await settle();
    expect([model.get("activation_range"), model.get("token_filter")]).toEqual([[], ""]);
  });

  test("the pointed token is marked", async () => {
    const bold = find(".saew-ex .saew-bold");
    bold?.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
    await settle();
    expect(find(".saew-mark-hover line")?.getAttribute("x1")).toBe(String(Math.round(0.2 * 316) + 0.5));
    expect(find(".saew-tip")?.textContent).toContain("\u2423the token 40 of document doc-0activation 2.000");
    find(".saew-examples")?.dispatchEvent(new PointerEvent("pointerleave"));
    await settle();
    expect(find(".saew-mark-hover, .saew-tip")).toBeNull();
  });

  test("estimates carry their sign and say how far they can be off", async () => {
    const of = "\u2248 made of a finer histogram: no bar is off by more than 3 tokens";
    start({}, (m) => {
      if (m.ch !== "feature") return answering(m);
      return featureAnswer(m.id, 17, {
        histogram_of: of,
        tokens: [{ t: " the", id: 4, count: 300, about: "\u2248 300 (250 to 350)", mean: 3, share: 0.25 }],
        tokens_of: "\u2248 from a sample",
        correlated_of: "in a sample: 512 tokens",
      });
    });
    await settle();
    const foot = () => find(".saew-hist .saew-panel-foot")?.textContent;
    expect(find(".saew-hist")?.textContent).toContain(of);
    expect(all(".saew-hbar").map((bar) => bar.querySelectorAll(".saew-hbar-within").length)).toEqual(
      Array.from({ length: 50 }, (_, i) => (i === 49 ? 1 : 0)),
    );
    at("pointermove", x(9.9));
    await settle();
    expect(foot()).toBe("9.800 to 10.00: \u2248 1 token (\u00b1 at most 3)");
    at("pointermove", x(0.1));
    await settle();
    expect(foot()).toBe("0 to 0.200: 50 tokens");
    find<HTMLInputElement>(".saew-hist .saew-toggles label:last-child input")?.click();
    at("pointermove", x(9.9));
    await settle();
    expect(foot()).toContain("sum of activation \u2248 9.800 (\u00b1 at most 30.00)");
    const row = find('[aria-label="Fires on"] tbody tr')?.textContent;
    expect(row).toBe("\u2423the\u2248 300 (250 to 350)\u2248 3.000\u2248 25%");
    expect(find('[aria-label="Fires on"] .saew-of')?.textContent).toBe("\u2248 from a sample");
    expect(find('[aria-label="Correlated features"] .saew-of')?.textContent).toBe("in a sample: 512 tokens");
  });

  test("all activations equal", async () => {
    start({}, (m) => {
      if (m.ch !== "feature") return answering(m);
      return featureAnswer(m.id, 17, { histogram: { low: 1, high: 1 } });
    });
    await settle();
    expect(all(".saew-hbar").length).toBe(1);
    press(plot(), "ArrowRight");
    await settle();
    expect(model.get("activation_range")).toEqual([1, 1]);
  });

  test("negative activations are hatched", async () => {
    start({}, (m) => {
      if (m.ch !== "feature") return answering(m);
      return featureAnswer(m.id, 17, { histogram: { low: -10, high: 10 }, signed: true, min: -10 });
    });
    await settle();
    expect(all(".saew-hbar")[0]?.innerHTML).toContain("url(#");
    expect(all(".saew-hbar").at(-1)?.innerHTML).not.toContain("url(#");
  });
});

describe("examples", () => {
  test("controls are traits, and ask again", async () => {
    button("intervals")?.click();
    button("full")?.click();
    await settle();
    expect(requests("examples").at(-1)?.p).toMatchObject({ group: "intervals", view: "full" });
    type(find<HTMLInputElement>(".saew-tokenfilter"), " the ");
    await until(() => expect(requests("examples").at(-1)?.p).toMatchObject({ token: "the" }));
    panel("Fires on")?.querySelector("button")?.click();
    await settle();
    expect(model.get("token_filter")).toBe("");
    const [column] = all(".saew-where select") as HTMLSelectElement[];
    if (column) column.value = "source";
    column?.dispatchEvent(new Event("change", { bubbles: true }));
    await settle();
    expect(model.get("where")).toEqual([]);
    const value = all(".saew-where select")[1] as HTMLSelectElement | undefined;
    if (value) value.value = "code";
    value?.dispatchEvent(new Event("change", { bubbles: true }));
    await settle();
    expect(requests("examples").at(-1)?.p).toMatchObject({ where: ["source", "code"] });
  });

  test("a click selects, another lets go", async () => {
    rows()[1]?.click();
    await settle();
    expect(model.get("selected_example")).toMatchObject({ id: 170_001, a: 1, text: (LINES[1] ?? []).join("") });
    expect(rows().map((row) => row.getAttribute("aria-selected"))).toEqual(["false", "true"]);
    rows()[1]?.click();
    await settle();
    expect(model.get("selected_example")).toBeNull();
  });

  test("while another feature is on its way, an example of the one before is none of its", async () => {
    const before = model.get("feature");
    model.answer = () => null;
    model.push({ feature: 7 });
    await settle();
    const saved = model.saved.length;
    rows()[1]?.click();
    press(find(".saew-hist .saew-plot"), "ArrowRight");
    await settle();
    expect([model.get("selected_example"), model.get("activation_range"), model.saved.length]).toEqual([
      null,
      [],
      saved,
    ]);
    model.push({ feature: before }); // that is shown
    rows()[1]?.click();
    expect(model.get("selected_example")).toMatchObject({ id: 170_001 });
  });

  test("by keyboard: rows, tokens, select", async () => {
    const list = find(".saew-examples");
    for (const key of ["ArrowDown", "ArrowDown", "ArrowRight"]) press(list, key);
    await settle();
    expect(list?.getAttribute("aria-activedescendant")).toBe(rows()[1]?.id);
    expect(find(".saew-tip b")?.textContent).toBe("\u2423cat");
    press(list, "Enter");
    await settle();
    expect(model.get("selected_example")).toMatchObject({ id: 170_001 });
    press(list, "Escape");
    press(list, "Escape");
    await settle();
    expect(model.get("selected_example")).toBeNull();
  });
});

describe("ablation", () => {
  const lines = () => [...(rows()[0]?.querySelectorAll<HTMLElement>(".saew-t") ?? [])].map((t) => t.style.borderBottom);

  test("is asked only when wanted, and underlines", async () => {
    expect(requests("effects")).toEqual([]);
    find(".saew-ablation input")?.click();
    await settle();
    expect(model.get("ablation")).toBe(true);
    expect(requests("effects").map((m) => m.p)).toEqual([
      { f: 17, of: [170_000, 170_001], view: "snippet", window: 5 },
    ]);
    expect(lines()[0]).toBe(""); // no effect on the first token
    expect(lines()[1]).toContain("dashed");
    expect(lines()[2]).toContain("solid");
    find(".saew-ex .saew-bold")?.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
    await settle();
    const tip = find(".saew-tip")?.textContent ?? "";
    expect(tip).toContain("full effect\u22120.500");
    expect(tip).toContain("50.0% \u2192 25.0%");
    expect(tip).toContain("lowered\u2423cat\u22120.250");
    button("direct effect")?.click();
    await settle();
    expect(lines()[1]).toContain("solid");
    find(".saew-ablation input")?.click();
    await settle();
    expect(lines().join("")).toBe("");
  });

  test("comes in slices, and what is known is not asked again", async () => {
    const many = Array.from({ length: 20 }, () => LINES[0] ?? []);
    start({ ablation: true }, (m) => (m.ch === "examples" ? examplesAnswer(m.id, 17, many) : answering(m)));
    await settle();
    expect(requests("effects").map((m) => (m.p?.of as number[] | undefined)?.length)).toEqual([16, 4]);
    model.push({ group: "top" });
    await settle();
    expect(requests("effects").length).toBe(2);
    model.push({ window: 8 });
    await settle();
    expect(requests("effects").length).toBe(4);
  });

  test("an error is shown beside what is there", async () => {
    const e = { type: "OutOfMemory", message: "no room", traceback: "" };
    start({ ablation: true }, (m) => (m.ch === "effects" ? { t: "res", id: m.id, ok: false, e } : answering(m)));
    await settle();
    expect(find(".saew-banner-error")?.textContent).toContain("no room");
    expect(rows().length).toBe(2);
  });

  test("of other tokens than the examples are refused, not drawn under the wrong ones", async () => {
    start({ ablation: true }, (m) => (m.ch === "effects" ? effectsAnswer(m.id, 17, [7, 6]) : answering(m)));
    await settle();
    expect(find(".saew-banner-error")?.textContent).toContain("other tokens");
  });

  test("not without an engine", async () => {
    start({ live: false, ablation: true, text: "the end" });
    await settle();
    expect(find(".saew-ablation, textarea")).toBeNull();
    expect([...requests("effects"), ...requests("text")]).toEqual([]);
  });
});

describe("the user's text", () => {
  test("is asked when the typing pauses, marked on the histogram, and not overwritten by its echoes", async () => {
    const box = find<HTMLTextAreaElement>("textarea");
    for (const text of ["on", "on the", "on the hill"]) type(box, text);
    expect(requests("text")).toEqual([]);
    model.push({ text: "on" }); // a late echo
    await until(() => {
      expect(all(".saew-testtext .saew-t").map((t) => t.textContent)).toEqual(["on", " the", " hill"]);
      expect(find(".saew-mark-text")).not.toBeNull();
      expect(find(".saew-test [role=status]")?.textContent).toBe("at most 6.000 activation");
      expect(model.saved.flatMap((s) => (s.text === undefined ? [] : [s.text])).at(-1)).toBe("on the hill");
    });
    expect(box?.value).toBe("on the hill");
    expect(requests("text").map((m) => m.p)).toEqual([{ f: 17, text: "on the hill" }]);
  });

  test("a key that comes right after another was drawn is not lost", async () => {
    const box = find<HTMLTextAreaElement>("textarea");
    for (const text of ["on the hil", "on the hill"]) {
      type(box, text);
      // Drawn, and what follows a drawing not yet done.
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    }
    await until(() => expect(requests("text").at(-1)?.p).toEqual({ f: 17, text: "on the hill" }));
    expect([box?.value, model.get("text")]).toEqual(["on the hill", "on the hill"]);
  });

  test("has effects too", async () => {
    start({ text: "on the hill", ablation: true });
    await settle();
    expect(requests("effects").map((m) => m.p)).toContainEqual({ f: 17, text: "on the hill" });
    expect(all(".saew-testtext .saew-t")[2]?.style.borderBottom).toContain("solid");
  });
});

test("axes", () => {
  expect(ticks(0, 10, 4)).toEqual([0, 2.5, 5, 7.5, 10]);
  expect(ticks(0.02, 0.98, 3)).toEqual([0.5]);
  expect(ticks(3, 3, 4)).toEqual([3]);
  expect(ticks(-1.42, 1.51, 4)).toEqual([-1, 0, 1]);
  expect([0, 2.5, 5].map((v, _, list) => tickLabel(v, list))).toEqual(["0.0", "2.5", "5.0"]);
  expect([-1, 0, 1].map((v, _, list) => tickLabel(v, list))).toEqual(["\u22121", "0", "1"]);
  expect(tickLabel(20_000, [10_000, 20_000])).toBe("20k");
  const log = heights([1, 10, 1000], true, 3);
  expect(log.of(1000)).toBe(1);
  expect(log.of(1)).toBeGreaterThan(0.05);
  expect(log.at.at(-1)).toBe(1000);
  expect(heights([0, 0], false, 3)).toMatchObject({ at: [] });
  // Counts of tokens have no ticks between whole ones; sums of activations do.
  expect([heights([0, 1, 2], false, 4).at, heights([0, 1, 2], true, 4).at]).toEqual([[1, 2], [1]]);
  expect(heights([0.5, 2], true, 4).at.some((tick) => tick < 1)).toBe(true);
  const bars = Array.from({ length: 50 }, (_, i) => bar(i, 50, 333));
  expect(bars.every(({ x, w }, i) => x + w <= (bars[i + 1]?.x ?? 333))).toBe(true);
});

test("ranges and bins", () => {
  expect(rangeOf([0, 49], 0.1, 9.7, 50)).toEqual([0.1, 9.7]);
  for (const bins of [
    [0, 0],
    [7, 31],
    [49, 49],
  ] as [number, number][])
    expect(binsOf(rangeOf(bins, 0.013, 12.34, 50), 0.013, 12.34, 50)).toEqual(bins);
  expect(binsOf([-5, 99], 0, 10, 50)).toEqual([0, 49]);
  expect(binsOf([], 0, 10, 50)).toBeNull();
});

test("underlines", () => {
  expect(line(Number.NaN, 1, LIGHT)).toBe("");
  expect(line(0.001, 1, LIGHT)).toBe("");
  expect(line(0, 0, LIGHT)).toBe("");
  expect(line(-1, 1, LIGHT)).toBe("4px solid rgb(0 114 178 / 1.00)");
  expect(line(0.5, 1, LIGHT)).toContain("3px dashed rgb(213 94 0");
});
