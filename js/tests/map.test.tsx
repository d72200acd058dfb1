/** The map of features by hand and by keys: pointing, clicking, lassoing, searching, colouring, and what it says. */

import { beforeEach, describe, expect, test } from "vitest";
import { screenX, screenY, WHOLE } from "../src/charts/plane";
import widget from "../src/widgets/map";
import { frameOf } from "../src/widgets/map/look";
import { pointsOf } from "../src/widgets/map/points";
import { answering, FOUND, kernelOf, LIST, layout, MISSING, STATE, steps } from "./fake_map";
import { all, button, choose, click, el, find, model, named, open, pause, press, requests, type, until } from "./hands";

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
} as unknown as typeof ResizeObserver;

const N = 62;
const SIZE = [480, 360] as const;

const points = pointsOf({
  r: layout(N),
  arrays: { xy: steps(N - MISSING.length).xy, missing: Uint32Array.from(MISSING) },
});
const start = async (state: Record<string, unknown> = {}, answer = answering) => {
  open(widget, { ...STATE, ...state }, answer);
  await until(() => expect(find(".saew-map-legend")).not.toBeNull());
};
const canvas = () => find("canvas");
const selected = () => model.get("selected_features") as number[];
/** Where a feature is on the screen, of the whole map. */
const at = (feature: number): [number, number] => {
  const frame = frameOf(points.box, ...SIZE, WHOLE);
  const row = points.rowOf[feature] ?? -1;
  return [screenX(frame, points.x[row] ?? 0), screenY(frame, points.y[row] ?? 0)];
};
const pointer = (name: string, [clientX, clientY]: [number, number], init: MouseEventInit = {}) =>
  canvas()?.dispatchEvent(
    new PointerEvent(name, { bubbles: true, button: 0, pointerId: 1, clientX, clientY, ...init }),
  );
const clickAt = (place: [number, number], init: MouseEventInit = {}) => {
  pointer("pointerdown", place, init);
  pointer("pointerup", place, init);
};
/** Around everything in a box, corner by corner. */
const drag = (from: [number, number], to: [number, number], init: MouseEventInit = {}) => {
  pointer("pointerdown", from, init);
  for (const place of [[to[0], from[1]], to, [from[0], to[1]]] as [number, number][])
    pointer("pointermove", place, init);
  pointer("pointerup", [from[0], to[1]], init);
};
/** The features in a box of the screen. */
const inBox = (left: number, top: number, right: number, bottom: number) =>
  [...points.features].filter((f) => {
    const [x, y] = at(f);
    return x > left && x < right && y > top && y < bottom;
  });

beforeEach(() => start());

describe("what is shown", () => {
  test("points are asked for once, colours when they are chosen", async () => {
    expect(requests("layout").length).toBe(1);
    expect(requests("colour").map(({ p }) => p)).toEqual([{ colour: "density" }]);
    choose(find(".saew-map-tools label:last-child select"), "cluster");
    expect(model.get("colour")).toBe("cluster");
    await until(() => expect(requests("colour").at(-1)?.p).toEqual({ colour: "cluster" }));
    model.receive({ t: "names" });
    await until(() => expect(requests("colour").length).toBe(3));
    expect(requests("layout").length).toBe(1);
  });

  test("what the map is worth, how it was made, how many have no place", () => {
    expect(el.textContent).toContain("UMAP keeps 12%");
    expect(el.textContent).toContain("by a made-up library");
    expect(find("[role=status]")?.textContent).toBe("60 features (2 have no place)");
    expect(canvas()?.getAttribute("aria-label")).toBe("Map of 60 features");
    const hint = canvas()?.getAttribute("aria-describedby") ?? "";
    expect(document.getElementById(hint)?.textContent).toContain("Escape clears");
  });

  test("a scale has its ends, and says where values are beyond it", () => {
    const scale = find(".saew-map-bar")?.textContent;
    expect(scale).toContain("\u2264 0.010%");
    expect(scale).toContain("10%");
    expect(scale).not.toContain("\u2265");
  });

  test("groups are named as text, and a click selects one, with shift one more", async () => {
    await start({ colour: "cluster" });
    expect(find(".saew-map-legend bdi")?.textContent).toBe("1: <b>day</b>");
    const entries = all(".saew-map-legend button");
    click(entries[1]);
    const odd = [...points.features].filter((_, row) => row % 2 === 1);
    expect(selected()).toEqual(odd);
    await until(() => expect(el.textContent).toContain("30 features selected"));
    click(all(".saew-map-legend button")[2], { shiftKey: true });
    expect(selected()).toEqual([...odd, points.features[0]]);
  });

  test("a map that cannot be made is said, with a way to try again; the rest goes on", async () => {
    const e = { type: "GeometryError", message: "pip install 'saewidgets[map]'", traceback: "" };
    open(widget, { ...STATE }, (m) => (m.ch === "layout" ? { t: "res", id: m.id, ok: false, e } : answering(m)));
    await until(() => expect(find(".saew-banner-error")?.textContent).toContain("saewidgets[map]"));
    expect(named("Search what is said of features")).not.toBeNull();
    model.answer = answering;
    click(button("Try again"));
    await until(() => expect(find(".saew-map-legend")).not.toBeNull());
    expect(find(".saew-banner-error")).toBeNull();
  });

  test("while it is made, how far it is", async () => {
    open(widget, { ...STATE }, (m) => (m.ch === "layout" ? null : answering(m)));
    await until(() => expect(el.textContent).toContain("The map is being made"));
    await until(() => expect(requests("layout").length).toBe(1));
    model.receive({ t: "progress", id: requests("layout")[0]?.id ?? "", done: 40, total: 100 });
    await until(() => expect(el.textContent).toContain("laying out"));
    expect(find("progress")?.getAttribute("value")).toBe("40");
  });

  test("it can be stopped, and begun again", async () => {
    open(widget, { ...STATE }, (m) => (m.ch === "layout" ? null : answering(m)));
    await until(() => expect(requests("layout").length).toBe(1));
    const id = requests("layout")[0]?.id ?? "";
    await until(() => expect(button("Stop")).not.toBeUndefined());
    click(button("Stop"));
    expect(model.sent.some((m) => m.t === "cancel" && m.id === id)).toBe(true);
    model.receive({ t: "res", id, ok: false, e: { type: "Cancelled", message: "stopped", traceback: "" } });
    await until(() => expect(el.textContent).not.toContain("The map is being made"));
    expect(find(".saew-banner-error")).toBeNull();
    model.answer = answering;
    click(button("Try again"));
    await until(() => expect(find(".saew-map-legend")).not.toBeNull());
  });
});

describe("the pointer", () => {
  test("finds the feature that it is on, and its card", async () => {
    pointer("pointermove", at(20));
    await until(() => expect(find(".saew-tip")?.textContent).toContain("Feature 20"));
    await until(() => expect(requests("card").at(-1)?.p).toEqual({ f: 20 }));
    pointer("pointerleave", at(20));
    await until(() => expect(find(".saew-tip")).toBeNull());
  });

  test("opens it with a click, and selects it with shift or ctrl", async () => {
    let opened = 0;
    el.addEventListener("saew-opened", () => {
      opened += 1;
    });
    clickAt(at(20));
    expect(model.get("feature")).toBe(20);
    expect(opened).toBe(1);
    expect(selected()).toEqual([]);
    clickAt(at(31), { ctrlKey: true });
    clickAt(at(8), { shiftKey: true });
    expect(selected()).toEqual([31, 8]);
    await until(() => expect(el.textContent).toContain("2 features selected"));
    clickAt(at(31), { ctrlKey: true });
    expect(selected()).toEqual([8]);
    clickAt([1, 1]);
    expect(model.get("feature")).toBe(20);
  });

  test("moves the map, after which a place is another one's", async () => {
    pointer("pointerdown", [100, 100]);
    pointer("pointermove", [130, 140]);
    pointer("pointerup", [130, 140]);
    const [x, y] = at(20);
    clickAt([x + 30, y + 40]);
    expect(model.get("feature")).toBe(20);
  });

  test("a wheel zooms where it is, once the map has the keyboard, and not before", () => {
    const [clientX, clientY] = at(20);
    const wheel = (init: WheelEventInit = {}) => {
      const event = new WheelEvent("wheel", {
        deltaY: -400,
        clientX,
        clientY,
        bubbles: true,
        cancelable: true,
        ...init,
      });
      // The tests' own document gives a wheel no place and no keys.
      for (const [name, value] of Object.entries({ clientX, clientY, ctrlKey: init.ctrlKey ?? false }))
        Object.defineProperty(event, name, { value });
      canvas()?.dispatchEvent(event);
      return event.defaultPrevented;
    };
    expect(wheel()).toBe(false);
    canvas()?.focus();
    expect(wheel()).toBe(true);
    canvas()?.blur();
    expect(wheel({ ctrlKey: true, deltaY: -30 })).toBe(true);
    clickAt(at(20));
    expect(model.get("feature")).toBe(20);
  });
});

describe("a lasso", () => {
  test("with shift selects what is inside, and with ctrl adds", async () => {
    drag([0, 0], [240, 360], { shiftKey: true });
    const half = inBox(0, 0, 240, 360);
    expect(half.length).toBeGreaterThan(10);
    expect(selected()).toEqual(half);
    drag([240, 0], [480, 180], { shiftKey: true, ctrlKey: true });
    expect(selected()).toEqual([...half, ...inBox(240, 0, 480, 180)]);
    drag([0, 0], [120, 360], { shiftKey: true });
    expect(selected()).toEqual(inBox(0, 0, 120, 360));
    await until(() => expect(el.textContent).toContain(`${selected().length} features selected`));
  });

  test("as a tool needs no key, and is given up with Escape", () => {
    click(button("Lasso"));
    pointer("pointerdown", [0, 0]);
    pointer("pointermove", [480, 0]);
    pointer("pointermove", [480, 360]);
    press(canvas(), "Escape");
    pointer("pointerup", [0, 360]);
    expect(selected()).toEqual([]);
  });

  test("takes nothing that is not in the list", async () => {
    await start({ only: "mine" });
    await until(() => expect(el.textContent).toContain(`${LIST.length} in the list`));
    drag([0, 0], [480, 360], { shiftKey: true });
    expect(selected()).toEqual(LIST);
    clickAt(at(20));
    expect(model.get("feature")).not.toBe(20);
  });
});

test("more than can be selected leave the selection as it was, and are said", async () => {
  await start({ selected_features: [20] }, kernelOf(10_001 + MISSING.length));
  const banner = () => find(".saew-banner")?.textContent ?? "";
  drag([0, 0], [480, 360], { shiftKey: true });
  await until(() => expect(banner()).toContain("10,001 features, more than the 10,000"));
  expect(selected()).toEqual([20]);
  drag([0, 0], [240, 360], { shiftKey: true });
  const half = selected();
  expect(half.length).toBeGreaterThan(1000);
  await until(() => expect(banner()).toBe(""));
  drag([0, 0], [480, 360], { shiftKey: true, ctrlKey: true });
  await until(() => expect(banner()).toContain("more than the 10,000"));
  expect(selected()).toEqual(half);
});

describe("keys", () => {
  const middleOf = (place: (f: number) => [number, number]) =>
    [...points.features].reduce((a, b) => {
      const far = (f: number) => Math.hypot(place(f)[0] - SIZE[0] / 2, place(f)[1] - SIZE[1] / 2);
      return far(b) < far(a) ? b : a;
    });

  test("move and zoom, and open what is nearest to the middle", async () => {
    press(canvas(), "ArrowRight");
    press(canvas(), "ArrowDown");
    const moved = middleOf((f) => [at(f)[0] - 60, at(f)[1] - 60]);
    await until(() => expect(find(".saew-tip")?.textContent).toContain(`Feature ${moved}`));
    press(canvas(), "Enter");
    expect(model.get("feature")).toBe(moved);
    press(canvas(), " ");
    expect(selected()).toEqual([moved]);
    press(canvas(), "0");
    press(canvas(), "+");
    press(canvas(), "-");
    const whole = middleOf(at);
    await until(() => expect(find(".saew-tip")?.textContent).toContain(`Feature ${whole}`));
    press(canvas(), "Escape");
    expect(selected()).toEqual([]);
  });

  test("those of the browser stay the browser's", () => {
    const event = new KeyboardEvent("keydown", { key: "+", ctrlKey: true, bubbles: true, cancelable: true });
    canvas()?.dispatchEvent(event);
    expect(event.defaultPrevented).toBe(false);
  });
});

describe("searching", () => {
  test("counts what is found, and selects it", async () => {
    type(named("Search what is said of features"), "day");
    await until(() => expect(requests("marks").at(-1)?.p).toEqual({ query: "day", by: "words", only: "" }));
    await until(() => expect(el.textContent).toContain("3 found"));
    click(button("Select the 3 found"));
    expect(selected()).toEqual(FOUND);
    click(button("meaning"));
    await until(() => expect(requests("marks").at(-1)?.p).toEqual({ query: "day", by: "meaning", only: "" }));
    type(named("Search what is said of features"), "");
    await until(() => expect(el.textContent).not.toContain("found"));
  });

  test("in a list", async () => {
    await start({ query: "day", only: "mine" });
    await until(() => expect(el.textContent).toContain(`${LIST.length} in the list, 1 found`));
  });

  test("what is not installed is said where it was asked, and what was found before goes", async () => {
    await start({ query: "day" });
    await until(() => expect(el.textContent).toContain("3 found"));
    const e = { type: "SearchError", message: "pip install saewidgets[search]", traceback: "" };
    model.answer = (m) => (m.ch === "marks" ? { t: "res", id: m.id, ok: false, e } : answering(m));
    click(button("meaning"));
    await until(() => expect(find(".saew-banner-error")?.textContent).toContain("saewidgets[search]"));
    expect(el.textContent).not.toContain("3 found");
    model.answer = answering;
    click(button("words"));
    await until(() => expect(el.textContent).toContain("3 found"));
    expect(find(".saew-banner-error")).toBeNull();
  });
});

describe("what is selected", () => {
  test("goes into a list, which then can be chosen", async () => {
    model.push({ selected_features: [5, 6, 3] });
    await until(() => expect(el.textContent).toContain("1 of them has no place"));
    type(named("Name of the list"), "mine");
    await until(() => expect(button("Add to the list")?.disabled).toBe(false));
    click(button("Add to the list"));
    await until(() => expect(el.textContent).toContain("\u2018mine\u2019 has 2 features now"));
    expect(requests("list")[0]?.p).toEqual({ name: "mine", features: [5, 6, 3] });
    expect(requests("facts").length).toBe(2);
    expect(requests("layout").length).toBe(1);
  });

  test("an open feature is shown on the map, or said to have no place", async () => {
    model.push({ feature: 20 });
    await until(() => expect(button("show it")).toBeTruthy());
    click(button("show it"));
    await pause(5);
    clickAt([SIZE[0] / 2, SIZE[1] / 2]);
    expect(model.get("feature")).toBe(20);
    model.push({ feature: MISSING[0] });
    await until(() => expect(el.textContent).toContain("it has no place"));
  });

  test("the whole screen, and back; Escape there keeps the selection", async () => {
    model.push({ selected_features: [5] });
    click(named("Full screen"));
    await until(() => expect(find(".saew-map")?.dataset.full).toBe("true"));
    press(canvas(), "Escape");
    await until(() => expect(find(".saew-map")?.dataset.full).toBeUndefined());
    expect(selected()).toEqual([5]);
  });
});
