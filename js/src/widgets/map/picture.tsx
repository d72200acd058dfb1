/**
 * The picture: points on one canvas, and on another over it what follows the hand, a ring around what is pointed at, the line
 * of a lasso. What moves is drawn from refs, frame by frame; the rest of the view is not drawn anew for it.
 */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Frame, type Look, screenX, screenY, WHOLE } from "../../charts/plane";
import { densityOf, penOf, pixelsOf, useSize } from "../../charts/size";
import { useWheel } from "../../charts/wheel";
import { Segments } from "../../controls/segments";
import { frameOf, moved, zoomed } from "./look";
import { meant, within } from "./meant";
import { cross, loop, ring } from "./over";
import { type Drawn, raster } from "./raster";

/** Pixels: of an arrow key, of a hand that clicks, between corners of a lasso, around what is meant by pointer and by key. */
const STEP = 60;
const STILL = 4;
const CORNER = 3;
const NEAR = 8;
const AIMED = 40;
const CLOSER = 1.4;
/** More points than these are drawn in less than a frame only if they are drawn coarsely. */
const MANY = 20_000;
/** After so long a movement has come to rest. */
const REST_MS = 140;

export interface Hand {
  /** The point that is pointed at (-1: none), and what stands beside it. */
  onHover: (row: number, at?: HTMLElement) => void;
  onClick: (row: number, add: boolean) => void;
  onLasso: (rows: number[], add: boolean) => void;
  onClear: () => void;
}

interface Props extends Hand {
  root: HTMLElement;
  drawn: Drawn;
  /** Points that have a ring. */
  hovered: number;
  current: number;
  accent: string;
  name: string;
  /** Id of what says how it is used. */
  hint: string;
  /** Grows when `current` is to be in the middle. */
  wish: number;
  /** What stands beside the buttons. */
  children: ComponentChildren;
}

const UNMEASURED = { width: 480, height: 360 };

export function Picture(props: Props) {
  const { root, drawn, name, hint, hovered, current, wish } = props;
  const [host, setHost] = useState<HTMLDivElement | null>(null);
  const [tool, setTool] = useState("move");
  const size = useSize(host, UNMEASURED);
  const base = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  const marker = useRef<HTMLDivElement>(null);
  const look = useRef<Look>(WHOLE);
  const image = useRef<{ data: ImageData; pixels: Uint32Array } | null>(null);
  const waiting = useRef({ frame: 0, points: false });
  const moving = useRef(false);
  const rest = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const lasso = useRef<number[] | null>(null);
  const drag = useRef<{ x: number; y: number; far: boolean; add: boolean } | null>(null);
  /** Whether the middle is pointed at, by keys. */
  const aims = useRef(false);
  const now = useRef({ ...props, size, tool });
  now.current = { ...props, size, tool };

  const frame = (): Frame => {
    const { drawn: it, size: box } = now.current;
    return frameOf(it.points.box, box.width, box.height, look.current);
  };
  const dense = () => Math.min(3, densityOf(root));
  const drawPoints = () => {
    const el = base.current;
    const ctx = el?.getContext("2d", { alpha: false });
    if (!el || !ctx) return;
    const { points } = now.current.drawn;
    // Of many points a moving picture is coarse, and fine once it rests.
    const coarse = moving.current && points.n > MANY;
    const fine = coarse ? 1 : dense();
    const [width, height] = pixelsOf(el, now.current.size, fine);
    if (image.current?.data.width !== width || image.current.data.height !== height) {
      const data = ctx.createImageData(width, height);
      image.current = { data, pixels: new Uint32Array(data.data.buffer) };
    }
    raster(image.current.pixels, { width, height, dense: fine, smooth: !coarse }, frame(), now.current.drawn);
    ctx.putImageData(image.current.data, 0, 0);
    clearTimeout(rest.current);
    if (!moving.current) return;
    rest.current = setTimeout(() => {
      moving.current = false;
      soon(true);
    }, REST_MS);
  };
  const drawOver = () => {
    const el = over.current;
    const ctx = penOf(el, now.current.size, dense());
    if (!el || !ctx) return;
    const { drawn: it, hovered: pointed, current: chosen, accent, size: box } = now.current;
    const at = frame();
    ctx.strokeStyle = accent;
    ring(ctx, at, it, chosen, 5, 2.5);
    ctx.strokeStyle = getComputedStyle(el).color;
    ring(ctx, at, it, pointed, 3, 1.5);
    if (aims.current) cross(ctx, box.width / 2, box.height / 2);
    if (lasso.current) loop(ctx, lasso.current, accent);
  };
  /** What tips stand beside, at the point that is pointed at. */
  const place = () => {
    const el = marker.current;
    const { hovered: row, drawn: it } = now.current;
    if (!el || row < 0) return;
    const at = frame();
    el.style.left = `${screenX(at, it.points.x[row] ?? 0) - NEAR}px`;
    el.style.top = `${screenY(at, it.points.y[row] ?? 0) - NEAR}px`;
  };
  const soon = (points: boolean) => {
    waiting.current.points ||= points;
    waiting.current.frame ||= requestAnimationFrame(() => {
      const all = waiting.current.points;
      waiting.current = { frame: 0, points: false };
      if (all) drawPoints();
      drawOver();
    });
  };
  const go = (to: Look) => {
    look.current = to;
    moving.current = true;
    soon(true);
    place();
  };
  useLayoutEffect(() => {
    place();
    drawPoints();
    drawOver();
  }, [drawn, size]);
  useLayoutEffect(() => {
    place();
    soon(false);
  }, [hovered, current]);
  useLayoutEffect(
    () => () => {
      cancelAnimationFrame(waiting.current.frame);
      clearTimeout(rest.current);
    },
    [],
  );
  useLayoutEffect(() => {
    const { points } = drawn;
    if (wish === 0 || current < 0) return;
    go({ zoom: Math.max(6, look.current.zoom), at: { x: points.x[current] ?? 0, y: points.y[current] ?? 0 } });
  }, [wish]);

  const meantAt = (px: number, py: number, distance = NEAR) => meant(frame(), now.current.drawn, px, py, distance);
  const placeOf = (event: MouseEvent): [number, number] => {
    const box = base.current?.getBoundingClientRect();
    return [event.clientX - (box?.left ?? 0), event.clientY - (box?.top ?? 0)];
  };
  const hover = (row: number) => {
    if (row !== now.current.hovered) props.onHover(row, marker.current ?? undefined);
  };
  const aim = () => {
    aims.current = true;
    const { width, height } = now.current.size;
    hover(meantAt(width / 2, height / 2, AIMED));
    soon(false);
  };

  useWheel(base, (event, by) => {
    go(zoomed(frame(), now.current.drawn.points.box, by, ...placeOf(event)));
    hover(meantAt(...placeOf(event)));
  });

  const middle = (): [number, number] => [now.current.size.width / 2, now.current.size.height / 2];
  const closer = (by: number) => () => zoomed(frame(), now.current.drawn.points.box, by, ...middle());
  const by = (x: number, y: number) => () => moved(frame(), now.current.drawn.points.box, x, y);
  const moves: Record<string, () => Look> = {
    ArrowLeft: by(-STEP, 0),
    ArrowRight: by(STEP, 0),
    ArrowUp: by(0, -STEP),
    ArrowDown: by(0, STEP),
    "+": closer(CLOSER),
    "=": closer(CLOSER),
    "-": closer(1 / CLOSER),
    "0": () => WHOLE,
    Home: () => WHOLE,
  };
  const keys = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = moves[event.key];
    if (to) {
      go(to());
      aim();
    } else if (event.key === "Enter" || event.key === " ") {
      if (now.current.hovered >= 0) props.onClick(now.current.hovered, event.key === " ");
    } else if (event.key === "Escape") {
      if (lasso.current) {
        lasso.current = null;
        drag.current = null;
        soon(false);
      } else props.onClear();
    } else return;
    event.preventDefault();
  };

  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    const [x, y] = placeOf(event);
    const more = event.ctrlKey || event.metaKey;
    const lassoes = now.current.tool === "lasso" || event.shiftKey;
    drag.current = { x, y, far: false, add: more || (now.current.tool === "lasso" && event.shiftKey) };
    lasso.current = lassoes ? [x, y] : null;
    (event.currentTarget as HTMLElement).setPointerCapture?.(event.pointerId);
  };
  const move = (event: PointerEvent) => {
    const [x, y] = placeOf(event);
    const from = drag.current;
    if (aims.current) {
      aims.current = false;
      soon(false);
    }
    if (!from) return hover(meantAt(x, y));
    if (!from.far && Math.hypot(x - from.x, y - from.y) < STILL) return;
    if (!from.far) hover(-1);
    from.far = true;
    const line = lasso.current;
    if (!line) {
      go(moved(frame(), now.current.drawn.points.box, from.x - x, from.y - y));
      [from.x, from.y] = [x, y];
    } else if (Math.hypot(x - (line.at(-2) ?? 0), y - (line.at(-1) ?? 0)) >= CORNER) {
      line.push(x, y);
      soon(false);
    }
  };
  const up = (event: PointerEvent) => {
    const from = drag.current;
    const line = lasso.current;
    drag.current = null;
    lasso.current = null;
    if (!from) return;
    if (!from.far) return props.onClick(meantAt(...placeOf(event)), from.add || event.shiftKey);
    if (!line) return hover(meantAt(...placeOf(event)));
    soon(false);
    props.onLasso(within(frame(), now.current.drawn, line), from.add);
  };
  const button = (says: string, what: string, to: () => Look) => (
    <button type="button" title={what} aria-label={what} onClick={() => go(to())}>
      {says}
    </button>
  );
  return (
    <>
      <div class="saew-map-said">
        {props.children}
        <div class="saew-map-hands">
          <Segments
            name="What dragging does"
            values={["move", "lasso"]}
            texts={["Move", "Lasso"]}
            value={tool}
            onChange={setTool}
          />
          {button("+", "Zoom in", closer(CLOSER))}
          {button("\u2212", "Zoom out", closer(1 / CLOSER))}
          {button("fit", "fit the whole map", () => WHOLE)}
        </div>
      </div>
      <div class="saew-map-picture" ref={setHost} data-tool={tool}>
        {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: a screen reader has to leave it its keys */}
        <canvas
          ref={base}
          tabIndex={0}
          role="application"
          aria-label={name}
          aria-describedby={hint}
          onKeyDown={keys}
          onPointerDown={down}
          onPointerMove={move}
          onPointerUp={up}
          onPointerCancel={() => {
            drag.current = null;
            lasso.current = null;
            soon(false);
          }}
          onPointerLeave={() => !drag.current && hover(-1)}
          onBlur={() => {
            if (!aims.current) return;
            aims.current = false;
            hover(-1);
            soon(false);
          }}
          // On a Mac it is a click with ctrl.
          onContextMenu={(event) => event.ctrlKey && event.preventDefault()}
        />
        <div class="saew-map-over" aria-hidden="true">
          <canvas ref={over} />
        </div>
        <div class="saew-map-marker" ref={marker} aria-hidden="true" />
      </div>
    </>
  );
}
