/** The picture's strokes. A link's colour and dash say its sign, its strength and width its share of the target's inputs. */

import type { Palette } from "../../tokens/palette";
import { label } from "../../tokens/visible";
import { spaced } from "./edits";
import { BOTTOM, type Frame, LEFT, type Places, RIGHT, screenX, screenY, TOP } from "./picture";
import { ERROR, FEATURE, type Graph } from "./wire";

/** Shares beyond it have the full colour. */
export const FULL = 0.4;
const LEVELS = 8;
const DASH = [5, 3];

export interface Scene {
  graph: Graph;
  shown: Uint8Array;
  /** The weakest first. */
  links: number[];
  places: Places;
  palette: Palette;
  panel: string;
  accent: string;
  line: string;
  selected: number;
  hovered: number;
  pinned: ReadonlySet<number>;
  /** Nodes that are being put into a group. */
  collected: ReadonlySet<number>;
  /** What is written beside a node. */
  words: ReadonlyMap<number, string>;
}

/** All but the axes' names, within them; `all` draws all links. */
export function paint(ctx: CanvasRenderingContext2D, scene: Scene, frame: Frame, all: () => void): void {
  const { width, height } = frame;
  ctx.save();
  ctx.beginPath();
  ctx.rect(LEFT, 0, width - LEFT, height - BOTTOM);
  ctx.clip();
  grid(ctx, scene, frame);
  all();
  const { graph, selected, shown } = scene;
  if (selected >= 0) {
    const own = [...(graph.into[selected] ?? []), ...(graph.outOf[selected] ?? [])]
      .filter((link) => shown[graph.source[link] ?? 0] && shown[graph.target[link] ?? 0])
      .sort((a, b) => Math.abs(graph.share[a] ?? 0) - Math.abs(graph.share[b] ?? 0));
    paintLinks(ctx, scene, frame, own, { mx: 0, my: 0, least: 0.35 });
  }
  nodes(ctx, scene, frame);
  ctx.restore();
  axes(ctx, scene, frame);
}

function grid(ctx: CanvasRenderingContext2D, { places, line }: Scene, frame: Frame): void {
  ctx.strokeStyle = line;
  ctx.lineWidth = 1;
  ctx.setLineDash([]);
  ctx.globalAlpha = 0.5;
  ctx.beginPath();
  for (const start of places.starts) {
    const x = Math.round(screenX(frame, start + (start === 0 ? 0.25 : 0))) + 0.5;
    if (x < LEFT || x > frame.width) continue;
    ctx.moveTo(x, 0);
    ctx.lineTo(x, frame.height - BOTTOM);
  }
  ctx.stroke();
  ctx.globalAlpha = 1;
}

/** From 0 to LEVELS: links of one level look alike, and are drawn without setting anything in between. */
function levelOf(share: number): number {
  return Math.ceil(Math.min(1, Math.abs(share) / FULL) * LEVELS);
}

/** Some links, as far as they are in sight or in the margin around it. */
export function paintLinks(
  ctx: CanvasRenderingContext2D,
  { graph, places, palette }: Scene,
  frame: Frame,
  which: number[],
  { mx, my, least }: { mx: number; my: number; least: number },
): void {
  const { width, height } = frame;
  let before = Number.NaN;
  for (const link of which) {
    const share = graph.share[link] ?? 0;
    const level = levelOf(share);
    const [from, to] = [graph.source[link] ?? 0, graph.target[link] ?? 0];
    const x1 = screenX(frame, places.x[from] ?? 0);
    const y1 = screenY(frame, places.y[from] ?? 0);
    const x2 = screenX(frame, places.x[to] ?? 0);
    const y2 = screenY(frame, places.y[to] ?? 0);
    if (Math.max(x1, x2) < -mx || Math.min(x1, x2) > width + mx) continue;
    if (Math.max(y1, y2) < -my || Math.min(y1, y2) > height + my) continue;
    const look = share < 0 ? -level : level;
    if (look !== before) {
      before = look;
      const t = level / LEVELS;
      const alpha = least + (0.85 - least) * t;
      ctx.strokeStyle = `rgb(${palette.hues[share < 0 ? 4 : 1]} / ${alpha.toFixed(3)})`;
      ctx.lineWidth = 0.4 + 3 * Math.sqrt(t * FULL);
      ctx.setLineDash(share < 0 ? DASH : []);
    }
    ctx.beginPath();
    ctx.moveTo(x1, y1);
    ctx.lineTo(x2, y2);
    ctx.stroke();
  }
  ctx.setLineDash([]);
}

function nodes(ctx: CanvasRenderingContext2D, scene: Scene, frame: Frame): void {
  const { graph, places, palette } = scene;
  const radius = Math.max(2.5, Math.min(7, frame.ux * 0.34, frame.uy * 0.3));
  const same = scene.hovered >= 0 ? graph.same[scene.hovered] : undefined;
  const near = neighbours(scene);
  for (let row = 0; row < graph.n; row++) {
    if (!scene.shown[row]) continue;
    const x = screenX(frame, places.x[row] ?? 0);
    const y = screenY(frame, places.y[row] ?? 0);
    if (x < LEFT - 20 || x > frame.width + 20 || y < -20 || y > frame.height) continue;
    const alike = same !== undefined && graph.same[row] === same;
    const collected = scene.collected.has(row);
    ctx.globalAlpha = near && !near.has(row) && !alike && !collected ? 0.4 : 1;
    shape(ctx, graph.kind[row] ?? 0, x, y, radius);
    const filled = scene.pinned.has(row) || collected;
    ctx.fillStyle = alike ? `rgb(${palette.hues[0]})` : filled ? palette.neutral : scene.panel;
    ctx.fill();
    ctx.strokeStyle = collected ? scene.accent : palette.ink;
    ctx.lineWidth = filled ? 2 : 1.1;
    ctx.stroke();
    if (row !== scene.selected && row !== scene.hovered) continue;
    ctx.beginPath();
    ctx.arc(x, y, radius + 4, 0, 2 * Math.PI);
    ctx.strokeStyle = row === scene.selected ? scene.accent : palette.ink;
    ctx.lineWidth = row === scene.selected ? 2.5 : 1.2;
    ctx.stroke();
  }
  ctx.globalAlpha = 1;
  words(ctx, scene, frame, radius);
}

/** The selected node and those that it is linked with; null if none is. */
function neighbours({ graph, selected }: Scene): ReadonlySet<number> | null {
  if (selected < 0) return null;
  const found = new Set([selected]);
  for (const link of graph.into[selected] ?? []) found.add(graph.source[link] ?? 0);
  for (const link of graph.outOf[selected] ?? []) found.add(graph.target[link] ?? 0);
  return found;
}

/** Each kind of node has a form: features round, errors pointed, tokens and logits square. */
function shape(ctx: CanvasRenderingContext2D, kind: number, x: number, y: number, r: number): void {
  ctx.beginPath();
  if (kind === FEATURE) ctx.arc(x, y, r, 0, 2 * Math.PI);
  else if (kind === ERROR) {
    ctx.moveTo(x, y - r);
    ctx.lineTo(x + r, y);
    ctx.lineTo(x, y + r);
    ctx.lineTo(x - r, y);
    ctx.closePath();
  } else ctx.rect(x - r * 0.85, y - r * 0.85, r * 1.7, r * 1.7);
}

function words(ctx: CanvasRenderingContext2D, scene: Scene, frame: Frame, radius: number): void {
  const { places, palette } = scene;
  ctx.font = `11px ${palette.font}`;
  ctx.textBaseline = "middle";
  ctx.lineJoin = "round";
  /** Words that would stand on others are left out: the lists have them all. */
  const taken: [number, number, number][] = [];
  for (const [row, text] of scene.words) {
    if (!scene.shown[row]) continue;
    const x = screenX(frame, places.x[row] ?? 0);
    const y = screenY(frame, places.y[row] ?? 0);
    const said = cut(label(text), 26);
    const long = ctx.measureText(said).width;
    const left = Math.max(LEFT + 2, Math.min(x - long / 2, frame.width - RIGHT - long));
    const top = y - radius - (row === scene.selected ? 12 : 9);
    if (x < LEFT || x > frame.width || top < 0 || top > frame.height - BOTTOM) continue;
    if (taken.some(([l, t, w]) => Math.abs(t - top) < 12 && left < l + w + 4 && l < left + long + 4)) continue;
    taken.push([left, top, long]);
    ctx.strokeStyle = scene.panel;
    ctx.lineWidth = 3;
    ctx.strokeText(said, left, top);
    ctx.fillStyle = palette.ink;
    ctx.fillText(said, left, top);
  }
}

function axes(ctx: CanvasRenderingContext2D, { graph, places, palette }: Scene, frame: Frame): void {
  ctx.fillStyle = palette.ink;
  ctx.font = `11px ${palette.font}`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  let last = Number.POSITIVE_INFINITY;
  graph.json.bands.forEach((band, at) => {
    const y = screenY(frame, places.bands - at - 0.5);
    // As many as fit one above the other; the logits' and the embeddings' say what the picture is.
    if (y < TOP - 8 || y > frame.height - BOTTOM || (last - y < 13 && at > 0)) return;
    last = y;
    ctx.fillText(band, LEFT - 6, y);
  });
  ctx.textAlign = "left";
  const floor = frame.height - BOTTOM;
  let right = 0;
  graph.json.tokens.forEach((token, at) => {
    const [start, end] = [places.starts[at] ?? 0, places.starts[at + 1] ?? 0];
    const x = screenX(frame, (start + end) / 2 + 0.12);
    if (x < LEFT || x > frame.width - 2 || x - right < 11) return;
    right = x;
    ctx.save();
    ctx.translate(x - 3, floor + 8);
    ctx.rotate(Math.PI / 3.6);
    ctx.fillText(cut(spaced(label(token)), 10), 0, 0);
    ctx.restore();
  });
}

function cut(text: string, most: number): string {
  const all = [...text];
  return all.length > most ? `${all.slice(0, most - 1).join("")}\u2026` : text;
}
