// A list of 100,000 phone users. The answers are made up here, in the gateway's own shape and pages, so that what is looked at is the
// browser's part: how much is in the document, and how long frames take.
import { expect, signInToTenant, test } from "./support/portal";
import { Tenant } from "./support/tenant";

const total = 100_000;

function phoneUser(account: string, i: number) {
  const number = String(100_000 + i);
  return {
    name: `${account}/phoneUsers/p${number}`, assignee: `${account}/users/u${number}`, displayName: `Person ${number}`,
    email: `person.${number}@example.com`, kind: "USER", state: "ACTIVE", extensionNumber: number, site: "", package: "",
    phoneNumbers: [`+35121${number}`], outboundCalling: false, setupComplete: false, settings: {}, etag: "1",
  }; // prettier-ignore
}

test("100,000 phone users scroll, and the last one is reached", async ({ page }) => {
  const tenant = await Tenant.make("Scroll Ltd");
  let calls = 0;
  await page.route(/\/phoneUsers\?/, async (route) => {
    const query = new URL(route.request().url()).searchParams;
    const from = Number(query.get("pageToken") ?? 0);
    const to = Math.min(total, from + Number(query.get("pageSize")));
    calls++;
    await route.fulfill({
      json: {
        phoneUsers: Array.from({ length: to - from }, (_, i) => phoneUser(tenant.name, from + i)),
        nextPageToken: to < total ? String(to) : "",
        totalSize: total,
      },
    });
  });
  await signInToTenant(page, tenant, "/phone-system/users");
  await expect(page.getByText("100,000 users")).toBeVisible();
  await expect(page.getByRole("link", { name: "Person 100000" })).toBeVisible();
  const table = page.getByRole("region", { name: "Phone users" });
  const elements = () => table.locator("tr").count();
  expect(await elements()).toBeLessThan(80);

  // Work of the browser's main thread is counted in its own processor time, which does not grow when the machine is busy otherwise.
  const client = await page.context().newCDPSession(page);
  await client.send("Performance.enable", { timeDomain: "threadTicks" });
  const work = async () =>
    (await client.send("Performance.getMetrics")).metrics.find((m) => m.name === "TaskDuration")?.value ?? 0;
  const before = await work();
  // As with a wheel turned steadily: 60 pixels a frame for 300 frames.
  const frames = await table.evaluate(async (scroller) => {
    const out: number[] = [];
    let last = performance.now();
    for (let i = 0; i < 300; i++) {
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      out.push(now - last);
      last = now;
      scroller.scrollTop += 60;
    }
    return out.sort((a, b) => a - b);
  });
  console.log(`main thread while scrolling: ${((((await work()) - before) / frames.length) * 1000).toFixed(1)} ms a frame`);
  const at = (share: number) => (frames[Math.floor(share * (frames.length - 1))] ?? 0).toFixed(1);
  const dropped = frames.filter((f) => f > 34).length;
  console.log(
    `frames while scrolling: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, 99 % ${at(0.99)} ms, longest ${at(1)} ms, over 34 ms ${dropped} of 300`,
  );

  // The scroll bar dragged to the end: everything in between is fetched, in larger pages, and the last row is there.
  await table.evaluate((scroller) => (scroller.scrollTop = scroller.scrollHeight));
  await expect(page.getByRole("link", { name: "Person 199999" })).toBeVisible({ timeout: 60_000 });
  expect(await elements()).toBeLessThan(80);
  expect(calls).toBeLessThan(200);
  await expect(page.locator('tr[aria-rowindex="100001"]')).toContainText("Person 199999");
});
