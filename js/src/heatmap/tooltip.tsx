/** What is known of the token under the pointer. Inside the widget's root, so that no output area clips it away. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { num, percent } from "../shared/format";
import { label } from "../shared/visible";
import { BEYOND, FIRST_PIECE, LATER_PIECE, OUTLIER, SPECIAL, type TextData } from "./data";

const SHOWN = 8;

interface TooltipProps {
  data: TextData;
  token: number;
  at: HTMLElement;
  root: HTMLElement;
  names: Map<number, string>;
  hues: (feature: number) => number;
}

export function Tooltip({ data, token, at, root, names, hues }: TooltipProps) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const tip = box.current;
    if (!tip) return;
    const outer = root.getBoundingClientRect();
    const target = at.getClientRects()[0] ?? at.getBoundingClientRect();
    const below = target.bottom - outer.top + 6;
    const above = target.top - outer.top - tip.offsetHeight - 6;
    const fitsBelow = below + tip.offsetHeight <= outer.height;
    const left = Math.max(4, Math.min(target.left - outer.left, outer.width - tip.offsetWidth - 4));
    tip.style.left = `${left}px`;
    tip.style.top = `${fitsBelow || above < 0 ? below : above}px`;
  });
  const flags = data.flags[token] ?? 0;
  const { text, position } = data.place(token);
  const error = data.error[token] ?? Number.NaN;
  const strongest = data.strongest(token, SHOWN);
  const active = data.l0[token] ?? 0;
  return (
    <div class="saew-tip" ref={box} role="tooltip">
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
              <td class="saew-label">{label(names.get(f) ?? "")}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {active > strongest.length && <div class="saew-small">{`and ${active - strongest.length} more`}</div>}
    </div>
  );
}

function remarks(flags: number): string[] {
  const out = [];
  if (flags & SPECIAL) out.push("special token: not counted");
  if (flags & OUTLIER) out.push("norm outlier (attention sink): not counted");
  if (flags & BEYOND) out.push("beyond the SAE\u2019s training context");
  if (flags & (FIRST_PIECE | LATER_PIECE)) out.push("a piece of a character spread over several tokens");
  return out;
}
