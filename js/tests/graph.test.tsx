/** The attribution graph: what is drawn and where, walking, pruning, pins, groups, labels, undoing; by hand and by keys. */

import { beforeEach, describe, expect, test } from "vitest";
import { decode } from "../src/kernel/arrays";
import { RecordedModel } from "../src/page/host";
import widget from "../src/widgets/graph";
import {
  frameOf,
  kept,
  nearest,
  placesOf,
  screenX,
  screenY,
  shownLinks,
  shownNodes,
  WHOLE,
  zoomed,
} from "../src/widgets/graph/picture";
import { type GraphJson, graphOf } from "../src/widgets/graph/wire";
import { answering, graphAnswer, graphJson, IDS, kernelOf, STATE } from "./fake_graph";
import { all, button, click, el, find, model, named, open, openOn, pause, press, requests, type, until } from "./hands";

globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
} as unknown as typeof ResizeObserver;

const WIDTH = 360;
const HEIGHT = 520;

const start = async (state: Record<string, unknown> = {}, answer = answering) => {
  open(widget, { ...STATE, ...state }, answer);
  await until(() => expect(find("canvas")).not.toBeNull());
};
const graph = (others: Record<string, number[]> = {}) => {
  const answer = graphAnswer("v:1", graphJson(), others);
  if (answer.t !== "res" || !answer.ok) throw new Error("no answer");
  return graphOf({ r: answer.r as unknown as GraphJson, arrays: decode(answer.arrays, []) });
};
/** Where a node is in the picture, of what is shown at a threshold. */
const at = (row: number, threshold = 1, also: string[] = []) => {
  const all = graph();
  const places = placesOf(all, shownNodes(all, threshold, also));
  const frame = frameOf(places, WIDTH, HEIGHT, WHOLE);
  return { clientX: screenX(frame, places.x[row] ?? 0), clientY: screenY(frame, places.y[row] ?? 0) };
};
const pointer = (name: string, row: number, init: MouseEventInit = {}) =>
  find("canvas")?.dispatchEvent(
    new PointerEvent(name, { bubbles: true, button: 0, pointerId: 1, ...at(row), ...init }),
  );
const clickNode = (row: number, init: MouseEventInit = {}) => {
  pointer("pointerdown", row, init);
  pointer("pointerup", row, init);
};
const tab = (name: string) => click(all("[role=tab]").find((one) => one.textContent?.startsWith(name)));
const nodes = () => all(".saew-graph-node bdi").map((one) => one.textContent);
const status = () => find("[role=status]")?.textContent;

describe("where nodes stand", () => {
  test("a column is as wide as its fullest band, nodes in its middle, logits on top", () => {
    const all = graph();
    const places = placesOf(all, new Uint8Array(7).fill(1));
    expect(places.starts).toEqual([0, 1.5, 4]);
    expect([...places.y]).toEqual([3.5, 3.5, 2.5, 2.5, 1.5, 1.5, 0.5]);
    expect([...places.x]).toEqual([0.75, 2.75, 0.75, 2.75, 2.25, 3.25, 2.75]);
  });

  test("what is not shown takes no room", () => {
    const all = graph();
    const shown = shownNodes(all, 0.75, []);
    expect([...shown]).toEqual([1, 1, 1, 1, 1, 0, 1]); // tokens and logits always
    expect(placesOf(all, shown).starts).toEqual([0, 1.5, 3]);
    expect([...shownNodes(all, 0, [IDS[5] ?? ""])]).toEqual([1, 1, 0, 0, 0, 1, 1]);
    expect(shownLinks(all, shown)).toEqual({ drawn: [3, 2, 4, 0, 1], total: 5 }); // the weakest first
  });

  test("the nearest within thirty pixels is meant", () => {
    const all = graph();
    const shown = new Uint8Array(7).fill(1);
    const places = placesOf(all, shown);
    const frame = frameOf(places, WIDTH, HEIGHT, WHOLE);
    const { clientX, clientY } = at(4);
    expect(nearest(places, shown, frame, clientX + 20, clientY)).toBe(4);
    expect(nearest(places, shown, frame, clientX, clientY + 31)).toBe(-1);
  });

  test("zooming keeps what is under the pointer; some of the graph stays in sight", () => {
    const places = placesOf(graph(), new Uint8Array(7).fill(1));
    const before = frameOf(places, WIDTH, HEIGHT, WHOLE);
    const look = zoomed(WHOLE, 2, screenX(before, 2), screenY(before, 1));
    const after = frameOf(places, WIDTH, HEIGHT, look);
    expect(screenX(after, 2)).toBeCloseTo(screenX(before, 2));
    expect(screenY(after, 1)).toBeCloseTo(screenY(before, 1));
    expect(zoomed(look, 0.1, 50, 50)).toEqual(WHOLE);
    expect(kept({ zoom: 1, x: 1e6, y: -1e6 }, WIDTH, HEIGHT)).toMatchObject({ zoom: 1, x: 156, y: -222 });
  });
});

describe("looking", () => {
  beforeEach(() => start());

  test("scores, how much is shown, and where it comes from are said", () => {
    expect(el.textContent).toContain("replacement 0.900");
    expect(el.textContent).toContain("completeness 0.800");
    expect(status()).toBe("7 nodes, 6 links");
    expect(el.textContent).toContain("graph: a-graph");
  });

  test("a click selects; inputs and outputs have shares with signs, and are walked", async () => {
    clickNode(4);
    expect(model.saved.at(-1)).toEqual({ selected: "1_9_1", feature: 9, layer: 1 });
    await until(() => expect(named("Selected node")).not.toBeNull());
    expect(nodes()).toEqual(["five", "five", 'Output " x" (p=0.9)']);
    expect(named("Selected node")?.textContent).toContain("\u221275%");
    expect(named("Selected node")?.textContent).toContain("+80%");
    click(all(".saew-graph-node")[2]);
    expect(model.saved.at(-1)).toEqual({ selected: "3_7_1", feature: null, layer: null });
    await until(() => expect(document.activeElement).toBe(named("Selected node"))); // keys go on from there
    await until(() => expect(named("Selected node")?.textContent).toContain("20% of its inputs are errors"));
    press(find(".saew-graph-node"), "Escape");
    expect(model.get("selected")).toBeNull();
  });

  test("a drag pans and selects nothing", async () => {
    pointer("pointerdown", 4);
    pointer("pointermove", 4, { clientX: 20, clientY: 20 });
    pointer("pointerup", 4, { clientX: 20, clientY: 20 });
    await pause(20);
    expect(model.get("selected")).toBeNull();
    clickNode(4); // it is elsewhere now
    expect(model.get("selected")).not.toBe("1_9_1");
    press(find("canvas"), "0");
    clickNode(4);
    expect(model.get("selected")).toBe("1_9_1");
  });

  test("keys and the wheel zoom, the wheel only where it is meant", () => {
    const wheel = (ctrlKey = false) => {
      const event = new WheelEvent("wheel", { bubbles: true, cancelable: true, deltaY: -50 });
      // What happy-dom's wheels do not know.
      Object.defineProperties(event, { ctrlKey: { value: ctrlKey }, clientX: { value: 50 }, clientY: { value: 50 } });
      find("canvas")?.dispatchEvent(event);
      return event.defaultPrevented;
    };
    expect(wheel()).toBe(false); // the notebook scrolls
    expect(wheel(true)).toBe(true);
    find("canvas")?.focus();
    expect(wheel()).toBe(true);
    press(find("canvas"), "0");
    press(find("canvas"), "+");
    clickNode(0);
    expect(model.get("selected")).toBeNull();
  });

  test("hovering says what a node is, as text", async () => {
    pointer("pointermove", 4);
    await until(() => expect(find("[role=tooltip]")?.textContent).toContain("<img src=x>"));
    expect(find("img")).toBeNull();
    pointer("pointerleave", 4);
    await until(() => expect(find("[role=tooltip]")).toBeNull());
  });

  test("a feature of an index opens its card", async () => {
    pointer("pointermove", 2);
    await until(() => expect(find("[role=tooltip]")?.textContent).toContain("five"));
    await until(() => expect(find(".saew-glance")).not.toBeNull());
    expect(all("[role=tooltip]")).toHaveLength(1);
    expect(requests("card").at(-1)?.p).toEqual({ f: 5, layer: 0 });
  });

  test("the slider prunes at once and is told when it rests", async () => {
    type(find("input[type=range]"), "0.6");
    await until(() => expect(status()).toBe("5 of 7 nodes, 3 of 6 links"));
    type(find("input[type=range]"), "0.1");
    await until(() => expect(el.textContent).toContain("No feature is left"));
    await until(() => expect(model.saved.at(-1)).toEqual({ threshold: 0.1 }));
    model.push({ threshold: 1 });
    await until(() => expect(status()).toBe("7 nodes, 6 links"));
  });

  test("what is pruned away is said of the ends of links, and nobody's words are slanted", async () => {
    model.push({ threshold: 0.6 });
    clickNode(6);
    await until(() => expect(named("Selected node")?.textContent).toContain("(pruned)"));
    expect(find(".saew-automatic")?.textContent).toBe("<img src=x>");
  });

  test("all nodes are a list, to find and to walk by keys", async () => {
    expect(nodes()).toEqual([
      "<img src=x>",
      "five",
      "five",
      "error of layer 1",
      "a",
      "\u2423<b>",
      'Output " x" (p=0.9)',
    ]);
    const buttons = all(".saew-graph-node");
    buttons[0]?.focus();
    press(buttons[0], "ArrowDown");
    expect(document.activeElement).toBe(buttons[1]);
    type(named("Find a node"), "error");
    await until(() => expect(nodes()).toEqual(["error of layer 1"]));
  });
});

describe("marking", () => {
  beforeEach(() => start());

  test("ctrl and a click pins, and scores of what is pinned are asked", async () => {
    clickNode(2, { ctrlKey: true });
    expect(model.saved.at(-1)).toMatchObject({ pinned: ["0_5_0"], history: [{ pinned: [], groups: {}, labels: {} }] });
    await until(() => expect(el.textContent).toContain("pinned: replacement 0.500"));
    expect(requests("scores").at(-1)?.p).toEqual({ pinned: ["0_5_0"] });
    clickNode(2, { metaKey: true });
    expect(model.get("pinned")).toEqual([]);
    await until(() => expect(button("Undo (2)")).toBeDefined());
    click(button("Undo (2)"));
    expect(model.get("pinned")).toEqual(["0_5_0"]);
  });

  test("quick hands: no click is lost between two drawings", () => {
    clickNode(2, { ctrlKey: true });
    clickNode(4, { ctrlKey: true });
    clickNode(5, { ctrlKey: true });
    expect(model.get("pinned")).toEqual(["0_5_0", "1_9_1", "1_-1_1"]);
    expect(model.get("history")).toHaveLength(3);
  });

  test("G held and clicks make a group, which is renamed and taken apart", async () => {
    press(find("canvas"), "g");
    clickNode(2);
    clickNode(4);
    find("canvas")?.dispatchEvent(new KeyboardEvent("keyup", { key: "g", bubbles: true }));
    expect(model.get("groups")).toEqual({ five: ["0_5_0", "1_9_1"] });
    expect(model.get("pinned")).toEqual(["0_5_0", "1_9_1"]);
    expect(model.get("selected")).toBeNull();
    await until(() => expect(named("Group five")).not.toBeNull());
    click(find(".saew-graph-label"));
    await until(() => expect(named("Label of the group")).not.toBeNull());
    type(named("Label of the group"), "</script>");
    press(named("Label of the group"), "Enter");
    expect(model.get("groups")).toEqual({ "</script>": ["0_5_0", "1_9_1"] });
    await until(() => expect(named("Ungroup </script>")).not.toBeNull());
    click(named("Ungroup </script>"));
    expect(model.get("groups")).toEqual({});
    expect(model.get("pinned")).toEqual(["0_5_0", "1_9_1"]);
  });

  test("the same by keys alone, from the list", async () => {
    click(named("Pin <img src=x>"));
    click(named("Choose <img src=x> for a group"));
    click(named("Choose error of layer 1 for a group"));
    tab("Pinned");
    await until(() => expect(button("Group")).toBeDefined());
    click(button("Group"));
    expect(model.get("groups")).toEqual({ "<img src=x>": ["1_9_1", "1_-1_1"] });
    await until(() => expect(button("Group")).toBeUndefined());
  });

  test("a label is of the feature at every position; emptied, it is the graph's again", async () => {
    clickNode(3);
    await until(() => expect(find(".saew-graph-label")?.textContent).toBe("five"));
    click(find(".saew-graph-label"));
    await until(() => expect(named("Label of the feature, at every position")).not.toBeNull());
    type(named("Label of the feature, at every position"), "six");
    press(named("Label of the feature, at every position"), "Enter");
    expect(model.get("labels")).toEqual({ "0_5_0": "six" });
    await until(() => expect(find(".saew-graph-label")?.textContent).toBe("six"));
    click(find(".saew-graph-label"));
    await until(() => expect(named("Label of the feature, at every position")).not.toBeNull());
    press(named("Label of the feature, at every position"), "Escape");
    expect(model.get("selected")).toBe("0_5_1"); // Escape leaves the box alone
  });

  test("what is pinned no more is in no group", async () => {
    model.push({ pinned: ["0_5_0", "1_9_1"], groups: { x: ["0_5_0"] } });
    clickNode(2, { ctrlKey: true });
    expect(model.get("groups")).toEqual({});
    expect(model.get("pinned")).toEqual(["1_9_1"]);
  });
});

describe("what cannot be shown is said", () => {
  test("no influence: nothing is pruned, and why", async () => {
    const nan = Array(7).fill(Number.NaN);
    const why = "No logit has a probability.";
    await start({ threshold: 0.1 }, kernelOf(graphJson({ no_influence: why, notes: [why] }), { cumulative: nan }));
    expect(find<HTMLInputElement>("input[type=range]")?.disabled).toBe(true);
    expect(status()).toBe("7 nodes, 6 links");
    expect(el.textContent).toContain(why);
  });

  test("no scores: a sentence", async () => {
    await start(
      {},
      kernelOf(graphJson({ scores: { replacement: null, completeness: null, why: "3 nodes are Lorsa." } })),
    );
    expect(el.textContent).toContain("replacement \u2013");
    expect(find(".saew-note")?.textContent).toBe("3 nodes are Lorsa.");
  });

  test("a failure of the kernel is shown, and the widget stays", async () => {
    open(widget, STATE, ({ t, id }) =>
      t === "req" ? { t: "res", id, ok: false, e: { type: "GraphError", message: "broken", traceback: "" } } : null,
    );
    await until(() => expect(find("[role=alert]")?.textContent).toContain("broken"));
  });

  test("a page: looking works, editing says why not", async () => {
    const answer = graphAnswer("v:1", graphJson());
    if (answer.t !== "res" || !answer.ok) throw new Error("no answer");
    const page = new RecordedModel({
      state: { ...STATE, editable: false },
      recorded: [{ ch: "graph", p: {}, r: answer.r, arrays: answer.arrays }],
    });
    openOn(widget, page);
    await until(() => expect(find("canvas")).not.toBeNull());
    clickNode(4);
    await until(() => expect(named("Selected node")).not.toBeNull());
    expect(button("Pin")?.disabled).toBe(true);
    expect(button("Pin")?.title).toContain("Run it live");
    clickNode(2, { ctrlKey: true });
    press(find("canvas"), "g");
    clickNode(2);
    expect(page.get("pinned")).toEqual([]);
    expect(page.get("selected")).toBe("0_5_0");
    // A card that was not recorded leaves what the node is.
    pointer("pointermove", 3);
    await pause(500);
    expect(find("[role=tooltip]")?.textContent).toContain("five");
  });
});
