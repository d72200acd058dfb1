/** The prompts, coloured by what each token's features are worth, or by one feature. */

import { useMemo, useState } from "preact/hooks";
import { num, signed, trueMinus } from "../../controls/format";
import { Tip } from "../../controls/tip";
import { textOf } from "../../feature/said";
import { floats } from "../../kernel/arrays";
import { useLookup } from "../../kernel/lookup";
import { isOf, save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { remarks, uncounted } from "../../tokens/flags";
import { background } from "../../tokens/paint";
import type { Palette } from "../../tokens/palette";
import { PickBox } from "../../tokens/pickbox";
import { label } from "../../tokens/visible";
import { type ColourJson, type Found, placeOf } from "./wire";

/** Hues of the palette: for the metric, and (hatched) against it. */
export const FOR = 1;
export const AGAINST = 4;

interface Props {
  model: Model;
  root: HTMLElement;
  prefix: string;
  palette: Palette;
  found: Found;
  /** The feature that is pointed at, or else the one that is looked at. */
  shown: number | null;
}

export function TokensView({ model, root, prefix, palette, found, shown }: Props) {
  const selected = useTrait<number[]>(model, "selected_tokens");
  const special = useTrait<boolean>(model, "include_special");
  const [hover, setHover] = useState<{ token: number; at: HTMLElement | null }>({ token: -1, at: null });
  const looked = useLookup<ColourJson>(model, root, "colour", shown === null ? null : { of: found.question, f: shown });
  const of = looked?.reply?.r.key === found.json.key ? looked.reply : null;
  const values = of ? floats(of.arrays, "value") : found.features;
  const acts = of ? floats(of.arrays, "act") : null;
  const counts = (token: number) => special || !uncounted(found.flags[token]);
  const scale = useMemo(() => {
    let most = 0;
    values.forEach((value, token) => {
      if (counts(token)) most = Math.max(most, Math.abs(value));
    });
    return most;
  }, [values, special]);
  const look = (token: number) => {
    const value = values[token] ?? 0;
    return counts(token) ? background([{ hue: value > 0 ? FOR : AGAINST, values, scale }], token, palette) : "";
  };
  // A page has not every feature; what is drawn then is not it.
  const missing = looked && !looked.reply ? looked.error || "not recorded in this page" : "";
  const name = of ? `feature ${of.r.f}${textOf(of.r) === "" ? "" : ` ${textOf(of.r)}`}` : "all features";
  const describe = (token: number) =>
    `token \u2018${label(found.str[token] ?? "") || "\u2025"}\u2019, position ${placeOf(found.json, token).position}, attribution ${num(values[token] ?? 0)}`;
  return (
    <div>
      <p class="saew-small saew-scale">
        <span
          class="saew-ramp"
          style={{ background: background([{ hue: AGAINST, values: new Float32Array([-1]), scale: 1 }], 0, palette) }}
        />
        {` ${trueMinus(num(-scale))} to `}
        <span
          class="saew-ramp"
          style={{ background: background([{ hue: FOR, values: new Float32Array([1]), scale: 1 }], 0, palette) }}
        />
        {` +${num(scale)}: attribution of `}
        <bdi>{name}</bdi>
        {missing && ` (feature ${shown}: ${missing})`}
      </p>
      {found.json.texts.map(([start, end], text) => (
        <Text
          key={`${found.json.key} ${start}`}
          {...{ found, start, end, look, describe, selected }}
          id={`${prefix}-${text}`}
          name={found.json.texts.length > 1 ? `Prompt ${text + 1}, attributed` : "The prompt, attributed"}
          lookKey={`${name} ${scale} ${special} ${palette.ink} ${palette.strength}`}
          value={
            found.json.texts.length > 1
              ? `${label(found.json.said[text] ?? "")} = ${num(found.json.values[text] ?? Number.NaN)}`
              : null
          }
          onPoint={(token, at) => setHover({ token, at })}
          onPick={(token, add) => {
            if (!isOf(model, { prompt: found.question.prompt })) return;
            const without = selected.filter((one) => one !== token);
            const alone = selected.length === 1 && selected[0] === token;
            const next = add
              ? without.length < selected.length
                ? without
                : [...selected, token]
              : alone
                ? []
                : [token];
            save(model, { selected_tokens: next });
          }}
        />
      ))}
      {hover.token >= 0 && hover.at && (
        <Tip at={hover.at} root={root}>
          <Told {...{ found, acts }} token={hover.token} value={of ? (values[hover.token] ?? 0) : null} />
        </Tip>
      )}
    </div>
  );
}

interface TextProps {
  found: Found;
  start: number;
  end: number;
  id: string;
  name: string;
  look: (token: number) => string;
  lookKey: string;
  value: string | null;
  selected: number[];
  describe: (token: number) => string;
  onPoint: (token: number, at: HTMLElement | null) => void;
  onPick: (token: number, add: boolean) => void;
}

/** One prompt: its own tokens are numbered from 0. */
function Text({ found, start, end, value, onPoint, onPick, look, describe, selected, ...box }: TextProps) {
  const tokens = useMemo(
    () => ({ str: found.str.slice(start, end), flags: Array.from(found.flags).slice(start, end) }),
    [found, start, end],
  );
  const mine = useMemo(
    () => selected.filter((token) => token >= start && token < end).map((token) => token - start),
    [selected, start, end],
  );
  return (
    <>
      <PickBox
        {...box}
        tokens={tokens}
        className="saew-attributed"
        look={(token) => look(token + start)}
        describe={(token) => describe(token + start)}
        picked={mine}
        onPoint={(token, at) => onPoint(token < 0 ? -1 : token + start, at)}
        onPick={(token, add) => onPick(token + start, add)}
      />
      {value && <p class="saew-small">{value}</p>}
    </>
  );
}

function Told({
  found,
  token,
  value,
  acts,
}: {
  found: Found;
  token: number;
  value: number | null;
  acts: Float32Array | null;
}) {
  const { text, position } = placeOf(found.json, token);
  const several = found.json.texts.length > 1;
  const rows: [string, number][] = [
    ["features", found.features[token] ?? 0],
    ["error", found.error[token] ?? 0],
    ["bias", found.bias[token] ?? 0],
    ["embedding", found.embedding[token] ?? 0],
  ];
  return (
    <>
      <div>
        <b>{label(found.str[token] ?? "") || "\u2025"}</b>
        <span class="saew-small">{` position ${position}${several ? ` of prompt ${text + 1}` : ""}`}</span>
      </div>
      {value !== null && (
        <div>{`this feature ${signed(value)}${acts ? `, activation ${num(acts[token] ?? 0)}` : ""}`}</div>
      )}
      {rows.map(([name, amount]) => (
        <div class="saew-small" key={name}>{`${name} ${signed(amount)}`}</div>
      ))}
      {remarks(found.flags[token] ?? 0).map((remark) => (
        <div class="saew-small" key={remark}>
          {remark}
        </div>
      ))}
    </>
  );
}
