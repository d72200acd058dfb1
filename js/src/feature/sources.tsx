/**
 * From which source tokens, by which heads, a feature got its activation at one token: the text up to it, coloured by what
 * each token brought, the heads to choose one of, and what no token brought (its twin is
 * src/saewidgets/widgets/feature/sources.py). Signs are in the numbers and in the hatching, never in the hue alone.
 */

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { num, percent, signed } from "../controls/format";
import { Tip } from "../controls/tip";
import { floats } from "../kernel/arrays";
import { useLookup } from "../kernel/lookup";
import type { Json, Model, Reply } from "../kernel/types";
import { background } from "../tokens/paint";
import type { Palette } from "../tokens/palette";
import { tokenAt } from "../tokens/tokendom";
import { TokenText } from "../tokens/tokentext";
import { label } from "../tokens/visible";

/** Hues of the palette: positive, and (hatched) negative parts. */
const POSITIVE = 1;
const NEGATIVE = 4;
/** Tokens that are also listed. */
const LISTED = 5;

export interface SourcesJson {
  f: number;
  key: string;
  activation_name: string;
  /** Number of the text, if there are several. */
  text: number | null;
  /** Which of the tokens it is about, and where the first stands in its text; `lead` of them are a repeated BOS. */
  at: number;
  first: number;
  lead: number;
  str: string[];
  notes: string[];
  /** Why there is nothing to show. */
  silent: string | null;
  activation: number;
  total: number;
  rest: number;
  rest_label: string;
  heads: number[];
}

interface Props {
  model: Model;
  root: HTMLElement;
  prefix: string;
  palette: Palette;
  /** The question. */
  of: Json;
  /** Of which computation the answer must be. */
  key_of?: string;
}

export function Sources({ model, of, key_of = "", ...view }: Props) {
  const looked = useLookup<SourcesJson>(model, view.root, "sources", of);
  const before = useRef<Reply<SourcesJson> | null>(null);
  // The last one stays until the next is there.
  if (looked) before.current = looked.reply?.r.key === key_of ? looked.reply : null;
  const reply = before.current;
  const missing =
    looked && !looked.reply && (looked.error || "Not recorded in this page. Run it live to compute this.");
  return (
    <section class="saew-sources" aria-label="Sources of the activation">
      {reply ? (
        <Told key={reply.r.f} {...view} reply={reply} />
      ) : (
        <p class="saew-small" role="status">{`Sources: ${label(missing || "computing\u2026")}`}</p>
      )}
    </section>
  );
}

function Told({
  reply: { r, arrays },
  root,
  prefix,
  palette,
}: Omit<Props, "model" | "of"> & { reply: Reply<SourcesJson> }) {
  const [head, setHead] = useState(-1);
  const [token, setToken] = useState(-1);
  const host = useRef<HTMLDivElement>(null);
  const line = useRef<TokenText | null>(null);
  const cursor = useRef(-1);
  const [parts, all, sums, share] = ["parts", "by_token", "by_head", "head_share"].map((name) =>
    floats(arrays, name),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const { str, heads } = r;
  const n = str.length;
  const row = parts.length ? heads.indexOf(head) : -1;
  const values = row < 0 ? all : parts.subarray(row * n, row * n + n);
  const value = (i: number) => values[i] ?? 0;
  const name = (i: number) =>
    `\u2018${label(str[i] ?? "") || "\u2025"}\u2019 (${i < r.lead ? "repeated BOS" : `position ${r.first + i}`})`;
  const order = useMemo(
    () => [...values.keys()].filter(value).sort((a, b) => Math.abs(value(b)) - Math.abs(value(a))),
    [r, row],
  );
  const says = (i: number) => `${name(i)} brought ${signed(value(i))}${row < 0 ? "" : ` by head ${head}`}`;
  useLayoutEffect(() => {
    if (host.current) line.current = new Line(host.current, `${prefix}-source`, str, arrays.flags ?? [], r.at);
    setToken(-1);
  }, [r]);
  useLayoutEffect(() => {
    const scale = Math.abs(value(order[0] ?? -1));
    line.current?.dye((i) => background([{ hue: value(i) > 0 ? POSITIVE : NEGATIVE, values, scale }], i, palette), 0);
  }, [r, row, palette]);
  const point = (i: number) => {
    cursor.current = i;
    line.current?.point(i, i < 0 ? null : says(i));
    setToken(i);
  };
  const at = line.current?.element(token);
  return (
    <>
      {r.at >= 0 && (
        <h3>
          {`Where feature ${r.f} at `}
          <bdi>{name(r.at)}</bdi>
          {r.text !== null && ` of text ${r.text + 1}`}
          {!r.silent && ` got its ${r.activation_name} ${num(r.activation)}: by source token (hatched: negative)`}
        </h3>
      )}
      {[...r.notes, r.silent].map((note) => note && <p class="saew-small">{note}</p>)}
      {!r.silent && (
        <>
          <div
            ref={host}
            class="saew-source-tokens"
            role="listbox"
            tabIndex={0}
            aria-label="Tokens by what they brought. Arrows move."
            onPointerOver={(event) => setToken(tokenAt(event))}
            onPointerLeave={() => setToken(-1)}
            onBlur={() => point(-1)}
            onKeyDown={(event) => {
              const by = line.current?.along(event.key, cursor.current) ?? 0;
              const to = { Home: 0, End: n - 1 }[event.key] ?? cursor.current + by;
              if (to === cursor.current) return;
              event.preventDefault();
              point(Math.max(0, Math.min(n - 1, to)));
            }}
          />
          <ul class="saew-source-list">
            {order.slice(0, LISTED).map((i) => (
              <li key={i}>
                <bdi>{name(i)}</bdi> <b>{signed(value(i))}</b>
              </li>
            ))}
          </ul>
          <fieldset class="saew-heads">
            <legend class="saew-small">Heads: share of their |sums|, and sum</legend>
            {[-1, ...heads].map((h, i) => (
              <button
                type="button"
                key={h}
                aria-pressed={h === (row < 0 ? -1 : head)}
                disabled={i > 0 && !parts.length}
                onClick={() => setHead(h)}
              >
                <span>{i ? `head ${h}` : "all heads"}</span>
                {i > 0 && (
                  <>
                    <i data-down={(sums[i - 1] ?? 0) < 0} style={{ width: percent(share[i - 1] || 0) }} />
                    <span>{percent(share[i - 1] ?? Number.NaN)}</span>
                  </>
                )}
                <b>{signed(i ? (sums[i - 1] ?? 0) : r.total)}</b>
              </button>
            ))}
          </fieldset>
          <p class="saew-small">
            {`${num(r.total)} from the tokens, ${signed(r.rest)} ${r.rest_label}: together ${num(r.activation)}`}
          </p>
          {at && (
            <Tip at={at} root={root}>
              <bdi>{says(token)}</bdi>
            </Tip>
          )}
        </>
      )}
    </>
  );
}

/** The tokens in a row, of which one is the one that it is about. */
class Line extends TokenText {
  constructor(host: HTMLElement, prefix: string, str: string[], flags: ArrayLike<number>, at: number) {
    super(host, prefix);
    host.dir = "auto";
    host.replaceChildren(...str.map((text, i) => this.make(i, text, flags[i] ?? 0)));
    this.element(at)?.classList.add("saew-picked");
  }
}
