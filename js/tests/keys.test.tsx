/** Keys that a widget uses stay in it: a spy on the window, where VS Code listens, sees none of them from any control. */
import { afterEach, describe, expect, test } from "vitest";
import type { Widget } from "../src/page/mount";
import dashboard from "../src/widgets/dashboard";
import heatmap from "../src/widgets/heatmap";
import steering from "../src/widgets/steering";
import * as fake from "./fake";
import * as fakeDashboard from "./fake_dashboard";
import * as fakeSteering from "./fake_steering";
import { el, open, press, stop } from "./hands";

const WIDGETS: [string, Widget, Record<string, unknown>, fake.FakeModel["answer"]][] = [
  ["heatmap", heatmap, fake.STATE, fake.answering],
  ["dashboard", dashboard, fakeDashboard.STATE, fakeDashboard.answering],
  ["steering", steering, fakeSteering.STATE, fakeSteering.answering],
];
const KEYS = [
  "Home",
  "End",
  "PageUp",
  "PageDown",
  "Escape",
  "Enter",
  " ",
  "ArrowUp",
  "ArrowDown",
  "ArrowLeft",
  "ArrowRight",
];
const MINE: [string, KeyboardEventInit][] = [
  ...KEYS.map((key): [string, KeyboardEventInit] => [key, {}]),
  ["Home", { ctrlKey: true }],
  ["End", { ctrlKey: true }],
  ["End", { shiftKey: true }],
  ["Enter", { shiftKey: true }],
  ["Enter", { ctrlKey: true }],
];
const THEIRS: [string, KeyboardEventInit][] = [
  ["s", { ctrlKey: true }],
  ["s", { metaKey: true }],
  ["F1", {}],
  ["p", { ctrlKey: true, shiftKey: true }],
  ["Tab", {}],
  ["PageDown", { ctrlKey: true }],
];
const CONTROLS = "button, input, select, textarea, a, summary, [tabindex], [role=option], [role=tab], .saew-t";

let heard: string[] = [];
const spy = (event: KeyboardEvent) => heard.push(event.key);

afterEach(() => window.removeEventListener("keydown", spy));

describe.each(WIDGETS)("%s", (_name, widget, state, answer) => {
  test("every control keeps its keys and leaves the host's", async () => {
    open(widget, { ...state }, answer);
    await fake.settle();
    window.addEventListener("keydown", spy);
    const n = el.querySelectorAll(CONTROLS).length;
    expect(n).toBeGreaterThan(8);
    for (let i = 0; i < n; i++) {
      for (const [key, init] of MINE) {
        // What a key did may have drawn the control anew, or taken it away.
        const target = el.querySelectorAll(CONTROLS)[i];
        heard = [];
        press(target, key, init);
        expect(heard, `${key} on ${target?.outerHTML.slice(0, 80)}`).toEqual([]);
      }
      for (const [key, init] of THEIRS) {
        const target = el.querySelectorAll(CONTROLS)[i];
        heard = [];
        press(target, key, init);
        if (target) expect(heard).toEqual([key]);
      }
    }
    stop();
  });
});
