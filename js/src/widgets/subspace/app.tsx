/** A subspace: tokens as points on two components, what tells them apart, what they are said in, and the features behind. */

import { useLayoutEffect, useMemo, useState } from "preact/hooks";
import { Footer } from "../../controls/footer";
import { Button } from "../../controls/small";
import { StatusLines } from "../../controls/status";
import { type Kernel, useKernel } from "../../kernel/kernel";
import { isOf, save, useTrait } from "../../kernel/traits";
import type { ViewProps } from "../../page/mount";
import { usePalette } from "../../tokens/palette";
import { buckets as bucketsOf } from "./colours";
import { Features, Scores } from "./features";
import { Legend } from "./legend";
import { Pairs } from "./pairs";
import { Plot } from "./plot";
import { useAnswers } from "./state";
import { Kept, PointTip, spoken, useStill, useTexts } from "./texts";
import { Toolbar } from "./toolbar";
import { type Colouring, OTHER, type Points, pairOf } from "./wire";

export function App(props: ViewProps) {
  const { model, root } = props;
  const kernel = useKernel(model, root);
  const { points, colouring, stopped, again } = useAnswers(model, kernel);
  const features = useTrait<number[]>(model, "features");
  const [main, colour] = [kernel.of("subspace"), kernel.of("colour")];
  const error = main.error ?? colour.error ?? kernel.error;
  const choose = (next: number[]) => {
    const by = (model.get("colour") as string).match(/^feature:(\d+)$/)?.[1];
    save(model, {
      features: next,
      selected: [],
      components: [],
      ...(by && !next.includes(Number(by)) ? { colour: "token" } : {}),
    });
  };
  return (
    <>
      <Toolbar
        model={model}
        choices={points?.json.choices ?? []}
        busy={main.busy}
        onFeatures={choose}
        onColour={(next) => save(model, { colour: next })}
        onStop={() => kernel.stop("subspace")}
      />
      <StatusLines
        unit="percent"
        status={{
          busy: main.busy || colour.busy,
          progress: main.progress,
          error,
          offline: main.offline ?? colour.offline,
          dismiss: () => {
            kernel.dismiss("subspace");
            kernel.dismiss("colour");
            if (kernel.error) save(model, { error: null });
          },
        }}
      />
      {features.length === 0 && (
        <p class="saew-empty">Choose two or more features: their numbers above, with commas between them.</p>
      )}
      {stopped && (
        <p class="saew-empty">
          {"Stopped. "}
          <Button onClick={again}>Compute</Button>
        </p>
      )}
      {points ? (
        <>
          <Body {...props} {...{ kernel, points, colouring }} onFeatures={choose} />
          <Footer notes={points.json.notes} provenance={points.json.provenance} />
        </>
      ) : (
        main.busy && <div class="saew-skeleton" aria-hidden="true" />
      )}
    </>
  );
}

interface BodyProps extends ViewProps {
  kernel: Kernel;
  points: Points;
  colouring: Colouring | null;
  onFeatures: (features: number[]) => void;
}

function Body({ model, root, prefix, themeVersion, points, colouring, onFeatures }: BodyProps) {
  const components = useTrait<number[]>(model, "components");
  const colour = useTrait<string>(model, "colour");
  const selected = useTrait<number[]>(model, "selected");
  const feature = useTrait<number | null>(model, "feature");
  const live = useTrait<boolean>(model, "live");
  const palette = usePalette(root, themeVersion);
  const [hovered, setHovered] = useState(-1);
  const [only, setOnly] = useState<number[]>([]);
  const { json } = points;
  const pair = pairOf(json, components);
  const buckets = useMemo(() => bucketsOf(colouring, json.n, palette), [points, colouring, palette]);
  const values = colouring?.json.kind === "groups" ? colouring.values : null;
  const shown = (point: number) => only.length === 0 || !values || only.includes(values[point] ?? OTHER);
  // In the layout: a group of other colours means nothing.
  useLayoutEffect(() => setOnly([]), [colouring]);
  useLayoutEffect(() => setHovered(-1), [points]);

  const still = useStill(hovered);
  const point = hovered < json.n ? hovered : -1;
  const { texts, error, waits } = useTexts(model, root, points, still === point && point >= 0 ? [point] : []);
  const text = texts?.find((one) => one.point === point) ?? null;
  const missing = error || (still === point && !waits ? "Its text is not in this page." : "");
  /** Of now: hands are quicker than what is drawn. */
  const chosen = () => model.get("selected") as number[];
  const numbers = json.features.map(({ f }) => f);
  // A point of the features before is none of those that are on their way.
  const put = (values: Record<string, unknown>) => isOf(model, { features: numbers }) && save(model, values);
  const pick = (one: number, add: boolean) => {
    const selected = chosen();
    const rest = selected.filter((other) => other !== one);
    if (add) put({ selected: rest.length < selected.length ? rest : [...selected, one] });
    else put({ selected: selected.length === 1 && rest.length === 0 ? [] : [one] });
  };
  const clear = () => save(model, { selected: [] });
  const missed = components.length === 2 && Math.max(...components) >= json.c;
  return (
    <div class="saew-subspace-main">
      <div class="saew-subspace-left">
        <Plot
          {...{ root, points, pair, buckets, shown, selected }}
          shownKey={`${only.join()} ${values ? "" : "-"}`}
          hovered={point}
          says={point >= 0 ? spoken(points, pair, point, text) : ""}
          tip={point >= 0 && <PointTip {...{ points, pair, buckets, point, text, missing }} />}
          onHover={setHovered}
          onPick={pick}
          onClear={clear}
        />
        {colouring && (
          <Legend
            {...{ colouring, palette, only }}
            name={json.choices.find(([value]) => value === colouring.json.colour)?.[1] ?? colour}
            onOnly={setOnly}
          />
        )}
        <Kept
          {...{ model, root, prefix, palette, points, pair, buckets, selected, feature }}
          onHover={setHovered}
          onRemove={(one) => save(model, { selected: chosen().filter((other) => other !== one) })}
          onClear={clear}
        />
      </div>
      <div class="saew-subspace-side">
        <p class="saew-small">
          {`${json.n.toLocaleString("en")} tokens, each where any of these features is active: what they alone write there, on its principal components.`}
        </p>
        {missed && (
          <p class="saew-note">
            {`There is no PC${Math.max(...components) + 1} here: PC${pair[0] + 1} and PC${pair[1] + 1} are shown.`}
          </p>
        )}
        <Features
          of={json}
          {...{ feature, live }}
          onFeature={(next) => save(model, { feature: next })}
          onRemove={(one) => onFeatures(numbers.filter((f) => f !== one))}
        />
        <Scores root={root} of={json} />
        <Pairs {...{ points, pair, buckets }} onChoose={(next) => put({ components: next })} />
      </div>
    </div>
  );
}
