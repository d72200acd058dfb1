/** What is on screen, to take along: as JSON, or as the Python that shows it again. */

import type { Model } from "../../kernel/types";
import type { Text } from "../../tokens/editor";
import { acts } from "../../tokens/visible";
import type { Shown } from "./state";

/**
 * A Python string literal. JSON's escapes are Python's too, lone surrogates (\\ud800) among them. What acts or hides is
 * escaped as well: pasted raw, an RTL mark would reorder the code on screen, and an editor may drop a zero-width space.
 */
export function pythonString(text: string): string {
  return Array.from(JSON.stringify(text), (character) => (acts(character) ? escaped(character) : character)).join("");
}

function escaped(character: string): string {
  const hex = (character.codePointAt(0) ?? 0).toString(16);
  return hex.length > 4 ? `\\U${hex.padStart(8, "0")}` : `\\u${hex.padStart(4, "0")}`;
}

/** A text, or several, or token ids. */
function pythonText(text: Text | number): string {
  if (Array.isArray(text)) return `[${text.map((item: Text | number) => pythonText(item)).join(", ")}]`;
  return typeof text === "number" ? String(text) : pythonString(text);
}

/** Python that makes the same widget. */
export function asPython(model: Model): string {
  const text = model.get("text") as Text;
  const features = model.get("features") as number[];
  const parts = [`text=${pythonText(text)}`];
  if (model.get("indexed")) parts.push("index=index");
  const sae = model.get("sae");
  if (typeof sae === "string" && sae !== model.get("default_sae")) parts.push(`sae=${pythonString(sae)}`);
  if (features.length) parts.push(`features=[${features.join(", ")}]`);
  const tokens = model.get("selected_tokens") as number[];
  if (tokens.length) parts.push(`selected_tokens=[${tokens.join(", ")}]`);
  if (model.get("sort") !== "max") parts.push(`sort="${String(model.get("sort"))}"`);
  if (model.get("include_special") === true) parts.push("include_special=True");
  if (model.get("min_activation")) parts.push(`min_activation=${String(model.get("min_activation"))}`);
  const query = model.get("label_query") as string;
  if (query) parts.push(`label_query=${pythonString(query)}`);
  if (model.get("max_density") !== 1) parts.push(`max_density=${String(model.get("max_density"))}`);
  if (model.get("color_scale") === "max") parts.push('color_scale="max"');
  if (model.get("limit") !== 25) parts.push(`limit=${String(model.get("limit"))}`);
  if (model.get("view") !== "both") parts.push(`view="${String(model.get("view"))}"`);
  if (model.get("theme") !== "auto") parts.push(`theme="${String(model.get("theme"))}"`);
  return `sw.TokenFeatureHeatmap(engine, ${parts.join(", ")})`;
}

/** The numbers on screen with where they come from. */
export function asJson(model: Model, shown: Shown): string {
  const { data, rank } = shown;
  const features = model.get("features") as number[];
  return JSON.stringify(
    {
      provenance: Object.fromEntries(data.json.provenance),
      notes: data.json.notes,
      text: model.get("text"),
      tokens: data.json.str,
      token_ids: [...data.ids],
      excluded: data.json.str.map((_, token) => data.excluded(token)),
      activation: data.json.activation_name,
      features: features.map((feature) => ({ feature, activations: [...(data.column(feature) ?? [])] })),
      ranking: rank && {
        sort: model.get("sort"),
        over: rank.basis === "selected" ? model.get("selected_tokens") : "all counted tokens",
        counted_tokens: rank.n_tokens,
        features: rank.rows.map(({ f, density, most, ...row }) => ({
          feature: f,
          ...row,
          ...(model.get("indexed") ? { corpus_density: density, corpus_max: most } : {}),
        })),
      },
    },
    null,
    1,
  );
}
