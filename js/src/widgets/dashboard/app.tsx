/** The dashboard of one feature: panels over one state. What is chosen is a trait; what is pointed at is this view's. */

import { useMemo, useState } from "preact/hooks";
import { Footer } from "../../controls/footer";
import { StatusLines } from "../../controls/status";
import type { ExampleJson, ExamplesAnswer, FeatureJson, TextAnswer } from "../../feature/wire";
import { isOf, save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import type { ViewProps } from "../../page/mount";
import { usePalette } from "../../tokens/palette";
import { Ablation, Controls, Legend } from "./controls";
import { type Effects, type EffectsState, useEffects } from "./examples/effects";
import { Examples } from "./examples/examplesview";
import { Hover } from "./examples/hover";
import { Origins } from "./examples/origins";
import { type Kind, largest } from "./examples/runs";
import { strongest, TestBox, useText } from "./examples/testbox";
import { Tooltip } from "./examples/tooltip";
import { Navigation, Title } from "./header";
import { opened } from "./opened";
import { Histogram } from "./panels/histogram";
import { LogitHistogram, LogitTables } from "./panels/logits";
import { FiresOn, Neurons, Related } from "./panels/tables";
import { type Answers, type Shown, useAnswers } from "./state";

export function App({ model, root, prefix, themeVersion }: ViewProps) {
  const answers = useAnswers(model, root);
  const { shown, status, ask } = answers;
  const live = useTrait<boolean>(model, "live");
  const ablation = useTrait<boolean>(model, "ablation");
  const revision = useTrait<number>(model, "revision");
  const f = shown?.feature.json.f ?? null;
  const text = useText(model, ask, f, live, revision);
  const effects = useEffects(model, root, live && ablation, revision, shown?.examples ?? null, text);
  const go = (to: number) => model.get("feature") !== to && save(model, opened(to));
  const error = status.error ?? effects.error;
  return (
    <>
      <Navigation model={model} json={shown?.feature.json ?? null} answers={answers} onGo={go} />
      <StatusLines
        status={{
          ...status,
          error,
          dismiss: () => {
            // What is seen goes, and not the error behind it.
            if (!status.error) effects.dismiss();
            status.dismiss();
          },
        }}
      />
      {shown && (
        <Body
          {...{ model, root, prefix, themeVersion, answers, shown, live, ablation, text, effects }}
          busy={status.busy}
          onGo={go}
        />
      )}
      {!shown && <Nothing model={model} failed={error !== null || status.offline !== null} />}
    </>
  );
}

function Nothing({ model, failed }: { model: Model; failed: boolean }) {
  const feature = useTrait<number | null>(model, "feature");
  if (feature === null)
    return <p class="saew-empty">No feature is chosen. Go to one by its number, or to a random one.</p>;
  return failed ? null : <div class="saew-skeleton" aria-hidden="true" />;
}

interface BodyProps extends ViewProps {
  answers: Answers;
  shown: Shown;
  live: boolean;
  ablation: boolean;
  busy: boolean;
  text: TextAnswer | null;
  effects: EffectsState;
  onGo: (f: number) => void;
}

function Body(props: BodyProps) {
  const { model, root, prefix, themeVersion, answers, shown, live, ablation, text, effects, onGo } = props;
  const { feature, examples } = shown;
  const { json } = feature;
  const range = useTrait<number[]>(model, "activation_range");
  const chosen = useTrait<string>(model, "token_filter");
  const picked = useTrait<ExampleJson | null>(model, "selected_example");
  const [kind, setKind] = useState<Kind>("full");
  const heads = useTrait<boolean>(model, "sources");
  const [sourced, setSourced] = useState(false);
  // Of another feature, or of a list that is gone, it says nothing.
  const origin = sourced && examples ? exampleOf(examples, picked?.id) : undefined;
  const [hover] = useState(() => new Hover());
  const palette = usePalette(root, themeVersion);
  // What a hand picks of the feature before is nothing of the one that is on its way.
  const put = (values: Record<string, unknown>) => isOf(model, { feature: json.f }) && save(model, values);
  const on = live && ablation;
  const most = useMemo(() => strongestEffect(examples, effects, kind), [examples, effects.version, effects.text, kind]);
  const scale = examples?.json.scale || Math.max(Math.abs(json.max ?? 0), Math.abs(json.min ?? 0));
  const relations = useMemo(
    () => (
      <>
        <div class="saew-side saew-words">
          <FiresOn json={json} chosen={chosen} onToken={(token) => put({ token_filter: token })} />
          {json.logits && <LogitTables key={json.f} logits={json.logits} />}
        </div>
        <div class="saew-side saew-related">
          <Neurons json={json} />
          <Related json={json} onGo={onGo} />
        </div>
      </>
    ),
    [json, chosen, model],
  );
  const logits = useMemo(() => <LogitHistogram answer={feature} />, [feature]);
  return (
    <>
      <Title json={json} answers={answers} />
      <div class="saew-dash">
        <div class="saew-middle">
          <div class="saew-charts">
            <Histogram
              answer={feature}
              scale={scale}
              range={range}
              mark={strongest(text)}
              hover={hover}
              palette={palette}
              prefix={prefix}
              onRange={(wanted) => put({ activation_range: wanted })}
            />
            {logits}
          </div>
          {live && (
            <TestBox
              {...{ model, root, prefix, heads, answer: text, unit: json.activation_name }}
              {...{ scale, effects, kind, most, hover, palette }}
            />
          )}
          <section class="saew-panel saew-examples-panel" aria-label="Examples">
            <div class="saew-head">
              <h3>Examples</h3>
              <span class="saew-small">{examples?.json.note ?? ""}</span>
            </div>
            <Controls model={model} json={json} />
            {live && <Ablation model={model} effects={effects} kind={kind} onKind={setKind} />}
            <Legend unit={json.activation_name} signed={json.signed} scale={scale} effects={on} palette={palette} />
            {heads && origin && (
              <Origins
                {...{ model, root, prefix, palette }}
                feature={json.f}
                example={origin}
                onClose={() => setSourced(false)}
              />
            )}
            {examples ? (
              <Examples
                answer={examples}
                selected={picked?.id ?? null}
                {...{ effects, kind, most, hover, palette, prefix }}
                onSelect={(example) => put({ selected_example: example && withText(examples, example) })}
                onSources={
                  heads
                    ? (example) => {
                        setSourced(origin?.id !== example.id);
                        put({ selected_example: withText(examples, example) });
                      }
                    : undefined
                }
              />
            ) : (
              <NoExamples busy={props.busy} json={json} />
            )}
            {examples && examples.json.groups.length === 0 && <NoExamples busy={false} json={json} />}
          </section>
        </div>
        {relations}
      </div>
      <Footer notes={json.notes} provenance={json.provenance} />
      <Tooltip
        hover={hover}
        root={root}
        unit={json.activation_name}
        examples={examples}
        text={text}
        effects={effects}
      />
    </>
  );
}

function NoExamples({ busy, json }: { busy: boolean; json: FeatureJson }) {
  if (busy) return <div class="saew-skeleton saew-examples-wait" aria-hidden="true" />;
  return (
    <p class="saew-missing">{json.count === 0 ? "There are no examples: it never fires." : "No examples of this."}</p>
  );
}

/** What the trait holds: the example, and its text to read in Python. */
function withText(answer: ExamplesAnswer, example: ExampleJson): ExampleJson & { text: string } {
  return { ...example, text: answer.str.slice(example.start, example.start + example.n).join("") };
}

function exampleOf({ json }: ExamplesAnswer, id: number | undefined): ExampleJson | undefined {
  return json.groups.flatMap((group) => group.examples).find((example) => example.id === id);
}

/** The largest effect of those that are shown; it gets the full line. */
function strongestEffect(answer: ExamplesAnswer | null, effects: EffectsState, kind: Kind): number {
  const shown: Effects[] = effects.text ? [effects.text] : [];
  for (const group of answer?.json.groups ?? [])
    for (const { id } of group.examples) {
      const found = effects.examples.get(id);
      if (found) shown.push(found);
    }
  return largest(shown, kind);
}
