/** The layers: the grid, the strip of a feature, the ladder after a token, and what is asked for them. */

import { beforeEach, describe, expect, test } from "vitest";
import { decode } from "../src/kernel/arrays";
import type { NumericArray } from "../src/kernel/types";
import { RecordedModel } from "../src/page/host";
import type { Recorded } from "../src/page/offline";
import { LIGHT } from "../src/tokens/palette";
import { tokenName } from "../src/tokens/tok";
import widget from "../src/widgets/layers";
import { inCell, shaded } from "../src/widgets/layers/shade";
import { Lens } from "../src/widgets/layers/wire";
import type { FakeModel } from "./fake";
import { answering, lensOf, STATE } from "./fake_layers";
import { all, click, el, find, model, named, open, openOn, panel, press, requests, stop, type, until } from "./hands";

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
} as unknown as typeof ResizeObserver;

const start = async (state: Record<string, unknown> = {}, answer: FakeModel["answer"] = answering) => {
  open(widget, { ...STATE, ...state }, answer);
  await until(() => expect(find(".saew-rungs")).not.toBeNull());
};
const grid = () => find("[role=grid]");
const heads = () => all("[role=columnheader][data-cell]");
const gridRows = () => all(".saew-lens-row:not(.saew-lens-head):not(.saew-lens-strip)");
const cell = (hook: number, at: number) => find(`[data-cell="${hook} ${at}"]`);
const chosen = () => all(".saew-lens-token.saew-lens-on").map((one) => one.textContent);
const strip = () => all(".saew-lens-strip .saew-lens-act").map((one) => one.textContent);
const rungs = () => all(".saew-rung");
const rung = (name: string) => rungs().find((one) => one.querySelector(".saew-rung-name")?.textContent === name);
const pick = (f: number, sae: string) =>
  all(".saew-pick").find((one) => one.textContent?.startsWith(`${sae}, feature ${f} `));
const heading = () => panel("The layers after a token")?.querySelector("h3")?.textContent;
const over = (target: Element | null | undefined) =>
  target?.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));

beforeEach(() => start());

test("while another text is on its way, a column of the one before is none of its tokens", async () => {
  model.answer = (m) => (m.t === "req" && m.ch === "lens" ? null : answering(m));
  model.push({ text: "a dog", position: null });
  await until(() => expect(requests("lens").length).toBe(2));
  const saved = model.saved.length;
  click(cell(0, 2));
  expect([model.get("position"), model.saved.length]).toEqual([null, saved]);
  model.push({ text: STATE.text }); // that is shown
  click(cell(0, 2));
  expect(model.get("position")).toBe(2);
});

describe("the grid", () => {
  test("has a column a token and a row a hook, the last layer on top", () => {
    expect(heads().map((one) => one.textContent)).toEqual(["<|bos|>", "God", "created", "the", "heaven"]);
    expect(gridRows().map((row) => row.querySelector("[role=rowheader]")?.textContent)).toEqual([
      "1 resid_post",
      "1 resid_pre",
      "0 resid_pre",
    ]);
    expect(cell(2, 1)?.textContent).toBe("\u2423n2 75%");
    expect(cell(0, 4)?.textContent).toBe("\u2423n0 25%");
    expect(heads()[0]?.querySelector(".saew-special")).not.toBeNull();
    expect(el.textContent).toContain("probability of the likeliest next token under the logit lens");
    expect(el.textContent).toContain("At the last hook it is the model\u2019s own prediction");
    expect(find(".saew-footer")?.textContent).toContain("a note");
  });

  test("shades by the likeliest token, or by the target that is asked about, and says which", async () => {
    const [r, arrays] = lensOf({ ...STATE, target: "" });
    const read = (made: typeof arrays) =>
      Object.fromEntries(made.map((one) => [one.name, decode([one], [])[one.name] as NumericArray]));
    const lens = new Lens({ r, arrays: read(arrays) });
    expect([0, 1, 2].map((hook) => lens.shade(hook, 2))).toEqual([0.25, 0.5, 0.75]);
    const [asked, more] = lensOf({ ...STATE, target: " God" });
    const aimed = new Lens({ r: asked, arrays: read(more) });
    expect([0, 1, 2].map((hook) => aimed.shade(hook, 2))).toEqual([Math.fround(1e-6), Math.fround(1e-6), 0.75]);
    expect(shaded(0.75, LIGHT)).toBe("rgb(0 114 178 / 0.540)");
    expect(cell(2, 2)?.textContent).toBe("\u2423n2 75%");
    model.push({ target: " God" });
    await until(() => expect(cell(0, 2)?.textContent).toBe("\u2423n0 <0.01%"));
    expect(cell(2, 2)?.textContent).toBe("\u2423n2 75%");
    expect(all(".saew-lens-hit")).toEqual([cell(2, 2)]);
    expect(el.textContent).toContain("probability of the target \u2423God");
  });

  test("points at a cell: what is likeliest there, entropy, and the target's probability and rank", async () => {
    await start({ target: " God" });
    over(cell(0, 2));
    await until(() => expect(find(".saew-tip")).not.toBeNull());
    const tip = find(".saew-tip")?.textContent;
    expect(tip).toContain("blocks.0.hook_resid_pre after created id 2 \u00b7 position 2");
    expect(tip).toContain("\u2423n025%<b>12.5%");
    expect(tip).toContain("target \u2423God 1.0e\u22124%, rank 1,234 of 320 (0: likeliest)");
    expect(tip).toContain("entropy 3.000 nats");
    expect(cell(0, 2)?.getAttribute("aria-label")).toBe(
      "0 resid_pre, after \u2018created\u2019, position 2: \u2423n0 25%, target \u2423God 1.0e\u22124%, rank 1234 (0: likeliest)",
    );
  });

  test("chooses the last token by itself, another one by a click, and asks for no more than its ladder", async () => {
    expect(chosen()).toEqual(["heaven"]);
    expect(requests("lens").length).toBe(1);
    expect(requests("ladder").length).toBe(0); // it came along
    click(cell(1, 2));
    expect(model.get("position")).toBe(2);
    await until(() => expect(heading()).toBe("After \u2018created\u2019 (position 2)"));
    expect(chosen()).toEqual(["created"]);
    expect(requests("ladder").map(({ p }) => p)).toEqual([
      { text: STATE.text, target: "", k: 2, position: 2, top: 2, chosen: null },
    ]);
    expect(requests("lens").length).toBe(1);
  });

  test("is walked through by keys, Enter chooses", async () => {
    grid()?.focus();
    const at = () => grid()?.getAttribute("aria-activedescendant")?.split("-").slice(-2).join(" ");
    expect(at()).toBe("2 4");
    press(grid(), "ArrowLeft");
    await until(() => expect(at()).toBe("2 3"));
    press(grid(), "ArrowDown");
    await until(() => expect(at()).toBe("1 3"));
    expect(find(".saew-tip")?.textContent).toContain("blocks.1.hook_resid_pre");
    press(grid(), "Home");
    await until(() => expect(at()).toBe("1 0"));
    press(grid(), "Escape");
    await until(() => expect(find(".saew-tip")).toBeNull());
    press(grid(), "Enter");
    await until(() => expect(heading()).toContain("(position 0)"));
    expect(panel("The layers after a token")?.textContent).toContain("special token: not counted");
    press(grid(), "ArrowUp");
    press(grid(), "ArrowUp");
    await until(() => expect(at()).toBe("3 0")); // the token itself
  });

  test("of a long text draws what is in sight, and brings what is chosen there", async () => {
    await start({ text: Array.from({ length: 400 }, (_, i) => `w${i}`).join(" "), position: 3 });
    expect(grid()?.getAttribute("aria-colcount")).toBe("402");
    expect(heads().length).toBeLessThan(30);
    expect(heads().map((one) => one.textContent)).toContain("w2");
    model.push({ position: 390 });
    await until(() => expect(heads().map((one) => one.textContent)).toContain("w389"));
    expect(heads().length).toBeLessThan(30);
    expect(chosen()).toEqual(["w389"]);
  });

  test("hostile tokens are text nodes", async () => {
    await start({ text: "<img src=x> \u202eabc\u0000 </script>" });
    expect(find("img, script")).toBeNull();
    expect(heads().map((one) => one.textContent)).toContain("U+202EabcU+0000");
  });
});

describe("the layers after a token", () => {
  test("stand in the model's order, the last on top, with what is between two hooks", () => {
    expect(rungs().map((one) => one.querySelector(".saew-rung-name")?.textContent)).toEqual([
      "1 resid_post",
      "1 resid_pre",
      "0 mlp.post",
      "0 resid_pre",
    ]);
    expect(rung("1 resid_post")?.textContent).toContain("\u2423n2 75%");
    expect(rung("1 resid_post")?.textContent).toContain("entropy 1.000 nats");
    expect(rung("1 resid_pre")?.textContent).toContain("sae \u00b7 activation \u00b7 1 of 1 active");
    expect(rung("0 mlp.post")?.textContent).toContain("neurons \u00b7 neuron value \u00b7 1 of 1 active");
    expect(pick(5, "neurons")?.textContent).toBe("neurons, feature 5 fires on words \u22124.000");
    expect(pick(5, "sae")?.querySelector(".saew-automatic")?.textContent).toBe("fires on words");
  });

  test("a norm outlier is one of the dictionary's layer", async () => {
    model.push({ position: 2 });
    await until(() => expect(heading()).toContain("(position 2)"));
    expect(rung("1 resid_pre")?.textContent).toContain("norm outlier (attention sink): not counted");
    expect(rung("0 mlp.post")?.textContent).not.toContain("outlier");
  });

  test("layers without features can be left out", async () => {
    const only = panel("The layers after a token")?.querySelector<HTMLInputElement>("input[type=checkbox]");
    click(only);
    await until(() => expect(rungs().length).toBe(2));
  });

  test("a token of it becomes the target and none again; one that no text is read as does not", async () => {
    const says = (text: string) => all(".saew-says").find((one) => one.textContent?.startsWith(text));
    expect((says("<b>") as HTMLButtonElement).disabled).toBe(true);
    expect(says("<b>")?.title).toContain("No text is read as this token");
    click(says("\u2423n1"));
    expect(model.get("target")).toBe(" n1");
    await until(() => expect(rung("1 resid_post")?.textContent).toContain("target \u2423n1 1.0e\u22124%, rank 1,234"));
    click(named("No target instead of \u2423n1"));
    expect(model.get("target")).toBe("");
  });

  test("a target of several tokens is said where it is typed, and nothing is lost", async () => {
    const box = find<HTMLInputElement>(".saew-layers-tools input");
    if (box) box.value = " two words";
    box?.dispatchEvent(new Event("change", { bubbles: true }));
    await until(() => expect(find(".saew-note[role=status]")?.textContent).toContain("is 2 tokens"));
    expect(box?.getAttribute("aria-invalid")).toBe("true");
    expect(cell(2, 1)?.textContent).toBe("\u2423n2 75%");
  });
});

describe("a feature", () => {
  test("that is pointed at stands under the grid; clicked it stays, and goes by another click", async () => {
    expect(strip().join("")).toBe("");
    pick(5, "sae")?.dispatchEvent(new PointerEvent("pointerenter"));
    await until(() => expect(strip()).toEqual(["", "1.000", "2.000", "3.000", "4.000"]));
    expect(el.textContent).toContain("activation of feature 5 fires on words of sae 0");
    expect(find(".saew-lens-row:has(.saew-dot) [role=rowheader]")?.textContent).toBe("1 resid_pre");
    // A norm outlier has a number and no colour, and is in no scale.
    const left = all(".saew-lens-strip .saew-lens-act").map((one) => one.classList.contains("saew-lens-left"));
    expect(left).toEqual([true, false, true, false, false]);
    expect(find(".saew-layers-line:last-of-type")?.textContent).toContain("4.000");
    click(pick(5, "sae"));
    expect([model.get("sae"), model.get("feature")]).toEqual(["sae", 5]);
    find(".saew-rungs")?.dispatchEvent(new PointerEvent("pointerleave"));
    await until(() => expect(pick(5, "sae")?.getAttribute("aria-pressed")).toBe("true"));
    expect(strip()).toContain("4.000");
    click(pick(5, "neurons"));
    expect([model.get("sae"), model.get("feature")]).toEqual(["neurons", 5]);
    expect(model.saved.at(-1)).toEqual({ sae: "neurons" }); // the number is the same one
    await until(() => expect(strip()).toContain("\u22124.000"));
    click(pick(5, "neurons"));
    expect(model.get("feature")).toBeNull();
  });

  test("that is not listed comes with the ladder", async () => {
    model.push({ feature: 3 });
    await until(() => expect(strip()).toEqual(["100.0", "", "4.000", "", ""]));
    expect(requests("ladder").at(-1)?.p?.chosen).toEqual({ sae: "sae", f: 3 });
    expect(el.textContent).toContain("silent on the counted tokens");
    click(named("Remove feature 3"));
    expect(model.get("feature")).toBeNull();
  });

  test("of the index has a card", async () => {
    await start({ indexed: ["sae"] });
    pick(5, "neurons")?.dispatchEvent(new PointerEvent("pointerenter"));
    pick(5, "sae")?.dispatchEvent(new PointerEvent("pointerenter"));
    await until(() => expect(find(".saew-glance")?.textContent).toContain("Feature 5"));
    expect(requests("card").map(({ p }) => p)).toEqual([{ f: 5, sae: "sae" }]);
  });

  test("one tab stop for all of the ladder's buttons, arrows between them", () => {
    const stops = () => all(".saew-rungs button").filter((one) => one.tabIndex === 0);
    expect(stops().length).toBe(1);
    stops()[0]?.focus();
    press(stops()[0], "End");
    expect(stops().length).toBe(1);
  });
});

describe("the traits", () => {
  test("a text that is typed is asked for at once, and its last token chosen", async () => {
    model.push({ position: 1 });
    type(find(".saew-editor textarea"), "In the end");
    await until(() => expect(heads().map((one) => one.textContent)).toEqual(["<|bos|>", "In", "the", "end"]));
    expect(model.get("position")).toBeNull();
    expect(heading()).toBe("After \u2018end\u2019 (position 3)");
  });

  test("an error is shown, kept as a trait, and goes with the next answer", async () => {
    const e = { type: "SaewidgetsError", message: "more than <b>the context</b>", traceback: "Traceback" };
    model.answer = (m) => (m.t === "req" && m.ch === "lens" ? { t: "res", id: m.id, ok: false, e } : answering(m));
    model.push({ text: "too long" });
    await until(() => expect(find(".saew-banner-error")?.textContent).toContain("more than <b>the context</b>"));
    expect(model.get("error")).toEqual(e);
    expect(heads().length).toBe(5); // the last result stays
    model.answer = answering;
    model.push({ text: "short" });
    await until(() => expect(heads().length).toBe(2));
    expect(find(".saew-banner-error")).toBeNull();
  });

  test("after a refresh everything is asked for again", async () => {
    model.push({ revision: 1 });
    await until(() => expect(requests("lens").length).toBe(2));
  });

  test("an end leaves nothing behind", () => {
    stop();
    expect(model.listeners()).toBe(0);
  });
});

test("a probability that a cell has no room for is said as a bound, not cut off", () => {
  expect([0, 3e-12, 9.9e-5, 1e-4, 0.0021, 0.5, 1].map(inCell)).toEqual([
    "<0.01%",
    "<0.01%",
    "<0.01%",
    "0.01%",
    "0.21%",
    "50%",
    "100%",
  ]);
});

test("of a token that is all blank something is seen", () => {
  expect([" ", "\u00a0", " \u00a0\u3000", "a\u00a0b", "\n", "\t", ""].map(tokenName)).toEqual([
    "\u2423",
    "U+00A0",
    "\u2423U+00A0U+3000",
    "a\u00a0b",
    "\u21b5",
    "\u21e5",
    "\u2025",
  ]);
});

test("a page shows what is recorded, and says of other tokens why they cannot be chosen", async () => {
  const record = (ch: string, p: Record<string, unknown>): Recorded => {
    const found = answering({ t: "req", id: "", ch, p });
    if (found?.t !== "res" || !found.ok) throw new Error(ch);
    return { ch, p: p as Recorded["p"], r: found.r, arrays: found.arrays };
  };
  const of = { text: STATE.text, target: "", k: 2 };
  const recorded = [
    record("lens", { ...of, ladder: null }),
    record("ladder", { ...of, position: 4, top: 2, chosen: null }),
    record("ladder", { ...of, position: 1, top: 2, chosen: null }),
  ];
  const host = new RecordedModel({ state: { ...STATE, editable: false, live: false }, recorded }, widget.offline);
  openOn(widget, host);
  await until(() => expect(all(".saew-lens-token.saew-lens-locked").length).toBe(3));
  expect(heads()[2]?.getAttribute("aria-label")).toContain("Not recorded in this page");
  click(cell(0, 2));
  expect(host.get("position")).toBeNull();
  click(cell(0, 1));
  await until(() => expect(heading()).toBe("After \u2018God\u2019 (position 1)"));
  expect(find(".saew-banner")).toBeNull();
  expect(all(".saew-says").every((one) => (one as HTMLButtonElement).disabled)).toBe(true);
  click(pick(5, "sae"));
  await until(() => expect(strip()).toContain("4.000"));
  expect(find<HTMLInputElement>(".saew-layers-tools input")?.readOnly).toBe(true);
});
