/** What is known of the token under the pointer. */

import { num } from "../../controls/format";
import { Tip } from "../../controls/tip";
import { Name } from "../../feature/said";
import { remarks } from "../../tokens/flags";
import { label } from "../../tokens/visible";
import type { Coloured } from "./colours";
import type { TextsData } from "./data";

interface Props {
  data: TextsData;
  token: number;
  at: HTMLElement;
  root: HTMLElement;
  coloured: Coloured[];
}

export function Tooltip({ data, token, at, root, coloured }: Props) {
  const text = data.textOf(token);
  return (
    <Tip at={at} root={root}>
      <div>
        <b class="saew-mono">{label(data.json.str[token] ?? "") || "\u2025"}</b>
        <span class="saew-small">{` id ${data.ids[token]} \u00b7 position ${data.position(token)} of text ${text + 1}`}</span>
      </div>
      {remarks(data.flags[token] ?? 0).map((remark) => (
        <div class="saew-small" key={remark}>
          {remark}
        </div>
      ))}
      {coloured.length > 0 && (
        <table>
          <tbody>
            {coloured.map(({ f, hue, row, values }) => (
              <tr key={f}>
                <td>
                  <span class="saew-dot" style={{ background: `var(--saew-h${hue})` }} />
                  {f}
                </td>
                <td class="saew-num">{num(values?.[token] ?? Number.NaN)}</td>
                <td class="saew-label">{row && <Name of={row} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <div class="saew-small">click: compare here</div>
    </Tip>
  );
}
