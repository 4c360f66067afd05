// What the portal does beside the steps of the specification.
import { readFileSync } from "node:fs";
import { expect, go, signIn, signInToTenant, test } from "./support/portal";
import { stackInfo } from "./support/stack";
import { Tenant } from "./support/tenant";

test("Signing in and out", async ({ page }) => {
  const tenant = await Tenant.make("Session Ltd");
  await signInToTenant(page, tenant, "/phone-system/packages?x=1");
  await expect(page, "back to where the person wanted to go").toHaveURL(/\/phone-system\/packages\?x=1$/);
  await page.reload();
  await expect(page.getByRole("heading", { name: "Packages" })).toBeVisible();

  await page.getByRole("button", { name: /Administrator, admin/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "You are signed out" })).toBeVisible();
  await page.goto(`${stackInfo().gateway}/phone-system/packages`);
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
});

test("A token that is not good any more leads to signing in again", async ({ page }) => {
  const tenant = await Tenant.make("Expired Ltd");
  await signInToTenant(page, tenant);
  await page.evaluate(() => {
    const key = "switchboard.session";
    const session = JSON.parse(sessionStorage.getItem(key) ?? "{}") as Record<string, unknown>;
    sessionStorage.setItem(key, JSON.stringify({ ...session, accessToken: `${String(session["accessToken"])}x` }));
  });
  await page.goto(`${stackInfo().gateway}/phone-system/packages`);
  await expect(page.getByText("Your session has ended.")).toBeVisible();
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Administrator of Expired Ltd" }).click();
  await expect(page.getByRole("heading", { name: "Packages" })).toBeVisible();
});

test("Members are told who can help them", async ({ page }) => {
  await Tenant.make("Member Ltd");
  await signIn(page, "Member of Member Ltd");
  await expect(page.getByText("Phone users are managed by owners and administrators")).toBeVisible();
});

test("An operator makes an account and its ranges", async ({ page }) => {
  await signIn(page, "Platform operator");
  await page.getByRole("textbox", { name: "Name of the organisation" }).fill("Operated Ltd");
  await page.getByRole("button", { name: "Make account" }).click();
  await expect(page.getByText("There are no extension ranges yet")).toBeVisible();
  await go(page, "Phone System Management", "Extensions");
  await page.getByRole("button", { name: "Add range" }).click();
  await page.getByRole("textbox", { name: "From" }).fill("5000");
  await page.getByRole("textbox", { name: "To" }).fill("5099");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("img", { name: "100 numbers from 5000: 100 free" })).toBeVisible();
  await go(page, "Phone System Management", "Users & Rooms");
  await expect(page.getByRole("button", { name: "Add", exact: true }), "assigning is for administrators").toHaveCount(0);
  await go(page, "User Management", "Users");
  await page.getByRole("button", { name: "Add Users" }).click();
  const dialog = page.getByRole("dialog", { name: "Add Users" });
  await expect(dialog.getByRole("textbox", { name: "E-mail" })).toBeVisible();
  await expect(dialog.getByRole("switch"), "a licence for somebody new is for administrators too").toHaveCount(0);
});

test("A service that takes fewer at a time than usual says so, and no more can be selected from then on", async ({ page }) => {
  const tenant = await Tenant.make("Few Ltd");
  const people = await tenant.users("Ada Lovelace", "Bob Bletchley", "Cleo Jones");
  await tenant.assign(people.map((p) => p.name));
  // As the service answers where it is configured to take two.
  const refusal = {
    code: 3,
    message: "phone_users holds 3, at most 2 are taken at a time",
    details: [
      {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        reason: "BATCH_TOO_LARGE",
        domain: "switchboard",
        metadata: { limit: "2", count: "3" },
      },
    ],
  };
  await page.route(/phoneUsers:batchRemove$/, (route) => route.fulfill({ status: 400, json: refusal }));
  await signInToTenant(page, tenant, "/phone-system/users");
  await page.getByRole("checkbox", { name: "Select all" }).check();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByRole("menuitem", { name: "Remove Users" }).click();
  await expect(page.getByRole("alert")).toContainText("That is more than 2 at a time.");
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByText("3 selected, at most 2 at a time")).toBeVisible();
  await page.getByRole("checkbox", { name: "Select Ada Lovelace" }).uncheck();
  await expect(page.getByText("2 selected, at most 2 at a time")).toBeVisible();
  await expect(page.getByRole("checkbox", { name: "Select Ada Lovelace" })).toBeDisabled();
});

test("Each change is told in the account log, as it was before and as it is now", async ({ page }) => {
  const tenant = await Tenant.make("Told Ltd");
  const porto = await tenant.site("Porto");
  await tenant.post(`${porto}/extensionRanges`, { from: "2000", to: "2999" });
  const people = await tenant.users("Ada Lovelace");
  const pack = await tenant.package("Domestic");
  const [ada] = await tenant.assign(
    people.map((p) => p.name),
    { site: await tenant.mainSite() },
  );
  const name = ada?.name ?? "";
  await tenant.post(`${name}:assignPackage`, { package: pack });
  await tenant.patch(name, { settings: { ringSeconds: 45, doNotDisturb: true } });
  await tenant.patch(name, { site: porto });
  await tenant.post(`${tenant.name}/phoneUsers:batchRemovePackages`, { phoneUsers: [name] });

  await signInToTenant(page, tenant, `/phone-system/users/${name.split("/").pop() ?? ""}/history`);
  const row = (title: string) => page.getByRole("row").filter({ has: page.getByRole("button", { name: title, exact: true }) });
  await expect(row("Licence assigned")).toContainText("extension 1000, site Main site");
  await expect(row("Package assigned")).toContainText("package Domestic");
  await expect(row("Packages removed")).toContainText("package Domestic given up");
  await expect(row("Settings changed")).toContainText("seconds to ring 30 → 45, do not disturb off → on");
  await expect(row("Site changed")).toContainText("site Main site → Porto");
  await expect(row("Extension changed")).toContainText("extension 1000 → 2000");
  await page.getByRole("button", { name: "Settings changed" }).click();
  await expect(page.getByRole("dialog", { name: "Settings changed" }).getByText("30 → 45")).toBeVisible();
});

test("An operator opens an account and sees the blocks that are leased now", async ({ page }) => {
  const tenant = await Tenant.make("Leased Ltd");
  const people = await tenant.users("Ada Lovelace");
  await tenant.assign(people.map((p) => p.name));
  await signIn(page, "Platform operator");
  await page.getByRole("textbox", { name: "Account id" }).fill(tenant.name);
  await page.getByRole("button", { name: "Open" }).click();
  await go(page, "Phone System Management", "Extensions");
  await expect(page.getByRole("list", { name: "Legend" })).toContainText("leased block");
});

test("Changing an extension, with its availability while it is typed", async ({ page }) => {
  const tenant = await Tenant.make("Extension Ltd");
  const people = await tenant.users("Ada Lovelace", "Bob Bletchley");
  await tenant.assign(people.map((p) => p.name));
  await tenant.post(`${tenant.name}/extensions:reserve`, { numbers: ["1500"] });
  await signInToTenant(page, tenant, "/phone-system/users");
  await page.getByRole("link", { name: "Ada Lovelace" }).click();
  const extension = page.getByRole("textbox", { name: "Extension" });
  const change = page.getByRole("button", { name: "Change" });
  for (const [number, words] of [
    ["1001", "1001 belongs to somebody else."],
    ["1500", "1500 is reserved."],
    ["7000", "7000 lies in no range of the site."],
    ["7", "An extension has 2 to 10 digits."],
  ] as const) {
    await extension.fill(number);
    await expect(page.getByText(words)).toBeVisible();
    await expect(change).toBeDisabled();
  }
  await extension.fill("1234");
  await expect(page.getByText("1234 is free.")).toBeVisible();
  await change.click();
  await expect(page.getByText("Ada Lovelace has extension 1234 now.")).toBeVisible();
  await page.getByRole("tab", { name: "History" }).click();
  await expect(page.getByText("extension 1000 → 1234")).toBeVisible();
  await go(page, "Account Management", "Account Log");
  await page.getByRole("button", { name: /Everything/ }).click();
  await page.getByRole("option", { name: "Extension changed" }).click();
  await expect(page.getByRole("row", { name: /Extension changed/ })).toHaveCount(1);
  await expect(page.getByRole("row", { name: /Licence assigned/ })).toHaveCount(0);
});

test("Changing settings, by keyboard alone", async ({ page }) => {
  const tenant = await Tenant.make("Keyboard Ltd");
  const people = await tenant.users("Ada Lovelace");
  const [ada] = await tenant.assign(people.map((p) => p.name));
  await signInToTenant(page, tenant, `/phone-system/users/${ada?.name.split("/").pop() ?? ""}`);
  await page.getByRole("tab", { name: "Profile" }).focus();
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("tab", { name: "User Settings" })).toBeFocused();
  // From the tab the keyboard goes through the fields in their order, and the space bar turns a switch.
  const doNotDisturb = page.getByRole("switch", { name: /Do not disturb/ });
  for (let presses = 0; presses < 12 && !(await doNotDisturb.evaluate((e) => e === document.activeElement)); presses++) {
    await page.keyboard.press("Tab");
  }
  await expect(doNotDisturb).toBeFocused();
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Save" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByText("Settings saved.")).toBeVisible();
  expect((await tenant.phoneUsers())[0]?.["settings"]).toMatchObject({ doNotDisturb: true });
});

test("The first load is under 300 kB compressed", async ({ page }) => {
  const tenant = await Tenant.make("Size Ltd");
  await signInToTenant(page, tenant);
  const client = await page.context().newCDPSession(page);
  await client.send("Network.enable");
  await client.send("Network.setCacheDisabled", { cacheDisabled: true });
  let bytes = 0;
  const files = new Set<string>();
  client.on("Network.responseReceived", (event) => {
    if (!event.response.url.includes("/v1/")) {
      files.add(event.requestId);
    }
  });
  client.on("Network.loadingFinished", (event) => {
    bytes += files.has(event.requestId) ? event.encodedDataLength : 0;
  });
  await page.goto(`${stackInfo().gateway}/phone-system/users`);
  await expect(page.getByText("No phone users yet")).toBeVisible();
  await page.waitForLoadState("networkidle");
  console.log(`first load of Users & Rooms: ${Math.round(bytes / 1000)} kB in ${files.size} files`);
  expect(bytes).toBeGreaterThan(50_000);
  expect(bytes).toBeLessThan(300_000);
});

test("An import of 10,000 rows: dry run, live progress, result file", async ({ page }) => {
  test.slow();
  const count = 10_000;
  const tenant = await Tenant.make("Import Ltd", { seats: count + 100, from: "10000", to: "29999" });
  const names = Array.from({ length: count }, (_, i) => `Person ${String(i).padStart(5, "0")}`);
  await tenant.users(...names);
  const rows = names.map((name) => tenant.email(name));
  const csv = ["email", ...rows.slice(0, -1), "nobody@example.org"].join("\n") + "\n";

  await signInToTenant(page, tenant);
  await go(page, "Phone System Management", "Import");
  await page.locator("input[type=file]").setInputFiles({ name: "people.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
  await expect(page.getByRole("heading", { name: "What this file would do" })).toBeVisible({ timeout: 120_000 });
  await expect(page.getByRole("row", { name: /nobody@example.org/ })).toBeVisible();
  expect(await tenant.phoneUsers(), "the dry run has changed nothing").toEqual([]);

  // Every number that the progress bar shows is kept, to see that it moved.
  await page.evaluate(() => {
    const seen = new Set<string>();
    Object.assign(window, { seen });
    new MutationObserver(() => {
      const value = document.querySelector("[role=progressbar]")?.getAttribute("aria-valuetext");
      if (value && document.querySelector("h2")?.textContent === "Importing") {
        seen.add(value);
      }
    }).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  });
  await page.getByRole("button", { name: "Start import of 10,000 rows" }).click();
  await expect(page.getByRole("heading", { name: "Import finished" })).toBeVisible({ timeout: 180_000 });
  const seen = await page.evaluate(() => [...(window as unknown as { seen: Set<string> }).seen]);
  console.log(`progress seen at ${seen.length} different counts: ${seen.slice(0, 4).join("; ")} …`);
  expect(seen.length, seen.join("; ")).toBeGreaterThan(3);
  await expect(page.getByRole("listitem").filter({ hasText: "carried out" })).toContainText("9,999");

  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download refused rows" }).click(),
  ]);
  const result = readFileSync(await file.path(), "utf8")
    .trim()
    .split("\n");
  expect(result).toHaveLength(2);
  expect(result[1]).toContain("nobody@example.org");
  await go(page, "Phone System Management", "Users & Rooms");
  await expect(page.getByText("9,999 users")).toBeVisible();
});

test("A file that cannot be read is refused in words", async ({ page }) => {
  const tenant = await Tenant.make("Bad File Ltd");
  await signInToTenant(page, tenant, "/phone-system/import");
  const file = { name: "people.csv", mimeType: "text/csv", buffer: Buffer.from("e-mial\na@example.com\n") };
  await page.locator("input[type=file]").setInputFiles(file);
  await expect(page.getByRole("alert")).toContainText("The file cannot be read, line 1");
});

test("Packages, numbers, sites and policy are kept here", async ({ page }) => {
  const tenant = await Tenant.make("Keeper Ltd");
  await signInToTenant(page, tenant);
  await go(page, "Phone System Management", "Packages");
  await page.getByRole("button", { name: "Add package" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("Domestic");
  await page.getByRole("textbox", { name: "Seats" }).fill("5");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "More for Domestic" }).click();
  await page.getByRole("menuitem", { name: "Deactivate" }).click();
  await expect(page.getByRole("heading", { name: "Domestic (inactive)" })).toBeVisible();

  await go(page, "Phone System Management", "Phone Numbers");
  await page.getByRole("button", { name: "Add numbers" }).click();
  await page.getByRole("textbox", { name: "Numbers" }).fill("+351210000001\n12");
  await page.getByRole("button", { name: "Add 2 numbers" }).click();
  await expect(page.getByRole("alert")).toContainText("is not a phone number with country code");
  await page.getByRole("textbox", { name: "Numbers" }).fill("+351210000001\n+351210000002");
  await page.getByRole("button", { name: "Add 2 numbers" }).click();
  await expect(page.getByText("2 numbers", { exact: true })).toBeVisible();
  await page.getByRole("checkbox", { name: "Select +351210000002" }).check();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click();
  await expect(page.getByText("1 number", { exact: true })).toBeVisible();

  await go(page, "Phone System Management", "Sites & Templates");
  await page.getByRole("button", { name: "Add site" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("Porto");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "More for Porto" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await expect(page.getByText("Porto is deleted.")).toBeVisible();

  await go(page, "Account Management", "Account Settings");
  await page.getByText("Soft Delete Users").click();
  await page.getByRole("textbox", { name: "Days to hold freed extensions" }).fill("7");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved.")).toBeVisible();
  expect(await tenant.get(tenant.name)).toMatchObject({ policy: { softDelete: true, extensionQuarantine: "604800s" } });
});

test("Extensions are reserved, and the map of 10,000 numbers shows it", async ({ page }) => {
  const tenant = await Tenant.make("Map Ltd", { from: "10000", to: "19999" });
  const people = await tenant.users("Ada Lovelace");
  await tenant.assign(people.map((p) => p.name));
  await signInToTenant(page, tenant);
  await go(page, "Phone System Management", "Extensions");
  await expect(page.getByRole("img", { name: "1000 numbers from 10000: 1 assigned, 999 free" })).toBeVisible();
  await expect(page.getByRole("img", { name: "1000 numbers from 19000: 1000 free" })).toBeVisible();
  // The first number is drawn in the colour of the assigned ones, its neighbour in that of the free ones.
  const colourAt = (x: number) =>
    page.getByRole("img", { name: /from 10000/ }).evaluate((canvas: HTMLCanvasElement, at) => {
      const [r, g, b] = canvas.getContext("2d")?.getImageData(at, 5, 1, 1).data ?? [];
      return `rgb(${r}, ${g}, ${b})`;
    }, x);
  const inLegend = (state: string) => page.locator(`.swatch.${state}`).evaluate((e) => getComputedStyle(e).backgroundColor);
  await expect.poll(() => colourAt(5)).toBe(await inLegend("assigned"));
  expect(await colourAt(18)).toBe(await inLegend("free"));
  await page.getByRole("textbox", { name: "Number, or from–to" }).fill("19990-19999");
  await page.getByRole("button", { name: "Look up" }).click();
  await page.getByRole("button", { name: "Reserve" }).click();
  await expect(page.getByRole("img", { name: "1000 numbers from 19000: 990 free, 10 reserved" })).toBeVisible();
  await page.getByText("As a table").click();
  await expect(page.getByRole("row", { name: "19990–19999 10 reserved" })).toBeVisible();
});
