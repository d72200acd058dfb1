import { beforeEach, describe, expect, test } from "vitest";
import type { FromKernel } from "../src/kernel/types";
import { RecordedModel } from "../src/page/host";
import widget from "../src/widgets/blindtest";
import type { Sent } from "./fake";
import { answering, DEAD, fires, N, resultJson, STATE, testAnswer, testJson } from "./fake_blindtest";
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
  openOn,
  pause,
  press,
  requests,
  type,
  until,
} from "./hands";
import { lookOf } from "./looks";

type Answer = (m: Sent) => FromKernel | null;
const start = (state: Record<string, unknown> = {}, answer: Answer = answering) =>
  open(widget, { ...STATE, ...state }, answer);
const cards = () => all(".saew-card");
const texts = () => all(".saew-card-text").map((text) => text.textContent);
const pressed = () =>
  cards().map(
    (card) =>
      [...card.querySelectorAll("button")].find((one) => one.getAttribute("aria-pressed") === "true")?.textContent,
  );
const focused = () => cards().indexOf(document.activeElement as HTMLElement);
/** Press a key where the keyboard is. */
const key = (name: string) => press(document.activeElement, name);
const shown = () => until(() => expect(cards()).toHaveLength(N));
const status = () => find(".saew-actions [role=status]")?.textContent;

beforeEach(async () => {
  start();
  await shown();
});

describe("before everything is answered", () => {
  test("the texts stand without a mark, with what is said of the feature", () => {
    expect(find("h2")?.textContent).toBe("Feature 17");
    expect(find(".saew-said-text")?.textContent).toBe("the articlelabel");
    expect(texts()).toEqual(Array.from({ length: N }, (_, i) => `text ${i} of 17 and 0`));
    expect(all(".saew-t").every((token) => lookOf(token) === "" && token.className === "saew-t")).toBe(true);
    expect(find(".saew-outcome")).toBeNull();
    expect(el.textContent).not.toMatch(/right|wrong|accuracy/);
    expect(requests("test").map((m) => m.p)).toEqual([{ f: 17, n: N, window: 8, seed: 0 }]);
    expect(status()).toBe("0 of 6 answered");
  });

  test("answers by the pointer, which can be changed, and are a trait", async () => {
    const [yes, no] = cards()[2]?.querySelectorAll("button") ?? [];
    click(yes);
    await until(() => expect(pressed()[2]).toBe("fires"));
    expect(cards()[2]?.getAttribute("aria-label")).toBe("Text 3 of 6, you say: fires");
    click(no);
    await until(() => expect(pressed()[2]).toBe("does not fire"));
    expect(model.get("answers")).toEqual([null, null, false, null, null, null]);
    expect(status()).toBe("1 of 6 answered");
    // Not before all are answered.
    click(button("Check"));
    await pause(30);
    expect(requests("check")).toEqual([]);
    expect(button("Check")?.getAttribute("aria-disabled")).toBe("true");
    click(button("Take all answers back"));
    await until(() => expect(status()).toBe("0 of 6 answered"));
    expect(model.get("answers")).toEqual([]);
  });

  test("what was answered before a reload is there", async () => {
    start({ answers: [true, false, null, true] });
    await shown();
    expect(pressed()).toEqual(["fires", "does not fire", undefined, "fires", undefined, undefined]);
    // The keyboard comes in at the first that is not answered.
    expect(cards().map((card) => card.tabIndex)).toEqual([-1, -1, 0, -1, -1, -1]);
  });

  test("a late echo takes no answer back", async () => {
    cards()[0]?.focus();
    key("y");
    key("n");
    model.push({ answers: [true, null, null, null, null, null] });
    key("y");
    model.push({ answers: [true, false, null, null, null, null] });
    await until(() => expect(pressed().slice(0, 4)).toEqual(["fires", "does not fire", "fires", undefined]));
    await until(() => expect(model.get("answers")).toEqual([true, false, true, null, null, null]));
  });

  test("another description takes the answers back; after the first answer there is no choice", async () => {
    const box = named<HTMLSelectElement>("Which description to test");
    expect([...(box?.options ?? [])].map((one) => one.textContent)).toEqual([
      "label: the article",
      "explanation, gpt: words before nouns",
      "no description: the texts alone",
    ]);
    choose(box, "1");
    await until(() => expect(find(".saew-said-text")?.textContent).toBe("words before nounsexplanationgpt"));
    choose(named("Which description to test"), "-1");
    await until(() => expect(find(".saew-said-text")?.textContent).toBe("No description is shown."));
    expect(model.get("description")).toBe(-1);
    click(cards()[0]?.querySelector("button"));
    await until(() => expect(named("Which description to test")).toBeNull());
  });
});

describe("by keyboard", () => {
  test("a whole test, and another one", async () => {
    cards()[0]?.focus();
    key("j");
    expect(focused()).toBe(1);
    key("k");
    key("ArrowUp");
    expect(focused()).toBe(0);
    key("End");
    expect(focused()).toBe(N - 1);
    key("Home");
    for (const answer of ["y", "1", "n", "0", "Y"]) key(answer);
    await until(() => expect(focused()).toBe(N - 1));
    expect(model.get("answers")).toEqual([true, true, false, false, true, null]);
    key("Enter");
    await pause(20);
    expect(requests("check")).toEqual([]);
    key("n");
    await until(() => expect(document.activeElement).toBe(button("Check")));
    // Back once more, and changed.
    key("ArrowUp");
    expect(focused()).toBe(N - 1);
    key("k");
    key("n");
    await until(() => expect(status()).toBe("6 of 6 answered"));
    key("Enter");
    await until(() => expect(document.activeElement).toBe(find(".saew-outcome")));
    const answers = [true, true, false, false, false, false];
    expect(requests("check").map((m) => m.p)).toEqual([{ f: 17, n: N, window: 8, seed: 0, description: 0, answers }]);
    key("j");
    expect(focused()).toBe(0);
    key("y");
    expect(focused()).toBe(0);
    click(button("Again, with other texts"));
    await until(() => expect(texts()[0]).toBe("text 0 of 17 and 1"));
    await until(() => expect(focused()).toBe(0));
    expect([model.get("seed"), model.get("answers")]).toEqual([1, []]);
    expect(find(".saew-outcome")).toBeNull();
  });

  test("keys that are used stay here, others do not", async () => {
    const heard: string[] = [];
    const listen = (event: KeyboardEvent) => heard.push(event.key);
    window.addEventListener("keydown", listen);
    cards()[0]?.focus();
    for (const name of ["j", "k", "y", "n", "1", "0", "ArrowDown", "Home", "End", "Enter"]) key(name);
    expect(heard).toEqual([]);
    key("q");
    press(document.activeElement, "n", { ctrlKey: true });
    expect(heard).toEqual(["q", "n"]);
    window.removeEventListener("keydown", listen);
    const before = model.get("answers");
    type(named("Number of the feature to test"), "1");
    press(named("Number of the feature to test"), "1");
    expect(model.get("answers")).toBe(before);
  });
});

describe("when everything is answered", () => {
  const answers = [true, true, false, false, true, false];

  beforeEach(async () => {
    start({ answers });
    await until(() => expect(status()).toBe("6 of 6 answered"));
    click(button("Check"));
    await until(() => expect(find(".saew-outcome")).not.toBeNull());
  });

  test("score, baseline, rates, interval, where it is kept", () => {
    const said = find(".saew-outcome")?.textContent ?? "";
    expect(find(".saew-score b")?.textContent).toBe("0.67");
    expect(said).toContain("balanced accuracy; guessing gives 0.5");
    expect(said).toContain("4 of 6 right; 95% interval of that share 0.25 to 0.75 (Wilson)");
    expect(said).toContain("True positive rate 0.67 of 3 texts in which it fires, 2 found");
    expect(said).toContain("True negative rate 0.67 of 3 texts in which it does not, 2 told so");
    expect(said).toContain("Kept as \u201cblind test by a person, balanced accuracy, n=6\u201d with the label");
    expect(said).toContain("1 earlier test");
    expect(find(".saew-earlier")?.textContent).toBe("0.25 n=8, 2026-01-02, label: an older name");
  });

  test("each text is coloured, and right or wrong in words", () => {
    const verdicts = all(".saew-verdict").map((one) => one.textContent);
    expect(verdicts).toEqual([
      "\u2713 rightit fires, up to 1.000",
      "\u2717 wrongit does not fire; you said: fires",
      "\u2717 wrongit fires, up to 3.000; you said: does not fire",
      "\u2713 rightit does not fire",
      "\u2713 rightit fires, up to 5.000",
      "\u2713 rightit does not fire",
    ]);
    const coloured = cards().map((card) =>
      [...card.querySelectorAll<HTMLElement>(".saew-t")].map((token) => lookOf(token) !== ""),
    );
    expect(coloured).toEqual(cards().map((_, i) => [false, fires(i), false]));
    expect(cards()[1]?.getAttribute("aria-label")).toBe("Text 2 of 6, you say: fires, wrong");
    expect(button("fires")).toBeUndefined();
  });

  test("another view's result, and what could not be kept", async () => {
    const result = resultJson([false, false, false, false, false, false], {
      note: "The explanation keeps its score.",
      kind: "explanation",
      description: "taken away",
      source: "gpt",
      earlier: [],
    });
    model.answer = (m) => (m.t === "req" ? testAnswer(m.id, testJson(17, 0, { result })) : null);
    model.receive({ t: "names" });
    await until(() => expect(find(".saew-note")?.textContent).toBe("The explanation keeps its score."));
    expect(find(".saew-said-text")?.textContent).toBe("taken awayexplanationgpt");
    expect(find(".saew-outcome details")).toBeNull();
    expect(find(".saew-verdict")?.textContent).toContain("you said: does not fire");
  });
});

describe("what cannot be", () => {
  test("a feature without texts says why, and another one can be chosen", async () => {
    start({ feature: DEAD });
    await until(() => expect(find(".saew-missing")?.textContent).toContain("choose another feature"));
    const box = named<HTMLInputElement>("Number of the feature to test");
    type(box, "100");
    await until(() => expect(box?.getAttribute("aria-invalid")).toBe("true"));
    press(box, "Enter");
    expect(model.get("feature")).toBe(DEAD);
    type(box, "5");
    await until(() => expect(box?.getAttribute("aria-invalid")).toBe("false"));
    press(box, "Enter");
    await until(() => expect(texts()[0]).toBe("text 0 of 5 and 0"));
    expect(model.get("feature")).toBe(5);
  });

  test("a failure is shown, and the answers are still there", async () => {
    start({ answers: [true, true, true, true, true, true] }, (m) =>
      m.ch === "check"
        ? { t: "res", id: m.id, ok: false, e: { type: "IndexWriteError", message: "The disk is full.", traceback: "" } }
        : answering(m),
    );
    await until(() => expect(status()).toBe("6 of 6 answered"));
    click(button("Check"));
    await until(() => expect(find(".saew-banner-error")?.textContent).toContain("The disk is full."));
    expect(pressed().every((one) => one === "fires")).toBe(true);
    model.answer = answering;
    click(button("Check"));
    await until(() => expect(find(".saew-outcome")).not.toBeNull());
    expect(find(".saew-banner-error")).toBeNull();
  });

  test("hostile words are text nodes", async () => {
    const hostile = ["<img src=x onerror=alert(1)>", "\u202eabc", "a\nb", "</script>", "", "\u0000"];
    const json = testJson(17, 0, {
      n: [hostile.length],
      str: hostile,
      said: [{ text: "<b>x</b>\u202e", kind: "explanation", source: "<i>" }],
      notes: ["<u>note</u>"],
    });
    start({}, (m) => (m.t === "req" ? testAnswer(m.id, json) : null));
    await until(() => expect(cards()).toHaveLength(1));
    expect(texts()).toEqual(["<img src=x onerror=alert(1)>U+202Eabca\u21b5b</script>U+0000"]);
    expect(find(".saew-said-text")?.textContent).toBe("<b>x</b>U+202Eexplanation<i>");
    expect(el.querySelector("img, script, u, .saew-said b, .saew-said i")).toBeNull();
  });

  test("a page of an unfinished test says what it needs", async () => {
    openOn(widget, new RecordedModel({ state: { ...STATE, live: false }, recorded: [] }));
    await until(() => expect(el.textContent).toContain("It needs a running notebook"));
    expect(all("button:not(.saew-corner)")).toEqual([]);
  });

  test("a page of a finished test has all but what needs a kernel", async () => {
    const result = resultJson([true, true, true, true, true, true]);
    const p = { f: 17, n: N, window: 8, seed: 0 };
    const answer = testAnswer("", testJson(17, 0, { result }));
    if (answer.t !== "res" || !answer.ok) throw new Error("no answer");
    const recorded = [{ ch: "test", p, r: answer.r, arrays: answer.arrays }];
    openOn(widget, new RecordedModel({ state: { ...STATE, live: false }, recorded }));
    await until(() => expect(find(".saew-score b")?.textContent).toBe("0.50"));
    expect(all("button:not(.saew-corner), input, select")).toEqual([]);
  });
});
