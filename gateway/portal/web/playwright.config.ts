import { defineConfig } from "@playwright/test";
import { browser } from "./tests/support/browser";

/** Tests of the portal in a real browser, against the local stack that the global set-up starts. */
export default defineConfig({
  testDir: "tests",
  testMatch: "*.spec.ts",
  globalSetup: "./tests/support/stack.ts",
  outputDir: "test-output/traces",
  reporter: [["list"]],
  fullyParallel: true,
  workers: 2,
  // Machines differ and may be busy; nothing here measures time.
  timeout: 90_000,
  expect: { timeout: 20_000 },
  use: { ...browser, trace: "retain-on-failure" },
});
