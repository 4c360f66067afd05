// One test for each section of "Managing phone users", with its steps in its words.
import { expect, expectRefusal, go, signInToTenant, test } from "./support/portal";
import { stackInfo } from "./support/stack";
import { linkIn, mails, Tenant } from "./support/tenant";

test("How to assign licenses to existing users", async ({ page }) => {
  const tenant = await Tenant.make("Assign Ltd");
  await tenant.site("Porto Office");
  await tenant.users("Zoë Åkesson", "Zachary Poe", "Grace Hopper");
  await tenant.package("Domestic");
  const main = await tenant.mainSite();
  await tenant.post(`${tenant.name}/templates`, { displayName: "Front desk", site: main, settings: { ringSeconds: 12 } });

  await signInToTenant(page, tenant);
  await go(page, "Phone System Management", "Users & Rooms");
  await page.getByRole("tab", { name: "Users" }).click();
  await page.getByRole("button", { name: "Add", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Add Users" });

  await dialog.getByRole("button", { name: /Site/ }).click();
  await page.getByRole("option", { name: "Main" }).click();
  await dialog.getByRole("button", { name: "Choose" }).click();
  const choose = page.getByRole("dialog", { name: "Choose users" });
  await choose.getByRole("searchbox").fill("z");
  await expect(choose.getByRole("cell", { name: "Grace Hopper" })).toHaveCount(0);
  await choose.getByRole("checkbox", { name: "Select Zoë Åkesson" }).check();
  await choose.getByRole("checkbox", { name: "Select Zachary Poe" }).check();
  await expect(choose.getByText("2 of at most 100 selected")).toBeVisible();
  await choose.getByRole("button", { name: "Confirm" }).click();
  await dialog.getByRole("button", { name: "Assign", exact: true }).click();
  await page.getByRole("menuitem", { name: "Domestic" }).click();
  await dialog.getByRole("button", { name: /Specify a template/ }).click();
  await page.getByRole("option", { name: "Front desk" }).click();
  await expect(dialog.getByText("2 extensions will be assigned, from 1000 to 1001.")).toBeVisible();
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog).toBeHidden();

  const row = page.getByRole("row", { name: /Zoë Åkesson/ });
  await expect(row).toContainText("Domestic");
  await expect(row.getByRole("cell", { name: "1000", exact: true })).toBeVisible();
  await expect(page.getByRole("row", { name: /Zachary Poe/ })).toContainText("1001");
  const mail = await mails(tenant.email("Zoë Åkesson"));
  expect(mail).toHaveLength(1);
  expect(mail[0]?.text).toContain("1000");
  const [zoe] = await tenant.phoneUsers("query=zo");
  expect(zoe?.["settings"]).toMatchObject({ ringSeconds: 12 });
});

test("How to assign licenses to existing users: up to 100 at a time", async ({ page }) => {
  const tenant = await Tenant.make("Hundred Ltd");
  await tenant.users(...Array.from({ length: 130 }, (_, i) => `Person ${String(i).padStart(3, "0")}`));
  await signInToTenant(page, tenant, "/phone-system/users");
  await page.getByRole("button", { name: "Assign licences to people" }).click();
  await page.getByRole("button", { name: "Choose" }).click();
  const choose = page.getByRole("dialog", { name: "Choose users" });
  await expect(choose.getByText("Up to 100 at a time. For more at once, use Import.")).toBeVisible();
  await choose.getByRole("checkbox", { name: "Select all" }).check();
  await expect(choose.getByText("100 of at most 100 selected")).toBeVisible();
  await expect(choose.getByText("100 are selected, and no more go at a time. For more at once, use Import.")).toBeVisible();
  await choose.getByRole("searchbox").fill("129");
  const further = choose.getByRole("checkbox", { name: "Select Person 129" });
  await expect(further).toBeDisabled();
  await expect(further, "and why").toHaveAccessibleDescription(/no more go at a time/);
  await choose.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("100 licences assigned.")).toBeVisible();
  await expect(page.getByText("100 users", { exact: true })).toBeVisible();
});

test("How to assign licenses to existing users: rooms", async ({ page }) => {
  const tenant = await Tenant.make("Rooms Ltd");
  await tenant.room("Board Room");
  await signInToTenant(page, tenant);
  await go(page, "Phone System Management", "Users & Rooms");
  await page.getByRole("tab", { name: "Rooms" }).click();
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("button", { name: "Choose" }).click();
  await page.getByRole("checkbox", { name: "Select Board Room" }).check();
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("row", { name: /Board Room/ })).toContainText("1000");
});

test("How to re-send the welcome email", async ({ page }) => {
  const tenant = await Tenant.make("Resend Ltd");
  const [ada] = await tenant.users("Ada Lovelace");
  await tenant.assign([ada?.name ?? ""]);
  await mails(tenant.email("Ada Lovelace"));

  await signInToTenant(page, tenant);
  await go(page, "Phone System Management", "Users & Rooms");
  await page.getByRole("tab", { name: "Users" }).click();
  await page.getByRole("link", { name: "Ada Lovelace" }).click();
  await page.getByRole("tab", { name: "Profile" }).click();
  const resend = page.getByRole("button", { name: "Resend Invite" });
  await resend.scrollIntoViewIfNeeded();
  await resend.click();
  await expect(page.getByText(`A new mail is on its way to ${tenant.email("Ada Lovelace")}.`)).toBeVisible();
  const [again] = await mails(tenant.email("Ada Lovelace"), 2);
  expect(again?.text).toContain("1000");
  // Another one right after it is too soon, and the page says when.
  expectRefusal(page, /:resendInvite$/);
  await resend.click();
  await expect(page.getByRole("alert")).toContainText("The next can go at");
});

test("How to assign a calling package to a phone user", async ({ page }) => {
  const tenant = await Tenant.make("Package Ltd");
  const [ada, bob] = await tenant.users("Ada Lovelace", "Bob Bletchley");
  await tenant.package("Domestic");
  await tenant.numbers("+351210000001", "+351210000002");
  await tenant.assign([ada?.name ?? "", bob?.name ?? ""]);

  await signInToTenant(page, tenant);
  await go(page, "Phone System Management", "Users & Rooms");
  await page.getByRole("tab", { name: "Users" }).click();
  await page.getByRole("button", { name: "Assign to Ada Lovelace" }).click();
  await page.getByRole("menuitem", { name: "Assign Package" }).click();
  await page.getByRole("button", { name: /Calling package/ }).click();
  await page.getByRole("option", { name: /Domestic/ }).click();
  await page.getByRole("button", { name: "Confirm and Assign Numbers" }).click();
  await page.getByRole("checkbox", { name: "Select +351210000002" }).check();
  await page.getByRole("button", { name: "Confirm", exact: true }).click();
  const row = page.getByRole("row", { name: /Ada Lovelace/ });
  await expect(row).toContainText("Domestic");
  await expect(row).toContainText("+351210000002");

  await page.getByRole("button", { name: "Assign to Bob Bletchley" }).click();
  await page.getByRole("menuitem", { name: "Assign Package" }).click();
  await page.getByRole("button", { name: /Calling package/ }).click();
  await page.getByRole("option", { name: /Domestic/ }).click();
  await page.getByRole("button", { name: "Confirm and Assign Numbers" }).click();
  await expect(page.getByRole("checkbox", { name: "Select +351210000002" })).toHaveCount(0);
  await page.getByRole("button", { name: "Skip" }).click();
  await expect(page.getByRole("row", { name: /Bob Bletchley/ })).toContainText("Domestic");
});

test("How to assign a license to a new user", async ({ page }) => {
  const tenant = await Tenant.make("Invite Ltd");
  await tenant.package("Domestic");
  await signInToTenant(page, tenant);
  await go(page, "User Management", "Users");
  await page.getByRole("button", { name: "Add Users" }).click();
  const dialog = page.getByRole("dialog", { name: "Add Users" });
  await dialog.getByRole("textbox", { name: "E-mail" }).fill(tenant.email("Lin Clark"));
  await dialog.getByRole("textbox", { name: "First name" }).fill("Lin");
  await dialog.getByRole("textbox", { name: "Last name" }).fill("Clark");
  await dialog.getByText("Phone", { exact: true }).click();
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByRole("row", { name: /Lin Clark/ })).toContainText("invited, not confirmed");
  await go(page, "Phone System Management", "Users & Rooms");
  await expect(page.getByText("No phone users yet")).toBeVisible();
  const [invitation] = await mails(tenant.email("Lin Clark"));

  await test.step("After confirming their account", async () => {
    await page.goto(linkIn(invitation));
    await page.getByRole("button", { name: "Confirm my account" }).click();
    await expect(page.getByText("Thank you, Lin Clark.")).toBeVisible();
    const [confirmed] = await mails(tenant.email("Lin Clark"), 2);
    expect(confirmed?.text).toContain("1000");
    expect(linkIn(confirmed)).toContain("/setup#token=");
  });

  await test.step("appear in Phone System Management > Users & Rooms", async () => {
    await page.goto(stackInfo().gateway);
    await go(page, "Phone System Management", "Users & Rooms");
    await expect(page.getByRole("row", { name: /Lin Clark/ })).toContainText("1000");
  });

  await test.step("Follow the steps to assign a calling package", async () => {
    await page.getByRole("button", { name: "Assign to Lin Clark" }).click();
    await page.getByRole("menuitem", { name: "Assign Package" }).click();
    await page.getByRole("button", { name: /Calling package/ }).click();
    await page.getByRole("option", { name: /Domestic/ }).click();
    await page.getByRole("button", { name: "Confirm and Assign Numbers" }).click();
    await page.getByRole("button", { name: "Skip" }).click();
    await expect(page.getByRole("row", { name: /Lin Clark/ })).toContainText("Domestic");
  });
});

test("How to remove licenses or calling packages from phone users", async ({ page }) => {
  const tenant = await Tenant.make("Remove Ltd");
  const people = await tenant.users("Ada Lovelace", "Bob Bletchley", "Cleo Jones");
  const pack = await tenant.package("Domestic");
  await tenant.numbers("+351210000001");
  const [ada, bob] = await tenant.assign(
    people.map((p) => p.name),
    { package: pack },
  );
  await tenant.post(`${ada?.name ?? ""}:assignPhoneNumbers`, { phoneNumbers: ["+351210000001"] });
  await tenant.post(`${bob?.name ?? ""}/records`, {
    kind: "RECORDING",
    direction: "INBOUND",
    peer: "+351219998877",
    startTime: "2026-03-02T09:30:00Z",
    duration: "65s",
    uri: "store://recordings/4711",
  });

  await signInToTenant(page, tenant);
  await go(page, "Phone System Management", "Users & Rooms");
  await page.getByRole("tab", { name: "Users" }).click();

  await test.step("Remove All Packages", async () => {
    await page.getByRole("checkbox", { name: "Select Ada Lovelace" }).check();
    await page.getByRole("checkbox", { name: "Select Bob Bletchley" }).check();
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await expect(page.getByRole("menuitem", { name: "Move to Trash" })).toHaveCount(0);
    await page.getByRole("menuitem", { name: "Remove All Packages" }).click();
    const preview = page.getByRole("alertdialog").getByRole("row", { name: /Ada Lovelace/ });
    await expect(preview).toContainText("+351210000001");
    await expect(preview).toContainText("Domestic");
    await page.getByRole("alertdialog").getByRole("button", { name: "Remove" }).click();
    await expect(page.getByRole("alertdialog")).toBeHidden();
    await expect(page.getByRole("row", { name: /Bob Bletchley/ })).not.toContainText("Domestic");
    await expect(page.getByRole("row", { name: /Cleo Jones/ })).toContainText("Domestic");
  });

  await test.step("Remove Users", async () => {
    await page.getByRole("checkbox", { name: "Select Bob Bletchley" }).check();
    await page.getByRole("checkbox", { name: "Select Cleo Jones" }).check();
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await page.getByRole("menuitem", { name: "Remove Users" }).click();
    const dialog = page.getByRole("alertdialog", { name: "Remove Users" });
    await expect(dialog.getByRole("row", { name: /Cleo Jones/ })).toContainText("1002");
    await expect(
      dialog
        .getByRole("row", { name: /Bob Bletchley/ })
        .getByRole("cell")
        .last(),
    ).toHaveText("1");
    await expect(dialog).toContainText("account log");
    await dialog.getByRole("button", { name: "Delete" }).click();
    await expect(dialog).toBeHidden();
    await expect(page.getByRole("link", { name: "Cleo Jones" })).toHaveCount(0);
    await expect(page.getByText("1 user", { exact: true })).toBeVisible();
  });

  await test.step("individually, by the more icon", async () => {
    await page.getByRole("button", { name: "More for Ada Lovelace" }).click();
    await page.getByRole("menuitem", { name: "Remove", exact: true }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click();
    await expect(page.getByText("No phone users yet")).toBeVisible();
  });

  await test.step("their records are available to the admin under the account log", async () => {
    await go(page, "Account Management", "Account Log");
    const record = page.getByRole("row", { name: /Recording/ });
    await expect(record).toContainText("Incoming, +351219998877, 2 Mar 2026, 09:30, 1 min 5 s, store://recordings/4711");
    await expect(page.getByRole("row", { name: /Licence removed/ }).filter({ hasText: "Ada Lovelace" })).toHaveCount(1);
    await record.getByRole("link", { name: "Only Bob Bletchley" }).click();
    await expect(page.getByRole("toolbar", { name: "Phone user" })).toContainText("Only Bob Bletchley");
    await expect(page.getByRole("row").filter({ hasText: "Ada Lovelace" })).toHaveCount(0);
    await expect(page.getByRole("row", { name: /Licence removed/ })).toContainText("extension 1001 given up");
    await record.getByRole("button", { name: "Recording" }).click();
    const dialog = page.getByRole("dialog", { name: "Recording" });
    await expect(dialog.getByText("store://recordings/4711")).toBeVisible();
    await dialog.getByText("Close", { exact: true }).click();
    await page.getByRole("button", { name: "Show all" }).click();
    await expect(page.getByRole("row", { name: /Licence removed/ }).filter({ hasText: "Ada Lovelace" })).toHaveCount(1);
  });
});

test("How to remove licenses: Soft Delete Users, Move to Trash and Restore", async ({ page }) => {
  const tenant = await Tenant.make("Trash Ltd", { softDelete: true });
  const people = await tenant.users("Ada Lovelace", "Bob Bletchley");
  const pack = await tenant.package("Domestic", 2);
  await tenant.assign(
    people.map((p) => p.name),
    { package: pack },
  );

  await signInToTenant(page, tenant);
  await go(page, "Phone System Management", "Users & Rooms");
  await page.getByRole("checkbox", { name: "Select Ada Lovelace" }).check();

  await test.step("must be moved to the trash before they can be removed", async () => {
    expectRefusal(page, /:batchRemove$/);
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await page.getByRole("menuitem", { name: "Remove Users" }).click();
    await expect(page.getByRole("alert")).toContainText("asks for the trash first");
    await expect(page.getByRole("button", { name: "Delete" })).toBeDisabled();
    await page.getByRole("button", { name: "Cancel" }).click();
  });

  await test.step("Move to Trash", async () => {
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await page.getByRole("menuitem", { name: "Move to Trash" }).click();
    await expect(page.getByRole("alertdialog").getByRole("row", { name: /Ada Lovelace/ })).toContainText("stays");
    await page.getByRole("button", { name: "Confirm" }).click();
    await expect(page.getByRole("link", { name: "Ada Lovelace" })).toHaveCount(0);
  });

  // Her seat is taken by others meanwhile.
  await tenant.post(`${pack}:deactivate`, {});
  await go(page, "Phone System Management", "Trash");
  await expect(page.getByRole("row", { name: /Ada Lovelace/ })).toContainText("30 days left");

  await test.step("Restore shows what comes back", async () => {
    await page.getByRole("button", { name: "Restore Ada Lovelace" }).click();
    const dialog = page.getByRole("alertdialog", { name: "Restore" });
    await expect(dialog.getByRole("row", { name: /Ada Lovelace/ })).toContainText("1000");
    const gone = dialog
      .getByRole("row", { name: /Ada Lovelace/ })
      .getByRole("cell")
      .last();
    await expect(gone, "the package is inactive by now").toHaveText("Domestic");
    await dialog.getByRole("button", { name: "Restore" }).click();
    await expect(page.getByText("The trash is empty")).toBeVisible();
  });
  await go(page, "Phone System Management", "Users & Rooms");
  await expect(page.getByRole("row", { name: /Ada Lovelace/ })).toContainText("1000");

  await test.step("from the trash, removal works", async () => {
    await page.getByRole("button", { name: "More for Ada Lovelace" }).click();
    await page.getByRole("menuitem", { name: "Move to Trash" }).click();
    await page.getByRole("button", { name: "Confirm" }).click();
    await go(page, "Phone System Management", "Trash");
    await page.getByRole("checkbox", { name: "Select Ada Lovelace" }).check();
    await page.getByRole("button", { name: "Delete for good" }).click();
    const dialog = page.getByRole("alertdialog", { name: "Delete for good" });
    await expect(dialog.getByRole("row", { name: /Ada Lovelace/ })).toContainText("1000");
    await dialog.getByRole("button", { name: "Delete" }).click();
    await expect(page.getByText("The trash is empty")).toBeVisible();
  });
});

test("How to search inactive packages for users", async ({ page }) => {
  const tenant = await Tenant.make("Inactive Ltd");
  const people = await tenant.users("Ada Lovelace", "Bob Bletchley", "Cleo Jones");
  const old = await tenant.package("Old Plan");
  const current = await tenant.package("New Plan");
  await tenant.assign([people[0]?.name ?? "", people[2]?.name ?? ""], { package: old });
  await tenant.assign([people[1]?.name ?? ""], { package: current });
  await tenant.post(`${old}:deactivate`, {});

  await signInToTenant(page, tenant);
  await go(page, "Phone System Management", "Users & Rooms");
  await page.getByRole("tab", { name: "Users" }).click();
  await page
    .getByRole("button", { name: /Package$/ })
    .or(page.getByRole("button", { name: /All packages/ }))
    .first()
    .click();
  const option = page.getByRole("option", { name: "Old Plan (inactive)" });
  const [red, plain] = await Promise.all([
    option.getByText("(inactive)").evaluate((e) => getComputedStyle(e).color),
    option.evaluate((e) => getComputedStyle(e).color),
  ]);
  expect(red).not.toBe(plain);
  expect(red).toBe("rgb(179, 38, 30)");
  await option.click();
  await expect(page.getByRole("row", { name: /Ada Lovelace/ })).toContainText("Old Plan (inactive)");
  await expect(page.getByRole("link", { name: "Bob Bletchley" })).toHaveCount(0);

  await test.step("reassign a package", async () => {
    await page.getByRole("button", { name: "Assign to Ada Lovelace" }).click();
    await page.getByRole("menuitem", { name: "Assign Package" }).click();
    await page.getByRole("button", { name: /Calling package/ }).click();
    await expect(page.getByRole("option", { name: /Old Plan/ })).toHaveCount(0);
    await page.getByRole("option", { name: /New Plan/ }).click();
    await page.getByRole("button", { name: "Confirm and Assign Numbers" }).click();
    await page.getByRole("button", { name: "Skip" }).click();
    await expect(page.getByRole("link", { name: "Ada Lovelace" })).toHaveCount(0);
    await expect(page.getByRole("row", { name: /Cleo Jones/ })).toContainText("Old Plan (inactive)");
  });

  await test.step("remove the user, by the more icon", async () => {
    await page.getByRole("button", { name: "More for Cleo Jones" }).click();
    await page.getByRole("menuitem", { name: "Remove", exact: true }).click();
    const dialog = page.getByRole("alertdialog", { name: "Remove Users" });
    await expect(dialog.getByRole("row", { name: /Cleo Jones/ })).toContainText("Old Plan");
    await dialog.getByRole("button", { name: "Delete" }).click();
    await expect(page.getByText("Nobody matches")).toBeVisible();
  });
  const left = (await tenant.phoneUsers()).map((p) => [p["displayName"], p["package"]]);
  expect(left.sort()).toEqual([
    ["Ada Lovelace", current],
    ["Bob Bletchley", current],
  ]);
});
