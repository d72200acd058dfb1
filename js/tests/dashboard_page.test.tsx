import { beforeEach, describe, expect, test } from "vitest";
import type { ArraySpec, Json } from "../src/kernel/types";
import { RecordedModel } from "../src/page/host";
import type { Recorded } from "../src/page/offline";
import { offline } from "../src/widgets/dashboard/offline";
import { button, find, panel, press, rows, show, title } from "./board";
import { settle } from "./fake";
import { examplesAnswer, featureAnswer, LINES, STATE } from "./fake_dashboard";

describe("a page without a kernel", () => {
  const recorded: Recorded[] = [];
  const put = (ch: string, p: Json, answer: unknown) => {
    const { r, arrays } = answer as { r: Json; arrays: ArraySpec[] };
    recorded.push({ ch, p, r, arrays });
  };
  const how = { range: [], view: "snippet", window: 5, token: "", where: [] };
  /** A page lists the features that it has. */
  const LISTED = [17, 18];
  for (const f of LISTED) {
    put("feature", { f, sort: "density", list: LISTED }, featureAnswer("", f));
    put("examples", { f, group: "all", ...how }, examplesAnswer("", f));
  }
  put("examples", { f: 17, group: "all", ...how, view: "full" }, examplesAnswer("", 17, LINES.slice(1)));
  const notice = () => find(".saew-banner")?.textContent ?? "";
  let page: RecordedModel;

  beforeEach(async () => {
    page = new RecordedModel(
      { state: { ...STATE, features: LISTED, live: false } as unknown as Record<string, Json>, recorded },
      offline,
    );
    show(page);
    await settle();
  });

  test("shows what was recorded", async () => {
    button("top")?.click();
    await settle();
    expect([rows().length, notice()]).toEqual([2, ""]);
    find(".saew-ex .saew-bold")?.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
    await settle();
    expect(find(".saew-tip")).not.toBeNull();
  });

  test("goes back to the last settings with an answer, and says so", async () => {
    button("top")?.click();
    await settle();
    page.set("window", 20);
    await settle();
    expect(notice()).toContain("Not recorded in this page");
    expect([page.get("window"), page.get("group"), rows().length]).toEqual([5, "top", 2]);
    press(find(".saew-hist .saew-plot"), "ArrowRight");
    await settle();
    expect(page.get("activation_range")).toEqual([]);
    button("all")?.click();
    await settle();
    expect([rows().length, notice()]).toEqual([2, ""]);
  });

  test("a feature that was not recorded", async () => {
    button("top")?.click();
    await settle();
    panel("Correlated features")?.querySelector("button")?.click();
    await settle();
    expect(notice()).toContain("Not recorded");
    expect([page.get("feature"), page.get("group"), title(), rows().length]).toEqual([17, "top", "Feature 17", 2]);
    expect(button("\u2190 Back")?.disabled).toBe(true);
    find<HTMLButtonElement>('[aria-label="Dismiss the notice"]')?.click();
    await settle();
    expect(notice()).toBe("");
  });

  test("a recorded feature without these settings has the page's first ones", async () => {
    button("full")?.click();
    await settle();
    expect([notice(), rows().length]).toEqual(["", 1]);
    button("Next \u203a")?.click();
    await settle();
    expect([title(), page.get("view"), rows().length]).toEqual(["Feature 18", "snippet", 2]);
    expect(notice()).toContain("Not recorded");
  });

  test("random is one of the recorded", async () => {
    button("Random")?.click();
    await settle();
    expect(title()).toBe("Feature 18");
  });
});
