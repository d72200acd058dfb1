/** What the colours mean; of groups, which are looked at. */

import { count, num, trueMinus } from "../../controls/format";
import { Button, Small } from "../../controls/small";
import type { Palette } from "../../tokens/palette";
import { Tok, tokenName } from "../../tokens/tok";
import { label } from "../../tokens/visible";
import { type Mark, markOf, ramp } from "./colours";
import { type Colouring, OTHER } from "./wire";

interface Props {
  colouring: Colouring;
  /** As it is called in the list of what points can be coloured by. */
  name: string;
  palette: Palette;
  /** The groups that are looked at; none: all. */
  only: readonly number[];
  onOnly: (only: number[]) => void;
}

export function Legend({ colouring, name, palette, only, onOnly }: Props) {
  const { json } = colouring;
  if (json.kind === "scale")
    return (
      <section class="saew-legend" aria-label="Colours">
        {json.low === null || json.high === null ? (
          <Small>No point has a number here.</Small>
        ) : (
          <p class="saew-small">
            {`${label(name)} ${said(json.low)} `}
            <i class="saew-ramp" style={{ background: ramp(palette) }} />
            {` ${said(json.high)}`}
            {json.missing > 0 && ` \u00b7 grey: ${count(json.missing, "point")} without a number`}
          </p>
        )}
      </section>
    );
  const toggle = (group: number, add: boolean) => {
    const rest = only.filter((one) => one !== group);
    if (add) onOnly(rest.length < only.length ? rest : [...only, group]);
    else onOnly(only.length === 1 && rest.length === 0 ? [] : [group]);
  };
  const entry = (group: number, text: string, n: number, token: boolean) => (
    <button
      type="button"
      key={group}
      class={only.length > 0 && !only.includes(group) ? "saew-group saew-group-off" : "saew-group"}
      aria-pressed={only.includes(group)}
      aria-label={`${token ? tokenName(text) : label(text)} ${n.toLocaleString("en")}: look at these points`}
      title="Click: look at these only. With Ctrl or Shift: at these, too."
      onClick={(event) => toggle(group, event.ctrlKey || event.metaKey || event.shiftKey)}
    >
      <Swatch mark={markOf(group, palette)} />
      <span class={token ? "saew-mono saew-group-name" : "saew-group-name"}>
        {token ? <Tok t={text} /> : <bdi>{label(text)}</bdi>}
      </span>{" "}
      <span class="saew-small">{n.toLocaleString("en")}</span>
    </button>
  );
  return (
    <section class="saew-legend" aria-label="Colours">
      {json.groups.map(({ t, n }, group) => entry(group, t, n, json.colour === "token"))}
      {json.rest > 0 &&
        entry(OTHER, `${json.others.toLocaleString("en")} other${json.others === 1 ? "" : "s"}`, json.rest, false)}
      {only.length > 0 && (
        <Button class="saew-link" onClick={() => onOnly([])}>
          all
        </Button>
      )}
    </section>
  );
}

/** Positions and years are whole. */
function said(value: number): string {
  return Number.isInteger(value) ? trueMinus(String(value)) : num(value);
}

export function Swatch({ mark }: { mark: Mark }) {
  return (
    <i class={mark.square ? "saew-swatch saew-swatch-square" : "saew-swatch"} style={{ background: mark.colour }} />
  );
}
