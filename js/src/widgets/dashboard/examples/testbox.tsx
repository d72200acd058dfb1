/** The user's own text: how the feature fires on it. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Notes } from "../../../controls/footer";
import { num } from "../../../controls/format";
import { Sources } from "../../../feature/sources";
import { excluded, type TextAnswer, type TextJson, tokenData } from "../../../feature/wire";
import type { Ask } from "../../../kernel/kernel";
import { save, useTrait } from "../../../kernel/traits";
import type { Model } from "../../../kernel/types";
import { useDraft } from "../../../kernel/typing";
import type { Palette } from "../../../tokens/palette";
import { tokenName } from "../../../tokens/tok";
import { tokenAt } from "../../../tokens/tokendom";
import type { EffectsState } from "./effects";
import type { Hover } from "./hover";
import { drawn, type Kind, Runs } from "./runs";

const ASK_MS = 150;

/** The answer about the text trait; the last one stays while the next is on its way. */
export function useText(model: Model, ask: Ask, f: number | null, live: boolean, revision: number): TextAnswer | null {
  const text = useTrait<string>(model, "text");
  const [answer, setAnswer] = useState<TextAnswer | null>(null);
  const before = useRef(text);
  useLayoutEffect(() => {
    const wait = before.current === text ? 0 : ASK_MS;
    before.current = text;
    if (!live || f === null || text === "") {
      setAnswer(null);
      return;
    }
    let stopped = false;
    const timer = setTimeout(
      () =>
        ask<TextJson>(
          "text",
          { f, text },
          {
            onTheWay: true,
            done: (reply) => {
              if (stopped) return;
              setAnswer({ ...tokenData(reply), json: reply.r, text });
              if (model.get("error") !== null) save(model, { error: null });
            },
          },
        ),
      wait,
    );
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [text, f, live, revision]);
  return answer?.json.f === f ? answer : null;
}

/** The strongest activation in a text; null if the feature is silent there. */
export function strongest(answer: TextAnswer | null): number | null {
  if (!answer) return null;
  let most = 0;
  answer.act.forEach((value, token) => {
    if (!excluded(answer, token) && Math.abs(value) > Math.abs(most)) most = value;
  });
  return most === 0 ? null : most;
}

/** What a screen reader says of a token. */
function saidOf(answer: TextAnswer | null, token: number, unit: string): string {
  const name = tokenName(answer?.str[token] ?? "");
  return `\u2018${name}\u2019: ${answer && excluded(answer, token) ? "not counted" : `${num(answer?.act[token] ?? 0)} ${unit}`}`;
}

interface Props {
  model: Model;
  answer: TextAnswer | null;
  unit: string;
  scale: number;
  effects: EffectsState;
  kind: Kind;
  most: number;
  hover: Hover;
  palette: Palette;
  root: HTMLElement;
  prefix: string;
  /** Whether the activation can be taken apart. */
  heads: boolean;
}

export function TestBox(props: Props) {
  const { model, answer, unit, scale, effects, kind, most, hover, palette, root, prefix, heads } = props;
  const [sourced, setSourced] = useState(false);
  const host = useRef<HTMLDivElement>(null);
  const tokens = useRef<Runs | null>(null);
  const cursor = useRef(-1);
  const text = useTrait<string>(model, "text");
  const top = strongest(answer);

  useLayoutEffect(() => {
    hover.set(null);
    if (!host.current) return;
    if (!answer && text !== "") {
      // Another feature's colours go at once; the words stay, or all that is below would jump twice.
      tokens.current?.clear(palette);
      return;
    }
    tokens.current = null;
    host.current.replaceChildren();
    if (!answer) return;
    tokens.current = new Runs(host.current, answer, prefix);
    cursor.current = -1;
    host.current.append(tokens.current.build({ from: 0, to: answer.act.length, bold: -1, oneLine: false }));
  }, [answer, text === ""]);
  useLayoutEffect(() => {
    if (answer) tokens.current?.paint(scale, palette);
  }, [answer, scale, palette]);
  useLayoutEffect(() => {
    if (answer) tokens.current?.underline(0, answer.act.length, drawn(effects.text, kind), most, palette);
  }, [answer, effects.text, kind, most, palette]);

  const point = (token: number) => {
    const at = tokens.current?.element(token);
    hover.set(at ? { source: "text", token, at, activation: answer?.act[token] ?? null } : null);
  };
  const move = (token: number) => {
    cursor.current = token;
    tokens.current?.point(token, token < 0 ? null : saidOf(answer, token, unit));
    point(token);
  };
  return (
    <section class="saew-panel saew-test" aria-label="Your own text">
      <div class="saew-head">
        <h3>Your own text</h3>
        <span class="saew-small" role="status">
          {answer && (top === null ? "The feature is silent here." : `at most ${num(top)} ${unit}`)}
        </span>
      </div>
      <Editor model={model} />
      <div
        ref={host}
        class="saew-testtext"
        dir="auto"
        role="listbox"
        tabIndex={0}
        hidden={text === ""}
        aria-label="Tokens of your own text. Arrows move from token to token."
        onPointerOver={(event) => point(tokenAt(event))}
        onPointerLeave={() => hover.set(null)}
        onBlur={() => move(-1)}
        onKeyDown={(event) => {
          const at = cursor.current;
          const last = (tokens.current?.length ?? 0) - 1;
          const by = tokens.current?.along(event.key, at) ?? 0;
          const to = { Home: 0, End: last, Escape: -1 }[event.key] ?? (by ? Math.max(0, Math.min(last, at + by)) : at);
          if (!by && to === at) return;
          event.preventDefault();
          move(to);
        }}
      />
      {answer && <Notes notes={answer.json.notes} />}
      {heads && answer && top !== null && (
        <button type="button" class="saew-link" aria-expanded={sourced} onClick={() => setSourced(!sourced)}>
          sources of its strongest activation here
        </button>
      )}
      {heads && answer && sourced && top !== null && (
        <Sources
          {...{ model, root, palette }}
          prefix={`${prefix}-own`}
          of={{ f: answer.json.f, text: answer.text, token: null, example: null, sae: null }}
        />
      )}
    </section>
  );
}

function Editor({ model }: { model: Model }) {
  const [draft, change] = useDraft<string>(model, "text");
  return (
    <textarea
      aria-label="Your own text"
      placeholder="Type a text to see where the feature fires"
      rows={2}
      spellcheck={false}
      value={draft}
      onInput={(event) => change(event.currentTarget.value)}
    />
  );
}
