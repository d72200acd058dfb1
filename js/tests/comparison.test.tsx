/** The comparison of prompts: lines, aligned tokens, ranking, filters, predictions. */

import { beforeEach, describe, expect, test } from "vitest";
import widget from "../src/widgets/comparison";
import type { FakeModel } from "./fake";
import { answering, noPredictions, STATE } from "./fake_comparison";
import {
  all,
  button,
  choose,
  click,
  el,
  find,
  model,
  named,
  open,
  panel,
  press,
  requests,
  stop,
  type,
  until,
} from "./hands";
import { lookOf } from "./looks";

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
} as unknown as typeof ResizeObserver;

const THREE = ["God created the heaven", "God created the cat", "In the end"];

const start = async (state: Record<string, unknown> = {}, answer: FakeModel["answer"] = answering) => {
  open(widget, { ...STATE, ...state }, answer);
  await until(() => expect(tokens().length).toBeGreaterThan(0));
};
const tokens = () => all(".saew-aligned .saew-t");
const words = () => tokens().map((one) => one.textContent);
const token = (word: string, nth = 0) => tokens().filter((one) => one.textContent === word)[nth];
const rows = () => [...(panel("Differing features")?.querySelectorAll<HTMLElement>("tbody tr") ?? [])];
const cells = (row: HTMLElement | undefined) =>
  [...(row?.querySelectorAll("td.saew-num") ?? [])].map((td) => td.textContent);
const featureButton = (f: number) => all(".saew-feature").find((one) => one.textContent === String(f));
const compared = () => all(".saew-at").map((one) => one.textContent);
const lastAsked = () => requests("differences").at(-1)?.p;

beforeEach(() => start());

test("of an engine with several dictionaries one is chosen", async () => {
  await start({ saes: ["early", "late"], sae: "early", default_sae: "early", features: [3], feature: 3 });
  const box = find<HTMLSelectElement>(".saew-compare-tools label select");
  expect(box?.value).toBe("early");
  choose(box, "late");
  await until(() => expect(requests("tokens").at(-1)?.p).toMatchObject({ sae: "late", rank: { features: [] } }));
  expect(model.saved.at(-1)).toEqual({ sae: "late", features: [], feature: null });
});

test("while another text is on its way, tokens of the ones before are not compared in it", async () => {
  model.answer = (m) => (m.t === "req" && m.ch === "tokens" ? null : answering(m));
  model.push({ texts: [STATE.texts[0], "a dog"] });
  await until(() => expect(requests("tokens").length).toBe(2));
  const saved = model.saved.length;
  click(token("created"));
  expect([model.get("at"), model.saved.length]).toEqual([STATE.at, saved]);
  model.push({ texts: STATE.texts }); // these are shown
  click(token("created"));
  expect(model.get("at")).toBe("chosen");
});

describe("showing", () => {
  test("texts, aligned in columns, and what differs by more than a colour", () => {
    expect(words()).toEqual(["<|bos|>", "<|bos|>", "God", "God", "created", "created", "the", "the", "heaven", "cat"]);
    expect(all(".saew-stack").length).toBe(6); // with the texts' numbers
    expect(all(".saew-unlike").map((one) => one.textContent)).toEqual(["heavencat"]);
    expect(token("cat")?.classList.contains("saew-special")).toBe(false);
    expect(find(".saew-footer")?.textContent).toContain("model: tiny");
  });

  test("features by their difference, with the values of both and bars of all", () => {
    expect(rows().map((row) => row.querySelector(".saew-feature")?.textContent)).toEqual(["3", "5"]);
    expect(cells(rows()[0])).toEqual(["0", "8.000", "\u22128.000"]);
    expect(cells(rows()[1])).toEqual(["2.000", "2.000", "0"]);
    expect([...(rows()[0]?.querySelectorAll<HTMLElement>(".saew-value") ?? [])].map((one) => one.style.width)).toEqual([
      "0.0%",
      "100.0%",
    ]);
    expect(rows()[0]?.textContent).toContain("cats");
    expect(rows()[1]?.querySelector(".saew-automatic")?.textContent).toBe("fires on words");
    expect(panel("Differing features")?.querySelector("[role=status]")?.textContent).toBe(
      "at 'heaven', 'cat': 2 active features",
    );
  });

  test("texts and ranking come in one answer", () => {
    expect(requests("tokens").length).toBe(1);
    expect(requests("differences").length).toBe(0);
    expect(requests("tokens")[0]?.p?.rank).toMatchObject({ at: "last", positions: [], pair: [0, 1], features: [] });
  });

  test("of several texts, what most have stands back", async () => {
    await start({ texts: [...THREE.slice(0, 2), "God created the end of", "God created the heaven"] });
    expect(all(".saew-unlike").length).toBe(2);
    expect(all(".saew-cell-unlike").map((one) => one.textContent)).toEqual(["cat", "end", "of"]);
  });

  test("a text that has nothing in a column has a sign there", async () => {
    await start({ texts: ["God created the heaven", "God created"] });
    expect(all(".saew-gap").map((one) => one.textContent)).toEqual(["\u2205", "\u2205"]);
  });

  test("hostile tokens are text nodes", async () => {
    await start({ texts: ["<img src=x>", "\u202eabc\u0000 </script>"] });
    expect(find("img, script")).toBeNull();
    expect(words()).toContain("U+202EabcU+0000");
  });

  test("what follows each text, with the change against the other", async () => {
    await until(() => expect(panel("Next token")?.querySelectorAll("table").length).toBe(2));
    const lines = [...(panel("Next token")?.querySelectorAll("tbody tr") ?? [])].map((row) =>
      [...row.children].map((cell) => cell.textContent),
    );
    expect(lines).toEqual([
      ["\u2423earth", "60.7%", "+2.500"],
      ["\u2423<b>", "13.5%", "\u22121.000"],
      ["\u2423<b>", "36.8%", "+1.000"],
      ["\u2423earth", "4.98%", "\u22122.500"],
    ]);
  });

  test("an error is shown, kept as a trait, and goes with the next answer", async () => {
    const e = { type: "NonFiniteError", message: "NaN <b>here</b>", traceback: "Traceback" };
    model.answer = (m) => (m.t === "req" && m.ch === "tokens" ? { t: "res", id: m.id, ok: false, e } : answering(m));
    model.push({ texts: ["broken", "text"] });
    await until(() => expect(find(".saew-banner-error")?.textContent).toContain("NaN <b>here</b>"));
    expect(model.get("error")).toEqual(e);
    expect(tokens().length).toBe(10); // the last result stays
    model.answer = answering;
    model.push({ texts: ["whole", "again"] });
    await until(() => expect(words()).toContain("again"));
    expect(find(".saew-banner-error")).toBeNull();
    expect(model.get("error")).toBeNull();
  });

  test("predictions that fail say so where they would be, and the rest goes on", async () => {
    const e = { type: "SaewidgetsError", message: "longer than the context", traceback: "" };
    await start({}, (m) => (m.ch === "predictions" ? { t: "res", id: m.id, ok: false, e } : answering(m)));
    await until(() => expect(panel("Next token")?.textContent).toContain("longer than the context"));
    expect(all(".saew-banner-error").length).toBe(1);
    expect(rows().length).toBe(2);
  });

  test("texts after which nothing is predicted say why", async () => {
    await start({}, (m) => (m.ch === "predictions" ? noPredictions(m.id ?? "", "more than 64 tokens") : answering(m)));
    await until(() => expect(panel("Next token")?.textContent).toContain("more than 64 tokens"));
    expect(find(".saew-banner-error")).toBeNull();
    expect(find(".saew-next table")).toBeNull();
    expect(rows().length).toBe(2);
  });

  test("texts that cannot be compared are shown, with the reason", async () => {
    const e = { type: "ComparisonError", message: "Text 1 has no tokens", traceback: "" };
    await start({}, (m) => {
      if (m.ch === "differences") return { t: "res", id: m.id, ok: false, e };
      return answering(m.ch === "tokens" ? { ...m, p: { ...m.p, rank: null } } : m);
    });
    await until(() => expect(find(".saew-banner-error")?.textContent).toContain("no tokens"));
    expect(words()).toContain("heaven");
    model.answer = answering;
    model.push({ texts: ["one", "two"] });
    await until(() => expect(rows().length).toBe(2));
    expect(find(".saew-banner-error")).toBeNull();
  });

  test("leaving removes every listener", async () => {
    expect(model.listeners()).toBeGreaterThan(0);
    stop();
    expect(model.listeners()).toBe(0);
    expect(el.childElementCount).toBe(0);
  });
});

describe("where", () => {
  test("the compared tokens are marked, and a click on a column chooses it in every text", async () => {
    expect(compared()).toEqual(["heaven", "cat"]);
    click(token("created"));
    expect([model.get("at"), model.get("positions")]).toEqual(["chosen", [2, 2]]);
    expect(model.saved.at(-1)).toEqual({ at: "chosen", positions: [2, 2] });
    await until(() => expect(compared()).toEqual(["created", "created"]));
    await until(() => expect(lastAsked()).toMatchObject({ at: "chosen", positions: [2, 2] }));
    await until(() => expect(cells(rows()[0])).toEqual(["0", "0", "0"]));
    expect(tokens().filter((one) => one.getAttribute("aria-selected") === "true").length).toBe(2);
  });

  test("with shift only in its own text", async () => {
    click(token("God", 1), { shiftKey: true });
    expect(model.get("positions")).toEqual([4, 1]);
    await until(() => expect(compared()).toEqual(["God", "heaven"]));
  });

  test("where a text has none in the column, the kernel's choice counts", async () => {
    await start({ texts: ["God created the heaven", "God created"] });
    click(token("heaven"));
    expect(model.get("positions")).toEqual([4, 2]);
  });

  test("by keyboard: along a text, to the other, and Enter", async () => {
    const box = find(".saew-aligned");
    box?.focus();
    await until(() => expect(find(".saew-cursor")?.textContent).toBe("heaven"));
    press(box, "ArrowDown");
    await until(() => expect(find(".saew-cursor")?.textContent).toBe("cat"));
    expect(box?.getAttribute("aria-activedescendant")).toBe(find(".saew-cursor")?.id);
    expect(find(".saew-cursor")?.getAttribute("aria-label")).toBe(
      "text 2, token \u2018cat\u2019, position 4, not the same in all texts",
    );
    press(box, "ArrowLeft");
    await until(() => expect(find(".saew-cursor")).toBe(token("the", 1)));
    press(box, "Enter");
    expect(model.get("positions")).toEqual([3, 3]);
    press(box, "Home");
    await until(() => expect(find(".saew-cursor")).toBe(token("<|bos|>", 1)));
    press(box, "Enter", { shiftKey: true });
    expect(model.get("positions")).toEqual([3, 0]);
  });

  test("max and sum compare no token; chosen begins with what was compared", async () => {
    click(button("max"));
    expect(model.get("at")).toBe("max");
    await until(() => expect(lastAsked()).toMatchObject({ at: "max", positions: [] }));
    await until(() => expect(compared()).toEqual([]));
    expect(panel("Differing features")?.textContent).toContain("max over the counted tokens of each text");
    click(button("chosen token"));
    expect([model.get("at"), model.get("positions")]).toEqual(["chosen", [4, 4]]);
    await until(() => expect(compared()).toEqual(["heaven", "cat"]));
    click(button("last token"));
    await until(() => expect(lastAsked()).toMatchObject({ at: "last", positions: [] }));
  });

  test("the kernel's notes stand above the list", async () => {
    click(token("<|bos|>"));
    await until(() =>
      expect(panel("Differing features")?.querySelector(".saew-note")?.textContent).toContain("leave out"),
    );
  });

  test("the difference turns round, and of three texts any two are chosen", async () => {
    click(named("Turn the difference round"));
    await until(() => expect(cells(rows()[0])).toEqual(["8.000", "0", "+8.000"]));
    await start({ texts: THREE });
    choose(named("less text"), "2");
    expect(model.get("pair")).toEqual([0, 2]);
    await until(() => expect(lastAsked()).toMatchObject({ pair: [0, 2] }));
    choose(named("Difference of text"), "2"); // whoever takes the other's text gives it his own
    await until(() => expect(model.get("pair")).toEqual([2, 0]));
    expect(rows()[0]?.querySelectorAll(".saew-value").length).toBe(3);
    await until(() => expect(rows()[0]?.querySelectorAll(".saew-value-pair").length).toBe(2));
  });
});

describe("features", () => {
  test("one that is pointed at colours all texts; a click keeps it", async () => {
    expect(find(".saew-legend")?.textContent).toContain("Point at a feature");
    rows()[0]?.dispatchEvent(new Event("pointerenter"));
    await until(() => expect(lookOf(token("cat"))).toContain("rgb("));
    expect(lookOf(token("heaven"))).toBe("");
    expect(find(".saew-preview b")?.textContent).toBe("3");
    find("tbody")?.dispatchEvent(new Event("pointerleave"));
    await until(() => expect(lookOf(token("cat"))).toBe(""));
    click(rows()[1]);
    expect([model.get("feature"), model.get("features")]).toEqual([5, [5]]);
    await until(() => expect(lookOf(token("heaven"))).toContain("rgb("));
    expect(lookOf(token("<|bos|>"))).toBe("");
    expect(featureButton(5)?.getAttribute("aria-pressed")).toBe("true");
    click(named("Add feature 3 to the colours"));
    expect([model.get("feature"), model.get("features")]).toEqual([3, [5, 3]]);
    await until(() => expect(all(".saew-chip b").map((one) => one.textContent)).toEqual(["5", "3"]));
    click(named("Remove feature 5"));
    expect(model.get("features")).toEqual([3]);
  });

  test("a selected one that is not listed keeps its colours", async () => {
    model.push({ feature: 5, features: [5], none_of: [0] });
    await until(() => expect(rows().length).toBe(1));
    expect(lookOf(token("heaven"))).toContain("rgb(");
    expect(find(".saew-chip")?.textContent).toContain("fires on words");
  });

  test("arrows go from row to row, and what has the focus is shown", async () => {
    featureButton(3)?.focus();
    press(featureButton(3), "ArrowDown");
    await until(() => expect(document.activeElement).toBe(featureButton(5)));
    await until(() => expect(featureButton(5)?.tabIndex).toBe(0));
    expect(featureButton(3)?.tabIndex).toBe(-1);
    await until(() => expect(find(".saew-preview b")?.textContent).toBe("5"));
  });

  test("a token's tooltip says what the coloured feature does there", async () => {
    model.push({ feature: 3, features: [3] });
    await until(() => expect(find(".saew-chip b")?.textContent).toBe("3"));
    token("cat")?.dispatchEvent(new Event("pointerover", { bubbles: true }));
    await until(() => expect(find(".saew-tip")?.textContent).toContain("position 4 of text 2"));
    expect(find(".saew-tip td.saew-num")?.textContent).toBe("8.000");
  });

  test("with an index: density, and a card of what is pointed at", async () => {
    expect(find("thead")?.textContent).not.toContain("density");
    await start({ indexed: true });
    expect(cells(rows()[0]).at(-1)).toBe("3.0%");
    rows()[0]?.dispatchEvent(new Event("pointerenter"));
    await until(() => expect(find(".saew-glance")?.textContent).toContain("Feature 3"));
  });

  test("active in these and silent in those", async () => {
    click(named("active in text 2"));
    expect([model.get("all_of"), model.get("none_of")]).toEqual([[1], []]);
    click(named("silent in text 1"));
    await until(() => expect(rows().length).toBe(1));
    expect(lastAsked()).toMatchObject({ all_of: [1], none_of: [0] });
    expect(panel("Differing features")?.textContent).toContain("1 of 2 active features pass");
    expect(named("silent in text 1")?.getAttribute("aria-pressed")).toBe("true");
    // No feature is active and silent in one text.
    click(named("silent in text 2"));
    expect([model.get("all_of"), model.get("none_of")]).toEqual([[], [0, 1]]);
    await until(() => expect(rows().length).toBe(0));
    expect(panel("Differing features")?.textContent).toContain("No active feature passes");
    click(button("all features"));
    await until(() => expect(rows().length).toBe(2));
  });

  test("how many rows", async () => {
    choose(panel("Differing features")?.querySelector<HTMLElement>("select"), "10");
    await until(() => expect(lastAsked()).toMatchObject({ limit: 10 }));
  });
});

describe("texts", () => {
  test("typing asks at once, sets the trait, and forgets chosen places", async () => {
    click(token("created"));
    await until(() => expect(compared()).toEqual(["created", "created"]));
    type(named("Text 2"), "God created the dog");
    await until(() => expect(words()).toContain("dog"));
    expect(requests("tokens").at(-1)?.p).toMatchObject({ texts: ["God created the heaven", "God created the dog"] });
    expect([model.get("at"), model.get("positions")]).toEqual(["last", []]);
    await until(() =>
      expect(model.saved.at(-1)).toMatchObject({
        texts: ["God created the heaven", "God created the dog"],
        positions: [],
      }),
    );
    await until(() => expect(requests("predictions").length).toBe(2));
  });

  test("a line more begins as a copy; and up to eight", async () => {
    click(button("+ Add text"));
    await until(() => expect(named<HTMLTextAreaElement>("Text 3")?.value).toBe("God created the cat"));
    await until(() => expect(tokens().length).toBe(15));
    for (let n = 4; n <= 8; n++) {
      click(button("+ Add text"));
      await until(() => expect(named(`Text ${n}`)).not.toBeNull());
    }
    expect(button("+ Add text")).toBeUndefined();
  });

  test("one taken away takes its number out of pair and filters", async () => {
    expect(named("Remove text 1")).toBeNull(); // two are the least
    await start({ texts: THREE, pair: [1, 2], all_of: [0, 2], none_of: [1] });
    click(named("Remove text 1"));
    await until(() => expect(words()).not.toContain("heaven"));
    expect(["texts", "pair", "all_of", "none_of"].map((name) => model.get(name))).toEqual([
      THREE.slice(1),
      [0, 1],
      [1],
      [0],
    ]);
    await until(() => expect(model.saved.at(-1)).toMatchObject({ texts: THREE.slice(1), pair: [0, 1], all_of: [1] }));
  });

  test("token ids are shown and not edited", async () => {
    open(widget, { ...STATE, texts: [[5, 6], [7]] }, () => null);
    await until(() => expect(named<HTMLTextAreaElement>("Token ids of text 1")?.value).toBe("5 6"));
    expect(named<HTMLTextAreaElement>("Token ids of text 2")?.readOnly).toBe(true);
    expect(button("+ Add text")).toBeUndefined();
  });
});

test("a page goes back to what it has, and says why", async () => {
  const e = { type: "Offline", message: "Not recorded in this page.", traceback: "" };
  await start({ editable: false }, (m) => {
    if (m.ch === "differences" && m.p?.at === "sum") return { t: "res", id: m.id, ok: false, e };
    return answering(m);
  });
  expect(named<HTMLTextAreaElement>("Text 1")?.readOnly).toBe(true);
  click(button("sum"));
  await until(() => expect(find(".saew-banner")?.textContent).toContain("Not recorded"));
  await until(() => expect(model.get("at")).toBe("last"));
  await until(() => expect(lastAsked()).toMatchObject({ at: "last" }));
  expect(find(".saew-banner")?.textContent).toContain("Not recorded");
  click(button("max"));
  await until(() => expect(find(".saew-banner")).toBeNull());
});
