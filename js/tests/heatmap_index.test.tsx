/** The heatmap beside an index: what is said, densities, the scale of the corpus, the card. */

import { beforeEach, describe, expect, test } from "vitest";
import widget from "../src/widgets/heatmap";
import { asPython } from "../src/widgets/heatmap/copy";
import { answering, cardAnswer, type FakeModel, SAID, STATE, settle, tokensAnswer } from "./fake";
import { el, find, model, open, pause, requests, until } from "./hands";

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
} as unknown as typeof ResizeObserver;

/** A kernel whose index says something of every feature. */
const described: FakeModel["answer"] = (message) => {
  const answer = answering(message);
  if (message.ch !== "tokens" || answer?.t !== "res" || !answer.ok) return answer;
  const { rank } = answer.r as { rank: never };
  return tokensAnswer(message.id, String(message.p?.text), { described: true, rank });
};

const start = (state: Record<string, unknown> = {}, answer = described) =>
  open(widget, { ...STATE, indexed: true, ...state }, answer);
const rows = () => [...el.querySelectorAll<HTMLElement>(".saew-ranking tbody tr")];
const point = (node: Element | undefined) => node?.dispatchEvent(new Event("pointerenter"));

beforeEach(async () => {
  start();
  await settle();
});

describe("what is said", () => {
  test("a name, and what nobody wrote, are told apart", () => {
    const [unnamed, named] = rows().map((row) => row.querySelector<HTMLElement>(".saew-label"));
    expect(unnamed?.textContent).toBe("fires on words");
    expect(unnamed?.classList.contains("saew-automatic")).toBe(true);
    expect(unnamed?.title).toContain(SAID.by);
    expect(named?.textContent).toBe("first");
    expect(named?.classList.contains("saew-automatic")).toBe(false);
  });

  test("the tooltip of a token asks for what is said of its features, once", async () => {
    const bos = el.querySelector<HTMLElement>(".saew-t");
    bos?.dispatchEvent(new Event("pointerover", { bubbles: true }));
    await until(() => expect(find(".saew-tip")?.textContent).toContain("fires first"));
    expect(requests("said").map(({ p }) => p)).toEqual([{ text: "the cat", sae: "sae", token: 0 }]);
    el.querySelectorAll(".saew-t")[1]?.dispatchEvent(new Event("pointerover", { bubbles: true }));
    bos?.dispatchEvent(new Event("pointerover", { bubbles: true }));
    await settle();
    expect(requests("said").filter(({ p }) => p?.token === 0).length).toBe(1);
  });
});

describe("of the corpus", () => {
  test("densities are a column, and sort from the sparsest", async () => {
    expect(rows()[0]?.textContent).toContain("5.0%");
    const heads = [...el.querySelectorAll<HTMLElement>(".saew-sort")];
    heads.find((head) => head.textContent === "density")?.click();
    await settle();
    expect(model.get("sort")).toBe("density");
    expect(find('th[aria-sort="ascending"]')?.textContent).toContain("density");
    expect(requests("rank").at(-1)?.p).toMatchObject({ sort: "density" });
  });

  test("the dense are hidden, in percent", async () => {
    const box = [...el.querySelectorAll<HTMLInputElement>(".saew-filters input")].find(({ max }) => max === "100");
    if (!box) throw new Error("no box");
    box.value = "12.5";
    box.dispatchEvent(new Event("change", { bubbles: true }));
    await settle();
    expect(model.get("max_density")).toBe(0.125);
    box.value = "101";
    box.dispatchEvent(new Event("change", { bubbles: true }));
    expect(model.get("max_density")).toBe(0.125);
    expect(box.value).toBe("12.5");
  });

  test("colours up to the corpus' largest activation say so, and how much is here", async () => {
    model.push({ features: [5], feature: 5 });
    await settle();
    expect(find(".saew-chip")?.textContent).toContain("0  8.000");
    model.push({ color_scale: "max" });
    await settle();
    expect(find(".saew-chip")?.textContent).toContain("0  32.00 max \u00b7 8.000 here");
    expect(asPython(model)).toContain('index=index, features=[5], color_scale="max"');
  });

  test("without an index there is none of it", async () => {
    start({ indexed: false }, answering);
    await settle();
    expect([...el.querySelectorAll(".saew-sort")].map(({ textContent }) => textContent)).toEqual([
      "max \u25be",
      "sum",
      "mean",
    ]);
    expect(el.textContent).not.toContain("density");
    point(rows()[0]);
    await pause(500);
    expect(requests("card")).toEqual([]);
  });
});

describe("the card", () => {
  test("comes when a feature has been pointed at for a moment, and goes", async () => {
    point(rows()[0]);
    expect(find(".saew-glance")).toBeNull();
    await until(() => expect(find(".saew-glance")).not.toBeNull());
    const said = find(".saew-glance")?.textContent ?? "";
    for (const part of [
      "Feature 5",
      "fires on words",
      "density 0.50%",
      "max 8.000",
      "<b>bold</b>",
      "\u2423cat",
      "+3.000",
    ])
      expect(said).toContain(part);
    expect(find(".saew-glance b b, .saew-glance img")).toBeNull();
    el.querySelector("tbody")?.dispatchEvent(new Event("pointerleave"));
    await until(() => expect(find(".saew-glance")).toBeNull());
  });

  test("a failure is said in its place", async () => {
    const e = { type: "OSError", message: "the <b>disk</b> is gone", traceback: "" };
    start({}, (m) => (m.ch === "card" ? { t: "res", id: m.id, ok: false, e } : described(m)));
    await settle();
    point(rows()[0]);
    await until(() => expect(find(".saew-tip")?.textContent).toContain("the <b>disk</b> is gone"));
    expect(find(".saew-banner-error")).toBeNull();
  });

  test("a feature that never fires has no histogram", async () => {
    start({}, (m) => {
      if (m.ch !== "card") return described(m);
      const answer = cardAnswer(m.id, 5);
      if (answer.t === "res" && answer.ok)
        Object.assign(answer.r as object, { count: 0, silent: "It never fires.", histogram: null, max: null });
      return answer;
    });
    await settle();
    point(rows()[0]);
    await until(() => expect(find(".saew-glance")?.textContent).toContain("never fires"));
    expect(find(".saew-glance svg")).toBeNull();
  });
});
