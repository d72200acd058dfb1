/** The page of a subspace: its colours are recorded apart from its points, and the texts of many points in one answer. */

import type { Json } from "../../kernel/types";
import { fields, type Offline } from "../../page/offline";
import type { TextsJson } from "./wire";

export const offline: Offline = {
  ignored: { subspace: "colour" },
  made: {
    texts: (params, page) => {
      const wanted = fields(params)?.points;
      const all = page.all.find(({ ch }) => ch === "texts");
      if (!all || !Array.isArray(wanted)) return undefined;
      const { texts } = all.r as unknown as TextsJson;
      return {
        ...all,
        p: params,
        r: { texts: texts.filter(({ point }) => wanted.includes(point)) } as unknown as Json,
      };
    },
  },
};
