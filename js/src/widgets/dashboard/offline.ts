/** The dashboard's page: it draws features from those that it has, and finds some groups of examples among all. */

import type { Json } from "../../kernel/types";
import { fields, type Offline } from "../../page/offline";

/** Which groups of examples a choice of them shows. */
const GROUPS: Record<string, RegExp> = { top: /^(top|bottom)$/, intervals: /^\d$/, silent: /^(near|silent)$/ };

export const offline: Offline = {
  made: {
    random: (params, page) => {
      const list = JSON.stringify(fields(params)?.list ?? null);
      const others = page.all.filter(({ ch, p }) => {
        const asked = fields(p);
        return ch === "feature" && JSON.stringify(asked?.list ?? null) === list && asked?.f !== page.trait("feature");
      });
      const drawn = others[Math.floor(Math.random() * others.length)];
      return drawn && { ch: "random", p: params, r: { f: fields(drawn.p)?.f ?? null }, arrays: [] };
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
