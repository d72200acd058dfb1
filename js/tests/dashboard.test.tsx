import { beforeEach, describe, expect, test } from "vitest";
import { bar, heights, tickLabel, ticks } from "../src/charts/axis";
import type { ArraySpec, Json } from "../src/kernel/types";
import { RecordedModel } from "../src/page/host";
import type { Recorded } from "../src/page/offline";
import { LIGHT } from "../src/tokens/palette";
import widget from "../src/widgets/dashboard";
import { binsOf, rangeOf } from "../src/widgets/dashboard/histogram";
import { offline } from "../src/widgets/dashboard/offline";
import { line } from "../src/widgets/dashboard/tokens";
import { FakeModel, settle } from "./fake";
import { answering, DEAD, effectsAnswer, examplesAnswer, featureAnswer, LINES, STATE } from "./fake_dashboard";

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
const title = () => find("h2")?.textContent;
const rows = () => all(".saew-ex");
const requests = (channel: string) => model.sent.filter((m) => m.t === "req" && m.ch === channel);
const button = (text: string) => all("button").find((one) => one.textContent === text) as HTMLButtonElement | undefined;
const panel = (name: string) => find(`section[aria-label="${name}"]`);
const press = (target: Element | null, key: string, init: KeyboardEventInit = {}) =>
  target?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...init }));
const type = (box: HTMLInputElement | HTMLTextAreaElement | null, value: string) => {
  if (!box) throw new Error("There is no such box.");
  box.value = value;
  box.dispatchEvent(new Event("input", { bubbles: true }));
};
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

beforeEach(async () => {
  start();
  await settle();
});

describe("showing", () => {
  test("header, tables, notes", () => {
    expect(title()).toBe("Feature 17");
    expect(find(".saew-name")?.textContent).toBe("the article");
    expect(find(".saew-facts")?.textContent).toContain("0.312% 385 of 123,456 counted tokens");
    expect(find(".saew-position")?.textContent).toBe("18 of 999 by density");
    expect(panel("Fires on")?.textContent).toContain("3003.00025%");
    expect(panel("Correlated neurons")?.textContent).toContain("No neurons were recorded with this index.");
    expect(panel("Logit weights")?.textContent).toContain("kurtosis 3.100");
    expect(find(".saew-footer")?.textContent).toContain("model: tiny");
    expect(requests("feature").map((m) => m.p)).toEqual([{ f: 17, sort: "density", list: [] }]);
    expect(requests("examples").map((m) => m.p)).toEqual([
      { f: 17, group: "all", range: [], view: "snippet", window: 5, token: "", where: [] },
    ]);
  });

  test("examples: token in the middle, cuts, folded repeats", () => {
    expect(rows().length).toBe(2);
    const [first, second] = rows();
    expect(first?.querySelector(".saew-bold")?.textContent).toBe(" the");
    expect(first?.querySelector(".saew-before")?.textContent).toBe("\u2026on top of");
    expect(first?.querySelector(".saew-after")?.textContent).toBe(" old hill\u21b5");
    expect(second?.querySelector(".saew-more")?.textContent).toBe("\u00d74");
  });

  test("where not every repetition is known, a count says so", async () => {
    start({}, (m) => (m.ch === "examples" ? examplesAnswer(m.id, 17, LINES, "top", false) : answering(m)));
    await settle();
    const folded = rows()[1]?.querySelector<HTMLElement>(".saew-more");
    expect(folded?.textContent).toBe("\u2265\u20094\u00d7");
    expect(folded?.title).toContain("at least 4 examples with this snippet");
  });

  test("a dead feature: why there is nothing, and its weights", async () => {
    start({ feature: DEAD });
    await settle();
    expect(find(".saew-dead")?.textContent).toBe("This feature never fires on this corpus (123,456 tokens).");
    expect(panel("Activation histogram")).toBeNull();
    expect(panel("Logit weights")?.querySelectorAll("rect").length).toBeGreaterThan(10);
    expect(panel("Neuron alignment")?.textContent).toContain("\u22120.310");
    expect(panel("Correlated features")?.textContent).toContain("It never fires.");
  });

  test("no feature", async () => {
    start({ feature: null });
    await settle();
    expect(model.sent).toEqual([]);
    expect(find(".saew-empty")?.textContent).toContain("No feature is chosen");
    button("Random")?.click();
    await settle();
    expect(title()).toBe("Feature 99");
  });

  test("hostile tokens and labels are text nodes", async () => {
    const hostile = ["<img src=x onerror=alert(1)>", "</script>", "\u202eabc", "\u0000", "", "a\nb", "\t"];
    const label = "<b>bold</b>\u202e";
    for (const view of ["snippet", "full"]) {
      start({ view }, (m) => {
        if (m.ch === "examples") return examplesAnswer(m.id, 17, [hostile]);
        if (m.ch === "feature")
          return featureAnswer(m.id, 17, {
            label,
            tokens: hostile.map((t, id) => ({ t, id, count: 1, mean: 1, share: 1 })),
            logits: null,
            logits_missing: "<i>none</i>",
          });
        return answering(m);
      });
      await settle();
      expect(el.querySelector("img, script, .saew-name b, .saew-missing i")).toBeNull();
      const end = view === "full" ? "\u21b5\n" : "\u21b5";
      expect(all(".saew-ex .saew-t").map((t) => t.textContent)).toEqual([
        "<img src=x onerror=alert(1)>",
        "</script>",
        "U+202Eabc",
        "U+0000",
        "\u2025",
        `a${end}b`,
        view === "full" ? "\t" : "\u21e5",
      ]);
      expect(find(".saew-name")?.textContent).toBe("<b>bold</b>U+202E");
    }
  });

  test("an answer whose parts do not fit is an error, not a guess", async () => {
    model.answer = (m) => {
      const answer = answering(m);
      if (m.ch === "examples" && answer?.t === "res" && answer.ok) answer.arrays.pop();
      return answer;
    };
    model.push({ group: "top" });
    await settle();
    expect(find(".saew-banner-error")?.textContent).toContain("different numbers");
  });
});

describe("going about", () => {
  test("next, back, rows of other features", async () => {
    expect(button("\u2190 Back")?.disabled).toBe(true);
    button("Next \u203a")?.click();
    await settle();
    expect([model.get("feature"), title()]).toEqual([18, "Feature 18"]);
    panel("Correlated features")?.querySelector("button")?.click();
    await settle();
    expect(title()).toBe("Feature 23");
    button("\u2190 Back")?.click();
    await settle();
    button("\u2190 Back")?.click();
    await settle();
    expect([model.get("feature"), title()]).toEqual([17, "Feature 17"]);
    expect(button("\u2190 Back")?.disabled).toBe(true);
  });

  test("random goes by the list", async () => {
    start({ features: [17, 99] });
    await settle();
    button("Random")?.click();
    await settle();
    expect(requests("random").at(-1)?.p).toEqual({ f: 17, list: [17, 99] });
    expect(title()).toBe("Feature 99");
  });

  test("jump; a number that is none of a feature is the kernel's error, and the last feature stays", async () => {
    const box = find<HTMLInputElement>(".saew-jump input");
    type(box, "40");
    press(box, "Enter");
    await settle();
    expect([model.get("feature"), title(), box?.value]).toEqual([40, "Feature 40", ""]);
    type(box, "5000");
    press(box, "Enter");
    await settle();
    expect(find(".saew-banner-error")?.textContent).toContain("There is no feature 5000");
    expect([model.get("feature"), title()]).toEqual([40, "Feature 40"]);
    button("Next \u203a")?.click();
    await settle();
    expect(find(".saew-banner-error")).toBeNull();
    button("\u2190 Back")?.click();
    await settle();
    expect(title()).toBe("Feature 40");
  });

  test("a late answer to an earlier question is not shown", async () => {
    model.answer = () => null;
    model.push({ feature: 20 });
    await settle();
    model.push({ feature: 17 });
    await settle();
    const late = requests("feature").at(-1);
    model.receive(featureAnswer(late?.id ?? "", 20) as never);
    await settle();
    expect(title()).toBe("Feature 17");
  });

  test("a new revision asks again", async () => {
    model.push({ revision: 1 });
    await settle();
    expect([requests("feature").length, requests("examples").length]).toEqual([2, 2]);
  });

  test("the label: Enter saves, Escape does not", async () => {
    button("edit")?.click();
    await settle();
    const box = () => find<HTMLInputElement>(".saew-labelbox input");
    expect(box()?.value).toBe("the article");
    type(box(), "nonsense");
    press(box(), "Escape");
    await settle();
    expect(requests("label")).toEqual([]);
    expect(find(".saew-name")?.textContent).toBe("the article");
    button("edit")?.click();
    await settle();
    type(box(), "articles");
    press(box(), "Enter");
    await settle();
    expect(requests("label").map((m) => m.p)).toEqual([{ f: 17, label: "articles" }]);
    expect(find(".saew-name")?.textContent).toBe("articles");
  });

  test("leaving removes every listener", async () => {
    start({ ablation: true, text: "the end" });
    await settle();
    expect(model.listeners()).toBeGreaterThan(0);
    stop();
    stop();
    await settle();
    expect(model.listeners()).toBe(0);
    expect(el.childElementCount).toBe(0);
  });
});

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
    await pause(350);
    expect(requests("examples").at(-1)?.p).toMatchObject({ token: "the" });
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
    await settle();
    expect(requests("text")).toEqual([]);
    model.push({ text: "on" }); // a late echo
    await pause(300);
    expect(box?.value).toBe("on the hill");
    expect(requests("text").map((m) => m.p)).toEqual([{ f: 17, text: "on the hill" }]);
    expect(all(".saew-testtext .saew-t").map((t) => t.textContent)).toEqual(["on", " the", " hill"]);
    expect(find(".saew-mark-text")).not.toBeNull();
    expect(find(".saew-test [role=status]")?.textContent).toBe("at most 6.000 activation");
    await pause(100);
    expect(model.saved.flatMap((s) => (s.text === undefined ? [] : [s.text])).at(-1)).toBe("on the hill");
  });

  test("has effects too", async () => {
    start({ text: "on the hill", ablation: true });
    await settle();
    expect(requests("effects").map((m) => m.p)).toContainEqual({ f: 17, text: "on the hill" });
    expect(all(".saew-testtext .saew-t")[2]?.style.borderBottom).toContain("solid");
  });
});

describe("a page without a kernel", () => {
  const recorded: Recorded[] = [];
  const put = (ch: string, p: Json, answer: unknown) => {
    const { r, arrays } = answer as { r: Json; arrays: ArraySpec[] };
    recorded.push({ ch, p, r, arrays });
  };
  const how = { range: [], view: "snippet", window: 5, token: "", where: [] };
  for (const f of [17, 18]) {
    put("feature", { f, sort: "density", list: [] }, featureAnswer("", f));
    put("examples", { f, group: "all", ...how }, examplesAnswer("", f));
  }
  put("examples", { f: 17, group: "all", ...how, view: "full" }, examplesAnswer("", 17, LINES.slice(1)));
  const notice = () => find(".saew-banner")?.textContent ?? "";
  let page: RecordedModel;

  beforeEach(async () => {
    stop();
    page = new RecordedModel(
      { state: { ...STATE, live: false } as unknown as Record<string, Json>, recorded },
      offline,
    );
    el = document.createElement("div");
    document.body.replaceChildren(el);
    stop = widget.render({ model: page, el });
    await settle();
  });

  test("shows what was recorded", async () => {
    button("top")?.click();
    await settle();
    expect([rows().length, notice()]).toEqual([2, ""]);
    find(".saew-ex .saew-bold")?.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
    await settle();
    expect(find(".saew-tip")).not.toBeNull();
  });

  test("goes back to the last settings with an answer, and says so", async () => {
    button("top")?.click();
    await settle();
    page.set("window", 20);
    await settle();
    expect(notice()).toContain("Not recorded in this page");
    expect([page.get("window"), page.get("group"), rows().length]).toEqual([5, "top", 2]);
    press(find(".saew-hist .saew-plot"), "ArrowRight");
    await settle();
    expect(page.get("activation_range")).toEqual([]);
    button("all")?.click();
    await settle();
    expect([rows().length, notice()]).toEqual([2, ""]);
  });

  test("a feature that was not recorded", async () => {
    button("top")?.click();
    await settle();
    panel("Correlated features")?.querySelector("button")?.click();
    await settle();
    expect(notice()).toContain("Not recorded");
    expect([page.get("feature"), page.get("group"), title(), rows().length]).toEqual([17, "top", "Feature 17", 2]);
    expect(button("\u2190 Back")?.disabled).toBe(true);
    find<HTMLButtonElement>('[aria-label="Dismiss the notice"]')?.click();
    await settle();
    expect(notice()).toBe("");
  });

  test("a recorded feature without these settings has the page's first ones", async () => {
    button("full")?.click();
    await settle();
    expect([notice(), rows().length]).toEqual(["", 1]);
    button("Next \u203a")?.click();
    await settle();
    expect([title(), page.get("view"), rows().length]).toEqual(["Feature 18", "snippet", 2]);
    expect(notice()).toContain("Not recorded");
  });

  test("random is one of the recorded", async () => {
    button("Random")?.click();
    await settle();
    expect(title()).toBe("Feature 18");
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
