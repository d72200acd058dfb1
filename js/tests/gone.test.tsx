/** After a restart of the kernel every widget says so, first above all, then beside whatever is used; nothing looks busy. */
import { describe, expect, test, vi } from "vitest";
import type { Widget } from "../src/page/mount";
import browser from "../src/widgets/browser";
import dashboard from "../src/widgets/dashboard";
import heatmap from "../src/widgets/heatmap";
import steering from "../src/widgets/steering";
import * as fake from "./fake";
import * as fakeBrowser from "./fake_browser";
import * as fakeDashboard from "./fake_dashboard";
import * as fakeSteering from "./fake_steering";
import { el, model, open, stop } from "./hands";

const WIDGETS: [string, Widget, Record<string, unknown>, fake.FakeModel["answer"]][] = [
  ["heatmap", heatmap, fake.STATE, fake.answering],
  ["dashboard", dashboard, fakeDashboard.STATE, fakeDashboard.answering],
  ["browser", browser, fakeBrowser.STATE, fakeBrowser.answering],
  ["steering", steering, fakeSteering.STATE, fakeSteering.answering],
];
const SAID = "The kernel was restarted or shut down: run this cell again.";

async function shown(widget: Widget, state: Record<string, unknown>, answer: fake.FakeModel["answer"]) {
  open(widget, { ...state }, answer);
  await fake.settle();
  return { model, el, stop };
}

describe.each(WIDGETS)("%s", (_name, widget, state, answer) => {
  test("nothing is said while the kernel lives", async () => {
    const { el, stop } = await shown(widget, state, answer);
    expect(el.textContent).not.toContain("restarted");
    stop();
  });

  test("what the host tells is said at once, and again where the widget is used", async () => {
    const { model, el, stop } = await shown(widget, state, answer);
    model.answer = null;
    model.emit("comm_live_update");
    await fake.settle();
    const alert = () => el.querySelector<HTMLElement>("[role=alert]");
    expect(alert()?.textContent).toContain(SAID);
    expect(alert()?.style.left).toBe("");
    const buttons = [...el.querySelectorAll<HTMLButtonElement>("button:not(:disabled)")];
    expect(buttons.length).toBeGreaterThan(2);
    buttons.at(-1)?.click();
    await fake.settle();
    expect(el.querySelectorAll("[role=alert]")).toHaveLength(1);
    expect(alert()?.textContent).toContain(SAID);
    expect(alert()?.style.left).toMatch(/^\d+(\.\d+)?px$/);
    stop();
  });

  test("no answer is said after a while, of whatever was asked", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      open(widget, { ...state }, null);
      await vi.advanceTimersByTimeAsync(14_000);
      expect(el.textContent).not.toContain("No answer from the kernel");
      await vi.advanceTimersByTimeAsync(3_000);
      expect(el.textContent).toContain("No answer from the kernel");
      expect(el.textContent).toContain("run this cell again");
    } finally {
      vi.useRealTimers();
    }
    stop();
  });

  test("a question that cannot be sent is no error of the widget", async () => {
    const { model, el, stop } = await shown(widget, state, answer);
    model.send = () => {
      throw new Error("Cannot send");
    };
    model.set("revision", 5);
    for (const button of el.querySelectorAll<HTMLButtonElement>(".saew-primary")) button.click();
    await fake.settle();
    await fake.settle();
    expect(el.textContent).toContain(SAID);
    expect(el.textContent).not.toContain("Cannot send");
    expect(model.get("error") ?? null).toBeNull();
    expect([...el.querySelectorAll("button")].map((b) => b.textContent)).not.toContain("Stop");
    expect(el.querySelector(".saew-busy-on")).toBeNull();
    stop();
  });
});
