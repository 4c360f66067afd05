import { useState } from "react";
import { useSearchParams } from "react-router";
import { quoted } from "../api/client";
import { useLog } from "../api/queries";
import { useAccountId } from "../session/hooks";
import { Button, Select, TextField } from "../ui/controls";
import { useTitle } from "../ui/title";
import { LogTable } from "./log-table";
import { logKinds } from "./log-words";

/** Everything that happened to the account's phone users, for good. */
export default function AccountLog() {
  useTitle("Account Log");
  const account = useAccountId();
  const [params, setParams] = useSearchParams();
  const [kind, setKind] = useState("all");
  const [since, setSince] = useState("");
  const [until, setUntil] = useState("");
  const start = new Date(`${since}T00:00:00`);
  const end = new Date(`${until}T23:59:59.999`);
  const phoneUser = params.get("phoneUser");
  const person = phoneUser && `phoneUser = ${quoted(`accounts/${account}/phoneUsers/${phoneUser}`)}`;
  const filter = [
    person,
    kind !== "all" && `kind = ${kind}`,
    !Number.isNaN(start.getTime()) && `time >= "${start.toISOString()}"`,
    !Number.isNaN(end.getTime()) && `time <= "${end.toISOString()}"`,
  ];
  return (
    <section className="page fill">
      <header className="page-header">
        <h1>Account Log</h1>
      </header>
      <div className="toolbar">
        <Select
          inline
          label="What"
          value={kind}
          onChange={setKind}
          choices={[
            { id: "all", label: "Everything", text: "Everything" },
            ...Object.entries(logKinds).map(([id, text]) => ({ id, label: text, text })),
          ]}
        />
        <div className="inline-date">
          <TextField label="From" type="date" value={since} onChange={setSince} />
        </div>
        <div className="inline-date">
          <TextField label="To" type="date" value={until} onChange={setUntil} />
        </div>
      </div>
      {person && <OnePerson filter={person} onClear={() => setParams({})} />}
      <LogTable filter={filter.filter(Boolean).join(" AND ")} label="Account log" ofOne={!!person} />
    </section>
  );
}

/** Whose entries alone are shown. The phone user may be long gone, so the log itself is asked for the name. */
function OnePerson({ filter, onClear }: { filter: string; onClear: () => void }) {
  const newest = useLog(filter).rows[0];
  return (
    <div className="bulk-bar" role="toolbar" aria-label="Phone user">
      <span>Only {newest?.displayName ?? "one phone user"}</span>
      <Button look="quiet" onPress={onClear}>
        Show all
      </Button>
    </div>
  );
}
