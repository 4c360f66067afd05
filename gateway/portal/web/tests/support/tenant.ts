import { stackInfo } from "./stack";

type Body = Record<string, unknown>;

/** An account of a test's own, filled through the API. */
export class Tenant {
  private constructor(
    readonly name: string,
    readonly displayName: string,
    private readonly token: string,
  ) {}

  get id(): string {
    return this.name.replace("accounts/", "");
  }

  static async make(
    displayName: string,
    options: { softDelete?: boolean; seats?: number; from?: string; to?: string } = {},
  ): Promise<Tenant> {
    const { tokenURL } = stackInfo();
    const token = async (body: Body) => ((await post(tokenURL, body)) as { accessToken: string }).accessToken;
    const operator = await token({ operator: true });
    const account = (await call("POST", "/v1/accounts", operator, {
      displayName,
      licenseSeats: options.seats ?? 200,
      policy: { softDelete: options.softDelete ?? false },
    })) as { name: string };
    const tenant = new Tenant(
      account.name,
      displayName,
      await token({ subject: "test", account: account.name, role: "ADMIN" }),
    );
    await tenant.post(`${await tenant.mainSite()}/extensionRanges`, { from: options.from ?? "1000", to: options.to ?? "1999" });
    return tenant;
  }

  async mainSite(): Promise<string> {
    const { sites } = (await this.get(`${this.name}/sites`)) as { sites: { name: string }[] };
    return sites[0]?.name ?? "";
  }

  get(path: string): Promise<unknown> {
    return call("GET", `/v1/${path}`, this.token);
  }

  post(path: string, body: Body): Promise<unknown> {
    return call("POST", `/v1/${path}`, this.token, body);
  }

  patch(path: string, body: Body): Promise<unknown> {
    return call("PATCH", `/v1/${path}`, this.token, body);
  }

  async site(displayName: string): Promise<string> {
    return ((await this.post(`${this.name}/sites`, { displayName })) as { name: string }).name;
  }

  /** Adds people "given family", with addresses of this account's own. Returns their names and addresses. */
  async users(...people: string[]): Promise<{ name: string; displayName: string; email: string }[]> {
    const out: { name: string; displayName: string; email: string }[] = [];
    for (let i = 0; i < people.length; i += 1000) {
      const users = people.slice(i, i + 1000).map((person) => {
        const [givenName = "", ...rest] = person.split(" ");
        return { givenName, familyName: rest.join(" "), email: this.email(person) };
      });
      const answer = (await this.post(`${this.name}/users:batchCreate`, { users })) as { users: typeof out };
      out.push(...answer.users);
    }
    return out;
  }

  email(person: string): string {
    return `${person.toLowerCase().replace(/[^a-z0-9]+/g, ".")}@${this.id.slice(-12)}.example.com`;
  }

  async room(displayName: string): Promise<string> {
    return ((await this.post(`${this.name}/rooms`, { displayName })) as { name: string }).name;
  }

  async package(displayName: string, seats = 50): Promise<string> {
    return ((await this.post(`${this.name}/packages`, { displayName, kind: "domestic", seats })) as { name: string }).name;
  }

  async numbers(...numbers: string[]): Promise<void> {
    await this.post(`${this.name}/phoneNumbers:batchCreate`, { phoneNumbers: numbers.map((number) => ({ number })) });
  }

  async assign(
    assignees: string[],
    more: Body = {},
  ): Promise<{ name: string; displayName: string; extensionNumber: string }[]> {
    const answer = (await this.post(`${this.name}/phoneUsers:batchAssign`, { assignees, ...more })) as {
      phoneUsers: { name: string; displayName: string; extensionNumber: string }[];
    };
    return answer.phoneUsers;
  }

  async phoneUsers(query = ""): Promise<Record<string, unknown>[]> {
    return ((await this.get(`${this.name}/phoneUsers?${query}`)) as { phoneUsers: Record<string, unknown>[] }).phoneUsers;
  }
}

async function call(method: string, path: string, token: string, body?: Body): Promise<unknown> {
  return post(stackInfo().gateway + path, body, { method, headers: { Authorization: `Bearer ${token}` } });
}

async function post(url: string, body?: Body, init: RequestInit = { method: "POST" }): Promise<unknown> {
  const answer = await fetch(url, { ...init, ...(body && { body: JSON.stringify(body) }) });
  if (!answer.ok) {
    throw new Error(`${init.method ?? "GET"} ${url}: ${answer.status} ${await answer.text()}`);
  }
  return answer.json();
}

interface Mail {
  subject: string;
  text: string;
}

/** The mails to an address, newest first; waits until there are as many as named. */
export async function mails(to: string, count = 1): Promise<Mail[]> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const answer = await fetch(`${stackInfo().mail}?to=${encodeURIComponent(to)}`);
    const { messages: list } = (await answer.json()) as { messages: Mail[] };
    if (list.length >= count) {
      return list;
    }
    if (Date.now() > deadline) {
      throw new Error(`${list.length} mails to ${to}, expected ${count}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The link in a mail. */
export function linkIn(mail: Mail | undefined): string {
  const link = /https?:\/\/\S+#token=\S+/.exec(mail?.text ?? "")?.[0];
  if (!link) {
    throw new Error(`no link in: ${mail?.text ?? "no mail"}`);
  }
  return link;
}
