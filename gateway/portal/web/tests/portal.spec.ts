// What the portal does beside the steps of the specification.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { expect, expectRefusal, go, signIn, signInToTenant, test } from "./support/portal";
import { stackInfo } from "./support/stack";
import { linkIn, mails, Tenant } from "./support/tenant";
import { inWords, Refusal } from "../src/api/refusal";

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

test("Signing in is the code flow with PKCE", async ({ page }) => {
  const tenant = await Tenant.make("Code Ltd");
  const sent: URLSearchParams[] = [];
  page.on("request", (request) => {
    const body = new URLSearchParams(request.postData() ?? "");
    if (body.get("grant_type")) {
      sent.push(body);
    }
  });
  await page.goto(stackInfo().gateway);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("button", { name: `Administrator of ${tenant.displayName}` })).toBeVisible();
  const asked = new URL(page.url()).searchParams;
  expect(asked.get("response_type")).toBe("code");
  expect(asked.get("code_challenge_method")).toBe("S256");
  await page.getByRole("button", { name: `Administrator of ${tenant.displayName}` }).click();
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  expect(sent).toHaveLength(1);
  const verifier = sent[0]?.get("code_verifier") ?? "";
  expect(createHash("sha256").update(verifier).digest("base64url"), "only this tab can use the code").toBe(
    asked.get("code_challenge"),
  );
  expect(page.url(), "nothing of it stays in the address").toBe(`${stackInfo().gateway}/`);

  await test.step("an answer that nobody asked for is not taken", async () => {
    await page.evaluate(() => sessionStorage.clear());
    await page.goto(stackInfo().gateway);
    await page.getByRole("button", { name: "Sign in" }).click();
    // At the issuer by now; somebody else's answer comes in instead of it.
    await expect(page.getByRole("button", { name: `Administrator of ${tenant.displayName}` })).toBeVisible();
    await page.goto(`${stackInfo().gateway}/signed-in?code=another&state=another`);
    await expect(page.getByRole("heading", { name: "Signing in did not work" })).toBeVisible();
    await page.getByRole("button", { name: "Try again" }).click();
    await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
  });
});

test("A token that is not good any more leads to signing in again", async ({ page }) => {
  expectRefusal(page, /\/v1\//);
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
  await expect(page.getByRole("navigation", { name: "Main" }).getByRole("link")).toHaveText(["Overview"]);
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

/** What the service says of a batch that is too large, as if it were configured to take fewer. */
async function tooLarge(tenant: Tenant, limit: number): Promise<object> {
  const assignees = Array.from({ length: 101 }, (_, i) => `${tenant.name}/users/u${i}`);
  const said = await tenant.post(`${tenant.name}/phoneUsers:batchAssign`, { assignees }).catch(String);
  const refusal = JSON.parse(/\{.*\}/s.exec(String(said))?.[0] ?? "{}") as {
    details: { reason?: string; metadata?: Record<string, string> }[];
  };
  const told = refusal.details.find((detail) => detail.reason === "BATCH_TOO_LARGE");
  expect(told?.metadata).toEqual({ limit: "100", count: "101" });
  Object.assign(told ?? {}, { metadata: { limit: String(limit), count: String(limit + 1) } });
  return refusal;
}

test("A service that takes fewer at a time than usual says so, and no more can be selected from then on", async ({ page }) => {
  const tenant = await Tenant.make("Few Ltd");
  const people = await tenant.users("Ada Lovelace", "Bob Bletchley", "Cleo Jones");
  await tenant.assign(people.map((p) => p.name));
  const refusal = await tooLarge(tenant, 2);
  expectRefusal(page, /:batchRemove$/);
  await page.route(/phoneUsers:batchRemove$/, (route) => route.fulfill({ status: 400, json: refusal }));
  await signInToTenant(page, tenant, "/phone-system/users");
  await page.getByRole("checkbox", { name: "Select all" }).check();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByRole("menuitem", { name: "Remove Users" }).click();
  await expect(page.getByRole("alert")).toContainText("That is more than 2 at a time.");
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByText("3 selected, at most 2 at a time")).toBeVisible();
  await expect(page.getByRole("button", { name: "Remove", exact: true })).toBeDisabled();
  await page.getByRole("button", { name: "Keep the first 2" }).click();
  await expect(page.getByText("2 selected, at most 2 at a time")).toBeVisible();
  await expect(page.getByRole("button", { name: "Remove", exact: true })).toBeEnabled();
  await expect(page.getByRole("checkbox", { name: "Select Cleo Jones" })).toBeDisabled();
});

test("Too many chosen for a service that takes fewer: the chooser helps out", async ({ page }) => {
  const tenant = await Tenant.make("Fewer Ltd");
  await tenant.users("Ada Lovelace", "Bob Bletchley", "Cleo Jones");
  const refusal = await tooLarge(tenant, 2);
  expectRefusal(page, /:batchAssign$/);
  await page.route(/phoneUsers:batchAssign$/, (route) =>
    (route.request().postDataJSON() as { assignees: string[] }).assignees.length > 2
      ? route.fulfill({ status: 400, json: refusal })
      : route.continue(),
  );
  await signInToTenant(page, tenant, "/phone-system/users");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("button", { name: "Choose" }).click();
  const choose = page.getByRole("dialog", { name: "Choose users" });
  await choose.getByRole("checkbox", { name: "Select all" }).check();
  await choose.getByRole("button", { name: "Confirm" }).click();
  await expect(page.getByRole("alert")).toContainText("That is more than 2 at a time. Choose fewer, or use Import.");
  await page.getByRole("button", { name: "Choose" }).click();
  await expect(choose.getByText("3 are selected, but only 2 go at a time.")).toBeVisible();
  await expect(choose.getByRole("button", { name: "Confirm" })).toBeDisabled();
  await choose.getByRole("button", { name: "Keep the first 2" }).click();
  await expect(choose.getByText("2 of at most 2 selected")).toBeVisible();
  await choose.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("2 licences assigned.")).toBeVisible();
});

test("The more icon of a row: the welcome mail again, until the person has set up", async ({ page }) => {
  const tenant = await Tenant.make("Row Ltd");
  const people = await tenant.users("Ada Lovelace", "Bob Bletchley");
  await tenant.assign(people.map((p) => p.name));
  const [mail] = await mails(tenant.email("Bob Bletchley"));
  await page.goto(linkIn(mail));
  await page.getByRole("button", { name: "Save and finish" }).click();
  await expect(page.getByText("Saved. Your phone is set up")).toBeVisible();
  await mails(tenant.email("Ada Lovelace"));

  await signInToTenant(page, tenant, "/phone-system/users");
  await page.getByRole("button", { name: "More for Bob Bletchley" }).click();
  await expect(page.getByRole("menuitem", { name: "Remove", exact: true })).toBeVisible();
  await expect(page.getByRole("menuitem", { name: "Resend Invite" })).toHaveCount(0);
  await page.keyboard.press("Escape");
  const resend = async () => {
    await page.getByRole("button", { name: "More for Ada Lovelace" }).click();
    await page.getByRole("menuitem", { name: "Resend Invite" }).click();
  };
  await resend();
  await expect(page.getByText(`A new mail is on its way to ${tenant.email("Ada Lovelace")}.`)).toBeVisible();
  await mails(tenant.email("Ada Lovelace"), 2);
  expectRefusal(page, /:resendInvite$/);
  await resend();
  await expect(page.getByRole("alert")).toContainText(
    "Ada Lovelace: The last mail went out a short time ago. The next can go at",
  );
});

test("What a list is narrowed down to stays in the address", async ({ page }) => {
  const tenant = await Tenant.make("Address Ltd");
  const people = await tenant.users("Ada Lovelace", "Bob Bletchley", "Adam Smith");
  const old = await tenant.package("Old Plan");
  await tenant.assign([people[0]?.name ?? "", people[1]?.name ?? ""], { package: old });
  await tenant.assign([people[2]?.name ?? ""]);
  await tenant.post(`${old}:deactivate`, {});
  await signInToTenant(page, tenant);
  await page.getByRole("link", { name: "See who they are." }).click();
  const names = page.getByRole("table", { name: "Phone users" }).getByRole("link");
  await expect(names).toHaveText(["Ada Lovelace", "Bob Bletchley"]);
  await page.getByRole("searchbox").fill("ada");
  await expect(names).toHaveText(["Ada Lovelace"]);
  await names.click();
  await expect(page.getByRole("heading", { name: "Ada Lovelace" })).toBeVisible();
  await page.goBack();
  await expect(names, "back from the profile").toHaveText(["Ada Lovelace"]);
  await expect(page.getByRole("searchbox")).toHaveValue("ada");
  await page.reload();
  await expect(names).toHaveText(["Ada Lovelace"]);
  await go(page, "Phone System Management", "Users & Rooms");
  await expect(names, "by the menu, everybody").toHaveText(["Ada Lovelace", "Adam Smith", "Bob Bletchley"]);
  await expect(page.getByRole("searchbox")).toHaveValue("");
});

test("A room has its licence removed, and stays", async ({ page }) => {
  const tenant = await Tenant.make("Room Ltd", { softDelete: true });
  await tenant.assign([await tenant.room("Board Room")]);
  await signInToTenant(page, tenant, "/phone-system/rooms");
  await page.getByRole("checkbox", { name: "Select Board Room" }).check();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await expect(page.getByRole("menuitem", { name: "Move to Trash" }), "rooms do not go to the trash").toHaveCount(0);
  await page.getByRole("menuitem", { name: "Remove Rooms" }).click();
  await page.getByRole("alertdialog", { name: "Remove Rooms" }).getByRole("button", { name: "Delete" }).click();
  await expect(page.getByText("No rooms with a phone yet")).toBeVisible();
  await page.getByRole("button", { name: "Assign licences to rooms" }).click();
  await page.getByRole("button", { name: "Choose" }).click();
  await expect(page.getByRole("checkbox", { name: "Select Board Room" })).toBeEnabled();
});

test("A page that cannot be fetched says so, and the others work", async ({ page, noise }) => {
  const tenant = await Tenant.make("Chunk Ltd");
  await signInToTenant(page, tenant);
  expectRefusal(page, /\/assets\/trash-/);
  await page.route(/\/assets\/trash-/, (route) => route.fulfill({ status: 404, body: "" }));
  await page.getByRole("link", { name: "Trash" }).click();
  await expect(page.getByRole("alert")).toContainText("Reload the page to try again.");
  await page.getByRole("link", { name: "Packages" }).click();
  await expect(page.getByText("No packages yet")).toBeVisible();
  await page.getByRole("link", { name: "Trash" }).click();
  await page.unroute(/\/assets\/trash-/);
  await page.getByRole("button", { name: "Reload" }).click();
  await expect(page.getByText("The trash is empty")).toBeVisible();
  await expect(page.getByText("It is not in use: phone users are removed at once.")).toBeVisible();
  // What broke is told in the console, for whoever looks into it, and nothing else is.
  expect(noise.filter((line) => !line.includes("/assets/trash-"))).toEqual([]);
  noise.length = 0;
});

test("Every reason for which a call is refused is put into words", () => {
  const proto = new URL("../../../../proto/switchboard/common/v1/reason.proto", import.meta.url);
  const reasons = [...readFileSync(proto, "utf8").matchAll(/^ {2}([A-Z_]+) = [1-9]/gm)].map((found) => found[1] ?? "");
  expect(reasons.length).toBeGreaterThan(40);
  const unknown = inWords(new Refusal("", 400, "NO_SUCH_REASON"));
  for (const reason of reasons) {
    expect.soft(inWords(new Refusal("", 400, reason)), reason).not.toBe(unknown);
  }
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
  await expect(page.getByRole("list", { name: "Leased blocks" })).toContainText(/^1000–\d+ \d+ free, leased to /);
  // The line below a number of the block is drawn in the legend's colour.
  const below = () =>
    page.getByRole("img", { name: /from 1000/ }).evaluate((canvas: HTMLCanvasElement) => {
      const [r, g, b] = canvas.getContext("2d")?.getImageData(5, 11, 1, 1).data ?? [];
      return `rgb(${r}, ${g}, ${b})`;
    });
  const inLegend = await page.locator(".swatch.leased").evaluate((e) => getComputedStyle(e).borderBottomColor);
  await expect.poll(below).toBe(inLegend);
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
    ["1001", "1001 belongs to Bob Bletchley."],
    ["1500", "1500 is reserved."],
    ["7000", "7000 lies in no range of the site."],
    ["7", "An extension has 2 to 10 digits."],
  ] as const) {
    await extension.fill(number);
    await expect(page.getByText(words)).toBeVisible();
    await expect(change).toBeDisabled();
  }
  await extension.fill("1001");
  const nearby = page.getByRole("group", { name: "Free extensions nearby" }).getByRole("button");
  await expect(nearby).toHaveText(["1002", "1003", "1004"]);
  await nearby.first().click();
  await expect(page.getByText("1002 is free.")).toBeVisible();
  await expect(change).toBeEnabled();
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
  await expect(page.getByRole("row", { name: /nobody@example.org/ })).toContainText(
    'There is no person with the e-mail address "nobody@example.org". Correct the row and import it again.',
  );
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

test("A file is dropped on the page, looked at, imported, and found again", async ({ page }) => {
  const tenant = await Tenant.make("Drop Ltd");
  await tenant.users("Ada Lovelace", "Bob Bletchley");
  const path = test.info().outputPath("people.csv");
  writeFileSync(path, `email,extension\n${tenant.email("Ada Lovelace")},1500\n${tenant.email("Bob Bletchley")},\n`);
  await signInToTenant(page, tenant, "/phone-system/import");
  const zone = page.locator(".drop-zone");
  const box = await zone.boundingBox();
  const at = { x: (box?.x ?? 0) + 20, y: (box?.y ?? 0) + 20 };
  const client = await page.context().newCDPSession(page);
  // As from the desktop: the browser itself is handed the drag.
  const drag = (type: "dragEnter" | "dragOver" | "drop") =>
    client.send("Input.dispatchDragEvent", { type, ...at, data: { items: [], files: [path], dragOperationsMask: 1 } });
  await drag("dragEnter");
  await drag("dragOver");
  await expect(zone).toHaveAttribute("data-drop-target");
  await drag("drop");
  await expect(page.getByRole("heading", { name: "What this file would do" })).toBeVisible();
  await expect(page.getByRole("listitem").filter({ hasText: "would be carried out" })).toContainText("2");
  expect(await tenant.phoneUsers()).toEqual([]);
  await page.getByRole("button", { name: "Start import of 2 rows" }).click();
  await expect(page.getByRole("heading", { name: "Import finished" })).toBeVisible();
  await go(page, "Phone System Management", "Users & Rooms");
  await expect(page.getByRole("row", { name: /Ada Lovelace/ })).toContainText("1500");
  await go(page, "Phone System Management", "Import");
  await page.getByRole("link", { name: "see how far it is, and its result" }).click();
  await expect(page.getByRole("heading", { name: "Import finished" })).toBeVisible();
});

test("A file that cannot be read is refused in words", async ({ page }) => {
  expectRefusal(page, /phoneUsers:import$/);
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
  expectRefusal(page, /phoneNumbers:batchCreate$/);
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

  await test.step("a number clicked on the map is looked up", async () => {
    await page.getByText("As a table").click();
    await page.getByRole("img", { name: /from 10000/ }).click({ position: { x: 5, y: 5 } });
    const found = page.getByRole("list", { name: "What was looked up" });
    await expect(found).toContainText("10000 assigned");
    await found.getByRole("link", { name: "see who" }).click();
    await expect(page.getByRole("heading", { name: "Ada Lovelace" })).toBeVisible();
  });
});
