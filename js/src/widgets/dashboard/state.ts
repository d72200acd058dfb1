/**
 * What the dashboard asks about a feature, and what it has: one hook that keeps panels, examples and errors in step with
 * the traits, also where most questions have no answer (a page without a kernel).
 */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import {
  type ExamplesAnswer,
  type ExamplesJson,
  type FeatureAnswer,
  type FeatureJson,
  featureAnswer,
  tokenData,
} from "../../feature/wire";
import { type Ask, wasDropped } from "../../kernel/kernel";
import { type Status, useTogether } from "../../kernel/together";
import { save, useRevision, useTraits } from "../../kernel/traits";
import type { Json, Model, Reply } from "../../kernel/types";
import { opened } from "./opened";

/** For so long the last feature stays until the examples of the next are there: usually they come together. */
const TOGETHER_MS = 150;
const REMEMBERED = 100;

const FEATURE_TRAITS = ["feature", "sort", "features"] as const;
const EXAMPLE_TRAITS = ["group", "activation_range", "view", "window", "token_filter", "where"] as const;
type Settings = Record<string, unknown>;

export interface Shown {
  feature: FeatureAnswer;
  /** Null while they are on their way, or if there are none. */
  examples: ExamplesAnswer | null;
}

export interface Answers {
  shown: Shown | null;
  status: Status;
  ask: Ask;
  /** Features seen before this one in this view, latest last. */
  past: number[];
  back: () => void;
  setLabel: (f: number, label: string | null) => void;
}

export function useAnswers(model: Model, root: HTMLElement): Answers {
  const { status, ask, answered, goesBack } = useTogether(model, root);
  const revision = useRevision(model);
  const [which, whichKey] = useTraits(model, FEATURE_TRAITS);
  const [how, howKey] = useTraits(model, EXAMPLE_TRAITS);
  const [shown, setShown] = useState<Shown | null>(null);
  const [past, setPast] = useState<number[]>([]);
  const latest = useRef<{ feature: FeatureAnswer | null; examples: ExamplesAnswer | null }>({
    feature: null,
    examples: null,
  });
  /** What each channel should show, what it shows, and the settings it had first and last. */
  const wanted = useRef<Record<string, string>>({});
  const has = useRef<Record<string, string>>({});
  const first = useRef<Record<string, Settings>>({});
  const last = useRef<Record<string, Settings>>({});
  const returning = useRef(false);
  const hold = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

  useLayoutEffect(() => () => clearTimeout(hold.current), []);

  const put = () => {
    clearTimeout(hold.current);
    const { feature, examples } = latest.current;
    if (!feature) return;
    const matching = examples?.json.f === feature.json.f ? examples : null;
    const now = () => setShown({ feature, examples: matching });
    setShown((before) => {
      if (matching || !before || before.feature.json.f === feature.json.f) return { feature, examples: matching };
      hold.current = setTimeout(now, TOGETHER_MS);
      return before;
    });
  };

  /** Ask unless that is what is shown. An answer that comes when something else is wanted by then is dropped. */
  const follow = <R>(
    channel: string,
    params: Record<string, Json>,
    settings: Settings,
    done: (reply: Reply<R>) => void,
    revert: () => void,
  ) => {
    const key = JSON.stringify([params, revision]);
    wanted.current[channel] = key;
    if (has.current[channel] === key) return;
    ask<R>(channel, params, {
      done: (reply) => {
        if (wanted.current[channel] !== key) return;
        done(reply);
        has.current[channel] = key;
        first.current[channel] ??= settings;
        last.current[channel] = settings;
        put();
        return answered();
      },
      failed: (error) => {
        if (wanted.current[channel] !== key) return true;
        // What the controls say is what is shown, again.
        if (error.type !== "FrontEndError" && !wasDropped(error)) revert();
        return false;
      },
    });
  };

  // Layout effects: they run before the next frame, not after it.
  useLayoutEffect(() => {
    if (which.feature === null || which.feature === undefined) {
      wanted.current.feature = "";
      has.current.feature = "";
      latest.current.feature = null;
      clearTimeout(hold.current);
      setShown(null);
      return;
    }
    const params = { f: which.feature as number, sort: which.sort as string, list: which.features as number[] };
    follow<FeatureJson>(
      "feature",
      params,
      which,
      (reply) => {
        const before = latest.current.feature?.json.f;
        latest.current.feature = featureAnswer(reply);
        if (before !== undefined && before !== reply.r.f && !returning.current)
          setPast((list) => [...list.slice(1 - REMEMBERED), before]);
        returning.current = false;
      },
      () => {
        returning.current = false;
        const { feature, examples } = last.current;
        if (!feature) return;
        // A step to another feature had cleared the brush and the filters.
        save(model, { ...(examples?.feature === feature.feature ? examples : {}), ...feature });
      },
    );
  }, [whichKey, revision]);

  useLayoutEffect(() => {
    const f = which.feature;
    if (f === null || f === undefined) return;
    const params = {
      f: f as number,
      group: how.group as string,
      range: how.activation_range as number[],
      view: how.view as string,
      window: how.window as number,
      token: how.token_filter as string,
      where: how.where as string[],
    };
    follow<ExamplesJson>(
      "examples",
      params,
      { ...how, feature: f },
      (reply) => {
        latest.current.examples = {
          ...tokenData(reply),
          json: reply.r,
          view: params.view,
          window: params.window,
        };
      },
      () => {
        // The feature itself may have gone back by now, with its settings.
        if (model.get("feature") !== f) return;
        // A feature that was not recorded with these settings may have been with those that the page began with.
        const { feature: lastFeature, ...lastSettings } = last.current.examples ?? {};
        const { feature: _, ...firstSettings } = first.current.examples ?? {};
        const back = lastFeature === f ? lastSettings : firstSettings;
        if (Object.keys(back).length === 0 || JSON.stringify(back) === JSON.stringify(how)) return;
        if (lastFeature !== f) goesBack();
        save(model, back);
      },
    );
  }, [which.feature, howKey, revision]);

  return {
    shown,
    status,
    ask,
    past,
    back: () => {
      const to = past.at(-1);
      if (to === undefined) return;
      returning.current = true;
      setPast(past.slice(0, -1));
      save(model, opened(to));
    },
    setLabel: (f, label) => {
      const { feature } = latest.current;
      if (feature?.json.f !== f) return;
      latest.current.feature = { ...feature, json: { ...feature.json, label } };
      put();
    },
  };
}
