/** The texts as lines to edit, add and take away, each with what a listed feature must be in it. */

import { MAX_TEXTS } from "../../../../src/saewidgets/widgets/constants.json";
import { Button, Small } from "../../controls/small";
import { save, useTrait } from "../../kernel/traits";
import type { Json, Model } from "../../kernel/types";
import { useDraft } from "../../kernel/typing";
import type { At, Texts } from "./state";

export function TextLines({ model }: { model: Model }) {
  const editable = useTrait<boolean>(model, "editable");
  const at = useTrait<At>(model, "at");
  // Positions in the old texts mean nothing in the new ones.
  const along: Record<string, Json> = { positions: [], ...(at === "chosen" ? { at: "last" } : {}) };
  const [draft, change] = useDraft<Texts>(model, "texts", along);
  const strings = typeof draft[0] === "string" ? (draft as string[]) : null;
  const lines = strings ?? (draft as number[][]).map((ids) => ids.join(" "));
  const remove = (text: number) => {
    for (const [name, value] of Object.entries(without(model, text))) model.set(name, value);
    if (strings) change(strings.filter((_, i) => i !== text));
  };
  const writable = editable && strings !== null;
  return (
    <div class="saew-lines">
      {lines.map((line, i) => (
        <div class="saew-line" key={i}>
          <span class="saew-line-number" aria-hidden="true">
            {i + 1}
          </span>
          <textarea
            aria-label={strings ? `Text ${i + 1}` : `Token ids of text ${i + 1}`}
            placeholder="Type a text"
            rows={1}
            spellcheck={false}
            value={line}
            readOnly={!writable}
            title={writable ? undefined : readOnlyBecause(strings !== null)}
            ref={grow}
            onInput={(event) => {
              grow(event.currentTarget);
              const { value } = event.currentTarget;
              if (strings) change(strings.map((old, k) => (k === i ? value : old)));
            }}
          />
          <Marks model={model} text={i} />
          {writable && lines.length > 2 && (
            <Button class="saew-quiet saew-remove" aria-label={`Remove text ${i + 1}`} onClick={() => remove(i)}>
              {"\u00d7"}
            </Button>
          )}
        </div>
      ))}
      <div class="saew-lines-foot">
        {writable && lines.length < MAX_TEXTS ? (
          <Button
            class="saew-quiet saew-add"
            title="Begins as a copy of the last: change what shall differ"
            onClick={() => strings && change([...strings, strings.at(-1) ?? ""])}
          >
            + Add text
          </Button>
        ) : (
          <span />
        )}
        <Small>list only features that are active or silent there</Small>
      </div>
    </div>
  );
}

const MARKS = [
  ["all_of", "none_of", "active", "List only features that are active in this text"],
  ["none_of", "all_of", "silent", "List only features that are silent in this text"],
] as const;

/** Whether a listed feature must be active in a text, or silent, or either. */
function Marks({ model, text }: { model: Model; text: number }) {
  const held = { all_of: useTrait<number[]>(model, "all_of"), none_of: useTrait<number[]>(model, "none_of") };
  return (
    <fieldset class="saew-segments" aria-label={`Features in text ${text + 1}`}>
      {MARKS.map(([name, other, says, title]) => {
        const on = held[name].includes(text);
        return (
          <Button
            key={name}
            aria-pressed={on}
            aria-label={`${says} in text ${text + 1}`}
            title={title}
            onClick={() => {
              const rest = (list: number[]) => list.filter((one) => one !== text);
              const mine = rest(model.get(name) as number[]);
              save(model, {
                [name]: on ? mine : [...mine, text].sort((a, b) => a - b),
                [other]: rest(model.get(other) as number[]),
              });
            }}
          >
            {says}
          </Button>
        );
      })}
    </fieldset>
  );
}

/** Traits that name texts by number, once one is taken away. */
function without(model: Model, text: number): Record<string, number[]> {
  const moved = (list: number[]) => list.filter((one) => one !== text).map((one) => (one > text ? one - 1 : one));
  const pair = moved(model.get("pair") as number[]);
  return {
    pair: pair.length === 2 ? pair : [0, 1],
    all_of: moved(model.get("all_of") as number[]),
    none_of: moved(model.get("none_of") as number[]),
  };
}

function readOnlyBecause(strings: boolean): string {
  return strings
    ? "This page shows recorded texts. Run it live to edit them."
    : "Token ids, as they were given. Texts are set from Python.";
}

/** As high as its text, where the style sheet's field-sizing cannot do it (measuring forces a layout). */
function grow(area: HTMLTextAreaElement | null): void {
  if (!area || globalThis.CSS?.supports?.("field-sizing", "content")) return;
  area.style.height = "auto";
  if (area.scrollHeight > 0) area.style.height = `${Math.min(area.scrollHeight + 2, 180)}px`;
}
