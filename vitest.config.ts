import { defineConfig } from "vitest/config";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: { environment: "happy-dom", testTimeout: 300_000, include: ["js/tests/**/*.test.{ts,tsx}"] },
});
