/** A subspace: the scatter that is pointed at, clicked and walked through, its pairs, colours, texts and features. */

import { beforeEach, describe, expect, test } from "vitest";
import { screenX, screenY, WHOLE } from "../src/charts/plane";
import { RecordedModel } from "../src/page/host";
import type { Recorded } from "../src/page/offline";
import { LIGHT } from "../src/tokens/palette";
import widget from "../src/widgets/subspace";
import { buckets, LEVELS, markOf, shade } from "../src/widgets/subspace/colours";
import { frameOf } from "../src/widgets/subspace/frame";
import { numbers } from "../src/widgets/subspace/toolbar";
import { type Colouring, OTHER } from "../src/widgets/subspace/wire";
import type { FakeModel } from "./fake";
import { answering, N, placeOf, STATE } from "./fake_subspace";
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
  stop,
  until,
} from "./hands";

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
} as unknown as typeof ResizeObserver;

/** The plot in a view that was never measured: 360 pixels, less its margins. */
const [WIDTH, HEIGHT] = [306, 263];
const EXTENTS: [number, number][] = [
  [-11.5, 11.5],
  [-10, 10],
  [-10, 10],
];

const start = async (state: Record<string, unknown> = {}, answer: FakeModel["answer"] = answering) => {
  open(widget, { ...STATE, ...state }, answer);
  await until(() => expect(find(".saew-plot-box")).not.toBeNull());
};
const plot = () => find(".saew-plot-box");
const pixel = (point: number, [a, b]: [number, number] = [1, 2]) => {
  const to = frameOf(EXTENTS[a] ?? [0, 0], EXTENTS[b] ?? [0, 0], WIDTH, HEIGHT, WHOLE);
  return { clientX: screenX(to, placeOf(point, a)), clientY: screenY(to, placeOf(point, b)) };
};
const pointer = (type: string, at: { clientX: number; clientY: number }, more: PointerEventInit = {}) =>
  plot()?.dispatchEvent(new PointerEvent(type, { bubbles: true, button: 0, ...at, ...more }));
const hover = (point: number, pair?: [number, number]) => pointer("pointermove", pixel(point, pair));
const pick = (point: number, more: PointerEventInit = {}) => {
  pointer("pointerdown", pixel(point), more);
  pointer("pointerup", pixel(point), more);
};
const tip = () => find(".saew-point-tip")?.textContent ?? "";
const hovered = () => Number(find(".saew-hit")?.dataset.point ?? -1);
const kept = () => all(".saew-kept").map((one) => Number(one.dataset.point));
const axes = () => all(".saew-axis-name").map((one) => one.textContent);
const groups = () => all(".saew-group");

describe("the colours", () => {
  const colouring = (json: object, values: Uint8Array | Float32Array) => ({ json, values }) as unknown as Colouring;

  test("tell twelve groups apart by hue and shape, and the others are grey", () => {
    const marks = Array.from({ length: 12 }, (_, group) => markOf(group, LIGHT));
    expect(new Set(marks.map(({ colour, square }) => `${colour} ${square}`)).size).toBe(12);
    expect(markOf(OTHER, LIGHT).colour).toBe(LIGHT.neutral);
    const { of, marks: drawn } = buckets(
      colouring({ kind: "groups", groups: [{}, {}] }, Uint8Array.from([1, 255, 0])),
      3,
      LIGHT,
    );
    expect([...of]).toEqual([1, 2, 0]);
    expect(drawn[2]?.colour).toBe(LIGHT.neutral);
  });

  test("of numbers go from the least to the largest; what has none is grey", () => {
    const { of, marks } = buckets(
      colouring({ kind: "scale", low: 10, high: 20 }, Float32Array.from([10, 20, 15, Number.NaN])),
      4,
      LIGHT,
    );
    expect([...of]).toEqual([0, LEVELS - 1, 16, LEVELS]);
    expect(marks[0]?.colour).toBe(shade(0, LIGHT));
    expect(marks[LEVELS]?.colour).toBe(LIGHT.neutral);
    const one = buckets(colouring({ kind: "scale", low: 3, high: 3 }, Float32Array.from([3])), 1, LIGHT);
    expect(one.of[0]).toBe(16);
  });

  test("of a dark ground are not those of a light one", () => {
    expect(shade(0, { ...LIGHT, ink: "rgb(230, 237, 243)" })).not.toBe(shade(0, LIGHT));
  });
});

test("numbers of features are read with commas and spaces, each once, and nothing else is", () => {
  expect(numbers(" 3, 5 7,3", 48)).toEqual([3, 5, 7]);
  expect(numbers("", 48)).toEqual([]);
  for (const wrong of ["48", "-1", "1.5", "three", "1e1"]) expect(numbers(wrong, 48)).toBeNull();
});

// -- the view

describe("the scatter", () => {
  beforeEach(() => start());

  test("shows the most circular pair, with what each component explains", () => {
    expect(axes()).toEqual(["PC2 (25% of the variance)", "PC3 (5.0% of the variance)"]);
    expect(requests("subspace").map(({ p }) => p)).toEqual([{ features: [3, 5, 7], colour: "token" }]);
    expect(requests("colour").length).toBe(0); // they came along
    expect(find(".saew-footer")?.textContent).toContain("a note");
    expect(plot()?.getAttribute("aria-label")).toContain("24 tokens; PC2 (25% of the variance) to the right");
  });

  test("what is pointed at says its token at once and its text a moment later, and asks once", async () => {
    hover(4);
    await until(() => expect(hovered()).toBe(4));
    expect(requests("texts").length).toBe(0);
    expect(tip()).toContain("\u2423h4");
    expect(tip()).toContain("PC2 8.660 \u00b7 PC3 \u22125.000");
    await until(() => expect(find(".saew-point-text")?.textContent).toBe(" h2 h3 h4 h5 h6"));
    expect(find(".saew-point-text mark")?.textContent).toBe(" h4");
    expect(tip()).toContain("a <b>book</b> \u00b7 token 104");
    expect(all(".saew-point-tip .saew-act").map((one) => one.textContent)).toEqual([
      "3 <b>even</b> 4.000",
      "5 fires on words 1.000",
    ]);
    expect(find("[role=status].saew-offscreen")?.textContent).toContain("\u2423h4, PC2 8.660");
    pointer("pointerleave", { clientX: 0, clientY: 0 });
    await until(() => expect(find(".saew-point-tip")).toBeNull());
    hover(4);
    await until(() => expect(find(".saew-point-text mark")?.textContent).toBe(" h4"));
    expect(requests("texts").map(({ p }) => p)).toEqual([{ features: [3, 5, 7], points: [4] }]);
  });

  test("whoever passes over points asks for none of their texts", async () => {
    for (const point of [0, 1, 2, 3, 4, 5]) {
      hover(point);
      await until(() => expect(hovered()).toBe(point));
    }
    await until(() => expect(requests("texts").length).toBe(1));
    expect(requests("texts")[0]?.p).toEqual({ features: [3, 5, 7], points: [5] });
  });

  test("far from all points nothing is pointed at", async () => {
    hover(4);
    await until(() => expect(hovered()).toBe(4));
    pointer("pointermove", { clientX: WIDTH / 2, clientY: HEIGHT / 2 });
    await until(() => expect(hovered()).toBe(-1));
  });

  test("on another pair the same place is another point", async () => {
    const tile = named("PC1 and PC2: circularity 0.01");
    expect(tile?.getAttribute("aria-pressed")).toBe("false");
    expect(named("PC2 and PC3: circularity 0.97, the pair that is shown first")?.getAttribute("aria-pressed")).toBe(
      "true",
    );
    click(tile);
    expect(model.get("components")).toEqual([0, 1]);
    await until(() => expect(axes()).toEqual(["PC1 (50% of the variance)", "PC2 (25% of the variance)"]));
    for (const point of [0, 7, 13, 23]) {
      hover(point, [0, 1]);
      await until(() => expect(hovered()).toBe(point));
      await until(() => expect(find(".saew-point-text mark")?.textContent).toBe(` h${point % 12}`));
    }
    // From Python, the other way round.
    model.push({ components: [2, 1] });
    await until(() => expect(axes()[0]).toContain("PC3"));
    hover(3, [2, 1]);
    await until(() => expect(hovered()).toBe(3));
  });

  test("components that are not there are said, and the most circular pair is shown", async () => {
    model.push({ components: [1, 4] });
    await until(() => expect(el.textContent).toContain("There is no PC5 here: PC2 and PC3 are shown."));
    expect(axes()[0]).toContain("PC2");
  });

  test("a click keeps a point, with its token marked in its text; another click lets go", async () => {
    pick(4);
    expect(model.get("selected")).toEqual([4]);
    await until(() => expect(kept()).toEqual([4]));
    await until(() => expect(find(".saew-here")?.textContent).toBe(" h4"));
    expect(find(".saew-kept-text")?.textContent).toBe(" h2 h3 h4 h5 h6");
    expect(find("ol")?.textContent).toContain("Coloured: activation of 3 on the tokens that are points, too.");
    pick(9, { ctrlKey: true });
    expect(model.get("selected")).toEqual([4, 9]);
    await until(() => expect(all(".saew-here").map((one) => one.textContent)).toEqual([" h9", " h4"]));
    click(all("[aria-label^='Let go of']")[1]);
    expect(model.get("selected")).toEqual([9]);
    pick(9);
    expect(model.get("selected")).toEqual([]);
    await until(() => expect(find(".saew-kept-none")).not.toBeNull());
    // A drag is no click.
    pointer("pointerdown", pixel(4));
    pointer("pointermove", pixel(9));
    pointer("pointerup", pixel(4));
    expect(model.get("selected")).toEqual([]);
  });

  test("while other features are on their way, a point of those before is none of theirs", async () => {
    model.answer = () => null;
    model.push({ features: [3, 9] });
    const saved = model.saved.length;
    pick(4);
    click(all(".saew-pair").at(-1));
    expect([model.get("selected"), model.get("components"), model.saved.length]).toEqual([[], [], saved]);
    model.push({ features: STATE.features }); // these are shown
    pick(4);
    expect(model.get("selected")).toEqual([4]);
  });

  test("a token of a kept text that is a point is shown where it is", async () => {
    model.push({ selected: [4], feature: 5 });
    await until(() => expect(all(".saew-kept-text .saew-t").length).toBe(5));
    all(".saew-kept-text .saew-t")[3]?.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
    await until(() => expect(hovered()).toBe(5));
    expect(find(".saew-point-tip")).toBeNull(); // the pointer is elsewhere
    expect(find("ol")?.textContent).toContain("Coloured: activation of 5");
  });

  test("arrows walk from point to point, Enter keeps one, Escape lets go", async () => {
    plot()?.focus();
    plot()?.dispatchEvent(new FocusEvent("focus"));
    model.push({ components: [0, 1] });
    await until(() => expect(axes()[0]).toContain("PC1"));
    hover(3, [0, 1]);
    await until(() => expect(hovered()).toBe(3));
    press(plot(), "ArrowRight");
    // The nearest within a quarter to the right, by hand.
    const far = (i: number) => Math.hypot(placeOf(i, 0) - placeOf(3, 0), placeOf(i, 1) - placeOf(3, 1));
    const there = Array.from({ length: N }, (_, i) => i).filter(
      (i) => i > 3 && Math.abs(placeOf(i, 1) - placeOf(3, 1)) <= placeOf(i, 0) - placeOf(3, 0),
    );
    const next = there.sort((one, other) => far(one) - far(other))[0];
    await until(() => expect(hovered()).toBe(next));
    press(plot(), "Enter");
    expect(model.get("selected")).toEqual([next]);
    await until(() => expect(kept()).toEqual([next]));
    press(plot(), "Escape");
    await until(() => expect(hovered()).toBe(-1));
    expect(model.get("selected")).toEqual([next]);
    press(plot(), "Escape");
    expect(model.get("selected")).toEqual([]);
    press(plot(), "ArrowUp"); // from the middle
    await until(() => expect(hovered()).toBeGreaterThanOrEqual(0));
  });

  test("comes nearer by a button and keys, and all comes back", async () => {
    const ticks = () =>
      all(".saew-tick")
        .map((one) => one.textContent)
        .join(" ");
    const before = ticks();
    click(named("Nearer"));
    await until(() => expect(ticks()).not.toBe(before));
    press(plot(), "0");
    await until(() => expect(ticks()).toBe(before));
    press(plot(), "+");
    await until(() => expect(ticks()).not.toBe(before));
    click(button("All"));
    await until(() => expect(ticks()).toBe(before));
    // A wheel that only passes over scrolls the notebook.
    const wheel = new WheelEvent("wheel", { deltaY: -100, bubbles: true, cancelable: true });
    plot()?.dispatchEvent(wheel);
    expect(wheel.defaultPrevented).toBe(false);
  });
});

describe("the legend", () => {
  beforeEach(() => start());

  test("has the largest groups with their numbers, and the others in one", () => {
    expect(groups().map((one) => one.textContent)).toEqual(["\u2423h0 2", "\u2423h1 2", "\u2423h2 2", "9 others 18"]);
  });

  test("a group that is clicked is looked at alone: nothing else is pointed at", async () => {
    click(groups()[1]);
    await until(() => expect(groups()[1]?.getAttribute("aria-pressed")).toBe("true"));
    hover(4);
    await pause(20);
    expect(hovered()).toBe(-1);
    hover(1);
    await until(() => expect(hovered()).toBe(1));
    click(groups()[3], { ctrlKey: true });
    await until(() => expect(groups()[3]?.getAttribute("aria-pressed")).toBe("true"));
    hover(4);
    await until(() => expect(hovered()).toBe(4));
    click(button("all"));
    await until(() => expect(groups().every((one) => one.getAttribute("aria-pressed") === "false")).toBe(true));
  });

  test("of numbers is a scale, and asks for nothing but colours", async () => {
    choose(named("Colour of the points"), "position");
    expect(model.get("colour")).toBe("position");
    await until(() => expect(find(".saew-legend")?.textContent).toContain("position in the text 1  23"));
    expect(find(".saew-legend")?.textContent).toContain("grey: 1 point without a number");
    expect(requests("subspace").length).toBe(1);
    expect(requests("colour").map(({ p }) => p)).toEqual([{ features: [3, 5, 7], colour: "position" }]);
  });

  test("what points cannot be coloured by is said, and the points stay", async () => {
    model.push({ colour: "<i>nothing</i>" });
    await until(() =>
      expect(find(".saew-banner-error")?.textContent).toContain("cannot be coloured by '<i>nothing</i>'"),
    );
    expect(plot()).not.toBeNull();
    expect(find(".saew-legend")).toBeNull();
    model.push({ colour: "token" });
    await until(() => expect(groups().length).toBe(4));
    expect(find(".saew-banner-error")).toBeNull();
  });
});

describe("the features", () => {
  beforeEach(() => start());
  const box = () => named<HTMLInputElement>("Features");
  const write = async (text: string) => {
    const input = box();
    if (!input) throw new Error("no box");
    input.value = text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    await pause(1);
  };

  test("have their names, on how many points they fire, and their mean there", () => {
    const rows = all(".saew-spanning tbody tr").map((row) => row.textContent);
    expect(rows).toEqual(["3<b>even</b>1211.00\u00d7", "5fires on words241.000\u00d7", "70\u2013\u00d7"]);
    expect(find("b b, tbody i")).toBeNull();
  });

  test("one of them is chosen by a click, and none by another", async () => {
    const link = () => all(".saew-spanning .saew-link")[1];
    click(link());
    expect(model.get("feature")).toBe(5);
    await until(() => expect(link()?.getAttribute("aria-pressed")).toBe("true"));
    click(link());
    expect(model.get("feature")).toBeNull();
  });

  test("others are typed, take what was chosen along, and are computed", async () => {
    model.push({ selected: [3], components: [0, 1], colour: "feature:7" });
    await write("3, 99");
    await until(() => expect(box()?.getAttribute("aria-invalid")).toBe("true"));
    press(box(), "Enter");
    expect(model.get("features")).toEqual([3, 5, 7]);
    await write("5 3 3");
    press(box(), "Enter");
    expect(model.saved.at(-1)).toEqual({ features: [5, 3], selected: [], components: [], colour: "token" });
    await until(() => expect(all(".saew-spanning tbody tr").length).toBe(2));
    expect(requests("subspace").at(-1)?.p).toEqual({ features: [5, 3], colour: "token" });
    expect(all("[aria-label^='Leave out']").length).toBe(0); // two are needed
  });

  test("one is left out", async () => {
    click(named("Leave out feature 7"));
    expect(model.get("features")).toEqual([3, 5]);
  });

  test("set in Python are computed", async () => {
    model.push({ features: [5, 3] });
    await until(() => expect(all(".saew-spanning tbody tr").length).toBe(2));
    expect(box()?.value).toBe("5, 3");
  });

  test("that span nothing are said, not shown as others', and others can be chosen", async () => {
    model.push({ features: [3] });
    await until(() => expect(find(".saew-banner-error")?.textContent).toContain("<i>two</i> different features"));
    expect(plot()).toBeNull();
    expect(model.get("error")).toMatchObject({ type: "GeometryError" });
    await write("3, 5");
    press(box(), "Enter");
    await until(() => expect(plot()).not.toBeNull());
    expect(find(".saew-banner-error")).toBeNull();
  });

  test("none ask for nothing", async () => {
    model.push({ features: [] });
    await until(() => expect(find(".saew-empty")?.textContent).toContain("Choose two or more features"));
    expect(plot()).toBeNull();
    expect(requests("subspace").length).toBe(1);
  });
});

test("the scores stand beside those of shuffled features, with what they mean", async () => {
  await start();
  const section = find("section[aria-label=Scores]");
  expect(section?.querySelector("h3")?.textContent).toBe("Scores of PC2 and PC3");
  expect([...(section?.querySelectorAll("tbody tr") ?? [])].map((row) => row.textContent)).toEqual([
    "separability1.25 bits0.50 (0.25\u20130.75)",
    "mixture13%50% (25%\u201375%)",
    "circularity0.97",
  ]);
  button("mixture")?.dispatchEvent(new PointerEvent("pointerenter"));
  await until(() => expect(find("[role=tooltip]")?.textContent).toContain("Irreducible: low."));
});

test("a long computation can be stopped, and begun again", async () => {
  open(widget, STATE, ({ t, id }) =>
    t === "cancel" ? { t: "res", id, ok: false, e: { type: "Cancelled", message: "", traceback: "" } } : null,
  );
  await until(() => expect(button("Stop")).toBeDefined());
  click(button("Stop"));
  await until(() => expect(el.textContent).toContain("Stopped."));
  expect(find(".saew-banner-error")).toBeNull();
  model.answer = answering;
  click(button("Compute"));
  await until(() => expect(plot()).not.toBeNull());
});

test("after a refresh everything is asked for again", async () => {
  await start();
  model.push({ revision: 1 });
  await until(() => expect(requests("subspace").length).toBe(2));
});

test("an end leaves nothing behind", async () => {
  await start();
  hover(3);
  await until(() => expect(hovered()).toBe(3));
  stop();
  expect(model.listeners()).toBe(0);
});

test("a page has all pairs and colours, the texts that were recorded, and says which were not", async () => {
  const record = (ch: string, p: Record<string, unknown>): Recorded => {
    const found = answering({ t: "req", id: "", ch, p });
    if (found?.t !== "res" || !found.ok) throw new Error(ch);
    return { ch, p: p as Recorded["p"], r: found.r, arrays: found.arrays };
  };
  const features = [3, 5, 7];
  const recorded = [
    record("subspace", { features, colour: null }),
    record("colour", { features, colour: "token" }),
    record("colour", { features, colour: "position" }),
    record("texts", { features, points: [2, 4] }),
  ];
  const host = new RecordedModel({ state: { ...STATE, live: false, selected: [4, 9] }, recorded }, widget.offline);
  openOn(widget, host);
  await until(() => expect(groups().length).toBe(4));
  await until(() => expect(all(".saew-here").map((one) => one.textContent)).toEqual([" h4"]));
  expect(find("ol")?.textContent).toContain("Its text is not in this page");
  hover(2);
  await until(() => expect(find(".saew-point-text mark")?.textContent).toBe(" h2"));
  hover(9);
  await until(() => expect(tip()).toContain("Its text is not in this page."));
  choose(named("Colour of the points"), "position");
  await until(() => expect(find(".saew-legend")?.textContent).toContain("1  23"));
  click(named("PC1 and PC3: circularity 0.02"));
  await until(() => expect(axes()[1]).toContain("PC3"));
  expect(named<HTMLInputElement>("Features")?.readOnly).toBe(true);
  expect(all("[aria-label^='Leave out']").length).toBe(0);
  expect(find(".saew-banner")).toBeNull();
});
