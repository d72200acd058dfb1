import { defineConfig } from "vitest/config";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: {
    environment: "happy-dom",
    testTimeout: 300_000,
    include: ["js/tests/**/*.test.{ts,tsx}"],
    // Every test makes its own model and element: a world of its own for each file costs more than the tests.
    isolate: false,
    maxWorkers: "100%",
  },
});
