/** The texts as cards with two buttons each. By keyboard: arrows or j and k move, y and n answer and go on, Enter checks. */

import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { num } from "../../controls/format";
import { Button } from "../../controls/small";
import type { Palette } from "../../tokens/palette";
import { tokenAt } from "../../tokens/tokendom";
import type { State } from "./state";
import { Text } from "./text";
import type { ResultJson, TextData } from "./wire";

export interface Pointed {
  at: HTMLElement;
  token: string;
  activation: number;
}

interface CardProps {
  number: number;
  of: number;
  text: TextData;
  answer: boolean | null;
  current: boolean;
  result: ResultJson | null;
  palette: Palette;
  onAnswer: (answer: boolean) => void;
  onFocus: () => void;
  onPoint: (pointed: Pointed | null) => void;
}

export function Card(props: CardProps) {
  const { number, of, text, answer, current, result, palette, onAnswer, onPoint } = props;
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<Text | null>(null);
  useLayoutEffect(() => {
    if (host.current) view.current = new Text(host.current, text);
  }, [text]);
  useLayoutEffect(() => view.current?.paint(result?.scale ?? 0, palette), [text, result, palette]);
  const point = (event: PointerEvent) => {
    const i = tokenAt(event);
    const activation = text.act?.[i];
    const at = view.current?.element(i);
    onPoint(at && activation !== undefined ? { at, token: text.str[i] ?? "", activation } : null);
  };
  const i = number - 1;
  const right = result ? result.fires[i] === answer : null;
  const said = answer === null ? "not answered yet" : answer ? "you say: fires" : "you say: does not fire";
  const verdict = right === null ? "" : right ? ", right" : ", wrong";
  return (
    <li
      class={`saew-card${result ? " saew-judged" : ""}${right === false ? " saew-wrong" : ""}`}
      tabIndex={current ? 0 : -1}
      aria-label={`Text ${number} of ${of}, ${said}${verdict}`}
      onFocus={props.onFocus}
    >
      <span class="saew-number-of" aria-hidden="true">
        {number}
      </span>
      <div
        ref={host}
        class="saew-card-text"
        onPointerOver={result ? point : undefined}
        onPointerLeave={() => onPoint(null)}
      />
      {result ? (
        <Verdict
          right={right === true}
          fires={result.fires[i] === true}
          largest={result.largest[i] ?? 0}
          said={answer}
        />
      ) : (
        <fieldset class="saew-segments" aria-label={`Text ${number}`}>
          {[true, false].map((one) => (
            <Button
              key={String(one)}
              tabIndex={current ? 0 : -1}
              aria-pressed={answer === one}
              onClick={() => onAnswer(one)}
            >
              {one ? "fires" : "does not fire"}
            </Button>
          ))}
        </fieldset>
      )}
    </li>
  );
}

interface VerdictProps {
  right: boolean;
  fires: boolean;
  largest: number;
  said: boolean | null;
}

/** By sign and word: colour alone would not reach everybody. */
function Verdict({ right, fires, largest, said }: VerdictProps) {
  return (
    <div class="saew-verdict">
      <b>{right ? "\u2713 right" : "\u2717 wrong"}</b>
      <span class="saew-small">
        {fires ? `it fires, up to ${num(largest)}` : "it does not fire"}
        {!right && `; you said: ${said ? "fires" : "does not fire"}`}
      </span>
    </div>
  );
}

interface Keys {
  /** The card that keys are about. */
  current: number;
  setCurrent: (card: number) => void;
  onKey: (event: KeyboardEvent) => void;
}

export function useKeys(box: RefObject<HTMLElement | null>, state: State): Keys {
  const [current, show] = useState(() => Math.max(0, state.answers.indexOf(null)));
  // Keys may come faster than frames.
  const at = useRef(current);
  const n = state.answers.length;
  const finished = state.test?.json.result != null;
  const setCurrent = (card: number) => {
    at.current = card;
    show(card);
  };
  const move = (to: number) => {
    const next = Math.max(0, Math.min(n - 1, to));
    setCurrent(next);
    const card = box.current?.querySelectorAll<HTMLElement>(".saew-card")[next];
    card?.focus({ preventScroll: true });
    card?.scrollIntoView?.({ block: "nearest" });
  };
  const answer = (value: boolean) => {
    const left = state.put(at.current, value);
    if (at.current < n - 1) move(at.current + 1);
    else if (left === 0) box.current?.querySelector<HTMLElement>(".saew-check")?.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.altKey || event.metaKey || event.ctrlKey || n === 0) return;
    const target = event.target as Element;
    const inCard = target.closest(".saew-card") !== null;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === "ArrowDown" || key === "j") move(inCard ? at.current + 1 : 0);
    else if (key === "ArrowUp" || key === "k") move(inCard ? at.current - 1 : n - 1);
    else if (key === "Home") move(0);
    else if (key === "End") move(n - 1);
    else if (inCard && !finished && (key === "y" || key === "1")) answer(true);
    else if (inCard && !finished && (key === "n" || key === "0")) answer(false);
    else if (key === "Enter" && inCard && target.closest("button") === null) state.check();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return { current, setCurrent, onKey };
}
