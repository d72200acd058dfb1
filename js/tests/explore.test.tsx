/** The workbench's bar: it marks the box that it stands in. */

import { beforeEach, describe, expect, test } from "vitest";
import widget from "../src/widgets/explore";
import { SAID } from "./fake";
import { button, click, el, find, model, named, open, press, stop, until } from "./hands";

let changed: (() => void)[] = [];
globalThis.ResizeObserver = class {
  readonly #callback: () => void;
  constructor(callback: () => void) {
    this.#callback = callback;
    changed.push(callback);
  }
  observe() {}
  unobserve() {}
  disconnect() {
    changed = changed.filter((one) => one !== this.#callback);
  }
} as unknown as typeof ResizeObserver;

const STATE = {
  left: "browser",
  right: "dashboard",
  front: "browser",
  feature: 5,
  theme: "light",
  error: null,
  revision: 0,
};
let box: HTMLElement;
const resize = (width: number) => {
  Object.defineProperty(box, "clientWidth", { value: width, configurable: true });
  for (const callback of changed) callback();
};

beforeEach(async () => {
  changed = [];
  open(widget, STATE, (m) =>
    m.t === "req" ? { t: "res", id: m.id, ok: true, r: { label: null, said: SAID }, arrays: [] } : null,
  );
  // A notebook puts it into its box after it was drawn.
  box = document.createElement("div");
  box.className = "saew-explore";
  document.body.append(box);
  box.append(el);
  resize(900);
  await until(() => expect(box.dataset.shown).toBe("browser"));
});

describe("in sight", () => {
  test("one view where there is room for one, two where there is for two", async () => {
    expect(named("View")?.textContent).toBe("FeaturesMapTextCompareLayersDashboardSteeringWhyShapePair");
    resize(1400);
    await until(() => expect(box.dataset.shown).toBe("browser dashboard"));
    expect(box.dataset.wide).toBe("true");
    click(button("Steering"));
    expect(model.get("right")).toBe("steering");
    await until(() => expect(box.dataset.shown).toBe("browser steering"));
    click(button("Text"));
    await until(() => expect(box.dataset.shown).toBe("heatmap steering"));
    resize(900);
    await until(() => expect(box.dataset.shown).toBe("heatmap"));
  });

  test("a row that is opened beside it shows the dashboard, where one view is in sight", async () => {
    const beside = document.createElement("div");
    box.append(beside);
    beside.dispatchEvent(new CustomEvent("saew-opened", { bubbles: true }));
    expect(model.get("front")).toBe("dashboard");
    await until(() => expect(box.dataset.shown).toBe("dashboard"));
    click(button("Text"));
    expect(model.get("front")).toBe("heatmap");
  });

  test("a box of no width, in a hidden tab, changes nothing", async () => {
    resize(1400);
    await until(() => expect(box.dataset.wide).toBe("true"));
    resize(0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(box.dataset.wide).toBe("true");
  });
});

describe("the bar", () => {
  test("says which feature is looked at, and what is said of it", async () => {
    await until(() => expect(find(".saew-bench-feature")?.textContent).toBe("Feature 5 fires on words"));
    model.push({ feature: null });
    await until(() => expect(find(".saew-bench-feature")?.textContent).toContain("no feature selected"));
  });

  test("full screen is the box's, with all that it arranges", async () => {
    click(named("Full screen"));
    await until(() => expect(named("Leave full screen")).toBeTruthy());
    expect(box.dataset.full).toBe("true");
    press(document.body, "Escape");
    await until(() => expect(named("Full screen")).toBeTruthy());
    expect(box.dataset.full).toBeUndefined();
  });

  test("closed it leaves nothing behind", () => {
    stop();
    expect(model.listeners()).toBe(0);
    press(document.body, "Escape");
  });
});
