import { beforeEach, describe, expect, test } from "vitest";
import { picked } from "../src/feature/picked";
import { background } from "../src/tokens/paint";
import { LIGHT } from "../src/tokens/palette";
import widget from "../src/widgets/heatmap";
import { asPython } from "../src/widgets/heatmap/copy";
import { answering, FakeModel, rankAnswer, STATE, settle, spec, tokensAnswer } from "./fake";
import { choose, click, el, model, open, press, requests, stop, type, until } from "./hands";

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
} as unknown as typeof ResizeObserver;

const start = (state: Record<string, unknown> = {}, answer: FakeModel["answer"] = answering) =>
  open(widget, { ...STATE, ...state }, answer);

const tokens = () => [...el.querySelectorAll<HTMLElement>(".saew-t")];
const rows = () => [...el.querySelectorAll<HTMLElement>(".saew-ranking tbody tr")];

beforeEach(async () => {
  start();
  await settle();
});

describe("showing", () => {
  test("tokens and ranking as the kernel gives them", () => {
    expect(tokens().map((t) => t.textContent)).toEqual(["<|bos|>", "the", "cat"]);
    expect(rows().map((r) => r.querySelector(".saew-feature")?.textContent)).toEqual(["5", "3"]);
    expect(rows()[1]?.textContent).toContain("first");
    expect(el.querySelector(".saew-footer")?.textContent).toContain("model: tiny");
    expect(el.querySelector(".saew-ranking [role=status]")?.textContent).toContain("2 active features over 2 tokens");
  });

  test("hostile tokens are text nodes", async () => {
    const str = ["<|bos|>", "<img src=x onerror=alert(1)>", "</script>", "\u202eabc", "\u0000", "", "a\nb"];
    start({}, (m) => {
      if (m.t !== "req") return null;
      return m.ch === "tokens" ? tokensAnswer(m.id, "h", { str }) : rankAnswer(m.id, "h");
    });
    await settle();
    expect(el.querySelector("img, script")).toBeNull();
    expect(tokens().map((t) => t.textContent)).toEqual([
      "<|bos|>",
      "<img src=x onerror=alert(1)>",
      "</script>",
      "U+202Eabc",
      "U+0000",
      "\u2025",
      "a\u21b5\nb",
    ]);
  });

  test("special tokens are not coloured unless included", async () => {
    model.push({ features: [9, 5], feature: 5 });
    await settle();
    expect(tokens()[0]?.style.background).toBe("");
    model.push({ include_special: true });
    await settle();
    expect(requests("rank").at(-1)?.p).toMatchObject({ include_special: true, features: [9, 5] });
  });

  test("an error is shown, kept as a trait, and goes away with the next answer", async () => {
    const e = { type: "NonFiniteError", message: "NaN <b>here</b>", traceback: "Traceback" };
    model.answer = (m) => (m.t === "req" ? { t: "res", id: m.id, ok: false, e } : null);
    model.push({ text: "broken" });
    await settle();
    expect(el.querySelector(".saew-banner-error")?.textContent).toContain("NaN <b>here</b>");
    expect(model.get("error")).toEqual(e);
    expect(tokens().length).toBe(3); // the last result stays
    model.answer = answering;
    model.push({ text: "whole again now" });
    await settle();
    expect(el.querySelector(".saew-banner-error")).toBeNull();
    expect(model.get("error")).toBeNull();
    expect(tokens().length).toBe(4);
  });

  test.each([["none"], ["too few"]])(
    "an answer with flags for %s of its tokens is refused, not shown as counted",
    async (how) => {
      start({}, (m) => {
        const answer = answering(m);
        if (m.t !== "req" || m.ch !== "tokens" || answer?.t !== "res" || !answer.ok) return answer;
        const arrays = answer.arrays.flatMap((one) =>
          one.name !== "flags" ? [one] : how === "none" ? [] : [spec("flags", "u8", new Uint8Array(2))],
        );
        return { ...answer, arrays };
      });
      await settle();
      expect(el.querySelector(".saew-banner-error")?.textContent).toContain("lacks flags");
      expect(tokens()).toEqual([]);
    },
  );

  test("a text of other tokens than the ranking is not mixed with it", async () => {
    model.answer = (m) => (m.t === "req" && m.ch === "tokens" ? tokensAnswer(m.id, "a b c d") : null);
    model.push({ text: "a b c d" });
    await settle();
    expect(tokens().length).toBe(5);
    expect(rows().length).toBe(0);
  });
});

describe("doing", () => {
  test("while another dictionary is on its way, rows of the one before are none of its features", async () => {
    model.answer = (m) => (m.t === "req" && m.p?.sae === "early" ? null : answering(m));
    model.push({ sae: "early", features: [], feature: null });
    await settle();
    const saved = model.saved.length;
    click(rows()[0]?.querySelector(".saew-feature") ?? undefined);
    await settle();
    expect([model.get("features"), model.saved.length]).toEqual([[], saved]);
  });

  test("while another text is on its way, a token of the one before is none of its tokens", async () => {
    model.answer = (m) => (m.t === "req" && m.p?.text === "a dog" ? null : answering(m));
    model.push({ text: "a dog" });
    await settle();
    const saved = model.saved.length;
    expect(tokens()[1]?.textContent).toBe("the");
    click(tokens()[1]);
    await settle();
    expect([model.get("selected_tokens"), model.saved.length]).toEqual([[], saved]);
    model.push({ text: "the cat" }); // that is of what is shown
    click(tokens()[1]);
    expect(model.get("selected_tokens")).toEqual([1]);
  });

  test("tokens that failed are asked for again with the next change, whatever it is", async () => {
    const e = { type: "FeatureIndexError", message: "no feature 40", traceback: "" };
    model.answer = (m) => (m.t === "req" && m.ch === "tokens" ? { t: "res", id: m.id, ok: false, e } : answering(m));
    model.push({ sae: "early" });
    await settle();
    expect(el.querySelector(".saew-banner-error")).not.toBeNull();
    model.answer = answering;
    model.push({ features: [], sort: "sum" });
    await settle();
    expect(requests("tokens").at(-1)?.p).toMatchObject({ sae: "early", rank: { sort: "sum" } });
    expect(el.querySelector(".saew-banner-error")).toBeNull();
  });

  test("of an engine with several dictionaries one is chosen: text and selected tokens stay, its features go", async () => {
    expect(el.querySelector(".saew-toolbar select")).toBeNull();
    start({
      saes: ["early", "late"],
      sae: "late",
      default_sae: "late",
      features: [5],
      feature: 5,
      selected_tokens: [1],
    });
    await settle();
    const box = el.querySelector<HTMLSelectElement>(".saew-toolbar select");
    expect([...(box?.options ?? [])].map((one) => one.textContent)).toEqual(["early", "late"]);
    expect(box?.value).toBe("late");
    choose(box, "early");
    await settle();
    expect(requests("tokens").at(-1)?.p).toMatchObject({
      text: "the cat",
      sae: "early",
      rank: { tokens: [1], features: [] },
    });
    expect([model.get("sae"), model.get("feature"), model.get("selected_tokens")]).toEqual(["early", null, [1]]);
    expect(model.saved.length).toBe(1); // all in one message
    expect(el.querySelectorAll(".saew-chip").length).toBe(0);
  });

  test("typing asks at once, sets the trait, and is not overwritten by its echoes", async () => {
    const box = el.querySelector("textarea") as HTMLTextAreaElement;
    for (const text of ["the cat s", "the cat sa", "the cat sat"]) type(box, text);
    model.push({ text: "the cat s" }); // a late echo
    await settle();
    expect(box.value).toBe("the cat sat");
    const saved = () => model.saved.filter((s) => s.text !== undefined).map((s) => s.text);
    await until(() => expect(saved()).toEqual(["the cat sat"]));
    expect(requests("tokens").map((m) => m.p?.text)).toContain("the cat sat");
    model.push({ text: "from Python" });
    await settle();
    expect(box.value).toBe("from Python");
  });

  test("clicking tokens and features sets the traits", async () => {
    click(tokens()[1]);
    await settle();
    expect(model.get("selected_tokens")).toEqual([1]);
    expect(requests("rank").at(-1)?.p).toMatchObject({ tokens: [1] });
    click(tokens()[2]);
    await settle();
    expect(model.get("selected_tokens")).toEqual([1, 2]);
    click(tokens()[1]);
    await settle();
    expect(model.get("selected_tokens")).toEqual([2]);
    expect(tokens()[2]?.classList.contains("saew-selected")).toBe(true);
    click(rows()[0]?.querySelector(".saew-feature") ?? undefined);
    await settle();
    expect([model.get("feature"), model.get("features")]).toEqual([5, [5]]);
    click(rows()[1], { ctrlKey: true });
    await settle();
    expect([model.get("feature"), model.get("features")]).toEqual([3, [5, 3]]);
    expect([...el.querySelectorAll(".saew-chip b")].map((b) => b.textContent)).toEqual(["5", "3"]);
  });

  test("keyboard: arrows, space, escape", async () => {
    const text = el.querySelector(".saew-text") as HTMLElement;
    text.focus();
    await settle();
    press(text, "ArrowRight");
    await settle();
    press(text, "ArrowRight");
    await settle();
    press(text, " ");
    await settle();
    expect(model.get("selected_tokens")).toEqual([2]);
    expect(text.getAttribute("aria-activedescendant")).toBe(tokens()[2]?.id);
    press(text, "Escape");
    await settle();
    expect(model.get("selected_tokens")).toEqual([]);
  });

  test("leaving removes every listener", async () => {
    expect(model.listeners()).toBeGreaterThan(0);
    stop();
    stop();
    await settle();
    expect(model.listeners()).toBe(0);
    expect(el.childElementCount).toBe(0);
  });

  test("an abort signal leaves too", async () => {
    const control = new AbortController();
    const other = new FakeModel(STATE);
    const place = document.createElement("div");
    widget.render({ model: other, el: place, signal: control.signal });
    await settle();
    control.abort();
    await settle();
    expect(other.listeners()).toBe(0);
  });
});

test("choosing features", () => {
  expect(picked([], 1, false)).toEqual({ features: [1], feature: 1 });
  expect(picked([1], 1, false)).toEqual({ features: [], feature: null });
  expect(picked([1, 2], 3, false)).toEqual({ features: [3], feature: 3 });
  expect(picked([1, 2], 3, true)).toEqual({ features: [1, 2, 3], feature: 3 });
  expect(picked([1, 2], 2, true)).toEqual({ features: [1], feature: 1 });
  expect(picked([1, 2, 3, 4, 5, 6], 7, true)).toEqual({ features: [2, 3, 4, 5, 6, 7], feature: 7 });
});

test("colours: silent, weak, full, negative, bands", () => {
  const palette = { ...LIGHT, hues: ["1 2 3", "4 5 6"], strength: 0.8 };
  const layer = (values: number[], hue = 0) => ({ hue, values: Float32Array.from(values), scale: 10 });
  const one = layer([0, 0.001, 10, -10]);
  expect(background([one], 0, palette)).toBe("");
  expect(background([one], 1, palette)).toBe("rgb(1 2 3 / 0.020)");
  expect(background([one], 2, palette)).toBe("rgb(1 2 3 / 0.800)");
  expect(background([one], 3, palette)).toContain("repeating-linear-gradient(135deg, rgb(1 2 3 / 0.800)");
  const two = background([one, layer([1, 1, 1, 1], 1)], 2, palette);
  expect(two.match(/no-repeat/g)?.length).toBe(2);
  expect(two).toContain("rgb(4 5 6 / 0.080)");
  expect(background([one, layer([0, 0, 0, 0], 1)], 2, palette).match(/no-repeat/g)?.length).toBe(1);
});

test("Python that shows the same", () => {
  const fake = new FakeModel({ ...STATE, text: 'a "quoted"\n\\ \u2028', features: [5, 3], sort: "sum" });
  expect(asPython(fake)).toBe(
    'sw.TokenFeatureHeatmap(engine, text="a \\"quoted\\"\\n\\\\ \\u2028", features=[5, 3], sort="sum", view="text", theme="light")',
  );
});
