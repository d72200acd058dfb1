/** The comparison: lines of text, their tokens aligned, the features that differ, and what follows each text. */

import { useLayoutEffect, useMemo, useState } from "preact/hooks";
import { Footer } from "../../controls/footer";
import { StatusLines } from "../../controls/status";
import { HoverCard, type Pointed } from "../../feature/card";
import { picked } from "../../feature/picked";
import { type Kernel, useKernel } from "../../kernel/kernel";
import { isOf, save, useTrait } from "../../kernel/traits";
import type { ViewProps } from "../../page/mount";
import { usePalette } from "../../tokens/palette";
import { AlignedView } from "./alignedview";
import { coloured, Legend, layersOf } from "./colours";
import { Predictions } from "./predictions";
import { Ranking } from "./ranking";
import { type At, type Shown, useAnswers } from "./state";
import { TextLines } from "./texts";
import { Toolbar } from "./toolbar";
import { Tooltip } from "./tooltip";

export function App(props: ViewProps) {
  const { model, root } = props;
  const kernel = useKernel(model, root);
  const shown = useAnswers(model, kernel);
  const [texts, ranking] = [kernel.of("tokens"), kernel.of("differences")];
  const error = texts.error ?? ranking.error ?? kernel.error;
  const dismiss = () => {
    kernel.dismiss("tokens");
    kernel.dismiss("differences");
    if (kernel.error) save(model, { error: null });
  };
  return (
    <>
      <TextLines model={model} />
      <StatusLines
        unit="tokens"
        status={{
          busy: texts.busy || ranking.busy,
          progress: texts.progress,
          error,
          offline: ranking.offline ?? texts.offline,
          dismiss,
        }}
      />
      {shown ? (
        <>
          <Toolbar model={model} shown={shown} />
          <Body {...props} kernel={kernel} shown={shown} />
          <Footer notes={shown.data.json.notes} provenance={shown.data.json.provenance} />
        </>
      ) : (
        !error && <div class="saew-skeleton" aria-hidden="true" />
      )}
    </>
  );
}

interface BodyProps extends ViewProps {
  kernel: Kernel;
  shown: Shown;
}

function Body({ model, root, prefix, themeVersion, kernel, shown }: BodyProps) {
  const { data, rank } = shown;
  const features = useTrait<number[]>(model, "features");
  const feature = useTrait<number | null>(model, "feature");
  const indexed = useTrait<boolean>(model, "indexed");
  const at = useTrait<At>(model, "at");
  const positions = useTrait<number[]>(model, "positions");
  const [hover, setHover] = useState<{ token: number; at: HTMLElement | null }>({ token: -1, at: null });
  const [hovered, setHovered] = useState<number | null>(null);
  const [card, setCard] = useState<Pointed | null>(null);
  // In the layout, before the next click or key: what a quick hand did is not taken back.
  useLayoutEffect(() => setHover({ token: -1, at: null }), [data]);

  const palette = usePalette(root, themeVersion);
  const all = useMemo(() => coloured(shown, features, hovered), [shown, features, hovered]);
  const layers = useMemo(() => layersOf(all), [all]);
  // What a hand chose is marked at once; else what the kernel compared.
  const marked = at === "chosen" && positions.length === data.nTexts ? positions : (rank?.positions ?? []);
  const chosen = useMemo(
    () => (at === "max" || at === "sum" ? [] : marked.map((position, text) => data.token(text, position))),
    [data, at, JSON.stringify(marked)],
  );
  const choose = (token: number, alone: boolean) => {
    if (!isOf(model, { texts: shown.of.texts })) return;
    const column = data.columnOf[token] ?? 0;
    const now = marked.length === data.nTexts ? marked : data.choice(column);
    const text = data.textOf(token);
    const next = alone ? now.map((p, i) => (i === text ? data.position(token) : p)) : data.choice(column);
    save(model, { at: "chosen", positions: next });
  };
  const pick = (f: number, add: boolean) => {
    // A row of the dictionary before is no feature of the one that is on its way.
    if (model.get("sae") === data.json.sae) save(model, picked(model.get("features") as number[], f, add));
  };
  const point = (f: number | null, where?: HTMLElement) => {
    setHovered(f);
    setCard(indexed && f !== null && where ? { f, at: where, beside: { sae: data.json.sae } } : null);
  };
  return (
    <div class="saew-body">
      <div class="saew-main">
        <Legend
          all={all}
          preview={hovered !== null && !features.includes(hovered) ? hovered : null}
          unit={data.json.activation_name}
          onRemove={(f) => pick(f, true)}
        />
        <AlignedView
          {...{ data, layers, chosen, feature, prefix, palette }}
          onHover={(token, el) => setHover({ token, at: el })}
          onChoose={choose}
        />
      </div>
      <Ranking {...{ model, shown, hovered }} onHover={point} onPick={pick} />
      <Predictions {...{ model, kernel }} pair={rank?.pair ?? [0, 1]} />
      {hover.token >= 0 && hover.at && hover.token < data.json.n && (
        <Tooltip {...{ data, root }} token={hover.token} at={hover.at} coloured={all} />
      )}
      {indexed && <HoverCard {...{ model, root, palette, prefix }} pointed={card} />}
    </div>
  );
}
