/**
 * The scatter: a canvas of points under a picture of axes and marks, to point at, click, and walk through with arrow keys. What
 * moves is drawn from a ref; the marks of pointed at and selected points are elements, in the theme's own colours.
 */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { tickLabel, ticks } from "../../charts/axis";
import { nearbyOf, nearest, toward } from "../../charts/nearby";
import { type Look, moved, planeX, planeY, screenX, screenY, WHOLE, zoomed } from "../../charts/plane";
import { penOf } from "../../charts/size";
import { useWheel } from "../../charts/wheel";
import { useWidth } from "../../charts/width";
import { percent } from "../../controls/format";
import { Button } from "../../controls/small";
import { Tip } from "../../controls/tip";
import { type Buckets, markOfPoint } from "./colours";
import { CLOSEST, frameOf } from "./frame";
import { paint, radiusOf } from "./paint";
import type { Points } from "./wire";

const LEFT = 46;
const BOTTOM = 36;
const TOP = 6;
const RIGHT = 8;
const CLOSER = 1.5;
/** So far from a point, in pixels, it is still pointed at. */
const NEAR = 18;
/** A pointer that moves less, in pixels, clicks. */
const STILL = 4;

interface Props {
  root: HTMLElement;
  points: Points;
  pair: [number, number];
  buckets: Buckets;
  /** Whether a point is among those that are looked at. */
  shown: (point: number) => boolean;
  /** Changes with `shown`. */
  shownKey: string;
  selected: readonly number[];
  hovered: number;
  /** What is said of the hovered point, for those who hear it. */
  says: string;
  /** Beside the hovered point, where it is pointed at here. */
  tip: ComponentChildren;
  onHover: (point: number) => void;
  onPick: (point: number, add: boolean) => void;
  onClear: () => void;
}

export function Plot(props: Props) {
  const { root, points, pair, buckets, shown, shownKey, selected, hovered, says, tip } = props;
  const [measure, whole] = useWidth();
  const canvas = useRef<HTMLCanvasElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const [marker, setMarker] = useState<HTMLElement | null>(null);
  const [look, setLook] = useState<Look>(WHOLE);
  const [here, setHere] = useState(false);
  const width = Math.max(80, whole - LEFT - RIGHT);
  const height = Math.round(Math.max(220, Math.min(460, width * 0.86)));
  const { extent, explained, n } = points.json;
  const [a, b] = pair;
  const [x, y] = [points.on(a), points.on(b)];
  const to = frameOf(extent[a] ?? [0, 0], extent[b] ?? [0, 0], width, height, look);
  const radius = radiusOf(n, look.zoom);
  const hits = useMemo(() => nearbyOf(x, y, shown), [points, a, b, shownKey]);

  useLayoutEffect(() => setLook(WHOLE), [points, a, b]);
  useLayoutEffect(() => {
    const ctx = penOf(canvas.current, { width, height });
    if (!ctx) return;
    paint(ctx, { x, y, buckets, shown }, to, radius);
  }, [points, a, b, buckets, shownKey, width, height, look]);

  const at = (event: { clientX: number; clientY: number }): [number, number] => {
    const rect = canvas.current?.getBoundingClientRect();
    return [event.clientX - (rect?.left ?? 0), event.clientY - (rect?.top ?? 0)];
  };
  const under = (event: { clientX: number; clientY: number }) => {
    const [px, py] = at(event);
    return nearest(hits, planeX(to, px), planeY(to, py), NEAR / to.scale);
  };
  const zoom = (by: number, px = width / 2, py = height / 2) => setLook(zoomed(to, CLOSEST, by, px, py));
  const drag = useRef<{ x: number; y: number; far: boolean } | null>(null);

  useWheel(box, (event, by) => zoom(by, ...at(event)));

  const ways: Record<string, [number, number]> = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, 1],
    ArrowDown: [0, -1],
  };
  const keys = (event: KeyboardEvent) => {
    if (event.altKey) return;
    const way = ways[event.key];
    if (way) {
      // From the point that is pointed at; at first, from the middle.
      const from = hovered >= 0 ? hovered : nearest(hits, to.x, to.y, Number.MAX_VALUE);
      const next = hovered >= 0 ? toward(hits, x[from] ?? 0, y[from] ?? 0, ...way) : from;
      if (next >= 0) {
        reveal(next);
        props.onHover(next);
      }
    } else if (event.key === "Enter" || event.key === " ") {
      if (hovered >= 0) props.onPick(hovered, event.ctrlKey || event.metaKey || event.shiftKey);
    } else if (event.key === "Escape") {
      if (hovered >= 0) props.onHover(-1);
      else props.onClear();
    } else if (event.ctrlKey || event.metaKey) return;
    else if (event.key === "+" || event.key === "=") zoom(CLOSER);
    else if (event.key === "-") zoom(1 / CLOSER);
    else if (event.key === "0") setLook(WHOLE);
    else return;
    event.preventDefault();
  };
  const place = (point: number): [number, number] => [screenX(to, x[point] ?? 0), screenY(to, y[point] ?? 0)];
  const inside = (point: number) => {
    const [px, py] = place(point);
    return px >= 0 && py >= 0 && px <= width && py <= height;
  };
  /** The whole has no other place. */
  const move = (dx: number, dy: number) => look.zoom > 1 && setLook(moved(to, dx, dy));
  /** Bring a point into a picture that is near. */
  const reveal = (point: number) => {
    const [px, py] = place(point);
    if (!inside(point)) move(px - width / 2, py - height / 2);
  };

  const ring = (point: number, name: string) => {
    const [px, py] = place(point);
    if (point >= n || !inside(point)) return null;
    return (
      <g key={`${name} ${point}`} class={name} transform={`translate(${LEFT + px} ${TOP + py})`} data-point={point}>
        <circle r={radius + 4} class="saew-ring-under" />
        <circle r={radius + 4} class="saew-ring" />
        {name === "saew-hit" && <circle r={radius} fill={markOfPoint(buckets, point).colour} />}
      </g>
    );
  };
  const marks = (low: number, high: number, room: number) => ticks(low, high, Math.max(2, Math.floor(room / 55)));
  const [marksX, marksY] = [
    marks(planeX(to, 0), planeX(to, width), width),
    marks(planeY(to, height), planeY(to, 0), height),
  ];
  const axis = (component: number) =>
    `PC${component + 1} (${percent(explained[component] ?? Number.NaN)} of the variance)`;
  const pointed = hovered >= 0 && hovered < n && inside(hovered);
  return (
    <div class="saew-plot" ref={measure}>
      <div
        ref={box}
        class={look.zoom > 1 ? "saew-plot-box saew-plot-near" : "saew-plot-box"}
        style={{ height: `${height + TOP + BOTTOM}px` }}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys walk through its points
        tabIndex={0}
        role="application"
        aria-roledescription="scatter plot"
        aria-label={`${n.toLocaleString("en")} tokens; ${axis(a)} to the right, ${axis(b)} upwards. Arrows move from point to point, Enter keeps one, Escape lets go; plus, minus and 0 zoom.`}
        onKeyDown={keys}
        onBlur={() => setHere(false)}
        onFocus={() => setHere(true)}
        onPointerMove={(event) => {
          const held = drag.current;
          if (held) {
            if (!held.far && Math.hypot(event.clientX - held.x, event.clientY - held.y) < STILL) return;
            if (look.zoom > 1) {
              move(held.x - event.clientX, held.y - event.clientY);
              drag.current = { x: event.clientX, y: event.clientY, far: true };
              return;
            }
            held.far = true;
          }
          setHere(true);
          props.onHover(under(event));
        }}
        onPointerLeave={() => {
          drag.current = null;
          setHere(false);
          props.onHover(-1);
        }}
        onPointerDown={(event) => {
          if (event.button === 0) drag.current = { x: event.clientX, y: event.clientY, far: false };
        }}
        onPointerUp={(event) => {
          const held = drag.current;
          drag.current = null;
          if (!held || held.far) return;
          const point = under(event);
          if (point >= 0) props.onPick(point, event.ctrlKey || event.metaKey || event.shiftKey);
        }}
      >
        <canvas
          ref={canvas}
          style={{ left: `${LEFT}px`, top: `${TOP}px`, width: `${width}px`, height: `${height}px` }}
        />
        <svg width={LEFT + width + RIGHT} height={TOP + height + BOTTOM} aria-hidden="true">
          <rect class="saew-plot-edge" x={LEFT - 0.5} y={TOP - 0.5} width={width + 1} height={height + 1} />
          {marksX.map((mark) => (
            <g key={mark} transform={`translate(${LEFT + Math.round(screenX(to, mark)) + 0.5} ${TOP + height})`}>
              <line class="saew-axis" y1={0} y2={4} />
              <text class="saew-tick" y={15} text-anchor="middle">
                {tickLabel(mark, marksX)}
              </text>
            </g>
          ))}
          {marksY.map((mark) => (
            <g key={mark} transform={`translate(${LEFT} ${TOP + Math.round(screenY(to, mark)) + 0.5})`}>
              <line class="saew-axis" x1={-4} x2={0} />
              <text class="saew-tick" x={-6} y={4} text-anchor="end">
                {tickLabel(mark, marksY)}
              </text>
            </g>
          ))}
          <text class="saew-axis-name" x={LEFT + width / 2} y={TOP + height + 31} text-anchor="middle">
            {axis(a)}
          </text>
          <text class="saew-axis-name" transform={`translate(11 ${TOP + height / 2}) rotate(-90)`} text-anchor="middle">
            {axis(b)}
          </text>
          {selected.map((point) => ring(point, "saew-kept"))}
          {pointed && ring(hovered, "saew-hit")}
        </svg>
        {pointed && (
          <span
            ref={setMarker}
            class="saew-plot-mark"
            style={{
              left: `${LEFT + screenX(to, x[hovered] ?? 0) - 6}px`,
              top: `${TOP + screenY(to, y[hovered] ?? 0) - 6}px`,
            }}
          />
        )}
      </div>
      <div class="saew-plot-zoom">
        <Button aria-label="Nearer" title="Nearer (or Ctrl and the wheel; drag to move)" onClick={() => zoom(CLOSER)}>
          +
        </Button>
        <Button aria-label="Farther" title="Farther" disabled={look.zoom === 1} onClick={() => zoom(1 / CLOSER)}>
          {"\u2212"}
        </Button>
        {look.zoom > 1 && (
          <Button title="All points" onClick={() => setLook(WHOLE)}>
            All
          </Button>
        )}
      </div>
      <p class="saew-offscreen" role="status">
        {pointed && here ? says : ""}
      </p>
      {pointed && here && marker && (
        <Tip at={marker} root={root}>
          {tip}
        </Tip>
      )}
    </div>
  );
}
