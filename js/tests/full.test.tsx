/** Full screen: where it is granted, refused and unknown, left by the button, by a key or by the browser. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { fillScreen } from "../src/page/full";

let outer: HTMLElement;
let box: HTMLElement;
let left: ReturnType<typeof vi.fn<() => void>>;
/** What the browser shows in full, the last on top. */
let shown: HTMLElement[];

const settle = () => new Promise((resolve) => setTimeout(resolve));
const pressEscape = (at: HTMLElement) => {
  const event = new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true });
  at.dispatchEvent(event);
};

/** A browser that grants it, or not. */
function browser(of: HTMLElement, grants: boolean): void {
  vi.spyOn(of, "matches").mockImplementation((selector: string) => selector === ":fullscreen" && shown.includes(of));
  of.requestFullscreen = async () => {
    if (!grants) throw new TypeError("Disallowed by permissions policy");
    shown.push(of);
    document.dispatchEvent(new Event("fullscreenchange"));
  };
  of.showPopover = vi.fn();
}

beforeEach(() => {
  shown = [];
  left = vi.fn<() => void>();
  [outer, box] = [document.createElement("div"), document.createElement("div")];
  outer.append(box);
  document.body.replaceChildren(outer);
  document.exitFullscreen = vi.fn(async () => {
    shown.pop();
    document.dispatchEvent(new Event("fullscreenchange"));
  });
});

describe("granted", () => {
  beforeEach(() => browser(box, true));

  test("left by Escape with the focus inside, which nobody else hears", async () => {
    const heard = vi.fn();
    box.addEventListener("keydown", heard);
    fillScreen(box, left);
    await settle();
    expect(box.dataset.full).toBe("true");
    expect(box.showPopover).not.toHaveBeenCalled();
    pressEscape(box);
    await settle();
    expect([box.dataset.full, shown.length, left.mock.calls.length]).toEqual([undefined, 0, 1]);
    expect(heard).not.toHaveBeenCalled();
    pressEscape(box);
    expect([heard.mock.calls.length, left.mock.calls.length]).toEqual([1, 1]);
  });

  test("left by the browser's own doing", async () => {
    fillScreen(box, left);
    await settle();
    await document.exitFullscreen();
    expect([box.dataset.full, left.mock.calls.length]).toEqual([undefined, 1]);
    expect(document.exitFullscreen).toHaveBeenCalledTimes(1);
  });

  test("left before it was granted", async () => {
    fillScreen(box, left)();
    await settle();
    expect([box.dataset.full, shown.length, left.mock.calls.length]).toEqual([undefined, 0, 1]);
  });

  test("a view inside a box that fills the screen is left before the box", async () => {
    browser(outer, true);
    const outerLeft = vi.fn<() => void>();
    fillScreen(outer, outerLeft);
    await settle();
    fillScreen(box, left);
    await settle();
    expect(shown).toEqual([outer, box]);
    pressEscape(box);
    await settle();
    expect([left.mock.calls.length, outerLeft.mock.calls.length]).toEqual([1, 0]);
    expect([box.dataset.full, outer.dataset.full]).toEqual([undefined, "true"]);
    pressEscape(outer);
    await settle();
    expect([outerLeft.mock.calls.length, shown.length]).toEqual([1, 0]);
  });
});

test("refused: above all else in the window, and what is below keeps its place", async () => {
  browser(box, false);
  Object.defineProperty(box, "offsetHeight", { value: 321 });
  const leave = fillScreen(box, left);
  await settle();
  expect([box.dataset.full, box.popover]).toEqual(["true", "manual"]);
  expect(box.showPopover).toHaveBeenCalledTimes(1);
  expect(outer.style.minHeight).toBe("321px");
  pressEscape(document.body);
  expect([box.dataset.full, box.popover, outer.style.minHeight]).toEqual([undefined, null, ""]);
  expect(document.exitFullscreen).not.toHaveBeenCalled();
  leave();
  expect(left).toHaveBeenCalledTimes(1);
});

test("a browser that knows neither still fills its window", async () => {
  Object.assign(box, { requestFullscreen: undefined, showPopover: undefined });
  const leave = fillScreen(box, left);
  await settle();
  expect(box.dataset.full).toBe("true");
  leave();
  expect(box.dataset.full).toBeUndefined();
});
