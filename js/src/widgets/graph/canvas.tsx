/**
 * The picture: a canvas to pan, zoom, point at and click. What moves is drawn from a ref, frame by frame; the rest of the
 * view is not drawn anew for it. Everything that can be done here can be done in the lists, too.
 */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { densityOf, penOf, useSize } from "../../charts/size";
import { useWheel } from "../../charts/wheel";
import { Tip } from "../../controls/tip";
import { LinkLayer } from "./layer";
import { paint, type Scene } from "./paint";
import { type Frame, frameOf, kept, type Look, nearest, screenX, screenY, WHOLE, zoomed } from "./picture";

const STEP = 40;
const CLOSER = 1.3;
/** A pointer that moves less, in pixels, clicks. */
const STILL = 4;
/** After so long a movement has come to rest. */
const REST_MS = 140;
const UNMEASURED = { width: 360, height: 520 };

interface Props {
  root: HTMLElement;
  scene: Scene;
  name: string;
  onHover: (row: number, at?: HTMLElement) => void;
  onClick: (row: number, event: PointerEvent) => void;
  tip: ComponentChildren;
}

export function Canvas({ root, scene, name, onHover, onClick, tip }: Props) {
  const [host, setHost] = useState<HTMLDivElement | null>(null);
  const { width, height } = useSize(host, UNMEASURED);
  const canvas = useRef<HTMLCanvasElement>(null);
  const marker = useRef<HTMLDivElement>(null);
  const look = useRef<Look>(WHOLE);
  const now = useRef({ scene, width, height });
  now.current = { scene, width, height };
  const frame = (): Frame => frameOf(now.current.scene.places, now.current.width, now.current.height, look.current);
  const waiting = useRef(0);
  const layer = useRef(new LinkLayer());
  const moving = useRef(false);
  const rest = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const draw = () => {
    waiting.current = 0;
    const dense = densityOf(root);
    const ctx = penOf(canvas.current, now.current, dense);
    if (!ctx) return;
    const to = frame();
    let fresh = true;
    paint(ctx, now.current.scene, to, () => {
      fresh = layer.current.draw(ctx, now.current.scene, to, dense, moving.current);
    });
    if (fresh) return;
    clearTimeout(rest.current);
    rest.current = setTimeout(() => {
      moving.current = false;
      draw();
    }, REST_MS);
  };
  const soon = () => {
    if (!waiting.current) waiting.current = requestAnimationFrame(draw);
  };
  const go = (to: Look) => {
    look.current = kept(to, now.current.width, now.current.height);
    moving.current = true;
    soon();
    place();
  };
  /** The mark that tips stand beside, at the node that is pointed at. */
  const place = () => {
    const { scene: it } = now.current;
    const el = marker.current;
    if (!el || it.hovered < 0) return;
    const at = frame();
    el.style.left = `${screenX(at, it.places.x[it.hovered] ?? 0) - 8}px`;
    el.style.top = `${screenY(at, it.places.y[it.hovered] ?? 0) - 8}px`;
  };
  useLayoutEffect(() => {
    place();
    draw();
  }, [scene, width, height]);
  useLayoutEffect(
    () => () => {
      cancelAnimationFrame(waiting.current);
      clearTimeout(rest.current);
    },
    [],
  );

  const at = (event: MouseEvent): [number, number] => {
    const box = canvas.current?.getBoundingClientRect();
    return [event.clientX - (box?.left ?? 0), event.clientY - (box?.top ?? 0)];
  };
  const under = (event: MouseEvent) =>
    nearest(now.current.scene.places, now.current.scene.shown, frame(), ...at(event));
  const drag = useRef<{ x: number; y: number; far: boolean } | null>(null);

  useWheel(canvas, (event, by, pixels) => {
    if (event.shiftKey) go({ ...look.current, x: look.current.x + pixels });
    else go(zoomed(look.current, by, ...at(event)));
  });

  const middle = (): [number, number] => [now.current.width / 2, now.current.height / 2];
  const closer = () => zoomed(look.current, CLOSER, ...middle());
  const farther = () => zoomed(look.current, 1 / CLOSER, ...middle());
  const by = (x: number, y: number) => () => ({ ...look.current, x: look.current.x + x, y: look.current.y + y });
  const moves: Record<string, () => Look> = {
    ArrowLeft: by(-STEP, 0),
    ArrowRight: by(STEP, 0),
    ArrowUp: by(0, -STEP),
    ArrowDown: by(0, STEP),
    "+": closer,
    "=": closer,
    "-": farther,
    "0": () => WHOLE,
  };
  const keys = (event: KeyboardEvent) => {
    const to = moves[event.key];
    if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
    go(to());
    event.preventDefault();
  };
  const button = (says: string, what: string, to: () => Look) => (
    <button type="button" title={what} aria-label={what} onClick={() => go(to())}>
      {says}
    </button>
  );
  return (
    <div class="saew-graph-picture" ref={setHost}>
      {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: a screen reader has to leave it its keys */}
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label={name}
        onKeyDown={keys}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          const [x, y] = [event.clientX, event.clientY];
          drag.current = { x, y, far: false };
          event.currentTarget.setPointerCapture?.(event.pointerId);
        }}
        onPointerMove={(event) => {
          const from = drag.current;
          if (!from) {
            const row = under(event);
            if (row !== now.current.scene.hovered) onHover(row, marker.current ?? undefined);
            return;
          }
          const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
          if (!from.far && Math.hypot(dx, dy) < STILL) return;
          if (!from.far) onHover(-1);
          drag.current = { x: event.clientX, y: event.clientY, far: true };
          go({ ...look.current, x: look.current.x - dx, y: look.current.y - dy });
        }}
        onPointerUp={(event) => {
          const far = drag.current?.far ?? true;
          drag.current = null;
          if (!far) onClick(under(event), event);
        }}
        onPointerCancel={() => {
          drag.current = null;
        }}
        onPointerLeave={() => onHover(-1)}
        // On a Mac it is a click with ctrl.
        onContextMenu={(event) => event.ctrlKey && event.preventDefault()}
      />
      <div class="saew-graph-zoom">
        {button("+", "Zoom in", closer)}
        {button("\u2212", "Zoom out", farther)}
        {button("fit", "fit the whole graph", () => WHOLE)}
      </div>
      <div class="saew-graph-marker" ref={marker} aria-hidden="true" />
      {tip && marker.current && (
        <Tip at={marker.current} root={root}>
          {tip}
        </Tip>
      )}
    </div>
  );
}
