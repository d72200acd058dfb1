/**
 * Answers in files beside a page (saewidgets' to_folder): each is a script that hands one block over. They are added when
 * something in them is asked for; the page's policy trusts what this script adds.
 */

import type { Json } from "../kernel/types";
import type { Late } from "./host";
import { fields, type Recorded } from "./offline";

export interface PartsJson {
  /** Of these files: those of another page are refused. */
  key: string;
  /** What the answers are about, file by file. */
  features: number[][];
}

type Deliver = (packed: string) => void;

const nameOf = (part: number) => `parts/${String(part).padStart(4, "0")}.js`;

export function parts({ key, features }: PartsJson, unpack: (packed: string) => Promise<Recorded[]>): Late {
  const partOf = new Map(features.flatMap((list, part) => list.map((f) => [f, part] as const)));
  const there = new Set<number>();
  const coming = new Map<number, Promise<Recorded[]>>();
  const waiting = new Map<number, Deliver>();
  Object.assign(globalThis, {
    saewPart: (of: string, part: number, packed: string) => of === key && waiting.get(part)?.(packed),
  });
  const load = (part: number): Promise<Recorded[]> =>
    new Promise<string>((resolve, reject) => {
      waiting.set(part, resolve);
      const script = document.createElement("script");
      script.src = nameOf(part);
      script.onerror = () => reject(`${script.getAttribute("src")} is not beside this page: copy the whole folder.`);
      // Delivered by then, unless it is of another page.
      script.onload = () => reject(`${script.getAttribute("src")} is of another page than this one.`);
      document.head.append(script);
    })
      .finally(() => {
        waiting.delete(part);
        coming.delete(part);
      })
      .then(unpack)
      .then((recorded) => {
        there.add(part);
        return recorded;
      });
  const find = (params: Json): number | undefined => partOf.get(fields(params)?.f as number);
  return {
    has: (params) => find(params) !== undefined,
    of: (params) => {
      const part = find(params);
      if (part === undefined || there.has(part)) return null;
      const loading = coming.get(part) ?? load(part);
      coming.set(part, loading);
      return loading;
    },
  };
}
