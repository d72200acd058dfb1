/** The attribution panel's view: what is asked, the tokens, the ranking, features of features, checks, pages. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Json } from "../src/kernel/types";
import { type Bundle, RecordedModel } from "../src/page/host";
import attribution from "../src/widgets/attribution";
import { withAblation } from "../src/widgets/attribution/ranking";
import type { Sent } from "./fake";
import { answering, check, kernel, keyOf, STATE, slow } from "./fake_attribution";
import golden from "./golden/attribution.json";
import * as hands from "./hands";
import { all, button, choose, click, el, find, model, named, panel, pause, press, requests, until } from "./hands";
import { lookOf } from "./looks";

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
} as unknown as typeof ResizeObserver;

const last = (channel: string) => requests(channel).at(-1)?.p as Record<string, Json>;
const rows = () => all(".saew-ranking tbody tr");
const features = () => all(".saew-feature").map((one) => Number(one.textContent));
const tokens = () => all(".saew-attributed [data-i]");
const box = (name: "target" | "foil") =>
  all("label")
    .find((one) => one.textContent?.startsWith(`${name} `))
    ?.querySelector("input") as HTMLInputElement;

async function open(state: Record<string, unknown> = {}, answer = answering): Promise<void> {
  hands.open(attribution, { ...STATE, ...state }, answer);
  await until(() => expect(requests("predictions").length).toBe(1));
}
async function ranked(state: Record<string, unknown> = {}, answer = answering): Promise<void> {
  await open(state, answer);
  await until(() => expect(rows().length).toBeGreaterThan(0));
}
/** A key or a choice of the box: what is in it, and how it came there. */
function put(input: HTMLInputElement, value: string, inputType: string): void {
  input.value = value;
  input.dispatchEvent(new InputEvent("input", { bubbles: true, inputType }));
}

beforeEach(() => {
  kernel.checked = false;
});
afterEach(() => hands.stop?.());

describe("what is asked", () => {
  test("of what is there, at once, and the ranking and colours of that", async () => {
    await ranked();
    const { prompt, target, foil, measure, path, linearised, steps, sae } = STATE;
    const question = { prompt, target, foil, measure, path, linearised, steps, sae };
    expect(last("attribution")).toEqual(question);
    const over = { tokens: [], include_special: false, sort: "size", limit: 20 };
    expect(last("rank")).toEqual({ of: question, ...over });
    expect(find(".saew-attribution-head")?.textContent).toContain("= 1.500");
    expect(el.textContent).toContain("error share 25%");
  });

  test("a panel without a target says what to choose, and offers what the model says", async () => {
    await open({ target: "", foil: "" });
    await until(() => expect(panel("What comes next")?.querySelectorAll("tbody tr").length).toBe(4));
    expect(requests("attribution")).toEqual([]);
    expect(find(".saew-empty")?.textContent).toContain("Choose a target");
    click(named("target: \u2423sat"));
    expect(model.saved.at(-1)).toEqual({ target: " sat" });
    await until(() => expect(last("attribution")?.target).toBe(" sat"));
    click(named("foil: \u2423ran"));
    expect(model.get("foil")).toBe(" ran");
    await until(() => expect(named("target: \u2423sat")?.getAttribute("aria-pressed")).toBe("true"));
    click(named("foil: \u2423ran"));
    expect(model.get("foil")).toBe("");
  });

  test("a token that no text means is no target", async () => {
    await ranked();
    const piece = named<HTMLButtonElement>("target: <0xC9>");
    expect(piece?.disabled).toBe(true);
    expect(piece?.title).toContain("sw.logit(4)");
  });

  test("a line break is chosen, and seen in the box", async () => {
    await ranked();
    click(named("target: \u21b5"));
    expect(model.get("target")).toBe("\n");
    await until(() => expect(box("target").placeholder).toBe("\u21b5"));
    expect(box("target").value).toBe("");
    box("target").dispatchEvent(new Event("change", { bubbles: true }));
    expect(model.get("target")).toBe("\n");
  });

  test("typing asks what there is, and sets nothing until it is complete", async () => {
    await ranked();
    const target = box("target");
    put(target, "sa", "insertText");
    await until(() => expect(last("complete")).toEqual({ q: "sa" }));
    await until(() => expect(find(`#${target.getAttribute("list")}`)?.querySelectorAll("option").length).toBe(3));
    put(target, " sats", "insertText");
    await until(() => expect(last("complete")).toEqual({ q: " sats" }));
    put(target, " sat", "deleteContentBackward"); // what deleting leaves is no choice either
    await pause(50);
    expect(model.saved).toEqual([]);
    put(target, " sats", "insertReplacementText");
    expect(model.saved.at(-1)).toEqual({ target: " sats" });
    await until(() => expect(target.value).toBe(" sats"));
  });

  test("left or entered, what is typed is the choice; Escape takes it back", async () => {
    await ranked();
    put(box("foil"), " walked", "insertText");
    choose(box("foil"), " walked");
    expect(model.saved.at(-1)).toEqual({ foil: " walked" });
    put(box("foil"), " wal", "insertText");
    press(box("foil"), "Escape");
    await until(() => expect(box("foil").value).toBe(" walked"));
    expect(model.saved.length).toBe(1);
  });

  test("the dictionaries by layer: what each is worth, in the model's order, one of them listed", async () => {
    await ranked();
    await until(() => expect(find(".saew-by-layer")).not.toBeNull());
    const cells = all(".saew-by-layer tbody tr").map((one) => [...one.children].map((cell) => cell.textContent));
    expect(cells).toEqual([
      ["early", "1", "+0.500", "0", "\u2013"],
      ["late", "3", "+2.500", "\u22121.000", "25%"],
    ]);
    const pressed = () =>
      all(".saew-by-layer button")
        .filter((one) => one.getAttribute("aria-pressed") === "true")
        .map((one) => one.textContent);
    expect(pressed()).toEqual([STATE.sae]);
    const other = STATE.sae === "late" ? "early" : "late";
    click(all(".saew-by-layer button").find((one) => one.textContent === other));
    expect(model.saved.at(-1)).toMatchObject({ sae: other });
    await until(() => expect(last("attribution").sae).toBe(other));
  });

  test("what is explained, held fixed, and over how many steps", async () => {
    await ranked({ given: "KL", measure: "given" });
    expect(box("target")).toBeUndefined();
    click(button("log-probability"));
    await until(() => expect(last("attribution").measure).toBe("logprob"));
    await until(() => expect(box("target").value).toBe(" sat"));
    expect(all("label").filter((one) => one.textContent?.startsWith("foil ")).length).toBe(0);
    const [held, steps] = all(".saew-asking-line select");
    choose(held, "RelP");
    await until(() => expect(last("attribution").linearised).toEqual(["norm", "activation", "half"]));
    choose(steps, "10");
    await until(() => expect(last("attribution").steps).toBe(10));
    model.push({ linearised: ["norm"] });
    await until(() => expect((held as HTMLSelectElement).value).toBe("own"));
  });

  test("another answer's length moves the tokens of later prompts: they are chosen no more", async () => {
    await ranked({ prompt: ["the cat", "a dog"], measure: "logprob", foil: "", selected_tokens: [4] });
    choose(box("target"), " sat down");
    expect(model.saved.at(-1)).toEqual({ target: " sat down", selected_tokens: [] });
    click(button("logit difference"));
    expect(model.saved.at(-1)).toEqual({ measure: "logits", selected_tokens: [] });
    model.push({ selected_tokens: [4] });
    await until(() => expect(box("foil")).toBeDefined());
    choose(box("foil"), " ran");
    expect(model.saved.at(-1)).toEqual({ foil: " ran" });
  });

  test("an emptied prompt leaves nothing of the one before", async () => {
    await ranked();
    hands.type(named("Prompt"), "");
    await until(() => expect(find(".saew-empty")?.textContent).toBe("Type a prompt."));
    expect(tokens()).toEqual([]);
    expect(panel("What comes next")).toBeNull();
  });
});

test("a prompt that is added counts when it has something in it", async () => {
  await ranked({ prompt: ["the cat"] });
  click(button("+ Add prompt"));
  await until(() => expect(el.textContent).toContain("Prompt 2 is empty: type it, or take it away."));
  await pause(300);
  expect(requests("attribution").length).toBe(1);
  expect(rows().length).toBe(3); // what is known of the other stands
  expect(panel("What comes next")).not.toBeNull();
  hands.type(named("Prompt 2"), "a dog");
  await until(() => expect(last("attribution").prompt).toEqual(["the cat", "a dog"]));
  await until(() => expect(all(".saew-attributed").length).toBe(2));
  expect(find(".saew-note")?.textContent).not.toContain("empty");
});

describe("the tokens", () => {
  test("stand for what their features are worth; BOS is not counted", async () => {
    await ranked();
    const [bos, the, cat] = tokens();
    expect(lookOf(bos)).toBe("");
    expect(lookOf(the)).toMatch(/^rgb/);
    expect(lookOf(cat)).toMatch(/^repeating-linear-gradient/); // against, so hatched
    expect(find(".saew-scale")?.textContent).toContain("\u22122.000 to  +2.000: attribution of all features");
  });

  test("are picked by a click, more with Ctrl, and by Enter", async () => {
    await ranked();
    click(tokens()[1]);
    expect(model.saved.at(-1)).toEqual({ selected_tokens: [1] });
    await until(() => expect(last("rank").tokens).toEqual([1]));
    await until(() => expect(el.textContent).toContain("over 1 selected token"));
    expect(tokens()[1]?.getAttribute("aria-selected")).toBe("true");
    click(tokens()[2], { ctrlKey: true });
    expect(model.get("selected_tokens")).toEqual([1, 2]);
    click(button("all tokens"));
    await until(() => expect(last("rank").tokens).toEqual([]));
    const list = find("[role=listbox]");
    list?.dispatchEvent(new FocusEvent("focusin", { bubbles: true }));
    press(list, "ArrowRight");
    press(list, "ArrowRight");
    await until(() => expect(find(".saew-cursor")).not.toBeNull());
    const at = Number(find(".saew-cursor")?.dataset.i);
    press(list, "Enter");
    expect(model.get("selected_tokens")).toEqual([at]);
    await until(() => expect(last("rank").tokens).toEqual([at]));
    press(list, "Enter");
    expect(model.get("selected_tokens")).toEqual([]);
  });

  test("of a prompt before are none of the one that is on its way, nor what fired there", async () => {
    await ranked();
    model.answer = (m) => (m.t === "req" && m.ch === "attribution" ? null : answering(m));
    model.push({ prompt: "a dog" });
    await until(() => expect(requests("attribution").length).toBe(2));
    const saved = model.saved.length;
    click(tokens()[1]);
    click(named("Why feature 3: explain its activation"));
    expect([model.get("selected_tokens"), model.get("path"), model.saved.length]).toEqual([[], [], saved]);
    model.push({ prompt: STATE.prompt }); // that is shown
    click(tokens()[1]);
    expect(model.get("selected_tokens")).toEqual([1]);
  });

  test("of several prompts are numbered on; each prompt has its number", async () => {
    await ranked({ prompt: ["the cat", "a dog"] });
    expect(all(".saew-attributed").length).toBe(2);
    click(tokens()[4]); // the second of the second text
    expect(model.saved.at(-1)).toEqual({ selected_tokens: [4] });
    expect(find(".saew-attribution-head")?.textContent).toContain("mean of the prompts 1.500 \u00b1 0.125");
    expect(el.textContent).toContain("after cat = 1.500");
    expect(rows()[0]?.textContent).toContain("0.250 (1)");
  });

  test("show the feature that is looked at, or pointed at", async () => {
    await ranked();
    click(all(".saew-feature")[0]);
    expect(model.saved.at(-1)).toEqual({ feature: 3 });
    await until(() => expect(find(".saew-scale")?.textContent).toContain("attribution of feature 3 <b>three</b>"));
    expect(last("colour")).toEqual({ of: last("attribution"), f: 3 });
    rows()[1]?.dispatchEvent(new PointerEvent("pointerenter"));
    await until(() => expect(find(".saew-scale")?.textContent).toContain("feature 5 fires on words"));
    expect(el.querySelector(".saew-scale b")).toBeNull();
    click(all(".saew-feature")[0]);
    expect(model.get("feature")).toBeNull();
  });
});

describe("the ranking", () => {
  test("goes by size, for, against and true effect, and is as long as is asked", async () => {
    await ranked();
    expect(features()).toEqual([3, 5, 8]);
    expect(find(".saew-ranking p")?.textContent).toContain(
      "3 features over 2 tokens \u00b7 together +2.500 for, \u22121.000 against",
    );
    click(button("for"));
    await until(() => expect(features()).toEqual([3, 8]));
    click(button("against"));
    await until(() => expect(features()).toEqual([5]));
    click(button("by true effect"));
    await until(() => expect(el.textContent).toContain("No true effect was checked yet"));
    click(button("by size"));
    choose(find(".saew-ranking select"), "10");
    await until(() => expect(last("rank").limit).toBe(10));
    click(find('.saew-ranking label input[type="checkbox"]'));
    await until(() => expect(last("rank").include_special).toBe(true));
  });

  test("moves by keys", async () => {
    await ranked();
    const [first, second] = all(".saew-feature");
    first?.focus();
    press(first, "ArrowDown");
    expect(document.activeElement).toBe(second);
    press(second, "End");
    expect(document.activeElement?.textContent).toBe("8");
  });

  test("ticks features, also two at once, and takes them out together", async () => {
    await ranked();
    click(named("Take feature 3 out"));
    click(named("Take feature 8 out"));
    expect(model.get("chosen")).toEqual([3, 8]);
    await until(() => expect(button("Take out 2 features")).toBeDefined());
    click(button("Take out 2 features"));
    expect(last("without")).toEqual({ of: last("attribution"), features: [3, 8] });
    const said = "Without 3, 8:  sat -  ran after cat 1.500 \u2192 \u22120.500 (\u22122.000)";
    await until(() => expect(panel("Without the ticked features")?.textContent).toContain(said));
    expect(panel("Without the ticked features")?.textContent).toContain("next after \u2018cat\u2019");
    model.push({ chosen: [40] });
    await until(() => expect(button("Take out feature 40")).toBeDefined());
    click(button("Take out feature 40"));
    await until(() => expect(el.textContent).toContain("Silent here, so that nothing of it was taken out: 40"));
    click(button("untick"));
    expect(model.get("chosen")).toEqual([]);
  });

  test("a row of the engine's first dictionary names none, wherever that stands in the model", async () => {
    await ranked({ default_sae: "late" });
    click(named("Add feature 3 to the recipe"));
    const { interventions } = model.get("recipe") as { interventions: Json[] };
    expect(interventions).toEqual([{ kind: "ablate", features: [3], sae: null }]);
    await until(() => expect(named("Feature 3 is in the recipe")).not.toBeNull());
  });

  test("adds ablations to the recipe, of the dictionary that is shown, and says what is in it", async () => {
    await ranked();
    click(named("Add feature 3 to the recipe"));
    click(named("Add feature 5 to the recipe"));
    const recipe = model.get("recipe") as { interventions: Json[] };
    expect(recipe.interventions).toEqual([3, 5].map((f) => ({ kind: "ablate", features: [f], sae: "late" })));
    expect(recipe).toMatchObject({ keep_error: true });
    await until(() => expect(named("Feature 3 is in the recipe")?.textContent).toBe("\u2713"));
    expect(named<HTMLButtonElement>("Feature 3 is in the recipe")?.disabled).toBe(true);
    expect(withAblation({}, 7, null).interventions).toEqual([{ kind: "ablate", features: [7], sae: null }]);
    // Of another dictionary it is another feature.
    model.push({ sae: "early" });
    await until(() => expect(named("Add feature 3 to the recipe")).not.toBeNull());
    click(named("Add feature 3 to the recipe"));
    expect((model.get("recipe") as { interventions: Json[] }).interventions.at(-1)).toMatchObject({ sae: null });
  });
});

describe("features of features", () => {
  const STEP = { sae: "late", feature: 3, text: 0, position: 1 };

  test("why? explains a feature by those of the dictionary before, and the way leads back", async () => {
    await ranked({ selected_tokens: [1] });
    click(named("Why feature 3: explain its activation"));
    expect(model.saved.at(-1)).toEqual({ path: [STEP], sae: "early", selected_tokens: [], chosen: [] });
    await until(() => expect(find(".saew-attribution-head")?.textContent).toContain("activation of feature 3"));
    expect(find(".saew-path")?.textContent).toBe("the prediction \u2190 feature 3 of late at position 1");
    expect(named("Why feature 3: explain its activation")).toBeNull(); // nothing comes before it
    click(button("the prediction"));
    expect(model.saved.at(-1)).toEqual({ path: [], sae: "late", feature: 3, selected_tokens: [], chosen: [] });
    await until(() => expect(find(".saew-path")).toBeNull());
    await until(() =>
      expect(rows().find((row) => row.classList.contains("saew-chosen"))?.textContent).toContain("three"),
    );
  });

  test("another target leaves it, and goes back to the dictionary from which it came", async () => {
    await ranked({ path: [STEP], sae: "early" });
    choose(box("target"), " slept");
    expect(model.saved.at(-1)).toMatchObject({ target: " slept", path: [], sae: "late" });
    await until(() => expect(find(".saew-attribution-head")?.textContent).toContain("slept"));
  });

  test("a dictionary that is no cause gives way to the one that is shown, and a choice made meanwhile stays", async () => {
    await ranked({ path: [STEP], sae: "late", feature: 7, chosen: [7] });
    expect(model.saved).toContainEqual({ sae: "early", feature: null, chosen: [] });
    await until(() => expect(last("attribution").sae).toBe("early"));
    expect(features().length).toBe(3);
  });

  test("says of which prompt", async () => {
    await ranked({ prompt: ["the cat", "a dog"], path: [{ ...STEP, text: 1, position: -1 }], sae: "early" });
    expect(find(".saew-path")?.textContent).toContain("at position 1 from the end of prompt 2");
  });
});

/** An answer to a question that waits. */
function answer(message: Sent | undefined): void {
  const made = message && answering(message);
  if (!made) throw new Error("nothing was asked");
  model.receive(made);
}
const failure = (message: Sent | undefined) =>
  model.receive({
    t: "res",
    id: message?.id ?? "",
    ok: false,
    e: { type: "MetricError", message: "\u2018 xyz\u2019 is 3 tokens", traceback: "Trace" },
  });

describe("the check", () => {
  test("fills as it comes, and gives its effects to the ranking", async () => {
    await ranked({}, slow);
    click(button("Check"));
    const asked = requests("check")[0] as Sent;
    expect(asked.p).toEqual({ of: last("attribution"), top: 20, random: 20, seed: 0 });
    await until(() => expect(button("Stop")).toBeDefined());
    model.receive({ t: "progress", id: asked.id, done: 2, total: 40 });
    model.receive({ t: "part", id: asked.id, r: check(last("attribution"), 2) as unknown as Json });
    await until(() => expect(all(".saew-point").length).toBe(2));
    expect(panel("True effects")?.textContent).toContain("2 of 40 features taken out");
    answer(asked);
    await until(() => expect(all(".saew-point").length).toBe(3));
    expect(all(".saew-random").length).toBe(1);
    const table = all("section[aria-label='True effects'] tbody tr").map((row) => row.textContent);
    expect(table[0]).toBe("attribution0.7500.500\u2013");
    expect(el.textContent).toContain("3 of 7 active features were taken out");
    await until(() => expect(rows()[0]?.textContent).toContain("+1.500"));
    expect(el.textContent).not.toContain("of all tokens that count, not of these alone");
    model.push({ selected_tokens: [1] });
    await until(() => expect(el.textContent).toContain("True effects are those of all tokens that count"));
    click(find(".saew-point"));
    expect(model.get("feature")).toBe(3);
  });

  test("stops", async () => {
    await ranked({}, slow);
    click(button("Check"));
    await until(() => expect(button("Stop")).toBeDefined());
    click(button("Stop"));
    const { id } = requests("check")[0] as Sent;
    expect(model.sent.filter(({ t }) => t === "cancel").map((one) => one.id)).toContain(id);
    model.receive({ t: "res", id, ok: false, e: { type: "Cancelled", message: "", traceback: "" } });
    await until(() => expect(button("Check")).toBeDefined());
    expect(find("[role=alert]")).toBeNull();
  });

  test("of another question is stopped, and never shown beside this one's tokens", async () => {
    await ranked({}, slow);
    click(button("Check"));
    const asked = requests("check")[0] as Sent;
    model.receive({ t: "part", id: asked.id, r: check(last("attribution")) as unknown as Json });
    await until(() => expect(all(".saew-point").length).toBe(3));
    model.push({ target: " slept" });
    await until(() => expect(find(".saew-attribution-head")?.textContent).toContain("slept"));
    expect(all(".saew-point")).toEqual([]);
    expect(model.sent.filter(({ t }) => t === "cancel").map((one) => one.id)).toContain(asked.id);
    answer(asked); // it was too late to stop
    await pause(20);
    expect(all(".saew-point")).toEqual([]);
  });
});

describe("one question's answers", () => {
  const held = (channels: string[]) => (message: Sent) =>
    channels.includes(message.ch ?? "") && JSON.stringify(message.p).includes("slept") ? null : answering(message);

  test("stay together while the next is on its way", async () => {
    await ranked({}, held(["attribution"]));
    model.push({ target: " slept" });
    await until(() => expect(last("attribution").target).toBe(" slept"));
    click(button("against"));
    await until(() => expect(features()).toEqual([5]));
    expect((last("rank").of as Record<string, Json>).target).toBe(" sat"); // the ranking of the tokens that are shown
    answer(requests("attribution").at(-1));
    await until(() => expect((last("rank").of as Record<string, Json>).target).toBe(" slept"));
  });

  test("a ranking of another computation is not shown", async () => {
    await ranked({}, held(["rank"]));
    model.push({ target: " slept" });
    await until(() => expect(find(".saew-attribution-head")?.textContent).toContain("slept"));
    expect(rows()).toEqual([]);
    expect(find(".saew-ranking")?.textContent).toContain("Ranking\u2026");
    answer(requests("rank").at(-1));
    await until(() => expect(features()).toEqual([3, 5, 8]));
  });

  test("predictions are those of the prompt that is shown", async () => {
    const late = (message: Sent) => (JSON.stringify(message.p).includes("a dog") ? null : answering(message));
    await ranked({}, late);
    model.push({ prompt: "a dog" });
    await until(() => expect(last("predictions").prompt).toBe("a dog"));
    answer(requests("predictions").at(-1)); // before the attribution
    await until(() => expect(panel("What comes next")).toBeNull());
    expect(tokens()[2]?.textContent).toBe("cat");
    answer(requests("attribution").at(-1));
    await until(() => expect(tokens()[2]?.textContent).toBe("dog"));
    expect(panel("What comes next")).not.toBeNull();
  });

  test("an answer that comes when nothing is asked any more is not shown", async () => {
    await open({ target: "" });
    model.answer = held(["attribution"]);
    model.push({ target: " slept" });
    await until(() => expect(requests("attribution").length).toBe(1));
    model.push({ target: "" });
    await until(() => expect(model.sent.some(({ t }) => t === "cancel")).toBe(true));
    answer(requests("attribution")[0]);
    await pause(20);
    expect(tokens()).toEqual([]);
  });

  test("an error is said, of what is shown still, and the panel goes on", async () => {
    await ranked({}, held(["attribution"]));
    model.push({ target: " slept" });
    await until(() => expect(requests("attribution").length).toBe(2));
    failure(requests("attribution").at(-1));
    await until(() => expect(find("[role=alert]")?.textContent).toContain("is 3 tokens"));
    expect(find(".saew-note")?.textContent).toBe("What is shown is of the question before.");
    expect(find(".saew-attribution-head")?.textContent).toContain("sat");
    click(named("target: \u2423ran"));
    await until(() => expect(find(".saew-attribution-head")?.textContent).toContain(" ran - "));
    expect(find("[role=alert]")).toBeNull();
    expect(find(".saew-off")).toBeNull();
  });

  test("another length of the prompt forgets nothing that a hand chose meanwhile", async () => {
    await ranked();
    hands.type(named("Prompt"), "the cat and the dog");
    expect(model.get("selected_tokens")).toEqual([]);
    await until(() => expect(tokens().length).toBe(6));
    click(tokens()[5]);
    await until(() => expect(last("rank").tokens).toEqual([5]));
  });
});

describe("a page", () => {
  const bundle = golden as unknown as Bundle;
  const start = (state: Record<string, Json> = {}) =>
    hands.openOn(
      attribution,
      new RecordedModel({ ...bundle, state: { ...bundle.state, ...state } }, attribution.offline),
    );

  test("shows what was recorded, checks included, and answers for each token", async () => {
    const asked = { top: 20, random: 20, seed: 0 }; // as a view asks
    const taken = bundle.recorded.map((one) =>
      one.ch === "check" ? { ...one, p: { ...(one.p as Record<string, Json>), ...asked } } : one,
    );
    hands.openOn(attribution, new RecordedModel({ ...bundle, recorded: taken }, attribution.offline));
    await until(() => expect(all(".saew-point").length).toBe(6));
    expect(find(".saew-banner")).toBeNull();
    click(tokens()[2]);
    await until(() => expect(el.textContent).toContain("over 1 selected token"));
    expect(rows().length).toBeGreaterThan(0);
    expect(find(".saew-banner")).toBeNull();
    expect(named<HTMLTextAreaElement>("Prompt 1")?.readOnly).toBe(true);
    expect(button("target")).toBeUndefined();
  });

  test("says what it has not", async () => {
    start();
    await until(() => expect(rows().length).toBeGreaterThan(0));
    expect(find(".saew-banner")).toBeNull();
    click(button("Check"));
    await until(() => expect(panel("True effects")?.textContent).toContain("Not recorded in this page"));
    choose(find(".saew-ranking select"), "200");
    await until(() => expect(all(".saew-banner").length).toBeGreaterThan(1));
    hands.stop();
    start({ feature: 40 });
    await until(() => expect(find(".saew-scale")?.textContent).toContain("feature 40: not recorded in this page"));
  });
});

test("keys of the made-up kernel tell questions apart", () => {
  expect(keyOf({ ...STATE, target: "a" } as Record<string, Json>)).not.toBe(keyOf(STATE as Record<string, Json>));
});
