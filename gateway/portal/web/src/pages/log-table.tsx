import type { LogEntry } from "../api/client";
import { useLog } from "../api/queries";
import { formatTime } from "../ui/format";
import { Empty, Problem, Waiting } from "../ui/notice";
import { DataTable, type Column } from "../ui/table";

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

const keyOf = (row: LogEntry) => row.name;

const columns: Column<LogEntry>[] = [
  { id: "time", header: "Time", className: "time", cell: (row) => formatTime(row.time) },
  {
    id: "what",
    header: "What",
    className: "name",
    cell: (row) => (
      <div className="two-lines">
        <span>{logKinds[row.kind] ?? row.kind}</span>
        <span className="muted">{details(row)}</span>
      </div>
    ),
  },
  { id: "who", header: "Phone user", className: "wide", cell: (row) => row.displayName },
  { id: "actor", header: "By", className: "wide", cell: (row) => actorName(row.actor) },
];

export function LogTable({ filter, label }: { filter: string; label: string }) {
  const list = useLog(filter);
  return (
    <>
      <Problem error={list.error} retry={() => void list.refetch()} />
      {list.isPending && <Waiting />}
      {list.data && list.rows.length === 0 && <Empty title="Nothing happened yet" />}
      {list.rows.length > 0 && (
        <DataTable
          label={label}
          columns={columns}
          rows={list.rows}
          total={list.total}
          need={list.need}
          rowKey={keyOf}
          rowHeight={56}
        />
      )}
    </>
  );
}

function actorName(actor: string): string {
  return actor === "phone-user" ? "the person" : actor === "system" ? "Switchboard" : actor;
}

const fieldNames: Record<string, string> = {
  extensionNumber: "extension",
  phoneNumbers: "numbers",
};

/** The fields that people look for, before and after. */
function details(row: LogEntry): string {
  const before = (row.before ?? {}) as Record<string, unknown>;
  const after = (row.after ?? {}) as Record<string, unknown>;
  return Object.entries(fieldNames)
    .map(([field, name]) => [name, show(before[field]), show(after[field])] as const)
    .filter(([, old, now]) => old !== now)
    .map(([name, old, now]) => (old && now ? `${name} ${old} → ${now}` : now ? `${name} ${now}` : `${name} ${old} given up`))
    .join(", ");
}

function show(value: unknown): string {
  return Array.isArray(value) ? value.join(" ") : typeof value === "string" ? value : "";
}
