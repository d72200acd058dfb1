/** A box of tokens to look at: pointed at with the mouse, walked through with arrows, redrawn outside Preact. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { GrowingText } from "./growingtext";
import { tokenAt } from "./tokendom";
import type { TokenStrings } from "./tokentext";

export interface TokenBoxProps {
  tokens: TokenStrings;
  /** What the box is, for those who hear it. */
  name: string;
  id: string;
  className?: string;
  /** CSS background of a token. It is asked anew when `lookKey` changes. */
  look?: (token: number) => string;
  lookKey?: string;
  /** Classes of a token's own. */
  classes?: (token: number) => string;
  /** The part from a token on that is marked, and what the mark says. */
  from?: () => number | null;
  says?: string;
  /** Hear of tokens that are added in place. */
  listen?: (listener: () => void) => () => void;
  describe: (token: number) => string;
  onPoint: (token: number, at: HTMLElement | null) => void;
}

const STEP: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };

export function TokenBox(props: TokenBoxProps) {
  const host = useRef<HTMLDivElement>(null);
  const line = useRef<GrowingText | null>(null);
  const cursor = useRef(-1);
  const now = useRef(props);
  now.current = props;

  const draw = (start: number) => {
    const { tokens, look, classes, from, says = "" } = now.current;
    line.current?.mark(from?.() ?? null, says);
    line.current?.grow(
      tokens,
      (span, token) => {
        const more = classes?.(token);
        if (more) span.classList.add(more);
      },
      start,
    );
    line.current?.paint(look ?? (() => ""), start);
  };
  useLayoutEffect(() => {
    if (!host.current) return;
    line.current = new GrowingText(host.current, props.id);
    cursor.current = -1;
    draw(0);
    // Step by step only what is new; all of it again when the text is whole, or its look changes (below).
    return props.listen?.(() => draw(line.current?.length ?? 0));
  }, [props.tokens, props.listen]);
  useLayoutEffect(() => draw(0), [props.lookKey]);

  const point = (token: number) => {
    cursor.current = token;
    line.current?.point(token, token < 0 ? null : props.describe(token));
    props.onPoint(token, line.current?.element(token) ?? null);
  };
  return (
    <div
      ref={host}
      class={`saew-tokens ${props.className ?? ""}`}
      role="listbox"
      tabIndex={0}
      aria-label={`${props.name}. Arrows move from token to token.`}
      onPointerOver={(event) => {
        const token = tokenAt(event);
        props.onPoint(token, line.current?.element(token) ?? null);
      }}
      onPointerLeave={() => props.onPoint(-1, null)}
      onBlur={() => point(-1)}
      onKeyDown={(event) => {
        const last = (line.current?.length ?? 0) - 1;
        const by = STEP[event.key] ?? line.current?.along(event.key, cursor.current);
        if (by) point(Math.max(0, Math.min(last, cursor.current + by)));
        else if (event.key === "Home" || event.key === "End") point(event.key === "Home" ? 0 : last);
        else if (event.key === "Escape" && cursor.current >= 0) point(-1);
        else return;
        event.preventDefault();
      }}
    />
  );
}
