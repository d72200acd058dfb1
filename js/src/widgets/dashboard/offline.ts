/** The dashboard's page: it draws features from those that it has, and finds some groups of examples among all. */

import type { Json } from "../../kernel/types";
import { fields, type Offline } from "../../page/offline";
import { opened } from "./opened";

/** Which groups of examples a choice of them shows. */
const GROUPS: Record<string, RegExp> = { top: /^(top|bottom)$/, intervals: /^\d$/, silent: /^(near|silent)$/ };

export const offline: Offline = {
  opens: opened,
  made: {
    random: (params, page) => {
      // A list is all in the page, or in files beside it; without one there is what the page itself has.
      const listed = (fields(params)?.list ?? []) as number[];
      const recorded = () => page.all.filter(({ ch }) => ch === "feature").map(({ p }) => fields(p)?.f as number);
      const others = (listed.length > 0 ? listed : recorded()).filter((f) => f !== page.trait("feature"));
      const drawn = others[Math.floor(Math.random() * others.length)];
      return drawn === undefined ? undefined : { ch: "random", p: params, r: { f: drawn }, arrays: [] };
    },
    examples: (params, page) => {
      const asked = fields(params);
      const keys = GROUPS[String(asked?.group)];
      const whole = asked && page.of("examples", { ...asked, group: "all" });
      const answer = fields(whole?.r);
      if (!keys || !whole || !answer) return undefined;
      const groups = (answer.groups as unknown as { key: string }[]).filter(({ key }) => keys.test(key));
      return { ...whole, p: params, r: { ...answer, groups: groups as unknown as Json } };
    },
  },
};
