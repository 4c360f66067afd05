// The pages that people open by the links in their mails.
import { expect, expectRefusal, signInToTenant, test } from "./support/portal";
import { linkIn, mails, Tenant } from "./support/tenant";

test("The set-up page, from the link in the welcome mail", async ({ page }) => {
  const tenant = await Tenant.make("Setup Ltd");
  const [ada] = await tenant.users("Ada Lovelace");
  await tenant.assign([ada?.name ?? ""]);
  const [mail] = await mails(tenant.email("Ada Lovelace"));

  await page.goto(linkIn(mail));
  await expect(page.getByRole("heading", { name: "Set up your phone" })).toBeVisible();
  await expect(page.getByText("1000", { exact: true })).toBeVisible();
  expectRefusal(page, /phoneUserSetup:complete$/);
  await page.getByRole("textbox", { name: "Seconds to ring" }).fill("3");
  await page.getByRole("button", { name: "Save and finish" }).click();
  await expect(page.getByRole("alert")).toContainText("Something in the form cannot be used");
  await expect(page.getByRole("alert").getByRole("listitem")).toContainText("Seconds to ring: must be");
  await page.getByRole("textbox", { name: "Seconds to ring" }).fill("45");
  await page.getByText("Also send voicemails by e-mail").click();
  await page.getByRole("button", { name: "Save and finish" }).click();
  await expect(page.getByText("Saved. Your phone is set up")).toBeVisible();
  const [now] = await tenant.phoneUsers();
  expect(now?.["setupComplete"]).toBe(true);
  expect(now?.["settings"]).toMatchObject({ ringSeconds: 45, voicemailToEmail: true });

  await signInToTenant(page, tenant, "/phone-system/users");
  await page.getByRole("link", { name: "Ada Lovelace" }).click();
  await expect(page.getByText("The person has completed the set-up")).toBeVisible();
  await expect(page.getByRole("button", { name: "Resend Invite" })).toHaveCount(0);
});

test("The confirmation page, from the link in the invitation mail, and then the extension of one's own choice", async ({
  page,
}) => {
  const tenant = await Tenant.make("Confirm Ltd");
  const email = tenant.email("Lin Clark");
  const taken = await tenant.users("Ada Lovelace");
  await tenant.assign(taken.map((p) => p.name));
  await tenant.post(`${tenant.name}/users`, { givenName: "Lin", familyName: "Clark", email, features: ["PHONE"] });
  const [invitation] = await mails(email);

  await page.goto(linkIn(invitation));
  await page.getByRole("button", { name: "Confirm my account" }).click();
  await expect(page.getByText("Thank you, Lin Clark.")).toBeVisible();
  const [confirmed] = await mails(email, 2);
  expect(confirmed?.text).toContain("1001");

  await page.goto(linkIn(confirmed));
  const extension = page.getByRole("textbox", { name: "Extension", exact: true });
  await expect(extension).toHaveValue("1001");
  expectRefusal(page, /phoneUserSetup:complete$/);
  await extension.fill("1000");
  await page.getByRole("button", { name: "Save and finish" }).click();
  await expect(page.getByRole("alert")).toContainText(/Extension 1000 is taken\. Free ones: \d+, \d+, \d+\./);
  await extension.fill("1234");
  await page.getByRole("button", { name: "Save and finish" }).click();
  await expect(page.getByText("Saved. Your phone is set up")).toBeVisible();
  expect((await tenant.phoneUsers("query=lin"))[0]?.["extensionNumber"]).toBe("1234");
});

test("Links that are not good any more say so", async ({ page }) => {
  await Tenant.make("Links Ltd");
  expectRefusal(page, /phoneUserSetup:lookup$/);
  const { gateway } = JSON.parse(process.env["STACK"] ?? "{}") as { gateway: string };
  await page.goto(`${gateway}/setup#token=nonsense`);
  await expect(page.getByRole("alert")).toContainText("This link is not valid any more");
  await page.goto(`${gateway}/confirm`);
  await expect(page.getByText("This page opens by the link in the invitation mail.")).toBeVisible();
});

test("Another link opened in the same tab is that person's", async ({ page }) => {
  const tenant = await Tenant.make("Two Links Ltd");
  const people = await tenant.users("Ada Lovelace", "Bob Bletchley");
  await tenant.assign(people.map((p) => p.name));
  for (const [person, extension] of [
    ["Ada Lovelace", "1000"],
    ["Bob Bletchley", "1001"],
  ] as const) {
    await page.goto(linkIn((await mails(tenant.email(person)))[0]));
    await expect(page.getByText(person)).toBeVisible();
    await expect(page.getByText(extension, { exact: true })).toBeVisible();
  }
});
