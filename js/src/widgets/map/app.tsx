/** The map of all features: what it is searched and coloured by, the picture, what its colours mean, what is selected. */

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { MAX_SELECTED } from "../../../../src/saewidgets/widgets/constants.json";
import { ErrorBanner, Notice } from "../../controls/banner";
import { ChannelStatus } from "../../controls/channelstatus";
import { Footer } from "../../controls/footer";
import { count } from "../../controls/format";
import { HoverCard, type Pointed } from "../../feature/card";
import { SelectedBar } from "../../feature/selected";
import { save, useTrait } from "../../kernel/traits";
import type { ViewProps } from "../../page/mount";
import { OPENED } from "../../table/virtual";
import { usePalette } from "../../tokens/palette";
import { css, type Look, levels, readColours } from "./colours";
import { Legend } from "./legend";
import { Picture } from "./picture";
import type { Points } from "./points";
import { FAINT, inkOf } from "./raster";
import { type State, useMap } from "./state";
import { Toolbar } from "./toolbar";

const HINT =
  "Drag moves the map; the wheel zooms it once it was clicked (or with Ctrl). Shift and drag, or the lasso, selects. " +
  "Keys: arrows, + and \u2212, 0 for the whole; Enter opens and Space selects what is nearest to the middle; Escape clears.";

/** Before anything has a style sheet. */
const UNREAD: Omit<Look, "palette"> = { paper: [255, 255, 255], ink: [31, 35, 40], accent: [9, 105, 218] };

export function App(props: ViewProps) {
  const { model, root } = props;
  const state = useMap(model, root);
  const { kernel, facts, layout, points } = state;
  const failed = kernel.of("layout").error;
  return (
    <>
      <Toolbar model={model} colours={facts?.colours ?? []} lists={facts?.lists ?? []} />
      {["facts", "colour", "marks", "card"].map((channel) => (
        <ChannelStatus key={channel} kernel={kernel} channel={channel} />
      ))}
      {failed && <ErrorBanner error={failed} onDismiss={() => kernel.dismiss("layout")} />}
      {kernel.of("layout").offline && <p class="saew-empty">{kernel.of("layout").offline}</p>}
      {!points && !kernel.of("layout").busy && !kernel.of("layout").offline && (
        <p>
          <button type="button" onClick={state.askAgain}>
            Try again
          </button>
        </p>
      )}
      {!points && kernel.of("layout").busy && <Making state={state} />}
      {points && <Drawn {...props} state={state} points={points} />}
      {kernel.error && <ErrorBanner error={kernel.error} onDismiss={() => save(model, { error: null })} />}
      {layout && (
        <Footer notes={[...layout.notes, ...(facts?.notes ?? [])]} provenance={facts?.provenance ?? []}>
          <p class="saew-small">{layout.made}</p>
        </Footer>
      )}
    </>
  );
}

/** The first time takes a while. */
function Making({ state }: { state: State }) {
  const { progress } = state.kernel.of("layout");
  const stage = state.facts?.stages.filter(([begins]) => begins <= (progress?.done ?? -1)).at(-1)?.[1];
  return (
    <p class="saew-empty" role="status">
      {progress && <progress aria-label="How far the map is" max={progress.total} value={progress.done} />}
      {` The map is being made${stage ? `, ${stage}` : ""}\u2026 It is kept with the index, and only read from then on. `}
      <button type="button" onClick={() => state.kernel.stop("layout")}>
        Stop
      </button>
    </p>
  );
}

/** Selected ones that cannot be seen. */
function Unplaced({ points, selected }: { points: Points; selected: number[] }) {
  const n = selected.filter((f) => (points.rowOf[f] ?? -1) < 0).length;
  if (n === 0) return null;
  return (
    <span class="saew-small">{`${n.toLocaleString("en")} of them ${n === 1 ? "has" : "have"} no place on the map`}</span>
  );
}

interface DrawnProps extends ViewProps {
  state: State;
  points: Points;
}

function Drawn({ model, root, prefix, themeVersion, state, points }: DrawnProps) {
  const feature = useTrait<number | null>(model, "feature");
  const selected = useTrait<number[]>(model, "selected_features");
  const palette = usePalette(root, themeVersion);
  const host = useRef<HTMLDivElement>(null);
  const [read, setRead] = useState<Omit<Look, "palette">>(UNREAD);
  const [hovered, setHovered] = useState<{ row: number; at: HTMLElement | null }>({ row: -1, at: null });
  const [wish, setWish] = useState(0);
  const [tooMany, setTooMany] = useState(0);
  useLayoutEffect(() => {
    const found = host.current && readColours(host.current);
    if (found) setRead(found);
  }, [themeVersion]);
  useLayoutEffect(() => setTooMany(0), [selected]);
  const look: Look = useMemo(() => ({ ...read, palette }), [read, palette]);
  const { colour, order, state: states } = state;
  const ink = useMemo(() => inkOf(levels(look, colour.json), [look.paper, look.ink, look.accent]), [look, colour]);
  const drawn = useMemo(
    () => ({ points, state: states, order, level: colour.level, ink }),
    [points, states, order, colour.level, ink],
  );
  const current = feature === null ? -1 : (points.rowOf[feature] ?? -1);
  /** Too many stay out of the traits, which every view is sent: the selection stays as it was, and that is said. */
  const choose = (features: number[]) => {
    const many = features.length > MAX_SELECTED;
    setTooMany(many ? features.length : 0);
    if (!many) save(model, { selected_features: features });
  };
  const select = (rows: number[], add: boolean) => {
    const features = rows.map((row) => points.features[row] as number);
    // Of now, and not of when it was drawn: hands are quick.
    const held = model.get("selected_features") as number[];
    choose(add ? [...new Set([...held, ...features])] : features);
  };
  const toggle = (f: number) => {
    const held = model.get("selected_features") as number[];
    choose(held.includes(f) ? held.filter((one) => one !== f) : [...held, f]);
  };
  const click = (row: number, add: boolean) => {
    if (row < 0) return;
    const f = points.features[row] as number;
    if (add) return toggle(f);
    save(model, { feature: f });
    // To whatever holds the map, such as a workbench.
    root.dispatchEvent(new CustomEvent(OPENED, { bubbles: true }));
  };
  const pointed: Pointed | null =
    hovered.row >= 0 && hovered.at ? { f: points.features[hovered.row] as number, at: hovered.at } : null;
  return (
    <div class="saew-map-body">
      <div class="saew-map-colours" ref={host} />
      <Picture
        {...{ root, drawn, current, wish }}
        accent={css(look.accent)}
        hovered={hovered.row}
        name={`Map of ${count(points.n, "feature")}`}
        hint={`${prefix}-hint`}
        onHover={(row, at) => setHovered({ row, at: at ?? null })}
        onClick={click}
        onLasso={select}
        onClear={() => choose([])}
      >
        <Said {...{ model, state, points }} onWish={current >= 0 ? () => setWish((n) => n + 1) : undefined} />
      </Picture>
      {colour.json && (
        <Legend
          colour={colour.json}
          look={look}
          onPick={(level, add) => {
            const rows: number[] = [];
            for (let row = 0; row < points.n; row++)
              if (colour.level[row] === level && states[row] !== FAINT) rows.push(row);
            select(rows, add);
          }}
        />
      )}
      {tooMany > 0 && (
        <Notice
          text={`That would select ${count(tooMany, "feature")}, more than the ${MAX_SELECTED.toLocaleString("en")} that can be selected together: the selection is as it was. Zoom in, and select a part of them.`}
          onDismiss={() => setTooMany(0)}
        />
      )}
      <SelectedBar
        {...{ model, prefix }}
        kernel={state.kernel}
        lists={state.facts?.lists ?? []}
        hint="Draw a line around points to select them."
        onAdded={state.factsAgain}
      >
        <Unplaced points={points} selected={selected} />
      </SelectedBar>
      <p class="saew-note">{state.layout?.kept}</p>
      <p class="saew-small" id={`${prefix}-hint`}>
        {HINT}
      </p>
      <HoverCard
        {...{ model, root, palette, prefix, pointed }}
        otherwise={pointed && <b>{`Feature ${pointed.f}`}</b>}
      />
    </div>
  );
}

/** How many points there are, which are marked, and which one is open. */
function Said({
  model,
  state,
  points,
  onWish,
}: Pick<DrawnProps, "model" | "state" | "points"> & { onWish: (() => void) | undefined }) {
  const { marks, layout } = state;
  const feature = useTrait<number | null>(model, "feature");
  const query = useTrait<string>(model, "query");
  const only = useTrait<string>(model, "only");
  const searching = query.trim() !== "";
  const without = (layout?.of ?? 0) - points.n;
  const all = `${count(points.n, "feature")}${without > 0 ? ` (${without.toLocaleString("en")} ${without === 1 ? "has" : "have"} no place)` : ""}`;
  const parts = [
    all,
    marks && only !== "" ? `${marks.json.among.toLocaleString("en")} in the list` : "",
    marks && searching ? `${marks.json.capped ? "the best " : ""}${marks.json.found.toLocaleString("en")} found` : "",
  ].filter((part) => part !== "");
  return (
    <>
      <span class="saew-small" role="status">
        {parts.join(", ")}
      </span>
      {marks && searching && marks.found.length > 0 && (
        <button type="button" onClick={() => save(model, { selected_features: [...marks.found] })}>
          {`Select the ${marks.found.length.toLocaleString("en")} found`}
        </button>
      )}
      {feature !== null && (
        <span class="saew-small">
          {`Feature ${feature} is open`}{" "}
          {onWish ? (
            <button type="button" class="saew-link" onClick={onWish}>
              show it
            </button>
          ) : (
            "(it has no place)"
          )}
        </span>
      )}
    </>
  );
}
