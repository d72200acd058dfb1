/**
 * A recipe as the panel edits it (its twin is src/saewidgets/interventions/recipe; both read its kinds.json). What stands in the trait is what is
 * asked with, to the letter: a page without a kernel finds its recorded answers by it.
 */

import words from "../../../../../src/saewidgets/interventions/recipe/kinds.json";
import { short } from "../../../controls/small";
import type { Json } from "../../../kernel/types";

export type Kind = keyof typeof words.kinds;
export type Unit = keyof typeof words.units;
export type Span = number | [number, number | null];
export type Positions = "all" | "prompt" | "generated" | Span[];

export interface Intervention {
  features: number[];
  kind: Kind;
  value: number | null;
  unit: Unit;
  sae: string | null;
  positions: Positions;
  special: boolean;
  only_active: boolean;
  when: { feature: number; above: number } | null;
  by: number | null;
  low: number | null;
  max_activation: number | null;
  on: boolean;
  direction: number[] | null;
  hook: string | null;
  label: string | null;
}

export interface Recipe {
  version: number;
  name: string;
  keep_error: boolean;
  system: boolean;
  thinking: boolean;
  interventions: Intervention[];
}

const PLAIN: Intervention = {
  features: [],
  kind: "add",
  value: null,
  unit: "raw",
  sae: null,
  positions: "all",
  special: false,
  only_active: false,
  when: null,
  by: null,
  low: null,
  max_activation: null,
  on: true,
  direction: null,
  hook: null,
  label: null,
};
const EMPTY: Recipe = { version: 1, name: "", keep_error: true, system: true, thinking: true, interventions: [] };

interface KindWords {
  says: string;
  formula: string;
  /** None: a bare factor, or nothing. */
  units: Unit[];
  /** The value of a new row; null: it takes none. */
  start: number | null;
  /** What a bare number is called. */
  factor?: string;
  /** Whether another feature, or a lower bound, goes with it. */
  other?: boolean;
  bounded?: boolean;
}

/** What each kind does, for people; h is the value at the hook, a the activation, d what one unit of it adds. */
export const KINDS = words.kinds as unknown as Record<Kind, KindWords>;

/** A kind; the kernel may know more of them than this view was built with. */
export function kindOf({ kind }: { kind: string }): KindWords {
  return KINDS[kind as Kind] ?? { says: kind, formula: "", units: ["raw"], start: 1 };
}

/** A unit in words; `norm` is what the kernel calls the norm at the row's hook. */
export function sayUnit(unit: Unit, norm = "norm at the hook"): string {
  return words.units[unit].says.replace("{norm}", norm);
}

export const UNITS = Object.fromEntries(
  Object.keys(words.units).map((unit) => [unit, sayUnit(unit as Unit)]),
) as Record<Unit, string>;

/** The recipe in a trait, with what is missing filled in, and what makes no sense left out: the kernel says what does not. */
export function complete(data: Partial<Recipe> | null | undefined): Recipe {
  const rows: unknown[] = Array.isArray(data?.interventions) ? data.interventions : [];
  const flag = (name: "keep_error" | "system" | "thinking") => data?.[name] !== false;
  return {
    ...EMPTY,
    ...data,
    name: typeof data?.name === "string" ? data.name : "",
    keep_error: flag("keep_error"),
    system: flag("system"),
    thinking: flag("thinking"),
    interventions: rows.map(sensible),
  };
}

const isText = (value: unknown) => value === null || typeof value === "string";
const isNumber = (value: unknown) => value === null || typeof value === "number";
const isFlag = (value: unknown) => typeof value === "boolean";
const isNumbers = (value: unknown) => Array.isArray(value) && value.every((item) => typeof item === "number");

/** What a field of a row must be for it to be drawn. */
const DRAWN: Record<keyof Intervention, (value: unknown) => boolean> = {
  features: isNumbers,
  kind: (value) => typeof value === "string" && Object.hasOwn(KINDS, value),
  value: isNumber,
  unit: (value) => typeof value === "string" && Object.hasOwn(UNITS, value),
  sae: isText,
  positions: (value) =>
    typeof value === "string" ||
    (Array.isArray(value) && value.every((span) => typeof span === "number" || Array.isArray(span))),
  special: isFlag,
  only_active: isFlag,
  when: (value) => value === null || (typeof value === "object" && "feature" in value),
  by: isNumber,
  low: isNumber,
  max_activation: isNumber,
  on: isFlag,
  direction: (value) => value === null || isNumbers(value),
  hook: isText,
  label: isText,
};

/** A row that can be drawn, whatever stands in the trait. */
function sensible(row: unknown): Intervention {
  const given = typeof row === "object" && row !== null && !Array.isArray(row) ? row : {};
  const kept = Object.entries(given).filter(([name, value]) => DRAWN[name as keyof Intervention]?.(value) ?? true);
  return { ...PLAIN, ...Object.fromEntries(kept) };
}

/** A new row for a feature. */
export function intervention(feature: number, sae: string | null, value: number, unit: Unit): Intervention {
  return { ...PLAIN, features: [feature], sae, value, unit };
}

/** The same row as another kind: what does not go with it goes. */
export function asKind(row: Intervention, kind: Kind): Intervention {
  const { units, start, bounded, other } = kindOf({ kind });
  const keeps = units.includes(row.unit) && row.value !== null && kindOf(row).units.length > 0;
  return {
    ...row,
    kind,
    value: keeps ? row.value : start,
    unit: keeps ? row.unit : "raw",
    low: bounded ? row.low : null,
    by: other ? row.by : null,
    max_activation: keeps ? row.max_activation : null,
  };
}

/** "0-5, 8, 12-": both ends count; without an end, to the end of the text. Null if it is no list of positions. */
export function readPositions(text: string): Span[] | null {
  const out: Span[] = [];
  for (const part of text.split(",")) {
    const found = part.trim().match(/^(\d+)(?:\s*([-\u2013])\s*(\d*))?$/);
    if (!found) return null;
    const start = Number(found[1]);
    if (found[2] === undefined) out.push(start);
    else if (found[3] === "" || found[3] === undefined) out.push([start, null]);
    else if (Number(found[3]) < start) return null;
    else out.push([start, Number(found[3]) + 1]);
  }
  return out;
}

export function sayPositions(spans: Span[]): string {
  return spans
    .map((span) => {
      if (!Array.isArray(span)) return String(span);
      const [start, stop] = span;
      return stop === null ? `${start ?? 0}-` : `${start ?? 0}-${stop - 1}`;
    })
    .join(", ");
}

/** One intervention in a line. */
export function summary(row: Intervention): string {
  const what = row.direction ? (row.label ?? "direction") : row.features.join(", ");
  const value = row.value === null || kindOf(row).start === null ? "" : ` ${short(row.value)}`;
  const unit = row.unit === "raw" ? "" : ` ${UNITS[row.unit]}`;
  const by = kindOf(row).other ? ` ${row.by ?? "?"}` : "";
  return `${row.on ? "" : "(off) "}${kindOf(row).says} ${what}${by}${value}${unit}`;
}

/** A whole recipe in a line. */
export function summaryOf(recipe: Recipe): string {
  const rows = recipe.interventions.map(summary);
  const error = recipe.keep_error ? "" : "; error dropped";
  return rows.length === 0 ? `no edits${error}` : rows.join("; ") + error;
}

const KNOWN = new Set(Object.keys(EMPTY));

/** Pasted text as a recipe; throws with the reason. What stands in its rows is for the kernel to judge. */
export function readRecipe(text: string): Recipe {
  let data: Json;
  try {
    data = JSON.parse(text) as Json;
  } catch (error) {
    throw new Error(`This is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof data !== "object" || data === null || Array.isArray(data))
    throw new Error('A recipe is a JSON object with "interventions".');
  const unknown = Object.keys(data).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) throw new Error(`A recipe has no ${JSON.stringify(unknown)}.`);
  const rows = data.interventions ?? [];
  if (!Array.isArray(rows) || rows.some((row) => typeof row !== "object" || row === null || Array.isArray(row)))
    throw new Error('"interventions" must be a list of objects.');
  return complete(data as unknown as Partial<Recipe>);
}

/** Whether two values are the same JSON, whatever the order of their keys. */
export function same(a: unknown, b: unknown): boolean {
  return stable(a) === stable(b);
}

function stable(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([x], [y]) => (x < y ? -1 : 1)))
      : item,
  );
}
