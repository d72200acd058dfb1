import { expect, test } from "vitest";
import { BEYOND, OUTLIER, remarks, SPECIAL, uncounted } from "../src/tokens/flags";

test("a position outside what the SAE was trained on is said, before its slice as after its context, and counted", () => {
  expect(remarks(BEYOND)).toEqual(["a position that the SAE was not trained on"]);
  expect(remarks(SPECIAL | BEYOND)).toHaveLength(2);
  expect(uncounted(BEYOND)).toBe(false);
  expect(uncounted(OUTLIER | BEYOND)).toBe(true);
});
