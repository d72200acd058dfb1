/** The catalog's view: its table, what narrows it, the details of an SAE, loading and code. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Json } from "../src/kernel/types";
import { type Bundle, RecordedModel } from "../src/page/host";
import catalog from "../src/widgets/catalog";
import { answering, details, kernel, STATE, sae } from "./fake_catalog";
import golden from "./golden/catalog.json";
import {
  all,
  button,
  choose,
  click,
  el,
  find,
  model,
  named,
  openOn,
  pause,
  press,
  requests,
  open as show,
  stop,
  type,
  until,
} from "./hands";

const last = (channel: string) => requests(channel).at(-1)?.p as Record<string, Json>;
const chosen = () => last("rows")?.chosen as Record<string, Json>;
const lines = () => all("tbody tr");
const cells = (line: Element | undefined) => [...(line?.querySelectorAll("td") ?? [])].map((td) => td.textContent);

function open(state: Record<string, unknown> = {}): void {
  show(catalog, { ...STATE, ...state }, answering);
}

beforeEach(() => {
  Object.assign(kernel, { total: 100_000, ready: null, own: "" });
  // A box with a height, so that rows are in sight.
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(480);
});
afterEach(() => {
  stop?.();
  vi.restoreAllMocks();
});

describe("the table", () => {
  test("draws the rows in sight, with a dash for what is unknown", async () => {
    open();
    await until(() => expect(lines().length).toBeGreaterThan(10));
    expect(lines().length).toBeLessThan(40);
    expect(cells(lines()[0])).toEqual([
      "gemma-2-2b",
      "release-0",
      "blocks.0.hook_resid_pre",
      "\u2013",
      "0",
      "\u2013",
      "0.5",
      "\u2013",
    ]);
    expect(cells(lines()[1]).slice(3)).toEqual(["blocks.1.hook_resid_pre", "1", "16,384", "1.5", "0.75"]);
    expect(find(".saew-catalog-count")?.textContent).toBe("100,000 SAEs, by model and release");
    expect(requests("rows")[0]?.p).toEqual({
      chosen: { query: "", model: "", architecture: "", sort: "", descending: false, filters: [] },
      first: 0,
      count: 200,
    });
  });

  test("scrolls to the end", async () => {
    open();
    await until(() => expect(lines().length).toBeGreaterThan(10));
    press(find("[role=grid]"), "End");
    const grid = find(".saew-table") as HTMLElement;
    grid.dispatchEvent(new Event("scroll"));
    await until(() => expect(cells(lines().at(-1))[2]).toBe("blocks.99999.hook_resid_pre"));
    expect(Number(last("rows").first) % 100).toBe(0);
  });

  test("sorts by a head: texts from A, numbers from the largest, and back", async () => {
    open();
    await until(() => expect(lines().length).toBeGreaterThan(10));
    const head = (title: string) => all("thead button").find((one) => one.textContent?.startsWith(title));
    click(head("release"));
    expect(model.saved.at(-1)).toEqual({ sort: "release" });
    await until(() => expect(find(".saew-catalog-count")?.textContent).toContain("by release, from A to Z"));
    click(head("L0"));
    await until(() => expect(chosen()).toMatchObject({ sort: "l0", descending: true }));
    await until(() => expect(find(".saew-catalog-count")?.textContent).toContain("by L0, largest first"));
    click(head("L0"));
    await until(() => expect(chosen()).toMatchObject({ sort: "l0", descending: false }));
    expect(head("L0")?.closest("th")?.getAttribute("aria-sort")).toBe("ascending");
  });

  test("says that nothing is left", async () => {
    kernel.total = 0;
    open({ query: "zzz" });
    await until(() => expect(find(".saew-empty")?.textContent).toBe("No SAE has all of this."));
    expect(find(".saew-catalog-count")?.textContent).toContain("0 of 100,000 SAEs");
  });

  test("marks those that are not for one's own model", async () => {
    kernel.own = "gpt2";
    open();
    await until(() => expect(lines().length).toBeGreaterThan(10));
    expect(lines()[0]?.querySelectorAll(".saew-catalog-other").length).toBe(4);
    expect(lines()[1]?.querySelectorAll(".saew-catalog-other").length).toBe(0);
    await until(() => expect(all("select")[0]?.textContent).toContain("gpt2-small (yours)"));
  });
});

describe("what narrows it", () => {
  test("words, a model and an architecture", async () => {
    open();
    await until(() => expect(all("select")[0]?.querySelectorAll("option").length).toBe(3));
    type(named("Search models, releases, ids and hooks"), "gpt2 res");
    await until(() => expect(chosen().query).toBe("gpt2 res"));
    choose(all("select")[0], "gpt2-small");
    choose(all("select")[1], "gated");
    await until(() =>
      expect(chosen()).toMatchObject({ query: "gpt2 res", model: "gpt2-small", architecture: "gated" }),
    );
    click(button("Clear"));
    await until(() => expect(chosen()).toMatchObject({ query: "", model: "", architecture: "" }));
    expect(named<HTMLInputElement>("Search models, releases, ids and hooks")?.value).toBe("");
  });

  test("a slider has a step for every layer, and one layer alone", async () => {
    open();
    await until(() => expect(all("select")[0]?.querySelectorAll("option").length).toBe(3));
    click(button("Ranges"));
    await until(() => expect(all(".saew-range legend").length).toBe(3));
    expect(all(".saew-range legend")[0]?.textContent).toBe("layer 0 to 3");
    choose(named("Smallest layer"), "2");
    await until(() => expect(chosen().filters).toEqual([{ column: "layer", low: 2, high: null }]));
    choose(named("Largest layer"), "3");
    await until(() => expect(chosen().filters).toEqual([{ column: "layer", low: 2, high: 2 }]));
    await until(() => expect(all(".saew-range legend")[0]?.textContent).toContain("layer 2 to 2"));
    expect(named<HTMLInputElement>("Smallest layer")?.value).toBe("2");
    expect(named<HTMLInputElement>("Largest layer")?.value).toBe("3");
    expect(el.textContent).toContain("SAEs of which the number is not known are left out.");
    click(named("Any layer"));
    await until(() => expect(chosen().filters).toEqual([]));
  });

  test("another column's slider goes by its edges", async () => {
    open({ filters: { width: [2000, null] } });
    await until(() => expect(all(".saew-range legend")[1]?.textContent).toContain("width 2,000 to 4,000"));
    expect(find("[aria-expanded=true]")?.textContent).toBe("Ranges (1)");
    choose(named("Smallest variance explained"), "1");
    await until(() =>
      expect(chosen().filters).toEqual([
        { column: "variance_explained", low: 0.5, high: null },
        { column: "width", low: 2000, high: null },
      ]),
    );
  });
});

async function opened(state: Record<string, unknown> = {}): Promise<void> {
  open({ selected: sae(1), ...state });
  await until(() => expect(find(".saew-catalog-field")).not.toBeNull());
}

describe("the details", () => {
  test("of the clicked one: the whole row is the trait, and its fields have sentences", async () => {
    open();
    await until(() => expect(lines().length).toBeGreaterThan(10));
    click(lines()[3]);
    expect(model.saved.at(-1)).toEqual({ selected: sae(3) });
    await until(() => expect(find(".saew-catalog-field")).not.toBeNull());
    expect(find("aside h3")?.textContent).toBe("release-3");
    const fields = all(".saew-catalog-field").map((one) => [...one.children].map((child) => child.textContent));
    expect(fields).toEqual([
      ["model", "gpt2-small", "The language model."],
      ["width (d_sae)", "unknown", "How many features."],
    ]);
    expect(el.textContent).toContain("Known once it is loaded: context size and more.");
    expect(all(".saew-chosen").length).toBe(1);
    expect(lines()[3]?.classList.contains("saew-chosen")).toBe(true);
    click(named("Close the details"));
    await until(() => expect(find("aside")).toBeNull());
    expect(model.get("selected")).toBeNull();
  });

  test("by keyboard, and of what Python selects", async () => {
    open();
    await until(() => expect(lines().length).toBeGreaterThan(10));
    press(find("[role=grid]"), "ArrowDown");
    await until(() => expect(find(".saew-table-cursor")?.id).toMatch(/row-1$/));
    press(find("[role=grid]"), "Enter");
    expect(model.get("selected")).toEqual(sae(1));
    model.push({ selected: sae(8) });
    await until(() =>
      expect(last("details")).toMatchObject({ release: "release-1", sae_id: "blocks.8.hook_resid_pre" }),
    );
    await until(() => expect(find("aside .saew-mono")?.textContent).toBe("blocks.8.hook_resid_pre"));
  });

  test("say that it is of another model", async () => {
    kernel.own = "gpt2";
    await opened();
    expect(find("aside .saew-note")?.textContent).toBe("It was trained on another model.");
    await until(() => expect(button("Load into your model")).toBeDefined());
  });

  test("copy the code, with the options", async () => {
    const written: string[] = [];
    vi.stubGlobal("navigator", { ...navigator, clipboard: { writeText: async (text: string) => written.push(text) } });
    await opened();
    click(button("Copy code"));
    await until(() => expect(written).toEqual([details("release-1", "blocks.1.hook_resid_pre").code]));
    await until(() => expect(find("section[aria-label=Code] [role=status]")?.textContent).toBe("Copied"));
    // And it stays, however soon after the code came the hand was.
    await pause(200);
    expect(find("section[aria-label=Code] [role=status]")?.textContent).toBe("Copied");
    click(button("sae-lens"));
    await until(() => expect(find("pre")?.textContent).toContain("sae = SAE"));
    await until(() => expect(find("section[aria-label=Code] [role=status]")?.textContent).toBe(""));
    click(button("saewidgets"));
    choose(named("dtype"), "bfloat16");
    await until(() => expect(find("pre")?.textContent).toContain('"bfloat16"'));
    expect(last("details")).toMatchObject({ dtype: "bfloat16", device: "" });
    vi.unstubAllGlobals();
  });
});

describe("loading", () => {
  test("says which step, then that the engine is ready", async () => {
    await opened();
    choose(named("Device"), "cpu");
    await until(() => expect(last("details").device).toBe("cpu"));
    click(button("Load with its model"));
    await until(() => expect(requests("load").length).toBe(1));
    const { id, p } = requests("load")[0] as { id: string; p: unknown };
    expect(p).toEqual({ release: "release-1", sae_id: "blocks.1.hook_resid_pre", device: "cpu", dtype: "float32" });
    model.receive({ t: "part", id, r: { step: "the model gpt2-small" } });
    await until(() => expect(find(".saew-catalog-step")?.textContent).toBe("Loading the model gpt2-small"));
    expect(button("Load with its model")?.disabled).toBe(true);
    kernel.ready = { release: "release-1", sae_id: "blocks.1.hook_resid_pre", device: "cpu", dtype: "float32" };
    model.receive({ t: "names" });
    model.receive({ t: "res", id, ok: true, r: { loaded: true }, arrays: [] });
    await until(() =>
      expect(find(".saew-catalog-ready")?.textContent).toBe("The engine is ready: browser.engine (float32, cpu)"),
    );
    expect(find(".saew-catalog-step")).toBeNull();
    expect(find("[data-field=context_size]")?.textContent).toContain("128");
    // Of another SAE it says which one the engine has.
    model.push({ selected: sae(2) });
    await until(() => expect(find(".saew-catalog-load")?.textContent).toContain("loading another takes its place"));
    expect(find(".saew-catalog-ready")).toBeNull();
  });

  test("stops", async () => {
    await opened();
    click(button("Load with its model"));
    await until(() => expect(button("Stop")).toBeDefined());
    click(button("Stop"));
    const { id } = requests("load")[0] as { id: string };
    expect(model.sent.filter(({ t }) => t === "cancel").map((one) => one.id)).toEqual([id]);
    model.receive({ t: "res", id, ok: false, e: { type: "Cancelled", message: "", traceback: "" } });
    await until(() => expect(find(".saew-catalog-load")?.textContent).toContain("Stopped."));
    expect(find("[role=alert]")).toBeNull();
    expect(button("Load with its model")?.disabled).toBe(false);
  });

  test("a failure is told, and not of the next SAE", async () => {
    await opened();
    click(button("Load with its model"));
    await until(() => expect(requests("load").length).toBe(1));
    const { id } = requests("load")[0] as { id: string };
    const e = { type: "HubError", message: "Out of reach.\nWhat helps:", traceback: "Trace" };
    model.receive({ t: "res", id, ok: false, e });
    await until(() => expect(find("[role=alert]")?.textContent).toContain("HubError Out of reach.\nWhat helps:"));
    model.push({ selected: sae(2) });
    await until(() => expect(find("[role=alert]")).toBeNull());
  });

  test("goes on while another SAE is looked at", async () => {
    await opened();
    click(button("Load with its model"));
    await until(() => expect(requests("load").length).toBe(1));
    const { id } = requests("load")[0] as { id: string };
    model.push({ selected: sae(2) });
    model.receive({ t: "part", id, r: { step: "the SAE blocks.1.hook_resid_pre of release-1" } });
    await until(() =>
      expect(find(".saew-catalog-step")?.textContent).toContain("blocks.1.hook_resid_pre of release-1"),
    );
    expect(model.sent.filter(({ t }) => t === "cancel")).toEqual([]);
  });

  test("needs a kernel, which a page says", async () => {
    openOn(catalog, new RecordedModel(golden as unknown as Bundle, catalog.offline));
    await until(() => expect(find(".saew-catalog-field")).not.toBeNull());
    click(button("Load into your model"));
    await until(() => expect(find(".saew-catalog-load .saew-banner")?.textContent).toContain("Loading needs a kernel"));
  });
});
