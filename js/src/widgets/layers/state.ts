/** What the layers' view asks the kernel, and what it has: the lens and a ladder of the same computation, in step with the traits. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Kernel } from "../../kernel/kernel";
import { useRevision, useTraits } from "../../kernel/traits";
import type { Json, Model, Reply } from "../../kernel/types";
import type { Text } from "../../tokens/editor";
import { type Column, Ladder, type LadderJson, Lens, type LensJson } from "./wire";

export interface Shown {
  lens: Lens;
  /** Traits that the lens is of; another text may be on its way (see `isOf`). */
  of: { text: Json };
  /** Null until it comes. */
  ladder: Ladder | null;
  /** Features on every token, as far as a ladder of this lens brought them, by `columnKey`. */
  columns: ReadonlyMap<string, Column>;
}

/** What a column is filed under. */
export function columnKey(sae: string, feature: number): string {
  return `${feature} ${sae}`;
}

const OF = ["text", "target", "k"] as const;
const SETTINGS = ["position", "top_features", "sae", "feature"] as const;

/** The position that is meant: the last where none, or none of this text, is chosen. */
export function positionOf(lens: Lens, wanted: unknown): number {
  const last = lens.json.n - 1;
  return typeof wanted === "number" && wanted >= 0 && wanted <= last ? wanted : last;
}

/** The parameters of a ladder. */
export function ladderParams(model: Model, position: number | null): Record<string, Json> {
  const feature = model.get("feature") as number | null;
  return {
    text: model.get("text") as Text,
    target: model.get("target") as string,
    k: model.get("k") as number,
    position,
    top: model.get("top_features") as number,
    chosen: feature === null ? null : { sae: model.get("sae") as string, f: feature },
  };
}

export function useAnswers(model: Model, kernel: Kernel): Shown | null {
  const revision = useRevision(model);
  const [, of] = useTraits(model, OF);
  const [settings, settingsKey] = useTraits(model, SETTINGS);
  const [shown, setShown] = useState<Shown | null>(null);
  const latest = useRef<Pick<Shown, "lens" | "of"> | null>(null);

  const put = (reply: Reply<LadderJson> | null) => {
    if (!latest.current) return;
    const { lens, of } = latest.current;
    const ladder = reply?.r.key === lens.json.key ? new Ladder(reply, lens.json.n) : null;
    setShown((before) => {
      const same = before?.lens.json.key === lens.json.key;
      const columns = new Map(same ? before.columns : []);
      for (const column of ladder?.columns ?? [])
        columns.set(columnKey(lens.json.saes[column.row.sae]?.name ?? "", column.row.f), column);
      return { lens, of, ladder: ladder ?? (same ? before.ladder : null), columns };
    });
  };

  const lensKey = JSON.stringify([of, revision]);
  const asked = useRef<string | null>(null);
  // Layout effects: they run before the next frame, not after it.
  useLayoutEffect(() => {
    const wanted = settings.position as number | null;
    const askLadder = (lens: Lens) => {
      // Which one is meant the kernel knows, also while another text's lens is on its way; a page answers by its number.
      const position = model.get("live") ? wanted : positionOf(lens, wanted);
      kernel.ask<LadderJson>("ladder", ladderParams(model, position), { onTheWay: true, done: put });
    };
    if (asked.current === lensKey) {
      if (latest.current) askLadder(latest.current.lens);
      return;
    }
    asked.current = lensKey;
    const ladder = ladderParams(model, wanted);
    const { text = "", target = "", k = 5 } = ladder;
    // One answer for both: a second small message would wait for the first one's acknowledgement (some 40 ms).
    kernel.ask<LensJson>(
      "lens",
      { text, target, k, ladder },
      {
        onTheWay: true,
        done: (reply) => {
          const lens = new Lens(reply);
          latest.current = { lens, of: { text } };
          kernel.dismiss("ladder");
          if (reply.r.ladder) put({ r: reply.r.ladder, arrays: reply.arrays });
          else {
            put(null);
            askLadder(lens);
          }
        },
      },
    );
  }, [lensKey, settingsKey]);
  return shown;
}
