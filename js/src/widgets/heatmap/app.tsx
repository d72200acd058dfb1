/** The heatmap: text, ranking and matrix over one state. What is selected is a trait; what is hovered is this view's. */

import { useLayoutEffect, useMemo, useState } from "preact/hooks";
import { StatusLines } from "../../controls/status";
import { HoverCard, type Pointed } from "../../feature/card";
import { hueOf, picked } from "../../feature/picked";
import { NAMELESS, type Named, type Names } from "../../feature/said";
import { Sources } from "../../feature/sources";
import { useLookup } from "../../kernel/lookup";
import { isOf, save, useTrait } from "../../kernel/traits";
import type { Json } from "../../kernel/types";
import type { ViewProps } from "../../page/mount";
import { Editor } from "../../tokens/editor";
import type { Layer } from "../../tokens/paint";
import { usePalette } from "../../tokens/palette";
import type { RankRow } from "./data";
import { Legend, type LegendEntry } from "./legend";
import type { MatrixRow } from "./matrix";
import { Matrix } from "./matrixview";
import { Ranking } from "./ranking";
import { type Shown, useAnswers } from "./state";
import { TextView } from "./text/textview";
import { Footnotes, Toolbar } from "./toolbar";
import { Tooltip } from "./tooltip";

export function App({ model, root, prefix, themeVersion }: ViewProps) {
  const { shown, status } = useAnswers(model, root);
  const view = useTrait<"text" | "matrix" | "both">(model, "view");
  // The same element again is not diffed again: typing and progress do not re-render the result.
  const body = useMemo(
    () =>
      shown && (
        <>
          <Body model={model} root={root} prefix={prefix} shown={shown} view={view} themeVersion={themeVersion} />
          <Footnotes data={shown.data} />
        </>
      ),
    [model, root, prefix, shown, view, themeVersion],
  );
  return (
    <>
      <div class="saew-top">
        <Editor model={model} />
        <Toolbar model={model} shown={shown} root={root} view={view} />
      </div>
      <StatusLines status={status} unit="tokens" />
      {body ?? (!status.error && <div class="saew-skeleton" aria-hidden="true" />)}
    </>
  );
}

interface Hover {
  token: number;
  at: HTMLElement | null;
}

const NOWHERE: Hover = { token: -1, at: null };

interface BodyProps extends ViewProps {
  shown: Shown;
  view: "text" | "matrix" | "both";
}

function Body({ model, root, prefix, shown, view, themeVersion }: BodyProps) {
  const { data, rank } = shown;
  const features = useTrait<number[]>(model, "features");
  const feature = useTrait<number | null>(model, "feature");
  const selected = useTrait<number[]>(model, "selected_tokens");
  const includeSpecial = useTrait<boolean>(model, "include_special");
  const [hover, setHover] = useState<Hover>(NOWHERE);
  const [hoverFeature, setHovered] = useState<number | null>(null);
  const [card, setCard] = useState<Pointed | null>(null);
  const indexed = useTrait<boolean>(model, "indexed");
  const ofMax = useTrait<string>(model, "color_scale") === "max";
  const setHoverFeature = (f: number | null, at?: HTMLElement) => {
    setHovered(f);
    setCard(indexed && f !== null && at ? { f, at, beside: { sae: data.json.sae } } : null);
  };
  const text = useTrait<Json>(model, "text");
  const said = useLookup<{ names: Record<string, Named> }>(
    model,
    root,
    "said",
    data.json.described && hover.token >= 0 && hover.at ? { text, sae: data.json.sae, token: hover.token } : null,
  );
  const [cursor, setCursor] = useState(-1);
  const [common, setCommon] = useState(false);
  // In the layout, before the next click or key: what a quick hand did is not taken back.
  useLayoutEffect(() => {
    setCursor(-1);
    // The same object where nothing was pointed at: another would draw all of it a second time before it is seen.
    setHover((before) => (before.token === -1 && before.at === null ? before : NOWHERE));
  }, [data]);

  const palette = usePalette(root, themeVersion);
  const names = useMemo(() => namesOf(shown, said?.reply?.r.names), [shown, said]);
  const preview = hoverFeature !== null && !features.includes(hoverFeature) ? hoverFeature : null;
  // Pointing at a feature shows it alone, whether it is selected or not.
  const layers = useMemo(
    () => layersOf(shown, hoverFeature !== null ? [hoverFeature] : features, features, common, ofMax),
    [shown, features, hoverFeature, common, ofMax],
  );
  const rows = useMemo(() => matrixRows(shown, features, common, ofMax), [shown, features, common, ofMax]);
  const entry = (f: number, hue: number): LegendEntry =>
    legendEntry(shown, f, hue, names, common && !ofMax ? features : [f], ofMax);

  // A row of the dictionary before is no feature of the one that is on its way.
  const choose = (to: Record<string, unknown>) => model.get("sae") === data.json.sae && save(model, to);
  const current = () => isOf(model, { text: shown.of.text });
  const pick = (f: number, add: boolean) => choose(picked(features, f, add));
  const ranking = useMemo(
    () => <Ranking model={model} shown={shown} hovered={hoverFeature} onHover={setHoverFeature} onPick={pick} />,
    [model, shown, hoverFeature, features],
  );
  const inRange = selected.filter((token) => token < data.json.n);
  const place = inRange.length === 1 ? (inRange[0] ?? null) : null;
  return (
    <div class="saew-body">
      <div class="saew-main">
        <Legend
          entries={features.map((f, k) => entry(f, k))}
          alone={hoverFeature}
          preview={preview === null ? null : entry(preview, hueOf(features, preview))}
          common={common}
          unit={data.json.activation_name}
          indexed={indexed}
          ofMax={ofMax}
          onOfMax={(on) => save(model, { color_scale: on ? "max" : "text" })}
          onCommon={setCommon}
          onRemove={(f) => pick(f, true)}
          onHover={setHoverFeature}
        />
        {data.json.n === 0 && <p class="saew-empty">The text has no tokens.</p>}
        {view !== "matrix" && (
          <TextView
            data={data}
            layers={layers}
            includeSpecial={includeSpecial}
            selected={inRange}
            cursor={cursor}
            hover={hover.token}
            feature={feature}
            prefix={prefix}
            palette={palette}
            onHover={(token, at) => setHover({ token, at })}
            onCursor={setCursor}
            onSelect={(tokens) => current() && save(model, { selected_tokens: tokens })}
          />
        )}
        {data.json.sources && feature !== null && (
          <Sources
            {...{ model, root, prefix, palette }}
            of={{ f: feature, text: shown.of.text ?? "", token: place, example: null, sae: data.json.sae }}
            key_of={data.json.key}
          />
        )}
        {view !== "text" && data.json.n > 0 && (
          <Matrix
            data={data}
            rows={rows}
            names={names}
            includeSpecial={includeSpecial}
            hoverToken={hover.token}
            reveal={hover.at !== null}
            hoverFeature={hoverFeature}
            selected={inRange}
            palette={palette}
            onHover={(token, f) => {
              setHover({ token, at: null });
              setHoverFeature(f);
            }}
            onPick={(f, token, add) =>
              choose({ ...picked(features, f, add), ...(token >= 0 && current() ? { selected_tokens: [token] } : {}) })
            }
          />
        )}
      </div>
      {ranking}
      {hover.token >= 0 && hover.at && hover.token < data.json.n && (
        <Tooltip
          data={data}
          token={hover.token}
          at={hover.at}
          root={root}
          names={names}
          hues={(f) => features.indexOf(f)}
        />
      )}
      {indexed && <HoverCard {...{ model, root, palette, prefix }} pointed={card} />}
      {rank === null && <span class="saew-offscreen">Ranking the features</span>}
    </div>
  );
}

/** What is said of features, from the ranking, the tokens' strongest, and what was asked of a token. */
function namesOf({ data, rank }: Shown, more: Record<string, Named> = {}): Names {
  const names: Names = new Map();
  for (const [f, label] of Object.entries(data.json.labels)) names.set(Number(f), { label });
  for (const [f, named] of Object.entries(more)) names.set(Number(f), named);
  for (const row of [...(rank?.rows ?? []), ...(rank?.selected ?? [])])
    if (row.label !== null || row.said) names.set(row.f, row);
  return names;
}

function told({ rank }: Shown, feature: number, rows: boolean): RankRow | undefined {
  const of = (row: RankRow) => row.f === feature;
  return rank?.selected.find(of) ?? (rows ? rank?.rows.find(of) : undefined);
}

/** The largest activation of a feature over all counted tokens, as the kernel says; 0 if it is silent. */
export function scaleOf(shown: Shown, feature: number): number {
  const { data, rank } = shown;
  const row = told(shown, feature, rank?.basis === "all");
  if (row) return Math.abs(row.max);
  // A feature that is only hovered, or whose ranking is on its way: scale by what is drawn.
  let most = 0;
  data.column(feature)?.forEach((value, token) => {
    if (!data.excluded(token)) most = Math.max(most, Math.abs(value));
  });
  return most;
}

/** Up to what a feature is coloured: its largest activation on the index's corpus, where that is wanted and known. */
function limitOf(shown: Shown, feature: number, ofMax: boolean): number {
  return (ofMax && told(shown, feature, true)?.most) || scaleOf(shown, feature);
}

function layersOf(shown: Shown, drawn: number[], features: number[], common: boolean, ofMax: boolean): Layer[] {
  const scales = drawn.map((f) => limitOf(shown, f, ofMax));
  const most = Math.max(0, ...scales);
  return drawn.flatMap((f, k) => {
    const values = shown.data.column(f);
    return values ? [{ hue: hueOf(features, f), values, scale: common && !ofMax ? most : (scales[k] ?? 0) }] : [];
  });
}

function matrixRows(shown: Shown, features: number[], common: boolean, ofMax: boolean): MatrixRow[] {
  const listed = shown.rank?.rows.map((row) => row.f) ?? [];
  const all = [...features, ...listed.filter((f) => !features.includes(f))];
  const most = Math.max(0, ...features.map((f) => scaleOf(shown, f)));
  return all.map((f) => {
    const hue = features.indexOf(f);
    const scale = common && !ofMax && hue >= 0 ? most : limitOf(shown, f, ofMax);
    return { feature: f, hue, values: shown.data.column(f), scale };
  });
}

function legendEntry(shown: Shown, f: number, hue: number, names: Names, group: number[], ofMax: boolean): LegendEntry {
  const column = shown.data.column(f);
  const own = scaleOf(shown, f);
  const corpus = ofMax && told(shown, f, true)?.most;
  return {
    feature: f,
    hue,
    name: names.get(f) ?? NAMELESS,
    scale: corpus || Math.max(own, ...group.map((g) => scaleOf(shown, g))),
    here: corpus ? own : null,
    negative: shown.data.json.signed && (column?.some((value) => value < 0) ?? false),
    silent: own === 0,
  };
}
