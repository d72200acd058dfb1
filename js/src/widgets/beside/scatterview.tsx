/** Every token of the corpus where one of the two fires, one activation against the other; pointed at, it shows its text. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { penOf } from "../../charts/size";
import { useWidth } from "../../charts/width";
import { count, num } from "../../controls/format";
import { Tip } from "../../controls/tip";
import { useLookup } from "../../kernel/lookup";
import { useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import type { Palette } from "../../tokens/palette";
import { label } from "../../tokens/visible";
import { Values, WindowLine } from "./paired";
import { draw, layout, nearest, walk } from "./scatter";
import { keep } from "./state";
import { type ContextJson, type CorpusData, KINDS, SAYS, type Which, windowTokens } from "./wire";

/** Whoever only passes by asks for no text. */
const WAIT_MS = 90;
const TALLEST = 430;

interface Props {
  model: Model;
  root: HTMLElement;
  palette: Palette;
  order: [Which, Which];
  data: CorpusData;
  /** What the sides are called. */
  names: Record<Which, string>;
}

export function ScatterView({ model, root, palette, order, data, names }: Props) {
  const { points, json } = data;
  const position = useTrait<number | null>(model, "position");
  const [host, width] = useWidth();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [spot, setSpot] = useState<HTMLElement | null>(null);
  const [over, setOver] = useState(-1);
  const height = Math.round(Math.min(TALLEST, Math.max(220, width * 0.8)));
  const at = useMemo(() => layout(points, order, width, height), [points, order.join(), width, height]);
  const path = useMemo(() => walk(at), [at]);
  const features = { A: json.a, B: json.b };
  const axes = order.map((which) => `${which}: feature ${features[which]} of ${names[which]}`) as [string, string];
  // In the layout, before the next pointer: another pair's point is none of these.
  useLayoutEffect(() => setOver(-1), [points]);
  useLayoutEffect(() => {
    const context = penOf(canvas.current, { width, height });
    if (!context) return;
    draw(context, at, points, order, palette, axes);
  }, [at, palette, axes.join()]);

  const here = over < points.at.length ? over : -1;
  const pinned = useMemo(() => (position === null ? -1 : points.at.indexOf(position)), [points, position]);
  const pin = (i: number) => i >= 0 && keep(model, json, points.at[i] === position ? null : (points.at[i] ?? null));
  const step = (by: number) => {
    const now = path.indexOf(here);
    const next = now < 0 ? (by > 0 ? 0 : path.length - 1) : now + by;
    setOver(path[Math.max(0, Math.min(path.length - 1, next))] ?? -1);
  };
  const under = (event: MouseEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return nearest(at, event.clientX - box.left, event.clientY - box.top);
  };
  return (
    <div class="saew-scatter">
      <div
        ref={host}
        class="saew-cloud"
        role="slider"
        tabIndex={0}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, path.length - 1)}
        aria-valuenow={Math.max(0, path.indexOf(here))}
        aria-valuetext={here < 0 ? "no point" : `A ${num(points.x[here] ?? 0)}, B ${num(points.y[here] ?? 0)}`}
        aria-label={`${count(points.at.length, "token")} as points, ${axes[1]} against ${axes[0]}. Arrows move from point to point, Enter keeps one, Escape leaves it.`}
        onPointerMove={(event) => setOver(under(event))}
        onPointerLeave={() => setOver(-1)}
        onBlur={() => setOver(-1)}
        onClick={(event) => pin(under(event))}
        onKeyDown={(event) => {
          if (event.key === "ArrowRight" || event.key === "ArrowUp") step(1);
          else if (event.key === "ArrowLeft" || event.key === "ArrowDown") step(-1);
          else if (event.key === "Home" || event.key === "End")
            setOver((event.key === "Home" ? path[0] : path.at(-1)) ?? -1);
          else if (event.key === "Enter" || event.key === " ") pin(here);
          else if (event.key === "Escape") setOver(-1);
          else return;
          event.preventDefault();
        }}
      >
        <canvas ref={canvas} style={{ width: `${width}px`, height: `${height}px` }} />
        {pinned >= 0 && <Spot x={at.px[pinned] ?? 0} y={at.py[pinned] ?? 0} name="saew-spot saew-pinned" />}
        {here >= 0 && <Spot x={at.px[here] ?? 0} y={at.py[here] ?? 0} name="saew-spot" set={setSpot} />}
      </div>
      {here >= 0 && spot && (
        <Tip at={spot} root={root}>
          <Values a={points.x[here] ?? 0} b={points.y[here] ?? 0} order={order} />
          <Context
            {...{ model, root, palette, order }}
            a={json.a}
            b={json.b}
            scale={json.scale}
            position={points.at[here] ?? 0}
            wait={WAIT_MS}
          />
        </Tip>
      )}
      <ul class="saew-key">
        {KINDS.map((kind) => (
          <li key={kind}>
            <span class={`saew-mark saew-mark-${kind} ${markOf(kind, order)}`} aria-hidden="true" />
            {SAYS[kind]}
          </li>
        ))}
      </ul>
      {json.drawn && <p class="saew-small">{json.drawn}</p>}
    </div>
  );
}

/** A mark lies across the axis that its point stands on. */
function markOf(kind: string, order: [Which, Which]): string {
  if (kind === "both") return "";
  return (kind === "only_a") === (order[0] === "A") ? "saew-mark-upright" : "saew-mark-flat";
}

function Spot({ x, y, name, set }: { x: number; y: number; name: string; set?: (el: HTMLElement | null) => void }) {
  return <span ref={set ?? null} class={name} style={{ left: `${x}px`, top: `${y}px` }} />;
}

interface ContextProps extends Omit<Props, "data" | "names"> {
  a: number;
  b: number;
  scale: [number, number];
  position: number;
  /** So long nothing is asked; 0: at once. */
  wait?: number;
  whole?: boolean;
}

/** A token of the corpus in its text, asked for when it is looked at. */
export function Context({ model, root, palette, order, a, b, scale, position, wait = 0, whole }: ContextProps) {
  const [stood, setStood] = useState(wait === 0 ? position : null);
  useEffect(() => {
    const timer = setTimeout(() => setStood(position), wait);
    return () => clearTimeout(timer);
  }, [position]);
  const looked = useLookup<ContextJson>(model, root, "context", stood === null ? null : { a, b, position: stood });
  if (stood !== position || !looked) return <div class="saew-small">{"\u2026"}</div>;
  if (!looked.reply)
    return (
      <div class="saew-small">
        {label(looked.error) || "The text of this point is not recorded in this page. Run it live to see it."}
      </div>
    );
  const { row } = looked.reply.r;
  return (
    <>
      <WindowLine {...{ row, order, palette }} tokens={windowTokens(looked.reply, scale)} whole={whole ?? true} />
      <div class="saew-small">{`${label(row.doc)}, token ${row.at.toLocaleString("en")}`}</div>
    </>
  );
}
