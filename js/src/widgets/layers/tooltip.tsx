/** What is known of the cell under the pointer. */

import { num } from "../../controls/format";
import { chance, Token } from "../../controls/small";
import { Tip } from "../../controls/tip";
import { remarks } from "../../tokens/flags";
import { label } from "../../tokens/visible";
import type { Lens } from "./wire";

interface Props {
  lens: Lens;
  /** Null: the token itself is pointed at. */
  hook: number | null;
  position: number;
  at: HTMLElement;
  root: HTMLElement;
}

export function Tooltip({ lens, hook, position, at, root }: Props) {
  const { str, hooks, target, d_vocab } = lens.json;
  const asked = hook === null ? null : lens.target(hook, position);
  return (
    <Tip at={at} root={root}>
      <div>
        {hook !== null && <b>{hooks[hook]?.name}</b>}
        <span class={hook === null ? undefined : "saew-small"}>
          {hook === null ? "" : " after "}
          <b class="saew-mono">{label(str[position] ?? "") || "\u2025"}</b>
          {` id ${lens.ids[position]} \u00b7 position ${position}`}
        </span>
      </div>
      {remarks(lens.flags[position] ?? 0).map((remark) => (
        <div class="saew-small" key={remark}>
          {remark}
        </div>
      ))}
      {hook !== null && (
        <>
          <table>
            <tbody>
              {lens.likeliest(hook, position).map(({ t, id, p }) => (
                <tr key={id}>
                  <td>
                    <Token t={t} />
                  </td>
                  <td class="saew-num">{chance(p)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {asked && target && (
            <div>
              {"target "}
              <Token t={target.str} />
              {` ${chance(asked.p)}, rank ${asked.rank.toLocaleString("en")} of ${d_vocab.toLocaleString("en")} (0: likeliest)`}
            </div>
          )}
          <div class="saew-small">{`entropy ${num(lens.entropy(hook, position))} nats`}</div>
        </>
      )}
      <div class="saew-small">click: the layers after this token</div>
    </Tip>
  );
}
