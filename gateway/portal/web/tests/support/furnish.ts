import { Tenant } from "./tenant";

const given = [
  "Ada",
  "Beatriz",
  "Chidi",
  "Dagny",
  "Emre",
  "Fatima",
  "Goran",
  "Hanako",
  "Ines",
  "Jonas",
  "Keiko",
  "Lars",
  "Mei",
  "Noor",
  "Olu",
];
const family = [
  "Almeida",
  "Bakker",
  "Chen",
  "Dvořák",
  "Eriksen",
  "Ferreira",
  "Garcia",
  "Haddad",
  "Ito",
  "Jansen",
  "Kowalski",
  "Lindqvist",
];

/** People with names as they are in a directory; the number keeps them apart. */
export function people(count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const round = Math.floor(i / (given.length * family.length));
    return `${given[i % given.length] ?? ""} ${family[i % family.length] ?? ""}${round || i >= 60 ? ` ${i}` : ""}`;
  });
}

/** An account with a bit of everything, so that every page has something to show. */
export async function furnished(displayName: string): Promise<{ tenant: Tenant; phoneUser: string }> {
  const tenant = await Tenant.make(displayName, { softDelete: true, seats: 500 });
  const main = await tenant.mainSite();
  const porto = await tenant.site("Porto Office");
  await tenant.post(`${porto}/extensionRanges`, { from: "20000", to: "29999" });
  const users = await tenant.users(...people(220));
  const domestic = await tenant.package("Domestic", 120);
  const old = await tenant.package("Legacy Unlimited", 40);
  await tenant.package("International", 25);
  await tenant.numbers(...Array.from({ length: 40 }, (_, i) => `+3512100001${String(i).padStart(2, "0")}`));
  await tenant.post(`${tenant.name}/templates`, { displayName: "Front desk", settings: { ringSeconds: 12 } });
  await tenant.post(`${tenant.name}/templates`, {
    displayName: "Porto call centre",
    site: porto,
    settings: { callWaiting: false },
  });
  const names = users.map((u) => u.name);
  const [first] = await tenant.assign(names.slice(0, 90), { site: main, package: domestic });
  await tenant.assign(names.slice(90, 120), { site: main, package: old });
  const trashed = await tenant.assign(names.slice(120, 125), { site: main });
  await tenant.assign(names.slice(130, 190), { site: porto });
  for (const record of [
    { kind: "CALL", direction: "OUTBOUND", peer: "+351219998877", duration: "754s" },
    { kind: "VOICEMAIL", direction: "INBOUND", peer: "1002", duration: "18s", uri: "store://voicemails/2026/11/0b5c9d" },
  ]) {
    await tenant.post(`${first?.name ?? ""}/records`, record);
  }
  await tenant.post(`${first?.name ?? ""}:assignPhoneNumbers`, { phoneNumbers: ["+351210000107"] });
  await tenant.post(`${old}:deactivate`, {});
  await tenant.post(`${tenant.name}/phoneUsers:batchTrash`, { phoneUsers: trashed.map((p) => p.name) });
  await tenant.post(`${tenant.name}/extensions:reserve`, { numbers: ["1900", "1901", "1902", "1950"] });
  for (const name of ["Board Room", "Café", "Workshop"]) {
    const room = await tenant.post(`${tenant.name}/rooms`, { displayName: name, site: main });
    await tenant.assign([(room as { name: string }).name], { site: main });
  }
  await tenant.post(`${tenant.name}/rooms`, { displayName: "Atrium", site: main });
  await tenant.post(`${tenant.name}/users`, {
    givenName: "Pia",
    familyName: "Pending",
    email: tenant.email("Pia Pending"),
    features: ["PHONE"],
    site: main,
  });
  return { tenant, phoneUser: first?.name ?? "" };
}
