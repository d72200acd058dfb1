/** What is on screen, to take along: as JSON, or as the Python that shows it again. */

import type { Model } from "../shared/types";
import type { Shown, Text } from "./state";

/** A Python string literal. JSON's escapes are Python's too; lone surrogates come out as \\ud800, which both read. */
export function pythonString(text: string): string {
  return JSON.stringify(text);
}

/** Python that makes the same widget. */
export function asPython(model: Model): string {
  const text = model.get("text") as Text;
  const features = model.get("features") as number[];
  const literal = Array.isArray(text) ? `[${text.map(pythonString).join(", ")}]` : pythonString(text);
  const parts = [`text=${literal}`];
  if (features.length) parts.push(`features=[${features.join(", ")}]`);
  const tokens = model.get("selected_tokens") as number[];
  if (tokens.length) parts.push(`selected_tokens=[${tokens.join(", ")}]`);
  if (model.get("sort") !== "max") parts.push(`sort="${String(model.get("sort"))}"`);
  if (model.get("include_special") === true) parts.push("include_special=True");
  if (model.get("min_activation")) parts.push(`min_activation=${String(model.get("min_activation"))}`);
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
        features: rank.rows.map(({ f, ...row }) => ({ feature: f, ...row })),
      },
    },
    null,
    1,
  );
}
