/** Features by what they are worth to the metric, with what was truly lost without them where that was checked. */

import { useState } from "preact/hooks";
import { count, density, num, signed } from "../../controls/format";
import { Segments } from "../../controls/segments";
import { Name, textOf } from "../../feature/said";
import { isOf, save, useTrait } from "../../kernel/traits";
import type { Json, Model } from "../../kernel/types";
import { Limit } from "../../table/limit";
import { rove } from "../../table/rove";
import type { Found, RankJson, Step } from "./wire";

const SORTS = ["size", "positive", "negative", "effect"];

interface Props {
  model: Model;
  found: Found;
  rank: RankJson | null;
  onHover: (feature: number | null, at?: HTMLElement) => void;
}

export function Ranking({ model, found, rank, onHover }: Props) {
  const sort = useTrait<string>(model, "sort");
  const feature = useTrait<number | null>(model, "feature");
  const chosen = useTrait<number[]>(model, "chosen");
  const first = useTrait<string>(model, "default_sae");
  const special = useTrait<boolean>(model, "include_special");
  const recipe = useTrait<{ interventions?: Json[] }>(model, "recipe");
  const [visited, setVisited] = useState<number | null>(null);
  // A row of the dictionary before is no feature of the one that is on its way.
  const pick = (f: number) => model.get("sae") === found.json.sae && save(model, { feature: feature === f ? null : f });
  const rows = rank?.rows ?? [];
  const stop = rows.find((row) => row.f === visited)?.f ?? rows[0]?.f;
  const most = rows.reduce((all, row) => Math.max(all, Math.abs(row.value)), 0);
  const described = rows.some((row) => textOf(row) !== "");
  const indexed = rows.some((row) => row.density !== null);
  const effects = rows.some((row) => row.effect !== null);
  const several = found.json.texts.length > 1;
  const [nearest] = found.json.earlier;
  const partly = rank?.basis === "selected" || special;
  const inRecipe = new Set(
    (recipe.interventions ?? []).flatMap((row) => {
      const one = row as { features?: number[]; sae?: string | null };
      return (one.sae ?? first) === found.json.sae ? (one.features ?? []) : [];
    }),
  );
  return (
    <section class="saew-ranking" aria-label="Features by attribution">
      <div class="saew-asking-line">
        <Segments
          name="Order"
          values={SORTS}
          texts={["by size", "for", "against", "by true effect"]}
          value={sort}
          onChange={(value) => save(model, { sort: value })}
        />
        <Limit model={model} />
        <label title="Sum special tokens (BOS, EOS ...) and norm outliers (attention sinks) too">
          <input
            type="checkbox"
            checked={special}
            onChange={(event) => save(model, { include_special: event.currentTarget.checked })}
          />
          {" special tokens"}
        </label>
      </div>
      <p class="saew-small" role="status">
        {rank ? summary(rank, several) : "Ranking\u2026"}
        {rank?.basis === "selected" && (
          <button type="button" class="saew-link" onClick={() => save(model, { selected_tokens: [] })}>
            all tokens
          </button>
        )}
      </p>
      {effects && partly && (
        <p class="saew-small">True effects are those of all tokens that count, not of these alone.</p>
      )}
      <div class="saew-tablebox">
        <table class={described ? "saew-ranked saew-described" : "saew-ranked"}>
          <thead>
            <tr>
              <td />
              <th scope="col">feature</th>
              <th scope="col" class="saew-num" title="The activation of the largest magnitude on the tokens that count">
                activation
              </th>
              <th scope="col" class="saew-num" title="Activation times gradient, summed over the tokens">
                attribution
              </th>
              {several && (
                <th
                  scope="col"
                  class="saew-num"
                  title="Standard deviation over the prompts, and in how many it is active"
                >
                  {"\u00b1 (prompts)"}
                </th>
              )}
              {effects && (
                <th
                  scope="col"
                  class="saew-num"
                  title="What the metric truly loses when the feature is taken out of all tokens that count"
                >
                  true effect
                </th>
              )}
              {indexed && (
                <th
                  scope="col"
                  class="saew-num"
                  title="Share of the index's counted tokens on which the feature is active"
                >
                  density
                </th>
              )}
              <td />
            </tr>
          </thead>
          <tbody onPointerLeave={() => onHover(null)} onKeyDown={(event) => rove(event, "button.saew-feature")}>
            {rows.map((row) => (
              <tr
                key={row.f}
                class={feature === row.f ? "saew-chosen" : undefined}
                onPointerEnter={(event) => onHover(row.f, event.currentTarget)}
                onClick={() => pick(row.f)}
              >
                <td>
                  <input
                    type="checkbox"
                    tabIndex={stop === row.f ? 0 : -1}
                    aria-label={`Take feature ${row.f} out`}
                    title="What if: take it out, together with the others that are ticked"
                    checked={chosen.includes(row.f)}
                    onClick={(event) => event.stopPropagation()}
                    onChange={() => {
                      const now = model.get("chosen") as number[]; // a quick hand ticks two before a view is drawn
                      save(model, {
                        chosen: now.includes(row.f) ? now.filter((f) => f !== row.f) : [...now, row.f],
                      });
                    }}
                  />
                </td>
                <th scope="row">
                  <div class="saew-rowhead">
                    <button
                      type="button"
                      class="saew-quiet saew-feature"
                      aria-pressed={feature === row.f}
                      data-feature={row.f}
                      tabIndex={stop === row.f ? 0 : -1}
                      title="Colour the tokens by this feature; linked views open it"
                      onFocus={(event) => {
                        setVisited(row.f);
                        onHover(row.f, event.currentTarget);
                      }}
                      onBlur={() => onHover(null)}
                      onClick={(event) => {
                        event.stopPropagation();
                        pick(row.f);
                      }}
                    >
                      {row.f}
                    </button>
                    <Name of={row} />
                  </div>
                </th>
                <td class="saew-num">{num(row.act)}</td>
                <td class="saew-num saew-by">
                  <span
                    class={row.value < 0 ? "saew-bar saew-against" : "saew-bar saew-for"}
                    style={{ width: `${most ? ((Math.abs(row.value) / most) * 100).toFixed(1) : 0}%` }}
                  />
                  <span>{signed(row.value)}</span>
                </td>
                {several && <td class="saew-num">{`${row.std === null ? "\u2013" : num(row.std)} (${row.texts})`}</td>}
                {effects && <td class="saew-num">{row.effect === null ? "\u2013" : signed(row.effect)}</td>}
                {indexed && <td class="saew-num">{density(row.density ?? Number.NaN)}</td>}
                <td class="saew-nowrap">
                  {nearest !== undefined && (
                    <button
                      type="button"
                      class="saew-quiet"
                      tabIndex={stop === row.f ? 0 : -1}
                      aria-label={`Why feature ${row.f}: explain its activation`}
                      title={`Why did it fire? Explain its activation at position ${row.position} by features of earlier dictionaries`}
                      onClick={(event) => {
                        event.stopPropagation();
                        if (!isOf(model, { prompt: found.question.prompt })) return;
                        const step: Step = {
                          sae: found.json.sae,
                          feature: row.f,
                          text: row.text,
                          position: row.position,
                        };
                        const path = [...(found.question.path as Step[]), step];
                        save(model, { path, selected_tokens: [], sae: nearest, feature: null, chosen: [] });
                      }}
                    >
                      why?
                    </button>
                  )}
                  <button
                    type="button"
                    class="saew-quiet"
                    tabIndex={stop === row.f ? 0 : -1}
                    aria-label={
                      inRecipe.has(row.f) ? `Feature ${row.f} is in the recipe` : `Add feature ${row.f} to the recipe`
                    }
                    title={inRecipe.has(row.f) ? "It is in the recipe" : "Add its ablation to the recipe"}
                    disabled={inRecipe.has(row.f)}
                    onClick={(event) => {
                      event.stopPropagation();
                      const now = model.get("recipe") as typeof recipe;
                      const sae = found.json.sae === first ? null : found.json.sae;
                      save(model, { recipe: withAblation(now, row.f, sae) });
                    }}
                  >
                    {inRecipe.has(row.f) ? "\u2713" : "+"}
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rank && rows.length === 0 && <p class="saew-empty">{emptiness(rank, sort)}</p>}
    </section>
  );
}

/** The recipe with one more row: the ablation of a feature at every position, as `sw.ablate(f)` makes it. */
export function withAblation(recipe: { interventions?: Json[] }, f: number, sae: string | null): Record<string, Json> {
  const row: Record<string, Json> = { kind: "ablate", features: [f], sae };
  return { ...recipe, interventions: [...(recipe.interventions ?? []), row] } as Record<string, Json>;
}

function summary({ rows, total, n_tokens, basis, positive, negative }: RankJson, several: boolean): string {
  const of = rows.length < total ? `${rows.length} of ${count(total, "feature")}` : count(total, "feature");
  const over = count(n_tokens, basis === "selected" ? "selected token" : "token");
  return `${of} over ${over} \u00b7 together ${signed(positive)} for, ${signed(negative)} against${several ? " (means over the prompts)" : ""} `;
}

function emptiness(rank: RankJson, sort: string): string {
  if (sort === "effect") return "No true effect was checked yet: \u201cCheck\u201d takes features out for real.";
  if (rank.n_tokens === 0)
    return "No token is counted: special tokens and norm outliers are left out. Tick \u201cspecial tokens\u201d to count them.";
  return "No feature is active on these tokens.";
}
