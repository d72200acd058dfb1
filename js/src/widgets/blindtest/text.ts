/** One text: to be read without a mark on it, and, when everything is answered, coloured by activation. */

import { background } from "../../tokens/paint";
import type { Palette } from "../../tokens/palette";
import { TokenText } from "../../tokens/tokentext";
import type { TextData } from "./wire";

export class Text extends TokenText {
  readonly #text: TextData;

  constructor(host: HTMLElement, text: TextData) {
    super(host);
    host.dir = "auto";
    this.#text = text;
    const { str, act } = text;
    // The space before a first word is no part of what is read, and would move it.
    const spans = str.map((token, i) => this.make(i, i === 0 ? token.trimStart() || token : token, 0, true));
    // A later piece of a character is a sign where its activation is shown; who only reads sees the character alone.
    host.replaceChildren(...spans.filter((_, i) => act !== null || str[i] !== ""));
  }

  paint(scale: number, palette: Palette): void {
    const { act } = this.#text;
    this.dye((token) => (act ? background([{ hue: 0, values: act, scale }], token, palette) : ""), 0);
  }
}
