/** How the two go together: on how many tokens both fire, one, or none, and how their activations correlate. */

import { minus } from "../../controls/small";
import { SAYS, type Together } from "./wire";

const DEFINED = {
  pearson: "Pearson correlation of the two activations over all of these tokens, zeros included",
  pearson_either: "The same over the tokens where at least one of the two fires",
  pearson_both: "The same over the tokens where both fire",
  cosine: "Of the two activations as vectors over the tokens",
  jaccard: "Tokens where both fire, as a share of those where at least one does",
};

export function Numbers({ of, sample = false }: { of: Together; sample?: boolean }) {
  const counts: [string, number][] = [
    [SAYS.both, of.both],
    [SAYS.only_a, of.only_a],
    [SAYS.only_b, of.only_b],
    ["None fires", of.neither],
  ];
  const measures: [string, number | null, string][] = [
    ["r", of.pearson, DEFINED.pearson],
    ["r where either fires", of.pearson_either, DEFINED.pearson_either],
    ["r where both fire", of.pearson_both, DEFINED.pearson_both],
    ["cosine", of.cosine, DEFINED.cosine],
    ["Jaccard", of.jaccard, DEFINED.jaccard],
  ];
  return (
    <ul class="saew-numbers">
      {counts.map(([name, n]) => (
        <li key={name}>
          <span>{name}</span> <b>{n.toLocaleString("en")}</b>
        </li>
      ))}
      <li title="Tokens that both sides count: neither special nor norm outliers">
        <span>{sample ? "Tokens compared, a biased sample" : "Tokens compared"}</span>{" "}
        <b>{of.tokens.toLocaleString("en")}</b>
      </li>
      {measures.map(([name, value, title]) => (
        <li key={name} title={title}>
          <span>{name}</span> <b>{minus(value)}</b>
        </li>
      ))}
    </ul>
  );
}
