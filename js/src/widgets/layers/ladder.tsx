/** The layers one by one after a token: what the stream says next there, and which features of its dictionaries are active. */

import { useState } from "preact/hooks";
import { num } from "../../controls/format";
import { Button, chance, Heading, Small } from "../../controls/small";
import { Name } from "../../feature/said";
import { save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { rove } from "../../table/rove";
import { remarks } from "../../tokens/flags";
import type { Palette } from "../../tokens/palette";
import { Tok, tokenName } from "../../tokens/tok";
import { label } from "../../tokens/visible";
import { FEATURE, shaded } from "./shade";
import type { FeatureRow, Ladder, Lens } from "./wire";

interface Props {
  model: Model;
  palette: Palette;
  lens: Lens;
  ladder: Ladder;
  onPoint: (row: FeatureRow | null, at?: HTMLElement) => void;
  onPick: (row: FeatureRow) => void;
}

/** A hook of the lens, or a dictionary between two. */
type Rung = { hook: number; saes: number[] } | { hook: null; saes: [number] };

/** From the last layer to the first. */
function rungs({ json: { hooks, saes } }: Lens): Rung[] {
  const found: Rung[] = [];
  for (let hook = -1; hook < hooks.length; hook++) {
    const here = saes.flatMap((sae, i) => (sae.row === hook ? [{ i, between: sae.between }] : []));
    if (hook >= 0) found.push({ hook, saes: here.filter(({ between }) => !between).map(({ i }) => i) });
    for (const { i } of here.filter(({ between }) => between)) found.push({ hook: null, saes: [i] });
  }
  return found.reverse();
}

export function LadderView(props: Props) {
  const { lens, ladder, onPoint } = props;
  const { position } = ladder.json;
  // One tab stop for all buttons: the one last visited.
  const [visited, setVisited] = useState("");
  const [bare, setBare] = useState(true);
  const every = rungs(lens);
  const drawn = bare ? every : every.filter(({ saes }) => saes.length > 0);
  const keys = drawn.flatMap((rung) => keysOf(rung, props));
  const stop = keys.includes(visited) ? visited : keys[0];
  const word = tokenName(lens.json.str[position] ?? "");
  const said = remarks(lens.flags[position] ?? 0);
  return (
    <section class="saew-ladder" aria-label="The layers after a token">
      <Heading title={`After \u2018${word}\u2019 (position ${position})`}>
        <Small>the last layer on top; features strongest first, by magnitude</Small>
        {every.some(({ saes }) => saes.length === 0) && (
          <label class="saew-nowrap">
            <input type="checkbox" checked={!bare} onChange={(event) => setBare(!event.currentTarget.checked)} />
            {" only where there are features"}
          </label>
        )}
      </Heading>
      {said.map((remark) => (
        <p class="saew-small" key={remark}>
          {remark}
        </p>
      ))}
      <ul
        class="saew-rungs"
        onPointerLeave={() => onPoint(null)}
        onKeyDown={(event) => rove(event, "button:not(:disabled)")}
      >
        {drawn.map((rung) => (
          <RungView
            key={rung.hook === null ? `sae ${rung.saes[0]}` : `hook ${rung.hook}`}
            {...props}
            rung={rung}
            tab={(key) => (key === stop ? 0 : -1)}
            onVisit={setVisited}
          />
        ))}
      </ul>
    </section>
  );
}

const saysKey = (hook: number, i: number) => `says ${hook} ${i}`;
const featureKey = (row: FeatureRow) => `feature ${row.sae} ${row.f}`;

/** The buttons of a rung that can have the focus. */
function keysOf(rung: Rung, { model, lens, ladder }: Props): string[] {
  const { k } = lens.json;
  const says =
    rung.hook === null || !model.get("live")
      ? []
      : Array.from({ length: k }, (_, i) => i).filter((i) => ladder.typed(rung.hook ?? 0, i, k));
  return [
    ...says.map((i) => saysKey(rung.hook ?? 0, i)),
    ...rung.saes.flatMap((sae) => ladder.of(sae).map(featureKey)),
  ];
}

interface RungProps extends Props {
  rung: Rung;
  tab: (key: string) => 0 | -1;
  onVisit: (key: string) => void;
}

function RungView(props: RungProps) {
  const { lens, rung } = props;
  const { hooks, saes } = lens.json;
  const name = rung.hook === null ? (saes[rung.saes[0]]?.hook ?? "") : (hooks[rung.hook]?.name ?? "");
  return (
    <li
      class={`saew-rung${rung.hook === null ? " saew-rung-between" : ""}${rung.saes.length === 0 ? " saew-rung-bare" : ""}`}
    >
      <div class="saew-rung-name" title={name}>
        {rung.hook === null ? shortOf(name) : hooks[rung.hook]?.short}
      </div>
      {rung.hook !== null && <Says {...props} hook={rung.hook} />}
      {rung.saes.length > 0 && (
        <div class="saew-rung-features">
          {rung.saes.map((sae) => (
            <Features key={sae} {...props} sae={sae} of={name} />
          ))}
        </div>
      )}
    </li>
  );
}

function shortOf(hook: string): string {
  return label(hook.replace(/^blocks\.(\d+)\./, "$1 ").replace("hook_", ""));
}

/** The likeliest tokens of a hook, each of which can be the target. */
function Says({ model, palette, lens, ladder, hook, tab, onVisit }: RungProps & { hook: number }) {
  const { position } = ladder.json;
  const { target, k } = lens.json;
  const live = useTrait<boolean>(model, "live");
  const asked = lens.target(hook, position);
  return (
    <div class="saew-rung-says">
      {lens.likeliest(hook, position).map(({ t, id, p }, i) => {
        const typed = ladder.typed(hook, i, k);
        const on = target?.id === id;
        return (
          <Button
            key={id}
            class="saew-quiet saew-says"
            style={{ background: shaded(p, palette) }}
            disabled={!typed || !live}
            tabIndex={tab(saysKey(hook, i))}
            aria-pressed={on}
            title={
              !live
                ? "Recorded. Run it live to shade the grid by this token."
                : typed
                  ? on
                    ? "Shade the grid by the likeliest tokens again"
                    : "Shade the grid by the probability of this token"
                  : "No text is read as this token, so it cannot be the target."
            }
            onFocus={() => onVisit(saysKey(hook, i))}
            onClick={() => save(model, { target: on ? "" : t })}
          >
            <span class="saew-mono">
              <Tok t={t} />
            </span>{" "}
            {chance(p)}
          </Button>
        );
      })}
      <Small>
        {asked && target && (
          <>
            {"target "}
            <Tok t={target.str} />
            {` ${chance(asked.p)}, rank ${asked.rank.toLocaleString("en")} (0: likeliest) \u00b7 `}
          </>
        )}
        {`entropy ${num(lens.entropy(hook, position))} nats`}
      </Small>
    </div>
  );
}

/** The strongest features of a dictionary. */
function Features({
  model,
  lens,
  ladder,
  sae,
  of,
  tab,
  onVisit,
  onPoint,
  onPick,
}: RungProps & { sae: number; of: string }) {
  const json = lens.json.saes[sae];
  const chosen = useTrait<number | null>(model, "feature");
  const inSae = useTrait<string>(model, "sae") === json?.name;
  const rows = ladder.of(sae);
  const active = ladder.json.active[sae] ?? 0;
  const left = remarks(lens.saeFlags(sae, ladder.json.position)).filter(
    (remark) => !remarks(lens.flags[ladder.json.position] ?? 0).includes(remark),
  );
  const signs = [
    json?.hook === of ? "" : (json?.hook ?? ""),
    json?.activation_name ?? "",
    active === 0 ? "none is active" : `${rows.length} of ${active.toLocaleString("en")} active`,
    ...left,
  ];
  return (
    <div class="saew-rung-sae">
      <span class="saew-small">
        <bdi>{label(json?.name ?? "")}</bdi>
        {` \u00b7 ${signs.filter(Boolean).join(" \u00b7 ")}`}
      </span>
      <div class="saew-picks">
        {rows.map((row) => {
          const on = inSae && chosen === row.f;
          return (
            <Button
              key={row.f}
              class="saew-pick"
              tabIndex={tab(featureKey(row))}
              aria-pressed={on}
              onPointerEnter={(event) => onPoint(row, event.currentTarget)}
              onFocus={(event) => {
                onVisit(featureKey(row));
                onPoint(row, event.currentTarget);
              }}
              onBlur={() => onPoint(null)}
              onClick={() => onPick(row)}
            >
              {on && <span class="saew-dot" style={{ background: `var(--saew-h${FEATURE})` }} />}
              <span class="saew-offscreen">{`${label(json?.name ?? "")}, feature `}</span>
              <b>{row.f}</b> <Name of={row} /> <span class="saew-nowrap">{num(row.a)}</span>
            </Button>
          );
        })}
      </div>
    </div>
  );
}
