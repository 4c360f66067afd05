import type { PlaywrightTestOptions, PlaywrightWorkerOptions } from "@playwright/test";

/** A desktop Chromium that calls nobody but the stack. */
export const browser: Partial<PlaywrightTestOptions & PlaywrightWorkerOptions> = {
  browserName: "chromium",
  viewport: { width: 1280, height: 800 },
  locale: "en-GB",
  timezoneId: "Europe/Lisbon",
  launchOptions: {
    executablePath: process.env["CHROMIUM"] || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"],
  },
};
