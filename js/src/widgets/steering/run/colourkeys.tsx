/** Legends: what a colour behind a token means, with its unit and the ends of its scale. */

import { num } from "../../../controls/format";
import { Small } from "../../../controls/small";
import type { Palette } from "../../../tokens/palette";
import { amount, change, SURPRISING, surprise } from "./colours";

const STEPS = [0.15, 0.4, 0.7, 1];

/** Little boxes from weak to strong: a gradient would lose the hatching. */
function Ramp({ look, back = false }: { look: (share: number) => string; back?: boolean }) {
  const shares = back ? [...STEPS].reverse() : STEPS;
  return (
    <span class="saew-steps" aria-hidden="true">
      {shares.map((share) => (
        <i key={share} style={{ background: look(share) }} />
      ))}
    </span>
  );
}

export function SurpriseKey({ palette }: { palette: Palette }) {
  return (
    <span class="saew-small saew-scale">
      <span class="saew-nowrap">
        0
        <Ramp look={(share) => surprise(-share * SURPRISING, palette)} />
        {`${SURPRISING} nats or more:`}
      </span>
      <span>{"\u2212log-probability of the token, under the model that wrote it"}</span>
    </span>
  );
}

export function ChangeKey({ most, palette }: { most: number; palette: Palette }) {
  if (most === 0) return <Small>The log-probability of no token changes.</Small>;
  return (
    <span class="saew-small saew-scale">
      <span class="saew-nowrap">
        {`\u2212${num(most)}`}
        <Ramp look={(share) => change(-share * most, most, palette)} back />0
        <Ramp look={(share) => change(share * most, most, palette)} />
        {`+${num(most)} nats:`}
      </span>
      <span>change of the token’s log-probability by the recipe; hatched: less likely</span>
    </span>
  );
}

export function AmountKey({ most, palette, what }: { most: number; palette: Palette; what: string }) {
  return (
    <span class="saew-small saew-scale">
      <span class="saew-nowrap">
        0
        <Ramp look={(share) => amount(share * most, most, palette)} />
        {`${num(most)} nats:`}
      </span>
      <span>{what}</span>
    </span>
  );
}
