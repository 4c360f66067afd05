// What the pages read, each under a key that begins with the kind of thing and the account.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { useAccountId, useMayManage } from "../session/hooks";
import { api, ask, idOf, type PhoneUser } from "./client";
import { refreshList, useKeyset } from "./lists";

const everything = 1000;

export function useAccount() {
  const account = useAccountId();
  const mayManage = useMayManage();
  return useQuery({
    queryKey: ["account", account],
    queryFn: ({ signal }) => ask(api.GET("/v1/accounts/{account}", { params: { path: { account } }, signal })),
    enabled: account !== "" && mayManage,
  });
}

export function useSites() {
  const account = useAccountId();
  return useQuery({
    queryKey: ["sites", account],
    queryFn: async ({ signal }) =>
      (
        await ask(
          api.GET("/v1/accounts/{account}/sites", { params: { path: { account }, query: { pageSize: everything } }, signal }),
        )
      ).sites,
    enabled: account !== "",
  });
}

export function usePackages() {
  const account = useAccountId();
  return useQuery({
    queryKey: ["packages", account],
    queryFn: async ({ signal }) =>
      (
        await ask(
          api.GET("/v1/accounts/{account}/packages", {
            params: { path: { account }, query: { pageSize: everything } },
            signal,
          }),
        )
      ).packages,
    enabled: account !== "",
  });
}

export function useTemplates() {
  const account = useAccountId();
  return useQuery({
    queryKey: ["templates", account],
    queryFn: async ({ signal }) =>
      (
        await ask(
          api.GET("/v1/accounts/{account}/templates", {
            params: { path: { account }, query: { pageSize: everything } },
            signal,
          }),
        )
      ).templates,
    enabled: account !== "",
  });
}

export function useRanges() {
  const account = useAccountId();
  return useQuery({
    queryKey: ["ranges", account],
    queryFn: async ({ signal }) =>
      (
        await ask(
          api.GET("/v1/accounts/{account}/sites/{site}/extensionRanges", {
            params: { path: { account, site: "-" }, query: { pageSize: everything } },
            signal,
          }),
        )
      ).extensionRanges,
    enabled: account !== "",
  });
}

/** What a row of a phone-user list shows; settings and the rest are left to the profile, since lists get long. */
export type PhoneUserRow = Pick<
  PhoneUser,
  | "name" | "assignee" | "displayName" | "email" | "kind" | "state" | "extensionNumber" | "site" | "package" | "packageState"
  | "phoneNumbers" | "setupComplete" | "deleteTime" | "purgeTime"
>; // prettier-ignore

export function phoneUserRow(p: PhoneUser): PhoneUserRow {
  const { name, assignee, displayName, email, kind, state, extensionNumber, site, phoneNumbers, setupComplete } = p;
  const { package: pack, packageState, deleteTime, purgeTime } = p;
  return {
    name, assignee, displayName, email, kind, state, extensionNumber, site, package: pack, packageState, phoneNumbers,
    setupComplete, deleteTime, purgeTime,
  }; // prettier-ignore
}

export function usePhoneUsers(list: { filter: string; query: string; showDeleted?: boolean; orderBy?: string }) {
  const account = useAccountId();
  return useKeyset(["phoneUsers", account, list], async (pageToken, pageSize, signal) => {
    const page = await ask(
      api.GET("/v1/accounts/{account}/phoneUsers", {
        params: { path: { account }, query: { ...list, pageToken, pageSize } },
        signal,
      }),
    );
    return { rows: page.phoneUsers.map(phoneUserRow), next: page.nextPageToken, total: page.totalSize };
  });
}

export function usePhoneUser(phoneUser: string) {
  const account = useAccountId();
  return useQuery({
    queryKey: ["phoneUser", account, phoneUser],
    queryFn: ({ signal }) =>
      ask(api.GET("/v1/accounts/{account}/phoneUsers/{phoneUser}", { params: { path: { account, phoneUser } }, signal })),
  });
}

export function useDirectory(list: { filter: string; query: string }) {
  const account = useAccountId();
  return useKeyset(["users", account, list], async (pageToken, pageSize, signal) => {
    const page = await ask(
      api.GET("/v1/accounts/{account}/users", {
        params: { path: { account }, query: { ...list, pageToken, pageSize } },
        signal,
      }),
    );
    return { rows: page.users, next: page.nextPageToken, total: page.totalSize };
  });
}

export function useRooms(query: string) {
  const account = useAccountId();
  return useKeyset(["rooms", account, query], async (pageToken, pageSize, signal) => {
    const page = await ask(
      api.GET("/v1/accounts/{account}/rooms", { params: { path: { account }, query: { query, pageToken, pageSize } }, signal }),
    );
    return { rows: page.rooms, next: page.nextPageToken };
  });
}

export function usePhoneNumbers(list: { filter: string; query: string }) {
  const account = useAccountId();
  return useKeyset(["phoneNumbers", account, list], async (pageToken, pageSize, signal) => {
    const page = await ask(
      api.GET("/v1/accounts/{account}/phoneNumbers", {
        params: { path: { account }, query: { ...list, pageToken, pageSize } },
        signal,
      }),
    );
    return { rows: page.phoneNumbers, next: page.nextPageToken, total: page.totalSize };
  });
}

export function useLog(filter: string) {
  const account = useAccountId();
  return useKeyset(["log", account, filter], async (pageToken, pageSize, signal) => {
    const page = await ask(
      api.GET("/v1/accounts/{account}/log", { params: { path: { account }, query: { filter, pageToken, pageSize } }, signal }),
    );
    return { rows: page.entries, next: page.nextPageToken };
  });
}

/** Reads again what a change of phone users can have changed: nearly everything. */
export function useRefresh() {
  const client = useQueryClient();
  const account = useAccountId();
  return useCallback(
    async (...kinds: string[]) => {
      const all = kinds.length
        ? kinds
        : ["phoneUsers", "phoneUser", "users", "rooms", "account", "packages", "phoneNumbers", "ranges", "extensions", "log"];
      await Promise.all(all.map((kind) => refreshList(client, [kind, account])));
    },
    [client, account],
  );
}

/** Display names by resource name. */
export function namesOf(list: { name: string; displayName: string }[] | undefined): Map<string, string> {
  return new Map((list ?? []).map((item) => [item.name, item.displayName]));
}

export { idOf };
