/** Where an activation came from, in both views that show it: what is drawn is what the kernel sent, and failures are said in its place. */

import { afterEach, describe, expect, test } from "vitest";
import { LIGHT } from "../src/tokens/palette";
import dashboard from "../src/widgets/dashboard";
import heatmap from "../src/widgets/heatmap";
import { answering, type FakeModel, rankAnswer, type Sent, STATE, settle, tokensAnswer } from "./fake";
import { STATE as DASHBOARD, answering as dashboardAnswering } from "./fake_dashboard";
import { silentAnswer, sourcesAnswer } from "./fake_sources";
import { all, button, click, find, model, named, open, press, requests, stop, until } from "./hands";
import { lookOf } from "./looks";

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
} as unknown as typeof ResizeObserver;

/** A kernel whose dictionary reads heads. */
const onHeads = (message: Sent): ReturnType<typeof answering> => {
  if (message.t !== "req" || message.ch !== "tokens") return answering(message);
  const text = String(message.p?.text);
  const rank = (rankAnswer(message.id, text) as unknown as { r: never }).r;
  return tokensAnswer(message.id, text, { rank, sources: true });
};
const openHeatmap = async (state: Record<string, unknown> = {}, answer: FakeModel["answer"] = onHeads) => {
  open(heatmap, { ...STATE, features: [5], feature: 5, ...state }, answer);
  await settle();
};
const openDashboard = async (state: Record<string, unknown> = {}, answer: FakeModel["answer"] = dashboardAnswering) => {
  open(dashboard, { ...DASHBOARD, sources: true, ...state }, answer);
  await settle();
};
const failing =
  (answer: (m: Sent) => ReturnType<typeof answering>, message: string, type = "SaewidgetsError") =>
  (m: Sent) =>
    m.ch === "sources" ? ({ t: "res", id: m.id, ok: false, e: { type, message, traceback: "" } } as const) : answer(m);

const box = () => find(".saew-sources");
const tokens = () => all(".saew-source-tokens .saew-t");
const heads = () => all(".saew-heads button");
const pressed = () => heads().map((one) => one.getAttribute("aria-pressed"));
const listed = () => all(".saew-source-list li").map((one) => one.textContent);

afterEach(() => stop());

describe("heatmap", () => {
  test("of the selected feature at the selected token, or where it is strongest", async () => {
    await openHeatmap();
    expect(requests("sources").map((m) => m.p)).toEqual([
      { f: 5, text: "the cat", token: null, example: null, sae: "sae" },
    ]);
    model.push({ selected_tokens: [2] });
    await settle();
    expect(requests("sources").at(-1)?.p).toEqual({ f: 5, text: "the cat", token: 2, example: null, sae: "sae" });
    model.push({ selected_tokens: [1, 2] });
    await settle();
    // Known already: not asked again.
    expect(requests("sources").length).toBe(2);
    model.push({ features: [5, 3], feature: 3 });
    await settle();
    expect(requests("sources").at(-1)?.p).toMatchObject({ f: 3, token: null });
    model.push({ features: [], feature: null });
    await settle();
    expect(box()).toBeNull();
  });

  test("nothing is shown or asked for other dictionaries", async () => {
    await openHeatmap({}, answering);
    expect(box()).toBeNull();
    expect(requests("sources")).toEqual([]);
  });

  test("tokens, heads and what no token brought, as the kernel says them", async () => {
    await openHeatmap();
    expect(find(".saew-sources h3")?.textContent).toBe(
      "Where feature 5 at \u2018 U+202Ecat<b>\u2019 (position 2) got its activation 3.250: by source token (hatched: negative)",
    );
    expect(find(".saew-sources b.saew-t, .saew-sources script")).toBeNull();
    expect(tokens().map((t) => t.textContent)).toEqual(["<|bos|>", "the", " U+202Ecat<b>"]);
    expect(tokens().map((t) => t.classList.contains("saew-picked"))).toEqual([false, false, true]);
    // By token 0.75, 2, 0.25: one scale, all towards it.
    expect(lookOf(tokens()[1])).toBe(`rgb(${LIGHT.hues[1]} / ${LIGHT.strength.toFixed(3)})`);
    expect(listed()).toEqual([
      "\u2018the\u2019 (position 1) +2.000",
      "\u2018<|bos|>\u2019 (position 0) +0.750",
      "\u2018 U+202Ecat<b>\u2019 (position 2) +0.250",
    ]);
    // Heads: -0.25 and 3.25, of 3.5.
    expect(heads().map((one) => one.textContent)).toEqual([
      "all heads+3.000",
      "head 47.1%\u22120.250",
      "head 593%+3.250",
    ]);
    expect(all(".saew-heads i").map((bar) => bar.dataset.down)).toEqual(["true", "false"]);
    expect(all(".saew-sources p").map((p) => p.textContent)).toEqual([
      "3.000 from the tokens, +0.250 not from any token (encoder bias, threshold, b_dec): together 3.250",
    ]);
    expect(box()?.textContent).not.toMatch(/NaN|undefined/);
  });

  test("a head alone", async () => {
    await openHeatmap();
    expect(pressed()).toEqual(["true", "false", "false"]);
    click(heads()[1]);
    await settle();
    expect(pressed()).toEqual(["false", "true", "false"]);
    expect(listed().map((one) => one?.split(" ").at(-1))).toEqual(["\u22121.000", "+0.500", "+0.250"]);
    // Against is another hue, and hatched.
    expect(lookOf(tokens()[1])).toContain(`repeating-linear-gradient(135deg, rgb(${LIGHT.hues[4]} / `);
    expect(lookOf(tokens()[0])).toContain(`rgb(${LIGHT.hues[1]} / `);
    // The sum of all stays what it is.
    expect(find(".saew-sources p")?.textContent).toContain("3.000 from the tokens");
    click(heads()[0]);
    await settle();
    expect(pressed()).toEqual(["true", "false", "false"]);
    expect(listed()[0]).toContain("+2.000");
  });

  test("the keyboard reaches every token", async () => {
    await openHeatmap();
    const list = find(".saew-source-tokens");
    expect(list?.tabIndex).toBe(0);
    press(list, "End");
    await settle();
    expect(list?.getAttribute("aria-activedescendant")).toBe(tokens()[2]?.id);
    expect(tokens()[2]?.getAttribute("aria-label")).toBe("\u2018 U+202Ecat<b>\u2019 (position 2) brought +0.250");
    expect(find(".saew-tip")?.textContent).toBe("\u2018 U+202Ecat<b>\u2019 (position 2) brought +0.250");
    press(list, "ArrowLeft");
    press(list, "ArrowRight");
    press(list, "Home");
    press(list, "ArrowLeft");
    await settle();
    expect(tokens()[0]?.classList.contains("saew-cursor")).toBe(true);
    list?.dispatchEvent(new FocusEvent("blur"));
    await settle();
    expect(find(".saew-tip")).toBeNull();
  });

  test("a repeated BOS, a window's note, several texts, too many numbers to send", async () => {
    const more = { first: 9, lead: 1, text: 1, notes: ["The text is longer."], key: "key the cat" };
    await openHeatmap({}, (m) => {
      if (m.ch !== "sources") return onHeads(m);
      const reply = sourcesAnswer(m.id, 5, more);
      if (reply.t === "res" && reply.ok) {
        const parts = reply.arrays.find(({ name }) => name === "parts");
        if (parts) Object.assign(parts, { shape: [0], b64: "" });
      }
      return reply;
    });
    expect(find(".saew-sources h3")?.textContent).toContain("(position 11) of text 2 got");
    expect(listed()[1]).toBe("\u2018<|bos|>\u2019 (repeated BOS) +0.750");
    expect(find(".saew-sources p")?.textContent).toBe("The text is longer.");
    expect(heads().map((one) => (one as HTMLButtonElement).disabled)).toEqual([false, true, true]);
  });

  test("where it is not active that is said, and no bars of nothing", async () => {
    await openHeatmap({}, (m) =>
      m.ch === "sources" ? silentAnswer(m.id, 5, { key: "key the cat", at: 0, str: ["<|bos|>"] }) : onHeads(m),
    );
    expect(box()?.textContent).toBe(
      "Where feature 5 at \u2018<|bos|>\u2019 (position 0)not active here: nothing to take apart",
    );
    expect([tokens(), heads(), listed()]).toEqual([[], [], []]);
  });

  test("an error stands in its place with its remedy, and all else works", async () => {
    await openHeatmap({}, failing(onHeads, "Load it with attn_implementation='eager' <b>"));
    expect(box()?.textContent).toBe("Sources: Load it with attn_implementation='eager' <b>");
    expect(find(".saew-banner")).toBeNull();
    expect(all(".saew-text .saew-t").length).toBe(3);
    model.push({ selected_tokens: [1] });
    await settle();
    expect(requests("rank").length + requests("tokens").length).toBeGreaterThan(1);
  });

  test("what a page has not recorded is said", async () => {
    await openHeatmap({}, failing(onHeads, "Not recorded", "Offline"));
    expect(box()?.textContent).toContain("Not recorded in this page. Run it live");
  });

  test("an answer about another text is not shown beside this one", async () => {
    await openHeatmap({}, (m) => (m.ch === "sources" ? sourcesAnswer(m.id, 5, { key: "key of before" }) : onHeads(m)));
    expect(tokens()).toEqual([]);
    expect(box()?.textContent).toContain("computing");
  });
});

describe("dashboard", () => {
  const links = () => all(".saew-ex-sources");

  test("an example's sources are shown, follow the selection, and close", async () => {
    await openDashboard();
    expect(links().length).toBe(2);
    expect(requests("sources")).toEqual([]);
    click(links()[0]);
    await settle();
    expect(requests("sources").map((m) => m.p)).toEqual([
      { f: 17, text: null, token: null, example: 170_000, sae: null },
    ]);
    expect(find(".saew-origins")?.textContent).toContain("token 40 of document doc-0");
    expect(find(".saew-sources h3")?.textContent).toContain("Where feature 17 at");
    expect((model.get("selected_example") as { id: number }).id).toBe(170_000);
    click(all(".saew-ex")[1]);
    await settle();
    expect(requests("sources").at(-1)?.p).toMatchObject({ example: 170_001 });
    click(links()[1]);
    await settle();
    expect(box()).toBeNull();
    click(links()[1]);
    await settle();
    click(named("Close the sources"));
    await settle();
    expect(box()).toBeNull();
  });

  test("by the keyboard", async () => {
    await openDashboard();
    const list = find(".saew-examples");
    expect(list?.getAttribute("aria-label")).toContain("S shows the sources");
    press(list, "ArrowDown");
    press(list, "s");
    await settle();
    expect(requests("sources").at(-1)?.p).toMatchObject({ example: 170_000 });
    press(list, "s", { ctrlKey: true });
    press(list, "s");
    await settle();
    expect(box()).toBeNull();
  });

  test("not offered where nothing can tell, nor on silent examples", async () => {
    await openDashboard({ sources: false });
    expect(links()).toEqual([]);
    press(find(".saew-examples"), "ArrowDown");
    press(find(".saew-examples"), "s");
    await settle();
    expect(requests("sources")).toEqual([]);
    expect(find(".saew-examples")?.getAttribute("aria-label")).not.toContain("sources");
  });

  test("of one's own text, at its strongest token", async () => {
    await openDashboard({ text: "on the hill" });
    await until(() => expect(button("sources of its strongest activation here")).toBeDefined());
    click(button("sources of its strongest activation here"));
    await settle();
    expect(requests("sources").map((m) => m.p)).toEqual([
      { f: 17, text: "on the hill", token: null, example: null, sae: null },
    ]);
    expect(find(".saew-test .saew-sources")).not.toBeNull();
  });

  test("an error stands where the sources would", async () => {
    await openDashboard({}, failing(dashboardAnswering, "no patterns"));
    click(links()[0]);
    await settle();
    expect(find(".saew-origins")?.textContent).toContain("Sources: no patterns");
    expect(find(".saew-banner-error")).toBeNull();
  });
});
