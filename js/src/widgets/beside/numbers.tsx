/** How the two go together: on how many tokens both fire, one, or none, and how their activations correlate. */

import { minus } from "../../controls/small";
import { SAYS, type Together } from "./wire";

const DEFINED = {
  pearson: "Pearson's r of the two activations over all of these tokens, zeros included",
  pearson_either: "Pearson's r over the tokens where at least one of the two fires",
  pearson_both: "Pearson's r over the tokens where both fire",
  cosine: "Cosine of the two activations as vectors over these tokens (not of the decoder rows)",
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
    ["Pearson r", of.pearson, DEFINED.pearson],
    ["Pearson r where either fires", of.pearson_either, DEFINED.pearson_either],
    ["Pearson r where both fire", of.pearson_both, DEFINED.pearson_both],
    ["Cosine of activations", of.cosine, DEFINED.cosine],
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
