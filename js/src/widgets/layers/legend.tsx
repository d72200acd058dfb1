/** What the colours of the grid and of its strip mean. */

import { num } from "../../controls/format";
import { Name } from "../../feature/said";
import { Tok } from "../../tokens/tok";
import { label } from "../../tokens/visible";
import { FEATURE, ramp, SHADE } from "./shade";
import type { OnTokens } from "./strip";
import type { Lens } from "./wire";

/** What the strip's colours mean. */
export function StripLegend({ lens, feature }: { lens: Lens; feature: OnTokens | null }) {
  if (!feature)
    return (
      <p class="saew-small saew-layers-line">
        Point at a feature of the list to see its activation on every token; click it to keep it.
      </p>
    );
  const { column } = feature;
  const sae = lens.json.saes.find(({ name }) => name === feature.sae);
  const scale = column?.row.scale ?? Number.NaN;
  return (
    <p class="saew-small saew-layers-line">
      {`Below the layers: ${sae?.activation_name ?? "activation"} of feature `}
      <b>{feature.f}</b> {column && <Name of={column.row} />}
      {` of ${label(feature.sae)} `}
      {scale === 0 ? (
        "(silent on the counted tokens)"
      ) : (
        <span class="saew-nowrap">
          {"0 "}
          <i class="saew-ramp" style={{ background: ramp(FEATURE) }} />
          {` ${num(scale)}`}
          {column?.values.some((value) => value < 0) && " (\u2212 hatched)"}
        </span>
      )}
      {!column && " not known yet"}
    </p>
  );
}

/** What the shade of the cells is. */
export function ShadeLegend({ lens }: { lens: Lens }) {
  const { target, own } = lens.json;
  return (
    <p class="saew-small saew-layers-line">
      <span class="saew-nowrap">
        {"0 "}
        <i class="saew-ramp" style={{ background: ramp(SHADE) }} />
        {" 100%"}
      </span>
      {target ? (
        <>
          {": probability of the target "}
          <b class="saew-mono">
            <Tok t={target.str} />
          </b>
          {" (bold where it is the likeliest; the tokens are the likeliest ones)"}
        </>
      ) : (
        ": probability of the likeliest next token"
      )}
      {" under the logit lens: final norm and unembedding applied to the residual stream at this hook. "}
      {own
        ? "At the last hook it is the model\u2019s own prediction."
        : "At the last hook it is not the model\u2019s own prediction: the model does something more after its unembedding, or a hook changes it."}
    </p>
  );
}
