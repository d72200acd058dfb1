/** The feature browser and the table of any length. */

import { beforeEach, describe, expect, test } from "vitest";
import widget from "../src/widgets/browser";
import { kernelOf, STATE } from "./fake_browser";
import { all, button, choose, click, el, find, model, named, open, press, requests, type, until } from "./hands";

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
} as unknown as typeof ResizeObserver;

const N = 131_072;
const start = async (state: Record<string, unknown> = {}, n = N) => {
  open(widget, { ...STATE, ...state }, kernelOf(n));
  await until(() => expect(rows().length).toBeGreaterThan(0));
};
const rows = () => all(".saew-table tbody tr");
const numbers = () => rows().map((row) => Number(row.querySelector("b")?.textContent));
const table = () => find("table[role=grid]");
const windows = () => requests("rows").map(({ p }) => p?.first);
const scroll = (top: number) => {
  const box = find(".saew-table");
  if (!box) throw new Error("no table");
  box.scrollTop = top;
  box.dispatchEvent(new Event("scroll"));
};

beforeEach(() => start());

describe("a table of any length", () => {
  test("draws the rows in sight, of one window", () => {
    expect(table()?.getAttribute("aria-rowcount")).toBe(String(N + 1));
    expect(rows().length).toBeLessThan(40);
    expect(numbers().slice(0, 3)).toEqual([N - 1, N - 2, N - 3]);
    expect(windows()).toEqual([0]);
    expect(requests("rows")[0]?.p?.count).toBe(200);
  });

  test("scrolled to the end it shows the last, and asks for no window twice", async () => {
    scroll(26 * N);
    await until(() => expect(numbers().at(-1)).toBe(0));
    expect(rows().at(-1)?.getAttribute("aria-rowindex")).toBe(String(N + 1));
    expect(rows().at(-1)?.textContent).toContain("\u2013"); // feature 0 has no maximum
    const asked = windows().length;
    scroll(26 * N - 100);
    scroll(0);
    await until(() => expect(numbers()[0]).toBe(N - 1));
    expect(windows().length).toBe(asked);
  });

  test("what is on its way is said", async () => {
    model.answer = () => null;
    scroll(26 * 60_000);
    await until(() => expect(rows()[5]?.textContent).toContain("\u2026"));
    model.answer = kernelOf(N);
  });

  test("keys move, open and select", async () => {
    press(table(), "ArrowDown");
    press(table(), "ArrowDown");
    await until(() => expect(find(".saew-table-cursor b")?.textContent).toBe(String(N - 3)));
    expect(table()?.getAttribute("aria-activedescendant")).toBe(find(".saew-table-cursor")?.id);
    press(table(), "Enter");
    expect(model.get("feature")).toBe(N - 3);
    press(table(), " ");
    expect(model.get("selected_features")).toEqual([N - 3]);
    press(table(), "End");
    await until(() => expect(find(".saew-table-cursor b")?.textContent).toBe("0"));
    press(table(), "Home");
    await until(() => expect(find(".saew-table-cursor b")?.textContent).toBe(String(N - 1)));
  });

  test("a range of rows is selected with shift", async () => {
    click(rows()[1]?.querySelector("input"));
    await until(() => expect(rows()[1]?.getAttribute("aria-selected")).toBe("true"));
    click(rows()[4]?.querySelector("input"), { shiftKey: true });
    expect(model.get("selected_features")).toEqual([N - 2, N - 3, N - 4, N - 5]);
    await until(() => expect(rows()[4]?.getAttribute("aria-selected")).toBe("true"));
    click(rows()[1]?.querySelector("input"));
    expect(model.get("selected_features")).toEqual([N - 3, N - 4, N - 5]);
  });

  test("heads sort, and again the other way round", async () => {
    click(button("max"));
    await until(() => expect(requests("rows").at(-1)?.p?.chosen).toMatchObject({ sort: "max", descending: true }));
    await until(() => expect(find('th[aria-sort="descending"]')?.textContent).toBe("max \u25be"));
    scroll(26 * 1000);
    click(button("max \u25be"));
    await until(() => expect(numbers()[0]).toBe(0));
    expect(requests("rows").at(-1)?.p).toMatchObject({ first: 0, chosen: { sort: "max", descending: false } });
  });
});

describe("narrowing", () => {
  test("a search goes by match, says how, and tells its two kinds apart", async () => {
    type(named("Search what is said of features"), "days");
    await until(() => expect(rows().length).toBe(3));
    expect(find("p[role=status]")?.textContent).toBe(`3 of ${N.toLocaleString("en")} features, best first`);
    expect(rows()[0]?.textContent).toContain("word");
    expect(all("th").map(({ textContent }) => textContent)).toContain("match \u25be");
    click(button("meaning"));
    await until(() => expect(all("th").map(({ textContent }) => textContent)).toContain("cosine \u25be"));
    await until(() =>
      expect(requests("rows").at(-1)?.p?.chosen).toMatchObject({ query: "days", by: "meaning", sort: "" }),
    );
  });

  test("sliders give bounds at bins' edges, and take them away", async () => {
    click(button("Filters"));
    await until(() => expect(named("Smallest max")).not.toBeNull());
    expect(named("Smallest min")).toBeNull(); // all have one value
    choose(named("Smallest max"), "2");
    expect(model.get("filters")).toEqual({ max: [2, null] });
    await until(() =>
      expect(requests("rows").at(-1)?.p?.chosen).toMatchObject({ filters: [{ column: "max", low: 2, high: null }] }),
    );
    choose(named("Largest density"), "1");
    expect(model.get("filters")).toEqual({ max: [2, null], density: [null, 1] });
    await until(() => expect(button("Filters (2)")).toBeTruthy());
    click(named("Any max"));
    expect(model.get("filters")).toEqual({ density: [null, 1] });
    click(button("Clear the filters"));
    expect(model.get("filters")).toEqual({});
  });

  test("bounds that Python set are shown", async () => {
    await start({ filters: { max: [1, 3] } });
    await until(() => expect(find(".saew-ranges")?.textContent).toContain("max 1.000 to 2.000"));
  });

  test("only what is selected, also while that changes", async () => {
    expect(find("select")?.textContent).not.toContain("selected");
    model.push({ selected_features: [5, 6] });
    await until(() => expect(find("select")?.textContent).toContain("selected (2)"));
    expect(requests("rows").at(-1)?.p?.chosen).toMatchObject({ only: "", selected: [] });
    choose(find("select"), "selected");
    expect(model.get("only")).toBe("selected");
    await until(() => expect(requests("rows").at(-1)?.p?.chosen).toMatchObject({ only: "selected", selected: [5, 6] }));
    model.push({ selected_features: [6] });
    await until(() => expect(requests("rows").at(-1)?.p?.chosen).toMatchObject({ only: "selected", selected: [6] }));
  });

  test("what the kernel shows from the start is shown", async () => {
    const heads = () => all("th button").map(({ textContent }) => textContent?.replace(/ [\u25be\u25b4]/, ""));
    await until(() => expect(heads()).toEqual(["feature", "density", "max", "mean"]));
    open(widget, { ...STATE, sort: "logit_std" }, (message) => {
      const answer = kernelOf(N)(message);
      if (answer?.t !== "res" || !answer.ok || message.ch !== "summary") return answer;
      return { ...answer, r: { ...(answer.r as object), shown: ["density", "logit_std", "neuron_r"] } };
    });
    await until(() => expect(heads()).toEqual(["feature", "density", "logit_std", "neuron_r"]));
  });

  test("a column that is sorted or filtered by is shown", async () => {
    expect(button("std")).toBeUndefined();
    model.push({ filters: { std: [1, null] } });
    await until(() => expect(button("std")).toBeTruthy());
  });
});

describe("features", () => {
  test("what is said is text, and what nobody wrote told apart", async () => {
    await start({}, 9);
    const seven = rows().find((row) => row.textContent?.includes("seven"));
    expect(seven?.textContent).toContain("<b>seven</b>");
    expect(seven?.querySelectorAll("b").length).toBe(1);
    expect(rows()[0]?.querySelector(".saew-automatic")?.textContent).toBe("says 8");
  });

  test("the clicked one has a card beside the table", async () => {
    let opened = 0;
    el.addEventListener("saew-opened", () => {
      opened += 1;
    });
    click(rows()[2]);
    expect(opened).toBe(1);
    expect(model.get("feature")).toBe(N - 3);
    await until(() => expect(find("aside .saew-glance")?.textContent).toContain(`Feature ${N - 3}`));
    model.push({ card: false });
    await until(() => expect(find("aside")).toBeNull());
  });

  test("a card of the row under the pointer, and none once rows go on under it", async () => {
    rows()[1]?.dispatchEvent(new Event("pointermove"));
    await until(() => expect(find(".saew-tip")?.textContent).toContain(`Feature ${N - 2}`));
    scroll(26 * 10);
    await until(() => expect(find(".saew-tip")).toBeNull());
    rows()[1]?.dispatchEvent(new Event("pointermove"));
    const f = Number(rows()[1]?.querySelector("b")?.textContent);
    expect(f).toBeLessThan(N - 2);
    await until(() => expect(find(".saew-tip")?.textContent).toContain(`Feature ${f}`));
  });

  test("selected ones are put into a list by name", async () => {
    model.push({ selected_features: [5, 6] });
    await until(() => expect(el.textContent).toContain("2 features selected"));
    expect(button("Add to the list")?.disabled).toBe(true);
    type(named("Name of the list"), "mine");
    await until(() => expect(button("Add to the list")?.disabled).toBe(false));
    click(button("Add to the list"));
    await until(() => expect(el.textContent).toContain("\u2018mine\u2019 has 2 features now"));
    expect(requests("list")[0]?.p).toEqual({ name: "mine", features: [5, 6] });
    expect(requests("summary").length).toBe(2);
  });

  test("a failure is said, and the table goes on", async () => {
    const e = { type: "SearchError", message: "pip install saewidgets[search]", traceback: "" };
    model.answer = (m) => (m.ch === "rows" ? { t: "res", id: m.id, ok: false, e } : kernelOf(N)(m));
    type(named("Search what is said of features"), "days");
    await until(() => expect(find(".saew-banner-error")?.textContent).toContain("saewidgets[search]"));
    model.answer = kernelOf(N);
    type(named("Search what is said of features"), "day");
    await until(() => expect(rows().length).toBe(3));
    expect(find(".saew-banner-error")).toBeNull();
  });
});
