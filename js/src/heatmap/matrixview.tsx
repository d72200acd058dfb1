/** The matrix with its row names, scrolling and pointer. Its accessible equivalent is the ranking. */

import { useEffect, useRef, useState } from "preact/hooks";
import { num } from "../shared/format";
import type { Palette } from "../shared/palette";
import { label } from "../shared/visible";
import type { TextData } from "./data";
import { cellAt, cellWidth, draw, HEAD, type MatrixPicture, type MatrixRow, ROW } from "./matrix";

interface MatrixProps {
  data: TextData;
  rows: MatrixRow[];
  names: Map<number, string>;
  includeSpecial: boolean;
  hoverToken: number;
  hoverFeature: number | null;
  selected: number[];
  palette: Palette;
  onHover: (token: number, feature: number | null) => void;
  onPick: (feature: number, token: number, add: boolean) => void;
}

export function Matrix(props: MatrixProps) {
  const { data, rows } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [scroll, setScroll] = useState(0);

  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    // A notebook hides or detaches cells that are off screen: sizes read 0 and come back later.
    const observer = new ResizeObserver(() => setWidth(box.clientWidth));
    observer.observe(box);
    setWidth(box.clientWidth);
    return () => observer.disconnect();
  }, []);

  const cell = cellWidth(data.json.n, width);
  const picture: MatrixPicture = {
    data,
    rows,
    includeSpecial: props.includeSpecial,
    cell,
    scroll,
    width: Math.min(width, cell * data.json.n + 40),
    hoverToken: props.hoverToken,
    hoverRow: rows.findIndex((row) => row.feature === props.hoverFeature),
    selected: new Set(props.selected),
    palette: props.palette,
  };
  const current = useRef(picture);
  current.current = picture;
  useEffect(() => {
    const frame = requestAnimationFrame(() => {
      if (canvas.current) draw(canvas.current, current.current);
    });
    return () => cancelAnimationFrame(frame);
  });

  const read = picture.hoverRow >= 0 ? rows[picture.hoverRow] : undefined;
  const value = read?.values?.[props.hoverToken];
  const at = (event: PointerEvent | MouseEvent) => cellAt(current.current, event.offsetX, event.offsetY);
  return (
    <>
      <div class="saew-matrix">
        <div class="saew-matrix-names" style={{ paddingTop: `${HEAD}px` }} aria-hidden="true">
          {rows.map((row) => (
            <button
              type="button"
              tabIndex={-1}
              key={row.feature}
              class={row.feature === props.hoverFeature ? "saew-matrix-name saew-hovered" : "saew-matrix-name"}
              style={{ height: `${ROW}px` }}
              title={props.names.get(row.feature)}
              onPointerEnter={() => props.onHover(-1, row.feature)}
              onPointerLeave={() => props.onHover(-1, null)}
              onClick={(event) => props.onPick(row.feature, -1, event.ctrlKey || event.metaKey || event.shiftKey)}
            >
              <span class="saew-dot" style={row.hue >= 0 ? { background: `var(--saew-h${row.hue})` } : {}} />
              {row.feature} {props.names.get(row.feature) ?? ""}
            </button>
          ))}
        </div>
        <div class="saew-matrix-scroll" ref={scroller} onScroll={(event) => setScroll(event.currentTarget.scrollLeft)}>
          <div style={{ width: `${cell * data.json.n + (cell * data.json.n > width ? 40 : 0)}px` }}>
            <canvas
              ref={canvas}
              class="saew-canvas"
              role="img"
              aria-label={`Matrix of ${rows.length} features and ${data.json.n} tokens; the table of active features holds the same features.`}
              onPointerMove={(event) => {
                const { token, row } = at(event);
                props.onHover(token, rows[row]?.feature ?? null);
              }}
              onPointerLeave={() => props.onHover(-1, null)}
              onClick={(event) => {
                const { token, row } = at(event);
                const feature = rows[row]?.feature;
                if (feature !== undefined)
                  props.onPick(feature, token, event.ctrlKey || event.metaKey || event.shiftKey);
              }}
            />
          </div>
        </div>
      </div>
      <p class="saew-small saew-readout">
        {read && value !== undefined
          ? `feature ${read.feature} on \u2018${label(data.json.str[props.hoverToken] ?? "") || "\u2025"}\u2019: ${num(value)}`
          : "\u00a0"}
      </p>
    </>
  );
}
