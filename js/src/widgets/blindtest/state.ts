/** The test on screen: asked for whenever what it is of changes; the answers are a trait, so that a reload keeps them. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Status, useTogether } from "../../kernel/together";
import { save, useRevision, useTraits } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { useAnswers } from "./answers";
import { type Answer, type Test, type TestJson, testOf } from "./wire";

const TRAITS = ["feature", "n", "window", "seed"] as const;

export interface State {
  test: Test | null;
  /** Whether another test is on its way. */
  stale: boolean;
  /** Of each text; those of the result, once there is one. */
  answers: Answer[];
  answered: number;
  status: Status;
  /** Answer a text; how many are left. */
  put: (text: number, answer: Answer) => number;
  clear: () => void;
  check: () => void;
  again: () => void;
  go: (feature: number) => void;
  describe: (description: number) => void;
}

export function useTest(model: Model, root: HTMLElement): State {
  const { status, ask, answered: done } = useTogether(model, root);
  const revision = useRevision(model);
  const [which, key] = useTraits(model, TRAITS);
  const { drawn, latest, change } = useAnswers(model);
  const [shown, setShown] = useState<{ test: Test; key: string } | null>(null);
  const good = useRef<Record<string, unknown> | null>(null);
  const now = useRef(key);
  now.current = key;
  const params = {
    f: which.feature as number,
    n: which.n as number,
    window: which.window as number,
    seed: which.seed as number,
  };

  useLayoutEffect(() => {
    ask<TestJson>("test", params, {
      done: (reply) => {
        if (now.current !== key) return;
        setShown({ test: testOf(reply), key });
        good.current = which;
        return done();
      },
      failed: (error) => {
        // What the controls say is what is shown, again.
        if (error.type === "FeatureIndexError" && good.current) save(model, good.current);
        return false;
      },
    });
  }, [key, revision]);

  const test = shown?.test ?? null;
  const stale = shown?.key !== key;
  const result = test?.json.result ?? null;
  const n = test?.texts.length ?? 0;
  const whole = (some: Answer[]): Answer[] => Array.from({ length: n }, (_, i) => some[i] ?? null);
  const answers = result ? result.answers : whole(drawn);
  const left = (of: Answer[]) => of.filter((answer) => answer === null).length;
  const answered = n - left(answers);
  const open = test !== null && result === null && !stale;

  return {
    test,
    stale,
    answers,
    answered,
    status,
    put: (text, answer) => {
      const before = whole(latest.current);
      const after = before.map((one, i) => (i === text ? answer : one));
      if (open && before[text] !== answer) change(after);
      return left(after);
    },
    clear: () => open && change([]),
    check: () => {
      if (!open || n === 0 || left(whole(latest.current)) > 0) return;
      // What is judged travels with the question; the trait may still be on its way.
      ask<TestJson>(
        "check",
        { ...params, description: model.get("description") as number, answers: whole(latest.current) },
        {
          done: (reply) => {
            if (now.current !== key) return;
            setShown({ test: testOf(reply), key });
            return done();
          },
        },
      );
    },
    again: () => change([], { seed: params.seed + 1 }),
    go: (feature) => {
      if (feature === params.f) return;
      const described = (model.get("description") as number) > 0 ? { description: 0 } : {};
      change([], { feature, ...described });
    },
    describe: (description) => change([], { description }),
  };
}
