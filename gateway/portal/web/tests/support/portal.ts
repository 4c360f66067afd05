import { test as base, expect, type Page } from "@playwright/test";
import { stackInfo } from "./stack";
import type { Tenant } from "./tenant";

export { expect };

/** What a test has the gateway refuse. Chromium writes a line into the console for every answer of 4xx, which only these may do. */
const expectedRefusals = new WeakMap<Page, RegExp[]>();

/** Says that calls whose address matches will be refused in this test, because that is what it is about. */
export function expectRefusal(page: Page, ...addresses: RegExp[]): void {
  expectedRefusals.set(page, [...(expectedRefusals.get(page) ?? []), ...addresses]);
}

/** Every test fails that leaves an error in the console, a rejection that nobody handled, or a refusal that it did not name. */
export const test = base.extend<{ noise: string[] }>({
  noise: [
    async ({ page }, use) => {
      const noise: string[] = [];
      page.on("console", (message) => {
        const { url } = message.location();
        const refused =
          message.text().startsWith("Failed to load resource: the server responded with a status of 4") &&
          expectedRefusals.get(page)?.some((address) => address.test(url));
        if (message.type() === "error" && !refused) {
          noise.push(`console: ${message.text()} ${url}`);
        }
      });
      page.on("pageerror", (error) => noise.push(`page: ${error.stack ?? error.message}`));
      await use(noise);
      expect(noise, "errors in the browser's console").toEqual([]);
    },
    { auto: true },
  ],
});

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
