/** The layers: a text, the grid of what each layer would say next, and the layers one by one after a token. */

import { useEffect, useState } from "preact/hooks";
import { Footer } from "../../controls/footer";
import { StatusLines } from "../../controls/status";
import { HoverCard, type Pointed } from "../../feature/card";
import { type Kernel, useKernel } from "../../kernel/kernel";
import { isOf, save, useTrait } from "../../kernel/traits";
import type { Json } from "../../kernel/types";
import type { ViewProps } from "../../page/mount";
import { usePalette } from "../../tokens/palette";
import { Asking } from "./asking";
import { Grid } from "./grid";
import { LadderView } from "./ladder";
import { ShadeLegend, StripLegend } from "./legend";
import { columnKey, ladderParams, positionOf, type Shown, useAnswers } from "./state";
import type { FeatureRow } from "./wire";

export function App(props: ViewProps) {
  const { model, root } = props;
  const kernel = useKernel(model, root);
  const shown = useAnswers(model, kernel);
  const [lens, ladder] = [kernel.of("lens"), kernel.of("ladder")];
  const error = lens.error ?? ladder.error ?? kernel.error;
  const dismiss = () => {
    kernel.dismiss("lens");
    kernel.dismiss("ladder");
    if (kernel.error) save(model, { error: null });
  };
  return (
    <>
      <Asking model={model} wrong={shown?.lens.json.target_error ?? ""} />
      <StatusLines
        status={{
          busy: lens.busy || ladder.busy,
          progress: lens.progress,
          error,
          offline: ladder.offline ?? lens.offline,
          dismiss,
        }}
      />
      {shown ? (
        <>
          <Body {...props} kernel={kernel} shown={shown} />
          <Footer notes={shown.lens.json.notes} provenance={shown.lens.json.provenance} />
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
  const { lens, ladder, columns } = shown;
  const wanted = useTrait<number | null>(model, "position");
  const sae = useTrait<string>(model, "sae");
  const feature = useTrait<number | null>(model, "feature");
  const indexed = useTrait<string[]>(model, "indexed");
  const [pointed, setPointed] = useState<FeatureRow | null>(null);
  const [card, setCard] = useState<Pointed | null>(null);
  const palette = usePalette(root, themeVersion);
  const recorded = useRecorded(model, kernel, lens.json.key, lens.json.n);
  const nameOf = (row: FeatureRow) => lens.json.saes[row.sae]?.name ?? "";
  const drawn = pointed ? { sae: nameOf(pointed), f: pointed.f } : feature === null ? null : { sae, f: feature };
  const strip = drawn && {
    ...drawn,
    column: columns.get(columnKey(drawn.sae, drawn.f)) ?? null,
    chosen: drawn.sae === sae && drawn.f === feature,
  };
  return (
    <>
      <ShadeLegend lens={lens} />
      <Grid
        {...{ root, prefix, palette, lens }}
        position={positionOf(lens, wanted)}
        feature={strip}
        locked={(at) => (recorded && !recorded[at] ? "Not recorded in this page. Run it live to see it." : "")}
        onChoose={(position) => isOf(model, shown.of) && save(model, { position })}
        onRemove={() => save(model, { feature: null })}
      />
      <StripLegend lens={lens} feature={strip} />
      {ladder ? (
        <LadderView
          {...{ model, palette, lens, ladder }}
          onPoint={(row, at) => {
            setPointed(row);
            const of = row && nameOf(row);
            setCard(row && at && of && indexed.includes(of) ? { f: row.f, at, beside: { sae: of } } : null);
          }}
          onPick={(row) => {
            const on = nameOf(row) === sae && row.f === feature;
            save(model, on ? { feature: null } : { sae: nameOf(row), feature: row.f });
          }}
        />
      ) : (
        <div class="saew-skeleton" aria-hidden="true" />
      )}
      {indexed.length > 0 && <HoverCard {...{ model, root, palette, prefix }} pointed={card} />}
    </>
  );
}

/** On a page without a kernel: after which tokens there is a ladder. Null elsewhere, and until it is known. */
function useRecorded(model: ViewProps["model"], kernel: Kernel, key: string, n: number): boolean[] | null {
  const live = useTrait<boolean>(model, "live");
  const [can, setCan] = useState<boolean[] | null>(null);
  useEffect(() => {
    if (live) return;
    const asks = Array.from({ length: n }, (_, at) => ({ ch: "ladder", p: ladderParams(model, at) }));
    kernel.ask<boolean[]>("recorded", asks as unknown as Json, { done: ({ r }) => setCan(r) });
  }, [key, live]);
  return live ? null : can;
}
