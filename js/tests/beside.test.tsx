/** Two features side by side: the text under both, the scatter and its hand, lists, boards, swapping, parts that fail alone. */

import { beforeEach, describe, expect, test } from "vitest";
import type { FromKernel, Json } from "../src/kernel/types";
import { type Bundle, RecordedModel } from "../src/page/host";
import { LIGHT } from "../src/tokens/palette";
import widget from "../src/widgets/beside";
import { layout, nearest, walk } from "../src/widgets/beside/scatter";
import type { SideJson } from "../src/widgets/beside/wire";
import type { FakeModel, Sent } from "./fake";
import { answering, refused, STATE } from "./fake_beside";
import golden from "./golden/beside.json";
import { all, button, click, el, find, model, named, open, openOn, panel, press, requests, type, until } from "./hands";
import { lookOf } from "./looks";

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
} as unknown as typeof ResizeObserver;

const start = async (state: Record<string, unknown> = {}, answer: FakeModel["answer"] = answering) => {
  open(widget, { ...STATE, ...state }, answer);
  await until(() => expect(panel("On one corpus")?.textContent).toMatch(/Tokens compared|base|because/));
};
const tokens = () => all(".saew-twice .saew-t");
const cloud = () => find(".saew-cloud");
const tip = () => find(".saew-tip")?.textContent ?? "";
const over = (target: Element | null | undefined) =>
  target?.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
const failing =
  (channel: string, message: string) =>
  (m: Sent): FromKernel | null =>
    m.t === "req" && m.ch === channel
      ? { t: "res", id: m.id, ok: false, e: { type: "Broken", message, traceback: "tb" } }
      : answering(m);

beforeEach(() => start());

describe("the sides", () => {
  test("have a letter, a number and a name each, and go by their traits", async () => {
    expect(all(".saew-side-heads .saew-badge").map((one) => one.textContent)).toEqual(["A", "B"]);
    await until(() => expect(find(".saew-side-heads")?.textContent).toContain("cats"));
    expect(find(".saew-side-heads")?.textContent).toContain("tuned");
    expect(named<HTMLInputElement>("Feature of A")?.value).toBe("3");
    type(named("Feature of B"), "7");
    expect(model.get("feature_b")).toBe(7);
    expect(model.saved.at(-1)).toEqual({ feature_b: 7 });
    await until(() => expect(requests("corpus").at(-1)?.p).toEqual({ a: 3, b: 7 }));
    expect(requests("text").at(-1)?.p).toEqual({ text: STATE.text, a: 3, b: 7 });
    expect(requests("pair").at(-1)?.p).toEqual({ a: 3, b: 7 });
    await until(() => expect(panel("Feature B")?.querySelector("h3")?.textContent).toBe("B Feature 7"));
    // A feature that the side does not have is not sent.
    type(named("Feature of B"), "48");
    expect(model.get("feature_b")).toBe(7);
    await until(() => expect(named("Feature of B")?.getAttribute("aria-invalid")).toBe("true"));
    model.push({ feature_a: 9 });
    await until(() => expect(requests("side").at(-1)?.p).toEqual({ side: "A", f: 9 }));
  });

  test("let the chosen token go with another feature, in the same message", () => {
    model.push({ position: 20 });
    type(named("Feature of A"), "4");
    expect(model.saved.at(-1)).toEqual({ feature_a: 4, position: null });
  });

  test("change places: B stands first, above, and on the x axis; letters and colours stay", async () => {
    const [a, b] = [LIGHT.hues[1], LIGHT.hues[0]];
    expect(lookOf(tokens()[3])).toMatch(new RegExp(`${a}.*${b}`));
    click(named("Swap the places of A and B"));
    expect(model.get("swapped")).toBe(true);
    await until(() => expect(all(".saew-side-heads .saew-badge").map((one) => one.textContent)).toEqual(["B", "A"]));
    await until(() => expect(lookOf(tokens()[3])).toMatch(new RegExp(`${b}.*${a}`)));
    expect(cloud()?.getAttribute("aria-label")).toContain("A: feature 3 of base against B: feature 5 of tuned");
    expect(panel("On one text")?.textContent).toContain("B above, up to 10");
  });

  test("have boards with numbers, a histogram on one axis, examples in their colour and logit weights", async () => {
    await until(() => expect(panel("Feature B")?.querySelector("svg")).not.toBeNull());
    for (const [name, hue] of [
      ["Feature A", 1],
      ["Feature B", 0],
    ] as const) {
      const board = panel(name);
      expect(board?.textContent).toContain("density 0.50% 5 of 1,000 counted tokens");
      expect(board?.textContent).toContain("max 8.000");
      expect(board?.textContent).toContain("\u2423cat");
      expect(board?.querySelector(".saew-hbar rect")?.getAttribute("fill")).toContain(LIGHT.hues[hue]);
      expect(board?.querySelector(".saew-focus")?.textContent).toBe(" <b>bold</b>");
    }
    expect(find(".saew-footer")?.textContent).toContain("A model: model of A");
  });
});

describe("the text", () => {
  test("has a band for each side, and none where a token does not count", () => {
    const [a, b] = [LIGHT.hues[1], LIGHT.hues[0]];
    expect(tokens().map((one) => one.textContent)).toEqual(["<|bos|>", "God", "created", "the", "heaven"]);
    expect(lookOf(tokens()[0])).toBe("");
    expect(lookOf(tokens()[1])).toContain(String(a));
    expect(lookOf(tokens()[1])).not.toContain(String(b));
    expect(lookOf(tokens()[2])).toContain(String(b));
    // Below zero: hatched.
    expect(lookOf(tokens()[3])).toContain("repeating-linear-gradient");
    expect(tokens()[0]?.classList.contains("saew-unlike")).toBe(true);
    const said = panel("On one text")?.textContent ?? "";
    expect(said).toContain("Both fire 1");
    expect(said).toContain("Tokens compared 4");
    expect(said).toContain("hatched: below 0");
  });

  test("has every number by its own name", () => {
    const numbers = [...(panel("On one text")?.querySelectorAll(".saew-numbers li") ?? [])].map((li) => li.textContent);
    expect(numbers.slice(5)).toEqual([
      "Pearson r 0.250",
      "Pearson r where either fires \u22120.750",
      "Pearson r where both fire \u2013",
      "Cosine of activations 0.125",
      "Jaccard 0.500",
    ]);
  });

  test("is pointed at: both numbers", async () => {
    over(tokens()[3]);
    await until(() => expect(tip()).toContain("the"));
    expect(tip()).toContain("A 3.000B \u22124.000");
    over(tokens()[0]);
    await until(() => expect(tip()).toContain("special token: not counted"));
    expect(tip()).toContain("not the same token on both sides");
    expect(tip()).toContain("B \u2013");
  });

  test("is typed: both are asked for at once", async () => {
    type(named("Text"), "the end");
    await until(() => expect(tokens().map((one) => one.textContent)).toEqual(["<|bos|>", "the", "end"]));
    expect(requests("text").at(-1)?.p).toEqual({ text: "the end", a: 3, b: 5 });
    expect(requests("corpus").length).toBe(1);
  });
});

describe("the scatter", () => {
  const points = {
    at: Uint32Array.from([10, 20, 30, 40]),
    x: Float32Array.from([2, 3, 0, 1]),
    y: Float32Array.from([4, 0, 5, -2]),
    kind: Uint8Array.from([0, 1, 2, 0]),
  };

  test("puts every point at its place, and finds the one under the pointer", () => {
    const at = layout(points, ["A", "B"], 400, 300);
    for (let i = 0; i < 4; i++) {
      expect(nearest(at, at.px[i] ?? 0, at.py[i] ?? 0)).toBe(i);
      expect(nearest(at, (at.px[i] ?? 0) + 3, (at.py[i] ?? 0) - 3)).toBe(i);
    }
    expect(nearest(at, 399, 1)).toBe(-1);
    // Zero is on both axes: where B is silent, points stand on one line.
    expect(at.x[0]).toBe(0);
    expect(at.y[0]).toBeLessThan(-2);
    expect(walk(at)).toEqual([2, 3, 0, 1]);
    const turned = layout(points, ["B", "A"], 400, 300);
    expect(walk(turned)).toEqual([3, 1, 0, 2]);
    expect(turned.x).toEqual(at.y);
  });

  test("shows the text of a point, asked for when it is looked at", async () => {
    const at = layout(points, ["A", "B"], 360, 288);
    const move = new PointerEvent("pointermove", { bubbles: true, clientX: at.px[1] ?? 0, clientY: at.py[1] ?? 0 });
    cloud()?.dispatchEvent(move);
    await until(() => expect(tip()).toContain("at20"));
    expect(tip()).toContain("A 3.000B 0");
    expect(tip()).toContain("a document, token 20");
    expect(requests("context").map(({ p }) => p)).toEqual([{ a: 3, b: 5, position: 20 }]);
  });

  test("is walked through by keys; Enter keeps a point, Escape leaves it", async () => {
    press(cloud(), "ArrowRight");
    await until(() => expect(tip()).toContain("at30"));
    press(cloud(), "End");
    await until(() => expect(tip()).toContain("at20"));
    expect(cloud()?.getAttribute("aria-valuetext")).toBe("A 3.000, B 0");
    press(cloud(), "Enter");
    expect(model.get("position")).toBe(20);
    await until(() => expect(panel("The chosen token")?.textContent).toContain("before at20 after"));
    press(cloud(), "Escape");
    await until(() => expect(find(".saew-tip")).toBeNull());
    click(button("Let go"));
    expect(model.get("position")).toBeNull();
  });
});

describe("the lists", () => {
  test("have the strongest tokens of each kind in their texts; a click keeps one", async () => {
    for (const [name, word, values] of [
      ["Only A fires", "at20", "A 3.000B 0"],
      ["Only B fires", "at30", "A 0B 5.000"],
      ["Both fire", "at10", "A 2.000B 4.000"],
    ] as const) {
      expect(panel(name)?.textContent).toContain(word);
      expect(panel(name)?.textContent).toContain(values);
    }
    expect(panel("Only A fires")?.querySelector("h3")?.textContent).toBe("Only A fires strongest of 1 token");
    expect(panel("Only A fires")?.querySelector(".saew-row")?.getAttribute("title")).toContain("4 more like it");
    const row = panel("Only B fires")?.querySelector("button");
    click(row);
    expect(model.get("position")).toBe(30);
    await until(() => expect(row?.getAttribute("aria-pressed")).toBe("true"));
    expect(panel("On one corpus")?.textContent).toContain("7 tokens are left out.");
  });

  test("while another pair is on its way, a token of the one before is not kept", async () => {
    model.answer = () => null;
    model.push({ feature_b: 7 });
    const saved = model.saved.length;
    click(panel("Only B fires")?.querySelector("button"));
    press(cloud(), "End");
    press(cloud(), "Enter");
    expect([model.get("position"), model.saved.length]).toEqual([null, saved]);
    model.push({ feature_b: 5 }); // that is shown
    click(panel("Only B fires")?.querySelector("button"));
    expect(model.get("position")).toBe(30);
  });

  test("a biased sample is called one", async () => {
    const sample = (m: Sent): FromKernel | null => {
      const made = answering(m);
      if (m.ch === "corpus" && made?.t === "res" && made.ok) Object.assign(made.r as object, { all: false });
      return made;
    };
    await start({}, sample);
    expect(panel("On one corpus")?.textContent).toContain("Tokens compared, a biased sample 2,000");
  });
});

describe("a part that cannot be", () => {
  test("says why, and the others stand", async () => {
    const without = (m: Sent): FromKernel | null => {
      if (m.t !== "req" || (m.ch !== "text" && m.ch !== "corpus")) return answering(m);
      const [r, arrays] = refused(m.ch, m.p ?? {}, `not, because of the ${m.ch}`);
      return { t: "res", id: m.id, ok: true, r: r as Json, arrays };
    };
    await start({}, without);
    expect(panel("On one corpus")?.textContent).toContain("not, because of the corpus");
    expect(cloud()).toBeNull();
    expect(panel("On one text")?.textContent).toContain("not, because of the text");
    expect(named("Text")).not.toBeNull();
    await until(() => expect(panel("Feature A")?.textContent).toContain("density"));
  });

  test("a failure stands where the result would, and a new question makes it good", async () => {
    open(widget, STATE, failing("corpus", "no luck"));
    await until(() => expect(panel("On one corpus")?.textContent).toContain("Broken no luck"));
    expect(all(".saew-banner-error").length).toBe(1);
    expect(tokens().length).toBe(5);
    model.answer = answering;
    type(named("Feature of A"), "8");
    await until(() => expect(cloud()).not.toBeNull());
    expect(all(".saew-banner-error").length).toBe(0);
  });

  test("a failure takes along what is of other features, and nothing seems to be on its way", async () => {
    expect(panel("On one corpus")?.textContent).toContain("Tokens compared 2,000");
    model.answer = failing("corpus", "no luck");
    type(named("Feature of B"), "7");
    await until(() => expect(panel("On one corpus")?.textContent).toContain("Broken no luck"));
    expect(panel("On one corpus")?.textContent).not.toContain("Tokens compared");
    expect(panel("On one corpus")?.querySelector(".saew-skeleton")).toBeNull();
  });

  test("numbers that have to wait say of which features they still are", async () => {
    let held: Sent | null = null;
    model.answer = (m) => {
      if (m.t !== "req" || m.ch !== "corpus") return answering(m);
      held = m;
      return null;
    };
    type(named("Feature of B"), "7");
    await until(() =>
      expect(panel("On one corpus")?.textContent).toContain("Still of feature 3 (A) and feature 5 (B)."),
    );
    expect(panel("On one text")?.textContent).not.toContain("Still of");
    const late = answering(held as unknown as Sent);
    model.receive(late as unknown as Parameters<typeof model.receive>[0]);
    await until(() => expect(panel("On one corpus")?.textContent).not.toContain("Still of"));
  });

  test("a feature that never fires has no heading of examples", async () => {
    const silent = (m: Sent): FromKernel | null => {
      const reply = answering(m);
      if (m.t !== "req" || m.ch !== "side" || reply?.t !== "res" || !reply.ok) return reply;
      const r = structuredClone(reply.r) as unknown as SideJson;
      for (const group of r.card?.examples.groups ?? []) group.examples = [];
      return { ...reply, r: r as unknown as Json };
    };
    await until(() => expect(panel("Feature A")?.querySelector(".saew-side-line")).not.toBeNull());
    const heading = panel("Feature A")?.querySelector(".saew-side-line")?.previousSibling?.textContent ?? "?";
    await start({}, silent);
    await until(() => expect(panel("Feature A")?.textContent).toContain("density"));
    expect(panel("Feature A")?.textContent).not.toContain(heading);
  });

  test("a side that fails says so alone", async () => {
    await start({}, failing("side", "no such side"));
    await until(() => expect(panel("Feature A")?.textContent).toContain("no such side"));
    expect(cloud()).not.toBeNull();
  });
});

test("a page shows what was recorded, and says so of a point that was not", async () => {
  openOn(widget, new RecordedModel(golden as unknown as Bundle, widget.offline));
  await until(() => expect(cloud()).not.toBeNull());
  expect(named("Feature of A")).toBeNull();
  expect((named("Text") as HTMLTextAreaElement).readOnly).toBe(true);
  const contexts = golden.recorded.filter(({ ch }) => ch === "context").length;
  const rows = Number(cloud()?.getAttribute("aria-valuemax")) + 1;
  expect(rows).toBeGreaterThan(contexts);
  const seen = new Set<string>();
  press(cloud(), "Home");
  for (let i = 0; i < rows && seen.size < 2; i++) {
    await until(() => expect(tip()).toMatch(/, token|not recorded in this page/));
    seen.add(/not recorded/.test(tip()) ? "not" : "recorded");
    const before = cloud()?.getAttribute("aria-valuenow");
    press(cloud(), "ArrowRight");
    if (i + 1 < rows) await until(() => expect(cloud()?.getAttribute("aria-valuenow")).not.toBe(before));
    await until(() => expect(tip()).not.toContain("\u2026\u2026"));
  }
  expect([...seen].sort()).toEqual(["not", "recorded"]);
  expect(el.textContent).not.toMatch(/NaN|undefined/);
});
