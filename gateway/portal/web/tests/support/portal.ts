import { test as base, expect, type Page } from "@playwright/test";
import { stackInfo } from "./stack";
import type { Tenant } from "./tenant";

export { expect };

/** Every test fails that leaves an error in the console or a rejection that nobody handled. */
export const test = base.extend<{ quiet: undefined }>({
  quiet: [
    async ({ page }, use) => {
      const noise: string[] = [];
      page.on("console", (message) => {
        if (message.type() === "error" && !allowed(message.text())) {
          noise.push(`console: ${message.text()}`);
        }
      });
      page.on("pageerror", (error) => noise.push(`page: ${error.stack ?? error.message}`));
      await use(undefined);
      expect(noise, "errors in the browser's console").toEqual([]);
    },
    { auto: true },
  ],
});

/** Chromium itself writes a line for every answer of 4xx; that the page shows it in words is tested where it is wanted. */
function allowed(text: string): boolean {
  return text.startsWith("Failed to load resource: the server responded with a status of 4");
}

/** Signs in by the local issuer's page, as somebody with that button. */
export async function signIn(page: Page, button: string, path = "/"): Promise<void> {
  await page.goto(stackInfo().gateway + path);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: button }).click();
  await expect(
    page
      .getByRole("navigation", { name: "Main" })
      .or(page.getByRole("button", { name: "Navigation menu" }))
      .first(),
  ).toBeVisible();
}

export function signInToTenant(page: Page, tenant: Tenant, path = "/"): Promise<void> {
  return signIn(page, `Administrator of ${tenant.displayName}`, path);
}

/** In the navigation menu, click the one and then the other. */
export async function go(page: Page, group: string, item: string): Promise<void> {
  const menu = page.getByRole("navigation", { name: "Main" });
  await menu.getByRole("link", { name: group, exact: true }).click();
  await menu.getByRole("link", { name: item, exact: true }).click();
  await expect(page.getByRole("heading", { level: 1, name: item })).toBeVisible();
}
