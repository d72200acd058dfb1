/** The text of points: in short beside the one that is pointed at, and below, with every token, of those that are kept. */

import { useEffect, useRef, useState } from "preact/hooks";
import { num } from "../../controls/format";
import { Button, Small } from "../../controls/small";
import { Name } from "../../feature/said";
import { useLookup } from "../../kernel/lookup";
import type { Model } from "../../kernel/types";
import { background } from "../../tokens/paint";
import type { Palette } from "../../tokens/palette";
import { Tok, tokenName } from "../../tokens/tok";
import { TokenBox } from "../../tokens/tokenbox";
import { label } from "../../tokens/visible";
import { type Buckets, markOfPoint } from "./colours";
import { Swatch } from "./legend";
import type { Points, TextJson, TextsJson } from "./wire";

/** Whoever only passes by asks for nothing. */
const WAIT_MS = 90;
/** Tokens of the tip. */
const BEFORE = 10;
const AFTER = 5;
const ACTIVE = 5;
/** Texts that are listed. */
export const LISTED = 12;

/** What has been pointed at for a moment; -1: nothing. */
export function useStill(point: number): number {
  const [still, setStill] = useState(-1);
  useEffect(() => {
    if (point === still) return;
    const timer = setTimeout(() => setStill(point), WAIT_MS);
    return () => clearTimeout(timer);
  }, [point]);
  return still;
}

/** The texts of points, as far as there are any. */
export function useTexts(model: Model, root: HTMLElement, points: Points, wanted: readonly number[]) {
  const features = points.json.features.map(({ f }) => f);
  const looked = useLookup<TextsJson>(
    model,
    root,
    "texts",
    wanted.length > 0 ? { features, points: [...wanted] } : null,
  );
  return { texts: looked?.reply?.r.texts ?? null, error: looked?.error ?? "", waits: wanted.length > 0 && !looked };
}

interface TipProps {
  points: Points;
  pair: [number, number];
  buckets: Buckets;
  point: number;
  text: TextJson | null;
  /** Why there is none; "" while it is on its way. */
  missing: string;
}

export function PointTip({ points, pair, buckets, point, text, missing }: TipProps) {
  return (
    <div class="saew-point-tip">
      <div>
        <Swatch mark={markOfPoint(buckets, point)} />
        <b class="saew-mono">
          <Tok t={points.token(point)} />
        </b>
        <Small>{` ${coordinates(points, pair, point)}`}</Small>
      </div>
      {text ? (
        <>
          <div class="saew-point-text" dir="auto">
            {text.at > BEFORE && "\u2026"}
            <span>{label(text.str.slice(Math.max(0, text.at - BEFORE), text.at).join(""))}</span>
            <mark>{label(text.str[text.at] ?? "")}</mark>
            <span>{label(text.str.slice(text.at + 1, text.at + 1 + AFTER).join(""))}</span>
            {text.str.length > text.at + 1 + AFTER && "\u2026"}
          </div>
          <Small>{where(text)}</Small>
          <Active points={points} text={text} most={ACTIVE} />
        </>
      ) : (
        <Small>{missing || "\u2026"}</Small>
      )}
    </div>
  );
}

function coordinates(points: Points, pair: [number, number], point: number): string {
  return pair.map((one) => `PC${one + 1} ${num(points.on(one)[point] ?? Number.NaN)}`).join(" \u00b7 ");
}

function where(text: TextJson): string {
  const name = label(text.document);
  return `${/^\d+$/.test(name) ? "document " : ""}${name} \u00b7 token ${text.in_document.toLocaleString("en")}`;
}

/** The features that are active there, strongest first. */
function active(points: Points, text: TextJson) {
  return points.json.features
    .map((row, at) => ({ row, a: text.a[at] ?? 0 }))
    .filter(({ a }) => a !== 0)
    .sort((one, other) => Math.abs(other.a) - Math.abs(one.a));
}

/** The features that are active at a point; each in a line, or beside each other. */
function Active({ points, text, most = Number.POSITIVE_INFINITY }: { points: Points; text: TextJson; most?: number }) {
  const found = active(points, text);
  return (
    <div class="saew-acts saew-small">
      {found.slice(0, most).map(({ row, a }) => (
        <span key={row.f} class="saew-act">
          <b>{row.f}</b> <Name of={row} /> {num(a)}
        </span>
      ))}
      {found.length > most && <span>{`and ${found.length - most} more`}</span>}
    </div>
  );
}

/** What is said of a point, for those who hear it. */
export function spoken(points: Points, pair: [number, number], point: number, text: TextJson | null): string {
  const context = text
    ? `, in: ${label(text.str.slice(Math.max(0, text.at - BEFORE), text.at + 1 + AFTER).join(""))}`
    : "";
  return `${tokenName(points.token(point))}, ${coordinates(points, pair, point)}${context}`;
}

interface KeptProps {
  model: Model;
  root: HTMLElement;
  prefix: string;
  palette: Palette;
  points: Points;
  pair: [number, number];
  buckets: Buckets;
  selected: readonly number[];
  feature: number | null;
  onHover: (point: number) => void;
  onRemove: (point: number) => void;
  onClear: () => void;
}

export function Kept(props: KeptProps) {
  const { model, root, points, selected, onClear } = props;
  const there = selected.filter((point) => point < points.json.n);
  const listed = there.slice(-LISTED).reverse();
  const { texts, error, waits } = useTexts(model, root, points, listed);
  // The last ones stay until the next are there.
  const known = useRef(new Map<number, TextJson>());
  const of = useRef(points);
  if (of.current !== points) {
    of.current = points;
    known.current = new Map();
  }
  for (const text of texts ?? []) known.current.set(text.point, text);
  if (there.length === 0)
    return (
      <p class="saew-small saew-kept-none">
        Point at a token to see its text; click it to keep it here. With Ctrl or Shift several can be kept.
      </p>
    );
  return (
    <section class="saew-kept-texts" aria-label="Selected tokens">
      <div class="saew-head">
        <h3>{`${there.length.toLocaleString("en")} selected`}</h3>
        {there.length > LISTED && <Small>{`the texts of the last ${LISTED}`}</Small>}
        <Button class="saew-link" onClick={onClear}>
          clear
        </Button>
      </div>
      {error && <p class="saew-note">{label(error)}</p>}
      <ol>
        {listed.map((point) => (
          <li key={point}>
            <One {...props} point={point} text={known.current.get(point) ?? null} waits={waits} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function One({
  prefix,
  palette,
  points,
  pair,
  buckets,
  feature,
  point,
  text,
  waits,
  onHover,
  onRemove,
}: KeptProps & { point: number; text: TextJson | null; waits: boolean }) {
  const rows = points.json.features;
  // The feature that is looked at, else the strongest there.
  const chosen = rows.find(({ f }) => f === feature) ?? (text && active(points, text)[0]?.row) ?? null;
  const column = chosen ? rows.indexOf(chosen) : -1;
  const values = new Float32Array(text?.str.length ?? 0);
  const pointOf = new Map<number, number>();
  for (const [at, other, acts] of text?.others ?? []) {
    values[at] = acts[column] ?? 0;
    pointOf.set(at, other);
  }
  const layers = chosen ? [{ hue: 0, values, scale: chosen.max }] : [];
  return (
    <>
      <div class="saew-kept-head">
        <Swatch mark={markOfPoint(buckets, point)} />
        <b class="saew-mono">
          <Tok t={points.token(point)} />
        </b>
        <Small>{`${coordinates(points, pair, point)}${text ? ` \u00b7 ${where(text)}` : ""}`}</Small>
        <Button
          class="saew-quiet"
          aria-label={`Let go of ${tokenName(points.token(point))}, point ${point}`}
          onClick={() => onRemove(point)}
        >
          {"\u00d7"}
        </Button>
      </div>
      {text ? (
        <>
          <TokenBox
            tokens={{ str: text.str, flags: new Uint8Array(text.str.length) }}
            name={`Text of ${tokenName(points.token(point))}`}
            id={`${prefix}-text-${point}`}
            className="saew-kept-text"
            look={(at) => background(layers, at, palette)}
            lookKey={`${column}`}
            classes={(at) => (at === text.at ? "saew-here" : "")}
            describe={(at) =>
              pointOf.has(at)
                ? `a point of the picture${chosen ? `, activation of feature ${chosen.f}: ${num(values[at] ?? 0)}` : ""}`
                : "not a point of the picture"
            }
            onPoint={(at) => onHover(pointOf.get(at) ?? -1)}
          />
          <Active points={points} text={text} />
          {chosen && <Small>{`Coloured: activation of ${chosen.f} on the tokens that are points, too.`}</Small>}
        </>
      ) : (
        <Small>{waits ? "\u2026" : "Its text is not in this page. Run it live to see it."}</Small>
      )}
    </>
  );
}
