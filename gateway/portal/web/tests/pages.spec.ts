// Every page, on a desktop, in the dark and on a phone: what axe finds, and a picture to look at.
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, expectRefusal, signIn, signInToTenant, test } from "./support/portal";
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
      name: "users-menu",
      ...users,
      open: async (page) => {
        await page
          .getByRole("button", { name: /^More for / })
          .first()
          .click();
        await expect(page.getByRole("menuitem", { name: "Resend Invite" })).toBeVisible();
      },
    },
    {
      name: "users-nobody",
      ...users,
      open: async (page) => {
        await page.getByRole("searchbox").fill("nobody of this name");
        await expect(page.getByText("Nobody matches")).toBeVisible();
      },
    },
    {
      name: "users-remove-refused",
      ...users,
      open: async (page) => {
        await firstBoxes(page, 2);
        await page.getByRole("button", { name: "Remove", exact: true }).click();
        expectRefusal(page, /:batchRemove$/);
        await page.getByRole("menuitem", { name: "Remove Users" }).click();
        await expect(page.getByRole("alert")).toBeVisible();
      },
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
    {
      name: "users-assign-numbers",
      path: profile,
      heading: "Ada Almeida",
      open: async (page) => {
        await page.getByRole("button", { name: "Assign Numbers" }).click();
        await page.getByRole("dialog").getByRole("checkbox", { name: "Select all" }).check();
        await expect(page.getByText("20 are selected, and no more go at a time.")).toBeVisible();
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
        await expect(page.getByText(/^1001 belongs to /)).toBeVisible();
      },
    },
    { name: "profile-settings", path: `${profile}/settings`, heading: "Ada Almeida" },
    { name: "profile-history", path: `${profile}/history`, heading: "Ada Almeida" },
    { name: "trash", path: "/phone-system/trash", heading: "Trash" },
    {
      name: "trash-restore",
      path: "/phone-system/trash",
      heading: "Trash",
      open: async (page) => {
        await firstBoxes(page, 3);
        await page.getByRole("toolbar").getByRole("button", { name: "Restore" }).click();
        await expect(page.getByRole("alertdialog").getByRole("row")).toHaveCount(4);
      },
    },
    {
      name: "trash-delete",
      path: "/phone-system/trash",
      heading: "Trash",
      open: async (page) => {
        await firstBoxes(page, 1);
        await page.getByRole("button", { name: "Delete for good" }).click();
        await expect(page.getByRole("alertdialog").getByRole("row")).toHaveCount(2);
      },
    },
    { name: "import", path: "/phone-system/import", heading: "Import" },
    {
      name: "import-dry-run",
      path: "/phone-system/import",
      heading: "Import",
      open: async (page) => {
        const csv = "email,package\nnobody@example.org,Domestic\nsomebody@example.org,Legacy Unlimited\n";
        await page.locator("input[type=file]").setInputFiles({ name: "a.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
        await expect(page.getByRole("heading", { name: "What this file would do" })).toBeVisible();
        await expect(page.getByRole("region", { name: "Refused rows" })).toBeVisible();
      },
    },
    {
      name: "import-refused",
      path: "/phone-system/import",
      heading: "Import",
      open: async (page) => {
        expectRefusal(page, /phoneUsers:import$/);
        const csv = "e-mial\na@example.com\n";
        await page.locator("input[type=file]").setInputFiles({ name: "a.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
        await expect(page.getByRole("alert")).toBeVisible();
      },
    },
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
    {
      name: "extensions-look-up",
      path: "/phone-system/extensions",
      heading: "Extensions",
      open: async (page) => {
        await page.getByRole("textbox", { name: "Number, or from–to" }).fill("1895-1905");
        await page.getByRole("button", { name: "Look up" }).click();
        await expect(page.getByRole("button", { name: "Reserve" })).toBeVisible();
      },
    },
    {
      name: "extensions-add",
      path: "/phone-system/extensions",
      heading: "Extensions",
      open: (page) => page.getByRole("button", { name: "Add range" }).click(),
    },
    {
      name: "extensions-delete",
      path: "/phone-system/extensions",
      heading: "Extensions",
      open: async (page) => {
        await page.getByRole("button", { name: /^Delete range/ }).click();
        expectRefusal(page, /extensionRanges\//);
        await page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click();
        await expect(page.getByRole("alert")).toContainText("in use");
      },
    },
    { name: "packages", path: "/phone-system/packages", heading: "Packages" },
    {
      name: "packages-change",
      path: "/phone-system/packages",
      heading: "Packages",
      open: async (page) => {
        await page.getByRole("button", { name: "More for Domestic" }).click();
        await page.getByRole("menuitem", { name: "Change" }).click();
      },
    },
    { name: "numbers", path: "/phone-system/numbers", heading: "Phone Numbers" },
    {
      name: "numbers-add",
      path: "/phone-system/numbers",
      heading: "Phone Numbers",
      open: async (page) => {
        await page.getByRole("button", { name: "Add numbers" }).click();
        await page.getByRole("textbox", { name: "Numbers" }).fill("+351210000190\n12");
        expectRefusal(page, /phoneNumbers:batchCreate$/);
        await page.getByRole("button", { name: "Add 2 numbers" }).click();
        await expect(page.getByRole("alert")).toBeVisible();
      },
    },
    {
      name: "numbers-delete",
      path: "/phone-system/numbers",
      heading: "Phone Numbers",
      open: async (page) => {
        await page.getByRole("checkbox", { name: "Select +351210000105" }).check();
        await page.getByRole("button", { name: "Delete" }).click();
        await expect(page.getByRole("alertdialog")).toBeVisible();
      },
    },
    { name: "sites", path: "/phone-system/sites", heading: "Sites & Templates" },
    {
      name: "sites-template",
      path: "/phone-system/sites",
      heading: "Sites & Templates",
      open: (page) => page.getByRole("button", { name: "Add template" }).click(),
    },
    {
      name: "sites-change",
      path: "/phone-system/sites",
      heading: "Sites & Templates",
      open: async (page) => {
        await page.getByRole("button", { name: "More for Porto Office" }).click();
        await page.getByRole("menuitem", { name: "Change" }).click();
      },
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

/** The stops by their names, so that no test looks at all of them in a row. */
const areas = {
  "Users & Rooms": /^(overview|users|rooms)/,
  "Profile, Trash, Import": /^(profile|trash|import)/,
  "Extensions, Packages, Phone Numbers": /^(extensions|packages|numbers)/,
  "Sites, directory, account": /^(sites|directory|account|not-found)/,
};

test("Every page is in one of the areas", () => {
  for (const { name } of stops("")) {
    expect(
      Object.values(areas).filter((names) => names.test(name)),
      name,
    ).toHaveLength(1);
  }
});

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

    for (const [area, names] of Object.entries(areas)) {
      test(`every page of an administrator: ${area}`, async ({ page }) => {
        test.slow();
        const { tenant, phoneUser } = await furnishedOnce();
        await signInToTenant(page, tenant);
        for (const stop of stops(phoneUser).filter(({ name }) => names.test(name))) {
          await test.step(stop.name, async () => {
            await page.goto(stackInfo().gateway + stop.path);
            await expect(page.getByRole("heading", { level: 1, name: stop.heading })).toBeVisible();
            await stop.open?.(page);
            await look(page, mode, stop.name);
          });
        }
      });
    }

    test("the navigation menu, and signing out", async ({ page }) => {
      const { tenant } = await furnishedOnce();
      await signInToTenant(page, tenant);
      if (mode === "phone") {
        await page.getByRole("button", { name: "Navigation menu" }).click();
        await look(page, mode, "navigation");
        await page.getByRole("link", { name: "Trash" }).click();
        await expect(page.getByRole("heading", { level: 1, name: "Trash" })).toBeVisible();
      }
      await page.getByRole("button", { name: /Administrator, admin/ }).click();
      await look(page, mode, "person-menu");
      await page.getByRole("menuitem", { name: "Sign out" }).click();
      await expect(page.getByRole("heading", { name: "You are signed out" })).toBeVisible();
      await look(page, mode, "signed-out");
    });

    test("the pages behind links in mails", async ({ page }) => {
      // Each mode has people of its own, since what the links are for is done once.
      const { tenant } = await furnishedOnce();
      const invited = `Pia Pending ${mode}`;
      const [given = "", ...family] = invited.split(" ");
      await tenant.post(`${tenant.name}/users`, {
        givenName: given,
        familyName: family.join(" "),
        email: tenant.email(invited),
        features: ["PHONE"],
        site: await tenant.mainSite(),
      });
      const [welcomed] = await tenant.users(`Wanda Welcomed ${mode}`);
      await tenant.assign([welcomed?.name ?? ""], { site: await tenant.mainSite() });

      await page.goto(linkIn((await mails(tenant.email(`Wanda Welcomed ${mode}`)))[0]));
      await expect(page.getByRole("button", { name: "Save and finish" })).toBeVisible();
      await look(page, mode, "setup");
      expectRefusal(page, /phoneUserSetup:/);
      await page.getByRole("textbox", { name: "Seconds to ring" }).fill("3");
      await page.getByRole("button", { name: "Save and finish" }).click();
      await expect(page.getByRole("alert")).toBeVisible();
      await look(page, mode, "setup-refused");
      await page.getByRole("textbox", { name: "Seconds to ring" }).fill("30");
      await page.getByRole("button", { name: "Save and finish" }).click();
      await expect(page.getByText("Saved. Your phone is set up")).toBeVisible();
      await look(page, mode, "setup-done");

      await page.goto(linkIn((await mails(tenant.email(invited)))[0]));
      await expect(page.getByRole("button", { name: "Confirm my account" })).toBeVisible();
      await look(page, mode, "confirm");
      await page.getByRole("button", { name: "Confirm my account" }).click();
      await expect(page.getByText(/^Thank you, /)).toBeVisible();
      await look(page, mode, "confirm-done");
      await page.goto(linkIn((await mails(tenant.email(invited), 2))[0]));
      await expect(page.getByRole("textbox", { name: "Extension", exact: true })).toBeVisible();
      await look(page, mode, "setup-extension");
      await page.goto(`${stackInfo().gateway}/setup#token=nonsense`);
      await expect(page.getByRole("alert")).toBeVisible();
      await look(page, mode, "setup-link-refused");
    });

    test("the pages of members, operators, and people who are not signed in", async ({ page }) => {
      const { tenant } = await furnishedOnce();
      await page.goto(stackInfo().gateway);
      await look(page, mode, "sign-in");
      await page.goto(`${stackInfo().gateway}/signed-in`);
      await expect(page.getByRole("heading", { name: "Signing in did not work" })).toBeVisible();
      await look(page, mode, "sign-in-failed");
      await signIn(page, `Member of ${tenant.displayName}`);
      await expect(page.getByRole("heading", { name: "Nothing to see here" })).toBeVisible();
      await look(page, mode, "member");
      await page.evaluate(() => sessionStorage.clear());
      await signIn(page, "Platform operator");
      await expect(page.getByRole("heading", { level: 1, name: "Accounts" })).toBeVisible();
      await look(page, mode, "accounts");
      await page.getByRole("textbox", { name: "Account id" }).fill(tenant.name);
      await page.getByRole("button", { name: "Open" }).click();
      await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
      await page.goto(`${stackInfo().gateway}/phone-system/extensions`);
      await expect(page.getByRole("list", { name: "Leased blocks" })).toBeVisible();
      await look(page, mode, "operator-extensions");
      await page.goto(`${stackInfo().gateway}/phone-system/import`);
      await expect(page.getByText("Importing gives licences")).toBeVisible();
      await look(page, mode, "operator-import");
    });
  });
}
