import { describe, expect, test } from "vitest";
import type { Json } from "../src/kernel/types";
import { settle } from "./fake";
import * as fake from "./fake_steering";
import { lookOf } from "./looks";
import {
  all,
  asked,
  button,
  eachStarts,
  failing,
  find,
  generate,
  model,
  named,
  press,
  requests,
  rows,
  silentOn,
  start,
  stop,
  textOf,
  type,
  until,
} from "./panel";

const { answering, BASELINE, EDITED, SETTINGS, STATE } = fake;

eachStarts();

describe("prompt and settings", () => {
  test("traits both ways", async () => {
    const box = find<HTMLTextAreaElement>('section[aria-label="Prompt"] textarea');
    type(box, "Once");
    expect(model.get("prompt")).toBe("Once");
    button("message in a chat")?.click();
    type(named("Number of tokens to generate"), "12");
    type(named("Number of pairs of texts"), "9");
    await settle();
    expect([model.get("chat"), model.get("n_tokens"), model.get("samples")]).toEqual([true, 12, 1]);
    model.push({ prompt: "Twice", seed: 99, view: "answer" });
    await settle();
    expect(box?.value).toBe("Twice");
    expect(named<HTMLInputElement>("Seed of the random numbers")?.value).toBe("99");
    expect(find('[role="tab"][aria-selected="true"]')?.textContent).toBe("Answer");
  });

  test("a conversation is shown and can be cleared", async () => {
    start({ messages: [{ role: "user", content: "<b>why</b>\nso" }] });
    await settle();
    expect(find(".saew-messages")?.textContent).toBe("user<b>why</b>\nso");
    button("Clear the conversation")?.click();
    await settle();
    expect(model.get("messages")).toEqual([]);
    expect(find('section[aria-label="Prompt"] textarea')).not.toBeNull();
  });

  test("tabs by keyboard", async () => {
    press(find('[role="tab"][aria-selected="true"]'), "ArrowLeft");
    await settle();
    expect(model.get("view")).toBe("answer");
    press(find('[role="tab"][aria-selected="true"]'), "ArrowRight");
    await settle();
    expect(model.get("view")).toBe("text");
    expect(all('[role="tab"]').map((one) => one.tabIndex)).toEqual([0, -1, -1, -1]);
  });
});

describe("texts", () => {
  test("asked with what is on screen; the answer side by side, marked from where it differs", async () => {
    await generate();
    expect(requests("generate").map((m) => m.p)).toEqual([asked({ settings: SETTINGS })]);
    expect([textOf(0), textOf(1)]).toEqual([BASELINE, EDITED]);
    expect(all(".saew-differs").map((part) => [...part.querySelectorAll(".saew-t")].length)).toEqual([4, 4]);
    expect(find(".saew-from")?.textContent).toBe("differs from here");
    expect(all(".saew-prompt .saew-edited").length).toBe(5);
    expect(find(".saew-footer")?.textContent).toContain("Both texts draw from the same random numbers");
    expect(find(".saew-footer")?.textContent).toContain("model: tiny");
  });

  test("parts are appended as they come, and the answer changes nothing that stands", async () => {
    start({}, silentOn("generate"));
    await settle();
    await generate();
    const id = requests("generate")[0]?.id ?? "";
    expect(button("Stop")).toBeDefined();
    const [first, ...steps] = fake.partsOf(STATE.prompt);
    model.receive({ t: "part", id, r: first as unknown as Json });
    for (const step of steps.slice(0, 2)) model.receive({ t: "part", id, r: step as unknown as Json });
    await until(() => expect([textOf(0), textOf(1)]).toEqual([BASELINE.slice(0, 2), EDITED.slice(0, 2)]));
    expect(find(".saew-differs")).toBeNull();
    const before = all(".saew-pair .saew-t");
    for (const step of steps.slice(2)) model.receive({ t: "part", id, r: step as unknown as Json });
    await until(() => expect([textOf(0), textOf(1)]).toEqual([BASELINE, EDITED]));
    expect(find(".saew-differs .saew-t")?.textContent).toBe(" because");
    expect(before.every((span) => span.isConnected)).toBe(true);
    const streamed = all(".saew-pair .saew-t");
    model.receive(fake.generateAnswer(id, STATE.prompt));
    await settle();
    expect(all(".saew-pair .saew-t")).toEqual(streamed);
    expect(button("Generate")).toBeDefined();
  });

  test("stop keeps what there is", async () => {
    start({}, silentOn("generate"));
    await settle();
    await generate();
    const id = requests("generate")[0]?.id ?? "";
    button("Stop")?.click();
    expect(model.sent.at(-1)).toEqual({ t: "cancel", id });
    model.receive(fake.generateAnswer(id, STATE.prompt, BASELINE.slice(0, 3), EDITED.slice(0, 3), { stopped: true }));
    await settle();
    expect(textOf(1)).toEqual(EDITED.slice(0, 3));
    expect(find(".saew-state")?.textContent).toContain("Stopped before the end.");
    expect((model.get("history") as { stopped: boolean }[]).map(({ stopped }) => stopped)).toEqual([true]);
  });

  test("a failure stands above the texts, which stay", async () => {
    await generate();
    model.answer = failing("generate", "out of memory");
    await generate();
    expect(find(".saew-result .saew-banner-error")?.textContent).toContain("out of memory");
    expect(all(".saew-banner-error").length).toBe(1);
    expect(model.get("error")).toMatchObject({ message: "out of memory" });
    expect(textOf(0)).toEqual(BASELINE);
    model.answer = answering;
    await generate();
    expect(all(".saew-banner-error")).toEqual([]);
    expect(model.get("error")).toBeNull();
  });

  test("another view's error is shown on top", async () => {
    model.push({ error: { type: "Other", message: "elsewhere", traceback: "" } });
    await settle();
    expect(find(".saew-banner-error")?.textContent).toContain("elsewhere");
    named("Dismiss the error")?.click();
    await settle();
    expect(model.get("error")).toBeNull();
  });

  test("texts of earlier settings say so", async () => {
    await generate();
    expect(find(".saew-state")?.textContent).toBe("");
    model.push({ seed: 8 });
    await settle();
    expect(find(".saew-state")?.textContent).toContain("have changed since");
  });

  test("surprise and change as colours; change is asked of each text", async () => {
    await generate();
    button("surprise")?.click();
    await settle();
    expect(all(".saew-pair .saew-t").every((t) => lookOf(t)?.startsWith("rgb"))).toBe(true);
    expect(find(".saew-scale")?.textContent).toContain("under the model that wrote it");
    button("change")?.click();
    await settle();
    const ids = (tokens: string[]) => tokens.map(fake.idOf);
    expect(requests("effect").map((m) => m.p)).toEqual([
      asked({ continuation: ids(BASELINE), freeze: false }),
      asked({ continuation: ids(EDITED), freeze: false }),
    ]);
    const looks = all(".saew-pair .saew-t").map((t) => lookOf(t) ?? "");
    expect(looks.some((look) => look.includes("repeating-linear-gradient"))).toBe(true);
    expect(looks.some((look) => look.startsWith("rgb"))).toBe(true);
  });

  test("a token under the pointer, and under the keyboard's cursor", async () => {
    await generate();
    const [, second] = all(".saew-pair .saew-t");
    second?.dispatchEvent(new Event("pointerover", { bubbles: true }));
    await settle();
    const tip = find(".saew-tip")?.textContent;
    expect(tip).toContain("position 6, step 2");
    expect(tip).toContain(`baseline,${fake.idOf(",")}\u22121.0001.500`);
    expect(tip).toContain(`edited,${fake.idOf(",")}\u22122.0001.500`);
    const box = all(".saew-pair .saew-tokens")[1];
    for (let i = 0; i < 3; i++) press(box, "ArrowRight");
    await settle();
    const cursor = find(".saew-cursor");
    expect(cursor?.textContent).toBe(" Monday");
    expect(box?.getAttribute("aria-activedescendant")).toBe(cursor?.id);
    expect(cursor?.getAttribute("aria-label")).toContain("the texts differ from here");
    press(box, "Escape");
    await settle();
    expect(find(".saew-tip")).toBeNull();
  });

  test("hostile tokens are text nodes", async () => {
    const hostile = ["<img src=x onerror=alert(1)>", "</script>", "\u202eabc", "\u0000", "", "a\nb"];
    start({ prompt: "<b>x</b>" }, (m) =>
      m.ch === "generate" ? fake.generateAnswer(m.id, "<b>x</b>", hostile, hostile) : answering(m),
    );
    await settle();
    await generate();
    expect(find("img, script, .saew-prompt b, .saew-feature-name bdi b")).toBeNull();
    expect(textOf(0)).toEqual([
      "<img src=x onerror=alert(1)>",
      "</script>",
      "U+202Eabc",
      "U+0000",
      "\u2025",
      "a\u21b5\nb",
    ]);
    expect(find(".saew-history-text")?.textContent).toContain("<img src=x onerror=alert(1)></script>U+202Eabc");
  });
});

describe("history", () => {
  test("a run is remembered, at most twenty, and comes back with recipe and settings", async () => {
    await generate();
    expect(model.get("history")).toEqual([
      {
        id: 1,
        ...asked(),
        settings: SETTINGS,
        baseline: [BASELINE.join("")],
        edited: [EDITED.join("")],
        stopped: false,
        revision: 0,
      },
    ]);
    type(named("Value for feature 7650"), "5");
    model.push({ seed: 3, prompt: "Other" });
    await settle();
    await generate();
    expect(all(".saew-history button").map((one) => one.querySelector("b")?.textContent)).toEqual(["#2", "#1"]);
    all(".saew-history button")[1]?.click();
    await settle();
    expect([model.get("prompt"), model.get("seed"), rows()[0]?.value]).toEqual([STATE.prompt, 7, 2]);
    expect(textOf(0)).toEqual([BASELINE.join("")]);
    expect(find(".saew-state")?.textContent).toContain("its texts only");
    expect(find(".saew-history [aria-current]")?.textContent).toContain("#1");
    for (let i = 0; i < 20; i++) await generate();
    const kept = model.get("history") as { id: number }[];
    expect([kept.length, kept[0]?.id, kept.at(-1)?.id]).toEqual([20, 3, 22]);
  });

  test("a run from Python is shown; one being written here is not disturbed", async () => {
    await generate();
    const [mine] = model.get("history") as { id: number }[];
    const theirs = { ...mine, id: 7, baseline: [" from Python"], edited: [" x"] };
    model.push({ history: [mine, theirs] });
    await settle();
    expect(textOf(0)).toEqual([" from Python"]);
  });

  test("the newest run is there when the view opens", async () => {
    await generate();
    start({ history: model.get("history") });
    await settle();
    expect(textOf(0)).toEqual([BASELINE.join("")]);
    expect(requests("generate")).toEqual([]);
  });
});

test("leaving removes every listener, also in the middle of a run", async () => {
  start({ color: "change" }, silentOn("generate"));
  await settle();
  await generate();
  expect(model.listeners()).toBeGreaterThan(0);
  stop();
  await settle();
  expect(model.listeners()).toBe(0);
});
