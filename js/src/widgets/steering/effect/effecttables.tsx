/** Below the heatmap: whether the edited features did what was asked of them, and which others changed with them. */

import { useState } from "preact/hooks";
import { signed } from "../../../controls/format";
import { Button, Heading, minus, Small, SmallLine, Token } from "../../../controls/small";
import { Name, textOf } from "../../../feature/said";
import { Num, Table } from "../../../table/table";
import { label } from "../../../tokens/visible";
import { largest } from "../run/colours";
import type { Effect } from "./effectdata";

/** So many tokens are listed at first: a long text would bury what comes below. */
const LISTED = 200;

export function ActsTable({ effect }: { effect: Effect }) {
  const { rows, str } = effect.json;
  const [wanted, setWanted] = useState(0);
  const [all, setAll] = useState(false);
  const at = wanted < rows.length ? wanted : 0;
  const row = rows[at];
  const acts = effect.acts[at];
  if (!row || !acts) return null;
  const known = (i: number) => Number.isFinite(acts.requested[i]) || Number.isFinite(acts.realised[i]);
  const edited = str.flatMap((_, i) => (known(i) ? [i] : []));
  const shown = all ? edited : edited.slice(0, LISTED);
  return (
    <section class="saew-panel" aria-label="Requested and realised">
      <Heading title="Requested and realised">
        {rows.length > 1 ? (
          <select aria-label="Feature" value={at} onChange={(event) => setWanted(Number(event.currentTarget.value))}>
            {rows.map((one, i) => (
              <option key={i} value={i}>
                {nameOf(one)}
              </option>
            ))}
          </select>
        ) : (
          <Small>{nameOf(row)}</Small>
        )}
      </Heading>
      <SmallLine>
        {row.note ||
          "Activation as it was, as the recipe asks for, and as the SAE reads it back from the edited value."}
      </SmallLine>
      {edited.length === 0 ? (
        <p class="saew-missing">It is edited at no token of this text.</p>
      ) : (
        <div class="saew-tablebox">
          <Table head={[">position", "token", ">as it was", ">requested", ">realised"]}>
            {shown.map((i) => (
              <tr key={i}>
                <Num>
                  <Small>{i}</Small>
                </Num>
                <td>
                  <Token t={str[i]} />
                </td>
                <Num>{minus(acts.clean[i])}</Num>
                <Num>{minus(acts.requested[i])}</Num>
                <Num>
                  <b>{minus(acts.realised[i])}</b>
                </Num>
              </tr>
            ))}
          </Table>
          {shown.length < edited.length && (
            <Button class="saew-link" onClick={() => setAll(true)}>
              {`All ${edited.length} tokens`}
            </Button>
          )}
        </div>
      )}
    </section>
  );
}

export function SideTable({ effect }: { effect: Effect }) {
  const { side, side_note } = effect.json;
  const most = largest(side.map(({ change }) => change));
  const several = new Set(side.map(({ sae }) => sae)).size > 1;
  return (
    <section class="saew-panel" aria-label="Side effects">
      <Heading title="Side effects">
        <Small>other features, by the change of their mean activation</Small>
      </Heading>
      {side_note && <SmallLine>{side_note}</SmallLine>}
      {side.length === 0 ? (
        <p class="saew-missing">No other feature changed.</p>
      ) : (
        <div class="saew-tablebox">
          <Table head={["feature", ">unedited", ">edited", ">change"]}>
            {side.map((one) => (
              <tr key={`${one.sae} ${one.f}`}>
                <th scope="row" class="saew-side-name">
                  <b>{one.f}</b>
                  {several && <Small>{` ${label(one.sae)}`}</Small>} <Name of={one} />
                </th>
                <Num>{minus(one.clean)}</Num>
                <Num>{minus(one.edited)}</Num>
                <td class={`saew-num saew-by ${one.change > 0 ? "saew-up" : "saew-down"}`}>
                  <i class="saew-bar" style={{ width: `${((Math.abs(one.change) / most) * 100).toFixed(1)}%` }} />
                  <span>{signed(one.change)}</span>
                </td>
              </tr>
            ))}
          </Table>
        </div>
      )}
    </section>
  );
}

function nameOf(row: Effect["json"]["rows"][number]): string {
  const { feature, kind } = row;
  const says = textOf(row);
  return `${feature === null ? "direction" : `feature ${feature}`}${says && ` ${says}`} (${kind})`;
}
