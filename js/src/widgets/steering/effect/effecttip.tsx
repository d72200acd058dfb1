/** What the recipe does at the token under the pointer. */

import { signed } from "../../../controls/format";
import { chance, minus, Small, Token } from "../../../controls/small";
import { Tip } from "../../../controls/tip";
import { Num } from "../../../table/table";
import type { Change, Effect } from "./effectdata";

interface Props {
  effect: Effect;
  token: number;
  at: HTMLElement;
  root: HTMLElement;
}

export function EffectTip({ effect, token, at, root }: Props) {
  const { json, frozen } = effect;
  const delta = effect.delta[token] ?? Number.NaN;
  const { lowered, raised } = effect.changes(token);
  const lines: [string, string][] = [
    ["probability", `${chance(effect.clean[token])} \u2192 ${chance(effect.edited[token])}`],
    ["log-probability, nats", signed(delta)],
    ["KL of the prediction, nats", minus(effect.kl[token])],
  ];
  if (frozen) {
    lines.push(["attention frozen: log-prob.", signed(frozen.delta[token] ?? Number.NaN)]);
    lines.push(["attention frozen: KL", minus(frozen.kl[token])]);
  }
  return (
    <Tip at={at} root={root}>
      <div>
        <b>
          <Token t={json.str[token]} />
        </b>
        <Small>{` position ${token}`}</Small>
      </div>
      {Number.isFinite(delta) ? (
        <table>
          {lines.map(([says, value]) => (
            <tr key={says}>
              <td class="saew-small">{says}</td>
              <Num>
                <b>{value}</b>
              </Num>
            </tr>
          ))}
        </table>
      ) : (
        <div class="saew-small">the first token: nothing predicts it</div>
      )}
      {lowered.length + raised.length > 0 && (
        <>
          <div class="saew-tip-head">Next token, change of log-probability</div>
          <div class="saew-tip-changes">
            <Changes title="lowered most" changes={lowered} />
            <Changes title="raised most" changes={raised} />
          </div>
        </>
      )}
      {json.rows.map((row, i) => {
        const acts = effect.acts[i];
        const requested = acts?.requested[token] ?? Number.NaN;
        const realised = acts?.realised[token] ?? Number.NaN;
        if (!acts || !(Number.isFinite(requested) || Number.isFinite(realised))) return null;
        return (
          <div key={i} class="saew-small">
            {`${row.feature === null ? "direction" : `feature ${row.feature}`}: was ${minus(acts.clean[token])}, ` +
              `requested ${minus(requested)}, realised ${minus(realised)}`}
          </div>
        );
      })}
    </Tip>
  );
}

function Changes({ title, changes }: { title: string; changes: Change[] }) {
  if (changes.length === 0) return null;
  return (
    <table>
      <tr>
        <td class="saew-small" colSpan={2}>
          {title}
        </td>
      </tr>
      {changes.slice(0, 4).map((change, i) => (
        <tr key={`${i} ${change.t}`}>
          <td>
            <Token t={change.t} />
          </td>
          <Num>{signed(change.value)}</Num>
        </tr>
      ))}
    </table>
  );
}
