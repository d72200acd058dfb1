/** The matrix with its row names, scrolling and pointer. Its accessible equivalent is the ranking. */

import { useEffect, useRef, useState } from "preact/hooks";
import { count, num } from "../../controls/format";
import { NAMELESS, Name, type Names, textOf } from "../../feature/said";
import type { Palette } from "../../tokens/palette";
import { label } from "../../tokens/visible";
import type { TextData } from "./data";
import { cellAt, cellWidth, draw, HEAD, type MatrixPicture, type MatrixRow, ROW } from "./matrix";

interface MatrixProps {
  data: TextData;
  rows: MatrixRow[];
  names: Names;
  includeSpecial: boolean;
  hoverToken: number;
  /** Whether the hovered token was pointed at elsewhere, so that its column has to be brought into view. */
  reveal: boolean;
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

  const show = (token: number, row = -1) => {
    const box = scroller.current;
    const frame = box?.parentElement;
    if (frame && row >= 0) {
      const top = HEAD + row * ROW;
      if (top < frame.scrollTop + HEAD) frame.scrollTop = row ? top : 0;
      else if (top + ROW > frame.scrollTop + frame.clientHeight) frame.scrollTop = top + ROW - frame.clientHeight;
    }
    if (!box || token < 0) return;
    const left = token * cell;
    if (left < box.scrollLeft || left + cell > box.scrollLeft + box.clientWidth)
      box.scrollLeft = left - Math.floor(box.clientWidth / 2);
  };
  useEffect(() => {
    if (props.reveal) show(props.hoverToken);
  }, [props.reveal, props.hoverToken]);
  const move = (event: KeyboardEvent) => {
    const row = Math.max(0, picture.hoverRow);
    const token = props.hoverToken < 0 ? Math.floor(scroll / cell) : props.hoverToken;
    const next = step(event.key, token, row, data.json.n - 1, rows.length - 1);
    const feature = rows[row]?.feature;
    if (next) {
      props.onHover(next.token, rows[next.row]?.feature ?? null);
      show(next.token, next.row);
    } else if ((event.key === "Enter" || event.key === " ") && feature !== undefined)
      props.onPick(feature, token, event.ctrlKey || event.metaKey || event.shiftKey);
    else if (event.key === "Escape") props.onHover(-1, null);
    else return;
    event.preventDefault();
  };

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
              title={textOf(props.names.get(row.feature) ?? NAMELESS)}
              onPointerEnter={() => props.onHover(-1, row.feature)}
              onPointerLeave={() => props.onHover(-1, null)}
              onClick={(event) => props.onPick(row.feature, -1, event.ctrlKey || event.metaKey || event.shiftKey)}
            >
              <span class="saew-dot" style={row.hue >= 0 ? { background: `var(--saew-h${row.hue})` } : {}} />
              {row.feature} <Name of={props.names.get(row.feature) ?? NAMELESS} />
            </button>
          ))}
        </div>
        <div
          class="saew-matrix-scroll"
          ref={scroller}
          onScroll={(event) => setScroll(event.currentTarget.scrollLeft)}
          role="application"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: the whole matrix is one control that keys operate
          tabIndex={0}
          aria-label={`Matrix of ${count(rows.length, "feature")} and ${count(data.json.n, "token")}. Arrows move, Enter selects. The table of active features holds the same features.`}
          onKeyDown={move}
          onFocus={(event) => {
            if (event.currentTarget.matches(":focus-visible") && props.hoverToken < 0)
              props.onHover(Math.floor(scroll / cell), rows[0]?.feature ?? null);
          }}
          onBlur={() => props.onHover(-1, null)}
        >
          <div style={{ width: `${cell * data.json.n + (cell * data.json.n > width ? 40 : 0)}px` }}>
            <canvas
              ref={canvas}
              class="saew-canvas"
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
      <p class="saew-small saew-readout" role="status">
        {read && value !== undefined
          ? `feature ${read.feature} on \u2018${label(data.json.str[props.hoverToken] ?? "") || "\u2025"}\u2019: ${num(value)}`
          : "\u00a0"}
      </p>
    </>
  );
}

/** The cell that a key leads to; null for other keys. */
function step(
  key: string,
  token: number,
  row: number,
  lastToken: number,
  lastRow: number,
): { token: number; row: number } | null {
  switch (key) {
    case "ArrowRight":
      return { token: Math.min(lastToken, token + 1), row };
    case "ArrowLeft":
      return { token: Math.max(0, token - 1), row };
    case "ArrowDown":
      return { token, row: Math.min(lastRow, row + 1) };
    case "ArrowUp":
      return { token, row: Math.max(0, row - 1) };
    case "Home":
      return { token: 0, row };
    case "End":
      return { token: lastToken, row };
    default:
      return null;
  }
}
