/** What is known of the token under the pointer. */

import { num, percent } from "../../controls/format";
import { Tip } from "../../controls/tip";
import { NAMELESS, Name, type Names } from "../../feature/said";
import { remarks } from "../../tokens/flags";
import { label } from "../../tokens/visible";
import type { TextData } from "./data";

const SHOWN = 8;

interface TooltipProps {
  data: TextData;
  token: number;
  at: HTMLElement;
  root: HTMLElement;
  names: Names;
  hues: (feature: number) => number;
}

export function Tooltip({ data, token, at, root, names, hues }: TooltipProps) {
  const flags = data.flags[token] ?? 0;
  const { text, position } = data.place(token);
  const error = data.error[token] ?? Number.NaN;
  const strongest = data.strongest(token, SHOWN);
  const active = data.l0[token] ?? 0;
  return (
    <Tip at={at} root={root}>
      <div>
        <b class="saew-mono">{label(data.json.str[token] ?? "") || "\u2025"}</b>
        <span class="saew-small">
          {` id ${data.ids[token]} \u00b7 position ${position}${data.json.texts.length > 1 ? ` of text ${text + 1}` : ""}`}
        </span>
      </div>
      {remarks(flags).map((remark) => (
        <div class="saew-small" key={remark}>
          {remark}
        </div>
      ))}
      {data.json.n_features !== active && <div class="saew-small">{`${active} active features (L0)`}</div>}
      {Number.isFinite(error) && (
        <div class="saew-small">
          {`reconstruction error ${percent(error)} `}
          <span class="saew-nowrap">{"\u2016x\u2212x\u0302\u2016/\u2016x\u2016"}</span>
        </div>
      )}
      <table>
        <tbody>
          {strongest.map(({ f, value }) => (
            <tr key={f}>
              <td>
                <span class="saew-dot" style={hues(f) >= 0 ? { background: `var(--saew-h${hues(f)})` } : {}} />
                {f}
              </td>
              <td class="saew-num">{num(value)}</td>
              <td class="saew-label">
                <Name of={names.get(f) ?? NAMELESS} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {active > strongest.length && <div class="saew-small">{`and ${active - strongest.length} more`}</div>}
    </Tip>
  );
}
