/** The test on screen: asked for whenever what it is of changes; the answers are a trait, so that a reload keeps them. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Status, useTogether } from "../../kernel/together";
import { save, useRevision, useTraits } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { useDraft } from "../../kernel/typing";
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
  const [draft, change] = useDraft<Answer[]>(model, "answers");
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
  const answers: Answer[] = result ? result.answers : Array.from({ length: n }, (_, i) => draft[i] ?? null);
  /** Of this moment: keys may come faster than frames. */
  const latest = (): Answer[] => {
    const said = model.get("answers") as Answer[];
    return Array.from({ length: n }, (_, i) => said[i] ?? null);
  };
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
      const before = latest();
      const after = before.map((one, i) => (i === text ? answer : one));
      if (open && before[text] !== answer) change(after);
      return left(after);
    },
    clear: () => open && change([]),
    check: () => {
      const answered = latest();
      if (!open || n === 0 || left(answered) > 0) return;
      // The trait is of this test; what is judged travels with the question.
      model.save_changes();
      ask<TestJson>(
        "check",
        { ...params, description: model.get("description") as number, answers: answered },
        {
          done: (reply) => {
            if (now.current !== key) return;
            setShown({ test: testOf(reply), key });
            return done();
          },
        },
      );
    },
    again: () => {
      change([]);
      save(model, { seed: params.seed + 1 });
    },
    go: (feature) => {
      if (feature === params.f) return;
      change([]);
      save(model, { feature, ...((model.get("description") as number) > 0 ? { description: 0 } : {}) });
    },
    describe: (description) => {
      change([]);
      save(model, { description });
    },
  };
}
