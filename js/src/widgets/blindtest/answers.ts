/**
 * The answers, a trait that a reload finds again. A hand is never outrun: keys may come faster than frames, and than the
 * front-end's echo of the trait, in which later answers are missing.
 */

import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { save } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import type { Answer } from "./wire";

/** For so long after an answer, an earlier state of one's own is taken for an echo; later, for somebody's wish. */
const ECHO_MS = 3000;

export interface Answers {
  /** As they are drawn. */
  drawn: Answer[];
  /** As they are at this moment. */
  latest: RefObject<Answer[]>;
  /** Answer anew, together with other traits. */
  change: (next: Answer[], along?: Record<string, unknown>) => void;
}

export function useAnswers(model: Model): Answers {
  const latest = useRef(model.get("answers") as Answer[]);
  const [drawn, draw] = useState(latest.current);
  const sent = useRef<string[]>([]);
  const answered = useRef(0);
  const put = (next: Answer[]) => {
    latest.current = next;
    draw(next);
  };
  useLayoutEffect(() => {
    const changed = () => {
      const value = model.get("answers") as Answer[];
      const key = JSON.stringify(value);
      if (key === JSON.stringify(latest.current)) return;
      if (sent.current.includes(key) && Date.now() - answered.current < ECHO_MS) {
        save(model, { answers: latest.current });
        return;
      }
      sent.current = [];
      put(value);
    };
    model.on("change:answers", changed);
    changed();
    return () => model.off("change:answers", changed);
  }, [model]);
  return {
    drawn,
    latest,
    change: (next, along = {}) => {
      sent.current = [...sent.current, JSON.stringify(next)];
      answered.current = Date.now();
      put(next);
      save(model, { answers: next, ...along });
    },
  };
}
