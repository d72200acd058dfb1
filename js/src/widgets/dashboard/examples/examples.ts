/**
 * Groups of examples as plain DOM: one line each with the example's token in the middle of the line, so that a column of
 * them can be read down, or whole texts. See tokens/tokentext.ts for why this is not Preact.
 */

import { num } from "../../../controls/format";
import type { ExampleJson, ExamplesAnswer, GroupJson } from "../../../feature/wire";
import type { Palette } from "../../../tokens/palette";
import { label } from "../../../tokens/visible";
import type { Effects } from "./effects";
import { drawn, type Kind, Runs } from "./runs";

export interface Row {
  example: ExampleJson;
  el: HTMLElement;
}

export class ExamplesView {
  readonly #el: HTMLElement;
  readonly #prefix: string;
  #answer: ExamplesAnswer | null = null;
  #tokens: Runs | null = null;
  #selected: number | null = null;
  #sources = false;
  rows: Row[] = [];

  constructor(el: HTMLElement, prefix: string) {
    this.#el = el;
    this.#prefix = prefix;
  }

  /** With `sources`, each example that is active offers them. */
  show(answer: ExamplesAnswer, palette: Palette, sources = false): void {
    this.#answer = answer;
    this.#sources = sources;
    this.#tokens = new Runs(this.#el, answer);
    this.rows = [];
    this.#el.dataset.view = answer.view;
    this.#el.replaceChildren(...answer.json.groups.map((group) => this.#group(group)));
    this.#el.scrollTop = 0;
    this.paint(palette);
    if (answer.view === "full") for (const row of this.rows) this.#reveal(row);
  }

  paint(palette: Palette): void {
    if (this.#answer) this.#tokens?.paint(this.#answer.json.scale, palette);
  }

  /** Underline by the effects that are known so far. */
  underline(effects: ReadonlyMap<number, Effects>, kind: Kind, most: number, palette: Palette): void {
    for (const { example } of this.rows) {
      const values = drawn(effects.get(example.id), kind);
      this.#tokens?.underline(example.start, example.start + example.n, values, most, palette);
    }
  }

  select(id: number | null): void {
    const before = this.#selected;
    this.#selected = id;
    for (const row of this.rows) {
      row.el.setAttribute("aria-selected", String(row.example.id === id));
      if (row.example.id === before && before !== id) this.#reveal(row);
    }
  }

  /** Put the keyboard's cursor on a row (-1: none). */
  point(index: number): void {
    this.rows.forEach(({ el }, i) => {
      el.classList.toggle("saew-cursor", i === index);
    });
    const el = this.rows[index]?.el;
    if (!el) {
      this.#el.removeAttribute("aria-activedescendant");
      return;
    }
    this.#el.setAttribute("aria-activedescendant", el.id);
    el.scrollIntoView?.({ block: "nearest" });
  }

  /** How far an arrow goes from a token. */
  along(key: string, token: number): number {
    return this.#tokens?.along(key, token) ?? 0;
  }

  token(index: number): HTMLElement | undefined {
    return this.#tokens?.element(index);
  }

  /** The row that a token of the answer is in. */
  rowOf(token: number): Row | undefined {
    return this.rows.find(({ example }) => token >= example.start && token < example.start + example.n);
  }

  #make(tag: string, name: string, text?: string): HTMLElement {
    const el = this.#el.ownerDocument.createElement(tag);
    el.className = name;
    if (text !== undefined) el.textContent = text;
    return el;
  }

  #group(group: GroupJson): HTMLElement {
    const el = this.#make("div", "saew-group");
    el.setAttribute("role", "group");
    el.setAttribute("aria-label", `${group.title}. ${group.detail}`);
    const head = this.#make("div", "saew-group-head");
    head.setAttribute("aria-hidden", "true");
    head.append(this.#make("b", "", group.title), " ", this.#make("span", "saew-small", group.detail));
    el.append(head);
    for (const example of group.examples) el.append(this.#row(example, group.exact));
    if (group.examples.length === 0) el.append(this.#make("div", "saew-small saew-none", "No examples."));
    return el;
  }

  #row(example: ExampleJson, exact: boolean): HTMLElement {
    const el = this.#make("div", "saew-ex");
    const index = this.rows.length;
    el.id = `${this.#prefix}-ex-${index}`;
    el.dataset.ex = String(index);
    el.setAttribute("role", "option");
    el.setAttribute("aria-selected", String(example.id === this.#selected));
    el.append(this.#make("span", "saew-ex-a", example.a === null ? "" : num(example.a)));
    el.append(this.#answer?.view === "full" ? this.#full(example) : this.#snippet(example));
    const end = this.#make("span", "saew-ex-end");
    if (example.more > 0) {
      const count = example.more + 1;
      // Of a feature that was cut down not every repetition is known.
      const folded = this.#make("span", "saew-more", exact ? `\u00d7${count}` : `\u2265\u2009${count}\u00d7`);
      folded.title = exact
        ? `${count} examples with this snippet; the others are folded into this one`
        : `at least ${count} examples with this snippet: so many were kept; the others are folded into this one`;
      end.append(folded);
    }
    const meta = example.meta.map(([name, value]) => `${label(name)}: ${label(value)}`);
    const doc = this.#make("span", "saew-ex-doc", [label(example.doc), ...meta].join(" \u00b7 "));
    doc.title = [`document ${label(example.doc)}, token ${example.at}`, ...meta].join("\n");
    // No button: it would stand inside an option of a list. The list has a key for it.
    if (this.#sources && example.a !== null && example.a !== 0) {
      const sources = this.#make("span", "saew-ex-sources", "sources");
      sources.title = "From which tokens, by which heads, this activation came (key: S)";
      end.append(sources);
    }
    end.append(doc);
    el.append(end);
    this.rows.push({ example, el });
    return el;
  }

  /** Three boxes in a line: what does not fit is cut at the far ends. */
  #snippet(example: ExampleJson): HTMLElement {
    const el = this.#make("span", "saew-ex-line");
    el.dir = "auto";
    const { start, n, b } = example;
    const run = { from: start, to: start + n, bold: start + b, oneLine: true };
    const boxes: [string, number, number][] = [
      ["saew-before", start, start + b],
      ["saew-at", start + b, start + b + 1],
      ["saew-after", start + b + 1, start + n],
    ];
    for (const [name, from, to] of boxes) {
      const box = this.#make("span", name);
      const inner = this.#make("span", "");
      if (name === "saew-before" && example.cut[0]) inner.append(this.#make("span", "saew-cut", "\u2026"));
      if (this.#tokens) inner.append(this.#tokens.build(run, from, to));
      if (name === "saew-after" && example.cut[1]) inner.append(this.#make("span", "saew-cut", "\u2026"));
      box.append(inner);
      el.append(box);
    }
    return el;
  }

  #full(example: ExampleJson): HTMLElement {
    const el = this.#make("span", "saew-ex-full");
    el.dir = "auto";
    const { start, n, b } = example;
    if (example.cut[0]) el.append(this.#make("span", "saew-cut", "\u2026"));
    if (this.#tokens) el.append(this.#tokens.build({ from: start, to: start + n, bold: start + b, oneLine: false }));
    if (example.cut[1]) el.append(this.#make("span", "saew-cut", "\u2026"));
    return el;
  }

  /** Put the token of a long text in the middle of the box that cuts it, without scrolling the notebook. */
  #reveal({ example, el }: Row): void {
    const box = el.querySelector<HTMLElement>(".saew-ex-full");
    const bold = this.#tokens?.element(example.start + example.b);
    if (!box || !bold || box.scrollHeight <= box.clientHeight + 1) return;
    el.classList.add("saew-clipped");
    box.scrollTop = bold.offsetTop - box.clientHeight / 2;
  }
}
