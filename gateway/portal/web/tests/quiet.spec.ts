// What every other test relies on: whatever goes wrong in the browser is noticed, and fails the test that leaves it behind.
import { expect, expectRefusal, test } from "./support/portal";
import { stackInfo } from "./support/stack";

const wrongs = {
  "an error in the console": () => console.error("something is wrong"),
  "an exception": () => void setTimeout(() => (undefined as unknown as () => void)()),
  "a rejection that nobody handles": () => void Promise.reject(new Error("something is wrong")),
  "a refusal that the test does not name": () => void fetch("/v1/accounts/none"),
  "a script that the content security policy refuses": () =>
    document.head.append(Object.assign(document.createElement("script"), { src: "https://scripts.example.com/x.js" })),
};

for (const [name, wrong] of Object.entries(wrongs)) {
  test(`Noticed: ${name}`, async ({ page, noise }) => {
    await page.goto(`${stackInfo().gateway}/sign-in`);
    await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
    expect(noise).toEqual([]);
    await page.evaluate(wrong);
    await expect.poll(() => noise.length).toBeGreaterThan(0);
    noise.length = 0;
  });
}

test("A refusal that the test names is no error", async ({ page, noise }) => {
  expectRefusal(page, /\/v1\/accounts\/none$/);
  await page.goto(`${stackInfo().gateway}/sign-in`);
  const logged = page.waitForEvent("console", (message) => message.location().url.endsWith("/v1/accounts/none"));
  await page.evaluate(() => void fetch("/v1/accounts/none"));
  await logged;
  expect(noise).toEqual([]);
});
