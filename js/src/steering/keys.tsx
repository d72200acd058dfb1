/** Legends: what a colour behind a token means, with its unit and the ends of its scale. */

import { num } from "../shared/format";
import type { Palette } from "../shared/palette";
import { amount, change, SURPRISING, surprise } from "./look";

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
      <span>0</span>
      <Ramp look={(share) => surprise(-share * SURPRISING, palette)} />
      <span>{`${SURPRISING} or more nats: \u2212log-probability of the token, under the model that wrote it`}</span>
    </span>
  );
}

export function ChangeKey({ most, palette, what = "the recipe" }: { most: number; palette: Palette; what?: string }) {
  if (most === 0) return <span class="saew-small">The log-probability of no token changes.</span>;
  return (
    <span class="saew-small saew-scale">
      <span>{`\u2212${num(most)}`}</span>
      <Ramp look={(share) => change(-share * most, most, palette)} back />
      <span>0</span>
      <Ramp look={(share) => change(share * most, most, palette)} />
      <span>{`+${num(most)} nats: change of the token\u2019s log-probability by ${what}; hatched: less likely`}</span>
    </span>
  );
}

export function AmountKey({ most, palette, what }: { most: number; palette: Palette; what: string }) {
  return (
    <span class="saew-small saew-scale">
      <span>0</span>
      <Ramp look={(share) => amount(share * most, most, palette)} />
      <span>{`${num(most)} ${what}`}</span>
    </span>
  );
}
