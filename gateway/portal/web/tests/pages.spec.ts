// Every page, on a desktop, in the dark and on a phone: what axe finds, and a picture to look at.
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, signIn, signInToTenant, test } from "./support/portal";
import { furnished } from "./support/furnish";
import { linkIn, mails } from "./support/tenant";
import { stackInfo } from "./support/stack";

const modes = {
  desktop: { viewport: { width: 1280, height: 800 }, colorScheme: "light" },
  dark: { viewport: { width: 1280, height: 800 }, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: "light", hasTouch: true },
} as const;

interface Stop {
  name: string;
  path: string;
  heading: string;
  /** Opens what is to be looked at, once the page is there. */
  open?: (page: Page) => Promise<void>;
}

function stops(phoneUser: string): Stop[] {
  const profile = `/phone-system/users/${phoneUser.split("/").pop() ?? ""}`;
  const firstBoxes = async (page: Page, count: number) => {
    for (let i = 1; i <= count; i++) {
      await page
        .getByRole("checkbox", { name: /^Select / })
        .nth(i)
        .check();
    }
  };
  const users = { path: "/phone-system/users", heading: "Users & Rooms" };
  return [
    { name: "overview", path: "/", heading: "Overview" },
    { name: "users", ...users },
    { name: "users-selected", ...users, open: (page) => firstBoxes(page, 3) },
    {
      name: "users-package-filter",
      ...users,
      open: (page) => page.getByRole("button", { name: /All packages/ }).click(),
    },
    {
      name: "users-remove",
      ...users,
      open: async (page) => {
        await firstBoxes(page, 3);
        await page.getByRole("button", { name: "Remove", exact: true }).click();
        await page.getByRole("menuitem", { name: "Move to Trash" }).click();
        await expect(page.getByRole("alertdialog").getByRole("row")).toHaveCount(4);
      },
    },
    {
      name: "users-add",
      ...users,
      open: async (page) => {
        await page.getByRole("button", { name: "Add", exact: true }).click();
        await page.getByRole("dialog").getByRole("button", { name: /Site/ }).click();
        await page.getByRole("option", { name: "Porto Office" }).click();
      },
    },
    {
      name: "users-choose",
      ...users,
      open: async (page) => {
        await page.getByRole("button", { name: "Add", exact: true }).click();
        await page.getByRole("button", { name: "Choose" }).click();
        await page.getByRole("dialog", { name: "Choose users" }).getByRole("checkbox").nth(1).check();
      },
    },
    {
      name: "users-assign-package",
      ...users,
      open: async (page) => {
        await page
          .getByRole("button", { name: /^More for / })
          .first()
          .click();
        await page.getByRole("menuitem", { name: "Assign Package" }).click();
        await expect(page.getByRole("dialog", { name: "Assign Package" })).toBeVisible();
      },
    },
    { name: "rooms", path: "/phone-system/rooms", heading: "Users & Rooms" },
    { name: "profile", path: profile, heading: "Ada Almeida" },
    {
      name: "profile-extension",
      path: profile,
      heading: "Ada Almeida",
      open: async (page) => {
        await page.getByRole("textbox", { name: "Extension" }).fill("1001");
        await expect(page.getByText("1001 belongs to somebody else.")).toBeVisible();
      },
    },
    { name: "profile-settings", path: `${profile}/settings`, heading: "Ada Almeida" },
    { name: "profile-history", path: `${profile}/history`, heading: "Ada Almeida" },
    { name: "trash", path: "/phone-system/trash", heading: "Trash" },
    { name: "import", path: "/phone-system/import", heading: "Import" },
    {
      name: "extensions",
      path: "/phone-system/extensions",
      heading: "Extensions",
      open: (page) => expect(page.getByRole("img", { name: /numbers from 1000: .*\d+ assigned/ })).toBeVisible(),
    },
    {
      name: "extensions-table",
      path: "/phone-system/extensions",
      heading: "Extensions",
      open: async (page) => {
        await page.getByText("As a table").click();
        await expect(page.getByRole("row", { name: /1900–1902 3 reserved/ })).toBeVisible();
      },
    },
    { name: "packages", path: "/phone-system/packages", heading: "Packages" },
    { name: "numbers", path: "/phone-system/numbers", heading: "Phone Numbers" },
    { name: "sites", path: "/phone-system/sites", heading: "Sites & Templates" },
    {
      name: "sites-template",
      path: "/phone-system/sites",
      heading: "Sites & Templates",
      open: (page) => page.getByRole("button", { name: "Add template" }).click(),
    },
    { name: "directory", path: "/user-management/users", heading: "Users" },
    {
      name: "directory-add",
      path: "/user-management/users",
      heading: "Users",
      open: async (page) => {
        await page.getByRole("button", { name: "Add Users" }).click();
        await page.getByRole("dialog").getByText("Phone", { exact: true }).click();
      },
    },
    { name: "account-log", path: "/account/log", heading: "Account Log" },
    {
      name: "account-log-one",
      path: `/account/log?phoneUser=${phoneUser.split("/").pop() ?? ""}`,
      heading: "Account Log",
      open: (page) => expect(page.getByText("Only Ada Almeida")).toBeVisible(),
    },
    {
      name: "account-log-entry",
      path: `/account/log?phoneUser=${phoneUser.split("/").pop() ?? ""}`,
      heading: "Account Log",
      open: (page) => page.getByRole("button", { name: "Voicemail" }).click(),
    },
    { name: "account-settings", path: "/account/settings", heading: "Account Settings" },
    { name: "not-found", path: "/nowhere", heading: "This page does not exist" },
  ];
}

async function look(page: Page, mode: string, name: string): Promise<void> {
  // Nothing may be on its way any more, and nothing half transparent.
  await expect(page.locator(".waiting")).toHaveCount(0);
  await page.waitForLoadState("networkidle");
  await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished)));
  const { violations } = await new AxeBuilder({ page }).analyze();
  const bad = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  const found = bad.map((v) => `${name}: ${v.id}: ${v.nodes.map((n) => n.html.slice(0, 150)).join(" | ")}`);
  await page.screenshot({ path: `test-output/pictures/${mode}/${name}.png` });
  expect.soft(found).toEqual([]);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect.soft(overflow, `${name} is wider than the screen`).toBe(0);
}

let account: ReturnType<typeof furnished> | undefined;

/** The account to look at; each of Playwright's processes makes its own. */
function furnishedOnce(): ReturnType<typeof furnished> {
  return (account ??= furnished(`Meridian Trading ${test.info().workerIndex}`));
}

for (const [mode, use] of Object.entries(modes)) {
  test.describe(mode, () => {
    test.use(use);

    test("every page of an administrator", async ({ page }) => {
      test.slow();
      const { tenant, phoneUser } = await furnishedOnce();
      await signInToTenant(page, tenant);
      for (const stop of stops(phoneUser)) {
        await test.step(stop.name, async () => {
          await page.goto(stackInfo().gateway + stop.path);
          await expect(page.getByRole("heading", { level: 1, name: stop.heading })).toBeVisible();
          await stop.open?.(page);
          await look(page, mode, stop.name);
        });
      }
      if (mode === "phone") {
        await page.goto(stackInfo().gateway);
        await page.getByRole("button", { name: "Navigation menu" }).click();
        await look(page, mode, "navigation");
        await page.getByRole("link", { name: "Trash" }).click();
        await expect(page.getByRole("heading", { level: 1, name: "Trash" })).toBeVisible();
      }
      await page.goto(stackInfo().gateway);
      await page.getByRole("button", { name: /Administrator, admin/ }).click();
      await page.getByRole("menuitem", { name: "Sign out" }).click();
      await expect(page.getByRole("heading", { name: "You are signed out" })).toBeVisible();
      await look(page, mode, "signed-out");
    });

    test("the pages without an account", async ({ page }) => {
      const { tenant } = await furnishedOnce();
      await page.goto(stackInfo().gateway);
      await look(page, mode, "sign-in");
      await page.goto(linkIn((await mails(tenant.email("Ada Almeida")))[0]));
      await expect(page.getByRole("button", { name: "Save and finish" })).toBeVisible();
      await look(page, mode, "setup");
      await page.goto(linkIn((await mails(tenant.email("Pia Pending")))[0]));
      await expect(page.getByRole("button", { name: "Confirm my account" })).toBeVisible();
      await look(page, mode, "confirm");
      await signIn(page, "Platform operator");
      await expect(page.getByRole("heading", { level: 1, name: "Accounts" })).toBeVisible();
      await look(page, mode, "accounts");
    });
  });
}
