/** The steering panel: what is continued and how it is edited on one side, what comes of it on the other. */

import { ErrorBanner } from "../../controls/banner";
import { Tabs } from "../../controls/tabs";
import { useKernel } from "../../kernel/kernel";
import { save, useTrait } from "../../kernel/traits";
import type { ViewProps } from "../../page/mount";
import { usePalette } from "../../tokens/palette";
import { AnswerView, useAnswer } from "./answer/answerview";
import { useEffectOf } from "./effect/effectdata";
import { EffectView } from "./effect/effectview";
import { RecipeView } from "./recipe/recipeview";
import { useChanges } from "./run/changes";
import { useGeneration } from "./run/generation";
import { History } from "./run/history";
import { PromptBox } from "./run/promptbox";
import { SettingsView } from "./run/settings";
import { type Color, TextView } from "./run/textview";
import { usePanel, useScales } from "./state";
import { useSweep } from "./sweep/sweepdata";
import { SweepView } from "./sweep/sweepview";

const TABS = [
  ["text", "Text"],
  ["effect", "Effect on this text"],
  ["sweep", "Dose-response"],
  ["answer", "Answer"],
] as const;

export function App({ model, root, prefix, themeVersion }: ViewProps) {
  const state = usePanel(model);
  const kernel = useKernel(model, root);
  const scales = useScales(state, kernel);
  const generation = useGeneration(state, kernel);
  const view = useTrait<string>(model, "view");
  const color = useTrait<Color>(model, "color");
  const freeze = useTrait<boolean>(model, "freeze");
  const answer = useTrait<string>(model, "answer");
  const revision = useTrait<number | undefined>(model, "revision");
  const palette = usePalette(root, themeVersion);
  const { run } = generation;
  // Results are kept here, so that they are still there when their tab is opened again.
  const changes = useChanges(model, root, run, color === "change" && view === "text");
  const effects = useEffectOf(state, kernel, run, freeze, view === "effect");
  const sweeping = useSweep(state, kernel, view === "sweep");
  const found = useAnswer(state, kernel, answer, view === "answer");
  const given = { state, kernel, root, prefix, palette };
  return (
    <>
      {kernel.error && <ErrorBanner error={kernel.error} onDismiss={() => save(model, { error: null })} />}
      <div class="saew-steer">
        <div class="saew-set">
          <PromptBox state={state} />
          <RecipeView state={state} kernel={kernel} scales={scales} prefix={prefix} />
          <SettingsView state={state} generation={generation} />
        </div>
        <div class="saew-result">
          <Tabs tabs={TABS} value={view} prefix={prefix} onChange={(value) => save(model, { view: value })}>
            {view === "text" && <TextView {...given} generation={generation} changes={changes} />}
            {view === "effect" && <EffectView {...given} effects={effects} run={run} />}
            {view === "sweep" && <SweepView state={state} kernel={kernel} sweeping={sweeping} />}
            {view === "answer" && <AnswerView state={state} kernel={kernel} found={found} />}
          </Tabs>
        </div>
        <History generation={generation} revision={revision ?? 0} />
      </div>
    </>
  );
}
