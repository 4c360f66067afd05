import createClient from "openapi-fetch";
import { currentToken, sessionEnded } from "../session/store";
import { Refusal } from "./refusal";
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
export type Account = Schemas["Account"];
export type Extension = Schemas["Extension"];
export type ExtensionLease = Schemas["ExtensionLease"];
export type ExtensionRange = Schemas["v1.ExtensionRange"];
export type LogEntry = Schemas["LogEntry"];
export type Notification = Schemas["Notification"];
export type Package = Schemas["Package"];
export type PhoneNumber = Schemas["PhoneNumber"];
export type PhoneUser = Schemas["PhoneUser"];
export type PhoneUserSetup = Schemas["PhoneUserSetup"];
export type Release = Schemas["Release"];
export type Restoration = Schemas["Restoration"];
export type Room = Schemas["Room"];
export type Settings = Schemas["Settings"];
export type Site = Schemas["Site"];
export type Template = Schemas["Template"];
export type User = Schemas["User"];
export type UserInput = Schemas["User.Input"];

/** The gateway's API, typed by its OpenAPI document. Calls carry the token of whoever is signed in. */
export const api = createClient<paths>({ baseUrl: "", cache: "no-store", credentials: "omit", redirect: "error" });

api.use({
  onRequest({ request }) {
    const token = currentToken();
    if (token) {
      request.headers.set("Authorization", `Bearer ${token}`);
    }
    return request;
  },
  onResponse({ response }) {
    if (response.status === 401 && currentToken()) {
      sessionEnded();
    }
  },
  onError({ error }) {
    // An aborted call is the page's own doing; everything else is a network that did not answer.
    return error instanceof DOMException && error.name === "AbortError" ? error : Refusal.offline();
  },
});

/** The answer of a call; a refusal is thrown as a Refusal. */
export async function ask<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call;
  if (error !== undefined || !response.ok) {
    throw Refusal.of(error, response.status);
  }
  return data as T;
}

/** The last part of a resource name: the id that paths of the API take. */
export function idOf(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** A text as a value in a filter. */
export function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}
