/**
 * Tokens and a ranking of their features, as a view asks for them: both in one answer where the text is new, the ranking
 * alone where only its settings are. They are shown together, once they are of the same computation.
 */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Ask } from "../kernel/kernel";
import { save, useRevision, useTraits } from "../kernel/traits";
import type { Json, Model, Reply } from "../kernel/types";

/** What was computed together has the same key. */
interface Keyed {
  key: string;
}

interface OfTokens {
  readonly json: Keyed;
  addColumns: (arrays: Reply<unknown>["arrays"]) => void;
}

export interface Ranked<D, R> {
  data: D;
  /** Traits that the data is of; another text may be on its way (see `isOf`). */
  of: Readonly<Record<string, Json>>;
  /** Null until it comes. */
  rank: R | null;
}

interface Asked<T, D> {
  model: Model;
  ask: Ask;
  /** Traits that say what is computed, such as the text: they are the question's parameters, too. */
  source: readonly string[];
  /** Traits that a ranking depends on, beside the text. */
  settings: readonly string[];
  /** The settings as the kernel's parameters. */
  params: (settings: Record<string, unknown>) => Record<string, Json>;
  /** The channel of a ranking alone. */
  channel: string;
  read: (reply: Reply<T>) => D;
  /** Notices of what could not be shown go: what was asked for is. */
  dismiss: () => void;
}

export function useRanked<R extends Keyed, T extends { rank: R | null }, D extends OfTokens>({
  model,
  ask,
  source,
  settings: names,
  params,
  channel,
  read,
  dismiss,
}: Asked<T, D>): Ranked<D, R> | null {
  const [of, ofKey] = useTraits(model, source);
  const revision = useRevision(model);
  const [settings, settingsKey] = useTraits(model, names);
  const [shown, setShown] = useState<Ranked<D, R> | null>(null);
  const latest = useRef<{ data: D | null; of: Record<string, Json>; rank: Reply<R> | null }>({
    data: null,
    of: {},
    rank: null,
  });
  /** The settings of the last ranking that came, and whether the controls have gone back to them. */
  const ranked = useRef<Record<string, unknown> | null>(null);
  const wentBack = useRef(false);

  const got = (reply: Reply<R>) => {
    latest.current.rank = reply;
    ranked.current = settings;
  };
  /** Whether notices stay: the controls went back, and theirs says why. */
  const show = () => {
    const { data, of, rank } = latest.current;
    if (data) {
      const matches = rank?.r.key === data.json.key;
      if (rank && matches) data.addColumns(rank.arrays);
      setShown((before) => {
        if (rank && matches) return { data, of, rank: rank.r };
        return { data, of, rank: before?.rank?.key === data.json.key ? before.rank : null };
      });
    }
    const stays = wentBack.current;
    wentBack.current = false;
    if (!stays) dismiss();
    return stays;
  };

  // Layout effects: they run before the next frame, not after it.
  const sourceKey = `${ofKey} ${revision}`;
  const asked = useRef<string | null>(null);
  useLayoutEffect(() => {
    const what = of as Record<string, Json>;
    const ranking = params(settings);
    const askRank = () =>
      ask<R>(
        channel,
        { ...what, ...ranking },
        {
          onTheWay: true,
          done: (reply) => {
            got(reply);
            return show();
          },
          failed: ({ type }) => {
            // A page without a kernel: the controls go back to the last settings that have an answer.
            if (type !== "Offline" || !ranked.current) return;
            wentBack.current = true;
            save(model, { ...ranked.current, features: model.get("features") });
          },
        },
      );
    if (asked.current === sourceKey) {
      askRank();
      return;
    }
    asked.current = sourceKey;
    // One answer for both: a second small message would wait for the first one's acknowledgement (some 40 ms).
    ask<T>(
      "tokens",
      { ...what, rank: ranking },
      {
        onTheWay: true,
        done: (reply) => {
          latest.current.data = read(reply);
          latest.current.of = what;
          if (reply.r.rank) got({ r: reply.r.rank, arrays: reply.arrays });
          else askRank();
          return show();
        },
        failed: () => {
          // A ranking alone would be of what is on screen still: the next change asks for all of it again.
          asked.current = null;
        },
      },
    );
  }, [sourceKey, settingsKey]);

  return shown;
}
