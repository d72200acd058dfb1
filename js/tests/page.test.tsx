/** A page from its data block on: several views, what is linked and chosen, its address, and parts beside it. */

import { afterEach, beforeEach, expect, test } from "vitest";
import { useKernel } from "../src/kernel/kernel";
import { save, useTrait } from "../src/kernel/traits";
import type { Json } from "../src/kernel/types";
import { boot } from "../src/page/boot";
import { type ViewProps, type Widget, widget } from "../src/page/mount";
import { expanded } from "../src/page/sharing";
import { until } from "./hands";

const find = (selector: string) => document.querySelector<HTMLElement>(selector);
const findAll = (selector: string) => [...document.querySelectorAll<HTMLElement>(selector)];

/** Shows its feature, what is answered about it, and its text; a button goes to the next feature. */
function View({ model, root }: ViewProps) {
  const kernel = useKernel(model, root);
  const feature = useTrait<number>(model, "feature");
  const text = useTrait<string>(model, "text");
  const ask = () =>
    kernel.ask<string>(
      "fact",
      { f: feature },
      {
        done: ({ r }) => save(model, { said: r }),
        failed: ({ message }) => save(model, { said: message }) === undefined,
      },
    );
  return (
    <p>
      <b>{feature}</b> <i>{text}</i> <u>{useTrait<string>(model, "said")}</u>
      <button type="button" onClick={() => save(model, { feature: feature + 1 })}>
        next
      </button>
      <button type="button" onClick={ask}>
        ask
      </button>
    </p>
  );
}
const toy: Widget = widget("toy", View, {
  opens: (feature, trait) => ({ feature, text: `${trait("text")}${feature}` }),
});

const view = (name: string, more: Record<string, unknown> = {}) => ({
  name,
  widget: "toy",
  state: { feature: 1, text: name, said: "" },
  recorded: [] as unknown[],
  choices: [] as unknown[],
  missing: "",
  ...more,
});

async function packed(value: unknown, shared: unknown[] = []): Promise<string> {
  const stream = new Blob([JSON.stringify({ shared, value })]).stream().pipeThrough(new CompressionStream("gzip"));
  return btoa(String.fromCharCode(...new Uint8Array(await new Response(stream).arrayBuffer())));
}

async function page(views: unknown[], more: Record<string, unknown> = {}): Promise<void> {
  const data = JSON.stringify({ version: 2, gz: await packed({ views, links: [], parts: null, ...more }) });
  document.body.innerHTML = `<div id="saew-root"></div><div id="saew-static">picture</div>`;
  const block = document.createElement("script");
  block.type = "application/json";
  block.id = "saew-data";
  block.textContent = data;
  document.body.append(block);
  boot({ toy });
}

const shown = (tag: string) => findAll(`#saew-root ${tag}`).map((el) => el.textContent);
const press = (text: string, at = 0) =>
  (findAll("#saew-root button").filter((el) => el.textContent === text)[at] as HTMLElement).click();

beforeEach(() => {
  asked.length = 0;
  document.head.append = (...given) => void asked.push(...(given as HTMLScriptElement[]));
  history.replaceState(null, "", location.pathname);
});
afterEach(() => {
  document.body.innerHTML = "";
});

test("what is shared is one object wherever it is named, and a key of dollars is one", () => {
  const shared: Json[] = [[1, 2], { list: { $: 0 } }];
  const value = expanded(shared, [{ $: 1 }, { $: 1 }, { $$: "money", $$$: { $: 0 } }, "$"] as Json[]);
  expect(value).toEqual([{ list: [1, 2] }, { list: [1, 2] }, { $: "money", $$: [1, 2] }, "$"]);
  expect(value[0]).toBe(value[1]);
});

test("views that are linked have one feature, each opens it in its own way; one that is missing says why", async () => {
  await page([view("a"), view("b"), { ...view("c"), missing: "It was not open." }], {
    links: [
      [
        ["a", "feature"],
        ["b", "feature"],
        ["nowhere", "feature"],
      ],
    ],
  });
  await until(() => expect(shown("b")).toEqual(["1", "1"]));
  press("next");
  await until(() => expect(shown("b")).toEqual(["2", "2"]));
  expect(shown("i")).toEqual(["a", "b2"]);
  await until(() => expect(location.hash).toBe("#feature-2"));
  expect(find("#saew-root .saew-empty")?.textContent).toBe("It was not open.");
  expect(find("#saew-static")?.hasAttribute("hidden")).toBe(true);
});

test("a choice sets its traits, shows which one is on, and none where none is", async () => {
  const options = [
    ["first", { text: "a" }],
    ["second", { text: "<b>" }],
  ];
  await page([view("a", { state: { text: "a" }, choices: [{ name: "Text", options }] })]);
  await until(() => expect(find(".saew-choices fieldset")?.getAttribute("aria-label")).toBe("Text"));
  const on = () => findAll(".saew-choices button").map((el) => el.getAttribute("aria-pressed"));
  expect(on()).toEqual(["true", "false"]);
  press("second");
  await until(() => expect(shown("i")).toEqual(["<b>"]));
  expect(on()).toEqual(["false", "true"]);
});

test("many choices are a list", async () => {
  const options = Array.from({ length: 20 }, (_, i) => [`text ${i}`, { text: `t${i}` }]);
  await page([view("a", { state: { text: "t7" }, choices: [{ name: "Text", options }] })]);
  await until(() => expect((find(".saew-choices select") as HTMLSelectElement).value).toBe("7"));
  const select = find(".saew-choices select") as HTMLSelectElement;
  select.value = "3";
  select.dispatchEvent(new Event("change", { bubbles: true }));
  await until(() => expect(shown("i")).toEqual(["t3"]));
});

test("where the address may not be changed, the page goes on without", async () => {
  const push = history.pushState;
  history.pushState = () => {
    throw new DOMException("not here", "SecurityError");
  };
  await page([view("a")]);
  await until(() => expect(shown("b")).toEqual(["1"]));
  press("next");
  await until(() => expect(shown("b")).toEqual(["2"]));
  await new Promise((resolve) => setTimeout(resolve));
  expect(location.hash).toBe("");
  history.pushState = push;
});

const hand = (...given: [string, number, string]) =>
  (globalThis as unknown as { saewPart: (...given: [string, number, string]) => void }).saewPart(...given);
/** The scripts that would be loaded. */
const asked: HTMLScriptElement[] = [];
const added = () => asked.map((el) => el.getAttribute("src"));

test("an answer in a part beside the page is fetched once, when it is asked for", async () => {
  await page([view("a")], { parts: { key: "k", features: [[7], [1, 2]] } });
  await until(() => expect(shown("b")).toEqual(["1"]));
  expect(added()).toEqual([]);
  press("ask");
  await until(() => expect(added()).toEqual(["parts/0001.js"]));
  const facts = [1, 2].map((f) => ({ ch: "fact", p: { f }, r: `of ${f}`, arrays: [] }));
  hand("another page's", 1, await packed([]));
  hand("k", 1, await packed(facts));
  await until(() => expect(shown("u")).toEqual(["of 1"]));
  press("next");
  await until(() => expect(shown("b")).toEqual(["2"]));
  press("ask");
  await until(() => expect(shown("u")).toEqual(["of 2"]));
  expect(added().length).toBe(1);
});

test("a part that is not there, or another page's, is named; the next question tries again", async () => {
  await page([view("a")], { parts: { key: "k", features: [[1]] } });
  await until(() => expect(shown("b")).toEqual(["1"]));
  press("ask");
  await until(() => expect(added().length).toBe(1));
  asked[0]?.dispatchEvent(new Event("error"));
  await until(() => expect(shown("u")[0]).toContain("parts/0000.js is not beside this page"));
  press("ask");
  await until(() => expect(added().length).toBe(2));
  hand("other", 0, await packed([]));
  asked[1]?.dispatchEvent(new Event("load"));
  await until(() => expect(shown("u")[0]).toContain("of another page"));
});

test("a page of another version keeps its picture, and says why", async () => {
  await page([view("a")]);
  await until(() => expect(shown("b")).toEqual(["1"]));
  document.body.innerHTML = `<div id="saew-root"></div><div id="saew-static">picture</div><script type="application/json" id="saew-data">{"version":1,"gz":""}</script>`;
  boot({ toy });
  await until(() => expect(find("#saew-root")?.textContent).toContain("data of version 1"));
  expect(find("#saew-static")?.hasAttribute("hidden")).toBe(false);
});
