/** Both ends of the vocabulary: tokens that a feature promotes or suppresses, with their logit weights. */

import { signed } from "../controls/format";
import { Tok } from "../tokens/tok";
import { label } from "../tokens/visible";
import type { TokenValue } from "./wire";

interface Props {
  promotes: TokenValue[];
  suppresses: TokenValue[];
  /** The largest weight of all that there are, by magnitude: the full bar. */
  most: number;
}

export function Ends({ promotes, suppresses, most }: Props) {
  return (
    <div class="saew-ends">
      <End title="Promotes" rows={promotes} most={most} name="saew-ends-up" />
      <End title="Suppresses" rows={suppresses} most={most} name="saew-ends-down" />
    </div>
  );
}

/** The largest weight by magnitude. */
export function mostOf(...ends: TokenValue[][]): number {
  return Math.max(1e-12, ...ends.flat().map(({ v }) => Math.abs(v)));
}

function End({ title, rows, most, name }: { title: string; rows: TokenValue[]; most: number; name: string }) {
  return (
    <table class={name}>
      <thead>
        <tr>
          <th scope="col">{title}</th>
          <th scope="col" class="saew-num">
            <span class="saew-offscreen">logit weight</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.id}>
            <th scope="row" class="saew-mono saew-tok" title={`${label(row.t)} (id ${row.id})`}>
              <Tok t={row.t} />
            </th>
            <td class="saew-num saew-by">
              <span class="saew-bar" style={{ width: `${((Math.abs(row.v) / most) * 100).toFixed(1)}%` }} />
              <span>{signed(row.v)}</span>
            </td>
          </tr>
        ))}
        {rows.length === 0 && (
          <tr>
            <td colSpan={2} class="saew-small">
              no match
            </td>
          </tr>
        )}
      </tbody>
    </table>
  );
}
