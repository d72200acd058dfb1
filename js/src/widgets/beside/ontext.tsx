/** Both features on one text: a band for each behind every token, and the numbers of the one under the pointer. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useState } from "preact/hooks";
import { num } from "../../controls/format";
import { Tip } from "../../controls/tip";
import type { Model } from "../../kernel/types";
import { Editor } from "../../tokens/editor";
import { OUTLIER, SPECIAL } from "../../tokens/flags";
import type { Palette } from "../../tokens/palette";
import { TokenBox } from "../../tokens/tokenbox";
import { label } from "../../tokens/visible";
import { Numbers } from "./numbers";
import { lookOf, Remarks, Values } from "./paired";
import { Badge } from "./side";
import type { TextData, Which } from "./wire";

/** No trait goes with a text. */
const ALONG = {};

interface Props {
  model: Model;
  root: HTMLElement;
  prefix: string;
  palette: Palette;
  order: [Which, Which];
  data: TextData | null;
  /** What is to be said of the numbers. */
  children: ComponentChildren;
}

export function OnText({ model, root, prefix, palette, order, data, children }: Props) {
  const [hover, setHover] = useState<{ token: number; at: HTMLElement | null }>({ token: -1, at: null });
  // In the layout, before the next pointer: of other tokens there is nothing under it.
  useLayoutEffect(() => setHover({ token: -1, at: null }), [data]);
  const look = useMemo(() => data && lookOf(data, order, palette), [data, order.join(), palette]);
  const hatched = useMemo(
    () => data !== null && order.some((which) => data.values[which].some((value) => value < 0)),
    [data],
  );
  return (
    <>
      <h3>On one text</h3>
      <Editor model={model} along={ALONG} />
      {children}
      {data?.json.missing && <p class="saew-missing">{label(data.json.missing)}</p>}
      {data && look && data.json.together && (
        <>
          <p class="saew-small saew-legend">
            {order.map((which, i) => (
              <span key={which}>
                <Badge which={which} />
                {` ${i === 0 ? "above" : "below"}, up to ${num(data.scale[which === "A" ? 0 : 1])} `}
                <span class={`saew-ramp saew-ramp-${which.toLowerCase()}`} aria-hidden="true" />
              </span>
            ))}
            <span>{label(names(data))}</span>
            {hatched && <span>hatched: below 0</span>}
          </p>
          <TokenBox
            tokens={data}
            name="Tokens under both features"
            id={`${prefix}-text`}
            className="saew-twice"
            look={look}
            lookKey={`${order.join()} ${palette.ink}`}
            classes={(token) => (data.same[token] ? "" : "saew-unlike")}
            describe={(token) => describe(data, token)}
            onPoint={(token, at) => setHover({ token, at })}
          />
          <Numbers of={data.json.together} />
        </>
      )}
      {data && hover.at && hover.token >= 0 && hover.token < data.json.n && (
        <Tip at={hover.at} root={root}>
          <div>
            <b class="saew-mono">{label(data.str[hover.token] ?? "") || "\u2025"}</b>
            {data.same[hover.token] !== 1 && <span class="saew-small"> not the same token on both sides</span>}
          </div>
          <Values a={data.values.A[hover.token] ?? null} b={data.values.B[hover.token] ?? null} order={order} />
          <Remarks flags={data.flags[hover.token] ?? 0} />
        </Tip>
      )}
    </>
  );
}

function names({ json }: TextData): string {
  const [a, b] = json.names;
  return a === b ? a : `A: ${a}, B: ${b}`;
}

function describe(data: TextData, token: number): string {
  const flags = data.flags[token] ?? 0;
  const kind = flags & SPECIAL ? ", special token" : flags & OUTLIER ? ", norm outlier" : "";
  const unlike = data.same[token] === 1 ? "" : ", not the same token on both sides";
  const values = `A ${num(data.values.A[token] ?? Number.NaN)}, B ${num(data.values.B[token] ?? Number.NaN)}`;
  return `token \u2018${label(data.str[token] ?? "") || "\u2025"}\u2019${kind}${unlike}, ${values}`;
}
