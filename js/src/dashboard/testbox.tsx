/** The user's own text: how the feature fires on it. What is typed is never overwritten by its echoes (see the heatmap's). */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { num } from "../shared/format";
import type { Palette } from "../shared/palette";
import { save, useTrait } from "../shared/traits";
import type { Model } from "../shared/types";
import type { EffectsState } from "./effects";
import type { Hover } from "./hover";
import type { Ask } from "./state";
import { drawn, type Kind, Tokens, tokenAt } from "./tokens";
import { excluded, type TextAnswer, type TextJson, tokenData } from "./wire";

const ASK_MS = 150;
const SAVE_MS = 250;
const REMEMBERED = 64;
const ECHO_MS = 3000;

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
        ask<TextJson>("text", { f, text }, (reply) => {
          if (stopped) return;
          setAnswer({ ...tokenData(reply), json: reply.r, text });
          if (model.get("error") !== null) save(model, { error: null });
        }),
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
}

export function TestBox({ model, answer, unit, scale, effects, kind, most, hover, palette }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const tokens = useRef<Tokens | null>(null);
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
    tokens.current = new Tokens(host.current.ownerDocument, answer, answer.json.parts);
    host.current.append(tokens.current.build({ from: 0, to: answer.act.length, bold: -1, oneLine: false }));
  }, [answer, text === ""]);
  useLayoutEffect(() => {
    if (answer) tokens.current?.paint(scale, palette);
  }, [answer, scale, palette]);
  useLayoutEffect(() => {
    if (answer) tokens.current?.underline(0, answer.act.length, drawn(effects.text, kind), most, palette);
  }, [answer, effects.text, kind, most, palette]);

  return (
    <section class="saew-panel saew-test" aria-label="Your own text">
      <div class="saew-panel-head">
        <h3>Your own text</h3>
        <span class="saew-small" role="status">
          {answer && (top === null ? "The feature is silent here." : `at most ${num(top)} ${unit}`)}
        </span>
      </div>
      <Editor model={model} />
      {/* Described by the line above; tokens are pointed at, and their numbers are in the tooltip. */}
      <div
        ref={host}
        class="saew-testtext"
        onPointerOver={(event) => {
          const token = tokenAt(event);
          const at = tokens.current?.element(token);
          hover.set(at ? { source: "text", token, at, activation: answer?.act[token] ?? null } : null);
        }}
        onPointerLeave={() => hover.set(null)}
      />
      {answer?.json.notes.map((note) => (
        <p class="saew-note" key={note}>
          {note}
        </p>
      ))}
    </section>
  );
}

function Editor({ model }: { model: Model }) {
  const text = useTrait<string>(model, "text");
  const [draft, setDraft] = useState(text);
  const sent = useRef<string[]>([]);
  const typed = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const saveSoon = () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => model.save_changes(), SAVE_MS);
  };
  useEffect(() => {
    if (text === sent.current.at(-1)) return;
    // An earlier text of one's own, while one goes on typing, is an echo: what is in the box stands, and is said again.
    if (sent.current.includes(text) && Date.now() - typed.current < ECHO_MS) {
      model.set("text", draft);
      saveSoon();
      return;
    }
    sent.current = [];
    setDraft(text);
  }, [text]);
  useEffect(
    () => () => {
      clearTimeout(timer.current);
      model.save_changes();
    },
    [model],
  );
  return (
    <textarea
      aria-label="Your own text"
      placeholder="Type a text to see where the feature fires"
      rows={2}
      spellcheck={false}
      value={draft}
      onInput={(event) => {
        const { value } = event.currentTarget;
        setDraft(value);
        sent.current = [...sent.current, value].slice(-REMEMBERED);
        typed.current = Date.now();
        model.set("text", value);
        saveSoon();
      }}
    />
  );
}
