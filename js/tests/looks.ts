/** The colours that tokens were given: happy-dom's styles drop those of today's syntax. */

import { TokenText } from "../src/tokens/tokentext";

const looks = new WeakMap<HTMLElement, string>();
const dye = TokenText.prototype.dye;
TokenText.prototype.dye = function (this: TokenText, look, from, to = this.length) {
  dye.call(this, look, from, to);
  for (let token = from; token < to; token++) {
    const span = this.element(token);
    if (span) looks.set(span, look(token));
  }
};

export function lookOf(span: HTMLElement | undefined): string | undefined {
  return span && looks.get(span);
}
