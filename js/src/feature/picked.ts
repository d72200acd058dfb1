/** Which features are coloured, after a click on one. */

import { MAX_FEATURES } from "../../../src/saewidgets/widgets/constants.json";

/** The traits after a click on a feature: alone, or added to (or taken from) the others. */
export function picked(
  features: number[],
  feature: number,
  add: boolean,
): { features: number[]; feature: number | null } {
  if (!add) {
    const alone = features.length === 1 && features[0] === feature;
    return alone ? { features: [], feature: null } : { features: [feature], feature };
  }
  const rest = features.filter((f) => f !== feature);
  if (rest.length < features.length) return { features: rest, feature: rest[rest.length - 1] ?? null };
  return { features: [...rest.slice(-(MAX_FEATURES - 1)), feature], feature };
}

/** The traits that select a feature: beside the others if it is one of them, else alone. */
export function coloured(feature: number, trait: (name: string) => unknown): { features: number[]; feature: number } {
  const features = (trait("features") ?? []) as number[];
  return { features: features.includes(feature) ? features : [feature], feature };
}

/** A selected feature's hue is its place; a hovered one borrows the next. */
export function hueOf(features: number[], feature: number): number {
  const at = features.indexOf(feature);
  return at >= 0 ? at : Math.min(features.length, MAX_FEATURES - 1);
}
