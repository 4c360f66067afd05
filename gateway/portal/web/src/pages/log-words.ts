// An entry of the account log in words.
import type { LogEntry, Settings } from "../api/client";
import { formatTime } from "../ui/format";
import { withDefaults, type FullSettings } from "./settings-fields";

/** Kinds of entries, and what they are called. */
export const logKinds: Record<string, string> = {
  ASSIGNED: "Licence assigned",
  INVITED: "Invited",
  CONFIRMED: "Account confirmed",
  EXTENSION_CHANGED: "Extension changed",
  SITE_CHANGED: "Site changed",
  SETTINGS_CHANGED: "Settings changed",
  SETUP_COMPLETED: "Set-up completed",
  INVITE_RESENT: "Invite sent again",
  PACKAGE_ASSIGNED: "Package assigned",
  PACKAGES_REMOVED: "Packages removed",
  PHONE_NUMBERS_ASSIGNED: "Numbers assigned",
  PHONE_NUMBERS_UNASSIGNED: "Numbers unassigned",
  TRASHED: "Moved to the trash",
  RESTORED: "Restored",
  REMOVED: "Licence removed",
  PURGED: "Deleted for good",
  RECORD: "Call, voicemail or recording",
};

/** One thing that an entry tells, as it was and as it is; of a record, only what it is. */
export interface Fact {
  label: string;
  before: string;
  after: string;
}

type Fields = Record<string, unknown>;

const recordKinds: Record<string, string> = { CALL: "Call", VOICEMAIL: "Voicemail", RECORDING: "Recording" };
const directions: Record<string, string> = { INBOUND: "Incoming", OUTBOUND: "Outgoing" };

const fieldLabels: Record<string, string> = {
  extensionNumber: "Extension",
  site: "Site",
  package: "Package",
  phoneNumbers: "Numbers",
};

const settingLabels: Record<keyof FullSettings, string> = {
  language: "Language",
  timeZone: "Time zone",
  voicemailEnabled: "Voicemail",
  voicemailToEmail: "Voicemail by e-mail",
  ringSeconds: "Seconds to ring",
  callWaiting: "Call waiting",
  doNotDisturb: "Do not disturb",
  forwardTo: "Forward to",
};

/** What happened; of a record, which sort it is. */
export function logTitle(row: LogEntry): string {
  const record = row.kind === "RECORD" ? recordKinds[text((row.after as Fields)["kind"])] : undefined;
  return record ?? logKinds[row.kind] ?? row.kind;
}

/** All that an entry tells. Sites and packages are called by the names given. */
export function logFacts(row: LogEntry, names: ReadonlyMap<string, string>): Fact[] {
  const [before, after] = [row.before as Fields, row.after as Fields];
  const facts = row.kind === "RECORD" ? recordFacts(after) : changes(before, after, names);
  return facts.filter((fact) => fact.before !== fact.after);
}

/** The same in a line. */
export function logLine(row: LogEntry, names: ReadonlyMap<string, string>): string {
  const facts = logFacts(row, names);
  if (row.kind === "RECORD") {
    return facts.map(({ after }) => after).join(", ");
  }
  return facts
    .map(({ label, before, after }) => {
      const change = before && after ? `${before} → ${after}` : after || `${before} given up`;
      return `${label.toLowerCase()} ${change}`;
    })
    .join(", ");
}

function recordFacts(record: Fields): Fact[] {
  const seconds = Math.round(Number.parseFloat(text(record["duration"])));
  const told = {
    Direction: directions[text(record["direction"])] ?? "",
    "Other end": text(record["peer"]),
    Began: formatTime(text(record["startTime"])),
    Lasted: Number.isNaN(seconds) ? "" : lasted(seconds),
    "Kept at": text(record["uri"]),
  };
  return Object.entries(told).map(([label, after]) => ({ label, before: "", after }));
}

function changes(before: Fields, after: Fields, names: ReadonlyMap<string, string>): Fact[] {
  const named = (value: string) => (value.startsWith("accounts/") ? (names.get(value) ?? "unknown") : value);
  const say = (value: unknown) => (Array.isArray(value) ? value.join(" ") : named(text(value)));
  const ended = Object.keys(after).length === 0;
  const fields = Object.entries(fieldLabels)
    // A site is not given up by whoever leaves.
    .filter(([field]) => !(ended && field === "site"))
    .map(([field, label]) => ({ label, before: say(before[field]), after: say(after[field]) }));
  return before["settings"] || after["settings"] ? [...fields, ...settingChanges(before, after)] : fields;
}

function settingChanges(before: Fields, after: Fields): Fact[] {
  const [old, now] = [withDefaults(before["settings"] as Settings), withDefaults(after["settings"] as Settings)];
  const say = (value: string | number | boolean) =>
    typeof value === "boolean" ? (value ? "on" : "off") : value === "" ? "nowhere" : String(value);
  return Object.entries(settingLabels).map(([name, label]) => ({
    label,
    before: say(old[name as keyof FullSettings]),
    after: say(now[name as keyof FullSettings]),
  }));
}

/** "1 h 2 min 5 s", without what is zero. */
function lasted(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 3600), "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const told = parts.filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`);
  return told.join(" ") || "0 s";
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
